//! What a run learns when it opens a journal.

use daisy_block::BlockKey;
use daisy_sched::{LeaseId, WorkerId};

use crate::{Cells, Flaw, Made};

/// Where a run goes on: see [`Journal::open`](crate::Journal::open).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The epoch of this run: 0 for the first one, then one more each time. It is durable.
    pub epoch: u32,
    /// What is known of each task of this run, by its id.
    pub tasks: Vec<ResumedTask>,
    /// Leases of this run's tasks that were open when the journal was last written, by their
    /// numbers. They stay open until a record settles them.
    pub open: Vec<OpenLease>,
    /// Blocks that have failed some attempts, and are neither done nor failed for good, with the
    /// number of attempts; by task and cell.
    pub attempts: Vec<(BlockKey, u32)>,
    /// How many leases of tasks that are not in this run are open.
    pub foreign_open: u64,
    /// The torn tail that was cut off, if there was one.
    pub healed: Option<Healed>,
    /// The damage that [`Damage::UseWhatIsBefore`](crate::Damage::UseWhatIsBefore) cut off.
    pub damaged: Option<Damaged>,
}

/// What is known of the blocks of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumedTask {
    /// Blocks that are done.
    pub done: Cells,
    /// Blocks that have failed for good and have not been lent since.
    pub failed: Cells,
    /// Those of `done` that other versions of the task's code made, oldest first.
    pub earlier: Vec<Made>,
}

/// A lease that was open when its run ended: its worker may still be at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenLease {
    /// Its number.
    pub lease: LeaseId,
    /// Who has the block.
    pub worker: WorkerId,
    /// The block.
    pub key: BlockKey,
    /// Whether the worker has another version of the task's code than is run now.
    pub is_outdated: bool,
}

/// A torn tail: an append that was cut short by a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Healed {
    /// Where it began, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes it had.
    pub bytes: u64,
}

/// Damage before the end of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes there are from there on.
    pub bytes: u64,
    /// What is wrong there.
    pub flaw: Flaw,
}
