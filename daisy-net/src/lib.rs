#![doc = include_str!("../README.md")]

pub mod channel;
#[cfg(all(feature = "driver", unix))]
pub mod driver;
mod error;
pub mod session;
pub mod switchboard;
pub mod wire;

pub use error::NetError;
