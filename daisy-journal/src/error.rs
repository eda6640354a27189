//! Why a journal cannot be opened, written or changed.

use core::fmt;

use daisy_graph::GraphError;
use daisy_sched::{Coordinator, Record};

use crate::{Flaw, Refusal, TaskDescription, TaskField};

/// Why a journal cannot be opened, written or changed; `E` is the disk's error.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalError<E> {
    /// The disk failed.
    Disk(E),
    /// A write has failed before: what the file says is not known to be what the run did.
    Poisoned,
    /// The file is something else.
    NotAJournal,
    /// The file was written by a newer version.
    NewerVersion {
        /// Its version.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// The file is damaged before its end.
    Damaged {
        /// Where, in bytes from the start; everything before it is good.
        offset: u64,
        /// How many bytes there are from there on.
        bytes: u64,
        /// What is wrong there.
        flaw: Flaw,
    },
    /// A task of this run is not what it was.
    Changed {
        /// Its name.
        task: String,
        /// The first field that differs.
        field: TaskField,
        /// What the journal says.
        before: Box<TaskDescription>,
        /// What the run says.
        now: Box<TaskDescription>,
    },
    /// A task writes another array than its done blocks were written to.
    NewArray {
        /// The name of the task.
        task: String,
        /// The name of the array.
        array: String,
        /// The number of the done blocks.
        done: u64,
    },
    /// The journal has been opened 2^24 times.
    EpochsUsedUp,
    /// The description of a task, or how its blocks are made, does not fit into a frame.
    TooLong {
        /// The beginning of its name.
        name: String,
        /// How long it is, in bytes.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A record that cannot be true; it was not taken, and the journal goes on.
    Refused {
        /// The record.
        record: Record,
        /// Why; tasks have the numbers that the journal gave them.
        refusal: Refusal,
    },
    /// A task that the journal does not know.
    UnknownTask {
        /// The name that came.
        name: String,
        /// Those that are known, in the order of adding.
        known: Vec<String>,
    },
    /// Blocks are to be forgotten while some are lent.
    LeasesOpen {
        /// How many leases are open.
        open: u64,
    },
    /// A ROI with another number of axes than the task.
    DimsMismatch {
        /// The task's number of axes.
        expected: usize,
        /// The ROI's.
        found: usize,
    },
    /// The tasks do not make a graph.
    Graph(GraphError),
}

impl<E: fmt::Display> fmt::Display for JournalError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "the journal's disk failed: {error}"),
            Self::Poisoned => write!(
                f,
                "a write to the journal has failed before, so nothing more is written; see to the disk \
                 and run again to resume"
            ),
            Self::NotAJournal => {
                write!(f, "the file is not a journal of daisy; name another one, or a new file")
            }
            Self::NewerVersion { found, supported } => write!(
                f,
                "the journal has format version {found}, and this daisy reads up to {supported}; use \
                 the daisy that wrote it, or a newer one"
            ),
            Self::Damaged { offset: 0, flaw, .. } => write!(
                f,
                "the journal is damaged at its very start: {flaw}; restore it from a copy, or use a \
                 new journal"
            ),
            Self::Damaged { offset, bytes, flaw } => write!(
                f,
                "the journal is damaged at byte {offset}, {bytes} bytes before its end: {flaw}; \
                 restore it from a copy, or use what is before (the blocks noted behind it are then \
                 done again)"
            ),
            Self::Changed { task, field, before, now } => {
                write!(f, "task '{task}' has changed: {field} was ")?;
                before.write_field(*field, f)?;
                write!(f, " and is now ")?;
                now.write_field(*field, f)?;
                write!(
                    f,
                    "; keep the old definition, use a new journal, or forget the task and those \
                     downstream of it"
                )
            }
            Self::NewArray { task, array, done } => write!(
                f,
                "{done} blocks of task '{task}' are done, and array '{array}' is not what they were written to: it was \
                 deleted and made anew, or is another one; bring the old one back, have the blocks of '{task}' done \
                 again (journal.forget), or go on with the array as it is, which lacks what those blocks wrote \
                 (accept_new_arrays)"
            ),
            Self::EpochsUsedUp => write!(
                f,
                "the journal has been opened {} times, which is all it can; use a new journal",
                u64::from(Coordinator::MAX_EPOCH) + 1
            ),
            Self::TooLong { name, bytes, limit } => write!(
                f,
                "the description of '{name}' takes {bytes} bytes, and a journal keeps up to {limit}; \
                 shorten the names of tasks, versions and arrays"
            ),
            Self::Refused { record, refusal } => {
                write!(f, "{record:?} cannot be noted: {refusal}; this is a bug of the caller")
            }
            Self::UnknownTask { name, known } => {
                write!(f, "the journal knows no task '{name}', only {known:?}; name one of these")
            }
            Self::LeasesOpen { open } => write!(
                f,
                "{open} blocks are lent according to the journal; let the run end, or drop their \
                 leases if no worker is at work any more"
            ),
            Self::DimsMismatch { expected, found } => {
                write!(f, "the ROI has {found} axes and the task {expected}; give it as many")
            }
            Self::Graph(error) => write!(f, "{error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for JournalError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Disk(error) => Some(error),
            Self::Damaged { flaw: Flaw::Layout(error), .. } => Some(error),
            Self::Graph(error) => Some(error),
            _ => None,
        }
    }
}
