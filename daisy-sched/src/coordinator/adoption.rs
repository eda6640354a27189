//! Leases that outlive the server: they stay open, with a fresh timeout, until their worker is back or
//! must have ended.

use super::{
    Adopted, Coordinator, CoordinatorError, WorkerKind,
    lease::{LeaseState, OpenLease},
    roster::{Phase, Worker},
};
use crate::Moment;

impl Coordinator {
    /// Takes up the leases of an earlier epoch. Their workers are not connected, and count towards the
    /// workers that their tasks start; no pid of theirs is trusted.
    pub(super) fn adopt(&mut self) -> Result<(), CoordinatorError> {
        for Adopted { lease, worker, key } in core::mem::take(&mut self.config.adopted) {
            let bad = CoordinatorError::BadAdoption { lease };
            let is_old = self.leases.was_issued(lease.0) && self.workers.was_issued(worker.0);
            if !is_old || self.leases.get(lease.0).is_some() {
                return Err(bad);
            }
            if self.workers.get(worker.0).is_none() {
                let mut member = Worker::new(key.task, Phase::Present);
                let row = &mut self.tasks[key.task.index()];
                member.is_staff = row.staff < row.num_workers;
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
            let Some(member) = self.workers.get_mut(worker.0) else { return Err(bad) };
            if member.task != key.task {
                return Err(bad);
            }
            let is_first = member.leases.is_empty();
            member.leases.push_back(lease);
            let row = &mut self.tasks[key.task.index()];
            row.out += 1;
            self.num_out += 1;
            if !row.needs.is_empty() {
                self.budget.take(&row.needs);
            }
            let state = LeaseState::Queued;
            let open = OpenLease { key, worker, deadline: Moment::MAX, state };
            self.leases.insert_old(lease.0, open);
            if is_first {
                self.start_clock(worker, lease);
            }
        }
        Ok(())
    }
}
