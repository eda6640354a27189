//! What the switchboard sees of a run: as `run/outside/host.rs` of the facade.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

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
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) pid: usize,
    /// The workers that joined from within it and have not left, and whether any did.
    pub(crate) clients: BTreeSet<WorkerId>,
    pub(crate) had_clients: bool,
    /// The worker as which it was started joined from within it.
    pub(crate) is_worker: bool,
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

impl Desk {
    /// The child process that a worker is in, or that launches it.
    pub(crate) fn home_of(&self, worker: WorkerId) -> Option<(WorkerId, &Child)> {
        let is_in = |(_, child): &(&WorkerId, &Child)| child.clients.contains(&worker);
        let found = self.children.iter().find(is_in);
        let launcher = self.children.get_key_value(&worker);
        let launcher = launcher.filter(|(_, child)| child.is_worker || !child.had_clients);
        found.or(launcher).map(|(&id, child)| (id, child))
    }
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
        let process = WorkerId(hello.worker?);
        let child = self.children.get(&process)?;
        let is_right = child.pid == hello.pid as usize || self.bug == Some(Bug::AnybodyIsChild);
        is_right.then_some(process)
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
        if let Some(child) = process.and_then(|process| self.children.get_mut(&process)) {
            child.clients.insert(worker);
            child.had_clients = true;
            child.is_worker |= process == Some(worker);
        }
        self.joined.push((worker, hello.pid as usize));
    }

    fn used(&mut self, _: WorkerId, _: u64, _: u64) {}

    fn left(&mut self, now: Moment, worker: WorkerId) {
        let mut children = self.children.values_mut();
        let is_child = children.any(|child| child.clients.remove(&worker));
        let input = if is_child && self.children.contains_key(&worker) {
            Input::Left { worker }
        } else {
            Input::Ended { worker, ending: Ending::Left }
        };
        // It may have been given up meanwhile.
        let _is_known = self.coordinator.handle(now, input);
    }
}
