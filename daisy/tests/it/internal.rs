//! A run whose machine panics ends with an error that accounts for every block; it never hangs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use daisy::{BlockResult, Error, PlantedFault, Roi, RunReport, Verdict};

use crate::support::{Calls, LIMIT, Log, line, quick, run_in_time as run};

/// The report of a run that broke off because of a planted fault, after the blocks of its tasks were counted.
fn broken(result: Result<RunReport, Error>) -> RunReport {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("a planted fault"), "{text}");
    assert!(text.contains("planted.rs:"), "{text}");
    println!("{text}");
    let Error::Internal { report, .. } = error else { panic!("{error:?}") };
    for task in &report.tasks {
        let counts = task.counts;
        assert_eq!((counts.ready, counts.processing), (0, 0), "{counts}");
        assert_eq!(counts.finished() + counts.pending, counts.total, "{counts}");
    }
    *report
}

#[test]
fn threads_leave_when_the_machine_panics() {
    for num_workers in [1, 2] {
        let (calls, log, fault) = (Calls::default(), Log::default(), PlantedFault::after(50));
        let task = line("a", 10_000).process(calls.function()).num_workers(num_workers);
        let options = quick().planted_fault(&fault).observer(log.clone());
        let report = broken(run(options, &[task.build().unwrap()]));
        assert_eq!(report.tasks[0].counts.total, 10_000);
        assert!(report.tasks[0].counts.completed < 50);
        // Nobody asks a machine that is broken, and nobody begins a block.
        assert_eq!(fault.strikes(), 1);
        assert!(calls.total() < 2_000, "{} blocks were begun", calls.total());
        assert!(calls.each().iter().all(|&calls| calls == 1));
        assert_eq!(log.lines().last().unwrap(), "run ended, Failed");
    }
}

#[test]
fn a_machine_that_panics_at_its_first_input_ends_the_run_too() {
    for serial in [false, true] {
        let fault = PlantedFault::after(0);
        let task = line("a", 100).process(|_| ()).num_workers(2).build().unwrap();
        let report = broken(run(quick().planted_fault(&fault).serial(serial), &[task]));
        assert_eq!(report.tasks[0].counts.pending, 100);
        assert_eq!(fault.strikes(), 1);
    }
}

#[test]
fn serial_runs_end_when_the_machine_panics() {
    let (calls, fault) = (Calls::default(), PlantedFault::after(50));
    let first = line("a", 100).process(calls.function()).build().unwrap();
    let second = line("b", 100).upstream(&first).process(calls.function()).build().unwrap();
    let options = quick().planted_fault(&fault).serial(true);
    let report = broken(run(options, &[second]));
    let completed: u64 = report.tasks.iter().map(|task| task.counts.completed).sum();
    assert!((10..50).contains(&completed), "{completed}");
    assert_eq!(fault.strikes(), 1);
}

#[test]
fn checks_and_masks_do_not_keep_a_run_whose_machine_panicked() {
    let wanted = |roi: &Roi| match (roi.begin_at(0), roi.end_at(0)) {
        (begin, _) if begin >= Some(500) => Verdict::None,
        (_, end) if end <= Some(500) => Verdict::All,
        _ => Verdict::Part,
    };
    for serial in [false, true] {
        let mut skipped = 0;
        for inputs in [1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 60] {
            let fault = PlantedFault::after(inputs);
            let task = line("a", 100).process(|_| ()).mask(wanted).num_workers(2);
            let task = task.check_pair(|block| block.key.cell % 2 == 0, |_| true).build().unwrap();
            let report = broken(run(quick().planted_fault(&fault).serial(serial), &[task]));
            assert_eq!(report.tasks[0].counts.total, 100);
            skipped = report.tasks[0].counts.skipped;
        }
        assert!(skipped > 50, "{skipped}");
    }
}

#[test]
fn an_error_whose_text_panics_is_a_failed_block() {
    #[derive(Debug)]
    struct Mute;
    impl std::fmt::Display for Mute {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no text")
        }
    }
    impl std::error::Error for Mute {}
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped")
        }
    }
    let task = line("a", 10).max_retries(0).process(|block| match block.key.cell {
        3 => BlockResult::Err(Mute.into()),
        5 => std::panic::panic_any(Bomb),
        _ => Ok(()),
    });
    let report = run(quick(), &[task.build().unwrap()]).unwrap();
    assert_eq!((report.tasks[0].counts.completed, report.tasks[0].counts.failed), (8, 2));
}

#[cfg(all(unix, feature = "workers"))]
mod with_files {
    use std::fs;

    use daisy::{Server, journal};

    use super::*;
    use crate::outside::{options, outside};

    #[test]
    fn the_journal_of_a_broken_run_says_what_its_report_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        for (serial, inputs) in [(false, 200), (true, 300), (false, 333)] {
            let fault = PlantedFault::after(inputs);
            let task = line("a", 1_000).process(|_| ()).num_workers(2).build().unwrap();
            let before = journal::inspect(&path).map_or(0, |known| known.tasks[0].done.num_cells());
            let options = quick().planted_fault(&fault).serial(serial).journal(&path);
            let report = broken(run(options, &[task]));
            let done = journal::inspect(&path).unwrap().tasks[0].done.num_cells();
            let counts = report.tasks[0].counts;
            assert_eq!(counts.completed + counts.skipped, done);
            assert_eq!(counts.skipped, before);
        }
        let task = line("a", 1_000).process(|_| ()).build().unwrap();
        assert!(run(quick().journal(&path), &[task]).unwrap().is_success());
    }

    #[test]
    fn worker_processes_are_ended_when_the_machine_panics() {
        let folder = tempfile::tempdir().unwrap();
        let fault = PlantedFault::after(100);
        let task = outside("count", 100_000, folder.path()).num_workers(2).build().unwrap();
        let options = options(folder.path()).planted_fault(&fault);
        let report = broken(run(options, &[task]));
        assert_eq!(report.tasks[0].counts.total, 100_000);
        assert_eq!(report.tasks[0].workers.unwrap().joined, 2);
        assert_eq!(fault.strikes(), 1);
        assert_eq!(workers_of(folder.path()), Vec::<u32>::new());
    }

    #[test]
    fn workers_that_do_not_hear_are_killed_when_the_machine_panics() {
        let folder = tempfile::tempdir().unwrap();
        let mark = format!("DAISY_TEST_FOLDER={}", folder.path().display());
        let deaf = ["env", &mark, "sh", "-c", "trap '' TERM; while :; do sleep 1; done"];
        let deaf = line("deaf", 10).worker_command(deaf).num_workers(1).build().unwrap();
        let fault = PlantedFault::after(100);
        let task = outside("count", 100_000, folder.path()).num_workers(1).build().unwrap();
        let options = options(folder.path()).planted_fault(&fault);
        let report = broken(run(options, &[task, deaf]));
        assert_eq!(report.tasks.len(), 2);
        assert_eq!(workers_of(folder.path()), Vec::<u32>::new());
    }

    #[test]
    fn clients_of_a_broken_run_are_told() {
        let fault = PlantedFault::after(30);
        let task = line("far", 1_000).num_workers(0).build().unwrap();
        let server = Server::bind(quick().planted_fault(&fault)).unwrap();
        let context = server.context("far");
        let num_done = Arc::new(AtomicU64::new(0));
        let done = Arc::clone(&num_done);
        let client = thread::spawn(move || {
            let client = daisy::Client::with_context(&context).unwrap();
            while let Ok(Some(block)) = client.acquire_block() {
                done.fetch_add(1, Ordering::SeqCst);
                block.complete();
            }
        });
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(server.run(&[task])));
        let report = broken(told.recv_timeout(LIMIT).expect("the run hangs"));
        client.join().unwrap();
        assert!(num_done.load(Ordering::SeqCst) >= report.tasks[0].counts.completed);
    }

    /// The processes whose environment names a folder.
    fn workers_of(folder: &std::path::Path) -> Vec<u32> {
        let name = folder.as_os_str().as_encoded_bytes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let me = std::process::id();
        let is_of = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            *pid != me && environment.windows(name.len()).any(|part| part == name)
        };
        pids.filter(is_of).collect()
    }
}
