//! A look at a journal that changes nothing.

use crate::{
    Cells, Damaged, Disk, Healed, JournalError, Made, OpenLease, Origin, TaskDescription,
    replay::replay,
};

/// Everything a journal says.
///
/// Tasks have the numbers that the journal gave them; they are the places in `tasks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The epoch of the last run; none where no run has begun.
    pub epoch: Option<u32>,
    /// The tasks of all runs, in the order of adding.
    pub tasks: Vec<TaskContents>,
    /// The open leases, by their numbers.
    pub open: Vec<OpenLease>,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The length of its last snapshot in bytes; 0 if there is none.
    pub snapshot_bytes: u64,
    /// How the file ends.
    pub tail: Tail,
}

/// Everything a journal says about one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskContents {
    /// What makes it the same task in the next run.
    pub description: TaskDescription,
    /// How many blocks it has.
    pub num_blocks: u64,
    /// Blocks that are done.
    pub done: Cells,
    /// Blocks that have failed for good and have not been lent since.
    pub failed: Cells,
    /// How its blocks were made in the last run.
    pub origin: Origin,
    /// Those of `done` that other versions of its code made, oldest first.
    pub earlier: Vec<Made>,
    /// How many blocks are lent.
    pub num_open: u64,
    /// Failed attempts of blocks that are neither done nor failed for good, by cell.
    pub attempts: Vec<(u64, u32)>,
}

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Right behind a frame.
    Clean,
    /// With an append that was cut short; opening the journal cuts it off.
    Torn(Healed),
    /// With something that is not part of a journal; what is said is what stands before it.
    Damaged(Damaged),
}

/// Reads a journal without changing it; a run may be going on. A file in the making says nothing.
///
/// # Errors
/// [`JournalError::NotAJournal`], [`JournalError::NewerVersion`], [`JournalError::Damaged`] for
/// the header only, [`JournalError::Disk`].
///
/// ```
/// use daisy_journal::{MemoryDisk, Tail, inspect};
/// let contents = inspect(&mut MemoryDisk::new())?;
/// assert_eq!((contents.epoch, contents.tail), (None, Tail::Clean));
/// assert!(inspect(&mut MemoryDisk::from(b"PNG".to_vec())).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspect<D: Disk>(disk: &mut D) -> Result<Contents, JournalError<D::Error>> {
    let replayed = replay(disk)?;
    let state = replayed.state;
    let (offset, bytes) = (replayed.end, replayed.len - replayed.end);
    let open = state.open().iter().map(|(lease, lent)| OpenLease {
        lease,
        worker: lent.worker,
        key: lent.key,
        is_outdated: state.is_outdated(lease, lent.key.task),
    });
    let tasks = state.tasks().iter().map(|task| TaskContents {
        description: task.description.clone(),
        num_blocks: task.num_cells(),
        done: task.done.clone(),
        failed: task.failed.clone(),
        origin: task.origin.now().clone(),
        earlier: task.origin.earlier().to_vec(),
        num_open: task.num_lent(),
        attempts: task.attempts.iter().map(|(&cell, &attempts)| (cell, attempts)).collect(),
    });
    Ok(Contents {
        epoch: state.epoch(),
        tasks: tasks.collect(),
        open: open.collect(),
        bytes: replayed.len,
        snapshot_bytes: replayed.snapshot,
        tail: match replayed.flaw {
            Some(flaw) => Tail::Damaged(Damaged { offset, bytes, flaw }),
            None if bytes > 0 => Tail::Torn(Healed { offset, bytes }),
            None => Tail::Clean,
        },
    })
}
