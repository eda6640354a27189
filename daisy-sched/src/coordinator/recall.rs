//! Blocks that wait at one worker while others have nothing to do are asked back.
//!
//! Look-ahead gives a worker a few milliseconds of work by its measure so far. Where one of these
//! blocks takes long after all, those behind it are recalled. Only the worker knows which of them it
//! has begun, so a recalled block is lent elsewhere once the worker has given it back.

use alloc::vec::Vec;

use daisy_block::TaskId;

use super::{Coordinator, LeaseId, Output, Reason, WorkerId, WorkerKind, roster::Worker};

/// How long a worker's first block must have been at work before those behind it are recalled:
/// twice what look-ahead aims at.
const RECALL_AFTER_MS: u64 = 4;

impl Coordinator {
    /// Somebody has nothing to do: sees to it that blocks that wait at others are thought of.
    pub(super) fn watch_queues(&mut self, task: TaskId) {
        let row = &mut self.tasks[task.index()];
        let is_of_use = !row.idle.is_empty() && row.out > u64::from(row.working);
        if row.recall_at.is_none() && is_of_use {
            let at = self.now.after_ms(RECALL_AFTER_MS);
            row.recall_at = Some(at);
            self.timers.push(at, Reason::Recall(task));
        }
    }

    /// Recalls what waits behind blocks that take long. O(workers of the task).
    pub(super) fn recall(&mut self, task: TaskId) {
        let row = &self.tasks[task.index()];
        if row.idle.is_empty() {
            return;
        }
        let members = row.members.iter();
        let members = members.filter_map(|&worker| Some((worker, self.workers.get(worker.0)?)));
        let is_hoarder = |member: &Worker| {
            member.leases.len() > 1
                && !member.has_recall
                && member.is_open()
                && member.kind != WorkerKind::Thread
                && member.since.after_ms(RECALL_AFTER_MS) <= self.now
        };
        let hoarders = members.filter(|(_, member)| is_hoarder(member));
        let hoarders: Vec<WorkerId> = hoarders.map(|(worker, _)| worker).collect();
        for worker in hoarders {
            let Some(member) = self.workers.get_mut(worker.0) else { continue };
            member.has_recall = true;
            let leases: Vec<LeaseId> = member.leases.iter().skip(1).copied().collect();
            self.outputs.push_back(Output::Recall { worker, leases });
        }
    }
}
