#![doc = include_str!("../README.md")]

mod batch;
mod bytes;
mod cells;
mod description;
mod disk;
mod error;
mod flaw;
mod forget;
mod frame;
mod inspect;
mod journal;
mod memory;
mod open;
mod options;
mod origin;
mod parts;
mod replay;
mod resumed;
mod snapshot;
mod state;

pub use cells::{CellStretches, Cells};
pub use description::{TaskDescription, TaskField};
pub use disk::Disk;
pub use error::JournalError;
pub use flaw::{Flaw, Refusal};
pub use forget::{ForgetOptions, Forgotten, ForgottenTask, TaskBlocks, blocks_to_forget, forget};
pub use frame::{HEADER_BYTES, MAX_PAYLOAD_BYTES, VERSION};
pub use inspect::{Contents, Tail, TaskContents, inspect};
pub use journal::Journal;
pub use memory::{MemoryDisk, MemoryDiskError};
pub use open::MAX_OPEN_LEASES;
pub use options::{Damage, JournalOptions, JournalTuning};
pub use origin::{Made, Origin};
pub use resumed::{Damaged, Healed, OpenLease, Resumed, ResumedTask};
pub use snapshot::MAX_PART_BYTES;
