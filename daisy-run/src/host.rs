//! What the switchboard sees of a run: workers join, hand in outcomes and leave.

use daisy_block::{BlockKey, TaskId};
use daisy_net::{
    switchboard::{Host, Terms},
    wire::{Hello, OutcomeItem, Verdict},
};
use daisy_sched::{
    Cause, Coordinator, CoordinatorError, Ending, Input, LeaseId, LookAhead, Moment, Outcome,
    WorkerId,
};

use crate::Processes;

/// What is kept of what workers say.
pub trait Notes {
    /// An input is about to be given to the coordinator; the input to be given. For tests that plant faults.
    #[inline]
    fn pass(&mut self, input: Input) -> Input {
        input
    }

    /// A block failed, or its function panicked: keeps the text until the coordinator says what became of the block.
    fn failed(&mut self, text: &str, panicked: bool) -> Cause;

    /// A block was at work for so long, as its worker says.
    fn took(&mut self, key: BlockKey, micros: u64);

    /// A worker joined, or is back.
    fn joined(&mut self, task: TaskId, worker: WorkerId, hello: &Hello);

    /// What a worker's process has used so far: its largest memory, and processor time; 0 where unknown.
    fn used(&mut self, task: TaskId, worker: WorkerId, peak_memory_kb: u64, cpu_ms: u64);
}

/// A run, as the host of its switchboard.
#[derive(Debug)]
pub struct RunHost<'a, N> {
    /// Its coordinator.
    pub coordinator: &'a mut Coordinator,
    /// Its processes.
    pub processes: &'a mut Processes,
    /// What is kept.
    pub notes: N,
}

impl<N: Notes> Host for RunHost<'_, N> {
    fn coordinator(&self) -> &Coordinator {
        self.coordinator
    }

    #[inline]
    fn handle(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError> {
        let input = self.notes.pass(input);
        self.coordinator.handle(now, input)
    }

    fn name_worker(&mut self) -> WorkerId {
        self.coordinator.name_worker()
    }

    fn task(&self, name: &str) -> Option<TaskId> {
        self.coordinator.scheduler().graph().tasks().find(name)
    }

    fn terms(&self, task: TaskId) -> Terms<'_> {
        let config = self.coordinator.config().tasks.get(task.index());
        // Blocks that hold something dear while they wait are given singly.
        let is_dear = config.is_some_and(|config| !config.needs.is_empty());
        Terms {
            layout: self.coordinator.scheduler().graph().tasks()[task].layout(),
            timeout_ms: config.and_then(|config| config.timeout_ms).unwrap_or(0),
            max_ahead: if is_dear { 1 } else { LookAhead::MAX_BLOCKS },
        }
    }

    fn process_of(&self, hello: &Hello) -> Option<WorkerId> {
        self.processes.process_of(hello)
    }

    #[inline]
    fn settle(
        &mut self,
        now: Moment,
        worker: WorkerId,
        item: &OutcomeItem<&str>,
    ) -> Result<bool, CoordinatorError> {
        let lease = LeaseId(item.lease);
        let open = self.coordinator.lease(lease).filter(|(_, holder)| *holder == worker);
        // Of a block whose outcome is known already, no other one is kept.
        let open = open.filter(|_| self.coordinator.awaits(lease));
        let outcome = match (item.verdict, open) {
            (Verdict::Completed, _) => Outcome::Completed,
            (Verdict::Returned, _) => Outcome::Returned,
            // Of a lease that is over nothing is kept.
            (Verdict::Failed { .. }, None) => Outcome::Failed(Cause::default()),
            (Verdict::Failed { panicked, text }, Some(_)) => {
                Outcome::Failed(self.notes.failed(text, panicked))
            }
        };
        if let Some((key, _)) = open.filter(|_| outcome != Outcome::Returned) {
            self.notes.took(key, item.micros);
        }
        self.handle(now, Input::Settle { worker, lease, outcome })?;
        let task = self.coordinator.task_of(worker);
        let config = task.and_then(|task| self.coordinator.config().tasks.get(task.index()));
        let is_checked = config.is_some_and(|config| config.check_after);
        Ok(!is_checked || self.coordinator.lease(lease).is_none())
    }

    fn joined(&mut self, worker: WorkerId, process: Option<WorkerId>, hello: &Hello) {
        if let Some(process) = process {
            self.processes.joined(process, worker);
        }
        if let Some(task) = self.coordinator.task_of(worker) {
            self.notes.joined(task, worker, hello);
        }
    }

    fn used(&mut self, worker: WorkerId, peak_memory_kb: u64, cpu_ms: u64) {
        if let Some(task) = self.coordinator.task_of(worker) {
            self.notes.used(task, worker, peak_memory_kb, cpu_ms);
        }
    }

    fn left(&mut self, now: Moment, worker: WorkerId) {
        // Whoever stands for a process counts as one of its task's workers until that has ended.
        let input = if self.processes.left(worker) {
            Input::Left { worker }
        } else {
            Input::Ended { worker, ending: Ending::Left }
        };
        // It may have been given up meanwhile.
        let _is_known = self.handle(now, input);
    }
}
