//! What the switchboard sees of a run: as `run/outside/host.rs` of the facade.

use std::rc::Rc;

use daisy_block::TaskId;
use daisy_net::{
    switchboard::{Host, Terms},
    wire::{Hello, OutcomeItem, Verdict},
};
use daisy_run::Processes;
use daisy_sched::{
    Cause, Coordinator, CoordinatorError, Ending, Input, LeaseId, LookAhead, Moment, Outcome,
    WorkerId,
};

use crate::{bug::Bug, plan::Plan};

/// A run as the switchboard's host.
pub(crate) struct Desk {
    pub(crate) plan: Rc<Plan>,
    pub(crate) coordinator: Coordinator,
    pub(crate) processes: Processes,
    /// Workers that said hello in this turn, with their processes.
    pub(crate) joined: Vec<(WorkerId, usize)>,
    pub(crate) bug: Option<Bug>,
}

impl Host for Desk {
    fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    fn handle(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError> {
        match input {
            Input::Disconnected { worker } if self.bug == Some(Bug::BlameConnection) => {
                let ending = Ending::Died(Cause::default());
                self.coordinator.handle(now, Input::Ended { worker, ending })
            }
            input => self.coordinator.handle(now, input),
        }
    }

    fn name_worker(&mut self) -> WorkerId {
        self.coordinator.name_worker()
    }

    fn task(&self, name: &str) -> Option<TaskId> {
        self.plan.graph.find(name)
    }

    fn terms(&self, task: TaskId) -> Terms<'_> {
        let config = &self.plan.tasks[task.index()].config;
        let max_ahead = if config.needs.is_empty() { LookAhead::MAX_BLOCKS } else { 1 };
        let layout = self.plan.graph[task].layout();
        Terms { layout, timeout_ms: config.timeout_ms.unwrap_or(0), max_ahead }
    }

    fn process_of(&self, hello: &Hello) -> Option<WorkerId> {
        if self.bug == Some(Bug::AnybodyIsChild) {
            let claimed = WorkerId(hello.worker?);
            return self.processes.running().map(|(worker, _)| worker).find(|&one| one == claimed);
        }
        self.processes.process_of(hello)
    }

    fn settle(
        &mut self,
        now: Moment,
        worker: WorkerId,
        item: &OutcomeItem<&str>,
    ) -> Result<bool, CoordinatorError> {
        let lease = LeaseId(item.lease);
        let outcome = match item.verdict {
            Verdict::Completed => Outcome::Completed,
            Verdict::Returned => Outcome::Returned,
            Verdict::Failed { .. } => Outcome::Failed(Cause::default()),
        };
        self.handle(now, Input::Settle { worker, lease, outcome })?;
        Ok(self.coordinator.lease(lease).is_none())
    }

    fn joined(&mut self, worker: WorkerId, process: Option<WorkerId>, hello: &Hello) {
        if let Some(process) = process {
            self.processes.joined(process, worker);
        }
        self.joined.push((worker, hello.pid as usize));
    }

    fn used(&mut self, _: WorkerId, _: u64, _: u64) {}

    fn left(&mut self, now: Moment, worker: WorkerId) {
        let input = if self.processes.left(worker) {
            Input::Left { worker }
        } else {
            Input::Ended { worker, ending: Ending::Left }
        };
        // It may have been given up meanwhile.
        let _is_known = self.coordinator.handle(now, input);
    }
}
