//! How a scheduler works, and what it says.

use alloc::{collections::BTreeSet, vec::Vec};

use daisy_block::{CellBox, Order, TaskId};
use daisy_geometry::Roi;

use super::Request;

/// How a [`Scheduler`](super::Scheduler) works; the default is what most runs want.
#[derive(Clone, Debug)]
pub struct SchedulerOptions {
    /// The hand-out order among blocks that may run.
    pub order: Order,
    /// Which blocks are wanted.
    pub request: Request,
    /// Whether blocks that can never run are found and counted as orphaned. Else they stay pending,
    /// which saves the walk over everything downstream of a failed block.
    pub count_all_orphans: bool,
    /// How often a block of each task may be tried again after its first failure; tasks beyond the
    /// end of the list have the default of 2.
    pub max_retries: Vec<u32>,
    /// The tasks of which blocks may be masked: [`Scheduler::question`](super::Scheduler::question) asks.
    pub masked: BTreeSet<TaskId>,
    /// Sizes that choose between ways to the same result.
    pub tuning: Tuning,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            order: Order::Sweep,
            request: Request::LastTasks,
            count_all_orphans: true,
            max_retries: Vec::new(),
            masked: BTreeSet::new(),
            tuning: Tuning::default(),
        }
    }
}

/// Sizes that choose between ways to the same result; the default is what is fast.
///
/// Tests set others, so that small grids take every way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Cells of a page as a power of two, 6 to 12.
    pub page_bits: u32,
    /// Pages of one entry of their directory as a power of two, at most 16.
    pub chunk_bits: u32,
    /// Boxes of masked blocks up to this size are skipped block by block.
    pub max_skipped_singly: u64,
    /// Conflicts are counted block by block if the stencil has at most this many offsets.
    pub max_counted: u64,
    /// Upstream blocks are counted one by one if each has at most this many readers, and they read at most as many.
    pub max_counted_readers: u64,
    /// Rows of cells that are looked at in one call of a [`Coordinator`](crate::Coordinator)'s scheduler.
    pub max_steps: u64,
    /// Rows of cells that are looked at when a block is finished; the rest is looked at when one is asked for.
    pub max_steps_at_once: u64,
    /// While so many blocks of a task are ready, a coordinator's scheduler looks for no more ahead of need.
    pub max_found_ahead: u64,
    /// Runs of cells beside those not requested are listed up to this length; longer ones are searched.
    pub max_listed: u64,
    /// Pages without use whose memory is kept for the next one.
    pub max_free_pages: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            page_bits: 12,
            chunk_bits: 12,
            max_skipped_singly: 512,
            max_counted: 343,
            max_counted_readers: 1024,
            max_steps: 16_384,
            max_steps_at_once: 16_384,
            max_found_ahead: 65_536,
            max_listed: 16_384,
            max_free_pages: 64,
        }
    }
}

/// How often the scheduler took each of its ways: tests show with it that they took all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paths {
    /// Pages that were opened beside closed blocks.
    pub opened_beside_closed: u64,
    /// Pages all of whose cells were closed.
    pub closed_unopened: u64,
    /// Runs of closed cells taken off the counters of a row because of conflicts.
    pub subtracted_conflicts: u64,
    /// Rows with closed upstream blocks.
    pub subtracted_inputs: u64,
    /// Runs of waiting cells that took more than the quick way: a page was absent, or the run long.
    pub pushed_later: u64,
    /// Cells of which was found out whether they wait for a block that is not counted.
    pub decided: u64,
    /// Cells that began to watch a block.
    pub watching: u64,
    /// Masked boxes that were skipped block by block.
    pub skipped_singly: u64,
    /// Masked boxes that were closed as a whole.
    pub skipped_as_box: u64,
    /// Cells that were counted anew beside such a box.
    pub recounted: u64,
    /// Pages passed unopened since none of their cells can wait for nothing.
    pub passed: u64,
    /// Pages passed that were looked at again, since a box beside them was closed.
    pub scanned_again: u64,
    /// Blocks that were acquired by name.
    pub named: u64,
    /// Runs of blocks that were orphaned.
    pub orphaned: u64,
    /// Times that work was left for the next call.
    pub interrupted: u64,
    /// Times that cells were left to be decided when a block is asked for.
    pub put_off: u64,
    /// Times that cells were left to be decided since enough blocks are ready.
    pub well_fed: u64,
    /// Pages opened whose cells may wait for more than 255 blocks each.
    pub long_waits: u64,
    /// Pages closed whose memory was given back.
    pub shed: u64,
}

impl Paths {
    /// Each way with its name.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 19] {
        [
            ("opened_beside_closed", self.opened_beside_closed),
            ("closed_unopened", self.closed_unopened),
            ("subtracted_conflicts", self.subtracted_conflicts),
            ("subtracted_inputs", self.subtracted_inputs),
            ("pushed_later", self.pushed_later),
            ("decided", self.decided),
            ("watching", self.watching),
            ("skipped_singly", self.skipped_singly),
            ("skipped_as_box", self.skipped_as_box),
            ("recounted", self.recounted),
            ("passed", self.passed),
            ("scanned_again", self.scanned_again),
            ("named", self.named),
            ("orphaned", self.orphaned),
            ("interrupted", self.interrupted),
            ("put_off", self.put_off),
            ("well_fed", self.well_fed),
            ("long_waits", self.long_waits),
            ("shed", self.shed),
        ]
    }
}

/// What has become of a block that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It will be tried again after so many failed attempts.
    Retry {
        /// Failed attempts so far.
        attempts: u32,
    },
    /// It has failed for good after so many attempts.
    Final {
        /// Failed attempts.
        attempts: u32,
    },
}

/// A box of blocks of which somebody must say what is masked before one of them can be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The task.
    pub task: TaskId,
    /// The box, in grid indices of the task.
    pub cells: CellBox,
    /// What the blocks of the box write together.
    pub roi: Roi,
}
