//! Clients as people use them: that load for long, pause, take one block, share a process, come through a launcher.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use daisy::{
    Block, Client, Context, Notice, RunOptions, RunReport, Server, StopHandle, TaskBuilder, worker,
};

use crate::support::{LIMIT, line, notices, quick, run_in_time};

/// The folder in which workers leave what they did.
const FOLDER: &str = "DAISY_CLIENTS_FOLDER";
/// Set in a process that a launcher has started.
const LAUNCHED: &str = "DAISY_CLIENTS_LAUNCHED";
/// How often a sign of life is promised; three of them are the limit of silence.
const HEARTBEAT: Duration = Duration::from_millis(300);
/// Longer than any silence.
const LONG: Duration = Duration::from_millis(2_000);

/// What worker processes do, by the name of their task. Nothing where this is an ordinary test.
#[test]
fn worker_entry() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let task = Context::from_env().unwrap().task().to_owned();
    let is_launched = env::var_os(LAUNCHED).is_some();
    match task.as_str() {
        "load" => {
            let client = Client::new().unwrap();
            thread::park_timeout(LONG);
            work(&folder, &client, Duration::ZERO);
        }
        "pause" => work(&folder, &Client::new().unwrap(), LONG),
        "one each" => {
            let client = Client::new().unwrap();
            if let Some(block) = client.acquire_block().unwrap() {
                say(&folder, &block, "begin");
                say(&folder, &block, "end");
                block.complete();
            }
        }
        "threads" => {
            let threads = (0..4).map(|_| {
                let folder = folder.clone();
                thread::spawn(move || work(&folder, &Client::new().unwrap(), Duration::ZERO))
            });
            for thread in threads.collect::<Vec<_>>() {
                thread.join().unwrap();
            }
        }
        "die together" => {
            let threads = (0..2).map(|_| {
                thread::spawn(|| {
                    let client = Client::new().unwrap();
                    while let Some(block) = client.acquire_block().unwrap() {
                        if block.key.cell == 3 {
                            process::abort();
                        }
                        block.complete();
                    }
                })
            });
            for thread in threads.collect::<Vec<_>>() {
                thread.join().unwrap();
            }
        }
        "linger" => {
            let client = Client::new().unwrap();
            let block = client.acquire_block().unwrap().unwrap();
            start_other(&folder);
            block.complete();
            drop(client);
            loop {
                thread::park();
            }
        }
        "hang" => {
            let client = Client::new().unwrap();
            let _block = client.acquire_block().unwrap().unwrap();
            start_other(&folder);
            loop {
                thread::park();
            }
        }
        "launch" if !is_launched => launch(&folder),
        "launch" => work(&folder, &Client::new().unwrap(), LONG),
        other => panic!("no task is called {other}"),
    }
    process::exit(0)
}

/// Starts something in the group of this process that needs some time to end, as `srun` does.
#[expect(clippy::zombie_processes, reason = "its end is looked at by what it leaves")]
fn start_other(folder: &Path) {
    let script = "trap 'echo > ended; exit' TERM; echo > there; sleep 600 & wait";
    Command::new("sh").args(["-c", script]).current_dir(folder).spawn().unwrap();
    wait_until("what the block has started", || folder.join("there").exists());
}

/// As `srun` that is killed: starts the worker, which is elsewhere, and dies while that is at work.
fn launch(folder: &Path) {
    let me = env::current_exe().unwrap();
    let mut worker = Command::new(me);
    worker.args(["--exact", "clients::worker_entry", "--nocapture"]).env(LAUNCHED, "1");
    worker.process_group(0).spawn().unwrap();
    wait_until("the worker begins", || !said(folder).is_empty());
    process::abort();
}

/// Takes blocks until there are no more, with a pause after each.
fn work(folder: &Path, client: &Client, pause: Duration) {
    while let Some(block) = client.acquire_block().unwrap() {
        say(folder, &block, "begin");
        thread::park_timeout(pause / 2);
        say(folder, &block, "end");
        block.complete();
        thread::park_timeout(pause);
    }
}

/// Leaves a line; one write, which no other process can come between.
fn say(folder: &Path, block: &Block, what: &str) {
    let mut file =
        fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let thread = format!("{:?}", thread::current().id()).replace(' ', "");
    let line = format!("{what} {} {}{thread}\n", block.key.cell, process::id());
    file.write_all(line.as_bytes()).unwrap();
}

/// What workers have left so far: what, of which cell, by whom.
fn said(folder: &Path) -> Vec<(String, u64, String)> {
    let text = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap().to_owned();
        (next(), next().parse().unwrap(), next())
    };
    text.lines().map(line).collect()
}

/// How many threads of workers have left something.
fn num_workers(said: &[(String, u64, String)]) -> usize {
    said.iter().map(|(.., who)| who).collect::<BTreeSet<_>>().len()
}

fn wait_until(what: &str, mut has_happened: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !has_happened() {
        assert!(Instant::now() < end, "waited for {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A task whose workers are this program.
fn by_clients(name: &str, blocks: i64, folder: &Path) -> TaskBuilder {
    let me = env::current_exe().unwrap().into_os_string();
    let variable = format!("{FOLDER}={}", folder.display());
    let words = ["--exact", "clients::worker_entry", "--nocapture"].map(Into::into);
    let command = ["env".into(), variable.into(), me].into_iter().chain(words);
    line(name, blocks).worker_command(command.collect::<Vec<std::ffi::OsString>>())
}

fn options(folder: &Path) -> RunOptions {
    quick().logs(folder.join("logs")).heartbeat(HEARTBEAT)
}

/// Runs a task of such workers to its end; every block succeeded at its first attempt, once.
fn run(name: &str, blocks: i64, num_workers: u32) -> (RunReport, Vec<(String, u64, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let task = by_clients(name, blocks, folder.path()).num_workers(num_workers).build().unwrap();
    let report = run_in_time(options(folder.path()), &[task]).unwrap();
    assert!(report.is_success(), "{report}");
    assert_eq!(report.tasks[0].failed_attempts, 0, "{report}");
    let said = said(folder.path());
    let mut begun: Vec<u64> =
        said.iter().filter(|(what, ..)| what == "begin").map(|&(_, cell, _)| cell).collect();
    begun.sort_unstable();
    assert_eq!(begun, (0..blocks as u64).collect::<Vec<_>>(), "{report}");
    (report, said)
}

#[test]
fn a_worker_that_loads_for_long_before_its_first_block_keeps_its_place() {
    let (_, said) = run("load", 6, 1);
    assert_eq!(num_workers(&said), 1, "it is not replaced: {said:?}");
}

#[test]
fn a_worker_that_pauses_between_blocks_keeps_what_it_has_done() {
    run("pause", 4, 2);
}

#[test]
fn a_worker_may_take_one_block_and_end() {
    let (report, said) = run("one each", 6, 2);
    assert_eq!(num_workers(&said), 6, "{said:?}\n{report}");
}

#[test]
fn clients_in_threads_of_one_worker_have_blocks_of_their_own() {
    let (report, said) = run("threads", 60, 2);
    let workers = report.tasks[0].workers.unwrap();
    assert!(workers.processes <= workers.joined / 4, "{workers:?}");
    assert_eq!(said.len(), 120);
}

#[test]
fn a_block_that_kills_a_process_of_several_clients_is_the_one_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let task = by_clients("die together", 12, folder.path()).max_retries(1).build().unwrap();
    let report = run_in_time(options(folder.path()), &[task]).unwrap();
    let task = &report.tasks[0];
    assert_eq!((task.counts.completed, task.counts.failed), (11, 1), "{report}");
    assert_eq!(task.failed_attempts, 2, "{report}");
}

#[test]
fn the_death_of_a_launcher_is_none_of_its_worker() {
    let (_, said) = run("launch", 3, 1);
    // No block was at work twice at once, nor twice at all.
    assert_eq!(said.len(), 6, "{said:?}");
}

#[test]
fn what_a_block_started_has_time_to_end_when_its_worker_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let task = by_clients("hang", 1, folder.path());
    let task = task.timeout(LONG).max_retries(0).build().unwrap();
    let report = run_in_time(options(folder.path()), &[task]).unwrap();
    assert_eq!(report.tasks[0].timeouts, 1, "{report}");
    assert!(folder.path().join("ended").exists(), "it has ended in its own way");
}

#[test]
fn a_worker_that_said_goodbye_and_goes_on_is_asked_to_end_when_its_run_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let stop = StopHandle::new();
    let options = options(folder.path()).stop_handle(&stop);
    let task = by_clients("linger", 2, folder.path()).build().unwrap();
    // As long as this block is at work the run is not over, and nobody is ended because it is.
    let (ended, begun) = (folder.path().join("ended"), folder.path().join("begun"));
    let begin = begun.clone();
    let held = line("held", 1)
        .process(move |_| {
            fs::write(&begin, "").unwrap();
            wait_until("the worker has ended in its own way", || ended.exists());
        })
        .build()
        .unwrap();
    let run = thread::spawn(move || run_in_time(options, &[task, held]).unwrap());
    wait_until("a block is done", || folder.path().join("there").exists() && begun.exists());
    stop.stop();
    let report = run.join().unwrap();
    let held = report.tasks.iter().find(|task| task.name == "held").unwrap();
    assert_eq!(held.counts.completed, 1, "{report}");
    assert!(!report.is_success());
}

#[test]
fn what_a_block_started_ends_with_a_worker_that_ends_itself() {
    let folder = tempfile::tempdir().unwrap();
    let stop = StopHandle::new();
    let server = Server::bind(quick().heartbeat(HEARTBEAT).stop_handle(&stop)).unwrap();
    let mut worker = Command::new(env::current_exe().unwrap());
    worker.args(["--exact", "clients::worker_entry", "--nocapture"]).process_group(0);
    worker.env(FOLDER, folder.path()).env(Context::VARIABLE, server.context("hang").to_string());
    let mut worker = worker.spawn().unwrap();
    let task = line("hang", 1).num_workers(0).build().unwrap();
    let run = thread::spawn(move || server.run(&[task]).unwrap());
    wait_until("a block is at work", || folder.path().join("there").exists());
    // It is a process of its own, and is told to end itself.
    stop.stop();
    assert_eq!(worker.wait().unwrap().code(), Some(worker::EXIT_LOST));
    wait_until("it has ended in its own way", || folder.path().join("ended").exists());
    run.join().unwrap();
}

/// A run that nobody has started workers for, and how to join it.
fn alone(blocks: i64) -> (Context, mpsc::Receiver<RunReport>) {
    let task = line("alone", blocks).num_workers(0).build().unwrap();
    let server = Server::bind(quick().heartbeat(HEARTBEAT)).unwrap();
    let context = server.context("alone");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(server.run(&[task]).unwrap()));
    (context, told)
}

#[test]
fn an_outcome_is_sent_whatever_the_worker_does_next() {
    let (context, report) = alone(1);
    let client = Client::with_context(&context).unwrap();
    client.acquire_block().unwrap().unwrap().complete();
    // The client lives and does nothing; the run ends.
    assert!(report.recv_timeout(LIMIT).unwrap().is_success());
    drop(client);
}

#[test]
fn a_client_that_is_dropped_hands_in_and_takes_its_leave() {
    let (context, report) = alone(40);
    for cell in 0..40 {
        let client = Client::with_context(&context).unwrap();
        let block = client.acquire_block().unwrap().unwrap();
        assert_eq!((block.key.cell, block.attempt()), (cell, 1));
        block.complete();
    }
    let report = report.recv_timeout(LIMIT).unwrap();
    assert!(report.is_success() && report.tasks[0].failed_attempts == 0, "{report}");
}

#[test]
fn a_loan_that_is_never_given_back_is_a_failed_attempt() {
    let (context, report) = alone(1);
    for _ in 0..3 {
        let client = Client::with_context(&context).unwrap();
        assert!(client.acquire_loan().unwrap().is_some());
    }
    let report = report.recv_timeout(LIMIT).unwrap();
    assert_eq!(report.tasks[0].counts.failed, 1, "{report}");
}

#[test]
fn a_client_that_comes_when_its_run_is_over_is_told_so_at_once() {
    let (context, report) = alone(1);
    let client = Client::with_context(&context).unwrap();
    client.acquire_block().unwrap().unwrap().complete();
    assert!(report.recv_timeout(LIMIT).unwrap().is_success());
    let error = Client::with_context(&context).unwrap_err();
    assert!(error.is_run_over() && error.to_string().starts_with("the run is over"), "{error}");
    assert_eq!(worker::work(&context, |_, _| ()), 0);
}

#[test]
fn a_run_says_that_it_waits_for_workers_that_a_queue_starts() {
    // `true` hands nothing to any queue, but for the run it looks like it.
    let task = line("queued", 3).worker_command(["true"]).num_workers(2).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (hears, said) = notices();
    let options = options(folder.path()).expect_workers_for(Duration::from_secs(3_600));
    let (context, ended) = begun(options.observer(hears), task);
    let mut notices = std::iter::from_fn(|| Some(said.recv_timeout(LIMIT).unwrap()));
    let is_it = |notice: &Notice| matches!(notice, Notice::WaitsForWorkers { workers: 2, .. });
    let notice = notices.find(is_it).unwrap();
    assert!(notice.to_string().contains("after 3600 s"), "{notice}");
    complete_all(&context);
    assert!(ended.recv_timeout(LIMIT).unwrap().is_success());
}

/// A run on a thread of its own: how its workers find it, and its report.
fn begun(options: RunOptions, task: daisy::Task) -> (Context, mpsc::Receiver<RunReport>) {
    let server = Server::bind(options).unwrap();
    let context = server.context(task.name());
    let (end, ended) = mpsc::channel();
    thread::spawn(move || end.send(server.run(&[task]).unwrap()));
    (context, ended)
}

fn complete_all(context: &Context) {
    let client = Client::with_context(context).unwrap();
    while let Some(block) = client.acquire_block().unwrap() {
        block.complete();
    }
}

#[test]
fn a_run_says_that_a_task_which_starts_no_workers_has_none() {
    let task = line("alone", 3).num_workers(0).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (hears, said) = notices();
    let (context, ended) = begun(options(folder.path()).observer(hears), task);
    let notice = said.recv_timeout(LIMIT).unwrap();
    assert_eq!(notice, Notice::NoWorkers { task: "alone".to_owned(), blocks: 3 });
    complete_all(&context);
    assert!(ended.recv_timeout(LIMIT).unwrap().is_success());
}

#[test]
fn only_the_child_that_was_meant_serves() {
    let Some(text) = env::var_os("DAISY_CLIENTS_NESTED") else {
        let me = env::current_exe().unwrap();
        let test = "clients::only_the_child_that_was_meant_serves";
        let enter = |is_leader: bool| {
            let mut nested = Command::new(&me);
            nested.args(["--exact", test, "--nocapture"]).env("DAISY_CLIENTS_NESTED", "1");
            let text = "address=127.0.0.1%3A9:task=x:worker=1:reconnect=0:leader=1:key=none";
            nested.env(Context::VARIABLE, text);
            if is_leader {
                nested.process_group(0);
            }
            let output = nested.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().contains("goes its own way")
        };
        assert!(enter(false), "what a block's function has started is no worker");
        assert!(!enter(true), "the run's own child is");
        return;
    };
    assert_eq!(text, "1");
    let task = line("x", 1).process(|_| ()).in_processes().build().unwrap();
    worker::serve(&[task]).unwrap();
    println!("it goes its own way");
}
