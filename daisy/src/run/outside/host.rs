//! What the switchboard sees of a run.

use std::time::Duration;

use daisy_block::TaskId;
use daisy_net::{
    switchboard::{Host, Terms},
    wire::{Hello, OutcomeItem, Verdict},
};
use daisy_sched::{
    Cause, Coordinator, CoordinatorError, Ending, Input, LeaseId, Moment, Outcome, WorkerId,
};

use super::{Children, Pipeline, max_ahead};
use crate::{BlockError, run::Machine};

/// A run as the switchboard's host.
pub(in crate::run) struct Desk<'a> {
    pub(in crate::run) machine: &'a mut Machine,
    pub(in crate::run) pipeline: &'a Pipeline,
    pub(in crate::run) children: &'a mut Children,
}

impl Host for Desk<'_> {
    fn coordinator(&self) -> &Coordinator {
        &self.machine.coordinator
    }

    #[inline]
    fn handle(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError> {
        self.machine.take_in(now, input)
    }

    fn name_worker(&mut self) -> WorkerId {
        self.machine.coordinator.name_worker()
    }

    fn task(&self, name: &str) -> Option<TaskId> {
        self.pipeline.tasks().find(|(_, task)| task.name() == name).map(|(id, _)| id)
    }

    fn terms(&self, task: TaskId) -> Terms<'_> {
        let inner = &self.pipeline.task(task).0;
        let timeout = inner.timeout.unwrap_or_default().as_nanos().div_ceil(1_000_000);
        Terms {
            layout: inner.node.layout(),
            timeout_ms: u64::try_from(timeout).unwrap_or(u64::MAX),
            max_ahead: max_ahead(self.pipeline, task),
        }
    }

    fn process_of(&self, hello: &Hello) -> Option<WorkerId> {
        self.children.processes.process_of(hello)
    }

    #[inline]
    fn settle(
        &mut self,
        now: Moment,
        worker: WorkerId,
        item: &OutcomeItem<&str>,
    ) -> Result<bool, CoordinatorError> {
        let lease = LeaseId(item.lease);
        let open = self.machine.coordinator.lease(lease).filter(|(_, holder)| *holder == worker);
        // Of a block whose outcome is known already, no other one is kept.
        let open = open.filter(|_| self.machine.coordinator.awaits(lease));
        let outcome = match (item.verdict, open) {
            (Verdict::Completed, _) => Outcome::Completed,
            (Verdict::Returned, _) => Outcome::Returned,
            // Of a lease that is over nothing is kept.
            (Verdict::Failed { .. }, None) => Outcome::Failed(Cause::default()),
            (Verdict::Failed { panicked, text }, Some(_)) => {
                let text = text.to_owned();
                let error =
                    if panicked { BlockError::Panicked(text) } else { BlockError::Failed(text) };
                Outcome::Failed(self.machine.keep(error))
            }
        };
        if let Some((key, _)) = open.filter(|_| outcome != Outcome::Returned) {
            let times = &mut self.machine.ledger.task(key.task).times;
            times.record(key, Duration::from_micros(item.micros));
        }
        self.handle(now, Input::Settle { worker, lease, outcome })?;
        let task = self.machine.coordinator.task_of(worker);
        let is_checked = task.is_some_and(|task| self.pipeline.task(task).0.checks.after.is_some());
        Ok(!is_checked || self.machine.coordinator.lease(lease).is_none())
    }

    fn joined(&mut self, worker: WorkerId, process: Option<WorkerId>, hello: &Hello) {
        if let Some(process) = process {
            self.children.processes.joined(process, worker);
        }
        self.machine.note_joined(worker, (hello.host.clone(), hello.pid));
    }

    fn used(&mut self, worker: WorkerId, peak_memory_kb: u64, cpu_ms: u64) {
        if let Some(task) = self.machine.coordinator.task_of(worker) {
            self.machine.ledger.note_used(task, worker, peak_memory_kb, cpu_ms);
        }
    }

    fn left(&mut self, now: Moment, worker: WorkerId) {
        // Whoever stands for a process counts as one of its task's workers until that has ended.
        let input = if self.children.processes.left(worker) {
            Input::Left { worker }
        } else {
            Input::Ended { worker, ending: Ending::Left }
        };
        // It may have been given up meanwhile.
        let _is_known = self.machine.take_in(now, input);
    }
}
