//! One block, as a worker sees it.

use core::fmt;

use daisy_geometry::{Coordinate, Roi};

use crate::{BlockKey, BlockStatus, Fit, Layout, LayoutError, TaskId, Tiling, cantor_number};

/// One block: its name, what it reads, what it writes, and what has become of it.
///
/// ```
/// use daisy_block::{Fit, Layout, TaskId, Tiling};
/// use daisy_geometry::Roi;
///
/// let layout = Layout::new(Roi::new([0], [27])?, Roi::new([0], [10])?, Roi::new([2], [6])?, Fit::Shrink)?;
/// let block = Tiling::new(&layout).block(TaskId::new(0), 3).ok_or("no such cell")?;
/// assert_eq!(block.write_roi, Roi::new([20], [5])?);
/// assert_eq!(block.read_roi, Roi::new([18], [9])?);
/// assert_eq!(block.block_id()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block's name.
    pub key: BlockKey,
    /// The region the block reads.
    pub read_roi: Roi,
    /// The region the block writes.
    pub write_roi: Roi,
    /// What has become of the block.
    pub status: BlockStatus,
    index: Coordinate,
}

impl Block {
    pub(crate) const fn new(
        key: BlockKey,
        read_roi: Roi,
        write_roi: Roi,
        index: Coordinate,
    ) -> Self {
        Self { key, read_roi, write_roi, status: BlockStatus::Created, index }
    }

    /// The block of a task that reads and writes at these ROIs, as they are before they are cut to fit.
    ///
    /// # Errors
    /// Those of [`Layout::new`], and [`LayoutError::NotInGrid`] where the write ROI is none of those that
    /// shifting it over the total ROI gives.
    ///
    /// ```
    /// use daisy_block::{Block, BlockKey, Fit, TaskId};
    /// use daisy_geometry::Roi;
    /// let (total, read, write) = (Roi::new([0], [30])?, Roi::new([6], [10])?, Roi::new([8], [6])?);
    /// let block = Block::in_total(TaskId::new(0), &total, read, write, Fit::Valid)?;
    /// assert_eq!((block.key, block.block_id()?), (BlockKey::new(TaskId::new(0), 1), 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_total(
        task: TaskId,
        total_roi: &Roi,
        read_roi: Roi,
        write_roi: Roi,
        fit: Fit,
    ) -> Result<Self, LayoutError> {
        let layout = Layout::new(total_roi.clone(), read_roi, write_roi, fit)?;
        let (tiling, wanted) = (Tiling::new(&layout), layout.write_roi());
        let cells = tiling.cells_writing(wanted)?;
        let is_elsewhere = |&axis: &usize| {
            let (met, grid) = (cells.along(axis), &tiling.axes()[axis]);
            met.is_empty() || Some(grid.write(met.start).start) != wanted.begin_at(axis)
        };
        if let Some(axis) = (0..layout.dims()).find(is_elsewhere) {
            let begin = wanted.begin_at(axis).unwrap_or(0);
            return Err(LayoutError::NotInGrid { axis, begin });
        }
        let cell = tiling.cells_in(&cells)?.next().unwrap_or(0);
        tiling.block(task, cell).ok_or_else(|| tiling.no_such_cell(cell))
    }

    /// The task the block belongs to.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.key.task
    }

    /// The id that is unique among all blocks tiling the total ROI: a Cantor number.
    ///
    /// # Errors
    /// [`LayoutError::IdOverflow`] where it does not fit 128 bits; [`Block::key`] always names the block.
    pub fn block_id(&self) -> Result<u128, LayoutError> {
        cantor_number(self.index.as_slice())
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} reading {} writing {}", self.key, self.read_roi, self.write_roi)
    }
}
