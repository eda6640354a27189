//! What can go wrong between a server and its workers: the one error of this crate.

use std::{fmt, io};

use crate::{channel::ChannelError, wire::WireError};

/// Why something on the network did not work.
#[derive(Debug)]
#[non_exhaustive]
pub enum NetError {
    /// A message is against the protocol.
    Wire(WireError),
    /// A connection cannot go on.
    Channel(ChannelError),
    /// A text is no address.
    Address {
        /// The text.
        found: String,
    },
    /// The server cannot listen at an address.
    Bind {
        /// The address.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// Nobody listens at an address: the machine answers and refuses.
    Refused {
        /// The address.
        address: String,
    },
    /// An address cannot be reached, or does not answer in time.
    Unreachable {
        /// The address.
        address: String,
        /// What the system said about the last try.
        error: io::Error,
    },
    /// The process may not open as many files as there are connections to come.
    FileLimit {
        /// How many it needs.
        wanted: u64,
        /// How many it may be given.
        hard: u64,
    },
    /// The system refuses something else.
    System {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::Channel(error) => error.fmt(f),
            Self::Address { found } => write!(
                f,
                "{found:?} is no address; write `host:port`, `127.0.0.1:0`, `[::1]:0` or `unix:/path`"
            ),
            Self::Bind { address, error } => write!(
                f,
                "cannot listen at {address}: {error}; choose another address, or port 0 for any free one"
            ),
            Self::Refused { address } => {
                write!(f, "nobody listens at {address}; is the server still running?")
            }
            Self::Unreachable { address, error } => write!(
                f,
                "cannot reach {address}: {error}; check the host's name, the route and the firewall"
            ),
            Self::FileLimit { wanted, hard } => write!(
                f,
                "{wanted} open files are needed and {hard} allowed; raise the hard limit (`ulimit -Hn`), or use fewer workers"
            ),
            Self::System { doing, error } => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for NetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wire(error) => Some(error),
            Self::Channel(error) => Some(error),
            Self::Bind { error, .. }
            | Self::Unreachable { error, .. }
            | Self::System { error, .. } => Some(error),
            Self::Address { .. } | Self::Refused { .. } | Self::FileLimit { .. } => None,
        }
    }
}

impl From<WireError> for NetError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<ChannelError> for NetError {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}
