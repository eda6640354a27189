#![doc = include_str!("../README.md")]

mod array;
mod attributes;
mod axes;
mod bounded;
mod convert;
mod create;
mod element;
mod error;
mod group;
mod identity;
mod io;
mod keys;
mod metadata;
#[cfg(feature = "ome")]
mod ome;
mod plan;
mod problem;
mod sharing;
mod spec;
mod store;
mod view;
mod voxels;

pub use array::{Array, OpenOptions};
pub use axes::{Axis, AxisKind};
pub use convert::Number;
pub use element::{Dtype, Element, Scalar};
pub use error::{ArrayError, Source};
pub use group::ensure_group;
pub use io::Snapped;
pub use keys::MetadataKeys;
#[cfg(feature = "ome")]
pub use ome::{Multiscale, OmeOptions, OmeProblem, OmeVersion};
pub use plan::ChunkPlan;
pub use problem::{AttributeProblem, Difference, Occupant};
pub use sharing::ChunkSharing;
#[cfg(feature = "blosc")]
pub use spec::BloscCodec;
pub use spec::{ArraySpec, Compression, IfExists, ZarrVersion};
pub use store::{ArrayId, Durability, Location, MemoryStore};
#[cfg(feature = "remote")]
pub use store::{RemoteStore, S3Options};
pub use view::View;
