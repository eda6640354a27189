//! An array as a grid of chunks, for the proof that no two blocks write one chunk at the same time.

use daisy_block::ChunkGrid;
use daisy_geometry::Coordinate;

use crate::Array;

/// In world units; chunks collected in shards count as their shard.
impl ChunkGrid for Array {
    fn origin(&self) -> Coordinate {
        self.offset().clone()
    }

    fn chunk_shape(&self) -> Coordinate {
        self.chunk_shape_world().clone()
    }
}
