//! Messages, channels and sockets, each against hostile peers; and whole conversations.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod channel;
mod conversations;
mod desk;
#[cfg(all(feature = "driver", unix))]
mod driver;
mod driver_ends;
mod wire;
mod wire_doc;
mod wire_golden;
mod wire_samples;
