//! The arrays that a task reads and writes, as it declares them.

use daisy_array::{Array, ArrayId, ChunkSharing, Location};
use daisy_block::ChunkGrid;
use daisy_geometry::Coordinate;
use daisy_graph::Access;

use super::TaskBuilder;

/// One array of a task.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredArray {
    pub(crate) id: ArrayId,
    /// Asked for its identity by runs with a journal.
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "there are no journals in this build")
    )]
    pub(crate) location: Location,
    pub(crate) access: Access,
    /// Where the first chunk begins, and the shape of all.
    pub(crate) chunks: (Coordinate, Coordinate),
    /// Whether blocks that share chunks are refused.
    pub(crate) is_checked: bool,
}

impl DeclaredArray {
    fn new(array: &Array, access: Access) -> Self {
        Self {
            id: array.id(),
            location: array.location(),
            access,
            chunks: (ChunkGrid::origin(array), ChunkGrid::chunk_shape(array)),
            is_checked: array.sharing() == ChunkSharing::Refuse,
        }
    }
}

impl TaskBuilder {
    /// Declares that the blocks write an array, each its write ROI: the run is refused if two blocks that may run at
    /// the same time would share a chunk or shard of it, of this task or of another that declares the array too. Chunks
    /// are read and written as a whole, so that one of the two would lose what it wrote.
    ///
    /// A run with a journal remembers the array by its identity ([`Array::identity`]), and is refused when it is started
    /// again while the array is gone or was made anew: what is done would be missing in it.
    ///
    /// An array that is opened with another [`ChunkSharing`](crate::arrays::ChunkSharing) than `Refuse` is not
    /// checked.
    ///
    /// ```
    /// use daisy::{Error, Roi, Task, arrays::{Array, ArraySpec, Dtype, IfExists, MemoryStore}, run_blockwise};
    ///
    /// let spec = ArraySpec::new([64], Dtype::U8).chunk_shape([16]);
    /// let array = Array::create(MemoryStore::new().at("labels"), &spec, IfExists::Error)?;
    /// let task = |block: i64| {
    ///     let block = Roi::new([0], [block])?;
    ///     let task = Task::builder("label", array.roi().clone(), block.clone(), block);
    ///     Ok::<_, Box<dyn std::error::Error>>(task.writes(&array).process(|_| ()).build()?)
    /// };
    /// let error = run_blockwise(&[task(24)?]).unwrap_err();
    /// assert!(matches!(error, Error::SharedChunk { .. }));
    /// assert!(error.to_string().contains("use a write shape of 16 or 32"));
    /// assert!(run_blockwise(&[task(32)?])?.is_success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writes(mut self, array: &Array) -> Self {
        self.arrays.push(DeclaredArray::new(array, Access::Writes));
        self
    }

    /// Declares that the blocks read an array, each its read ROI: the run is refused if a block may read a chunk or
    /// shard while a block of another task writes it, that is unless it waits for all that do; or one of the same
    /// task, if that writes the array too.
    pub fn reads(mut self, array: &Array) -> Self {
        self.arrays.push(DeclaredArray::new(array, Access::Reads));
        self
    }
}
