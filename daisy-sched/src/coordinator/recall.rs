//! Blocks that wait at one worker while others have nothing to do are asked back.
//!
//! Look-ahead gives a worker a few milliseconds of work by its measure so far. Where one of these
//! blocks takes long after all, those behind it are recalled. Only the worker knows which of them it
//! has begun, so a recalled block is lent elsewhere once the worker has given it back.

use alloc::vec::Vec;

use daisy_block::TaskId;

use super::{Coordinator, LeaseId, Output, Reason, WorkerId, WorkerKind, roster::Worker};
use crate::Moment;

/// How long a worker's first block must have been at work before those behind it are recalled:
/// twice what look-ahead aims at.
const RECALL_AFTER_MS: u64 = 4;

impl Coordinator {
    /// Somebody has nothing to do: sees to it that blocks that wait at others are thought of.
    pub(super) fn watch_queues(&mut self, task: TaskId) {
        let row = &self.tasks[task.index()];
        if row.is_recalling || row.out <= u64::from(row.working) {
            return;
        }
        if let Some(at) = self.next_recall(task) {
            self.tasks[task.index()].is_recalling = true;
            self.timers.push(at, Reason::Recall(task));
        }
    }

    /// When blocks can be recalled next; None while nobody needs them, or there are none.
    pub(super) fn next_recall(&self, task: TaskId) -> Option<Moment> {
        let row = &self.tasks[task.index()];
        if row.idle.is_empty() || row.out <= u64::from(row.working) {
            return None;
        }
        self.hoarders(task).map(|(_, at)| at).min()
    }

    /// Recalls what waits behind blocks that take long.
    pub(super) fn recall(&mut self, task: TaskId) {
        let due = self.hoarders(task).filter(|&(_, at)| at <= self.now);
        let due: Vec<WorkerId> = due.map(|(worker, _)| worker).collect();
        for worker in due {
            let Some(member) = self.workers.get_mut(worker.0) else { continue };
            member.has_recall = true;
            let leases: Vec<LeaseId> = member.leases.iter().skip(1).copied().collect();
            self.outputs.push_back(Output::Recall { worker, leases });
        }
    }

    /// Workers that can be asked for blocks, and when. O(workers of the task), while somebody idles.
    fn hoarders(&self, task: TaskId) -> impl Iterator<Item = (WorkerId, Moment)> {
        let members = self.tasks[task.index()].members.iter();
        let members = members.filter_map(|&worker| Some((worker, self.workers.get(worker.0)?)));
        let is_hoarder = |member: &Worker| {
            member.leases.len() > 1
                && !member.has_recall
                && member.is_open()
                && member.kind != WorkerKind::Thread
        };
        members
            .filter(move |(_, member)| is_hoarder(member))
            .map(|(worker, member)| (worker, member.since.after_ms(RECALL_AFTER_MS)))
    }
}
