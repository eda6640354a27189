//! What can be wrong with the content of a journal.

use core::fmt;

use daisy_block::{BlockKey, LayoutError};
use daisy_sched::LeaseId;

/// Why the bytes at some place of a file are not part of a journal.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The header does not agree with its checksum.
    Header,
    /// A frame of no bytes, of more than may be, or of more than are left.
    Length {
        /// The length that the frame claims, in bytes.
        found: u32,
    },
    /// A frame does not agree with its checksum.
    Checksum,
    /// A kind of frame, or of entry in a batch, that this version does not know.
    Kind {
        /// The byte that came.
        found: u8,
    },
    /// A payload that ends too early, or does not say what its kind has to say.
    Payload,
    /// A task whose ROIs do not make a layout.
    Layout(LayoutError),
    /// A fact that cannot be true after those before it.
    Refused(Refusal),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "the header does not agree with its checksum"),
            Self::Length { found } => write!(f, "a frame cannot have {found} bytes here"),
            Self::Checksum => write!(f, "a frame does not agree with its checksum"),
            Self::Kind { found } => write!(f, "there is no kind {found:#04x}"),
            Self::Payload => write!(f, "a payload does not say what it has to say"),
            Self::Layout(error) => write!(f, "a task has no layout: {error}"),
            Self::Refused(refusal) => write!(f, "{refusal}"),
        }
    }
}

/// Why a fact cannot be true after those before it.
///
/// Tasks have the numbers that the journal gave them.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An epoch that does not come after the last one, or has more than 24 bits.
    Epoch {
        /// The epoch that came.
        found: u32,
        /// The last one, if any.
        last: Option<u32>,
    },
    /// A run that begins in another one: only opening a journal begins one.
    HasBegun {
        /// The epoch of the run that goes on.
        epoch: u32,
    },
    /// A lease whose number belongs to another epoch.
    OtherEpoch {
        /// The lease.
        lease: LeaseId,
        /// The epoch now; none before the first start.
        epoch: Option<u32>,
    },
    /// A task that does not exist.
    UnknownTask {
        /// Its number.
        number: u32,
    },
    /// A block that does not exist.
    UnknownBlock {
        /// The block.
        key: BlockKey,
    },
    /// A lease whose number is not larger than all before it.
    LeaseUsed {
        /// The lease.
        lease: LeaseId,
        /// The first number that has not been used.
        next: LeaseId,
    },
    /// A lease that is not open: never granted, or settled already.
    LeaseNotOpen {
        /// The lease.
        lease: LeaseId,
    },
    /// A lease of another block.
    OtherBlock {
        /// The lease.
        lease: LeaseId,
        /// The block it was granted for.
        granted: BlockKey,
        /// The block that came.
        found: BlockKey,
    },
    /// A block that is done.
    Done {
        /// The block, or the first of a stretch.
        key: BlockKey,
    },
    /// A block that is lent.
    Lent {
        /// The block, or the first of a stretch.
        key: BlockKey,
    },
    /// A block that has failed for good.
    Failed {
        /// The block, or the first of a stretch.
        key: BlockKey,
    },
    /// More leases open at a time than a journal keeps.
    TooManyOpen {
        /// How many may be.
        limit: u64,
    },
    /// A task described anew although something is known of its blocks or of those downstream.
    Described {
        /// The task's name.
        name: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch { found, last: Some(last) } => {
                write!(f, "epoch {found} cannot come after epoch {last}")
            }
            Self::Epoch { found, last: None } => write!(f, "{found} cannot be an epoch"),
            Self::HasBegun { epoch } => {
                write!(
                    f,
                    "the run of epoch {epoch} goes on; open the journal anew to begin another"
                )
            }
            Self::OtherEpoch { lease, epoch: Some(epoch) } => {
                write!(f, "lease {lease} does not belong to epoch {epoch}")
            }
            Self::OtherEpoch { lease, epoch: None } => {
                write!(f, "lease {lease} comes before any epoch")
            }
            Self::UnknownTask { number } => write!(f, "there is no task {number}"),
            Self::UnknownBlock { key } => write!(f, "there is no block {key}"),
            Self::LeaseUsed { lease, next } => {
                write!(f, "lease {lease} does not come after all others: {next} is the next one")
            }
            Self::LeaseNotOpen { lease } => write!(f, "lease {lease} is not open"),
            Self::OtherBlock { lease, granted, found } => {
                write!(f, "lease {lease} is of block {granted}, not of {found}")
            }
            Self::Done { key } => write!(f, "block {key} is done already"),
            Self::Lent { key } => write!(f, "block {key} is lent already"),
            Self::Failed { key } => write!(f, "block {key} has failed for good already"),
            Self::TooManyOpen { limit } => {
                write!(f, "more than {limit} blocks are lent at a time; lend fewer to each worker")
            }
            Self::Described { name } => {
                write!(f, "task '{name}' is described anew although some of its blocks are known")
            }
        }
    }
}

impl From<Refusal> for Flaw {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
