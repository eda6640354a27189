//! Runs with a journal: what is done stays done.

use std::{fs, path::Path, time::Duration};

use daisy::{
    Durability, Error, RunOptions, Task,
    journal::{self, JournalError},
};

use crate::support::{Calls, Log, line, quick, roi};

fn run(path: &Path, task: &Task) -> daisy::RunReport {
    quick().journal(path).run(std::slice::from_ref(task)).unwrap()
}

#[test]
fn a_run_that_is_made_again_has_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let calls = Calls::default();
    let task = line("a", 100).process(calls.function()).num_workers(2).build().unwrap();
    for durability in [Durability::Process, Durability::Power, Durability::Process] {
        let report =
            quick().journal(&path).durability(durability).run(std::slice::from_ref(&task)).unwrap();
        assert!(report.is_success());
        assert_eq!(calls.total(), 100);
    }
    let contents = journal::inspect(&path).unwrap();
    assert_eq!(contents.tasks[0].done.num_cells(), 100);
}

#[test]
fn failed_blocks_are_tried_afresh_unless_they_are_to_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let calls = Calls::default();
    let first = line("a", 6).max_retries(0).process(calls.failing(&[2], 1)).build().unwrap();
    let second = line("b", 6).upstream(&first).process(|_| ()).build().unwrap();
    let report = run(&path, &second);
    let of = |report: &daisy::RunReport, task: usize| {
        let counts = report.tasks[task].counts;
        (counts.completed, counts.skipped, counts.failed, counts.orphaned)
    };
    assert_eq!((of(&report, 0), of(&report, 1)), ((5, 0, 1, 0), (5, 0, 0, 1)));
    let kept = quick().journal(&path).keep_failed(true).run(std::slice::from_ref(&second)).unwrap();
    assert_eq!((of(&kept, 0), of(&kept, 1)), ((0, 5, 1, 0), (0, 5, 0, 1)));
    assert_eq!(kept.tasks[0].failures[0].block.cell, 2);
    assert_eq!(calls.total(), 6);
    let again = run(&path, &second);
    assert_eq!((of(&again, 0), of(&again, 1)), ((1, 5, 0, 0), (1, 5, 0, 0)));
    assert!(again.is_success());
}

#[test]
fn tasks_may_be_added_and_requests_widened_but_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let calls = Calls::default();
    let first = line("a", 10).process(calls.function()).build().unwrap();
    let part = quick()
        .journal(&path)
        .request(&first, roi(0, 40))
        .run(std::slice::from_ref(&first))
        .unwrap();
    assert_eq!(part.tasks[0].counts.completed, 4);
    let second = line("b", 10).upstream(&first).process(calls.function()).build().unwrap();
    let whole = run(&path, &second);
    assert_eq!((whole.tasks[0].counts.skipped, whole.tasks[1].counts.completed), (4, 10));
    assert_eq!(calls.total(), 20);
    let changed = line("a", 11).process(|_| ()).build().unwrap();
    let error = quick().journal(&path).run(&[changed]).unwrap_err();
    let Error::Journal { error: JournalError::Changed { task, .. }, .. } = &error else {
        panic!("{error}")
    };
    assert!(task == "a" && error.to_string().contains("'a'"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn forgotten_blocks_are_done_again_with_everything_downstream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let calls = Calls::default();
    let first = line("a", 10).process(calls.function()).build().unwrap();
    let second = line("b", 10).upstream(&first).process(calls.function()).build().unwrap();
    run(&path, &second);
    let forgotten = journal::forget(&path, "a", Some(&roi(15, 35)), false).unwrap();
    assert_eq!(forgotten.tasks.len(), 2);
    let report = run(&path, &second);
    assert_eq!((report.tasks[0].counts.completed, report.tasks[1].counts.completed), (3, 3));
    assert_eq!(calls.total(), 26);
    assert!(journal::forget(&path, "c", None, false).is_err());
    assert!(journal::forget(folder.path().join("other"), "a", None, false).is_err());
}

#[test]
fn a_second_run_on_the_same_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let inner = path.clone();
    let task = line("a", 1)
        .process(move |_| {
            let task = line("a", 1).process(|_| ()).build().unwrap();
            let error = quick().journal(&inner).run(&[task]).unwrap_err();
            assert!(matches!(error, Error::JournalInUse { .. }), "{error}");
        })
        .build()
        .unwrap();
    assert!(run(&path, &task).is_success());
}

#[test]
fn a_damaged_journal_is_refused_with_the_place_unless_it_is_to_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let task = line("a", 300).process(|_| ()).build().unwrap();
    run(&path, &task);
    run(&path, &task);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 0x40;
    bytes.extend(b"tail, so that the damage is not at the end");
    fs::write(&path, &bytes).unwrap();
    let error = quick().journal(&path).run(std::slice::from_ref(&task)).unwrap_err();
    assert!(error.to_string().contains("byte"), "{error}");
    let report = quick().journal(&path).use_damaged_journal(true).run(&[task]).unwrap();
    assert!(report.is_success());
}

#[test]
fn serial_runs_keep_a_journal_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let task = line("a", 7).process(|_| ()).build().unwrap();
    let serial =
        || RunOptions::new().serial(true).journal(&path).run(std::slice::from_ref(&task)).unwrap();
    assert_eq!(serial().tasks[0].counts.completed, 7);
    assert_eq!(serial().tasks[0].counts.skipped, 7);
}

#[test]
fn blocks_that_need_several_attempts_end_well_with_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let calls = Calls::default();
    let task = line("a", 3).max_retries(5).process(calls.failing(&[1], 2)).build().unwrap();
    let options = RunOptions::new().backoff(Duration::from_millis(1), Duration::from_millis(1));
    assert!(options.journal(&path).run(&[task]).unwrap().is_success());
    assert_eq!(calls.total(), 5);
}

/// Each block fails once, then one of them for good, which ends the task and leaves the other one
/// with one attempt.
#[test]
fn attempts_are_counted_on_across_runs_that_were_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let line = || line("a", 2).max_retries(1).max_failed_blocks(1);
    let pause = Duration::from_millis(50);
    let options = || RunOptions::new().serial(true).backoff(pause, pause).journal(&path);
    let bad = line().process(Calls::default().failing(&[0, 1], 2)).build().unwrap();
    let report = options().run(&[bad]).unwrap();
    assert_eq!((report.tasks[0].counts.failed, report.tasks[0].counts.completed), (1, 0));
    let lost = report.tasks[0].failures[0].block.cell;

    let log = Log::default();
    let good = line().process(|_| ()).build().unwrap();
    assert!(options().observer(log.clone()).run(&[good]).unwrap().is_success());
    let lines = log.lines();
    let of = |cell: u64, attempt: u32| format!("#0/{cell} granted, attempt {attempt}");
    assert!(lines.contains(&of(1 - lost, 2)), "{lines:?}");
    assert!(lines.contains(&of(lost, 1)), "{lines:?}");
}
