//! Where a worker waits for blocks.

use super::{Coordinator, WorkerId, roster::Seat};

impl Coordinator {
    /// Puts a worker where it belongs among those that wait.
    #[inline]
    pub(super) fn reseat(&mut self, worker: WorkerId) {
        let beside = self.beside(worker);
        let Some(member) = self.workers.get_mut(worker.0) else { return };
        let is_alone = member.is_alone || beside.is_suspect;
        let may_wait = member.wanted > 0 && member.is_open() && !is_alone && !member.is_retired;
        let seat = match (may_wait, member.leases.is_empty() && !beside.is_busy) {
            (false, _) => Seat::None,
            (true, true) => Seat::Idle,
            (true, false) => Seat::Busy,
        };
        if seat == member.seat {
            return;
        }
        let row = &mut self.tasks[member.task.index()];
        row.leave(member.seat, worker);
        row.enter(seat, worker);
        member.seat = seat;
    }

    pub(super) fn unseat(&mut self, worker: WorkerId) {
        // Who was only named has no seat, and perhaps no task.
        if let Some(member) = self.workers.get_mut(worker.0)
            && member.seat != Seat::None
        {
            self.tasks[member.task.index()].leave(member.seat, worker);
            member.seat = Seat::None;
        }
    }
}
