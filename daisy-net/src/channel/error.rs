//! Why a connection cannot go on, in words a person at the other end can do something with.

use core::fmt;

use crate::wire::WireError;

/// A connection that has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelError {
    /// The peer's first bytes are no preamble.
    Preamble(WireError),
    /// The sides speak different versions.
    Version {
        /// What this side speaks.
        ours: u8,
        /// What the peer speaks.
        theirs: u8,
    },
    /// The server takes encrypted connections only, and the client came without a key.
    KeyNeeded,
    /// The client came with a key, and the server has none.
    NoKey,
    /// The client's key is not the server's.
    WrongKey,
    /// The preamble's codes have no meaning in this version.
    UnknownCode {
        /// The security that came.
        security: u8,
        /// The status that came.
        status: u8,
    },
    /// A handshake message of the wrong length.
    HandshakeLength {
        /// What it has to be.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// A handshake message that does not fit: altered on the way, or from someone without the key.
    Handshake,
    /// A record shorter than the shortest, or a first record longer than the longest.
    RecordLength {
        /// The shortest allowed.
        least: usize,
        /// The longest allowed.
        most: usize,
        /// What came.
        found: usize,
    },
    /// A record that does not decrypt: altered, repeated, left out, or out of its order.
    Record,
    /// A frame that is none.
    Frame(WireError),
    /// The cipher cannot be set up or has sealed its last record: nothing a peer does leads here.
    Cipher,
    /// The caller has ended the connection earlier, by an error from its sink.
    Ended,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preamble(error) | Self::Frame(error) => error.fmt(f),
            Self::Version { ours, theirs } => write!(
                f,
                "this side speaks version {ours} of the protocol and the peer version {theirs}; install the same daisy on both sides"
            ),
            Self::KeyNeeded => f.write_str(
                "the server takes encrypted connections only; give the worker the run's key",
            ),
            Self::NoKey => f.write_str(
                "the server takes connections in the clear only; start it with a key, or the worker without one",
            ),
            Self::WrongKey => f.write_str(
                "the worker's key is not the server's; give it the key of this very run",
            ),
            Self::UnknownCode { security, status } => write!(
                f,
                "the peer's first bytes have the codes {security} (security) and {status} (status), which mean nothing here; install the same daisy on both sides"
            ),
            Self::HandshakeLength { expected, found } => write!(
                f,
                "a handshake message has {expected} bytes and {found} were announced; connect again"
            ),
            Self::Handshake => f.write_str(
                "the handshake does not fit the key; something between the two sides alters bytes, or the peer has no key",
            ),
            Self::RecordLength { least, most, found } => write!(
                f,
                "a record has {least} to {most} bytes here and {found} were announced; connect again"
            ),
            Self::Record => f.write_str(
                "a record does not decrypt; something between the two sides alters or repeats bytes",
            ),
            Self::Cipher => f.write_str("the cipher cannot go on; connect again"),
            Self::Ended => f.write_str("the connection was ended earlier; connect again"),
        }
    }
}

impl core::error::Error for ChannelError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Preamble(error) | Self::Frame(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WireError> for ChannelError {
    fn from(error: WireError) -> Self {
        Self::Frame(error)
    }
}
