//! One block, as a worker sees it.

use core::fmt;

use daisy_geometry::{Coordinate, Roi};

use crate::{BlockKey, BlockStatus, LayoutError, TaskId, cantor_number};

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

    /// A block described by hand: its id follows from where its write ROI lies in the total ROI.
    ///
    /// # Errors
    /// Where an ROI is unbounded or empty, or the numbers of axes differ.
    ///
    /// ```
    /// use daisy_block::{Block, TaskId};
    /// use daisy_geometry::Roi;
    /// let (total, read, write) = (Roi::new([0], [30])?, Roi::new([8], [10])?, Roi::new([10], [6])?);
    /// let block = Block::in_total(TaskId::new(0), &total, read, write)?;
    /// assert_eq!(block.block_id()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_total(
        task: TaskId,
        total_roi: &Roi,
        read_roi: Roi,
        write_roi: Roi,
    ) -> Result<Self, LayoutError> {
        let layout =
            crate::Layout::new(total_roi.clone(), read_roi, write_roi, crate::Fit::Overhang)?;
        let step = layout.write_shape();
        let index = Coordinate::from_fn(layout.dims(), |axis| {
            let from = layout.total_roi().begin_at(axis).unwrap_or(0);
            let to = layout.write_roi().begin_at(axis).unwrap_or(from);
            daisy_geometry::div_floor(to - from, step[axis])
        });
        let tiling = crate::Tiling::new(&layout);
        let cell = tiling.cell_at(index.as_slice()).unwrap_or(0);
        let (read_roi, write_roi) = (layout.read_roi().clone(), layout.write_roi().clone());
        Ok(Self::new(BlockKey::new(task, cell), read_roi, write_roi, index))
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
