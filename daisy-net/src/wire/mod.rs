//! Bytes and messages: version 1 of the protocol that `PROTOCOL.md` describes, as a pure codec.
//!
//! ```text
//! connection = preamble, record, record, ...      (preamble.rs; records belong to `channel`)
//! record     = u16 length, body                   a body is a plaintext, or encrypts one
//! plaintext  = frame, frame, ...                  never part of a frame (frame.rs)
//! frame      = kind, length, payload              the limit of the kind comes first (limits.rs)
//! payload    = one message                        (to_server.rs, to_worker.rs; lists.rs for the busy ones)
//! ```
//!
//! The owned enums [`ToServer`] and [`ToWorker`] are for everything that is not hot; grants and outcomes have readers
//! and writers beside them that allocate nothing.

mod error;
mod frame;
mod layout;
mod limits;
mod lists;
mod preamble;
mod reader;
mod to_server;
mod to_worker;
mod writer;

pub use error::WireError;
pub use frame::{Direction, Frames};
pub use layout::{LayoutFrame, RoiFrame};
pub use limits::{
    AXES_LIMIT, FAILURE_LIMIT, HELLO_LIMIT, HOST_LIMIT, ITEMS_LIMIT, LIST_LIMIT, REFUSAL_LIMIT,
    REFUSED_LIMIT, SEEN_AS_LIMIT, TASK_LIMIT, WELCOME_LIMIT, kind, payload_limit,
};
pub use lists::{
    FIRST_LIMIT, Grant, GrantsReader, GrantsWriter, OutcomeItem, OutcomesReader, OutcomesWriter,
    RecallReader, RecallWriter, Verdict,
};
pub use preamble::{MAGIC, PREAMBLE_LEN, Preamble, VERSION, status};
pub use reader::Reader;
pub use to_server::{Hello, ToServer};
pub use to_worker::{EndReason, RefusalReason, ToWorker, Welcome};
pub use writer::Writer;
