//! Single workers that are stopped, or asked to leave.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    history::{Event, History},
    plan::{ONLY, Plan},
    stage::{Stage, lives, millis, pause},
};

/// Waits for the next block that somebody begins.
pub(crate) fn next_begin(stage: &mut Stage) -> Event {
    let seen = stage.events().len();
    stage.until("a block begins", |events| {
        events[seen..].iter().find(|event| event.is("begin")).cloned()
    })
}

#[test]
fn a_stopped_worker_is_replaced() {
    let plan = Plan {
        blocks: 60,
        workers: 2,
        slow_every: 1,
        slow_ms: 100,
        heartbeat_ms: 500,
        has_journal: false,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    let victim = next_begin(&mut stage);
    let since = Instant::now();
    stage.signal("stop", victim.pid, Signal::SIGSTOP);
    let again = stage.until("its block is begun by another", |events| {
        let mut begins =
            events.iter().filter(|event| event.is("begin") && event.cell == victim.cell);
        begins.find(|event| event.pid != victim.pid).cloned()
    });
    let took = since.elapsed();
    assert!(!lives(victim.pid), "the block runs while its old holder lives");
    // Three heartbeats and one more; the last byte may have come one before the stop.
    assert!(took >= millis(1_400) && took < millis(10_000), "{took:?}");
    assert_eq!(again.attempt, 1);
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    history.check_single();
    assert_eq!(stage.report()["tasks"][0]["failed_attempts"], 0);
    assert_eq!(stage.num_started(ONLY), 3);
    eprintln!("stop: the block ran elsewhere after {:.2} s", took.as_secs_f64());
    stage.until_no_workers();
}

#[test]
fn workers_in_long_blocks_are_heard_of_often_enough() {
    // Each block takes many heartbeats; nobody may be taken to be lost meanwhile.
    let plan = Plan {
        blocks: 4,
        slow_every: 1,
        slow_ms: 3_000,
        heartbeat_ms: 200,
        has_journal: false,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    assert_eq!((history.num_executions(), stage.num_started(ONLY)), (4, 2), "{}", stage.words());
    stage.until_no_workers();
}

#[test]
fn sigterm_lets_a_worker_finish_and_go() {
    let plan = Plan {
        blocks: 120,
        workers: 2,
        slow_every: 3,
        slow_ms: 100,
        has_journal: false,
        serves: true,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    let victim = stage.until("a slow block begins", |events| {
        events.iter().rev().find(|event| event.is("begin") && event.cell % 3 == 0).cloned()
    });
    stage.signal("term", victim.pid, Signal::SIGTERM);
    stage.until_true("it goes", |_| !lives(victim.pid));
    let term = stage.events().iter().position(|event| event.is("term")).unwrap();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    // Nothing is run twice: what it had begun was handed in, the rest given back.
    assert_eq!(history.num_executions() as u64, stage.plan.blocks);
    // It may have begun another block before the signal reached it, and none after that.
    let events = stage.events();
    let later = events[term..].iter().filter(|event| event.pid == victim.pid && event.is("begin"));
    assert!(later.count() <= 1);
    let pids: BTreeSet<i32> =
        events.iter().filter(|event| event.is("begin")).map(|event| event.pid).collect();
    assert_eq!((pids.len(), stage.num_started(ONLY)), (3, 3), "{}", stage.words());
    assert_eq!(stage.report()["tasks"][0]["failed_attempts"], 0);
    pause(millis(1));
    stage.until_no_workers();
}

#[test]
fn a_server_that_stood_still_hears_what_was_handed_in_meanwhile() {
    let plan = Plan {
        blocks: 6,
        workers: 1,
        slow_every: 1,
        slow_ms: 500,
        timeout_ms: 1_200,
        retries: 0,
        has_journal: false,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    next_begin(&mut stage);
    let server = stage.server_pid();
    stage.signal("nap", server, Signal::SIGSTOP);
    // By its own clock the block has taken too long when the server goes on.
    pause(millis(2_000));
    stage.signal("wake", server, Signal::SIGCONT);
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let task = &stage.report()["tasks"][0];
    assert_eq!((&task["timeouts"], &task["failed_attempts"]), (&0.into(), &0.into()));
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    assert_eq!((history.num_executions(), stage.num_started(ONLY)), (6, 1), "{}", stage.words());
    stage.until_no_workers();
}
