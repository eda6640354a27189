//! Workers: from their start to their end, and who is to blame for it.

use alloc::collections::VecDeque;

use daisy_block::TaskId;

use super::{
    Cause, Coordinator, CoordinatorError, Ending, FailureCause, KillReason, LeaseId, Output,
    PutBackReason, WorkerId, WorkerKind, lease::LeaseState,
};
use crate::Moment;

/// Where a worker stands; once it has ended it is forgotten.
///
/// ```text
///  named by itself --> Named ---.
///                                +-- joined --> Present -- revoked, timed out, drained --> Stopping
///  started --------> Starting --'                  |                                          |
///                        | could not start         | ended, silent                     ended, silent
///                        '-------------------------+------------------------------------------'
///                                                  v
///                                               (ended)
/// ```
///
/// A worker that is `Present` may be cut off (its connection closed) and dismissed (nothing more to
/// expect). A thread never is `Stopping`: it cannot be killed, only written off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Somebody asked for its id.
    Named,
    /// It was asked for and has not joined yet.
    Starting,
    /// It may get blocks.
    Present,
    /// It is being killed.
    Stopping(KillReason),
}

/// In which of its task's waiting lists a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// It wants nothing, or may get nothing.
    None,
    /// It has nothing to do.
    Idle,
    /// It has blocks and can take more.
    Busy,
}

/// A worker that has not ended.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) task: TaskId,
    pub(super) kind: WorkerKind,
    pub(super) phase: Phase,
    pub(super) seat: Seat,
    /// Started by this run and not written off: counts towards the workers of its task.
    pub(super) is_staff: bool,
    pub(super) is_connected: bool,
    pub(super) is_dismissed: bool,
    /// A thread with a block that ran out of its time, or revoked: gets nothing more.
    pub(super) is_retired: bool,
    pub(super) has_taken: bool,
    /// It has a suspect and gets nothing beside it.
    pub(super) is_alone: bool,
    /// A timer watches its running blocks.
    pub(super) is_timed: bool,
    /// A timer watches its silence.
    pub(super) is_guarded: bool,
    pub(super) wanted: u32,
    /// How many of its leases are running.
    pub(super) num_timed: u32,
    /// Blocks it has, in the order in which it runs them.
    pub(super) leases: VecDeque<LeaseId>,
    pub(super) silent_from: Moment,
    /// Until when an adopted worker may stay away; of no meaning once it is back.
    pub(super) grace: Option<Moment>,
    /// Since when its first block is at work, as far as is known.
    pub(super) since: Moment,
    /// It was asked to give back what it has not begun.
    pub(super) has_recall: bool,
    /// It has said goodbye, and its process goes on for as long as it likes.
    pub(super) has_left: bool,
}

/// How a worker came to its end, as far as blame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    Died(Cause),
    /// Its process died, in which others had blocks, too.
    DiedTogether(Cause),
    /// Its process was killed for something that another one in it did.
    Explained,
    /// Its connection closed and it never came back.
    Vanished,
    Left,
    /// Nothing more came from it, although its connection did not close.
    Silent,
}

impl Worker {
    pub(super) const fn new(task: TaskId, phase: Phase) -> Self {
        Self {
            task,
            kind: WorkerKind::Thread,
            phase,
            seat: Seat::None,
            is_staff: matches!(phase, Phase::Starting),
            is_connected: true,
            is_dismissed: false,
            is_retired: false,
            has_taken: false,
            is_alone: false,
            is_timed: false,
            is_guarded: false,
            wanted: 0,
            num_timed: 0,
            leases: VecDeque::new(),
            silent_from: Moment::ZERO,
            grace: None,
            since: Moment::ZERO,
            has_recall: false,
            has_left: false,
        }
    }

    /// Whether it is, or was, there.
    pub(super) const fn has_joined(&self) -> bool {
        matches!(self.phase, Phase::Present | Phase::Stopping(_))
    }

    /// Whether it may get blocks.
    pub(super) const fn is_open(&self) -> bool {
        let is_there = matches!(self.phase, Phase::Present) && self.is_connected;
        is_there && !self.is_dismissed && !self.has_left
    }
}

impl Coordinator {
    /// An id for a worker that comes by itself; to be followed by [`Input::Joined`](super::Input::Joined), or by
    /// [`Input::Ended`](super::Input::Ended) if nothing comes of it.
    pub fn name_worker(&mut self) -> WorkerId {
        WorkerId(self.workers.insert(Worker::new(TaskId::new(0), Phase::Named)))
    }

    pub(super) fn join(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        kind: WorkerKind,
    ) -> Result<(), CoordinatorError> {
        self.check_task(task)?;
        let member =
            self.workers.get_mut(worker.0).ok_or(CoordinatorError::UnknownWorker { worker })?;
        match member.phase {
            Phase::Named => member.task = task,
            Phase::Starting if member.task == task => {}
            Phase::Starting => {
                return Err(CoordinatorError::WrongTask {
                    worker,
                    expected: member.task,
                    found: task,
                });
            }
            Phase::Present | Phase::Stopping(_) => {
                return Err(CoordinatorError::WorkerState { worker, expected: "about to join" });
            }
        }
        member.kind = kind;
        member.phase = Phase::Present;
        member.is_dismissed = false;
        member.silent_from = self.now;
        self.expected.remove(&worker);
        let row = &mut self.tasks[task.index()];
        row.joined += 1;
        row.members.insert(worker);
        self.watch_silence(worker);
        self.dismiss_if_over(worker);
        Ok(())
    }

    #[inline]
    pub(super) fn want(&mut self, worker: WorkerId, blocks: u32) -> Result<(), CoordinatorError> {
        let member = self.present(worker)?;
        member.wanted = member.wanted.saturating_add(blocks).min(Self::MAX_WANTED);
        let (task, is_open) = (member.task, member.is_open());
        self.heard(worker);
        if is_open && blocks > 0 {
            return self.hand_out_to(task, worker);
        }
        Ok(())
    }

    /// The time of the last byte of a worker is now.
    #[inline]
    pub(super) fn heard(&mut self, worker: WorkerId) {
        let now = self.now;
        if let Some(member) = self.workers.get_mut(worker.0) {
            member.silent_from = now;
        }
    }

    pub(super) fn hear(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        self.reached(worker)?;
        self.heard(worker);
        Ok(())
    }

    pub(super) fn disconnect(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        let now = self.now;
        let member = self.reached(worker)?;
        if !member.is_connected {
            return Err(CoordinatorError::WorkerState { worker, expected: "connected" });
        }
        member.is_connected = false;
        member.wanted = 0;
        if !member.kind.promises_heartbeats() {
            member.silent_from = now;
        }
        self.watch_silence(worker);
        self.reseat(worker);
        Ok(())
    }

    pub(super) fn reconnect(
        &mut self,
        worker: WorkerId,
        promised: bool,
    ) -> Result<(), CoordinatorError> {
        let member = self.reached(worker)?;
        if member.is_connected {
            return Err(CoordinatorError::WorkerState { worker, expected: "disconnected" });
        }
        member.is_connected = true;
        if member.grace.take().is_some() {
            // The silence that counts now ends before the moment at which its timer looks.
            member.is_guarded = false;
        }
        (member.has_recall, member.has_left) = (false, false);
        if let WorkerKind::LocalProcess { heartbeats } | WorkerKind::Remote { heartbeats } =
            &mut member.kind
        {
            *heartbeats = promised;
        }
        let (is_dismissed, phase) = (member.is_dismissed, member.phase);
        self.heard(worker);
        // It may not have heard so.
        if let Phase::Stopping(reason) = phase {
            self.outputs.push_back(Output::Kill { worker, reason });
        } else if is_dismissed {
            self.outputs.push_back(Output::Dismiss { worker });
        }
        self.watch_silence(worker);
        Ok(())
    }

    pub(super) fn revoke(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        let member = self.present(worker)?;
        if member.kind == WorkerKind::Thread {
            member.wanted = 0;
            self.retire(worker)
        } else {
            self.kill(worker, KillReason::Revoked);
            Ok(())
        }
    }

    /// A worker has a block that ran out of its time: it is killed, or replaced if it is a thread.
    pub(super) fn write_off(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        match self.workers.get(worker.0).map(|member| member.kind) {
            Some(WorkerKind::Thread) => self.retire(worker),
            Some(_) => {
                self.kill(worker, KillReason::TimedOut);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A thread gets nothing more; another one is started in its place.
    fn retire(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        let Some(member) = self.workers.get_mut(worker.0) else { return Ok(()) };
        let (task, has_blocks) = (member.task, !member.leases.is_empty());
        if core::mem::take(&mut member.is_staff) {
            self.tasks[task.index()].staff -= 1;
        }
        if core::mem::replace(&mut member.is_retired, true) {
            return Ok(());
        }
        self.reseat(worker);
        if !has_blocks {
            self.dismiss_if_over(worker);
        }
        self.hand_out(task)
    }

    pub(super) fn kill(&mut self, worker: WorkerId, reason: KillReason) {
        let now = self.now;
        let Some(member) = self.workers.get_mut(worker.0) else { return };
        if member.phase != Phase::Present || member.kind == WorkerKind::Thread {
            return;
        }
        member.phase = Phase::Stopping(reason);
        member.wanted = 0;
        if !member.kind.promises_heartbeats() {
            member.silent_from = now;
        }
        self.outputs.push_back(Output::Kill { worker, reason });
        self.watch_silence(worker);
        self.reseat(worker);
    }

    /// A worker is known to have ended.
    pub(super) fn ended(
        &mut self,
        worker: WorkerId,
        ending: Ending,
    ) -> Result<(), CoordinatorError> {
        let death = match ending {
            Ending::Died(cause) => Death::Died(cause),
            Ending::HandedOn if self.expect(worker) => return Ok(()),
            Ending::Left | Ending::HandedOn => Death::Left,
        };
        self.bury(worker, death)
    }

    /// A worker has said goodbye: it gets nothing more, and its silence says nothing.
    pub(super) fn leave(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        let member = self.present(worker)?;
        member.has_left = true;
        member.wanted = 0;
        let (task, leases) = (member.task, member.leases.clone());
        for id in leases {
            let lease = self.leases.get(id.0);
            if lease.is_some_and(|lease| lease.state != LeaseState::Overdue) {
                self.put_back(id, PutBackReason::WorkerLeft)?;
            }
        }
        self.reseat(worker);
        self.move_on(task)
    }

    /// Nothing was heard of a worker for so long that a remote one must have ended itself; a child
    /// process is made to.
    pub(super) fn give_up(&mut self, worker: WorkerId) -> Result<(), CoordinatorError> {
        let Some(member) = self.workers.get(worker.0) else { return Ok(()) };
        if matches!(member.kind, WorkerKind::LocalProcess { .. }) {
            // Without blocks it does no harm, and there may be others in its process; it may come back.
            let is_harmless = member.leases.is_empty();
            if is_harmless && (!member.is_connected || self.has_mates(worker)) {
                self.heard(worker);
            } else {
                self.kill(worker, KillReason::Silent);
            }
            return Ok(());
        }
        let is_silent = member.is_connected || member.grace.is_some();
        let death = if is_silent { Death::Silent } else { Death::Vanished };
        self.outputs.push_back(Output::GivenUp { worker });
        self.bury(worker, death)
    }

    /// Takes a worker that has ended off the roster and settles its blocks.
    pub(super) fn bury(&mut self, worker: WorkerId, death: Death) -> Result<(), CoordinatorError> {
        self.unseat(worker);
        let member =
            self.workers.remove(worker.0).ok_or(CoordinatorError::UnknownWorker { worker })?;
        let task = member.task;
        self.expected.remove(&worker);
        self.leave_process(worker);
        if member.phase == Phase::Named {
            return Ok(());
        }
        let row = &mut self.tasks[task.index()];
        if member.phase != Phase::Starting {
            row.joined -= 1;
        }
        row.members.remove(&worker);
        if member.is_staff {
            row.staff -= 1;
        }
        row.working -= u32::from(!member.leases.is_empty());
        self.settle_all(&member, death)?;
        let was_wanted = member.is_staff && !member.is_dismissed;
        if was_wanted && !member.has_taken && !matches!(member.phase, Phase::Stopping(_)) {
            self.note_early_end(task, death)?;
        }
        self.move_on(task)
    }

    /// Settles what a worker had when it ended.
    fn settle_all(&mut self, member: &Worker, death: Death) -> Result<(), CoordinatorError> {
        let is_only_one = member.leases.len() == 1;
        let is_killed = matches!(member.phase, Phase::Stopping(_));
        let state_of = |lease: &LeaseId| self.leases.get(lease.0).map(|lease| lease.state);
        let is_overdue = |lease: &LeaseId| state_of(lease) == Some(LeaseState::Overdue);
        // Where a block ran out of its time, that is the one to blame.
        let is_explained = is_killed || member.leases.iter().any(is_overdue);
        for &id in &member.leases {
            let Some(lease) = self.leases.get(id.0) else { continue };
            if lease.state == LeaseState::Overdue {
                self.fail(id, FailureCause::TimedOut)?;
                continue;
            }
            match death {
                _ if is_explained => self.put_back(id, PutBackReason::WorkerKilled)?,
                Death::Explained => self.put_back(id, PutBackReason::WorkerKilled)?,
                Death::DiedTogether(cause) if member.is_alone && is_only_one => {
                    self.blame(id, FailureCause::WorkerDied(cause))?;
                }
                Death::DiedTogether(_) => self.put_back(id, PutBackReason::Suspect)?,
                Death::Left => self.put_back(id, PutBackReason::WorkerLeft)?,
                Death::Silent => self.put_back(id, PutBackReason::WorkerSilent)?,
                Death::Died(_) | Death::Vanished if !is_only_one => {
                    self.put_back(id, PutBackReason::Suspect)?;
                }
                Death::Died(cause) => self.blame(id, FailureCause::WorkerDied(cause))?,
                Death::Vanished => self.blame(id, FailureCause::WorkerVanished)?,
            }
        }
        Ok(())
    }

    /// A worker died at exactly this block. The block stays a suspect: when it is tried again, nobody
    /// else's block is drawn into it.
    fn blame(&mut self, id: LeaseId, why: FailureCause) -> Result<(), CoordinatorError> {
        if let Some(lease) = self.leases.get(id.0) {
            self.suspects.insert(lease.key);
        }
        self.fail(id, why)
    }

    /// A worker without blocks has nothing more to expect if its task is over for it.
    pub(super) fn dismiss_if_over(&mut self, worker: WorkerId) {
        let Some(member) = self.workers.get_mut(worker.0) else { return };
        let row = &self.tasks[member.task.index()];
        let is_over =
            self.is_draining || row.stop.is_some() || row.ending.is_some() || member.is_retired;
        let may_be_told = matches!(member.phase, Phase::Present | Phase::Starting);
        if !is_over || !may_be_told || member.is_dismissed || !member.leases.is_empty() {
            return;
        }
        member.is_dismissed = true;
        self.outputs.push_back(Output::Dismiss { worker });
        self.reseat(worker);
    }

    /// Dismisses every worker of a task that has no blocks.
    pub(super) fn dismiss_all(&mut self, task: TaskId) {
        let members: alloc::vec::Vec<WorkerId> =
            self.tasks[task.index()].members.iter().copied().collect();
        for worker in members {
            self.dismiss_if_over(worker);
        }
    }

    /// A worker that is there and has a connection, or had one.
    fn reached(&mut self, worker: WorkerId) -> Result<&mut Worker, CoordinatorError> {
        let member = self.present(worker)?;
        if member.kind == WorkerKind::Thread {
            let expected = "reached by a connection: it is a thread";
            return Err(CoordinatorError::WorkerState { worker, expected });
        }
        Ok(member)
    }

    #[inline]
    pub(super) fn present(&mut self, worker: WorkerId) -> Result<&mut Worker, CoordinatorError> {
        match self.workers.get_mut(worker.0) {
            Some(member) if matches!(member.phase, Phase::Present | Phase::Stopping(_)) => {
                Ok(member)
            }
            Some(_) => Err(CoordinatorError::WorkerState {
                worker,
                expected: "on the roster; it must join first",
            }),
            None => Err(CoordinatorError::UnknownWorker { worker }),
        }
    }
}
