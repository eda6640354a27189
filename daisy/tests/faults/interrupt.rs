//! Ctrl-C at a server with worker processes.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    history::History,
    plan::{ONLY, Plan},
    stage::{Stage, lives, millis},
};

fn plan() -> Plan {
    Plan {
        blocks: 6,
        workers: 2,
        slow_every: 1,
        slow_ms: 20_000,
        reconnect_ms: 2_000,
        handles_interrupt: true,
        serves: true,
        ..Plan::default()
    }
}

/// A stage with two workers at blocks that take longer than anybody waits.
fn at_work() -> (Stage, BTreeSet<i32>) {
    let mut stage = Stage::new(plan(), Duration::from_secs(45));
    stage.start_server();
    let workers = stage.until("two workers are at blocks", |events| {
        let begun = events.iter().filter(|event| event.is("begin"));
        let pids: BTreeSet<i32> = begun.map(|event| event.pid).collect();
        (pids.len() == 2).then_some(pids)
    });
    (stage, workers)
}

#[test]
fn ctrl_c_ends_worker_processes() {
    let (mut stage, _) = at_work();
    let since = Instant::now();
    stage.signal("interrupt", stage.server_pid(), Signal::SIGINT);
    stage.until_true("the workers are killed", |stage| stage.workers().is_empty());
    let killed = since.elapsed();
    assert_eq!(stage.wait_server(), 130, "{}", stage.words());
    let took = since.elapsed();
    // Their time is 500 ms.
    assert!(killed >= millis(450) && took < millis(5_000), "{killed:?} {took:?}");
    eprintln!(
        "ctrl-c: workers ended after {:.2} s, the server after {:.2} s",
        killed.as_secs_f64(),
        took.as_secs_f64()
    );
    let report = stage.report();
    assert_eq!(
        (&report["outcome"], &report["tasks"][0]["failed_attempts"]),
        (&"interrupted".into(), &0.into())
    );
    let journal = stage.journal();
    assert!(journal.open.is_empty() && journal.tasks[0].attempts.is_empty(), "{journal:?}");
    // Started again, with a client that knows which attempt it is, and in less of a hurry.
    stage.plan = Plan { slow_ms: 40, serves: false, ..plan() };
    stage.start_server();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    History::new(stage.events()).check_complete(&stage.plan);
    let attempts: BTreeSet<u32> =
        stage.events().iter().filter(|event| event.lease > 0).map(|event| event.attempt).collect();
    assert_eq!(attempts, [1].into());
    stage.until_no_workers();
}

#[test]
fn a_server_that_is_to_end_ends_its_workers_and_reports() {
    let (mut stage, _) = at_work();
    stage.signal("interrupt", stage.server_pid(), Signal::SIGTERM);
    stage.until_no_workers();
    assert_eq!(stage.wait_server(), 143, "{}", stage.words());
    assert_eq!(stage.report()["outcome"], "interrupted");
    assert!(stage.journal().open.is_empty());
}

#[test]
fn workers_do_not_outlive_a_server_that_leaves_at_once() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut stage, workers) = at_work();
        // They hear nothing any more, and nobody waits for them.
        for worker in workers {
            stage.signal("stop", worker, Signal::SIGSTOP);
        }
        stage.signal("interrupt", stage.server_pid(), signal);
        stage.until_true("the first is heard", |stage| stage.words().contains("interrupted:"));
        stage.signal("interrupt", stage.server_pid(), signal);
        let code = stage.wait_server();
        assert_eq!(code, if signal == Signal::SIGINT { 130 } else { 143 }, "{}", stage.words());
        stage.until_no_workers();
    }
}

#[test]
fn ctrl_c_does_not_wait_for_workers_that_do_not_come_back() {
    let plan = Plan { blocks: 2, reconnect_ms: 600_000, ..plan() };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    let workers = stage.until("two workers are at blocks", |events| {
        let begun = events.iter().filter(|event| event.is("begin"));
        let pids: BTreeSet<i32> = begun.map(|event| event.pid).collect();
        (pids.len() == 2).then_some(pids)
    });
    stage.kill_server();
    for worker in workers {
        stage.signal("kill", worker, Signal::SIGKILL);
    }
    stage.until_no_workers();
    let len = |stage: &Stage| fs::metadata(stage.path("journal")).unwrap().len();
    let before = len(&stage);
    stage.start_server();
    stage.until_true("the journal is taken up", |stage| len(stage) > before);
    stage.signal("interrupt", stage.server_pid(), Signal::SIGINT);
    assert_eq!(stage.wait_server(), 130, "{}", stage.words());
    assert_eq!(stage.report()["tasks"][0]["counts"]["pending"], 2);
    // What they have is theirs until somebody knows better.
    assert_eq!(stage.journal().open.len(), 2);
}

#[test]
fn ctrl_c_does_not_wait_until_remote_workers_must_have_ended() {
    // Nobody could be sure of that for three quarters of an hour. One of them hears, the other is stopped.
    let plan = Plan { workers: 0, heartbeat_ms: 900_000, reconnect_ms: 600_000, ..plan() };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    (0..2).for_each(|_| stage.start_worker(ONLY, Command::new("env")));
    let workers = stage.until("two workers are at blocks", |events| {
        let begun = events.iter().filter(|event| event.is("begin"));
        let pids: Vec<i32> = begun.map(|event| event.pid).collect();
        (pids.len() == 2).then_some(pids)
    });
    stage.signal("stop", workers[0], Signal::SIGSTOP);
    stage.signal("interrupt", stage.server_pid(), Signal::SIGINT);
    stage.until_true("who hears it ends", |_| !lives(workers[1]));
    assert_eq!(stage.wait_server(), 130, "{}", stage.words());
    assert_eq!(stage.report()["tasks"][0]["counts"]["pending"], 6);
    assert_eq!(
        stage.journal().open.len(),
        2,
        "what they have is theirs until somebody knows better"
    );
}

#[test]
fn ctrl_c_lets_a_block_of_less_than_half_a_second_finish() {
    let plan = Plan { blocks: 40, slow_ms: 240, ..plan() };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    let seen = stage.until("two blocks are at work", |events| {
        (events.iter().filter(|event| event.is("begin")).count() >= 4).then_some(events.len())
    });
    stage.signal("interrupt", stage.server_pid(), Signal::SIGINT);
    assert_eq!(stage.wait_server(), 130, "{}", stage.words());
    let begun = stage.events().iter().filter(|event| event.is("begin")).count() as u64;
    assert_eq!(stage.journal().tasks[0].done.num_cells(), begun, "{:?}", &stage.events()[seen..]);
    stage.until_no_workers();
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let (mut stage, _) = at_work();
    let since = Instant::now();
    stage.signal("interrupt", stage.server_pid(), Signal::SIGINT);
    stage.until_true("the first is heard", |stage| stage.words().contains("interrupted:"));
    stage.signal("interrupt", stage.server_pid(), Signal::SIGINT);
    assert_eq!(stage.wait_server(), 130, "{}", stage.words());
    let took = since.elapsed();
    // The workers had 500 ms from the first.
    eprintln!("second ctrl-c: the server ended after {:.2} s", took.as_secs_f64());
    stage.until_no_workers();
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
}
