//! The scheduler together with leases, workers, retries, checks, budgets and timers.
//!
//! Every input ends in one method of the file its subject belongs to; what it changes is followed by
//! [`Coordinator::move_on`], which hands out what became ready and ends what is over.

mod adoption;
mod budget;
mod checks;
mod config;
mod endings;
mod error;
mod handout;
#[cfg(debug_assertions)]
mod invariants;
mod io;
mod lease;
mod numbered;
mod process;
mod recall;
mod report;
mod roster;
mod staff;
mod tasks;
mod timers;
mod waiting;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use daisy_block::{BlockKey, TaskId};

use self::{
    budget::Budget, checks::Checks, lease::OpenLease, numbered::Numbered, roster::Worker,
    tasks::TaskRow, timers::Timers,
};
use crate::{Counts, Moment, Scheduler};

pub use self::{
    adoption::{Adoption, Misfit},
    config::{Adopted, CoordinatorConfig, CoordinatorPaths, CoordinatorTuning, TaskConfig},
    error::CoordinatorError,
    io::{
        Cause, CheckId, Ending, FailureCause, Finding, Input, KillReason, Lease, LeaseId, Outcome,
        Output, PutBackReason, Reason, Settlement, Stage, TaskEnding, WorkerId, WorkerKind,
    },
    report::TaskReport,
};

/// Runs a scheduler's blocks on workers that come and go: leases, retries, time limits, checks,
/// budgets. It does nothing by itself; the crate's text says how it is driven.
///
/// - [`Coordinator::new`], then drain [`Coordinator::poll_output`].
/// - [`Coordinator::handle`] takes in *one* thing that happened; drain again after each.
/// - [`Coordinator::next_deadline`] says when to give [`Input::Timeout`].
/// - [`Coordinator::counts`], [`Coordinator::report`] and [`Coordinator::scheduler`] look inside.
///
/// # Cost
/// A grant and its outcome cost O(1) and O(log idle workers) beside the scheduler's own work, and
/// allocate nothing once all tables have their size. An outcome looks at its own task, the tasks
/// directly downstream, and of the workers at those that it can feed.
#[derive(Clone, Debug)]
pub struct Coordinator {
    scheduler: Scheduler,
    config: CoordinatorConfig,
    /// The latest moment that any input came with.
    now: Moment,
    ids: Vec<TaskId>,
    tasks: Vec<TaskRow>,
    leases: Numbered<OpenLease>,
    workers: Numbered<Worker>,
    /// The workers of processes in which there are several, and as which worker the process of each was started.
    processes: BTreeMap<WorkerId, BTreeSet<WorkerId>>,
    process_of: BTreeMap<WorkerId, WorkerId>,
    /// Since when workers are expected whose process has ended well before they joined.
    expected: BTreeMap<WorkerId, Moment>,
    checks: Checks,
    /// Blocks in their back-off, and its end.
    parked: BTreeMap<BlockKey, Moment>,
    /// Blocks of which one killed its worker, perhaps: each is lent to a worker that has nothing else.
    suspects: BTreeSet<BlockKey>,
    budget: Budget,
    timers: Timers,
    outputs: VecDeque<Output>,
    num_out: u64,
    num_late: u64,
    busy_left_out: u64,
    open_tasks: usize,
    is_draining: bool,
    is_done: bool,
    #[cfg(debug_assertions)]
    num_inputs: u64,
}

impl Coordinator {
    /// The largest number of blocks of which a worker's wish is remembered.
    pub const MAX_WANTED: u32 = 4_096;
    /// The largest epoch: ids have 24 bits for it, and 40 for what is counted.
    pub const MAX_EPOCH: u32 = Numbered::<OpenLease>::MAX_EPOCH;

    /// A coordinator of all blocks of a scheduler of which none is acquired but those of adopted leases.
    ///
    /// There are outputs to drain before the first input: workers to start, tasks without blocks.
    ///
    /// # Errors
    /// [`CoordinatorError`]: what is wrong with the configuration.
    pub fn new(scheduler: Scheduler, config: CoordinatorConfig) -> Result<Self, CoordinatorError> {
        let mut adoption = Adoption::new(&scheduler, &config)?;
        config.adopted.iter().try_for_each(|&one| adoption.admit(one))?;
        let ids: Vec<TaskId> = scheduler.graph().tasks().ids().collect();
        let mut tasks = Vec::new();
        for &task in &ids {
            let adopted = config.adopted.iter().filter(|adopted| adopted.key.task == task).count();
            if scheduler.num_out(task) != adopted as u64 {
                return Err(CoordinatorError::BlocksOut { task });
            }
            tasks.push(TaskRow::new(&scheduler, task, &config)?);
        }
        let mut budget = Budget::new(&config);
        let from_upstream = scheduler.graph().tasks().topological_order();
        let is_needy = |task: &TaskId| !tasks[task.index()].needs.is_empty();
        budget.needy = from_upstream.into_iter().rev().filter(is_needy).collect();
        let mut coordinator = Self {
            now: Moment::ZERO,
            open_tasks: ids.len(),
            leases: Numbered::new(config.epoch, config.tuning.place_bits),
            workers: Numbered::new(config.epoch, config.tuning.place_bits),
            processes: BTreeMap::new(),
            process_of: BTreeMap::new(),
            expected: BTreeMap::new(),
            checks: Checks::new(config.epoch, config.tuning.place_bits),
            parked: BTreeMap::new(),
            suspects: BTreeSet::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            num_out: 0,
            num_late: 0,
            busy_left_out: 0,
            is_draining: false,
            is_done: false,
            #[cfg(debug_assertions)]
            num_inputs: 0,
            scheduler,
            config,
            ids,
            tasks,
            budget,
        };
        coordinator.adopt();
        coordinator.scheduler.begin_turn();
        coordinator.begin()?;
        coordinator.scheduler.end_turn();
        Ok(coordinator)
    }

    fn begin(&mut self) -> Result<(), CoordinatorError> {
        // Of blocks that had failed for good before.
        self.put_out_orphans();
        for place in 0..self.ids.len() {
            let task = self.ids[place];
            self.hand_out_of(task, None)?;
            self.end_if_over(task)?;
        }
        self.end_run_if_over();
        Ok(())
    }

    /// Takes in one thing that happened; drain [`Coordinator::poll_output`] after it.
    ///
    /// Time never goes back: an earlier `now` than before counts as the latest so far.
    ///
    /// # Errors
    /// [`CoordinatorError`] for an input that makes no sense; it has changed nothing.
    pub fn handle(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError> {
        self.now = self.now.max(now);
        self.scheduler.begin_turn();
        let result = match input {
            Input::Settle { worker, lease, outcome } => self.settle(worker, lease, outcome),
            Input::Want { worker, blocks } => self.want(worker, blocks),
            Input::Timeout => self.expire(),
            Input::Joined { worker, task, kind } => self.join(worker, task, kind),
            Input::Started { worker, lease } => self.begun(worker, lease),
            Input::Shares { worker, process } => self.share_process(worker, process),
            Input::Left { worker } => self.leave(worker),
            Input::Ended { worker, ending } => self.ended(worker, ending),
            Input::ProcessEnded { process, ending } => self.process_ended(process, ending),
            Input::Disconnected { worker } => self.disconnect(worker),
            Input::Reconnected { worker, heartbeats } => self.reconnect(worker, heartbeats),
            Input::Heard { worker } => self.hear(worker),
            Input::Revoke { worker } => self.revoke(worker),
            Input::Checked { check, finding } => self.checked(check, finding),
            Input::Answered { question, verdict } => self.answered(&question, verdict),
            Input::Drain => self.drain(),
            Input::Abandon { task } => {
                self.check_task(task).and_then(|()| self.stop_task(task, TaskEnding::Abandoned))
            }
        };
        self.put_out_orphans();
        self.end_run_if_over();
        self.scheduler.end_turn();
        #[cfg(debug_assertions)]
        self.check_invariants();
        result
    }

    /// The next thing to do or to make known, in the order in which it came about.
    #[inline]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The scheduler inside.
    #[must_use]
    pub const fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The configuration it was made with.
    #[must_use]
    pub const fn config(&self) -> &CoordinatorConfig {
        &self.config
    }

    /// The latest moment that any input came with.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// The counts of one task.
    ///
    /// # Errors
    /// [`CoordinatorError::UnknownTask`].
    pub fn counts(&self, task: TaskId) -> Result<Counts, CoordinatorError> {
        self.check_task(task)?;
        Ok(self.scheduler.counts(task)?)
    }

    /// How a task stands.
    ///
    /// # Errors
    /// [`CoordinatorError::UnknownTask`].
    pub fn report(&self, task: TaskId) -> Result<TaskReport, CoordinatorError> {
        let counts = self.counts(task)?;
        let row = &self.tasks[task.index()];
        Ok(TaskReport {
            counts,
            stop: row.stop,
            ending: row.ending,
            failed_attempts: row.failed_attempts,
            timeouts: row.timeouts,
            failed_checks: row.failed_checks,
            first_check_error: row.first_check_error,
            workers: row.joined,
            early_ends: row.early_ends,
        })
    }

    /// The block of an open lease and who has it; None once it is over, or overdue.
    #[must_use]
    pub fn lease(&self, lease: LeaseId) -> Option<(BlockKey, WorkerId)> {
        let open = self.leases.get(lease.0)?;
        (open.state != lease::LeaseState::Overdue).then_some((open.key, open.worker))
    }

    /// The blocks that a worker has, in the order in which it runs them: what it is to be told again
    /// after its connection broke, since grants may have been lost with it.
    pub fn leases_of(&self, worker: WorkerId) -> impl Iterator<Item = Lease> + '_ {
        let member = self.workers.get(worker.0);
        let ids = member.into_iter().flat_map(|member| &member.leases);
        ids.filter_map(move |&id| {
            let open = self.leases.get(id.0)?;
            let attempt = self.scheduler.attempts(open.key).saturating_add(1);
            let deadline = (open.deadline < Moment::MAX).then_some(open.deadline);
            Some(Lease { id, key: open.key, worker, attempt, deadline })
        })
    }

    /// The task of a worker that has joined and not ended.
    #[must_use]
    pub fn task_of(&self, worker: WorkerId) -> Option<TaskId> {
        let member = self.workers.get(worker.0)?;
        member.has_joined().then_some(member.task)
    }

    /// What a worker is that has joined and not ended.
    #[must_use]
    #[inline]
    pub fn kind_of(&self, worker: WorkerId) -> Option<WorkerKind> {
        let member = self.workers.get(worker.0)?;
        member.has_joined().then_some(member.kind)
    }

    /// How many workers outside this process have blocks, and since when the longest of them has been at
    /// its first one, as far as is known. O(workers).
    #[must_use]
    pub fn at_work_outside(&self) -> (usize, Option<Moment>) {
        let is_at_work =
            |member: &&Worker| member.kind != WorkerKind::Thread && !member.leases.is_empty();
        let at_work = self.members().filter(is_at_work);
        at_work.fold((0, None), |(count, since), member| {
            (count + 1, Some(since.map_or(member.since, |since| member.since.min(since))))
        })
    }

    /// How many blocks remote workers have that are not connected, or, if `all`, all of them. O(workers).
    #[must_use]
    pub fn out_elsewhere(&self, all: bool) -> u64 {
        let is_meant = |member: &&Worker| {
            matches!(member.kind, WorkerKind::Remote { .. }) && (all || !member.is_connected)
        };
        self.members().filter(is_meant).map(|member| member.leases.len() as u64).sum()
    }

    /// The workers of all tasks.
    fn members(&self) -> impl Iterator<Item = &Worker> {
        let members = self.tasks.iter().flat_map(|row| &row.members);
        members.filter_map(|worker| self.workers.get(worker.0))
    }

    /// How many workers are expected from elsewhere, since what was started for them ended well without having joined
    /// ([`Ending::HandedOn`]), and since when the first of them. O(1) if there are none, else O(expected).
    #[must_use]
    pub fn expected(&self) -> (usize, Option<Moment>) {
        (self.expected.len(), self.expected.values().min().copied())
    }

    /// How many workers a task has, those that were started and have not joined yet among them; 0 if it is not known.
    #[must_use]
    pub fn num_workers(&self, task: TaskId) -> usize {
        self.tasks.get(task.index()).map_or(0, |row| row.members.len())
    }

    /// How many blocks a worker has and wants; 0 if it is not known.
    #[must_use]
    #[inline]
    pub fn load_of(&self, worker: WorkerId) -> u64 {
        let member = self.workers.get(worker.0);
        member.map_or(0, |member| member.leases.len() as u64 + u64::from(member.wanted))
    }

    /// Whether the outcome of an open lease is still to come: it is not being checked, and not overdue.
    #[must_use]
    #[inline]
    pub fn awaits(&self, lease: LeaseId) -> bool {
        let state = self.leases.get(lease.0).map(|open| open.state);
        matches!(state, Some(lease::LeaseState::Queued | lease::LeaseState::Running))
    }

    /// Whether nothing more happens in a task.
    #[must_use]
    pub fn has_ended(&self, task: TaskId) -> bool {
        self.tasks.get(task.index()).is_some_and(|row| row.ending.is_some())
    }

    /// Whether a worker was asked for and has not joined yet.
    #[must_use]
    pub fn is_starting(&self, worker: WorkerId) -> bool {
        self.workers.get(worker.0).is_some_and(|member| member.phase == roster::Phase::Starting)
    }

    /// Whether a task has all the workers that it starts, those on their way included.
    #[must_use]
    pub fn is_staffed(&self, task: TaskId) -> bool {
        let row = self.tasks.get(task.index());
        row.is_some_and(|row| row.num_workers > 0 && row.staff >= row.num_workers)
    }

    /// Open leases: blocks that count as processing, of all tasks.
    #[must_use]
    pub const fn num_out(&self) -> u64 {
        self.num_out
    }

    /// Outcomes that came for leases that were over.
    #[must_use]
    pub const fn num_late(&self) -> u64 {
        self.num_late
    }

    /// How often each way was taken so far; those of the scheduler inside are not counted here.
    #[must_use]
    pub fn paths(&self) -> CoordinatorPaths {
        let all = [self.leases.paths(), self.workers.paths(), self.checks.open.paths()];
        CoordinatorPaths {
            busy_left_out: self.busy_left_out,
            displaced: all.iter().map(|paths| paths.0).sum(),
            doubled: all.iter().map(|paths| paths.1).sum(),
        }
    }

    /// Whether [`Input::Drain`] was given.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether [`Output::Done`] was put out.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    fn check_task(&self, task: TaskId) -> Result<(), CoordinatorError> {
        if task.index() < self.tasks.len() {
            return Ok(());
        }
        Err(CoordinatorError::UnknownTask { task, num_tasks: self.tasks.len() })
    }
}
