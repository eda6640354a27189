//! Leases that outlive the server: they stay open, with a fresh timeout, until their worker is back or
//! must have ended.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::fmt;

use daisy_block::{BlockKey, TaskId};

use super::{
    Adopted, Coordinator, CoordinatorConfig, CoordinatorError, KillReason, LeaseId, WorkerId,
    WorkerKind,
    budget::{Needs, needs_of},
    lease::{LeaseState, OpenLease},
    numbered::Numbered,
    roster::{Phase, Worker},
};
use crate::{Moment, Scheduler, broken::broken};

/// Which leases of earlier epochs a coordinator can take up, looked at one after the other.
///
/// [`Coordinator::new`] refuses the first that cannot be; who wants to do without those asks here before.
#[derive(Clone, Debug)]
pub struct Adoption<'a> {
    scheduler: &'a Scheduler,
    config: &'a CoordinatorConfig,
    keys: BTreeSet<BlockKey>,
    leases: BTreeSet<LeaseId>,
    task_of: BTreeMap<WorkerId, TaskId>,
    /// By task.
    needs: Vec<Needs>,
    /// Units of each resource that are left.
    free: Vec<u64>,
}

/// Why a lease of an earlier epoch cannot be taken up.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Its number is not of an earlier epoch.
    Number,
    /// The number of its worker is not of an earlier epoch.
    Worker {
        /// The worker.
        worker: WorkerId,
    },
    /// It is named twice.
    Twice,
    /// Its task is not in this run.
    UnknownTask {
        /// The task.
        task: TaskId,
    },
    /// Its worker has leases of another task.
    OtherTask {
        /// The task of those.
        expected: TaskId,
        /// The task of this one.
        found: TaskId,
    },
    /// Its block is not at work in the scheduler, or another lease has it.
    NotOut {
        /// The block.
        block: BlockKey,
    },
    /// Its block needs more of a resource than the leases before it leave.
    Resource {
        /// The resource.
        resource: String,
    },
}

impl<'a> Adoption<'a> {
    /// For a coordinator of these; [`CoordinatorConfig::adopted`] is not looked at.
    ///
    /// # Errors
    /// [`CoordinatorError`]: what else is wrong with the configuration.
    pub fn new(
        scheduler: &'a Scheduler,
        config: &'a CoordinatorConfig,
    ) -> Result<Self, CoordinatorError> {
        if config.epoch > Coordinator::MAX_EPOCH {
            return Err(CoordinatorError::EpochTooLarge { epoch: config.epoch });
        }
        let num_tasks = scheduler.graph().tasks().num_tasks();
        if config.tasks.len() > num_tasks {
            return Err(CoordinatorError::TooManyTasks { num_tasks, found: config.tasks.len() });
        }
        let needs = scheduler.graph().tasks().ids().map(|task| {
            let known = config.tasks.get(task.index());
            known.map_or(Ok(Needs::new()), |known| needs_of(config, task, &known.needs))
        });
        Ok(Self {
            scheduler,
            config,
            keys: BTreeSet::new(),
            leases: BTreeSet::new(),
            task_of: BTreeMap::new(),
            needs: needs.collect::<Result<_, _>>()?,
            free: config.resources.values().copied().collect(),
        })
    }

    /// Takes in one lease more; one that is refused leaves nothing behind.
    ///
    /// # Errors
    /// [`CoordinatorError::BadAdoption`].
    pub fn admit(&mut self, one: Adopted) -> Result<(), CoordinatorError> {
        let Adopted { lease, worker, key, .. } = one;
        let result = self.check(one);
        result.map_err(|why| CoordinatorError::BadAdoption { lease, why })?;
        self.leases.insert(lease);
        self.keys.insert(key);
        self.task_of.insert(worker, key.task);
        for &(place, units) in &self.needs[key.task.index()] {
            self.free[place] -= units;
        }
        Ok(())
    }

    fn check(&self, Adopted { lease, worker, key, .. }: Adopted) -> Result<(), Misfit> {
        let issued = Numbered::<()>::new(self.config.epoch, 0);
        if !issued.was_issued(lease.0) {
            return Err(Misfit::Number);
        }
        if !issued.was_issued(worker.0) {
            return Err(Misfit::Worker { worker });
        }
        if self.leases.contains(&lease) {
            return Err(Misfit::Twice);
        }
        let task = key.task;
        let Some(needs) = self.needs.get(task.index()) else {
            return Err(Misfit::UnknownTask { task });
        };
        if let Some(&expected) = self.task_of.get(&worker).filter(|&&other| other != task) {
            return Err(Misfit::OtherTask { expected, found: task });
        }
        if let Some(&(place, _)) = needs.iter().find(|&&(place, units)| units > self.free[place]) {
            let resource = self.config.resources.keys().nth(place).cloned().unwrap_or_default();
            return Err(Misfit::Resource { resource });
        }
        if self.keys.contains(&key) || !self.scheduler.is_at_work(key) {
            return Err(Misfit::NotOut { block: key });
        }
        Ok(())
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("no earlier epoch gave it that number"),
            Self::Worker { worker } => write!(f, "no earlier epoch had its worker, {worker}"),
            Self::Twice => f.write_str("it is named twice"),
            Self::UnknownTask { task } => write!(f, "there is no task {task}"),
            Self::OtherTask { expected, found } => {
                write!(f, "its worker works for task {expected}, not for task {found}")
            }
            Self::NotOut { block } => write!(f, "block {block} is not acquired, or leased twice"),
            Self::Resource { resource } => write!(f, "not enough of {resource:?} is left"),
        }
    }
}

impl Coordinator {
    /// Takes up the leases of an earlier epoch, which were admitted. Their workers are not connected, and
    /// count towards the workers that their tasks start; no pid of theirs is trusted.
    pub(super) fn adopt(&mut self) {
        for Adopted { lease, worker, key, is_outdated } in core::mem::take(&mut self.config.adopted)
        {
            if self.workers.get(worker.0).is_none() {
                let phase = if is_outdated {
                    Phase::Stopping(KillReason::Outdated)
                } else {
                    Phase::Present
                };
                let mut member = Worker::new(key.task, phase);
                let row = &mut self.tasks[key.task.index()];
                member.is_staff = !is_outdated && row.staff < row.num_workers;
                member.kind = WorkerKind::Remote { heartbeats: true };
                member.is_connected = false;
                member.has_taken = true;
                member.grace = Some(self.now.after_ms(self.config.reconnect_ms));
                row.staff += u32::from(member.is_staff);
                row.joined += 1;
                row.working += 1;
                row.members.insert(worker);
                self.workers.insert_old(worker.0, member);
                self.watch_silence(worker);
            }
            let Some(member) = self.workers.get_mut(worker.0) else {
                broken("a worker that was just put in is not there")
            };
            let is_first = member.leases.is_empty();
            member.leases.push_back(lease);
            let row = &mut self.tasks[key.task.index()];
            row.out += 1;
            self.num_out += 1;
            if !row.needs.is_empty() {
                self.budget.take(&row.needs);
            }
            let state = if is_outdated { LeaseState::Outdated } else { LeaseState::Queued };
            let open = OpenLease { key, worker, deadline: Moment::MAX, state };
            self.leases.insert_old(lease.0, open);
            if is_first && !is_outdated {
                self.start_clock(worker, lease);
            }
        }
    }
}
