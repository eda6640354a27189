//! One test for each rule: what is said to the coordinator and what it says.

use std::collections::{BTreeMap, BTreeSet};

use daisy_block::TaskId;
use daisy_sched::{
    Cause, CoordinatorConfig, CoordinatorError, Ending, Finding, Input, LeaseId, Outcome, Output,
    Scheduler, SchedulerOptions, TaskConfig, Verdict, WorkerId, WorkerKind,
};

use super::play::{A, B, NOTHING, Play, chain, external, key};

const THREAD: WorkerKind = WorkerKind::Thread;
const PROCESS: WorkerKind = WorkerKind::LocalProcess { heartbeats: true };
const REMOTE: WorkerKind = WorkerKind::Remote { heartbeats: true };
const SILENT_REMOTE: WorkerKind = WorkerKind::Remote { heartbeats: false };

fn with_timeout() -> TaskConfig {
    TaskConfig { timeout_ms: Some(1_000), ..external() }
}

#[test]
fn a_run_from_start_to_end() {
    let mut play = Play::new(&[2, 1], vec![TaskConfig::default(), TaskConfig::default()]);
    let (w0, w1) = (WorkerId(0), WorkerId(1));
    // Task B starts workers only when it has something for them to do.
    assert_eq!(play.drain(), ["start w0 for #0"]);
    assert_eq!(play.tell(Input::Joined { worker: w0, task: A, kind: THREAD }), NOTHING);
    assert_eq!(play.want(w0, 1), ["grant l0 #0/0 to w0"]);
    assert_eq!(
        play.complete(w0, 0),
        ["l0 #0/0 completed", "start w1 for #1", "task #0 ended: Finished", "dismiss w0"]
    );
    assert_eq!(play.tell(Input::Joined { worker: w1, task: B, kind: THREAD }), NOTHING);
    assert_eq!(play.want(w1, 1), ["grant l1 #1/0 to w1"]);
    // Block #0/1 is read by nobody and not part of the run.
    assert!(play.counts(A).starts_with("1 completed") && play.counts(A).ends_with("of 1"));
    assert_eq!(
        play.complete(w1, 1),
        ["l1 #1/0 completed", "task #1 ended: Finished", "dismiss w1", "done"]
    );
    assert!(play.coordinator.is_done());
    assert_eq!(play.tell(Input::Ended { worker: w1, ending: Ending::Died(Cause(1)) }), NOTHING);
}

#[test]
fn an_outcome_wakes_those_that_it_can_feed() {
    let mut play = Play::new(&[3, 3], vec![external(), external()]);
    let up = play.join(A, THREAD);
    let down = play.join(B, THREAD);
    assert_eq!(play.want(down, 1), NOTHING);
    assert_eq!(play.want(up, 1), ["grant l0 #0/0 to w0"]);
    assert_eq!(play.complete(up, 0), ["l0 #0/0 completed", "grant l1 #1/0 to w1"]);
}

#[test]
fn look_ahead_takes_no_more_than_a_fair_share() {
    let mut play = Play::new(&[9], vec![external()]);
    let (w0, w1, w2) = (play.join(A, THREAD), play.join(A, THREAD), play.join(A, THREAD));
    assert_eq!(play.want(w0, 100).len(), 3);
    assert_eq!(play.want(w1, 100).len(), 3);
    assert_eq!(play.want(w2, 2).len(), 2);
    // The last block goes to whoever is free first.
    assert_eq!(play.complete(w1, 3), ["l3 #0/3 completed", "grant l8 #0/8 to w1"]);
}

#[test]
fn a_failed_block_backs_off_and_then_fails_for_good() {
    let mut play = Play::new(&[1, 1], vec![external(), external()]);
    let w0 = play.join(A, THREAD);
    play.want(w0, 1);
    assert_eq!(play.fail(w0, 0), ["l0 #0/0 failed 1x, said 7, again at 1.000000 s"]);
    assert!(play.counts(A).ends_with("0 ready, 1 pending of 1"));
    assert_eq!(play.deadline(), format!("1.000000 s Backoff({:?})", key(0)));
    assert_eq!(play.want(w0, 1), NOTHING);
    assert_eq!(play.at_ms(999), NOTHING);
    assert_eq!(play.at_ms(1_000), ["grant l1 #0/0 to w0 again 2"]);
    assert_eq!(play.fail(w0, 1), ["l1 #0/0 failed 2x, said 7, again at 3.000000 s"]);
    assert_eq!(play.at_ms(3_000), NOTHING);
    assert_eq!(play.want(w0, 1), ["grant l2 #0/0 to w0 again 3"]);
    assert_eq!(
        play.fail(w0, 2),
        [
            "l2 #0/0 failed 3x for good, said 7",
            "orphaned #1 0..1",
            "task #0 ended: Finished",
            "dismiss w0",
            "task #1 ended: Finished",
            "done"
        ]
    );
}

#[test]
fn the_back_off_has_a_longest_wait() {
    let options = SchedulerOptions { max_retries: vec![100], ..SchedulerOptions::default() };
    let config = CoordinatorConfig { tasks: vec![external()], ..CoordinatorConfig::default() };
    let mut play = Play::with(chain(&[1]), options, config);
    let w0 = play.join(A, THREAD);
    let (mut waits, mut now) = (Vec::new(), 0);
    play.want(w0, 1);
    for lease in 0..9 {
        play.fail(w0, lease);
        let (at, _) = play.coordinator.next_deadline().unwrap();
        waits.push(at.as_micros() / 1_000 - now);
        now = at.as_micros() / 1_000;
        play.at_ms(now);
        play.want(w0, 1);
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
}

#[test]
fn a_thread_that_takes_too_long_keeps_its_block_until_it_returns() {
    let config = TaskConfig { num_workers: 1, ..with_timeout() };
    let mut play = Play::new(&[1], vec![config]);
    let w0 = WorkerId(0);
    play.drain();
    play.tell(Input::Joined { worker: w0, task: A, kind: THREAD });
    assert_eq!(play.want(w0, 1), ["grant l0 #0/0 to w0 until 1.000000 s"]);
    assert_eq!(play.deadline(), "1.000000 s BlockTimeout(WorkerId(0))");
    assert_eq!(play.at_ms(1_000), ["l0 #0/0 overdue at w0"]);
    assert!(play.counts(A).contains("1 processing"));
    assert_eq!(play.deadline(), "none");
    play.now = daisy_sched::Moment::from_millis(5_000);
    assert_eq!(
        play.complete(w0, 0),
        ["l0 #0/0 failed 1x, TimedOut, again at 6.000000 s", "dismiss w0"]
    );
    // It got nothing more; another thread takes its place.
    assert_eq!(play.at_ms(6_000), ["start w1 for #0"]);
}

#[test]
fn a_thread_that_takes_too_long_is_replaced_at_once() {
    let config = TaskConfig { num_workers: 1, ..with_timeout() };
    let mut play = Play::new(&[2], vec![config]);
    play.drain();
    play.tell(Input::Joined { worker: WorkerId(0), task: A, kind: THREAD });
    play.want(WorkerId(0), 1);
    assert_eq!(play.at_ms(1_000), ["l0 #0/0 overdue at w0", "start w1 for #0"]);
    play.tell(Input::Joined { worker: WorkerId(1), task: A, kind: THREAD });
    assert_eq!(play.want(WorkerId(1), 1), ["grant l1 #0/1 to w1 until 2.000000 s"]);
}

#[test]
fn a_process_that_takes_too_long_is_killed_and_its_block_free_once_it_is_reaped() {
    let mut play = Play::new(&[2], vec![with_timeout()]);
    let w0 = play.join(A, PROCESS);
    assert_eq!(play.want(w0, 2), ["grant l0 #0/0 to w0 until 1.000000 s", "grant l1 #0/1 to w0"]);
    assert_eq!(play.at_ms(1_000), ["l0 #0/0 overdue at w0", "kill w0: TimedOut"]);
    assert_eq!(play.complete(w0, 0), ["l0 late"]);
    assert!(play.counts(A).contains("2 processing"));
    assert_eq!(
        play.die(w0),
        ["l0 #0/0 failed 1x, TimedOut, again at 2.000000 s", "l1 #0/1 put back: WorkerKilled"]
    );
    assert_eq!(play.complete(w0, 0), ["l0 late"]);
    assert_eq!(play.coordinator.num_late(), 2);
}

#[test]
fn a_remote_worker_that_takes_too_long_is_waited_for_until_it_must_have_ended() {
    let mut play = Play::new(&[1], vec![with_timeout()]);
    let w0 = play.join(A, REMOTE);
    play.want(w0, 1);
    play.at_ms(900);
    play.tell(Input::Heard { worker: w0 });
    assert_eq!(play.at_ms(1_000), ["l0 #0/0 overdue at w0", "kill w0: TimedOut"]);
    // Six seconds of silence and one heartbeat after its last byte.
    assert_eq!(play.deadline(), "8.900000 s Silence(WorkerId(0))");
    assert_eq!(play.at_ms(8_899), NOTHING);
    assert_eq!(
        play.at_ms(8_900),
        ["given up w0", "l0 #0/0 failed 1x, TimedOut, again at 9.900000 s"]
    );
    assert_eq!(
        play.try_tell(Input::Reconnected { worker: w0, heartbeats: true }),
        Err(CoordinatorError::UnknownWorker { worker: w0 })
    );
}

#[test]
fn a_remote_worker_that_reports_in_the_end_frees_its_overdue_block() {
    let mut play = Play::new(&[1], vec![with_timeout()]);
    let w0 = play.join(A, REMOTE);
    play.want(w0, 1);
    play.at_ms(1_000);
    assert_eq!(play.complete(w0, 0), ["l0 #0/0 failed 1x, TimedOut, again at 2.000000 s"]);
}

#[test]
fn the_time_of_a_queued_block_starts_when_it_begins() {
    let mut play = Play::new(&[4], vec![with_timeout()]);
    let w0 = play.join(A, THREAD);
    play.want(w0, 4);
    play.at_ms(400);
    play.complete(w0, 0);
    assert_eq!(play.deadline(), "1.400000 s BlockTimeout(WorkerId(0))");
    // A batch: the next but one begins as well.
    play.at_ms(500);
    assert_eq!(play.tell(Input::Started { worker: w0, lease: LeaseId(2) }), NOTHING);
    assert_eq!(play.at_ms(1_400), ["l1 #0/1 overdue at w0"]);
    assert_eq!(play.at_ms(1_500), ["l2 #0/2 overdue at w0"]);
    assert_eq!(play.deadline(), "none");
}

#[test]
fn a_worker_that_dies_at_one_block_costs_that_block_an_attempt() {
    let mut play = Play::new(&[2], vec![external()]);
    let w0 = play.join(A, PROCESS);
    play.want(w0, 1);
    assert_eq!(play.die(w0), ["l0 #0/0 failed 1x, worker died 9, again at 1.000000 s"]);
    assert_eq!(
        play.try_tell(Input::Want { worker: w0, blocks: 1 }),
        Err(CoordinatorError::UnknownWorker { worker: w0 })
    );
}

#[test]
fn of_several_blocks_at_a_worker_that_dies_none_is_blamed_and_each_is_lent_singly() {
    let mut play = Play::new(&[4], vec![external()]);
    let w0 = play.join(A, PROCESS);
    play.want(w0, 3);
    assert_eq!(
        play.die(w0),
        ["l0 #0/0 put back: Suspect", "l1 #0/1 put back: Suspect", "l2 #0/2 put back: Suspect"]
    );
    let w1 = play.join(A, PROCESS);
    assert_eq!(play.want(w1, 4), ["grant l3 #0/0 to w1"]);
    assert_eq!(play.complete(w1, 3), ["l3 #0/0 completed", "grant l4 #0/1 to w1"]);
    assert_eq!(play.die(w1), ["l4 #0/1 failed 1x, worker died 9, again at 1.000000 s"]);
    let w2 = play.join(A, PROCESS);
    assert_eq!(play.want(w2, 4), ["grant l5 #0/2 to w2"]);
    assert_eq!(play.complete(w2, 5), ["l5 #0/2 completed", "grant l6 #0/3 to w2"]);
    // The culprit stays alone when it is tried again.
    assert_eq!(play.at_ms(1_000), NOTHING);
    assert_eq!(play.complete(w2, 6), ["l6 #0/3 completed", "grant l7 #0/1 to w2 again 2"]);
}

#[test]
fn a_suspect_waits_for_a_worker_without_blocks() {
    let mut play = Play::new(&[5], vec![external()]);
    let (w0, w1) = (play.join(A, PROCESS), play.join(A, PROCESS));
    assert_eq!(play.want(w1, 1), ["grant l0 #0/0 to w1"]);
    assert_eq!(play.want(w0, 2).len(), 2);
    assert_eq!(play.die(w0).len(), 2);
    // Blocks 1 and 2 are suspects, so 3 and 4 go ahead of them.
    assert_eq!(play.want(w1, 3), ["grant l3 #0/3 to w1", "grant l4 #0/4 to w1"]);
    assert!(play.counts(A).contains("3 processing, 2 ready"));
    play.complete(w1, 0);
    play.complete(w1, 3);
    assert_eq!(play.complete(w1, 4), ["l4 #0/4 completed", "grant l5 #0/1 to w1"]);
}

#[test]
fn a_worker_that_left_or_gave_its_block_back_costs_nothing() {
    let mut play = Play::new(&[2], vec![external()]);
    let w0 = play.join(A, PROCESS);
    play.want(w0, 2);
    assert_eq!(play.settle(w0, 1, Outcome::Returned), ["l1 #0/1 put back: Returned"]);
    assert_eq!(
        play.tell(Input::Ended { worker: w0, ending: Ending::Left }),
        ["l0 #0/0 put back: WorkerLeft"]
    );
    assert_eq!(play.coordinator.report(A).unwrap().failed_attempts, 0);
}

#[test]
fn a_lost_connection_costs_nothing_if_the_worker_comes_back() {
    let mut play = Play::new(&[3], vec![external()]);
    let w0 = play.join(A, REMOTE);
    play.want(w0, 1);
    play.at_ms(1_000);
    assert_eq!(play.tell(Input::Disconnected { worker: w0 }), NOTHING);
    assert_eq!(play.at_ms(7_999), NOTHING);
    assert_eq!(play.tell(Input::Reconnected { worker: w0, heartbeats: true }), NOTHING);
    assert_eq!(play.complete(w0, 0), ["l0 #0/0 completed"]);
    // What it wanted before is forgotten.
    assert_eq!(play.want(w0, 1), ["grant l1 #0/1 to w0"]);
    assert_eq!(play.deadline(), "15.999000 s Silence(WorkerId(0))");
}

#[test]
fn a_worker_whose_connection_closed_and_that_stays_away_has_died() {
    let mut play = Play::new(&[1], vec![external()]);
    let w0 = play.join(A, REMOTE);
    play.want(w0, 1);
    play.tell(Input::Disconnected { worker: w0 });
    assert_eq!(
        play.at_ms(8_000),
        ["given up w0", "l0 #0/0 failed 1x, WorkerVanished, again at 9.000000 s"]
    );
}

#[test]
fn a_worker_that_was_cut_off_costs_its_block_nothing() {
    let mut play = Play::new(&[1], vec![external()]);
    let w0 = play.join(A, REMOTE);
    play.want(w0, 1);
    assert_eq!(play.at_ms(8_000), ["given up w0", "l0 #0/0 put back: WorkerSilent"]);
    assert_eq!(play.complete(w0, 0), ["l0 late"]);
}

#[test]
fn a_worker_without_heartbeats_may_be_silent_while_it_is_connected() {
    let mut play = Play::new(&[1], vec![external()]);
    let w0 = play.join(A, SILENT_REMOTE);
    play.want(w0, 1);
    assert_eq!(play.at_ms(3_600_000), NOTHING);
    play.tell(Input::Disconnected { worker: w0 });
    assert_eq!(play.deadline(), "3608.000000 s Silence(WorkerId(0))");
}

#[test]
fn workers_that_leave_before_they_took_a_block_are_replaced_later_and_later() {
    let config = TaskConfig { num_workers: 2, ..TaskConfig::default() };
    let mut play = Play::new(&[5], vec![config]);
    play.drain();
    let mut now = 0;
    for (round, wait_s) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        for worker in [2 * round, 2 * round + 1].map(|worker| WorkerId(worker as u64)) {
            play.tell(Input::Joined { worker, task: A, kind: PROCESS });
            assert_eq!(play.tell(Input::Ended { worker, ending: Ending::Left }), NOTHING);
        }
        now += wait_s;
        assert_eq!(play.at_ms(now * 1_000 - 1), NOTHING, "round {round}");
        assert_eq!(play.at_ms(now * 1_000).len(), 2, "round {round}");
    }
}

#[test]
fn workers_that_end_before_they_took_a_block_end_their_task() {
    let config = TaskConfig { num_workers: 1, ..TaskConfig::default() };
    let mut play = Play::new(&[5], vec![config]);
    assert_eq!(play.drain(), ["start w0 for #0"]);
    assert_eq!(play.die(WorkerId(0)), NOTHING);
    assert_eq!(play.deadline(), "1.000000 s StartBackoff(TaskId(0))");
    let mut now = 0;
    for (worker, wait_s) in [(1, 1), (2, 2), (3, 4)] {
        now += wait_s;
        assert_eq!(play.at_ms(now * 1_000 - 1), NOTHING);
        assert_eq!(play.at_ms(now * 1_000), [format!("start w{worker} for #0")]);
        play.tell(Input::Joined { worker: WorkerId(worker), task: A, kind: PROCESS });
        assert_eq!(play.die(WorkerId(worker)), NOTHING);
    }
    assert_eq!(play.at_ms(15_000), ["start w4 for #0"]);
    assert_eq!(play.die(WorkerId(4)), ["task #0 ended: WorkersFail(Cause(9))", "done"]);
    assert!(play.counts(A).ends_with("of 5"));
}

#[test]
fn any_worker_that_takes_a_block_resets_the_bound() {
    let mut play = Play::new(&[50], vec![TaskConfig::default()]);
    play.drain();
    for now in 0..20 {
        let worker = now;
        play.at_ms(now * 100_000);
        if now % 3 == 2 {
            play.tell(Input::Joined { worker: WorkerId(worker), task: A, kind: PROCESS });
            play.want(WorkerId(worker), 1);
        }
        play.die(WorkerId(worker));
        play.at_ms(now * 100_000 + 99_000);
    }
    assert_eq!(play.coordinator.report(A).unwrap().ending, None);
    assert_eq!(play.coordinator.report(A).unwrap().failed_attempts, 6);
}

#[test]
fn no_more_workers_are_started_than_blocks_are_left() {
    let config = TaskConfig { num_workers: 64, ..TaskConfig::default() };
    let mut play = Play::new(&[3], vec![config]);
    assert_eq!(play.drain().len(), 3);
}

#[test]
fn a_task_ends_once_too_many_blocks_failed_for_good() {
    let options = SchedulerOptions { max_retries: vec![0], ..SchedulerOptions::default() };
    let task = TaskConfig { max_failed_blocks: Some(2), ..external() };
    let config = CoordinatorConfig { tasks: vec![task], ..CoordinatorConfig::default() };
    let mut play = Play::with(chain(&[9]), options, config);
    let w0 = play.join(A, THREAD);
    play.want(w0, 3);
    play.fail(w0, 0);
    assert_eq!(play.fail(w0, 1), ["l1 #0/1 failed 1x for good, said 7"]);
    assert_eq!(play.want(w0, 1), NOTHING);
    assert_eq!(
        play.complete(w0, 2),
        ["l2 #0/2 completed", "dismiss w0", "task #0 ended: TooManyFailedBlocks", "done"]
    );
}

#[test]
fn what_an_abandoned_task_has_out_may_finish_and_downstream_goes_on_with_it() {
    let mut play = Play::new(&[3, 3], vec![external(), external()]);
    let (w0, w1) = (play.join(A, THREAD), play.join(B, THREAD));
    play.want(w0, 1);
    play.want(w1, 1);
    assert_eq!(play.tell(Input::Abandon { task: A }), NOTHING);
    assert_eq!(play.want(w0, 1), NOTHING);
    assert_eq!(
        play.complete(w0, 0),
        ["l0 #0/0 completed", "dismiss w0", "grant l1 #1/0 to w1", "task #0 ended: Abandoned"]
    );
    assert_eq!(
        play.complete(w1, 1),
        ["l1 #1/0 completed", "task #1 ended: Finished", "dismiss w1", "done"]
    );
    assert!(play.counts(B).ends_with("0 ready, 2 pending of 3"));
}

#[test]
fn a_check_before_decides_whether_a_block_is_run() {
    let task = TaskConfig { num_workers: 1, check_before: true, ..TaskConfig::default() };
    let mut play = Play::new(&[3], vec![task]);
    // No worker is needed to find out that blocks are done.
    assert_eq!(
        play.drain(),
        ["check c0 before #0/0", "check c1 before #0/1", "check c2 before #0/2"]
    );
    assert!(play.counts(A).contains("3 ready"));
    assert_eq!(play.found(1, Finding::Done), ["#0/1 skipped"]);
    assert_eq!(play.found(1, Finding::Done), NOTHING);
    assert_eq!(play.found(0, Finding::NotDone), ["start w0 for #0"]);
    let w0 = WorkerId(0);
    play.tell(Input::Joined { worker: w0, task: A, kind: THREAD });
    assert_eq!(play.want(w0, 2), ["grant l0 #0/0 to w0"]);
    // One that fails is counted, and its block runs.
    assert_eq!(play.found(2, Finding::Raised(Cause(4))), ["grant l1 #0/2 to w0"]);
    let report = play.coordinator.report(A).unwrap();
    assert_eq!((report.failed_checks, report.first_check_error), (1, Some(Cause(4))));
    play.complete(w0, 0);
    assert_eq!(
        play.complete(w0, 1),
        ["l1 #0/2 completed", "task #0 ended: Finished", "dismiss w0", "done"]
    );
}

#[test]
fn a_check_before_has_a_time_limit() {
    let task = TaskConfig { check_before: true, checks_ahead: 1, ..external() };
    let mut play = Play::new(&[2], vec![task]);
    assert_eq!(play.drain(), ["check c0 before #0/0"]);
    assert_eq!(play.deadline(), "60.000000 s Check");
    let w0 = play.join(A, THREAD);
    play.want(w0, 1);
    assert_eq!(play.at_ms(60_000), ["grant l0 #0/0 to w0", "check c1 before #0/1"]);
    assert_eq!(play.found(0, Finding::Done), NOTHING);
}

#[test]
fn a_check_after_decides_whether_a_block_is_completed() {
    let task = TaskConfig { check_after: true, ..external() };
    let mut play = Play::new(&[1, 1], vec![task, external()]);
    let w0 = play.join(A, THREAD);
    play.want(w0, 1);
    assert_eq!(play.complete(w0, 0), ["check c0 after #0/0"]);
    assert!(play.counts(A).contains("1 processing"));
    assert_eq!(play.complete(w0, 0), ["l0 late"]);
    // Its worker is free meanwhile, and may even end.
    assert_eq!(play.die(w0), NOTHING);
    assert_eq!(
        play.found(0, Finding::NotDone),
        ["l0 #0/0 failed 1x, NotDone, again at 1.000000 s"]
    );
    let w1 = play.join(A, THREAD);
    play.at_ms(1_000);
    play.want(w1, 1);
    play.complete(w1, 1);
    assert_eq!(
        play.found(1, Finding::Raised(Cause(3))),
        ["l1 #0/0 failed 2x, check raised 3, again at 3.000000 s"]
    );
    play.at_ms(3_000);
    play.want(w1, 1);
    play.complete(w1, 2);
    assert_eq!(
        play.found(2, Finding::Done),
        ["l2 #0/0 completed", "task #0 ended: Finished", "dismiss w1"]
    );
}

#[test]
fn masks_are_asked_on_the_way() {
    let options = SchedulerOptions { masked: BTreeSet::from([A]), ..SchedulerOptions::default() };
    let config = CoordinatorConfig { tasks: vec![external()], ..CoordinatorConfig::default() };
    let mut play = Play::with(chain(&[4]), options, config);
    let w0 = play.join(A, THREAD);
    let ask = |play: &mut Play, blocks: u32| {
        play.coordinator.handle(play.now, Input::Want { worker: w0, blocks }).unwrap();
        match play.coordinator.poll_output() {
            Some(Output::Ask(question)) => question,
            other => panic!("{other:?}"),
        }
    };
    let question = ask(&mut play, 4);
    assert_eq!(play.want(w0, 1), NOTHING);
    let answer = Input::Answered { question: question.clone(), verdict: Verdict::Part };
    assert_eq!(play.tell(answer.clone()), ["ask #0 [0:20] (20)"]);
    assert!(matches!(play.try_tell(answer), Err(CoordinatorError::Scheduler(_))));
    let mut lower = question;
    let tiling = play.coordinator.scheduler().graph().tasks()[A].tiling();
    lower.cells = daisy_block::CellBox::new(std::iter::once(0..2));
    lower.roi = tiling.written_by(&lower.cells).unwrap().unwrap();
    assert_eq!(
        play.tell(Input::Answered { question: lower, verdict: Verdict::All }),
        ["ask #0 [20:40] (20)"]
    );
    assert!(play.counts(A).contains("2 skipped"));
}

#[test]
fn a_task_whose_blocks_are_all_masked_ends() {
    let options = SchedulerOptions { masked: BTreeSet::from([A]), ..SchedulerOptions::default() };
    let config = CoordinatorConfig { tasks: vec![external()], ..CoordinatorConfig::default() };
    let mut play = Play::with(chain(&[4]), options, config);
    let w0 = play.join(A, THREAD);
    play.coordinator.handle(play.now, Input::Want { worker: w0, blocks: 1 }).unwrap();
    let Some(Output::Ask(question)) = play.coordinator.poll_output() else { panic!("no question") };
    assert_eq!(
        play.tell(Input::Answered { question, verdict: Verdict::All }),
        ["task #0 ended: Finished", "dismiss w0", "done"]
    );
}

fn with_resources(lengths: &[i64], total: u64, needs: &[u64]) -> Play {
    let needs = needs.iter().map(|&units| vec![("gpu".to_string(), units)]);
    let tasks = needs.map(|needs| TaskConfig { needs, ..external() }).collect();
    let resources = BTreeMap::from([("gpu".to_string(), total)]);
    let config = CoordinatorConfig { tasks, resources, ..CoordinatorConfig::default() };
    Play::with(chain(lengths), SchedulerOptions::default(), config)
}

#[test]
fn one_unit_shared_by_a_chain_streams() {
    let mut play = with_resources(&[2, 2, 2], 1, &[1, 1, 1]);
    let workers = [0, 1, 2].map(|task| play.join(TaskId::new(task), THREAD));
    assert_eq!(play.want(workers[0], 2), ["grant l0 #0/0 to w0"]);
    play.want(workers[1], 2);
    play.want(workers[2], 2);
    // Each outcome passes the unit on to the task furthest downstream that can use it.
    assert_eq!(play.complete(workers[0], 0), ["l0 #0/0 completed", "grant l1 #1/0 to w1"]);
    assert_eq!(play.complete(workers[1], 1), ["l1 #1/0 completed", "grant l2 #2/0 to w2"]);
    assert_eq!(play.complete(workers[2], 2), ["l2 #2/0 completed", "grant l3 #0/1 to w0"]);
}

#[test]
fn a_large_need_downstream_is_not_starved_by_small_ones_upstream() {
    let mut play = with_resources(&[9, 9], 2, &[1, 2]);
    let (w0, w1) = (play.join(A, THREAD), play.join(B, THREAD));
    assert_eq!(play.want(w0, 9).len(), 2);
    assert_eq!(play.want(w1, 1), NOTHING);
    assert_eq!(play.complete(w0, 0), ["l0 #0/0 completed"]);
    assert_eq!(play.complete(w0, 1), ["l1 #0/1 completed", "grant l2 #1/0 to w1"]);
    assert_eq!(play.complete(w1, 2)[1..], ["grant l3 #0/2 to w0", "grant l4 #0/3 to w0"]);
}

#[test]
fn a_need_that_can_never_be_met_is_an_error() {
    let make = |name: &str, units| {
        let needs = vec![(name.to_string(), units)];
        let tasks = vec![TaskConfig { needs, ..external() }];
        let resources = BTreeMap::from([("gpu".to_string(), 2)]);
        let scheduler = Scheduler::new(chain(&[1]), SchedulerOptions::default()).unwrap();
        let config = CoordinatorConfig { tasks, resources, ..CoordinatorConfig::default() };
        daisy_sched::Coordinator::new(scheduler, config).map(|_| ())
    };
    let (task, resource) = (A, "gpu".to_string());
    assert_eq!(make("gpu", 2), Ok(()));
    assert_eq!(
        make("gpu", 3),
        Err(CoordinatorError::NeedTooLarge { task, resource, needed: 3, total: 2 })
    );
    let resource = "licence".to_string();
    assert_eq!(make("licence", 1), Err(CoordinatorError::UnknownResource { task, resource }));
}

#[test]
fn draining_lets_threads_finish() {
    let mut play = Play::new(&[5], vec![external()]);
    let (w0, w1) = (play.join(A, THREAD), play.join(A, THREAD));
    play.want(w0, 1);
    play.fail(w0, 0);
    play.want(w0, 1);
    assert_eq!(play.tell(Input::Drain), ["dismiss w1"]);
    assert_eq!(play.tell(Input::Drain), NOTHING);
    assert_eq!(play.at_ms(5_000), NOTHING);
    assert_eq!(play.want(w1, 1), NOTHING);
    assert_eq!(
        play.complete(w0, 1),
        ["l1 #0/1 completed", "dismiss w0", "task #0 ended: Drained", "done"]
    );
    assert!(play.counts(A).ends_with("0 processing, 3 ready, 1 pending of 5"));
}

#[test]
fn draining_ends_worker_processes_and_costs_their_blocks_nothing() {
    let mut play = Play::new(&[5], vec![external()]);
    let (w0, w1) = (play.join(A, PROCESS), play.join(A, REMOTE));
    play.want(w0, 1);
    play.want(w1, 1);
    assert_eq!(play.tell(Input::Drain), ["kill w0: Drained", "kill w1: Drained"]);
    assert_eq!(play.die(w0), ["l0 #0/0 put back: WorkerKilled"]);
    assert_eq!(play.complete(w1, 1), ["l1 #0/1 completed", "task #0 ended: Drained", "done"]);
    assert!(play.counts(A).ends_with("0 processing, 4 ready, 0 pending of 5"));
}

#[test]
fn draining_gives_back_what_was_checked_ahead() {
    let task = TaskConfig { check_before: true, ..external() };
    let mut play = Play::new(&[2], vec![task]);
    play.drain();
    play.found(0, Finding::NotDone);
    assert_eq!(play.tell(Input::Drain), ["task #0 ended: Drained", "done"]);
    assert_eq!(play.found(1, Finding::Done), NOTHING);
    assert!(play.counts(A).ends_with("2 ready, 0 pending of 2"));
}

#[test]
fn a_task_without_blocks_ends_at_once() {
    let layout = |length| {
        let block = daisy_geometry::Roi::new([0], [10]).unwrap();
        let total = daisy_geometry::Roi::new([0], [length]).unwrap();
        daisy_block::Layout::new(total, block.clone(), block, daisy_block::Fit::Valid).unwrap()
    };
    let mut tasks = daisy_graph::TaskGraph::new();
    let node = daisy_graph::TaskNode::new("small", layout(5), false).unwrap();
    tasks.add_task(node).unwrap();
    let mut play = Play::with(tasks, SchedulerOptions::default(), CoordinatorConfig::default());
    assert_eq!(play.drain(), ["task #0 ended: Finished", "done"]);
}

#[test]
fn a_run_that_was_finished_before_ends_without_workers() {
    let mut earlier = Scheduler::builder(chain(&[200, 200]), SchedulerOptions::default()).unwrap();
    earlier.take_over(A, 0..200).unwrap();
    earlier.take_over(B, 0..200).unwrap();
    let coordinator =
        daisy_sched::Coordinator::new(earlier.build(), CoordinatorConfig::default()).unwrap();
    assert!(coordinator.is_done());
}

#[test]
fn a_revoked_worker_is_killed_at_no_cost() {
    let mut play = Play::new(&[2], vec![external()]);
    let w0 = play.join(A, PROCESS);
    play.want(w0, 1);
    assert_eq!(play.tell(Input::Revoke { worker: w0 }), ["kill w0: Revoked"]);
    assert_eq!(play.want(w0, 1), NOTHING);
    assert_eq!(play.die(w0), ["l0 #0/0 put back: WorkerKilled"]);
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let mut play = Play::new(&[3], vec![TaskConfig { num_workers: 1, ..TaskConfig::default() }]);
    play.drain();
    let (w0, nobody) = (WorkerId(0), WorkerId(77));
    let is_refused = |play: &mut Play, input: Input| {
        let before = (play.counts(A), play.coordinator.num_out());
        let refused = play.try_tell(input).unwrap_err();
        assert_eq!(before, (play.counts(A), play.coordinator.num_out()));
        assert_eq!(play.drain(), NOTHING);
        refused.to_string()
    };
    let join = |worker, task| Input::Joined { worker, task, kind: THREAD };
    assert_eq!(
        is_refused(&mut play, join(w0, TaskId::new(9))),
        "there is no task #9; this run has 1 tasks"
    );
    assert_eq!(
        is_refused(&mut play, join(nobody, A)),
        "there is no worker w77 any more; let it end"
    );
    assert!(
        is_refused(&mut play, Input::Want { worker: w0, blocks: 1 }).contains("must join first")
    );
    play.tell(join(w0, A));
    assert_eq!(is_refused(&mut play, join(w0, A)), "worker w0 is not about to join");
    play.want(w0, 1);
    let other = play.join(A, THREAD);
    let settle = |worker, lease| Input::Settle {
        worker,
        lease: LeaseId(lease),
        outcome: Outcome::Completed,
    };
    assert_eq!(is_refused(&mut play, settle(other, 0)), "lease l0 belongs to worker w0, not to w1");
    assert!(is_refused(&mut play, settle(w0, 1)).contains("l1 was never granted"));
    assert!(is_refused(&mut play, settle(w0, 5 << 40)).contains("l0@5 was never granted"));
    let remote = play.join(A, REMOTE);
    assert!(
        is_refused(&mut play, Input::Reconnected { worker: remote, heartbeats: true })
            .contains("not disconnected")
    );
    let check = Input::Checked { check: daisy_sched::CheckId(0), finding: Finding::Done };
    assert!(is_refused(&mut play, check).contains("never asked"));
    assert!(is_refused(&mut play, Input::Abandon { task: B }).contains("no task #1"));
    play.complete(w0, 0);
    assert_eq!(play.complete(w0, 0), ["l0 late"]);
    assert_eq!(play.coordinator.num_late(), 1);
}

#[test]
fn a_thread_has_no_connection_that_could_close() {
    let mut play = Play::new(&[2], vec![TaskConfig { timeout_ms: Some(1_000), ..external() }]);
    let w0 = play.join(A, THREAD);
    play.want(w0, 1);
    let refused = "worker w0 is not reached by a connection: it is a thread";
    for input in [
        Input::Disconnected { worker: w0 },
        Input::Reconnected { worker: w0, heartbeats: true },
        Input::Heard { worker: w0 },
    ] {
        let told = format!("{input:?}");
        let error = play.try_tell(input).map_err(|error| error.to_string());
        assert_eq!(error, Err(refused.to_owned()), "{told}");
    }
    assert_eq!(play.complete(w0, 0), ["l0 #0/0 completed"]);
    assert_eq!(play.want(w0, 1), ["grant l1 #0/1 to w0 until 1.000000 s"]);
}

#[test]
fn a_worker_can_be_named_where_there_is_no_task() {
    let inputs: [fn(WorkerId) -> Input; 8] = [
        |worker| Input::Ended { worker, ending: Ending::Left },
        |worker| Input::Heard { worker },
        |worker| Input::Want { worker, blocks: 1 },
        |worker| Input::Revoke { worker },
        |worker| Input::Disconnected { worker },
        |worker| Input::Reconnected { worker, heartbeats: true },
        |worker| Input::Joined { worker, task: A, kind: WorkerKind::Thread },
        |_| Input::Timeout,
    ];
    for input in inputs {
        let mut play = Play::new(&[], Vec::new());
        assert_eq!(play.drain(), ["done"]);
        let worker = play.coordinator.name_worker();
        let _refused = play.coordinator.handle(play.now, input(worker));
        assert_eq!(play.drain(), NOTHING);
        assert_eq!(play.coordinator.next_deadline(), None);
    }
}
