//! Block times in constant memory.

use std::time::Duration;

use daisy_block::BlockKey;

/// Sub-buckets per power of two.
const STEPS: u32 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Times of the blocks of one task: count, sum, histogram, and the slowest few.
///
/// The histogram has 32 buckets per power of two of nanoseconds, so a quantile is off by at most
/// 1/64 of itself (1.6 %), rounded to the nearest bucket middle. 15 KB, whatever the number of blocks.
#[derive(Clone, Debug)]
pub(crate) struct BlockTimes {
    count: u64,
    total: Duration,
    buckets: Vec<u64>,
    /// Longest first.
    slowest: Vec<(Duration, BlockKey)>,
}

impl BlockTimes {
    /// How many of the slowest blocks are remembered.
    pub(crate) const NUM_SLOWEST: usize = 10;

    pub(crate) fn new() -> Self {
        let buckets = vec![0; bucket_of(u64::MAX) + 1];
        Self { count: 0, total: Duration::ZERO, buckets, slowest: Vec::with_capacity(11) }
    }

    #[inline]
    pub(crate) fn record(&mut self, key: BlockKey, time: Duration) {
        self.count += 1;
        // What workers say may be anything.
        self.total = self.total.saturating_add(time);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(nanos)) {
            *bucket += 1;
        }
        self.note_slow(time, key);
    }

    #[inline]
    fn note_slow(&mut self, time: Duration, key: BlockKey) {
        let is_full = self.slowest.len() == Self::NUM_SLOWEST;
        if is_full && self.slowest.last().is_some_and(|(least, _)| time <= *least) {
            return;
        }
        self.slowest.truncate(Self::NUM_SLOWEST - 1);
        let place = self.slowest.partition_point(|(other, _)| *other >= time);
        self.slowest.insert(place, (time, key));
    }

    /// Adds what another thread recorded.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.total = self.total.saturating_add(other.total);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        for &(time, key) in &other.slowest {
            self.note_slow(time, key);
        }
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) const fn total(&self) -> Duration {
        self.total
    }

    /// The slowest blocks, slowest first.
    pub(crate) fn slowest(&self) -> &[(Duration, BlockKey)] {
        &self.slowest
    }

    /// The time that `percent` of the blocks do not exceed; None without blocks.
    pub(crate) fn quantile(&self, percent: u64) -> Option<Duration> {
        // The rank, from 1, of the block wanted.
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|blocks| {
            seen += blocks;
            seen >= rank
        })?;
        Some(Duration::from_nanos(middle_of(bucket)))
    }
}

/// The bucket of a time: exact below 32, then by the highest bit and the five bits below it.
const fn bucket_of(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2() - STEP_BITS;
    (power * STEPS) as usize + (nanos >> power) as usize
}

/// The middle of the times of a bucket.
const fn middle_of(bucket: usize) -> u64 {
    let steps = STEPS as usize;
    if bucket < 2 * steps {
        return bucket as u64;
    }
    let power = bucket / steps - 1;
    let first = ((bucket - power * steps) as u64) << power;
    first + (1 << power) / 2
}

#[cfg(test)]
mod tests {
    use daisy_block::TaskId;

    use super::*;

    fn key(cell: u64) -> BlockKey {
        BlockKey::new(TaskId::new(0), cell)
    }

    #[test]
    fn whatever_workers_say_has_a_sum() {
        let mut times = BlockTimes::new();
        let key = BlockKey::new(TaskId::new(0), 0);
        (0..2).for_each(|_| times.record(key, Duration::MAX));
        let other = times.clone();
        times.merge(&other);
        assert_eq!((times.count(), times.total()), (4, Duration::MAX));
    }

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        let mut last = 0;
        for nanos in 0..100_000 {
            let bucket = bucket_of(nanos);
            assert!(bucket == last || bucket == last + 1, "{nanos}");
            last = bucket;
        }
        assert!(BlockTimes::new().buckets.len() < 2_000);
    }

    #[test]
    fn the_middle_of_a_bucket_is_within_the_documented_error() {
        for nanos in (0..64).map(|bits| 1_u64 << bits).flat_map(|n| [n, n + n / 3, n + (n - 1)]) {
            let middle = middle_of(bucket_of(nanos));
            assert!(middle.abs_diff(nanos) <= nanos / 64, "{nanos}: {middle}");
        }
    }

    #[test]
    fn quantiles_and_the_slowest_survive_merging() {
        let (mut left, mut right) = (BlockTimes::new(), BlockTimes::new());
        for cell in 1..=100 {
            let times = if cell % 2 == 0 { &mut left } else { &mut right };
            times.record(key(cell), Duration::from_micros(cell));
        }
        left.merge(&right);
        assert_eq!(left.count(), 100);
        assert_eq!(left.total(), Duration::from_micros(5_050));
        let near = |percent: u64, micros: u64| {
            let found = left.quantile(percent).unwrap().as_nanos() as u64;
            found.abs_diff(micros * 1_000) <= micros * 1_000 / 60
        };
        assert!(near(50, 50) && near(95, 95));
        let slowest: Vec<u64> = left.slowest().iter().map(|(_, key)| key.cell).collect();
        assert_eq!(slowest, (91..=100).rev().collect::<Vec<_>>());
        assert_eq!(BlockTimes::new().quantile(50), None);
    }
}
