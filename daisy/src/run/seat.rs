//! Where a worker thread sits: the blocks it was given, and the outcomes it has not reported yet.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use daisy_sched::{Lease, LeaseId};

use super::call::BlockError;

/// The largest number of blocks that a worker is given at once.
pub(super) const MAX_AHEAD: u32 = 256;
/// How much work, by its measure so far, a worker is given at once.
pub(super) const AHEAD: Duration = Duration::from_millis(2);

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
            waiting: VecDeque::with_capacity(MAX_AHEAD as usize),
            done: Vec::with_capacity(MAX_AHEAD as usize),
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

/// How many blocks a worker may be given at once: by how long its blocks take.
pub(super) struct LookAhead {
    limit: u32,
    blocks: u32,
    /// How long a block takes: a slow one counts at once, fast ones only slowly lower it.
    nanos: u64,
}

impl LookAhead {
    pub(super) const fn new(limit: u32) -> Self {
        Self { limit, blocks: 1, nanos: 0 }
    }

    /// Notes how long a block took; true if it alone took as long as all together should.
    #[inline]
    pub(super) fn note(&mut self, time: Duration) -> bool {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.nanos = nanos.max(self.nanos - self.nanos / 8 + nanos / 8);
        time >= AHEAD
    }

    /// How many blocks to ask for now: at most twice as many as the last time.
    pub(super) fn blocks(&mut self) -> u32 {
        if self.nanos > 0 {
            let fitting = AHEAD.as_nanos() / u128::from(self.nanos);
            let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
            self.blocks = fitting.min(self.blocks.saturating_mul(2)).clamp(1, self.limit);
        }
        self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ahead_grows_from_one_and_falls_at_once() {
        let mut ahead = LookAhead::new(MAX_AHEAD);
        assert_eq!(ahead.blocks(), 1);
        let mut asked = Vec::new();
        for _ in 0..10 {
            assert!(!ahead.note(Duration::from_nanos(50)));
            asked.push(ahead.blocks());
        }
        assert_eq!(asked, [2, 4, 8, 16, 32, 64, 128, 256, 256, 256]);
        assert!(ahead.note(Duration::from_secs(10)));
        assert_eq!(ahead.blocks(), 1);
    }

    #[test]
    fn no_more_work_is_asked_for_than_fits() {
        let mut ahead = LookAhead::new(MAX_AHEAD);
        for _ in 0..20 {
            ahead.note(Duration::from_micros(500));
            ahead.blocks();
        }
        assert_eq!(ahead.blocks(), 4);
        assert_eq!(LookAhead::new(1).blocks(), 1);
    }
}
