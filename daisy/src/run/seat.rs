//! Where a worker thread sits: the blocks it was given, and the outcomes it has not reported yet.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use daisy_sched::{Lease, LeaseId, LookAhead};

use super::call::BlockError;

/// What became of a block function.
pub(super) struct Done {
    pub(super) lease: LeaseId,
    pub(super) error: Option<Box<BlockError>>,
}

/// The desk of one worker. The worker takes its blocks from here without the machine's lock;
/// others put blocks on it, and take back what lies there for too long.
pub(super) struct Seat {
    desk: Mutex<Desk>,
    /// Waited on with the lock of the pool.
    pub(super) wake: Condvar,
}

pub(super) struct Desk {
    pub(super) waiting: VecDeque<Lease>,
    pub(super) done: Vec<Done>,
    /// Since when the block at work is at work.
    pub(super) running_since: Option<Instant>,
}

impl Seat {
    pub(super) fn new() -> Self {
        let desk = Desk {
            waiting: VecDeque::with_capacity(LookAhead::MAX_BLOCKS as usize),
            done: Vec::with_capacity(LookAhead::MAX_BLOCKS as usize),
            running_since: None,
        };
        Self { desk: Mutex::new(desk), wake: Condvar::new() }
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts down what became of the last block and takes the next one.
    #[inline]
    pub(super) fn next(&self, done: Option<Done>, now: Instant) -> Option<Lease> {
        let mut desk = self.desk();
        desk.done.extend(done);
        let next = desk.waiting.pop_front();
        desk.running_since = next.is_some().then_some(now);
        next
    }

    /// Puts a block on the desk.
    #[inline]
    pub(super) fn give(&self, lease: Lease) {
        self.desk().waiting.push_back(lease);
    }
}
