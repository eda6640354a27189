//! Workers that share a process, that said goodbye, and that are expected from elsewhere.

use daisy_sched::{
    Cause, CoordinatorConfig, Ending, Input, SchedulerOptions, TaskConfig, WorkerId, WorkerKind,
};

use super::play::{A, NOTHING, Play, chain};

const PROCESS: WorkerKind = WorkerKind::LocalProcess { heartbeats: true };
const REMOTE: WorkerKind = WorkerKind::Remote { heartbeats: true };
const DIED: Ending = Ending::Died(Cause(7));

/// A process with so many clients of one task, each of which wants a block.
fn crowd(play: &mut Play, clients: u64) -> (WorkerId, Vec<WorkerId>) {
    let process = play.start(A, PROCESS);
    let others = (1..clients).map(|_| {
        let worker = play.join(A, PROCESS);
        assert_eq!(play.tell(Input::Shares { worker, process }), NOTHING);
        worker
    });
    let all = [process].into_iter().chain(others.collect::<Vec<_>>()).collect();
    (process, all)
}

#[test]
fn a_process_that_dies_at_several_blocks_blames_none_and_tries_each_alone() {
    let mut play = Play::new(&[3], vec![TaskConfig::default()]);
    let (process, clients) = crowd(&mut play, 2);
    let [w0, w1] = [clients[0], clients[1]];
    play.want(w0, 1);
    play.want(w1, 1);
    let ended = play.tell(Input::ProcessEnded { process, ending: DIED });
    assert_eq!(
        ended,
        ["l0 #0/0 put back: Suspect", "start w2 for #0", "l1 #0/1 put back: Suspect"]
    );
    assert_eq!(play.attempts(0) + play.attempts(1), 0);
    // The next process: one suspect at a time, and nothing beside it.
    let process = WorkerId(2);
    play.tell(Input::Joined { worker: process, task: A, kind: PROCESS });
    let other = play.join(A, PROCESS);
    play.tell(Input::Shares { worker: other, process });
    assert_eq!(play.want(process, 5), ["grant l2 #0/0 to w2"]);
    assert_eq!(play.want(other, 5), NOTHING);
    // It dies again: now it is known which block it was.
    let ended = play.tell(Input::ProcessEnded { process, ending: DIED });
    assert!(ended[0].starts_with("l2 #0/0 failed 1x"), "{ended:?}");
    assert_eq!((play.attempts(0), play.attempts(1)), (1, 0));
}

#[test]
fn beside_a_worker_with_blocks_nobody_gets_a_suspect() {
    let mut play = Play::new(&[4], vec![TaskConfig::default()]);
    let (process, clients) = crowd(&mut play, 2);
    clients.iter().for_each(|&worker| drop(play.want(worker, 1)));
    play.tell(Input::ProcessEnded { process, ending: DIED });
    let process = WorkerId(2);
    play.tell(Input::Joined { worker: process, task: A, kind: PROCESS });
    let other = play.join(A, PROCESS);
    play.tell(Input::Shares { worker: other, process });
    assert_eq!(play.want(process, 1), ["grant l2 #0/0 to w2"]);
    assert_eq!(play.want(other, 1), NOTHING);
    // The suspect is done: the other one in the process gets the next.
    assert_eq!(play.complete(process, 2), ["l2 #0/0 completed", "grant l3 #0/1 to w3"]);
    assert_eq!(play.want(process, 1), NOTHING);
    assert_eq!(play.complete(other, 3), ["l3 #0/1 completed", "grant l4 #0/2 to w2"]);
    // No suspects are left: both work.
    assert_eq!(play.want(other, 1), ["grant l5 #0/3 to w3"]);
}

#[test]
fn a_block_that_takes_too_long_costs_those_beside_it_nothing() {
    let config = TaskConfig { timeout_ms: Some(1_000), ..TaskConfig::default() };
    let mut play = Play::new(&[2], vec![config]);
    let (process, clients) = crowd(&mut play, 2);
    play.want(clients[0], 1);
    play.at_ms(500);
    play.want(clients[1], 1);
    play.at_ms(1_000);
    let ended = play.tell(Input::ProcessEnded { process, ending: DIED });
    assert!(ended[0].starts_with("l0 #0/0 failed 1x, TimedOut"), "{ended:?}");
    assert_eq!(ended[1], "l1 #0/1 put back: WorkerKilled");
    assert_eq!((play.attempts(0), play.attempts(1)), (1, 0));
}

#[test]
fn a_worker_that_said_goodbye_may_be_silent() {
    let mut play = Play::new(&[2], vec![TaskConfig::default()]);
    let worker = play.start(A, PROCESS);
    play.want(worker, 1);
    play.complete(worker, 0);
    assert_eq!(play.tell(Input::Left { worker }), NOTHING);
    assert_eq!(play.at_ms(600_000), NOTHING, "nobody is started beside it, and it is not killed");
    let ended = play.tell(Input::ProcessEnded { process: worker, ending: Ending::Left });
    assert_eq!(ended, ["start w1 for #0"]);
}

#[test]
fn a_child_without_a_block_that_is_cut_off_is_not_killed() {
    let mut play = Play::new(&[2], vec![TaskConfig::default()]);
    let worker = play.start(A, PROCESS);
    play.tell(Input::Disconnected { worker });
    assert_eq!(play.at_ms(60_000), NOTHING);
    play.tell(Input::Reconnected { worker, heartbeats: true });
    assert_eq!(play.want(worker, 1), ["grant l0 #0/0 to w0"]);
    play.tell(Input::Disconnected { worker });
    assert_eq!(play.at_ms(120_000), ["kill w0: Silent"], "with a block it might go on");
}

#[test]
fn a_launcher_that_ends_well_stands_for_a_worker_for_a_while() {
    let mut play = Play::new(&[2], vec![TaskConfig::default()]);
    let process = WorkerId(0);
    assert_eq!(play.drain(), ["start w0 for #0"]);
    assert_eq!(play.tell(Input::ProcessEnded { process, ending: Ending::HandedOn }), NOTHING);
    assert_eq!(play.at_ms(599_000), NOTHING);
    // The job has begun.
    play.tell(Input::Joined { worker: process, task: A, kind: REMOTE });
    assert_eq!(play.at_ms(600_000), NOTHING);
    assert_eq!(play.want(process, 1), ["grant l0 #0/0 to w0"]);
    // Another time nobody comes.
    let mut play = Play::new(&[2], vec![TaskConfig::default()]);
    play.drain();
    play.tell(Input::ProcessEnded { process, ending: Ending::HandedOn });
    assert_eq!(play.at_ms(600_000), ["given up w0"]);
    assert_eq!(
        play.at_ms(601_000),
        ["start w1 for #0"],
        "after a pause, as after each that came to nothing"
    );
}

#[test]
fn the_end_of_a_process_is_none_of_who_came_by_its_number_from_elsewhere() {
    let mut play = Play::new(&[2], vec![TaskConfig::default()]);
    // A fork of the process was quicker.
    let process = play.start(A, REMOTE);
    assert_eq!(play.want(process, 1), ["grant l0 #0/0 to w0"]);
    let inside = play.join(A, PROCESS);
    play.tell(Input::Shares { worker: inside, process });
    assert_eq!(play.tell(Input::Ended { worker: inside, ending: Ending::Left }), NOTHING);
    assert_eq!(play.tell(Input::ProcessEnded { process, ending: Ending::Left }), NOTHING);
    assert_eq!(play.complete(process, 0), ["l0 #0/0 completed"]);
}

#[test]
fn a_launcher_that_fails_is_an_early_end() {
    let config = TaskConfig { max_early_ends: Some(2), ..TaskConfig::default() };
    let config = CoordinatorConfig { tasks: vec![config], ..CoordinatorConfig::default() };
    let mut play = Play::with(chain(&[2]), SchedulerOptions::default(), config);
    play.drain();
    play.tell(Input::ProcessEnded { process: WorkerId(0), ending: DIED });
    assert_eq!(play.at_ms(1_000), ["start w1 for #0"]);
    let ended = play.tell(Input::ProcessEnded { process: WorkerId(1), ending: DIED });
    assert_eq!(ended[0], "task #0 ended: WorkersFail(Cause(7))");
}
