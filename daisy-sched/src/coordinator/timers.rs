//! Deadlines with their reasons: when to wake up, and what for.
//!
//! Nothing is ever taken out of the middle of the heap. An entry is a promise to look at its reason
//! *not later than* at its moment; when it comes to the top, the present truth ([`Coordinator::due`])
//! decides whether it is dropped, moved to a later moment, or due. One entry for each worker and
//! reason is enough, however many blocks pass through that worker's hands.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use super::{Coordinator, CoordinatorError, Reason, WorkerKind, lease::LeaseState, roster::Phase};
use crate::Moment;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Moment, Reason)>>);

impl Timers {
    pub(super) fn push(&mut self, at: Moment, reason: Reason) {
        self.0.push(Reverse((at, reason)));
    }

    fn top(&self) -> Option<(Moment, Reason)> {
        self.0.peek().map(|Reverse(entry)| *entry)
    }
}

impl Coordinator {
    /// When to give [`Input::Timeout`](super::Input::Timeout), and what for. None: only when something else happens.
    ///
    /// O(1) as a rule; entries that have become void are cleared away here.
    pub fn next_deadline(&mut self) -> Option<(Moment, Reason)> {
        if self.has_backlog() {
            return Some((self.now, Reason::Backlog));
        }
        self.next_timer()
    }

    fn next_timer(&mut self) -> Option<(Moment, Reason)> {
        while let Some((at, reason)) = self.timers.top() {
            match self.due(reason) {
                // The end of time is never reached: what is due then, and all behind it, never comes.
                Some(due) if due <= at => return (at < Moment::MAX).then_some((at, reason)),
                Some(due) => {
                    self.timers.0.pop();
                    self.timers.push(due, reason);
                }
                None => self.drop_timer(reason),
            }
        }
        None
    }

    /// Everything whose time has come happens, in the order of the deadlines.
    pub(super) fn expire(&mut self) -> Result<(), CoordinatorError> {
        if self.has_backlog() {
            self.go_on()?;
        }
        while let Some((at, reason)) = self.next_timer() {
            if at > self.now {
                break;
            }
            self.drop_timer(reason);
            match reason {
                Reason::BlockTimeout(worker) => self.time_out_blocks(worker)?,
                Reason::Silence(worker) => self.give_up(worker)?,
                Reason::Backoff(key) => self.end_backoff(key)?,
                Reason::StartBackoff(task) => {
                    self.tasks[task.index()].start_not_before = None;
                    self.staff(task)?;
                }
                Reason::Expected(worker) => self.expect_no_more(worker)?,
                Reason::Check => self.time_out_check()?,
                Reason::Recall(task) => self.recall(task),
                Reason::Backlog => {}
            }
            self.watch_again(reason);
        }
        Ok(())
    }

    /// Sees to it that the time of a worker's blocks is watched.
    pub(super) fn watch_blocks(&mut self, worker: super::WorkerId) {
        if let Some(member) = self.workers.get_mut(worker.0) {
            if member.is_timed {
                return;
            }
            member.is_timed = true;
            self.watch(Reason::BlockTimeout(worker));
        }
    }

    /// Sees to it that the silence of a remote worker is watched.
    pub(super) fn watch_silence(&mut self, worker: super::WorkerId) {
        if let Some(member) = self.workers.get_mut(worker.0) {
            if member.is_guarded || member.kind == WorkerKind::Thread {
                return;
            }
            member.is_guarded = true;
            self.watch(Reason::Silence(worker));
        }
    }

    /// Sees to it that the oldest open check is watched.
    pub(super) fn watch_checks(&mut self) {
        if !self.checks.is_timed {
            self.checks.is_timed = true;
            self.watch(Reason::Check);
        }
    }

    fn watch(&mut self, reason: Reason) {
        match self.due(reason) {
            Some(at) => self.timers.push(at, reason),
            None => self.forget(reason),
        }
    }

    fn watch_again(&mut self, reason: Reason) {
        match reason {
            Reason::BlockTimeout(worker) => self.watch_blocks(worker),
            Reason::Silence(worker) => self.watch_silence(worker),
            Reason::Check => self.watch_checks(),
            Reason::Recall(task) => self.watch_queues(task),
            Reason::Backoff(_)
            | Reason::StartBackoff(_)
            | Reason::Expected(_)
            | Reason::Backlog => {}
        }
    }

    /// Takes the top entry, which is about `reason`, off the heap.
    fn drop_timer(&mut self, reason: Reason) {
        self.timers.0.pop();
        self.forget(reason);
    }

    fn forget(&mut self, reason: Reason) {
        match reason {
            Reason::BlockTimeout(worker) => {
                if let Some(member) = self.workers.get_mut(worker.0) {
                    member.is_timed = false;
                }
            }
            Reason::Silence(worker) => {
                if let Some(member) = self.workers.get_mut(worker.0) {
                    member.is_guarded = false;
                }
            }
            Reason::Check => self.checks.is_timed = false,
            Reason::Recall(task) => self.tasks[task.index()].recall_at = None,
            Reason::Backoff(_)
            | Reason::StartBackoff(_)
            | Reason::Expected(_)
            | Reason::Backlog => {}
        }
    }

    /// The true deadline of a reason as things are now; None if it is void.
    fn due(&mut self, reason: Reason) -> Option<Moment> {
        match reason {
            Reason::BlockTimeout(worker) => {
                let member = self.workers.get(worker.0)?;
                let held = member.leases.iter().filter_map(|&lease| self.leases.get(lease.0));
                let running = held.filter(|lease| lease.state == LeaseState::Running);
                running.take(member.num_timed as usize).map(|lease| lease.deadline).min()
            }
            Reason::Silence(worker) => {
                let member = self.workers.get(worker.0)?;
                let is_present = member.phase == Phase::Present;
                let is_killed_anyway =
                    matches!(member.kind, WorkerKind::LocalProcess { .. }) && !is_present;
                let is_there = member.is_connected && is_present;
                if is_killed_anyway
                    || member.has_left
                    || (is_there && !member.kind.promises_heartbeats())
                {
                    return None;
                }
                let limit_ms = self.config.silence_ms.saturating_add(self.config.heartbeat_ms);
                let limit = member.silent_from.after_ms(limit_ms);
                Some(member.grace.map_or(limit, |grace| grace.max(limit)))
            }
            Reason::Backoff(key) => {
                let is_stopped = self.is_draining || self.tasks[key.task.index()].stop.is_some();
                if is_stopped { None } else { self.parked.get(&key).copied() }
            }
            Reason::StartBackoff(task) => self.tasks[task.index()].start_not_before,
            Reason::Expected(worker) => {
                let since = self.expected.get(&worker)?;
                Some(since.after_ms(self.config.expect_ms))
            }
            Reason::Recall(task) => self.tasks[task.index()].recall_at,
            Reason::Check => self.oldest_check().map(|(_, check)| check.deadline),
            Reason::Backlog => None,
        }
    }
}
