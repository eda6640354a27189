//! The contract of the crate, on every back end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

#[cfg(feature = "postgres")]
mod cluster;
#[cfg(feature = "sqlite")]
mod funlib;
mod memory;
#[cfg(feature = "mongodb")]
mod mongo;
#[cfg(feature = "mongodb")]
mod mongo_fake;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
mod processes;
mod questions;
#[cfg(feature = "sqlite")]
mod sqlite;
