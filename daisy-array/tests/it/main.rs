//! The contract of the crate, on real files.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod chunks;
mod concurrent;
mod create;
mod interop;
mod legacy;
mod oracle;
mod requests;
mod volume;
