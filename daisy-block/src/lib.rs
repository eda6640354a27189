#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod axis;
mod block;
mod cantor;
mod cells;
mod chunk;
mod coverage;
mod draw;
mod error;
mod fit;
mod ids;
mod lanes;
mod layout;
mod order;
mod plan;
mod status;
mod stencil;
mod tiling;

pub use axis::{Axis, Crossing};
pub use block::Block;
pub use cantor::{block_index, cantor_number};
pub use cells::{CellBox, CellRuns};
#[doc(hidden)]
pub use chunk::shared_chunk_within;
pub use chunk::{ChunkAxis, ChunkGrid, SharedChunk, shared_chunk, shared_chunk_in_place};
pub use coverage::{Coverage, Missed};
pub use draw::{MAX_DRAWN_BLOCKS, draw};
pub use error::{Field, LayoutError};
pub use fit::Fit;
pub use ids::{BlockKey, TaskId};
pub use layout::Layout;
pub use order::Order;
pub use plan::Plan;
pub use status::BlockStatus;
pub use stencil::{Stencil, StencilAxis};
pub use tiling::Tiling;
