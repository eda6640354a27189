//! Servers that are killed: what their workers do, and what the next server finds.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    history::{Event, History},
    plan::{CHAIN, ONLY, Plan},
    stage::{Stage, lives, millis, pause},
};

/// Two workers at slow blocks, and nothing else to do.
fn slow(blocks: u64, slow_ms: u64) -> Plan {
    Plan { blocks, workers: 2, slow_every: 1, slow_ms, ..Plan::default() }
}

/// The processes that are at work on blocks, once there are so many.
fn at_work(stage: &mut Stage, count: usize) -> BTreeSet<i32> {
    stage.until("workers are at blocks", |events| {
        let begun = events.iter().filter(|event| event.is("begin"));
        let pids: BTreeSet<i32> = begun.map(|event| event.pid).collect();
        (pids.len() == count).then_some(pids)
    })
}

#[test]
fn a_server_that_is_killed_gives_nothing_away() {
    let mut stage = Stage::new(slow(12, 2_500), Duration::from_secs(60));
    stage.start_server();
    let workers = at_work(&mut stage, 2);
    pause(millis(300));
    stage.kill_server();
    pause(Duration::from_secs(1));
    assert_eq!(stage.journal().open.len(), 2);
    let crash = stage.events().len();
    stage.start_server();
    // While they are at it, nobody is started beside them.
    stage.until("both hand in", |events| {
        let since = events[crash..].iter().filter(|event| event.is("end"));
        (since.map(|event| event.pid).collect::<BTreeSet<i32>>() == workers).then_some(())
    });
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    assert_eq!(history.num_executions(), 12);
    let pids: BTreeSet<i32> = history.by_block.values().map(|all| all[0].pid).collect();
    assert_eq!((pids, stage.num_started(ONLY)), (workers, 2), "{}", stage.words());
    let counts = &stage.report()["tasks"][0]["counts"];
    assert_eq!((&counts["completed"], &counts["failed"]), (&12.into(), &0.into()));
    stage.until_no_workers();
}

#[test]
fn workers_of_other_code_are_ended_and_what_they_were_at_is_done_again() {
    let plan = Plan { heartbeat_ms: 500, version: 1, ..slow(8, 400) };
    let mut stage = Stage::new(plan, Duration::from_secs(60));
    stage.start_server();
    let old = at_work(&mut stage, 2);
    stage.until("some blocks are done", |events| {
        (events.iter().filter(|event| event.is("end")).count() >= 2).then_some(())
    });
    stage.until("both are in the middle of a block", |events| {
        let open = |pid: &i32| events.iter().rfind(|event| event.pid == *pid);
        old.iter().all(|pid| open(pid).is_some_and(|event| !event.is("end"))).then_some(())
    });
    stage.kill_server();
    let crash = stage.events().len();
    let done = stage.journal().tasks[0].done.num_cells();
    stage.plan.version = 2;
    stage.start_server();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    assert!(!old.iter().copied().any(lives));
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    // Not one block more by the old code, and not one attempt lost.
    let last = |cell: u64| history.by_block[&(ONLY.to_owned(), cell)].last().unwrap();
    let by_old = (0..8).filter(|&cell| old.contains(&last(cell).pid)).count() as u64;
    assert_eq!(by_old, done, "{}", stage.words());
    let begun = stage.events()[crash..].iter().filter(|event| event.is("begin"));
    assert!(begun.clone().all(|event| event.attempt == 1 && !old.contains(&event.pid)));
    let task = &stage.report()["tasks"][0];
    assert_eq!((&task["version"], &task["outdated_workers"]), (&"2".into(), &2.into()));
    assert_eq!(task["earlier"], serde_json::json!([{"version": "1", "blocks": done}]));
    assert_eq!(task["failed_attempts"], 0);
    assert!(stage.words().contains("have other code for task 'only'"), "{}", stage.words());
    stage.until_no_workers();
}

#[test]
fn a_worker_that_sleeps_while_its_server_dies_goes_on() {
    // It comes by itself: on the stopped children of a server that dies the kernel hangs up.
    let plan = Plan { blocks: 12, workers: 0, slow_every: 1, slow_ms: 200, ..Plan::default() };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    stage.start_worker(ONLY, Command::new("env"));
    let worker = *at_work(&mut stage, 1).first().unwrap();
    for _ in 0..4 {
        let seen = stage.events().len();
        stage.until("a block begins", |events| {
            events[seen..].iter().any(|event| event.is("begin")).then_some(())
        });
        stage.signal("nap", worker, Signal::SIGSTOP);
        pause(millis(50));
        stage.kill_server();
        stage.start_server();
        stage.signal("wake", worker, Signal::SIGCONT);
    }
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    assert_eq!(history.num_executions() as u64, stage.plan.blocks);
    stage.until_no_workers();
}

#[test]
fn workers_end_when_their_run_is_gone() {
    let without = Plan { has_journal: false, ..slow(4, 20_000) };
    let with = Plan { reconnect_ms: 2_000, ..slow(4, 20_000) };
    for (plan, least, most) in [(without, 0, 15_000), (with, 1_500, 15_000)] {
        let mut stage = Stage::new(plan, Duration::from_secs(40));
        stage.start_server();
        let workers = at_work(&mut stage, 2);
        stage.kill_server();
        let since = Instant::now();
        stage.until_no_workers();
        let took = since.elapsed();
        assert!(took >= millis(least) && took <= millis(most), "{took:?}");
        stage.until_true("they have ended", |_| !workers.iter().copied().any(lives));
        assert!(!stage.events().iter().any(|event| event.is("end")));
        let journal = stage.plan.has_journal;
        eprintln!("gone: workers ended after {:.2} s, journal: {journal}", took.as_secs_f64());
    }
}

#[test]
fn a_worker_that_dies_while_there_is_no_server_costs_nothing() {
    let plan = Plan { reconnect_ms: 3_000, ..slow(6, 400) };
    let mut stage = Stage::new(plan, Duration::from_secs(40));
    stage.start_server();
    let workers = at_work(&mut stage, 2);
    stage.kill_server();
    let dead = *workers.first().unwrap();
    stage.signal("kill", dead, Signal::SIGKILL);
    stage.start_server();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    history.check_single();
    let attempts = stage.events().iter().map(|Event { attempt, .. }| *attempt).max();
    assert_eq!(attempts, Some(1));
    stage.until_no_workers();
}

#[test]
fn a_grant_that_was_lost_with_the_power_is_not_made_again_while_its_worker_lives() {
    let plan = Plan {
        blocks: 2,
        workers: 0,
        slow_every: 1,
        slow_ms: 2_400,
        heartbeat_ms: 500,
        reconnect_ms: 3_000,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    stage.start_server();
    stage.context(ONLY);
    stage.until_true("the journal has begun", |stage| {
        fs::metadata(stage.path("journal")).is_ok_and(|file| file.len() > 16)
    });
    let journal = fs::read(stage.path("journal")).unwrap();
    stage.start_worker(ONLY, Command::new("env"));
    let first = *at_work(&mut stage, 1).first().unwrap();
    stage.kill_server();
    // The grant never came to the disk, and the machine was switched on again.
    fs::write(stage.path("journal"), journal).unwrap();
    let run = fs::read_to_string(stage.path("journal.run")).unwrap();
    let boot = run.lines().find(|line| line.starts_with("boot=")).expect("a boot");
    fs::write(stage.path("journal.run"), run.replace(boot, "boot=another")).unwrap();
    stage.start_server();
    stage.start_worker(ONLY, Command::new("env"));
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    assert!(!lives(first), "{}", stage.words());
    let words = fs::read_to_string(stage.path("server")).unwrap();
    assert_eq!(words.matches("this machine was restarted").count(), 1, "{words}");
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    history.check_one_after_another();
    stage.until_no_workers();
}

#[test]
fn a_server_whose_port_was_taken_waits_for_it_and_then_takes_another() {
    let plan = Plan { heartbeat_ms: 300, reconnect_ms: 3_000, ..slow(6, 400) };
    let mut stage = Stage::new(plan, Duration::from_secs(60));
    stage.start_server();
    at_work(&mut stage, 2);
    stage.kill_server();
    let run = fs::read_to_string(stage.path("journal.run")).unwrap();
    let address = run.lines().find_map(|line| line.strip_prefix("listen=")).expect("an address");
    let _other = TcpListener::bind(address).unwrap();
    stage.start_server();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let words = fs::read_to_string(stage.path("server")).unwrap();
    assert!(words.contains("trying again for 3 s") && words.contains("listens at"), "{words}");
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    history.check_one_after_another();
    stage.until_no_workers();
}

/// A chain whose first task is found done, with one worker at a block of the middle one that reads it;
/// then the server is killed.
fn crashed_with_found_inputs(reconnect_ms: u64) -> (Stage, Event) {
    let plan = Plan {
        is_chain: true,
        finds_first: true,
        blocks: 3,
        workers: 1,
        slow_every: 1,
        slow_ms: 1_500,
        heartbeat_ms: 500,
        reconnect_ms,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(45));
    fs::write(stage.path("found"), "").unwrap();
    stage.start_server();
    let begun = stage.until("a block is at work", |events| {
        events.iter().find(|event| event.is("begin")).cloned()
    });
    assert_eq!(begun.task, CHAIN[1]);
    stage.kill_server();
    (stage, begun)
}

#[test]
fn a_block_that_reads_what_was_found_done_stays_its_workers() {
    let (mut stage, begun) = crashed_with_found_inputs(10_000);
    let crash = stage.events().len();
    stage.start_server();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    assert!(!stage.words().contains("do not fit"), "{}", stage.words());
    let history = History::new(stage.events());
    assert_eq!(history.num_executions(), 6, "{}", stage.words());
    history.check_single();
    let checked: BTreeSet<u64> = stage.events()[crash..]
        .iter()
        .filter(|event| event.is("check"))
        .map(|event| event.cell)
        .collect();
    assert_eq!(checked, (0..5).collect(), "each is asked for again");
    let of_begun = &history.by_block[&(begun.task, begun.cell)];
    assert_eq!((of_begun.len(), of_begun[0].pid), (1, begun.pid));
    assert_eq!(stage.report()["tasks"][0]["counts"]["skipped"], 5);
    stage.until_no_workers();
}

#[test]
fn what_is_not_found_any_more_is_made_anew_before_it_is_read() {
    let (mut stage, begun) = crashed_with_found_inputs(2_500);
    fs::remove_file(stage.path("found")).unwrap();
    stage.start_server();
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    assert!(stage.words().contains("do not fit"), "{}", stage.words());
    let history = History::new(stage.events());
    let last = |task: &str, cell: u64| history.by_block[&(task.to_owned(), cell)].last().unwrap();
    for cell in begun.cell..begun.cell + 3 {
        assert!(last(CHAIN[0], cell).last < last(CHAIN[1], begun.cell).begin);
    }
    stage.until_no_workers();
}
