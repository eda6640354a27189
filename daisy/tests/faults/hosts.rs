//! Workers on hosts that are cut off, frozen, reset, killed and healed.
//!
//! A killed worker gives an end of file, a cut one silence, a reset one an error, and a frozen one
//! silence while its kernel still acknowledges: four different things to a server. What must be so is the
//! same: the block runs elsewhere soon, and not before its old holder has stopped.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    history::{Event, History},
    netns::Lab,
    plan::{ONLY, Plan},
    stage::{Stage, lives, millis, pause},
};

const HEARTBEAT_MS: u64 = 500;
/// Three heartbeats and one more.
const LOST_MS: u64 = 4 * HEARTBEAT_MS;
/// On a machine that has other things to do.
const SLACK_MS: u64 = 8_000;

/// Blocks of a run; the first of them takes long.
const BLOCKS: u64 = 40;
const SLOW_MS: u64 = 4_000;

/// A run with a worker on each of two hosts: the one on `h1` is at the long block, the other has done
/// all the rest and waits.
struct Scene {
    // In this order they are dropped: processes first.
    stage: Stage,
    lab: Lab,
    /// The long block, which the worker on `h1` has begun.
    victim: Event,
}

impl Scene {
    /// None where there are no hosts.
    fn new(letter: char, change: impl FnOnce(&mut Plan)) -> Option<Self> {
        let lab = Lab::up(letter)?;
        let mut plan = Plan {
            blocks: BLOCKS,
            workers: 0,
            slow_every: BLOCKS,
            slow_ms: SLOW_MS,
            heartbeat_ms: HEARTBEAT_MS,
            has_journal: false,
            listen: Some(lab.address()),
            ..Plan::default()
        };
        change(&mut plan);
        let mut stage = Stage::new(plan, Duration::from_secs(60));
        stage.start_server();
        stage.start_worker(ONLY, lab.on("h1"));
        let victim = stage.until("h1 begins a block", |events| {
            events.iter().find(|event| event.is("begin")).cloned()
        });
        stage.start_worker(ONLY, lab.on("h2"));
        stage.until("h2 has done the rest", |events| {
            let ends = events.iter().filter(|event| event.is("end"));
            (ends.count() as u64 == BLOCKS - 1).then_some(())
        });
        Some(Self { stage, lab, victim })
    }

    /// Waits until the victim's block is begun elsewhere; that, and after how long.
    fn begun_elsewhere(&mut self, since: Instant) -> (Event, Duration) {
        let victim = self.victim.clone();
        let again = self.stage.until("the block runs elsewhere", |events| {
            let mut begins = events.iter().filter(|event| event.is("begin"));
            begins.find(|event| event.cell == victim.cell && event.pid != victim.pid).cloned()
        });
        (again, since.elapsed())
    }

    /// Lets the run end well; gives what happened.
    fn finish(mut self) -> History {
        assert_eq!(self.stage.wait_server(), 0, "{}", self.stage.words());
        let history = History::new(self.stage.events());
        history.check_complete(&self.stage.plan);
        self.stage.until_no_workers();
        history
    }

    /// The victim's worker never came to the end of its block.
    fn assert_never_ended(&mut self) {
        let pid = self.victim.pid;
        let ended = self.stage.events().iter().any(|event| event.is("end") && event.pid == pid);
        assert!(!ended, "the old holder went on");
    }
}

#[test]
fn a_worker_that_is_cut_off_has_ended_before_its_block_runs_elsewhere() {
    let Some(mut scene) = Scene::new('a', |_| ()) else { return };
    let since = Instant::now();
    scene.lab.does(&["cut", "h1"]);
    let pid = scene.victim.pid;
    scene.stage.until_true("the worker that is cut off ends itself", |_| !lives(pid));
    let ended = since.elapsed();
    let (again, took) = scene.begun_elsewhere(since);
    eprintln!(
        "cut: the worker ended after {:.2} s, its block ran elsewhere after {:.2} s (three heartbeats and \
         one: {LOST_MS} ms)",
        ended.as_secs_f64(),
        took.as_secs_f64()
    );
    // The last bytes came up to a heartbeat before the cut.
    assert!(took > ended && took >= millis(LOST_MS - HEARTBEAT_MS - 100), "{ended:?} {took:?}");
    assert!(took < millis(LOST_MS + SLACK_MS), "{took:?}");
    assert_eq!(again.attempt, 1, "being cut off is no fault of the block");
    scene.lab.does(&["heal", "h1"]);
    scene.assert_never_ended();
    scene.finish();
}

#[test]
fn a_short_cut_is_as_if_nothing_had_been() {
    // Nothing breaks, so nobody has to come back; this run has no journal.
    let Some(scene) = Scene::new('b', |plan| plan.heartbeat_ms = 1_500) else { return };
    for _ in 0..2 {
        scene.lab.does(&["cut", "h1"]);
        pause(millis(300));
        scene.lab.does(&["heal", "h1"]);
        pause(millis(300));
    }
    let history = scene.finish();
    assert_eq!(history.num_executions() as u64, BLOCKS);
}

#[test]
fn a_frozen_worker_is_given_up_and_ends_when_it_is_thawed() {
    let Some(mut scene) = Scene::new('c', |_| ()) else { return };
    let pid = scene.victim.pid;
    let since = Instant::now();
    scene.stage.note("stop", pid);
    scene.lab.does(&["freeze", "h1"]);
    let (again, took) = scene.begun_elsewhere(since);
    eprintln!("freeze: the block ran elsewhere after {:.2} s", took.as_secs_f64());
    assert!(took < millis(LOST_MS + SLACK_MS), "{took:?}");
    assert!(lives(pid), "it cannot end itself while it is frozen");
    assert_eq!(again.attempt, 1);
    scene.stage.note("wake", pid);
    scene.lab.does(&["thaw", "h1"]);
    let since = Instant::now();
    scene.stage.until_true("the worker ends once it can", |_| !lives(pid));
    eprintln!("thaw: the old holder ended after {:.3} s", since.elapsed().as_secs_f64());
    scene.assert_never_ended();
    scene.finish().check_single();
}

#[test]
fn a_short_freeze_is_as_if_nothing_had_been() {
    let Some(scene) = Scene::new('d', |_| ()) else { return };
    scene.lab.does(&["freeze", "h1"]);
    pause(millis(HEARTBEAT_MS));
    scene.lab.does(&["thaw", "h1"]);
    let history = scene.finish();
    assert_eq!(history.num_executions() as u64, BLOCKS);
}

#[test]
fn a_killed_worker_is_given_up_and_its_block_runs_elsewhere() {
    let Some(mut scene) = Scene::new('e', |_| ()) else { return };
    scene.stage.note("kill", scene.victim.pid);
    let since = Instant::now();
    scene.lab.does(&["kill", "h1"]);
    let (_, took) = scene.begun_elsewhere(since);
    eprintln!("kill: the block ran elsewhere after {:.2} s", took.as_secs_f64());
    assert!(took < millis(LOST_MS + SLACK_MS), "{took:?}");
    scene.finish().check_single();
}

#[test]
fn a_worker_behind_a_wall_has_ended_before_its_block_runs_elsewhere() {
    let Some(mut scene) = Scene::new('f', |_| ()) else { return };
    let pid = scene.victim.pid;
    let since = Instant::now();
    scene.stage.note("kill", pid);
    scene.lab.does(&["reset", "h1"]);
    scene.stage.until_true("the worker that is refused ends itself", |_| !lives(pid));
    let ended = since.elapsed();
    let (_, took) = scene.begun_elsewhere(since);
    eprintln!(
        "reset: the worker ended after {:.2} s, its block ran elsewhere after {:.2} s",
        ended.as_secs_f64(),
        took.as_secs_f64()
    );
    assert!(took > ended && took < millis(LOST_MS + SLACK_MS), "{ended:?} {took:?}");
    scene.lab.does(&["heal", "h1"]);
    scene.assert_never_ended();
    scene.finish().check_single();
}

#[test]
fn a_worker_behind_a_wall_has_ended_in_a_run_with_a_journal_too() {
    // Refused connections are no proof that the server is gone: a wall refuses as well.
    let Some(mut scene) = Scene::new('g', |plan| {
        plan.has_journal = true;
        plan.reconnect_ms = 20_000;
    }) else {
        return;
    };
    scene.lab.does(&["reset", "h1"]);
    let since = Instant::now();
    scene.stage.note("kill", scene.victim.pid);
    let (again, took) = scene.begun_elsewhere(since);
    let alive = lives(scene.victim.pid);
    eprintln!("reset, journal: ran elsewhere after {:.2} s; {again:?}", took.as_secs_f64());
    assert!(!alive, "the block runs elsewhere while its old holder is at it");
    scene.lab.does(&["heal", "h1"]);
    scene.finish().check_single();
}

#[test]
fn a_broken_connection_costs_nothing_when_the_worker_comes_back_in_time() {
    let Some(scene) = Scene::new('h', |plan| {
        plan.has_journal = true;
        plan.heartbeat_ms = 1_500;
    }) else {
        return;
    };
    scene.lab.does(&["reset", "h1"]);
    pause(millis(700));
    scene.lab.does(&["heal", "h1"]);
    let history = scene.finish();
    assert_eq!(history.num_executions() as u64, BLOCKS);
}

#[test]
fn blocks_that_were_sent_but_never_arrived_are_lent_again() {
    let Some(lab) = Lab::up('i') else { return };
    let plan = Plan {
        blocks: 6,
        workers: 0,
        slow_every: 1,
        slow_ms: 600,
        listen: Some(lab.address()),
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(30));
    stage.start_server();
    stage.start_worker(ONLY, lab.on("h1"));
    stage.until("h1 begins a block", |events| {
        events.iter().any(|event| event.is("begin")).then_some(())
    });
    // It hears nothing any more, but is heard: it hands in and asks for more.
    lab.does(&["drop", "h1", "in"]);
    stage.until("h1 ends a block", |events| {
        events.iter().any(|event| event.is("end")).then_some(())
    });
    pause(millis(200));
    // The server sends it again and again, and is refused.
    lab.does(&["reset", "h1"]);
    pause(millis(1_800));
    lab.does(&["heal", "h1"]);
    assert_eq!(stage.wait_server(), 0, "{}", stage.words());
    let history = History::new(stage.events());
    history.check_complete(&stage.plan);
    assert_eq!(history.num_executions(), 6);
    stage.until_no_workers();
    drop(stage);
    drop(lab);
}

#[test]
fn the_lab_leaves_nothing_behind() {
    let Some(lab) = Lab::up('j') else { return };
    let named = |text: &str| {
        let output = Command::new("ip").args(["netns", "list"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(text)
    };
    let mark = lab.mark();
    assert!(named(&mark));
    drop(lab);
    assert!(!named(&mark));
}
