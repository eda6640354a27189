//! The other end: what a worker process uses.

mod client;
mod context;
pub mod worker;

pub(crate) use self::{
    client::randomness,
    context::{hex, unhex},
};
pub use self::{
    client::{BlockGuard, Client, ClientError},
    context::{Context, ContextError},
};
