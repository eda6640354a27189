//! A stage for transcripts: tell the coordinator something, read what it answers as lines of text.

use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_sched::{
    Cause, Coordinator, CoordinatorConfig, CoordinatorError, Ending, FailureCause, Finding, Input,
    LeaseId, Moment, Outcome, Output, Scheduler, SchedulerOptions, Settlement, Stage, TaskConfig,
    WorkerId, WorkerKind,
};

pub(super) const A: TaskId = TaskId::new(0);
pub(super) const B: TaskId = TaskId::new(1);

/// Tasks of so many blocks in a row, each downstream of the one before it; a block reads the block
/// at the same place.
pub(super) fn chain(lengths: &[i64]) -> TaskGraph {
    let mut tasks = TaskGraph::new();
    let mut last = None;
    for (place, &length) in lengths.iter().enumerate() {
        let total = Roi::new([0], [length * 10]).unwrap();
        let block = Roi::new([0], [10]).unwrap();
        let layout = Layout::new(total, block.clone(), block, Fit::Valid).unwrap();
        let name = format!("task {place}");
        let task = tasks.add_task(TaskNode::new(name, layout, false).unwrap()).unwrap();
        if let Some(last) = last {
            tasks.add_edge(last, task).unwrap();
        }
        last = Some(task);
    }
    tasks
}

pub(super) struct Play {
    pub(super) coordinator: Coordinator,
    pub(super) now: Moment,
}

impl Play {
    /// All workers come by themselves, unless the configuration says otherwise.
    pub(super) fn new(lengths: &[i64], tasks: Vec<TaskConfig>) -> Self {
        let config = CoordinatorConfig { tasks, ..CoordinatorConfig::default() };
        Self::with(chain(lengths), SchedulerOptions::default(), config)
    }

    pub(super) fn with(
        tasks: TaskGraph,
        options: SchedulerOptions,
        config: CoordinatorConfig,
    ) -> Self {
        let scheduler = Scheduler::new(tasks, options).unwrap();
        let coordinator = Coordinator::new(scheduler, config).unwrap();
        Self { coordinator, now: Moment::ZERO }
    }

    pub(super) fn drain(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.coordinator.poll_output() {
            lines.push(line(&output));
        }
        lines
    }

    pub(super) fn try_tell(&mut self, input: Input) -> Result<Vec<String>, CoordinatorError> {
        self.coordinator.handle(self.now, input).map(|()| self.drain())
    }

    #[track_caller]
    pub(super) fn tell(&mut self, input: Input) -> Vec<String> {
        self.try_tell(input).unwrap()
    }

    /// Lets time pass up to a moment and everything that is due happen.
    pub(super) fn at_ms(&mut self, millis: u64) -> Vec<String> {
        self.now = Moment::from_millis(millis);
        self.tell(Input::Timeout)
    }

    pub(super) fn join(&mut self, task: TaskId, kind: WorkerKind) -> WorkerId {
        let worker = self.coordinator.name_worker();
        assert_eq!(self.tell(Input::Joined { worker, task, kind }), NOTHING);
        worker
    }

    /// The first worker that is started for a task.
    pub(super) fn start(&mut self, task: TaskId, kind: WorkerKind) -> WorkerId {
        let started = self.drain();
        assert_eq!(started, [format!("start w0 for {task}")]);
        let worker = WorkerId(0);
        assert_eq!(self.tell(Input::Joined { worker, task, kind }), NOTHING);
        worker
    }

    /// How often an attempt at a block of task `A` has failed.
    pub(super) fn attempts(&self, cell: u64) -> u32 {
        self.coordinator.scheduler().attempts(key(cell))
    }

    pub(super) fn want(&mut self, worker: WorkerId, blocks: u32) -> Vec<String> {
        self.tell(Input::Want { worker, blocks })
    }

    pub(super) fn settle(&mut self, worker: WorkerId, lease: u64, outcome: Outcome) -> Vec<String> {
        self.tell(Input::Settle { worker, lease: LeaseId(lease), outcome })
    }

    pub(super) fn complete(&mut self, worker: WorkerId, lease: u64) -> Vec<String> {
        self.settle(worker, lease, Outcome::Completed)
    }

    pub(super) fn fail(&mut self, worker: WorkerId, lease: u64) -> Vec<String> {
        self.settle(worker, lease, Outcome::Failed(Cause(7)))
    }

    pub(super) fn die(&mut self, worker: WorkerId) -> Vec<String> {
        self.tell(Input::Ended { worker, ending: Ending::Died(Cause(9)) })
    }

    pub(super) fn found(&mut self, check: u64, finding: Finding) -> Vec<String> {
        self.tell(Input::Checked { check: daisy_sched::CheckId(check), finding })
    }

    pub(super) fn counts(&self, task: TaskId) -> String {
        self.coordinator.counts(task).unwrap().to_string()
    }

    pub(super) fn deadline(&mut self) -> String {
        match self.coordinator.next_deadline() {
            Some((at, reason)) => format!("{at} {reason:?}"),
            None => "none".into(),
        }
    }
}

pub(super) const NOTHING: [&str; 0] = [];

pub(super) fn external() -> TaskConfig {
    TaskConfig { num_workers: 0, ..TaskConfig::default() }
}

fn line(output: &Output) -> String {
    match output {
        Output::StartWorker { worker, task } => format!("start {worker} for {task}"),
        Output::Grant(lease) => {
            let until = lease.deadline.map_or(String::new(), |at| format!(" until {at}"));
            let nth =
                if lease.attempt > 1 { format!(" again {}", lease.attempt) } else { String::new() };
            format!("grant {} {} to {}{nth}{until}", lease.id, lease.key, lease.worker)
        }
        Output::Check { check, key, stage: Stage::Before } => format!("check {check} before {key}"),
        Output::Check { check, key, stage: Stage::After } => format!("check {check} after {key}"),
        Output::Ask(question) => format!("ask {} {}", question.task, question.roi),
        Output::Settled { lease, key, worker: _, result } => {
            format!("{lease} {key} {}", settled(*result))
        }
        Output::Skipped { key } => format!("{key} skipped"),
        Output::Overdue { lease, key, worker } => format!("{lease} {key} overdue at {worker}"),
        Output::Late { lease } => format!("{lease} late"),
        Output::Orphaned { task, cells } => format!("orphaned {task} {cells:?}"),
        Output::Kill { worker, reason } => format!("kill {worker}: {reason:?}"),
        Output::Dismiss { worker } => format!("dismiss {worker}"),
        Output::Recall { worker, leases } => {
            let leases: Vec<String> = leases.iter().map(ToString::to_string).collect();
            format!("recall {} from {worker}", leases.join(" "))
        }
        Output::GivenUp { worker } => format!("given up {worker}"),
        Output::TaskEnded { task, ending } => format!("task {task} ended: {ending:?}"),
        Output::Done => "done".into(),
    }
}

fn settled(result: Settlement) -> String {
    match result {
        Settlement::Completed => "completed".into(),
        Settlement::Retry { attempts, why, until } => {
            format!("failed {attempts}x, {}, again at {until}", cause(why))
        }
        Settlement::Failed { attempts, why } => {
            format!("failed {attempts}x for good, {}", cause(why))
        }
        Settlement::PutBack(reason) => format!("put back: {reason:?}"),
    }
}

fn cause(why: FailureCause) -> String {
    match why {
        FailureCause::Reported(Cause(cause)) => format!("said {cause}"),
        FailureCause::WorkerDied(Cause(cause)) => format!("worker died {cause}"),
        FailureCause::CheckRaised(Cause(cause)) => format!("check raised {cause}"),
        other => format!("{other:?}"),
    }
}

/// A key of task `A`.
pub(super) const fn key(cell: u64) -> BlockKey {
    BlockKey::new(A, cell)
}
