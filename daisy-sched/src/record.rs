//! What must be remembered of a run so that it can be taken up again after any crash.

use daisy_block::BlockKey;

use crate::{LeaseId, Output, Settlement, WorkerId};

/// One durable fact.
///
/// A journal is a sequence of these in the order in which they came about, and always a prefix of
/// history: losing its tail only means that blocks are done again. Skipped blocks leave no record;
/// they are looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// A run, or the rest of one, begins. All ids of its leases and workers have this epoch in their
    /// upper 24 bits, and it is larger than all before it.
    Start {
        /// The epoch.
        epoch: u32,
    },
    /// A block was lent. Written before the worker is told.
    Grant {
        /// The lease.
        lease: LeaseId,
        /// Who has the block.
        worker: WorkerId,
        /// The block.
        key: BlockKey,
    },
    /// A lease ended with a completed block. Written before the worker's outcome is acknowledged.
    Done {
        /// The lease.
        lease: LeaseId,
        /// The block.
        key: BlockKey,
    },
    /// A lease ended with a failed attempt; the block will be tried again.
    Attempt {
        /// The lease.
        lease: LeaseId,
        /// The block.
        key: BlockKey,
        /// Failed attempts so far.
        attempts: u32,
    },
    /// A lease ended with a block that has failed for good.
    Failed {
        /// The lease.
        lease: LeaseId,
        /// The block.
        key: BlockKey,
        /// Failed attempts.
        attempts: u32,
    },
    /// A lease ended without an attempt at the block.
    PutBack {
        /// The lease.
        lease: LeaseId,
        /// The block.
        key: BlockKey,
    },
}

impl Record {
    /// What of an output must be remembered, if anything.
    #[must_use]
    #[inline]
    pub const fn of(output: &Output) -> Option<Self> {
        match *output {
            Output::Grant(ref lease) => {
                Some(Self::Grant { lease: lease.id, worker: lease.worker, key: lease.key })
            }
            Output::Settled { lease, key, ref result, .. } => Some(match *result {
                Settlement::Completed => Self::Done { lease, key },
                Settlement::Retry { attempts, .. } => Self::Attempt { lease, key, attempts },
                Settlement::Failed { attempts, .. } => Self::Failed { lease, key, attempts },
                Settlement::PutBack(_) => Self::PutBack { lease, key },
            }),
            _ => None,
        }
    }
}
