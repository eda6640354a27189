#![doc = include_str!("../README.md")]
#![allow(dead_code, reason = "what the back ends that follow use")]

mod cell;
mod engine;
mod error;
mod filter;
mod graph;
mod memory;
mod position;
mod query;
mod schema;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod value;
mod write;

pub use cell::CellGrid;
pub use error::{GraphError, Source};
pub use filter::{Compare, Filter};
pub use graph::{Edge, Node, NodeId, SubGraph, Vertex};
pub use memory::{MemoryDatabase, MemoryStore};
pub use position::{MAX_DIMS, Position};
pub use query::{EdgesBy, Query};
pub use schema::{Attribute, Difference, Field, Owner, Schema};
pub use store::{GraphStore, Open, blocks_in};
pub use value::{AttrType, Attrs, Value};
pub use write::{Begun, BlockLease, Committed, Count, Write, WriteMode, Written};
