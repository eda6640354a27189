//! The number of each message kind and the largest payload it can have.
//!
//! A limit is the sum of the longest forms of the fields, so the longest message there can be is exactly as long as
//! its limit; lists have a round number instead and are continued in another frame.

use super::{error::WireError, frame::Direction};

/// The kinds of messages.
#[allow(missing_docs, reason = "each is the message of the same name")]
pub mod kind {
    pub const HELLO: u8 = 1;
    pub const WANT: u8 = 2;
    pub const OUTCOMES: u8 = 3;
    pub const HEARTBEAT: u8 = 4;
    pub const ASK: u8 = 5;
    pub const LEAVE: u8 = 6;

    pub const WELCOME: u8 = 65;
    pub const GRANTS: u8 = 66;
    pub const ACK: u8 = 67;
    pub const RECALL: u8 = 68;
    pub const HEARTBEAT_BACK: u8 = 69;
    pub const ANSWER: u8 = 70;
    pub const DISMISS: u8 = 71;
    pub const END: u8 = 72;
    pub const REFUSED: u8 = 73;
}

/// The longest name of a task in bytes.
pub const TASK_LIMIT: usize = 1_024;
/// The longest name of a worker's host in bytes; a longer one is cut.
pub const HOST_LIMIT: usize = 255;
/// The longest text of a failure in bytes; a longer one is cut.
pub const FAILURE_LIMIT: usize = 4_096;
/// The longest text of a refusal in bytes; a longer one is cut.
pub const REFUSAL_LIMIT: usize = 1_024;
/// The longest name of a connection's other end in bytes; a longer one is cut.
pub const SEEN_AS_LIMIT: usize = 64;
/// The most axes a layout has on the wire: as many as a layout has at all.
pub const AXES_LIMIT: usize = 16;
/// The most items in one frame of grants, outcomes or recalled leases.
pub const ITEMS_LIMIT: usize = 4_096;
/// The longest payload of a frame of grants, outcomes or recalled leases.
pub const LIST_LIMIT: usize = 32_768;

const LONG: usize = 10;
const INT: usize = 5;

/// The longest payload of a `Hello`.
pub const HELLO_LIMIT: usize =
    (2 + TASK_LIMIT) + (1 + LONG) + (1 + 16) + 3 * INT + (2 + HOST_LIMIT);
/// The longest payload of a `Welcome`.
pub const WELCOME_LIMIT: usize =
    LONG + 16 + INT + 4 * LONG + INT + (1 + SEEN_AS_LIMIT) + (2 + 6 * AXES_LIMIT * LONG);
/// The longest payload of a `Refused`.
pub const REFUSED_LIMIT: usize = 1 + (2 + REFUSAL_LIMIT);

/// The longest payload of a message.
///
/// # Errors
/// [`WireError::UnknownKind`]; [`WireError::WrongDirection`].
#[inline]
pub fn payload_limit(direction: Direction, kind: u8) -> Result<usize, WireError> {
    let (goes, limit) = match kind {
        kind::HELLO => (Direction::ToServer, HELLO_LIMIT),
        kind::WANT => (Direction::ToServer, INT),
        kind::OUTCOMES => (Direction::ToServer, LIST_LIMIT),
        kind::HEARTBEAT => (Direction::ToServer, 3 * LONG),
        kind::ASK => (Direction::ToServer, LONG),
        kind::LEAVE => (Direction::ToServer, 0),
        kind::WELCOME => (Direction::ToWorker, WELCOME_LIMIT),
        kind::GRANTS | kind::RECALL => (Direction::ToWorker, LIST_LIMIT),
        kind::ACK | kind::HEARTBEAT_BACK => (Direction::ToWorker, LONG),
        kind::DISMISS => (Direction::ToWorker, 0),
        kind::ANSWER => (Direction::ToWorker, LONG + 1),
        kind::END => (Direction::ToWorker, 1),
        kind::REFUSED => (Direction::ToWorker, REFUSED_LIMIT),
        found => return Err(WireError::UnknownKind { found }),
    };
    if goes == direction { Ok(limit) } else { Err(WireError::WrongDirection { found: kind }) }
}
