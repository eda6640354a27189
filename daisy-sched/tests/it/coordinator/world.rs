//! A world around a coordinator: workers, checks, masks and time, driven by dice, beside a naive
//! model with one entry for each block. Every output is checked against the model as it comes.
//!
//! The property tests and the fuzz target both include this file.

use std::collections::{BTreeMap, BTreeSet};

use daisy_block::{BlockKey, TaskId};
use daisy_graph::TaskGraph;
use daisy_sched::{
    Adopted, Cause, CheckId, Coordinator, CoordinatorConfig, CoordinatorTuning, Ending,
    FailureCause, Finding, Input, KillReason, Lease, LeaseId, Moment, Outcome, Output,
    PutBackReason, Question, Reason, Request, Scheduler, SchedulerOptions, Settlement, Stage,
    TakenUp, TaskConfig, TaskEnding, Tuning, Verdict, WorkerId, WorkerKind,
};

/// A number below the one given.
pub(crate) type Dice<'a> = &'a mut dyn FnMut(usize) -> usize;

/// Steps after which a fair run must have come to its end.
const PATIENCE: usize = 200_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Waiting,
    Out(LeaseId),
    Parked(Moment),
    Completed,
    Skipped,
    Failed,
    Orphaned,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    lease: Lease,
    is_overdue: bool,
    /// Its worker said that it is done, and a check is asked.
    is_checked: bool,
}

#[derive(Clone, Debug)]
struct Member {
    task: TaskId,
    kind: WorkerKind,
    has_joined: bool,
    is_connected: bool,
    is_dismissed: bool,
    killed: Option<KillReason>,
    wanted: u32,
    /// It was given a suspect and may have nothing else until that is settled.
    alone_with: Option<LeaseId>,
}

pub(crate) struct World {
    coordinator: Coordinator,
    now: Moment,
    blocks: BTreeMap<BlockKey, Block>,
    failures: BTreeMap<BlockKey, u32>,
    suspects: BTreeSet<BlockKey>,
    open: BTreeMap<LeaseId, Open>,
    over: BTreeSet<LeaseId>,
    members: BTreeMap<WorkerId, Member>,
    gone: Vec<WorkerId>,
    checks: BTreeMap<CheckId, (BlockKey, Stage)>,
    questions: Vec<Question>,
    ended: BTreeMap<TaskId, TaskEnding>,
    stopped: BTreeSet<TaskId>,
    is_drained: bool,
    is_done: bool,
    /// Which leases the present input may settle.
    settled_by: Option<Input>,
    given_up: BTreeSet<WorkerId>,
    /// How often each thing happened, by name.
    ways: Ways,
}

/// How often each thing happened, by name.
pub(crate) type Ways = BTreeMap<String, u64>;

/// The name of a variant, and of what it is about.
fn name(thing: &impl std::fmt::Debug) -> String {
    let text = format!("{thing:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// Sizes that leave work for the next call after a few steps, and watch nearly everything.
fn tiny_tuning(dice: Dice<'_>) -> Tuning {
    Tuning {
        page_bits: 6,
        chunk_bits: 1,
        max_skipped_singly: 3,
        max_counted: 10 * dice(2) as u64,
        max_counted_readers: 10 * dice(2) as u64,
        max_steps: 1 + dice(20) as u64,
        max_steps_at_once: dice(20) as u64,
        max_found_ahead: dice(4) as u64,
        max_listed: 10 * dice(2) as u64,
        max_free_pages: dice(2),
    }
}

/// Options of a run: anything goes.
pub(crate) fn config(num_tasks: usize, dice: Dice<'_>) -> (SchedulerOptions, CoordinatorConfig) {
    let total = 1 + dice(3) as u64;
    let mut task = |place: usize| {
        let needs = dice(4);
        let num_workers = dice(4) as u32;
        let task = TaskConfig {
            num_workers,
            timeout_ms: (dice(3) == 0).then_some(500 + 1_000 * dice(5) as u64),
            check_before: dice(4) == 0,
            check_after: dice(4) == 0,
            checks_ahead: 1 + dice(3) as u32,
            needs: if needs == 0 {
                vec![("unit".into(), 1 + place as u64 % total)]
            } else {
                Vec::new()
            },
            max_failed_blocks: (dice(8) == 0).then_some(1 + dice(3) as u64),
            max_early_ends: None,
        };
        (task, dice(3) as u32, dice(5) == 0)
    };
    let tasks: Vec<_> = (0..num_tasks).map(&mut task).collect();
    let masked = (0..num_tasks).filter(|&place| tasks[place].2);
    let options = SchedulerOptions {
        request: Request::Everything,
        max_retries: tasks.iter().map(|task| task.1).collect(),
        masked: masked.map(|place| TaskId::new(place as u32)).collect(),
        count_all_orphans: dice(4) > 0,
        tuning: if dice(2) == 0 { Tuning::default() } else { tiny_tuning(dice) },
        ..SchedulerOptions::default()
    };
    let config = CoordinatorConfig {
        epoch: dice(2) as u32,
        tuning: if options.tuning == Tuning::default() {
            CoordinatorTuning::default()
        } else {
            CoordinatorTuning { busy_workers_per_turn: dice(3), place_bits: dice(3) as u32 }
        },
        tasks: tasks.into_iter().map(|task| task.0).collect(),
        resources: BTreeMap::from([("unit".into(), total)]),
        ..CoordinatorConfig::default()
    };
    (options, config)
}

/// Some blocks that may run are still out from an earlier epoch.
fn adopt(
    mut config: CoordinatorConfig,
    scheduler: &mut TakenUp,
    blocks: &mut BTreeMap<BlockKey, Block>,
    dice: Dice<'_>,
) -> (CoordinatorConfig, Vec<Adopted>) {
    let mut adopted: Vec<Adopted> = Vec::new();
    if blocks.is_empty() || dice(3) > 0 {
        return (config, adopted);
    }
    config.epoch = 1;
    let keys: Vec<BlockKey> = blocks.keys().copied().collect();
    // By worker: whether it has other code.
    let are_outdated: Vec<bool> = (0..8).map(|_| dice(4) == 0).collect();
    for _ in 0..dice(12) {
        let key = keys[dice(keys.len())];
        let graph = scheduler.graph();
        let is_done = |up: BlockKey| blocks[&up] == Block::Skipped;
        let may_run = blocks[&key] == Block::Waiting && graph.upstream(key).unwrap().all(is_done);
        let result = scheduler.acquire_block(key);
        assert_eq!(result.is_ok(), may_run, "{key}: {result:?}");
        if may_run {
            // One worker to each task, or two.
            let worker = WorkerId(key.task.index() as u64 * 2 + dice(2) as u64);
            let lease = LeaseId(adopted.len() as u64);
            blocks.insert(key, Block::Out(lease));
            let is_outdated = are_outdated[worker.0 as usize % 8];
            adopted.push(Adopted { lease, worker, key, is_outdated });
        }
    }
    // What must fit into the budget at once did so before.
    let used = adopted.iter().flat_map(|one| &config.tasks[one.key.task.index()].needs);
    let used: u64 = used.map(|(_, units)| units).sum();
    config.resources.entry("unit".into()).and_modify(|total| *total = (*total).max(used));
    (config, adopted)
}

impl World {
    pub(crate) fn new(graph: TaskGraph, dice: Dice<'_>) -> Self {
        let (options, config) = config(graph.num_tasks(), dice);
        let mut scheduler = Scheduler::builder(graph, options).unwrap();
        let tasks: Vec<TaskId> = scheduler.graph().tasks().ids().collect();
        let mut blocks = BTreeMap::new();
        for task in tasks {
            let cells = scheduler.graph().tasks()[task].tiling().num_cells();
            let taken = if dice(6) == 0 { dice(cells as usize + 1) as u64 } else { 0 };
            scheduler.take_over(task, 0..taken).unwrap();
            for cell in 0..cells {
                let state = if cell < taken { Block::Skipped } else { Block::Waiting };
                blocks.insert(BlockKey::new(task, cell), state);
            }
        }
        let mut scheduler = scheduler.take_up();
        let (mut config, adopted) = adopt(config, &mut scheduler, &mut blocks, dice);
        config.adopted = adopted.clone();
        let mut world = Self {
            coordinator: Coordinator::new(scheduler.build(), config).unwrap(),
            now: Moment::ZERO,
            blocks,
            failures: BTreeMap::new(),
            suspects: BTreeSet::new(),
            open: BTreeMap::new(),
            over: BTreeSet::new(),
            members: BTreeMap::new(),
            gone: Vec::new(),
            checks: BTreeMap::new(),
            questions: Vec::new(),
            ended: BTreeMap::new(),
            stopped: BTreeSet::new(),
            is_drained: false,
            is_done: false,
            settled_by: None,
            given_up: BTreeSet::new(),
            ways: Ways::new(),
        };
        for Adopted { lease, worker, key, is_outdated } in adopted {
            if !world.members.contains_key(&worker) {
                world.add_member(worker, key.task);
                let member = world.members.get_mut(&worker).unwrap();
                member.kind = WorkerKind::Remote { heartbeats: true };
                (member.has_joined, member.is_connected) = (true, false);
                member.killed = is_outdated.then_some(KillReason::Outdated);
            }
            let lease = Lease { id: lease, key, worker, attempt: 1, deadline: None };
            world.open.insert(lease.id, Open { lease, is_overdue: false, is_checked: false });
            world.note(if is_outdated { "adopted, outdated" } else { "adopted" });
        }
        world.absorb();
        world.compare();
        world
    }

    fn note(&mut self, way: impl Into<String>) {
        *self.ways.entry(way.into()).or_default() += 1;
    }

    fn num_tasks(&self) -> usize {
        self.coordinator.scheduler().graph().tasks().num_tasks()
    }

    fn options(&self, task: TaskId) -> &TaskConfig {
        &self.coordinator.config().tasks[task.index()]
    }

    // ---- what happens ----

    /// One random thing happens.
    pub(crate) fn step(&mut self, dice: Dice<'_>) {
        match dice(20) {
            0 | 1 => self.pass_time(dice),
            2 | 3 => self.join_somebody(dice),
            4..=7 => {
                let Some(worker) = self.somebody(dice) else { return };
                let blocks = 1 + dice(4) as u32;
                let member = self.members.get_mut(&worker).unwrap();
                member.wanted += blocks;
                self.tell(Input::Want { worker, blocks });
            }
            8..=11 => self.settle_something(dice),
            12 => self.end_somebody(dice),
            13 => self.connection(dice),
            14 | 15 => self.check_something(dice),
            16 => self.answer_something(dice),
            17 | 18 => self.nonsense(dice),
            _ => match dice(12) {
                0 if dice(4) == 0 => {
                    self.is_drained = true;
                    self.tell(Input::Drain);
                }
                1 if dice(4) == 0 => {
                    let task = TaskId::new(dice(self.num_tasks()) as u32);
                    if !self.ended.contains_key(&task) {
                        self.stopped.insert(task);
                    }
                    self.tell(Input::Abandon { task });
                }
                2 | 3 => {
                    let Some(worker) = self.somebody(dice) else { return };
                    self.members.get_mut(&worker).unwrap().wanted = 0;
                    self.tell(Input::Revoke { worker });
                }
                _ => {
                    let Some(open) = self.pick_open(dice) else { return };
                    let Lease { id, worker, .. } = open.lease;
                    self.tell(Input::Started { worker, lease: id });
                }
            },
        }
    }

    fn pass_time(&mut self, dice: Dice<'_>) {
        let due = self.coordinator.next_deadline().map(|(at, _)| at);
        self.now = match (due, dice(3)) {
            (Some(at), 0) => at.max(self.now),
            _ => Moment::from_micros(self.now.as_micros() + dice(3_000_000) as u64),
        };
        self.tell(Input::Timeout);
        let mut next = self.coordinator.next_deadline();
        for _ in 0..PATIENCE {
            if !matches!(next, Some((_, Reason::Backlog))) {
                break;
            }
            self.tell(Input::Timeout);
            next = self.coordinator.next_deadline();
        }
        assert!(
            next.is_none_or(|(at, _)| at > self.now),
            "{next:?} is not later than {}",
            self.now
        );
    }

    fn join_somebody(&mut self, dice: Dice<'_>) {
        let asked: Vec<WorkerId> = self
            .members
            .iter()
            .filter(|(_, member)| !member.has_joined)
            .map(|(&id, _)| id)
            .collect();
        let worker = match asked.get(dice(asked.len() + 1)) {
            Some(&worker) => worker,
            None if self.members.len() < 12 => {
                let worker = self.coordinator.name_worker();
                let task = TaskId::new(dice(self.num_tasks()) as u32);
                self.add_member(worker, task);
                worker
            }
            None => return,
        };
        let kinds = [
            WorkerKind::Thread,
            WorkerKind::LocalProcess { heartbeats: dice(2) == 0 },
            WorkerKind::Remote { heartbeats: true },
            WorkerKind::Remote { heartbeats: false },
        ];
        let kind = kinds[dice(kinds.len())];
        let member = self.members.get_mut(&worker).unwrap();
        (member.kind, member.has_joined, member.is_dismissed) = (kind, true, false);
        let task = member.task;
        self.tell(Input::Joined { worker, task, kind });
    }

    fn add_member(&mut self, worker: WorkerId, task: TaskId) {
        let member = Member {
            task,
            kind: WorkerKind::Thread,
            has_joined: false,
            is_connected: true,
            is_dismissed: false,
            killed: None,
            wanted: 0,
            alone_with: None,
        };
        assert!(self.members.insert(worker, member).is_none() && !self.gone.contains(&worker));
    }

    fn somebody(&self, dice: Dice<'_>) -> Option<WorkerId> {
        let joined =
            self.members.iter().filter(|(_, member)| member.has_joined && member.is_connected);
        let joined: Vec<WorkerId> = joined.map(|(&id, _)| id).collect();
        (!joined.is_empty()).then(|| joined[dice(joined.len())])
    }

    fn pick_open(&self, dice: Dice<'_>) -> Option<Open> {
        let open: Vec<Open> = self.open.values().filter(|open| !open.is_checked).copied().collect();
        (!open.is_empty()).then(|| open[dice(open.len())])
    }

    fn settle_something(&mut self, dice: Dice<'_>) {
        let Some(open) = self.pick_open(dice) else { return };
        let Lease { id, worker, .. } = open.lease;
        let outcome = match dice(8) {
            0 => Outcome::Failed(Cause(1)),
            1 => Outcome::Returned,
            _ => Outcome::Completed,
        };
        self.settle(worker, id, outcome);
    }

    fn settle(&mut self, worker: WorkerId, lease: LeaseId, outcome: Outcome) {
        let open = self.open[&lease];
        let is_outdated = self.members[&worker].killed == Some(KillReason::Outdated);
        let failures = self.num_failures(open.lease.key);
        self.tell(Input::Settle { worker, lease, outcome });
        let is_reaped_first = open.is_overdue
            && matches!(self.members[&worker].kind, WorkerKind::LocalProcess { .. });
        let is_checked = outcome == Outcome::Completed
            && !open.is_overdue
            && !is_outdated
            && self.options(open.lease.key.task).check_after;
        assert_eq!(
            self.open.contains_key(&lease),
            is_reaped_first || is_checked,
            "{lease} is settled"
        );
        if is_outdated {
            // Nothing that other code did counts.
            assert!(matches!(self.blocks[&open.lease.key], Block::Waiting | Block::Out(_)));
            assert_eq!(self.num_failures(open.lease.key), failures);
        }
    }

    fn end_somebody(&mut self, dice: Dice<'_>) {
        let all: Vec<WorkerId> = self.members.keys().copied().collect();
        if all.is_empty() {
            return;
        }
        let worker = all[dice(all.len())];
        let ending = if dice(3) == 0 { Ending::Left } else { Ending::Died(Cause(2)) };
        self.end(worker, ending);
    }

    fn end(&mut self, worker: WorkerId, ending: Ending) {
        let held: Vec<Open> = self
            .open
            .values()
            .filter(|open| open.lease.worker == worker && !open.is_checked)
            .copied()
            .collect();
        let member = self.members[&worker].clone();
        let before: Vec<u32> = held.iter().map(|open| self.num_failures(open.lease.key)).collect();
        self.tell(Input::Ended { worker, ending });
        self.members.remove(&worker);
        self.gone.push(worker);
        let is_explained = member.killed.is_some() || held.iter().any(|open| open.is_overdue);
        let is_blamed = matches!(ending, Ending::Died(_)) && !is_explained && held.len() == 1;
        for (open, before) in held.iter().zip(before) {
            let charged = self.num_failures(open.lease.key) - before;
            assert_eq!(charged == 1, is_blamed || open.is_overdue, "blame for {}", open.lease.key);
        }
    }

    fn num_failures(&self, key: BlockKey) -> u32 {
        self.failures.get(&key).copied().unwrap_or(0)
    }

    fn connection(&mut self, dice: Dice<'_>) {
        let joined: Vec<WorkerId> = self
            .members
            .iter()
            .filter(|(_, member)| member.has_joined)
            .map(|(&id, _)| id)
            .collect();
        if joined.is_empty() {
            return;
        }
        let worker = joined[dice(joined.len())];
        let member = self.members.get_mut(&worker).unwrap();
        if member.kind == WorkerKind::Thread {
            self.refused(Input::Disconnected { worker });
            self.refused(Input::Reconnected { worker, heartbeats: true });
            self.refused(Input::Heard { worker });
        } else if !member.is_connected {
            member.is_connected = true;
            let member_promises = dice(2) == 0;
            self.tell(Input::Reconnected { worker, heartbeats: member_promises });
        } else if dice(2) == 0 {
            (member.is_connected, member.wanted) = (false, 0);
            self.tell(Input::Disconnected { worker });
        } else {
            self.tell(Input::Heard { worker });
        }
    }

    fn check_something(&mut self, dice: Dice<'_>) {
        let checks: Vec<CheckId> = self.checks.keys().copied().collect();
        if checks.is_empty() {
            return;
        }
        let check = checks[dice(checks.len())];
        let finding = [Finding::Done, Finding::NotDone, Finding::Raised(Cause(3))][dice(3)];
        self.tell(Input::Checked { check, finding });
        self.checks.remove(&check);
    }

    fn answer_something(&mut self, dice: Dice<'_>) {
        if self.questions.is_empty() {
            return;
        }
        let question = self.questions.swap_remove(dice(self.questions.len()));
        let verdict = [Verdict::All, Verdict::None, Verdict::Part, Verdict::Part][dice(4)];
        let report = self.coordinator.report(question.task).unwrap();
        let is_needed = !self.is_drained && report.stop.is_none();
        if verdict == Verdict::All && is_needed {
            let graph = self.coordinator.scheduler().graph().tasks();
            let cells = graph[question.task].tiling().cells_in(&question.cells).unwrap();
            for cell in cells {
                let state = self.blocks.get_mut(&BlockKey::new(question.task, cell)).unwrap();
                if *state == Block::Waiting {
                    *state = Block::Skipped;
                }
            }
        }
        let answer = Input::Answered { question: Box::new(question), verdict };
        self.tell(answer.clone());
        // Once answered, it is not open any more.
        self.refused(answer);
    }

    /// Things that make no sense are refused, or ignored as late, and nothing comes of them.
    fn nonsense(&mut self, dice: Dice<'_>) {
        let epoch = u64::from(self.coordinator.config().epoch);
        let near = |dice: Dice<'_>| (epoch.saturating_sub(dice(2) as u64) << 40) + dice(400) as u64;
        let worker = WorkerId(near(dice));
        let lease = LeaseId(near(dice));
        let is_known = self.members.get(&worker).is_some_and(|member| member.has_joined);
        let task = TaskId::new(dice(6) as u32);
        match dice(7) {
            0 => {
                let is_held = self.open.get(&lease).is_some_and(|open| open.lease.worker == worker);
                let input = Input::Settle { worker, lease, outcome: Outcome::Completed };
                if self.over.contains(&lease) {
                    let late = self.coordinator.num_late();
                    self.tell(input);
                    assert_eq!(self.coordinator.num_late(), late + 1);
                } else if !is_held && lease.0 >> 40 == epoch {
                    self.refused(input);
                }
            }
            1 if !is_known => self.refused(Input::Want { worker, blocks: 3 }),
            2 if is_known => {
                self.refused(Input::Joined { worker, task, kind: WorkerKind::Thread });
            }
            3 if !self.members.contains_key(&worker) => {
                self.refused(Input::Ended { worker, ending: Ending::Left });
                self.refused(Input::Reconnected { worker, heartbeats: true });
                self.refused(Input::Revoke { worker });
            }
            4 => {
                let past = Moment::from_micros(self.now.as_micros() / 2);
                self.end_backoffs();
                self.settled_by = Some(Input::Timeout);
                self.coordinator.handle(past, Input::Timeout).unwrap();
                self.absorb();
                self.compare();
            }
            5 if task.index() >= self.num_tasks() => {
                self.refused(Input::Abandon { task });
                self.refused(Input::Joined { worker, task, kind: WorkerKind::Thread });
            }
            6 => self.refused(Input::Checked { check: CheckId(u64::MAX), finding: Finding::Done }),
            _ => {}
        }
    }

    fn refused(&mut self, input: Input) {
        let told = format!("{input:?}");
        assert!(self.coordinator.handle(self.now, input).is_err(), "{told} was accepted");
        assert_eq!(
            self.coordinator.poll_output(),
            None,
            "{told} was refused, but something came of it"
        );
        self.compare();
    }

    fn tell(&mut self, input: Input) {
        let told = format!("{input:?}");
        if input == Input::Timeout {
            self.end_backoffs();
            let due = self.coordinator.next_deadline().filter(|(at, _)| *at <= self.now);
            due.into_iter().for_each(|(_, reason)| self.note(format!("due {}", name(&reason))));
        }
        self.settled_by = Some(input.clone());
        self.given_up.clear();
        assert_eq!(self.coordinator.handle(self.now, input), Ok(()), "{told}");
        self.absorb();
        self.compare();
    }

    fn end_backoffs(&mut self) {
        for state in self.blocks.values_mut() {
            if matches!(state, Block::Parked(until) if *until <= self.now) {
                *state = Block::Waiting;
            }
        }
    }

    // ---- what comes of it ----

    fn absorb(&mut self) {
        while let Some(output) = self.coordinator.poll_output() {
            // Workers may still come and go, but nothing happens to a block.
            let is_harmless = matches!(
                output,
                Output::Late { .. }
                    | Output::Dismiss { .. }
                    | Output::GivenUp { .. }
                    | Output::Kill { .. }
                    | Output::Recall { .. }
            );
            assert!(!self.is_done || is_harmless, "{output:?} after the end");
            let of_it = match &output {
                Output::Settled { result: Settlement::PutBack(reason), .. } => name(reason),
                Output::Settled { result: Settlement::Retry { why, .. }, .. } => name(why),
                Output::Settled { result, .. } => name(result),
                Output::Kill { reason, .. } => name(reason),
                Output::TaskEnded { ending, .. } => name(ending),
                Output::Check { stage, .. } => name(stage),
                _ => String::new(),
            };
            self.note(format!("{} {of_it}", name(&output)));
            self.take_in(output);
        }
    }

    fn take_in(&mut self, output: Output) {
        match output {
            Output::StartWorker { worker, task } => {
                assert!(
                    !self.is_drained
                        && !self.stopped.contains(&task)
                        && !self.ended.contains_key(&task)
                );
                self.add_member(worker, task);
                let asked = self.members.values().filter(|member| member.task == task);
                assert!(asked.count() > 0);
            }
            Output::Grant(lease) => self.granted(lease),
            Output::Check { check, key, stage } => self.asked(check, key, stage),
            Output::Ask(question) => {
                assert!(!self.questions.contains(&*question), "asked twice");
                self.questions.push(*question);
            }
            Output::Settled { lease, key, worker, result } => {
                self.settled(lease, key, worker, result)
            }
            Output::Skipped { key } => {
                assert_eq!(self.blocks.insert(key, Block::Skipped), Some(Block::Waiting));
                self.suspects.remove(&key);
            }
            Output::Overdue { lease, key, .. } => {
                let open = self.open.get_mut(&lease).unwrap();
                assert!(open.lease.key == key && !open.is_overdue && !open.is_checked);
                open.is_overdue = true;
            }
            Output::Late { .. } => {}
            Output::Orphaned { task, cells } => {
                for cell in cells {
                    let before = self.blocks.insert(BlockKey::new(task, cell), Block::Orphaned);
                    assert_eq!(before, Some(Block::Waiting));
                }
            }
            Output::Kill { worker, reason } => {
                let member = self.members.get_mut(&worker).unwrap();
                // It is said again to a worker that comes back.
                assert!(member.killed.is_none_or(|before| before == reason));
                assert!(member.kind != WorkerKind::Thread);
                (member.killed, member.wanted) = (Some(reason), 0);
            }
            Output::Dismiss { worker } => {
                let has_blocks =
                    self.open.values().any(|open| open.lease.worker == worker && !open.is_checked);
                assert!(!has_blocks, "{worker} has blocks");
                self.members.get_mut(&worker).unwrap().is_dismissed = true;
            }
            Output::Recall { worker, leases } => {
                let is_held = |lease| self.open[lease].lease.worker == worker;
                assert!(!leases.is_empty() && leases.iter().all(is_held));
                assert_ne!(self.members[&worker].kind, WorkerKind::Thread);
            }
            Output::GivenUp { worker } => {
                self.given_up.insert(worker);
                let member = self.members.remove(&worker).unwrap();
                assert!(matches!(member.kind, WorkerKind::Remote { .. }));
                self.gone.push(worker);
            }
            Output::TaskEnded { task, ending } => {
                let is_out = self.open.values().any(|open| open.lease.key.task == task);
                assert!(!is_out && self.ended.insert(task, ending).is_none());
            }
            Output::Done => {
                assert!(
                    !self.is_done && self.open.is_empty() && self.ended.len() == self.num_tasks()
                );
                self.is_done = true;
            }
        }
    }

    fn asked(&mut self, check: CheckId, key: BlockKey, stage: Stage) {
        match stage {
            Stage::Before => self.assert_may_run(key),
            Stage::After => {
                let Block::Out(lease) = self.blocks[&key] else { panic!("{key} is not out") };
                self.open.get_mut(&lease).unwrap().is_checked = true;
                self.leave(lease);
            }
        }
        self.checks.insert(check, (key, stage));
    }

    fn assert_may_run(&self, key: BlockKey) {
        assert_eq!(self.blocks[&key], Block::Waiting, "{key}");
        let graph = self.coordinator.scheduler().graph();
        for up in graph.upstream(key).unwrap() {
            assert!(
                matches!(self.blocks[&up], Block::Completed | Block::Skipped),
                "{key} before {up}"
            );
        }
        for down in graph.downstream(key).unwrap() {
            assert!(!matches!(self.blocks[&down], Block::Out(_)), "{key} beside {down}");
        }
        assert!(
            !self.is_drained && !self.stopped.contains(&key.task),
            "{key} was not to be handed out"
        );
    }

    fn granted(&mut self, lease: Lease) {
        let Lease { id, key, worker, attempt, deadline } = lease;
        self.assert_may_run(key);
        assert_eq!(attempt, self.num_failures(key) + 1);
        let held = self
            .open
            .values()
            .filter(|open| open.lease.worker == worker && !open.is_checked)
            .count();
        let timeout = self
            .options(key.task)
            .timeout_ms
            .map(|limit_ms| Moment::from_micros(self.now.as_micros() + limit_ms * 1_000));
        assert_eq!(deadline, timeout.filter(|_| held == 0));
        let member = self.members.get_mut(&worker).unwrap();
        assert!(
            member.has_joined && member.is_connected && !member.is_dismissed,
            "{worker} is not there"
        );
        assert!(
            member.killed.is_none() && member.task == key.task && member.wanted > 0,
            "{worker} wants none"
        );
        assert_eq!(member.alone_with, None, "{worker} has a suspect");
        member.wanted -= 1;
        if self.suspects.contains(&key) {
            assert_eq!(held, 0, "{key} is a suspect");
            member.alone_with = Some(id);
        }
        assert!(
            !self.over.contains(&id) && id.0 >> 40 == u64::from(self.coordinator.config().epoch)
        );
        self.blocks.insert(key, Block::Out(id));
        let open = Open { lease, is_overdue: false, is_checked: false };
        assert!(self.open.insert(id, open).is_none());
        let used = self.open.values().flat_map(|open| &self.options(open.lease.key.task).needs);
        let total = self.coordinator.config().resources["unit"];
        assert!(used.map(|(_, units)| units).sum::<u64>() <= total, "over budget");
    }

    fn leave(&mut self, lease: LeaseId) {
        for member in self.members.values_mut() {
            member.alone_with = member.alone_with.filter(|&alone| alone != lease);
        }
    }

    fn settled(&mut self, lease: LeaseId, key: BlockKey, worker: WorkerId, result: Settlement) {
        let open = self.open.remove(&lease).expect("an open lease");
        assert!(open.lease.key == key && open.lease.worker == worker);
        assert!(self.over.insert(lease));
        self.leave(lease);
        self.assert_stopped(&open);
        assert_eq!(self.blocks[&key], Block::Out(lease));
        let state = match result {
            Settlement::Completed => Block::Completed,
            Settlement::Retry { attempts, until, .. } => {
                assert!(until > self.now);
                assert_eq!(attempts, self.num_failures(key) + 1);
                self.failures.insert(key, attempts);
                Block::Parked(until)
            }
            Settlement::Failed { attempts, .. } => {
                let retries = self.coordinator.scheduler().options().max_retries[key.task.index()];
                assert!(attempts == self.num_failures(key) + 1 && attempts == retries + 1);
                self.failures.insert(key, attempts);
                let failed = self
                    .blocks
                    .iter()
                    .filter(|(other, state)| other.task == key.task && **state == Block::Failed);
                let bound = self.options(key.task).max_failed_blocks;
                if bound.is_some_and(|bound| failed.count() as u64 + 1 >= bound) {
                    self.stopped.insert(key.task);
                }
                Block::Failed
            }
            Settlement::PutBack(_) => Block::Waiting,
        };
        match result {
            Settlement::PutBack(PutBackReason::Suspect) => {
                self.suspects.insert(key);
            }
            Settlement::Completed | Settlement::Failed { .. } => {
                self.suspects.remove(&key);
            }
            Settlement::Retry {
                why: FailureCause::WorkerDied(_) | FailureCause::WorkerVanished,
                ..
            } => {
                self.suspects.insert(key);
            }
            Settlement::Retry { .. } => {
                self.suspects.remove(&key);
            }
            _ => {}
        }
        self.blocks.insert(key, state);
    }

    /// A block is only lent again when whoever had it has stopped.
    fn assert_stopped(&self, open: &Open) {
        let Lease { id, worker, .. } = open.lease;
        let is_right = match &self.settled_by {
            Some(Input::Settle { lease, .. }) => *lease == id,
            Some(Input::Ended { worker: ended, .. }) => *ended == worker,
            Some(Input::Checked { check, .. }) => {
                open.is_checked
                    && self.checks.get(check).is_some_and(|(key, _)| *key == open.lease.key)
            }
            Some(Input::Timeout) => open.is_checked || self.given_up.contains(&worker),
            _ => false,
        };
        assert!(is_right, "{id} was settled by {:?}", self.settled_by);
    }

    /// The counts of all tasks agree with the model.
    fn compare(&mut self) {
        let next = self.coordinator.next_deadline();
        // A run that is drained or abandoned leaves what it has not closed.
        let is_left = self.is_drained || !self.stopped.is_empty();
        let is_behind = is_left || matches!(next, Some((_, Reason::Backlog)));
        for place in 0..self.num_tasks() {
            let task = TaskId::new(place as u32);
            let counts = self.coordinator.counts(task).unwrap();
            let of_task =
                || self.blocks.iter().filter(|(key, _)| key.task == task).map(|(_, state)| *state);
            let count = |state| of_task().filter(|other| *other == state).count() as u64;
            let out = of_task().filter(|state| matches!(state, Block::Out(_))).count() as u64;
            assert_eq!(counts.total, of_task().count() as u64);
            let known = counts.finished() + counts.ready + counts.processing + counts.pending;
            assert_eq!(counts.total, known, "{counts}");
            assert_eq!(counts.processing, out, "{counts}");
            assert_eq!(counts.completed, count(Block::Completed), "{counts}");
            // A masked box is closed in turns of a bounded length.
            let skipped = count(Block::Skipped);
            assert!(counts.skipped == skipped || is_behind && counts.skipped < skipped, "{counts}");
            assert_eq!(counts.failed, count(Block::Failed), "{counts}");
            assert_eq!(counts.orphaned, count(Block::Orphaned), "{counts}");
        }
    }

    // ---- a fair end ----

    /// From here on everybody does what they should; the run must come to its end. How often each thing happened.
    pub(crate) fn finish(&mut self) -> Ways {
        for step in 0.. {
            if self.is_done {
                break;
            }
            assert!(step < PATIENCE, "the run does not end");
            if !self.be_fair() {
                let due = self.coordinator.next_deadline();
                let (at, _) =
                    due.unwrap_or_else(|| panic!("nothing to wait for: {}", self.picture()));
                self.now = self.now.max(at);
                self.tell(Input::Timeout);
            }
        }
        self.assert_accounted_for();
        let (scheduler, paths) = (self.coordinator.scheduler(), self.coordinator.paths());
        let shipped = scheduler.options().tuning == Tuning::default();
        let sizes = if shipped { "shipped" } else { "tiny" };
        let own = [
            ("busy_left_out", paths.busy_left_out),
            ("displaced", paths.displaced),
            ("doubled", paths.doubled),
        ];
        let mut ways = std::mem::take(&mut self.ways);
        for (name, count) in scheduler.paths().named().into_iter().chain(own) {
            *ways.entry(format!("{name}, {sizes}")).or_default() += count;
        }
        ways
    }

    /// Whether anything was left to do.
    fn be_fair(&mut self) -> bool {
        if let Some(&check) = self.checks.keys().next() {
            self.tell(Input::Checked { check, finding: Finding::NotDone });
            let stage = self.checks.remove(&check).map(|(_, stage)| stage);
            // A second attempt always is done, or nothing would ever be.
            assert!(stage.is_some());
            return true;
        }
        if !self.questions.is_empty() {
            let mut always_keep = |sides: usize| 1.min(sides - 1);
            self.answer_something(&mut always_keep);
            return true;
        }
        let member_of = |world: &Self, test: &dyn Fn(&Member) -> bool| {
            world
                .members
                .iter()
                .find(|(_, member)| test(member))
                .map(|(&id, member)| (id, member.clone()))
        };
        if let Some((worker, _)) = member_of(self, &|member| member.killed.is_some()) {
            self.end(worker, Ending::Left);
            return true;
        }
        if let Some((worker, member)) = member_of(self, &|member| !member.has_joined) {
            let kind = WorkerKind::Thread;
            let member = Member { kind, has_joined: true, is_dismissed: false, ..member };
            let task = member.task;
            self.members.insert(worker, member);
            self.tell(Input::Joined { worker, task, kind });
            return true;
        }
        if let Some((worker, _)) = member_of(self, &|member| !member.is_connected) {
            self.members.get_mut(&worker).unwrap().is_connected = true;
            self.tell(Input::Reconnected { worker, heartbeats: true });
            return true;
        }
        let always_first = self.open.values().find(|open| !open.is_checked).copied();
        if let Some(open) = always_first {
            self.settle(open.lease.worker, open.lease.id, Outcome::Completed);
            return true;
        }
        let is_hungry = |member: &Member| member.wanted == 0 && !member.is_dismissed;
        if let Some((worker, _)) = member_of(self, &is_hungry) {
            self.members.get_mut(&worker).unwrap().wanted += 1;
            self.tell(Input::Want { worker, blocks: 1 });
            return true;
        }
        if let Some((worker, _)) = member_of(self, &|member| member.is_dismissed) {
            self.end(worker, Ending::Left);
            return true;
        }
        self.add_missing_worker()
    }

    /// Somebody comes for a task that has ready blocks and nobody who works for it.
    fn add_missing_worker(&mut self) -> bool {
        for place in 0..self.num_tasks() {
            let task = TaskId::new(place as u32);
            let is_manned = self.members.values().any(|member| member.task == task);
            let has_ready = self.coordinator.scheduler().has_ready(task)
                || self.coordinator.counts(task).unwrap().ready > 0;
            if has_ready && !is_manned && !self.ended.contains_key(&task) {
                let worker = self.coordinator.name_worker();
                self.add_member(worker, task);
                return true;
            }
        }
        false
    }

    fn assert_accounted_for(&mut self) {
        assert!(self.open.is_empty() && self.coordinator.is_done());
        let graph = self.coordinator.scheduler().graph();
        for (&key, &state) in &self.blocks {
            let is_stopped = self.is_drained || self.ended[&key.task] != TaskEnding::Finished;
            match state {
                Block::Completed | Block::Skipped | Block::Failed | Block::Orphaned => {}
                Block::Waiting | Block::Parked(_) if is_stopped => {}
                // What is left waits for something that will not be done.
                _ => {
                    let waits = graph
                        .upstream(key)
                        .unwrap()
                        .any(|up| !matches!(self.blocks[&up], Block::Completed | Block::Skipped));
                    assert!(
                        waits && state == Block::Waiting,
                        "{key} is {state:?}: {}",
                        self.picture()
                    );
                }
            }
        }
        let has_finished = |ending: &TaskEnding| *ending == TaskEnding::Finished;
        if !self.is_drained && self.ended.values().all(has_finished) {
            // A scheduler may have pages left that it has to look at to see that they are finished.
            let mut scheduler = self.coordinator.scheduler().clone();
            for _ in 0..10_000 {
                for task in self.ended.keys() {
                    assert_eq!(scheduler.hold_from(*task), None);
                }
                if scheduler.is_done() {
                    break;
                }
            }
            assert!(scheduler.is_done(), "{}", self.picture());
        }
    }

    fn picture(&self) -> String {
        let counts = (0..self.num_tasks()).map(|place| {
            let task = TaskId::new(place as u32);
            let ending = self.ended.get(&task);
            format!("{task} {ending:?} {}\n", self.coordinator.counts(task).unwrap())
        });
        counts.collect::<String>() + &format!("{:#?}\n{:?}", self.members, self.open)
    }
}
