//! Sockets: the only place that names mio.
//!
//! [`Lines`] are all connections of a server behind one `poll`; [`Stream`] is the one connection of a client. Both
//! carry bytes and know nothing of what they mean. An [`Address`] names either end; [`raise_file_limit`] makes room for
//! many connections.

mod address;
mod client;
mod client_core;
mod clock;
mod file_limit;
mod line;
mod lines;
mod listener;
mod resolver;
mod socket;
mod stream;
mod unix_socket;

pub use address::Address;
pub use client::{Client, ClientOptions, Drainer, usage_of_this_process};
pub use client_core::Ended;
pub use file_limit::{FileLimit, raise_file_limit};
pub use line::{BACKLOG_LIMIT, READ_LIMIT, ReadState, SendState, Why};
pub use lines::{ACCEPT_LIMIT, LISTENERS_LIMIT, LineEvent, LineId, LineWaker, Lines, Peer};
pub use stream::{Ready, Stream};
