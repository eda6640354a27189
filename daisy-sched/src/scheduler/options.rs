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
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            order: Order::Sweep,
            request: Request::LastTasks,
            count_all_orphans: true,
            max_retries: Vec::new(),
            masked: BTreeSet::new(),
        }
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
