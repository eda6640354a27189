//! Blocks and the chunks that they write: the proof that none is shared, and what if one is.

use daisy_block::{ChunkGrid, Stencil, Tiling, shared_chunk};
use daisy_geometry::Coordinate;

use crate::{Array, ArrayError};

/// What becomes of blocks that share what is written as a whole: a chunk, or a shard where chunks
/// are collected in shards.
///
/// Whoever writes a part of a chunk reads it, changes it and writes it back. Two who do so at the
/// same time lose what one of them wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChunkSharing {
    /// [`Array::check_writes`] refuses tasks whose blocks may write one chunk at the same time. A
    /// single write of any ROI is not refused: whether others write too is for the task to say.
    #[default]
    Refuse,
    /// Every write locks each chunk while it is at it, so nothing is lost, in any number of threads
    /// and processes, as long as all of them lock.
    ///
    /// On local disk a lock is one of 256 files in the folder `.daisy-locks` of the array, held by
    /// `flock`; the operating system frees it when its holder dies, however that happens. The
    /// folder may be deleted while nobody writes. Over NFS, locks reach from machine to machine on
    /// Linux with version 4, or version 3 and its lock service, unless the mount says
    /// `local_lock=flock`, `local_lock=all` or `nolock`; Lustre needs the mount option `flock`. In
    /// memory a lock is a mutex.
    Lock,
    /// Nothing is checked or locked: something else keeps writers apart.
    Unchecked,
}

/// In world units; chunks collected in shards count as their shard.
impl ChunkGrid for Array {
    fn origin(&self) -> Coordinate {
        self.offset().clone()
    }

    fn chunk_shape(&self) -> Coordinate {
        self.write_unit_world().clone()
    }
}

impl Array {
    /// Proves that no two blocks of a task that may run at the same time write one chunk of this
    /// array, or one shard.
    ///
    /// `conflicts` is the task's stencil where its blocks keep out of each other's way, else
    /// `None`. Nothing is checked but the number of axes where chunks are
    /// [locked](ChunkSharing::Lock) or [unchecked](ChunkSharing::Unchecked). The cost is that of
    /// [`shared_chunk`]; no file is looked at.
    ///
    /// ```
    /// use daisy_array::{Array, ArrayError, ArraySpec, ChunkSharing, Dtype, IfExists, MemoryStore};
    /// use daisy_block::{Fit, Layout, Tiling};
    /// use daisy_geometry::Roi;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let spec = ArraySpec::new([64], Dtype::U8).chunk_shape([16]).voxel_size([4]);
    /// let array = Array::create(MemoryStore::new().at("a"), &spec, IfExists::Error)?;
    /// let block = Roi::new([0], [96])?;
    /// let layout = Layout::new(array.roi().clone(), block.clone(), block, Fit::Shrink)?;
    /// let tiling = Tiling::new(&layout);
    ///
    /// // Blocks of 24 voxels and chunks of 16.
    /// let error = array.check_writes(&tiling, None).unwrap_err();
    /// let ArrayError::SharedChunk { shared, .. } = error else { return Err(error.into()) };
    /// assert_eq!(shared.good_write_shapes, (Some(64), 128));
    /// assert!(array.with_sharing(ChunkSharing::Lock).check_writes(&tiling, None).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`SharedChunk`](ArrayError::SharedChunk), with the nearest write shapes that are right.
    /// - [`Layout`](ArrayError::Layout): blocks have another number of axes.
    pub fn check_writes(
        &self,
        tiling: &Tiling,
        conflicts: Option<&Stencil>,
    ) -> Result<(), ArrayError> {
        let path = || self.path().to_path_buf();
        let shared = shared_chunk(tiling, conflicts, self)
            .map_err(|source| ArrayError::Layout { path: path(), source })?;
        match (shared, self.sharing()) {
            (Some(shared), ChunkSharing::Refuse) => {
                Err(ArrayError::SharedChunk { path: path(), shared })
            }
            _ => Ok(()),
        }
    }
}
