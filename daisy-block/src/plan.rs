//! What a layout will cost, before anything runs.

use core::fmt;

use crate::{Layout, Stencil, Tiling};

/// The size of a task: blocks, levels, parallelism, read amplification. Made in O(axes).
///
/// ```
/// use daisy_block::{Fit, Layout, Plan};
/// use daisy_geometry::Roi;
///
/// let layout = Layout::new(Roi::new([0], [104])?, Roi::new([0], [14])?, Roi::new([2], [10])?, Fit::Valid)?;
/// let plan = Plan::of(&layout, true);
/// assert_eq!((plan.num_blocks, plan.num_levels, plan.max_parallelism), (10, 2, 5));
/// assert_eq!(plan.read_amplification(), Some(1.4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The number of blocks.
    pub num_blocks: u64,
    /// The number of levels; 1 where blocks do not conflict.
    pub num_levels: u64,
    /// How many blocks of one level there are at most: as many may run at the same time.
    pub max_parallelism: u64,
    /// Voxels (in the units of the ROIs) that all blocks read together; saturating.
    pub voxels_read: u128,
    /// Voxels that all blocks write together; saturating.
    pub voxels_written: u128,
}

impl Plan {
    /// The plan of a layout; `read_write_conflict` as for its task.
    #[must_use]
    pub fn of(layout: &Layout, read_write_conflict: bool) -> Self {
        let tiling = Tiling::new(layout);
        let stencil = read_write_conflict.then(|| Stencil::new(&tiling));
        let per_level = |stencil: &Stencil| {
            // Residue 0 occurs most often along every axis.
            tiling.axes().iter().zip(stencil.axes()).fold(1, |product: u64, (grid, axis)| {
                let most = daisy_geometry::div_ceil(grid.num_cells(), axis.period);
                product.saturating_mul(most.unsigned_abs())
            })
        };
        let mut voxels_read = 1_u128;
        let mut voxels_written = 1_u128;
        for grid in tiling.axes() {
            // All cells but the last are alike.
            let last = grid.num_cells() - 1;
            let sum = |side: fn(&crate::Axis, i64) -> core::ops::Range<i64>| match last {
                ..0 => 0,
                _ => {
                    length(&side(grid, 0)) * u128::from(last.unsigned_abs())
                        + length(&side(grid, last))
                }
            };
            voxels_read = voxels_read.saturating_mul(sum(crate::Axis::read));
            voxels_written = voxels_written.saturating_mul(sum(crate::Axis::write));
        }
        Self {
            num_blocks: tiling.num_cells(),
            num_levels: stencil.as_ref().map_or(1, Stencil::num_levels),
            max_parallelism: stencil.as_ref().map_or(tiling.num_cells(), per_level),
            voxels_read,
            voxels_written,
        }
    }

    /// Voxels read for each voxel written; `None` where nothing is written.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn read_amplification(&self) -> Option<f64> {
        (self.voxels_written > 0).then(|| self.voxels_read as f64 / self.voxels_written as f64)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { num_blocks, num_levels, max_parallelism, .. } = self;
        write!(
            f,
            "{num_blocks} blocks in {num_levels} levels, at most {max_parallelism} at a time"
        )?;
        match self.read_amplification() {
            Some(ratio) => write!(f, ", {ratio:.2} voxels read for each one written"),
            None => Ok(()),
        }
    }
}

fn length(range: &core::ops::Range<i64>) -> u128 {
    range.end.abs_diff(range.start).into()
}
