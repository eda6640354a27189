#![doc = include_str!("../README.md")]

mod cell;
mod engine;
mod error;
mod filter;
mod graph;
mod memory;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
mod names;
#[cfg(any(feature = "postgres", feature = "mongodb"))]
mod parts;
mod position;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod schema;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
mod schema_text;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
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
#[cfg(feature = "mongodb")]
pub use mongodb::{Daisy02, Daisy02Database, Daisy02Meta, MongoStore};
pub use position::{MAX_DIMS, Position};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use query::{EdgesBy, Query};
pub use schema::{Attribute, Difference, Field, Owner, Schema};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, SqliteOptions, SqliteStore};
pub use store::{GraphStore, Open, blocks_in};
pub use value::{AttrType, Attrs, Nested, Value};
pub use write::{Begun, BlockLease, Committed, Count, Write, WriteMode, Written};
