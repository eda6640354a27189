//! Runs whose blocks are processed in other processes: this test program, entered again.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use daisy::{
    BlockError, Client, ClientError, Context, Error, NetError, Notice, Roi, RunOptions, RunOutcome,
    Server, StopHandle, Task, TaskBuilder, worker,
};

use crate::support::{Calls, Hears, line, quick, run_in_time};

/// The folder in which workers leave what they did.
const FOLDER: &str = "DAISY_TEST_FOLDER";

/// What worker processes do, by the name of their task. Nothing where this is an ordinary test.
#[test]
fn worker_entry() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let task = |builder: TaskBuilder| builder.in_processes().build().unwrap();
    let mark = {
        let folder = folder.clone();
        move |block: &daisy::Block, text: &str| {
            let mut file =
                fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
            // One write, which no other process can come between.
            let line = format!("{} {text} {}\n", block.key, process::id());
            file.write_all(line.as_bytes()).unwrap();
        }
    };
    let (note, log, own_folder) = (mark.clone(), mark.clone(), folder.clone());
    let tasks = [
        task(line("wide", 1).process(move |block| {
            log(block, "begin");
            thread::yield_now();
            log(block, "end");
        })),
        task(line("count", 1).process(move |block| {
            thread::park_timeout(Duration::from_millis(2));
            note(block, "ran");
        })),
        task(line("meet", 1).process({
            let mark = mark.clone();
            move |block| meet(&folder, || mark(block, "ran"))
        })),
        task(line("die", 1).process(|block| {
            if block.key.cell == 3 {
                println!("I am about to die");
                process::abort();
            }
        })),
        task(line("say", 1).process(|block| {
            println!("\x1b[31mhello\x1b[0m from\t{}\x07", block.key.cell);
            let heard = PathBuf::from(env::var_os(FOLDER).unwrap()).join("heard");
            wait_until("somebody who hears it", || heard.exists());
        })),
        task(line("flood", 1).process(|_| {
            (0..5_000).for_each(|number| println!("line {number}"));
            println!("the last line");
        })),
        task(line("gasp", 1).process(|block| {
            print!("last words");
            std::io::stdout().flush().unwrap();
            if block.key.cell == 0 {
                process::abort();
            }
        })),
        task(line("hang", 1).process(|block| {
            if block.key.cell == 1 {
                loop {
                    thread::park();
                }
            }
        })),
        task(line("bad", 1).process(|block| match block.key.cell {
            2 => Err("no good"),
            4 => panic!("oh dear"),
            _ => Ok(()),
        })),
        task(line("slow first", 1).process(move |block| {
            if block.key.cell == 0 {
                wait_until("all other blocks", || lines(&own_folder).len() == 59);
            }
            mark(block, "ran");
        })),
    ];
    worker::serve(&tasks).unwrap();
    panic!("serve does not return in a worker");
}

/// Leaves a line, and waits until another worker has done so, too.
fn meet(folder: &Path, mark: impl FnOnce()) {
    mark();
    let own = format!(" {}", process::id());
    wait_until("the other worker", || lines(folder).iter().any(|line| !line.ends_with(&own)));
}

/// What workers have left so far.
fn lines(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits for something that happens soon unless something is broken.
fn wait_until(what: &str, mut has_happened: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !has_happened() {
        assert!(Instant::now() < end, "waited for {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A task in one dimension whose workers are this program, entered at [`worker_entry`].
pub(crate) fn outside(name: &str, blocks: i64, folder: &Path) -> TaskBuilder {
    by_this_program(line(name, blocks), folder)
}

/// A task whose workers are this program.
pub(crate) fn by_this_program(task: TaskBuilder, folder: &Path) -> TaskBuilder {
    let me = env::current_exe().unwrap().into_os_string();
    let variable = format!("{FOLDER}={}", folder.display());
    let words = ["--exact", "outside::worker_entry", "--nocapture"].map(Into::into);
    // `env` sets what a command of its own could not.
    let command = ["env".into(), variable.into(), me].into_iter().chain(words);
    task.worker_command(command.collect::<Vec<std::ffi::OsString>>())
}

pub(crate) fn options(folder: &Path) -> RunOptions {
    quick().logs(folder.join("logs"))
}

/// The cells that were run, sorted, and how many processes ran them.
fn log(folder: &Path) -> (Vec<String>, usize) {
    let text = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let mut cells: Vec<String> =
        text.lines().map(|line| line.split(' ').next().unwrap().into()).collect();
    let mut pids: Vec<&str> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    cells.sort();
    pids.sort_unstable();
    pids.dedup();
    (cells, pids.len())
}

#[test]
fn worker_processes_run_every_block_once() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("meet", 200, folder.path()).num_workers(2).build().unwrap();
    let report = options(folder.path()).run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
    let (mut cells, num_processes) = log(folder.path());
    assert_eq!(cells.len(), 200);
    cells.dedup();
    assert_eq!(cells.len(), 200);
    let said = |worker: &str| {
        fs::read_to_string(folder.path().join(format!("logs/meet/worker_{worker}.log")))
    };
    assert_eq!(num_processes, 2, "{report}\n{:?}", [said("w0"), said("w1"), said("w2")]);
    let summary = &report.tasks[0];
    assert_eq!(summary.num_calls, 200);
    let workers = summary.workers.as_ref().unwrap();
    assert_eq!(workers.joined, 2);
    assert!(workers.peak_memory_kb > 500 && workers.peak_memory_kb < 10_000_000);
    let logs = fs::read_dir(folder.path().join("logs/meet")).unwrap().count();
    assert_eq!(logs, 2);
}

#[test]
fn a_worker_that_dies_at_a_block_costs_that_block_its_attempts_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("die", 8, folder.path()).num_workers(2).max_retries(1).build().unwrap();
    let report = options(folder.path()).run(&[task]).unwrap();
    let summary = &report.tasks[0];
    assert_eq!((summary.counts.completed, summary.counts.failed), (7, 1), "{report}");
    let failed = &summary.failures[0];
    assert_eq!((failed.block.cell, failed.attempts), (3, 2));
    let BlockError::WorkerDied(text) = &failed.why else { panic!("{:?}", failed.why) };
    assert!(text.contains("SIGABRT") && text.contains("I am about to die"), "{text}");
}

#[test]
fn a_program_that_is_no_worker_ends_its_task_with_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let task = line("count", 3).worker_command(["sh", "-c", "echo I am lost; exit 3"]);
    let report = options(folder.path()).run(&[task.build().unwrap()]).unwrap();
    let daisy::Ending::NoWorkers(text) = &report.tasks[0].ending else { panic!("{report}") };
    assert!(text.contains("exit code 3") && text.contains("I am lost"), "{text}");
    let missing = line("count", 3).worker_command(["/no/such/program"]).build().unwrap();
    let report = options(folder.path()).run(&[missing]).unwrap();
    assert!(matches!(report.tasks[0].ending, daisy::Ending::NoWorkers(_)), "{report}");
}

/// A program whose file is replaced while it runs. Nothing where this is an ordinary test.
#[test]
fn replaced_entry() {
    let Some(folder) = env::var_os("DAISY_TEST_REPLACED").map(PathBuf::from) else { return };
    let task = line("count", 4).process(|_| ()).in_processes().build().unwrap();
    worker::serve(std::slice::from_ref(&task)).unwrap();
    let program = folder.join("program");
    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let report = options(&folder).run(&[task]).unwrap();
    eprintln!("{report}");
    process::exit(i32::from(report.exit_code()));
}

#[test]
#[cfg(target_os = "linux")]
fn workers_are_the_program_that_runs_whatever_has_its_name_by_now() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let run = process::Command::new(&program)
        .args(["--exact", "outside::replaced_entry", "--nocapture"])
        .env("DAISY_TEST_REPLACED", folder.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_block_that_takes_too_long_is_ended_with_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("hang", 4, folder.path())
        .num_workers(2)
        .max_retries(0)
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let report = options(folder.path()).run(&[task]).unwrap();
    let summary = &report.tasks[0];
    assert_eq!((summary.counts.completed, summary.counts.failed), (3, 1), "{report}");
    assert_eq!((summary.timeouts, &summary.failures[0].why), (1, &BlockError::TimedOut));
}

#[test]
fn errors_and_panics_of_blocks_come_back_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("bad", 6, folder.path()).max_retries(0).build().unwrap();
    let report = options(folder.path()).run(&[task]).unwrap();
    let mut why: Vec<BlockError> =
        report.tasks[0].failures.iter().map(|failed| failed.why.clone()).collect();
    why.sort_by_key(ToString::to_string);
    assert_eq!(why, [BlockError::Failed("no good".into()), BlockError::Panicked("oh dear".into())]);
    assert_eq!(report.tasks[0].counts.completed, 4);
}

#[test]
fn tasks_in_threads_and_in_processes_feed_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Calls::default();
    let first = line("first", 40).process(calls.function()).num_workers(2).build().unwrap();
    let second =
        outside("count", 40, folder.path()).num_workers(2).upstream(&first).build().unwrap();
    let third = line("third", 40).process(calls.function()).upstream(&second).build().unwrap();
    let report = options(folder.path()).run(&[third]).unwrap();
    assert!(report.is_success(), "{report}");
    assert_eq!((calls.total(), log(folder.path()).0.len()), (80, 40));
}

#[test]
fn workers_may_come_by_themselves_and_leave() {
    let task = line("double", 50).num_workers(0).build().unwrap();
    let server = Server::bind(RunOptions::new()).unwrap();
    let context = server.context("double");
    let all_there = Arc::new(std::sync::Barrier::new(3));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let all_there = all_there.clone();
            let context: Context = context.to_string().parse().unwrap();
            thread::spawn(move || {
                let client = Client::with_context(&context).unwrap();
                all_there.wait();
                let mut blocks = 0;
                while let Some(block) = client.acquire_block().unwrap() {
                    assert_eq!((block.task(), block.attempt()), ("double", 1));
                    assert_eq!(block.write_roi.shape().unwrap()[0], 10);
                    block.complete();
                    blocks += 1;
                }
                blocks
            })
        })
        .collect();
    let report = server.run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
    let blocks: Vec<i32> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    assert_eq!(blocks.iter().sum::<i32>(), 50);
}

#[test]
fn several_blocks_at_once_have_a_verdict_each() {
    let task = line("double", 10).num_workers(0).max_retries(0).build().unwrap();
    let server = Server::bind(quick()).unwrap();
    let context = server.context("double");
    let worker = thread::spawn(move || {
        let client = Client::with_context(&context).unwrap();
        let mut sizes = Vec::new();
        loop {
            let batch = client.acquire_blocks(4).unwrap();
            if batch.is_empty() {
                return sizes;
            }
            sizes.push(batch.len());
            for block in batch {
                assert!(block.still_ours());
                match block.key.cell {
                    3 => block.fail("a bad one"),
                    5 => drop(block),
                    _ => block.complete(),
                }
            }
        }
    });
    let report = server.run(&[task]).unwrap();
    assert_eq!((report.tasks[0].counts.completed, report.tasks[0].counts.failed), (8, 2));
    let why: Vec<String> =
        report.tasks[0].failures.iter().map(|failed| failed.why.to_string()).collect();
    assert_eq!(why, ["a bad one", "the block was dropped without a verdict"]);
    let sizes = worker.join().unwrap();
    assert!(sizes.iter().all(|&size| size <= 4) && sizes.iter().sum::<usize>() == 10, "{sizes:?}");
}

#[test]
fn blocks_behind_a_slow_one_are_run_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("slow first", 60, folder.path()).num_workers(2).build().unwrap();
    let report = options(folder.path()).run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
    let (cells, _) = log(folder.path());
    assert_eq!(cells.len(), 60);
    // Block 0 was begun first; whatever waited behind it did not wait for it.
    let text = fs::read_to_string(folder.path().join("log")).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("#0/0 "), "{last}");
}

#[test]
fn checks_of_outside_tasks_are_made_by_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("count", 20, folder.path())
        .num_workers(2)
        .max_retries(0)
        .check_pair(|block| block.key.cell < 5, |block| block.key.cell != 9)
        .build()
        .unwrap();
    let report = options(folder.path()).run(&[task]).unwrap();
    let counts = report.tasks[0].counts;
    assert_eq!((counts.skipped, counts.completed, counts.failed), (5, 14, 1), "{report}");
    assert_eq!(report.tasks[0].failures[0].why, BlockError::NotDone);
}

#[test]
fn an_init_callback_gets_the_context_and_may_start_the_workers() {
    let task = line("double", 5)
        .num_workers(0)
        .init_with_context(|context: &str| -> Result<(), daisy::ContextError> {
            let context: Context = context.parse()?;
            thread::spawn(move || {
                let client = Client::with_context(&context).unwrap();
                while let Some(block) = client.acquire_block().unwrap() {
                    block.complete();
                }
            });
            Ok(())
        })
        .build()
        .unwrap();
    assert!(quick().run(&[task]).unwrap().is_success());
}

#[test]
fn an_address_that_is_none_is_refused_by_name() {
    let error = Server::bind(RunOptions::new().listen("node7")).err().unwrap();
    assert!(matches!(&error, Error::Network(NetError::Address { found }) if found == "node7"));
}

#[test]
fn clear_text_is_refused_where_other_machines_can_listen() {
    let error = Server::bind(RunOptions::new().listen("0.0.0.0:0").encrypt(false)).err().unwrap();
    assert!(matches!(error, Error::ClearText { .. }), "{error}");
    for address in ["127.0.0.1:0", "[::1]:0"] {
        Server::bind(RunOptions::new().listen(address).encrypt(false)).unwrap();
    }
}

#[test]
fn workers_are_told_a_name_that_leads_to_the_run() {
    let server = match Server::bind(RunOptions::new().listen("0.0.0.0:0")) {
        Ok(server) => server,
        // Where this machine does not know its own name.
        Err(error) => return assert!(matches!(error, Error::HostName { .. }), "{error}"),
    };
    let context = server.context("double");
    assert!(!context.addresses()[0].starts_with("0.0.0.0"), "{:?}", context.addresses());
    let worker = thread::spawn(move || {
        let client = Client::with_context(&context).unwrap();
        while let Some(block) = client.acquire_block().unwrap() {
            block.complete();
        }
    });
    let task = line("double", 3).num_workers(0).build().unwrap();
    assert!(server.run(&[task]).unwrap().is_success());
    worker.join().unwrap();
}

#[test]
fn unix_sockets_and_clear_text_carry_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let connection = folder.path().join("connection");
    let options =
        options(folder.path()).listen(&socket).encrypt(false).connection_file(&connection);
    let (path, seen) = (connection.clone(), Arc::new(Mutex::new(Vec::new())));
    let own = Arc::clone(&seen);
    let task = outside("count", 20, folder.path()).init(move || {
        let context = Context::from_file(&path, None).unwrap();
        assert_eq!(context.task(), "count");
        *own.lock().unwrap() = context.addresses();
        std::io::Result::Ok(())
    });
    let report = options.run(&[task.build().unwrap()]).unwrap();
    assert!(report.is_success(), "{report}");
    assert_eq!(*seen.lock().unwrap(), [socket]);
    // The key goes with the run that it opens.
    assert!(!connection.exists());
}

#[test]
fn a_worker_of_another_run_is_refused() {
    let server = Server::bind(RunOptions::new()).unwrap();
    let other = Server::bind(RunOptions::new()).unwrap();
    let text = server.context("double").to_string();
    let key = text.rsplit('=').next().unwrap().to_owned();
    let stolen = other.context("double").to_string();
    let stolen = stolen.replace(stolen.rsplit('=').next().unwrap(), &key);
    let task = line("double", 1).num_workers(0).build().unwrap();
    let context = other.context("double");
    let good = thread::spawn(move || {
        let refused = Client::with_context(&stolen.parse().unwrap()).err().unwrap();
        assert!(matches!(refused, ClientError::Ended(_)), "{refused}");
        let client = Client::with_context(&context).unwrap();
        while let Some(block) = client.acquire_block().unwrap() {
            block.complete();
        }
    });
    assert!(other.run(&[task]).unwrap().is_success());
    good.join().unwrap();
}

#[test]
fn outcomes_wait_for_the_disk_where_power_may_fail() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("count", 60, folder.path()).num_workers(2).build().unwrap();
    let options = options(folder.path()).journal(folder.path().join("j"));
    let report = options.durability(daisy::Durability::Power).run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
    assert_eq!(log(folder.path()).0.len(), 60);
    let contents = daisy::journal::inspect(folder.path().join("j")).unwrap();
    assert_eq!((contents.tasks[0].done.num_cells(), contents.tasks[0].num_open), (60, 0));
}

#[test]
fn a_serial_run_needs_functions_of_its_own() {
    let task = line("count", 1).worker_command(["true"]).build().unwrap();
    let error = RunOptions::new().serial(true).run(&[task]).unwrap_err();
    assert!(matches!(error, Error::SerialOutside { .. }), "{error}");
    let both = line("count", 3).worker_command(["false"]).process(|_| ()).build().unwrap();
    assert!(RunOptions::new().serial(true).run(&[both]).unwrap().is_success());
}

#[test]
fn a_roi_of_several_axes_arrives_as_it_was() {
    let (total, block) =
        (Roi::new([-3, 5], [30, 20]).unwrap(), Roi::new([-1, 6], [10, 5]).unwrap());
    let task = Task::builder("two", total, block.grow(2, 1).unwrap(), block)
        .fit(daisy::Fit::Shrink)
        .num_workers(0)
        .build()
        .unwrap();
    let expected: Vec<_> = (0..)
        .map_while(|cell| daisy::Tiling::new(task.layout()).block(daisy::TaskId::new(0), cell))
        .collect();
    let server = Server::bind(RunOptions::new()).unwrap();
    let context = server.context("two");
    let worker = thread::spawn(move || {
        let client = Client::with_context(&context).unwrap();
        let mut blocks = Vec::new();
        while let Some(block) = client.acquire_block().unwrap() {
            blocks.push(daisy::Block::clone(&block));
            block.complete();
        }
        blocks
    });
    assert!(server.run(&[task]).unwrap().is_success());
    let mut blocks = worker.join().unwrap();
    blocks.sort_by_key(|block| block.key);
    assert_eq!(blocks, expected);
}

/// Makes the run file of a journal say that its last start did not come to its end, in another boot if
/// that is given.
pub(crate) fn break_off(journal: &Path, boot: Option<&str>) {
    let path = journal.with_extension("run");
    let text = fs::read_to_string(&path).unwrap().replace("state=ended", "state=running");
    let lines = text.lines().map(|line| match boot {
        Some(boot) if line.starts_with("boot=") => format!("boot={boot}\n"),
        _ => format!("{line}\n"),
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_start_after_a_loss_of_power_waits_until_nobody_can_be_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let task = outside("count", 12, folder.path()).build().unwrap();
    let start = |wanted: i64, reconnect_ms: u64| {
        let since = Instant::now();
        let report = options(folder.path())
            .journal(&journal)
            .heartbeat(Duration::from_millis(300))
            .reconnect_for(Duration::from_millis(reconnect_ms))
            .request(&task, Roi::new([0], [wanted * 10]).unwrap())
            .run(std::slice::from_ref(&task))
            .unwrap();
        assert!(report.is_success(), "{report}");
        (report.tasks[0].counts.completed, since.elapsed())
    };
    let (never, long) = (60_000, Duration::from_secs(50));
    assert_eq!(start(4, never).0, 4);
    break_off(&journal, None);
    let (done, took) = start(8, never);
    assert!(done == 4 && took < long, "a crash is no loss of power: {done} {took:?}");
    break_off(&journal, Some("of-another-day"));
    let (done, took) = start(8, never);
    assert!(done == 0 && took < long, "nothing was left to be lent: {done} {took:?}");
    break_off(&journal, Some("of-another-day"));
    let (done, took) = start(12, 1_500);
    assert!(done == 4 && took >= Duration::from_millis(1_500), "{done} {took:?}");
    let text = fs::read_to_string(journal.with_extension("run")).unwrap();
    assert!(text.contains("state=ended\n") && !text.contains("another"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_that_waits_until_nobody_can_be_at_work_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let task = line("far", 2).num_workers(0).build().unwrap();
    let run = |stop: &StopHandle, hears: Box<dyn FnMut(&Notice) + Send>| {
        let options = quick().journal(&journal).stop_handle(stop).observer(Hears(hears));
        let options = options.reconnect_for(Duration::from_secs(3_600));
        run_in_time(options, std::slice::from_ref(&task)).unwrap()
    };
    let stopped = StopHandle::new();
    stopped.stop();
    run(&stopped, Box::new(|_| ()));
    break_off(&journal, Some("of-another-day"));
    for _ in 0..2 {
        let (stop, waits) = (StopHandle::new(), Arc::new(Mutex::new(0)));
        let (enough, own) = (stop.clone(), Arc::clone(&waits));
        let hears = move |notice: &Notice| {
            assert!(matches!(notice, Notice::WaitsAfterRestart { .. }), "{notice}");
            *own.lock().unwrap() += 1;
            enough.stop();
        };
        // Nobody waited to the end, so that the next start has to.
        assert_eq!(run(&stop, Box::new(hears)).outcome, RunOutcome::Interrupted);
        assert_eq!(*waits.lock().unwrap(), 1);
    }
}
