//! What the user of a journal has to decide.

use crate::{MAX_PART_BYTES, MAX_PAYLOAD_BYTES, batch::MAX_RUN};

/// What to do about a journal that is damaged before its end.
///
/// A torn tail, which every crash may leave behind, is no damage: it is cut off without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Damage {
    /// Report where it is and leave the journal alone.
    #[default]
    Refuse,
    /// Cut the journal off where the damage begins and go on from there: every block whose outcome
    /// stood behind it is done again.
    UseWhatIsBefore,
}

/// How a journal is opened and kept; the default is what runs want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JournalOptions {
    /// What to do about damage before the end.
    pub damage: Damage,
    /// The journal wants to be compacted when it is larger than so many bytes, and than twice its
    /// last snapshot.
    pub compact_above_bytes: u64,
    /// Whether a task may write other arrays than those that its done blocks were written to.
    pub accept_new_arrays: bool,
    /// Sizes that choose between ways to write the same.
    pub tuning: JournalTuning,
}

/// Sizes that choose between ways to write the same; tests set smaller ones. Larger ones than the default are
/// taken for the default, which a reader relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JournalTuning {
    /// The most records of one entry.
    pub max_run: u64,
    /// About the largest payload of a frame of records.
    pub max_batch_bytes: usize,
    /// About the largest payload of a part of a snapshot.
    pub max_part_bytes: usize,
}

impl Default for JournalTuning {
    fn default() -> Self {
        Self {
            max_run: MAX_RUN,
            max_batch_bytes: MAX_PAYLOAD_BYTES,
            max_part_bytes: MAX_PART_BYTES,
        }
    }
}

impl JournalOptions {
    /// The size in bytes above which a journal wants to be compacted: replayed in a fraction of a second.
    pub const COMPACT_ABOVE_BYTES: u64 = 16 << 20;
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            damage: Damage::Refuse,
            compact_above_bytes: Self::COMPACT_ABOVE_BYTES,
            accept_new_arrays: false,
            tuning: JournalTuning::default(),
        }
    }
}
