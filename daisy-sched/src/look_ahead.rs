//! How many blocks a worker is given at once.

use core::time::Duration;

/// How many blocks a worker may be given at once: by how long its blocks take.
///
/// It begins with one, at most quadruples from time to time, and falls at once when a block takes long:
/// what waits at a worker cannot be run by anybody else.
///
/// ```
/// use core::time::Duration;
/// use daisy_sched::LookAhead;
///
/// let mut ahead = LookAhead::new(LookAhead::MAX_BLOCKS);
/// assert_eq!(ahead.blocks(), 1);
/// ahead.note(Duration::from_micros(500));
/// assert_eq!((ahead.blocks(), ahead.blocks(), ahead.blocks()), (4, 4, 4)); // 2 ms of work
/// ```
#[derive(Clone, Debug)]
pub struct LookAhead {
    limit: u32,
    blocks: u32,
    /// How long a block takes: a slow one counts at once, fast ones only slowly lower it.
    nanos: u64,
}

impl LookAhead {
    /// The largest number of blocks that a worker is given at once.
    pub const MAX_BLOCKS: u32 = 256;
    /// How much work, by its measure so far, a worker is given at once.
    pub const TIME: Duration = Duration::from_millis(2);

    /// Nothing was measured yet; never more than `limit` blocks.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, blocks: 1, nanos: 0 }
    }

    /// Notes how long a block took; true if it alone took as long as all together should.
    #[inline]
    pub fn note(&mut self, time: Duration) -> bool {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.nanos = nanos.max(self.nanos - self.nanos / 8 + nanos / 8);
        time >= Self::TIME
    }

    /// How many blocks to ask for now: at most four times as many as the last time.
    ///
    /// After four round trips a worker has its full measure: with a thousand of them, each round trip less counts.
    pub fn blocks(&mut self) -> u32 {
        if self.nanos > 0 {
            let fitting = Self::TIME.as_nanos() / u128::from(self.nanos);
            let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
            let most = self.limit.max(1);
            self.blocks = fitting.min(self.blocks.saturating_mul(4)).clamp(1, most);
        }
        self.blocks
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn look_ahead_grows_from_one_and_falls_at_once() {
        let mut ahead = LookAhead::new(LookAhead::MAX_BLOCKS);
        assert_eq!(ahead.blocks(), 1);
        let mut asked = Vec::new();
        for _ in 0..10 {
            assert!(!ahead.note(Duration::from_nanos(50)));
            asked.push(ahead.blocks());
        }
        assert_eq!(asked, [4, 16, 64, 256, 256, 256, 256, 256, 256, 256]);
        assert!(ahead.note(Duration::from_secs(10)));
        assert_eq!(ahead.blocks(), 1);
    }

    #[test]
    fn no_more_work_is_asked_for_than_fits() {
        let mut ahead = LookAhead::new(LookAhead::MAX_BLOCKS);
        for _ in 0..20 {
            ahead.note(Duration::from_micros(500));
            ahead.blocks();
        }
        assert_eq!(ahead.blocks(), 4);
        assert_eq!(LookAhead::new(1).blocks(), 1);
    }
}
