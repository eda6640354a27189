//! The open leases, as runs: workers are given stretches of blocks, so that a run of leases is mostly
//! a run of cells.

use core::ops::Range;
use std::collections::BTreeMap;

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{LeaseId, WorkerId};

use crate::{Refusal, batch::number_of};

/// The most leases that may be open at a time, so that a small file cannot fill the memory.
pub const MAX_OPEN_LEASES: u64 = 1 << 20;

/// What a lease is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lent {
    pub(crate) worker: WorkerId,
    pub(crate) key: BlockKey,
}

/// All open leases, by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenLeases {
    /// By the first lease that a run ever had; runs do not overlap, and none is empty.
    runs: BTreeMap<u64, Run>,
    len: u64,
    /// One more than the largest lease ever: no number is used twice.
    next: u64,
}

/// Leases that are open, of one worker, and of consecutive cells.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: u64,
    end: u64,
    worker: WorkerId,
    task: u32,
    /// What a lease's number and its cell differ by, wrapping.
    shift: u64,
}

impl Run {
    const fn key(&self, lease: u64) -> BlockKey {
        BlockKey::new(TaskId::new(self.task), lease.wrapping_add(self.shift))
    }
}

impl OpenLeases {
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Whether these leases may be opened.
    #[inline]
    pub(crate) const fn check(&self, leases: &Range<u64>) -> Result<(), Refusal> {
        if leases.start < self.next {
            return Err(Refusal::LeaseUsed {
                lease: LeaseId(leases.start),
                next: LeaseId(self.next),
            });
        }
        if self.len + (leases.end - leases.start) > MAX_OPEN_LEASES {
            return Err(Refusal::TooManyOpen { limit: MAX_OPEN_LEASES });
        }
        Ok(())
    }

    /// Opens leases that [`check`](Self::check) has allowed, of `first` and the cells that follow.
    #[inline]
    pub(crate) fn open(&mut self, leases: Range<u64>, first: Lent) {
        let shift = first.key.cell.wrapping_sub(leases.start);
        let (task, worker) = (number_of(first.key.task), first.worker);
        self.len += leases.end - leases.start;
        self.next = leases.end;
        if let Some(mut last) = self.runs.last_entry() {
            let last = last.get_mut();
            if (last.end, last.worker, last.task, last.shift) == (leases.start, worker, task, shift)
            {
                last.end = leases.end;
                return;
            }
        }
        let Range { start, end } = leases;
        self.runs.insert(start, Run { start, end, worker, task, shift });
    }

    /// Closes the first of `leases` and those behind it that are of the cells behind its own: their
    /// cells. The first one must be of block `expected`, if that is given.
    #[inline]
    pub(crate) fn close(
        &mut self,
        leases: Range<u64>,
        expected: Option<BlockKey>,
    ) -> Result<(TaskId, Range<u64>), Refusal> {
        let lease = LeaseId(leases.start);
        let at_or_below = self.runs.range_mut(..=leases.start).next_back();
        let Some((&place, run)) =
            at_or_below.filter(|(_, run)| run.start <= lease.0 && lease.0 < run.end)
        else {
            return Err(Refusal::LeaseNotOpen { lease });
        };
        let key = run.key(lease.0);
        if let Some(found) = expected.filter(|&expected| expected != key) {
            return Err(Refusal::OtherBlock { lease, granted: key, found });
        }
        let before = *run;
        let end = leases.end.min(before.end);
        let count = end - leases.start;
        self.len -= count;
        if before.start == leases.start {
            run.start = end;
            if end == before.end {
                self.runs.remove(&place);
            }
        } else {
            run.end = leases.start;
            if end < before.end {
                self.runs.insert(end, Run { start: end, ..before });
            }
        }
        // Cells of open leases are cells of a task: the sum is within 64 bits.
        Ok((key.task, key.cell..key.cell + count))
    }

    /// All open leases by their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LeaseId, Lent)> + '_ {
        self.runs.values().flat_map(|run| {
            (run.start..run.end)
                .map(|lease| (LeaseId(lease), Lent { worker: run.worker, key: run.key(lease) }))
        })
    }
}
