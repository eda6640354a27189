//! What the switchboard sees of a run: as `run/outside/host.rs` of the facade.

use std::{collections::BTreeMap, rc::Rc};

use daisy_block::TaskId;
use daisy_net::{
    switchboard::{Host, Terms},
    wire::{Hello, OutcomeItem, Verdict},
};
use daisy_sched::{
    Cause, Coordinator, CoordinatorError, Ending, Input, LeaseId, LookAhead, Moment, Outcome,
    WorkerId,
};

use crate::{bug::Bug, plan::Plan};

/// A child process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child {
    pub(crate) pid: usize,
    pub(crate) has_left: bool,
}

/// A run as the switchboard's host.
pub(crate) struct Desk {
    pub(crate) plan: Rc<Plan>,
    pub(crate) coordinator: Coordinator,
    pub(crate) children: BTreeMap<WorkerId, Child>,
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

    fn is_local(&self, worker: WorkerId) -> bool {
        self.children.contains_key(&worker)
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

    fn joined(&mut self, worker: WorkerId, hello: &Hello) {
        self.joined.push((worker, hello.pid as usize));
    }

    fn used(&mut self, _: WorkerId, _: u64, _: u64) {}

    fn left(&mut self, now: Moment, worker: WorkerId) {
        if let Some(child) = self.children.get_mut(&worker) {
            child.has_left = true;
        } else {
            // It may have been given up meanwhile.
            let ending = Ending::Left;
            let _is_known = self.coordinator.handle(now, Input::Ended { worker, ending });
        }
    }
}
