//! Leases: from the grant of a block to its outcome.

use daisy_block::BlockKey;

use super::{
    Coordinator, CoordinatorError, FailureCause, Lease, LeaseId, Outcome, Output, PutBackReason,
    Reason, Settlement, TaskEnding, WorkerId, WorkerKind,
};
use crate::{Failure, Moment};

/// Where a lease stands.
///
/// ```text
///          grant            begun             completed          finding
///  (none) -------> Queued --------> Running ------------> Checking -------> (over)
///                    |                 |  '------------------------------------^
///                    |                 | deadline               holder stopped |
///                    |                 '----------> Overdue -------------------'
///                    '---> (over): given back, or the holder has ended
///          adopted, of other code             handed in, or holder stopped
///  (none) ------------------------> Outdated -----------------------------> (over)
/// ```
///
/// *Holder stopped*: the function of a thread returned, a child process was reaped, a remote worker
/// reported or was silent for too long. Where a task has no timeout nobody needs to know which block
/// has begun: its leases stay `Queued`. Without a check after it, a completed block's lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// At its worker, behind other blocks.
    Queued,
    /// At work, with a deadline.
    Running,
    /// Past its deadline, and its holder has not stopped yet.
    Overdue,
    /// Done, says the worker; a check function is asked.
    Checking,
    /// At a worker that is ended for having other code than the run.
    Outdated,
}

/// An open lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenLease {
    pub(super) key: BlockKey,
    pub(super) worker: WorkerId,
    /// Has a meaning while it is running or overdue.
    pub(super) deadline: Moment,
    pub(super) state: LeaseState,
}

impl Coordinator {
    /// Lends a block that counts as processing already.
    #[inline]
    pub(super) fn grant(&mut self, key: BlockKey, worker: WorkerId) {
        let Some(member) = self.workers.get_mut(worker.0) else { return };
        let row = &mut self.tasks[key.task.index()];
        let begins = member.leases.is_empty();
        if begins {
            member.since = self.now;
            row.working += 1;
        }
        let timeout = row.timeout_ms.filter(|_| begins).map(|limit_ms| self.now.after_ms(limit_ms));
        let state = if timeout.is_some() { LeaseState::Running } else { LeaseState::Queued };
        let lease = OpenLease { key, worker, deadline: timeout.unwrap_or(Moment::MAX), state };
        let id = LeaseId(self.leases.insert(lease));
        member.leases.push_back(id);
        member.wanted = member.wanted.saturating_sub(1);
        if !member.has_taken {
            member.has_taken = true;
            (row.early_ends, row.early_leaves) = (0, 0);
        }
        row.out += 1;
        self.num_out += 1;
        if !row.needs.is_empty() {
            self.budget.take(&row.needs);
        }
        let attempt = self.scheduler.attempts(key).saturating_add(1);
        self.outputs.push_back(Output::Grant(Lease {
            id,
            key,
            worker,
            attempt,
            deadline: timeout,
        }));
        if timeout.is_some() {
            member.num_timed += 1;
            self.watch_blocks(worker);
        }
    }

    /// A queued block has begun.
    pub(super) fn begun(&mut self, worker: WorkerId, id: LeaseId) -> Result<(), CoordinatorError> {
        let Some(lease) = self.held_by(worker, id)? else { return Ok(()) };
        if lease.state == LeaseState::Queued {
            self.start_clock(worker, id);
        }
        Ok(())
    }

    /// What a worker says of a block.
    #[inline]
    pub(super) fn settle(
        &mut self,
        worker: WorkerId,
        id: LeaseId,
        outcome: Outcome,
    ) -> Result<(), CoordinatorError> {
        let Some(lease) = self.held_by(worker, id)? else {
            self.note_late(id);
            return Ok(());
        };
        self.heard(worker);
        let task = lease.key.task;
        match (lease.state, outcome) {
            (LeaseState::Checking, _) => self.note_late(id),
            (LeaseState::Outdated, _) => {
                self.put_back(id, PutBackReason::WorkerKilled)?;
                self.move_on(task)?;
            }
            (LeaseState::Overdue, _) => {
                let kind = self.workers.get(worker.0).map(|member| member.kind);
                if matches!(kind, Some(WorkerKind::LocalProcess { .. })) {
                    // It is being killed; only its end frees the block.
                    self.note_late(id);
                    return Ok(());
                }
                self.fail(id, FailureCause::TimedOut)?;
                self.move_on(task)?;
            }
            (_, Outcome::Completed) if self.tasks[task.index()].checks_after => {
                self.check_after(id, lease.key);
            }
            (_, Outcome::Completed) => self.complete(id)?,
            (_, Outcome::Failed(cause)) => {
                self.fail(id, FailureCause::Reported(cause))?;
                self.move_on(task)?;
            }
            (_, Outcome::Returned) => {
                self.put_back(id, PutBackReason::Returned)?;
                self.move_on(task)?;
            }
        }
        Ok(())
    }

    /// An open lease; none if it is over.
    #[inline]
    fn held_by(
        &self,
        worker: WorkerId,
        id: LeaseId,
    ) -> Result<Option<OpenLease>, CoordinatorError> {
        match self.leases.get(id.0) {
            Some(lease) if lease.worker == worker => Ok(Some(*lease)),
            Some(lease) => {
                Err(CoordinatorError::NotYourLease { lease: id, holder: lease.worker, worker })
            }
            None if self.leases.was_issued(id.0) => Ok(None),
            None => Err(CoordinatorError::UnknownLease { lease: id }),
        }
    }

    fn note_late(&mut self, lease: LeaseId) {
        self.num_late += 1;
        self.outputs.push_back(Output::Late { lease });
    }

    // ---- the three ends of a lease ----

    /// The block is done; whatever waited for it is handed out.
    #[inline]
    pub(super) fn complete(&mut self, id: LeaseId) -> Result<(), CoordinatorError> {
        let Some(lease) = self.leases.get(id.0).copied() else { return Ok(()) };
        self.scheduler.complete(lease.key)?;
        self.close(id, lease, Settlement::Completed);
        if !self.suspects.is_empty() {
            self.suspects.remove(&lease.key);
        }
        self.move_on(lease.key.task)
    }

    /// The attempt failed. The caller lets the task move on.
    pub(super) fn fail(&mut self, id: LeaseId, why: FailureCause) -> Result<(), CoordinatorError> {
        let Some(lease) = self.leases.get(id.0).copied() else { return Ok(()) };
        let key = lease.key;
        let row = &mut self.tasks[key.task.index()];
        row.failed_attempts += 1;
        match self.scheduler.fail_and_park(key)? {
            Failure::Retry { attempts } => {
                row.parked += 1;
                let until = self.now.after_ms(self.config.backoff_of(attempts));
                self.parked.insert(key, until);
                self.timers.push(until, Reason::Backoff(key));
                self.close(id, lease, Settlement::Retry { attempts, why, until });
                if !matches!(why, FailureCause::WorkerDied(_) | FailureCause::WorkerVanished) {
                    self.suspects.remove(&key);
                }
            }
            Failure::Final { attempts } => {
                self.close(id, lease, Settlement::Failed { attempts, why });
                self.suspects.remove(&key);
                self.put_out_orphans();
                let failed = self.scheduler.counts(key.task)?.failed;
                let bound = self.tasks[key.task.index()].max_failed_blocks;
                if bound.is_some_and(|bound| failed >= bound) {
                    self.stop_task(key.task, TaskEnding::TooManyFailedBlocks)?;
                }
            }
        }
        Ok(())
    }

    /// The block is ready again at no cost. The caller lets the task move on.
    pub(super) fn put_back(
        &mut self,
        id: LeaseId,
        reason: PutBackReason,
    ) -> Result<(), CoordinatorError> {
        let Some(lease) = self.leases.get(id.0).copied() else { return Ok(()) };
        self.scheduler.put_back(lease.key)?;
        if reason == PutBackReason::Suspect {
            self.suspects.insert(lease.key);
        }
        self.close(id, lease, Settlement::PutBack(reason));
        Ok(())
    }

    /// The end of a back-off.
    pub(super) fn end_backoff(&mut self, key: BlockKey) -> Result<(), CoordinatorError> {
        if self.parked.remove(&key).is_some() {
            self.tasks[key.task.index()].parked -= 1;
            self.scheduler.put_back(key)?;
            self.hand_out(key.task)?;
        }
        Ok(())
    }

    /// The blocks of a worker whose time is up.
    pub(super) fn time_out_blocks(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        let Some(member) = self.workers.get_mut(worker.0) else { return Ok(()) };
        for &id in &member.leases {
            let Some(lease) = self.leases.get_mut(id.0) else { continue };
            if lease.state != LeaseState::Running || lease.deadline > self.now {
                continue;
            }
            lease.state = LeaseState::Overdue;
            member.num_timed -= 1;
            self.tasks[lease.key.task.index()].timeouts += 1;
            self.outputs.push_back(Output::Overdue { lease: id, key: lease.key, worker });
        }
        self.write_off(worker)
    }

    #[inline]
    fn close(&mut self, id: LeaseId, lease: OpenLease, result: Settlement) {
        let OpenLease { key, worker, .. } = lease;
        self.leases.remove(id.0);
        let row = &mut self.tasks[key.task.index()];
        row.out -= 1;
        self.num_out -= 1;
        if !row.needs.is_empty() {
            self.budget.give(&row.needs);
        }
        self.outputs.push_back(Output::Settled { lease: id, key, worker, result });
        if lease.state != LeaseState::Checking {
            self.leave_worker(worker, id, lease.state);
        }
    }

    /// A lease is no longer at its worker: the block behind it begins, or the worker is free.
    #[inline]
    pub(super) fn leave_worker(&mut self, worker: WorkerId, id: LeaseId, state: LeaseState) {
        let Some(member) = self.workers.get_mut(worker.0) else { return };
        if state == LeaseState::Running {
            member.num_timed -= 1;
        }
        if member.leases.front() == Some(&id) {
            member.leases.pop_front();
        } else {
            member.leases.retain(|&other| other != id);
        }
        member.is_alone &= !member.leases.is_empty();
        member.has_recall &= member.leases.len() > 1;
        member.since = self.now;
        if member.leases.is_empty() {
            self.tasks[member.task.index()].working -= 1;
        }
        let next = member.leases.front().copied();
        if let Some(next) = next.filter(|_| self.tasks[member.task.index()].timeout_ms.is_some()) {
            let is_queued = |lease: &OpenLease| lease.state == LeaseState::Queued;
            if self.leases.get(next.0).is_some_and(is_queued) {
                self.start_clock(worker, next);
            }
        }
        self.reseat(worker);
        if next.is_none() {
            self.reseat_mates(worker);
            self.dismiss_if_over(worker);
        }
    }

    pub(super) fn start_clock(&mut self, worker: WorkerId, id: LeaseId) {
        let Some(lease) = self.leases.get_mut(id.0) else { return };
        let Some(limit_ms) = self.tasks[lease.key.task.index()].timeout_ms else { return };
        lease.state = LeaseState::Running;
        lease.deadline = self.now.after_ms(limit_ms);
        if let Some(member) = self.workers.get_mut(worker.0) {
            member.num_timed += 1;
        }
        self.watch_blocks(worker);
    }
}
