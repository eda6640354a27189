//! What can be wrong with bytes from a peer: one variant for each way, with the field it happened in.

use core::fmt;

/// Bytes that are no message of this protocol, or a message that does not fit into its bytes.
///
/// `at` is the field, written as `Message.field`. Nothing here is the peer's text: it is safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes do not open with `daisy`: something else is talking to this port.
    NotDaisy {
        /// The first bytes that came, zeros after the last one.
        found: [u8; 5],
    },
    /// No message has this kind.
    UnknownKind {
        /// The kind that came.
        found: u8,
    },
    /// The message exists, for the other direction.
    WrongDirection {
        /// The kind that came.
        found: u8,
    },
    /// The bytes end inside a field.
    Truncated {
        /// The field.
        at: &'static str,
        /// How many bytes it needs at least.
        expected: usize,
        /// How many are left.
        found: usize,
    },
    /// Bytes are left after the last field.
    Trailing {
        /// The message.
        at: &'static str,
        /// How many are left.
        found: usize,
    },
    /// A length or a count is over its limit.
    TooLong {
        /// The field.
        at: &'static str,
        /// The largest allowed.
        limit: u64,
        /// What came.
        found: u64,
    },
    /// A number is over what the field can hold.
    TooBig {
        /// The field.
        at: &'static str,
        /// The largest allowed.
        limit: u64,
        /// What came; `u64::MAX` when it does not even fit into 64 bits.
        found: u64,
    },
    /// A variable-length number has more bytes than it needs.
    Overlong {
        /// The field.
        at: &'static str,
    },
    /// A text is not UTF-8.
    NotUtf8 {
        /// The field.
        at: &'static str,
        /// How many bytes of it are good.
        valid: usize,
    },
    /// A code has no meaning.
    UnknownCode {
        /// The field.
        at: &'static str,
        /// The largest that has one.
        limit: u8,
        /// What came.
        found: u8,
    },
    /// A list that must hold something holds nothing.
    Empty {
        /// The field.
        at: &'static str,
    },
    /// A ROI has another number of axes than its layout.
    Axes {
        /// The field.
        at: &'static str,
        /// The axes of the layout.
        expected: usize,
        /// The axes of this field.
        found: usize,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDaisy { found } => write!(
                f,
                "the peer does not speak daisy (it begins with {:?}); check the address and the port",
                found.escape_ascii().to_string()
            ),
            Self::UnknownKind { found } => write!(
                f,
                "no message has the kind {found}; run the same version of daisy on both sides"
            ),
            Self::WrongDirection { found } => write!(
                f,
                "a message of kind {found} goes the other way; a worker has connected to a worker, or a server to a server"
            ),
            Self::Truncated { at, expected, found } => write!(
                f,
                "{at} needs {expected} more bytes and {found} are left; the peer's encoder is wrong"
            ),
            Self::Trailing { at, found } => write!(
                f,
                "{found} bytes are left after the last field of {at}; the peer's encoder is wrong"
            ),
            Self::TooLong { at, limit, found } => {
                write!(f, "{at} is {found} long and may be {limit}; make it shorter")
            }
            Self::TooBig { at, limit, found } => {
                write!(f, "{at} is {found} and may be {limit} at most; send a smaller number")
            }
            Self::Overlong { at } => write!(
                f,
                "{at} is a number written with more bytes than it needs; write it with the fewest"
            ),
            Self::NotUtf8 { at, valid } => {
                write!(f, "{at} is not UTF-8 after {valid} bytes; send UTF-8 text")
            }
            Self::UnknownCode { at, limit, found } => write!(
                f,
                "{at} is {found} and has meanings for 0 to {limit}; run the same version of daisy on both sides"
            ),
            Self::Empty { at } => write!(f, "{at} is empty; leave the message out instead"),
            Self::Axes { at, expected, found } => write!(
                f,
                "{at} has {found} axes and the layout has {expected}; give all ROIs the same number of axes"
            ),
        }
    }
}

impl core::error::Error for WireError {}
