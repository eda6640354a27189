//! What a coordinator has to know about the tasks beyond their blocks.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use daisy_block::BlockKey;

use super::{LeaseId, WorkerId};

/// How a [`Coordinator`](super::Coordinator) works; the default is what most runs want.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// The upper 24 bits of all ids: one more each time a run is resumed, so that none is used again.
    pub epoch: u32,
    /// One for each task, in the order of their ids; those beyond the end have the default.
    pub tasks: Vec<TaskConfig>,
    /// How many units of each named resource there are.
    pub resources: BTreeMap<String, u64>,
    /// The wait after the first failed attempt at a block, and after the first worker that ended
    /// before it took a block; doubled each time.
    pub backoff_ms: u64,
    /// The longest such wait.
    pub max_backoff_ms: u64,
    /// After so much silence from the server a remote worker ends itself.
    pub silence_ms: u64,
    /// How often a remote worker and the server promise each other a sign of life.
    pub heartbeat_ms: u64,
    /// How long one check may take.
    pub check_timeout_ms: u64,
    /// Leases that were open when an earlier epoch of this run ended; their blocks were acquired by
    /// [`TakenUp::acquire_block`](crate::TakenUp::acquire_block). In the order of their ids. One that
    /// cannot be taken up is refused: [`Adoption`](super::Adoption) says which can.
    pub adopted: Vec<Adopted>,
    /// For how long a worker is expected after the process that was started for it ended well without having
    /// joined: it may have handed a job to a queue. Meanwhile no other is started in its place.
    pub expect_ms: u64,
    /// For how long the workers of adopted leases may stay away before their blocks are put back.
    pub reconnect_ms: u64,
    /// Sizes that choose between ways to the same result.
    pub tuning: CoordinatorTuning,
}

/// Sizes that choose between ways to the same result; the default is what is fast.
///
/// Tests set others, so that few workers take every way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoordinatorTuning {
    /// How many workers that have blocks already are looked at in one go, at least 1.
    pub busy_workers_per_turn: usize,
    /// Places for leases, workers and checks at first, as a power of two; they double where they are too few.
    pub place_bits: u32,
}

impl Default for CoordinatorTuning {
    fn default() -> Self {
        Self { busy_workers_per_turn: 4, place_bits: 6 }
    }
}

/// How often the coordinator took each of its ways: tests show with it that they took all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoordinatorPaths {
    /// Times that not all workers with blocks were looked at.
    pub busy_left_out: u64,
    /// Leases, workers and checks that were kept beside their place since a newer one had it.
    pub displaced: u64,
    /// Times that there were too few places.
    pub doubled: u64,
}

/// A lease of an earlier epoch whose worker may still be at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Adopted {
    /// Its number.
    pub lease: LeaseId,
    /// Who has the block.
    pub worker: WorkerId,
    /// The block.
    pub key: BlockKey,
    /// Its worker has other code than the run has now: it is ended when it comes back, what it hands in is not
    /// taken, and that costs no attempt.
    pub is_outdated: bool,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            epoch: 0,
            tasks: Vec::new(),
            resources: BTreeMap::new(),
            backoff_ms: 1_000,
            max_backoff_ms: 60_000,
            silence_ms: 6_000,
            heartbeat_ms: 2_000,
            check_timeout_ms: 60_000,
            adopted: Vec::new(),
            expect_ms: 600_000,
            reconnect_ms: 60_000,
            tuning: CoordinatorTuning::default(),
        }
    }
}

impl CoordinatorConfig {
    /// The wait after so many failures, at least one: doubled each time, up to the longest.
    pub(super) fn backoff_of(&self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(63);
        self.backoff_ms.saturating_mul(1 << doublings).min(self.max_backoff_ms)
    }
}

/// What a coordinator has to know about one task.
#[derive(Clone, Debug)]
pub struct TaskConfig {
    /// How many workers to start; 0 if all of them come by themselves.
    pub num_workers: u32,
    /// How long one block may take; None for as long as it likes.
    pub timeout_ms: Option<u64>,
    /// Whether [`Output::Check`](super::Output::Check) is asked before a block is run.
    pub check_before: bool,
    /// Whether [`Output::Check`](super::Output::Check) is asked after a block was run.
    pub check_after: bool,
    /// How many blocks are checked ahead of the workers, at least 1: open checks before a block is
    /// run, together with blocks found not done that wait for a worker.
    pub checks_ahead: u32,
    /// Units of named resources that each block holds from its grant until it is settled.
    pub needs: Vec<(String, u64)>,
    /// Ends the task once so many blocks failed for good.
    pub max_failed_blocks: Option<u64>,
    /// Ends the task once so many started workers in a row ended before they took a block; by
    /// default three times `num_workers`, at least 5.
    pub max_early_ends: Option<u32>,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            num_workers: 1,
            timeout_ms: None,
            check_before: false,
            check_after: false,
            checks_ahead: 64,
            needs: Vec::new(),
            max_failed_blocks: None,
            max_early_ends: None,
        }
    }
}

impl TaskConfig {
    /// How many started workers in a row may end before they took a block.
    #[must_use]
    pub fn early_end_bound(&self) -> u32 {
        self.max_early_ends.unwrap_or_else(|| self.num_workers.saturating_mul(3).max(5)).max(1)
    }
}
