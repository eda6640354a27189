//! Transcripts of workers that fall silent, hoard blocks, or outlive the server.

use std::collections::BTreeMap;

use daisy_block::TaskId;
use daisy_sched::{
    Adopted, Coordinator, CoordinatorConfig, CoordinatorError, Input, LeaseId, Misfit, Moment,
    Outcome, Scheduler, SchedulerError, SchedulerOptions, TaskConfig, WorkerId, WorkerKind,
};

use super::play::{A, B, NOTHING, Play, chain, external, key};

const PROCESS: WorkerKind = WorkerKind::LocalProcess { heartbeats: true };
const REMOTE: WorkerKind = WorkerKind::Remote { heartbeats: true };

/// A run whose blocks `cells` of task A were out at workers of epoch 0, one block each, when it ended.
fn adopted(num_blocks: i64, cells: &[u64], task: TaskConfig) -> Play {
    of_other_code(num_blocks, cells, task, &[])
}

/// As [`adopted`]; the workers in these places have other code than the run has now.
fn of_other_code(num_blocks: i64, cells: &[u64], task: TaskConfig, outdated: &[usize]) -> Play {
    let options = SchedulerOptions::default();
    let mut taken_up = Scheduler::builder(chain(&[num_blocks]), options).unwrap().take_up();
    let mut config =
        CoordinatorConfig { epoch: 1, tasks: vec![task], ..CoordinatorConfig::default() };
    for (place, &cell) in cells.iter().enumerate() {
        taken_up.acquire_block(key(cell)).unwrap();
        let (lease, worker) = (LeaseId(place as u64 + 10), WorkerId(place as u64 + 5));
        let is_outdated = outdated.contains(&place);
        config.adopted.push(Adopted { lease, worker, key: key(cell), is_outdated });
    }
    let coordinator = Coordinator::new(taken_up.build(), config).unwrap();
    Play { coordinator, now: Moment::ZERO }
}

#[test]
fn a_stopped_process_is_killed_when_it_has_been_silent_for_too_long() {
    let mut play = Play::new(&[2], vec![external()]);
    let w0 = play.join(A, PROCESS);
    play.want(w0, 2);
    assert_eq!(play.at_ms(7_999), NOTHING);
    assert_eq!(play.at_ms(8_000), ["kill w0: Silent"]);
    // Its blocks are free once it is reaped, and that costs them nothing.
    assert_eq!(play.die(w0), ["l0 #0/0 put back: WorkerKilled", "l1 #0/1 put back: WorkerKilled"]);
}

#[test]
fn a_process_whose_connection_closed_is_killed_unless_it_comes_back() {
    let mut play = Play::new(&[2], vec![external()]);
    let w0 = play.join(A, WorkerKind::LocalProcess { heartbeats: false });
    play.want(w0, 1);
    assert_eq!(play.at_ms(50_000), NOTHING);
    play.tell(Input::Disconnected { worker: w0 });
    play.at_ms(55_000);
    play.tell(Input::Reconnected { worker: w0, heartbeats: false });
    assert_eq!(play.at_ms(80_000), NOTHING);
    play.tell(Input::Disconnected { worker: w0 });
    assert_eq!(play.at_ms(88_000), ["kill w0: Silent"]);
}

#[test]
fn what_waits_behind_a_long_block_is_recalled_for_those_that_have_nothing_to_do() {
    let mut play = Play::new(&[3], vec![external()]);
    let w0 = play.join(A, REMOTE);
    play.want(w0, 3);
    let w1 = play.join(A, REMOTE);
    assert_eq!(play.want(w1, 1), NOTHING);
    assert_eq!(play.deadline(), format!("0.004000 s Recall({A:?})"));
    assert_eq!(play.at_ms(4), ["recall l1 l2 from w0"]);
    // Nobody else gets them before their holder says that it has not begun.
    assert_eq!(play.at_ms(1_000), NOTHING);
    assert_eq!(
        play.settle(w0, 1, Outcome::Returned),
        ["l1 #0/1 put back: Returned", "grant l3 #0/1 to w1"]
    );
    // It had begun the other one.
    assert_eq!(play.complete(w0, 0), ["l0 #0/0 completed"]);
    assert_eq!(play.complete(w0, 2), ["l2 #0/2 completed"]);
}

#[test]
fn quick_blocks_are_not_recalled() {
    let mut play = Play::new(&[3], vec![external()]);
    let (w0, w1) = (play.join(A, REMOTE), play.join(A, REMOTE));
    play.want(w0, 3);
    play.want(w1, 1);
    play.at_ms(3);
    play.complete(w0, 0);
    assert_eq!(play.at_ms(4), NOTHING);
}

#[test]
fn a_worker_that_outlived_the_server_hands_in_what_it_did() {
    let mut play = adopted(3, &[1], external());
    let (w5, lease) = (WorkerId(5), 10);
    assert!(play.counts(A).contains("1 processing, 2 ready, 0 pending of 3"));
    assert_eq!(play.tell(Input::Reconnected { worker: w5, heartbeats: true }), NOTHING);
    assert_eq!(play.complete(w5, lease), ["l10 #0/1 completed"]);
    assert_eq!(play.want(w5, 3), ["grant l0@1 #0/0 to w5", "grant l1@1 #0/2 to w5"]);
    // Once it is back, its silence counts as anybody's.
    assert_eq!(play.at_ms(8_000)[0], "given up w5");
}

#[test]
fn the_others_go_on_at_once_and_lost_workers_are_replaced_in_the_end() {
    let task = TaskConfig { num_workers: 2, ..TaskConfig::default() };
    let mut play = adopted(4, &[0, 1], task);
    let w0 = play.coordinator.name_worker();
    assert_eq!(play.drain(), NOTHING, "no worker is started beside those that may come back");
    play.tell(Input::Joined { worker: w0, task: A, kind: REMOTE });
    assert_eq!(play.want(w0, 1), ["grant l0@1 #0/2 to w0@1"]);
    for now in [5_000, 10_000, 50_000, 59_999] {
        play.now = Moment::from_millis(now);
        play.tell(Input::Heard { worker: w0 });
        assert_eq!(play.at_ms(now), NOTHING);
    }
    assert_eq!(
        play.at_ms(60_000),
        [
            "given up w5",
            "l10 #0/0 put back: WorkerSilent",
            "start w1@1 for #0",
            "given up w6",
            "l11 #0/1 put back: WorkerSilent",
            "start w2@1 for #0"
        ]
    );
    // Whoever comes back later is not known any more.
    let late = play.try_tell(Input::Reconnected { worker: WorkerId(5), heartbeats: true });
    assert_eq!(late, Err(CoordinatorError::UnknownWorker { worker: WorkerId(5) }));
}

#[test]
fn an_adopted_block_has_a_fresh_timeout() {
    let mut play = adopted(2, &[0], TaskConfig { timeout_ms: Some(9_000), ..external() });
    assert_eq!(play.at_ms(9_000), ["l10 #0/0 overdue at w5", "kill w5: TimedOut"]);
    // It is told so when it is back.
    let back = Input::Reconnected { worker: WorkerId(5), heartbeats: true };
    assert_eq!(play.tell(back), ["kill w5: TimedOut"]);
}

#[test]
fn a_worker_of_other_code_is_ended_when_it_comes_back() {
    let task = TaskConfig { num_workers: 2, timeout_ms: Some(9_000), ..TaskConfig::default() };
    let mut play = of_other_code(3, &[0, 1], task, &[0]);
    // Others are started in its place at once, and its blocks have no time limit: it is ended anyway.
    assert_eq!(play.drain(), ["start w0@1 for #0"]);
    let back = Input::Reconnected { worker: WorkerId(5), heartbeats: true };
    assert_eq!(play.tell(back), ["kill w5: Outdated"]);
    // What it did is not taken, and costs no attempt; nothing more is given to it.
    let failed = Outcome::Failed(daisy_sched::Cause(7));
    assert_eq!(play.settle(WorkerId(5), 10, failed), ["l10 #0/0 put back: WorkerKilled"]);
    assert_eq!(play.want(WorkerId(5), 1), NOTHING);
    let back = Input::Reconnected { worker: WorkerId(6), heartbeats: true };
    assert_eq!(play.tell(back), NOTHING);
    assert_eq!(play.want(WorkerId(6), 1), ["grant l0@1 #0/0 to w6"]);
}

#[test]
fn the_block_of_a_worker_of_other_code_is_lent_again_once_that_must_have_ended() {
    let mut play = of_other_code(1, &[0], external(), &[0]);
    let w0 = play.join(A, WorkerKind::Thread);
    assert_eq!(play.want(w0, 1), NOTHING);
    play.at_ms(10_000);
    let back = Input::Reconnected { worker: WorkerId(5), heartbeats: true };
    assert_eq!(play.tell(back), ["kill w5: Outdated"]);
    play.tell(Input::Disconnected { worker: WorkerId(5) });
    assert_eq!(play.at_ms(17_999), NOTHING);
    assert_eq!(
        play.at_ms(18_000),
        ["given up w5", "l10 #0/0 put back: WorkerKilled", "grant l0@1 #0/0 to w0@1"]
    );
}

#[test]
fn only_blocks_that_may_run_are_acquired_by_name() {
    let builder = Scheduler::builder(chain(&[2, 2]), SchedulerOptions::default()).unwrap();
    let mut taken_up = builder.take_up();
    let block = |task, cell| daisy_block::BlockKey::new(task, cell);
    let wrong = |key| SchedulerError::WrongState { block: key, expected: "ready" };
    assert_eq!(taken_up.acquire_block(block(B, 0)), Err(wrong(block(B, 0))));
    assert_eq!(taken_up.acquire_block(block(A, 0)), Ok(()));
    assert_eq!(taken_up.acquire_block(block(A, 0)), Err(wrong(block(A, 0))));
    let unknown = SchedulerError::UnknownBlock { block: block(A, 2) };
    assert_eq!(taken_up.acquire_block(block(A, 2)), Err(unknown));
    let mut scheduler = taken_up.build();
    assert_eq!(scheduler.complete(block(A, 0)), Ok(()));
    assert_eq!(scheduler.acquire(), Some(block(B, 0)));
    assert_eq!(scheduler.acquire(), Some(block(A, 1)));
}

/// What is wrong with leases of cells of task A, of which `out` were acquired; each block needs one of two GPUs.
fn refused(out: &[u64], leases: &[(u64, u64, daisy_block::BlockKey)]) -> String {
    let builder = Scheduler::builder(chain(&[9, 9]), SchedulerOptions::default()).unwrap();
    let mut taken_up = builder.take_up();
    out.iter().for_each(|&cell| taken_up.acquire_block(key(cell)).unwrap());
    let task = TaskConfig { needs: vec![("gpu".into(), 1)], ..external() };
    let adopted = leases.iter().map(|&(lease, worker, key)| {
        let (lease, worker) = (LeaseId(lease), WorkerId(worker));
        Adopted { lease, worker, key, is_outdated: false }
    });
    let config = CoordinatorConfig {
        epoch: 1,
        tasks: vec![task, external()],
        resources: BTreeMap::from([("gpu".into(), 2)]),
        adopted: adopted.collect(),
        ..CoordinatorConfig::default()
    };
    match Coordinator::new(taken_up.build(), config) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_lease_of_an_unknown_task_cannot_be_adopted() {
    let strange = daisy_block::BlockKey::new(TaskId::new(7), 0);
    assert_eq!(
        refused(&[], &[(0, 0, strange)]),
        "lease l0 cannot be taken over from an earlier epoch: there is no task #7"
    );
}

#[test]
fn leases_of_more_units_than_there_are_cannot_be_adopted() {
    assert_eq!(refused(&[3, 4], &[(0, 0, key(3)), (1, 1, key(4))]), "accepted");
    assert_eq!(
        refused(&[3, 4, 5], &[(0, 0, key(3)), (1, 1, key(4)), (2, 2, key(5))]),
        "lease l2 cannot be taken over from an earlier epoch: not enough of \"gpu\" is left"
    );
}

#[test]
fn a_lease_of_a_block_that_is_not_out_cannot_be_adopted() {
    let not_out = "lease l0 cannot be taken over from an earlier epoch: block #0/4 is not acquired, or leased twice";
    assert_eq!(refused(&[3], &[(0, 0, key(4))]), not_out);
    assert_eq!(refused(&[], &[(0, 0, key(4))]), not_out);
    let unknown = "lease l0 cannot be taken over from an earlier epoch: block #0/9 is not acquired, or leased twice";
    assert_eq!(refused(&[3], &[(0, 0, key(9))]), unknown);
    let absurd = daisy_block::BlockKey::new(A, u64::MAX);
    assert!(refused(&[3], &[(0, 0, absurd)]).ends_with("is not acquired, or leased twice"));
}

#[test]
fn two_leases_of_one_block_cannot_be_adopted() {
    assert_eq!(
        refused(&[3, 4], &[(0, 0, key(3)), (1, 1, key(3))]),
        "lease l1 cannot be taken over from an earlier epoch: block #0/3 is not acquired, or leased twice"
    );
}

#[test]
fn leases_whose_numbers_cannot_be_are_not_adopted() {
    let earlier =
        "cannot be taken over from an earlier epoch: no earlier epoch gave it that number";
    assert!(refused(&[3], &[(1 << 40, 0, key(3))]).ends_with(earlier));
    assert!(refused(&[3], &[(u64::MAX, 0, key(3))]).ends_with(earlier));
    let nobody = "no earlier epoch had its worker, w0@1";
    assert!(refused(&[3], &[(0, 1 << 40, key(3))]).ends_with(nobody));
    assert!(refused(&[3, 4], &[(0, 0, key(3)), (0, 1, key(4))]).ends_with("it is named twice"));
    let block = daisy_block::BlockKey::new(B, 0);
    let other = "its worker works for task #0, not for task #1";
    assert!(refused(&[3], &[(0, 0, key(3)), (1, 0, block)]).ends_with(other));
}

#[test]
fn blocks_that_are_out_need_a_lease() {
    let out = "blocks of task #0 were acquired already; hand over a scheduler nobody took from";
    assert_eq!(refused(&[3, 4], &[(0, 0, key(3))]), out);
}

#[test]
fn a_scheduler_with_blocks_set_aside_is_refused() {
    let mut scheduler = Scheduler::new(chain(&[2]), SchedulerOptions::default()).unwrap();
    let held = scheduler.hold_from(A).unwrap();
    let refused = Err(CoordinatorError::BlocksOut { task: A });
    let new = |scheduler: &Scheduler| {
        Coordinator::new(scheduler.clone(), CoordinatorConfig::default()).map(|_| ())
    };
    assert_eq!(new(&scheduler), refused);
    scheduler.start(held).unwrap();
    scheduler.fail_and_park(held).unwrap();
    assert_eq!(new(&scheduler), refused);
    scheduler.put_back(held).unwrap();
    assert_eq!(new(&scheduler), Ok(()));
}

#[test]
fn the_longest_times_are_never_reached() {
    let builder = Scheduler::builder(chain(&[2]), SchedulerOptions::default()).unwrap();
    let mut scheduler = builder.take_up();
    scheduler.acquire_block(key(0)).unwrap();
    let one = Adopted { lease: LeaseId(0), worker: WorkerId(0), key: key(0), is_outdated: false };
    let config = CoordinatorConfig {
        epoch: CoordinatorConfig::default().epoch + 1,
        tasks: vec![TaskConfig { timeout_ms: Some(u64::MAX), ..external() }],
        backoff_ms: u64::MAX,
        max_backoff_ms: u64::MAX,
        silence_ms: u64::MAX,
        heartbeat_ms: u64::MAX,
        check_timeout_ms: u64::MAX,
        reconnect_ms: u64::MAX,
        adopted: vec![one],
        ..CoordinatorConfig::default()
    };
    let mut play = Play {
        coordinator: Coordinator::new(scheduler.build(), config).unwrap(),
        now: Moment::ZERO,
    };
    assert_eq!(play.at_ms(1 << 50), NOTHING);
    play.tell(Input::Reconnected { worker: WorkerId(0), heartbeats: true });
    assert_eq!(play.complete(WorkerId(0), 0), ["l0 #0/0 completed"]);
}

#[test]
fn a_lease_of_this_epoch_cannot_be_adopted() {
    let builder = Scheduler::builder(chain(&[1]), SchedulerOptions::default()).unwrap();
    let mut taken_up = builder.take_up();
    taken_up.acquire_block(key(0)).unwrap();
    let one = Adopted { lease: LeaseId(0), worker: WorkerId(0), key: key(0), is_outdated: false };
    let config = CoordinatorConfig { adopted: vec![one], ..CoordinatorConfig::default() };
    let error = Coordinator::new(taken_up.build(), config).err();
    let why = Misfit::Number;
    assert_eq!(error, Some(CoordinatorError::BadAdoption { lease: LeaseId(0), why }));
}
