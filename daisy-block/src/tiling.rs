//! The grid of a layout: the one owner of cell <-> block maths.

use daisy_geometry::{Coordinate, Roi};
use smallvec::SmallVec;

use crate::{
    Axis, Block, BlockKey, CellBox, CellRuns, Layout, LayoutError, TaskId, cantor_number,
    lanes::Lanes,
};

/// The grid of blocks of one [`Layout`].
///
/// Cells are numbered row-major with the longest axis of the grid slowest (ties: the first axis),
/// so that ascending numbers sweep a slab through the volume. All methods are exact, O(axes), and
/// free of allocation for up to 4 axes. What meets a grid has as many axes as the grid; anything else is an
/// error.
///
/// ```
/// use daisy_block::{Fit, Layout, Tiling};
/// use daisy_geometry::Roi;
///
/// let block = Roi::new([0, 0], [10, 10])?;
/// let layout = Layout::new(Roi::new([0, 0], [20, 30])?, block.clone(), block, Fit::Valid)?;
/// let tiling = Tiling::new(&layout);
/// assert_eq!(tiling.grid_shape().as_slice(), [2, 3]);
/// // Axis 1 is the longest, so cell 1 is the next one along axis 0.
/// assert_eq!(tiling.write_roi(1), Some(Roi::new([10, 0], [10, 10])?));
/// assert_eq!(tiling.write_roi(6), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    axes: SmallVec<[Axis; 4]>,
    strides: SmallVec<[u64; 4]>,
    /// The axes from slowest to fastest.
    sweep: SmallVec<[usize; 4]>,
    num_cells: u64,
    /// The same once more for speed, where there are few enough axes.
    lanes: Option<Lanes>,
}

impl Tiling {
    /// The grid of `layout`.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let axes: SmallVec<[Axis; 4]> = (0..layout.dims()).map(|axis| layout.axis(axis)).collect();
        let mut sweep: SmallVec<[usize; 4]> = (0..axes.len()).collect();
        let longest = (0..axes.len()).rev().max_by_key(|&axis| axes[axis].cells).unwrap_or(0);
        if let Some(first) = sweep.get_mut(..=longest) {
            first.rotate_right(1);
        }
        Self::with_axes(axes, sweep)
    }

    /// The part of the grid inside a box as a grid of its own; cells keep their ROIs and ids but are
    /// numbered anew, in the same order.
    ///
    /// ```
    /// # use daisy_block::{CellBox, Fit, Layout, Tiling};
    /// # use daisy_geometry::Roi;
    /// # let block = Roi::new([0, 0], [10, 10])?;
    /// # let layout = Layout::new(Roi::new([0, 0], [50, 50])?, block.clone(), block, Fit::Valid)?;
    /// let tiling = Tiling::new(&layout);
    /// let part = tiling.part(&CellBox::new([2..4, 1..5]))?;
    /// assert_eq!(part.num_cells(), 8);
    /// assert_eq!(part.write_roi(0), Some(Roi::new([20, 10], [10, 10])?));
    /// assert_eq!(part.block_id(0), tiling.block_id(11));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the box has another number of axes.
    pub fn part(&self, cells: &CellBox) -> Result<Self, LayoutError> {
        LayoutError::check_dims(self.dims(), cells.dims())?;
        Ok(self.part_unchecked(cells))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn part_unchecked(&self, cells: &CellBox) -> Self {
        let axes = self.axes.iter().enumerate().map(|(place, axis)| axis.part(&cells.along(place)));
        Self::with_axes(axes.collect(), self.sweep.clone())
    }

    /// The same cells, numbered row-major in the order of the axes, the last one fastest.
    #[must_use]
    pub fn row_major(&self) -> Self {
        Self::with_axes(self.axes.clone(), (0..self.dims()).collect())
    }

    fn with_axes(axes: SmallVec<[Axis; 4]>, sweep: SmallVec<[usize; 4]>) -> Self {
        let mut strides: SmallVec<[u64; 4]> = axes.iter().map(|_| 0).collect();
        // The other axes of a grid without cells may be longer than any grid with cells.
        let mut num_cells = u64::from(axes.iter().all(|axis| axis.cells > 0));
        for &axis in sweep.iter().rev() {
            strides[axis] = num_cells;
            num_cells *= axes[axis].cells.unsigned_abs();
        }
        let lanes = Lanes::new(&axes, &strides);
        Self { axes, strides, sweep, num_cells, lanes }
    }

    /// The number of axes.
    #[inline]
    #[must_use]
    pub fn dims(&self) -> usize {
        self.axes.len()
    }

    /// The number of cells, and so of blocks.
    #[must_use]
    pub const fn num_cells(&self) -> u64 {
        self.num_cells
    }

    /// The number of cells along each axis.
    #[must_use]
    pub fn grid_shape(&self) -> Coordinate {
        Coordinate::from_fn(self.dims(), |axis| self.axes[axis].cells)
    }

    /// The axes one by one, for maths that goes axis by axis.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How far apart in number neighbouring cells are, per axis; zeros where there are no cells.
    #[must_use]
    pub fn strides(&self) -> &[u64] {
        &self.strides
    }

    /// The axes from the slowest to the fastest of the numbering.
    #[must_use]
    pub fn sweep_axes(&self) -> &[usize] {
        &self.sweep
    }

    /// The grid index of `cell`.
    #[inline]
    #[must_use]
    pub fn index(&self, cell: u64) -> Option<Coordinate> {
        if cell >= self.num_cells {
            return None;
        }
        if let Some(lanes) = &self.lanes {
            return Some(lanes.index(cell));
        }
        let mut index = Coordinate::zeros(self.axes.len());
        let entries = index.as_mut_slice();
        let strides = self.strides.as_slice();
        let mut rest = cell;
        for &axis in self.sweep.as_slice() {
            let stride = strides[axis];
            let entry = if stride == 1 { rest } else { rest / stride };
            rest -= entry * stride;
            entries[axis] = entry.cast_signed();
        }
        Some(index)
    }

    /// The number of the cell at a grid index, one entry per axis; `None` outside of the grid.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the index has another number of axes.
    #[inline]
    pub fn cell_at(&self, index: &[i64]) -> Result<Option<u64>, LayoutError> {
        LayoutError::check_dims(self.dims(), index.len())?;
        Ok(self.cell_at_unchecked(index))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn cell_at_unchecked(&self, index: &[i64]) -> Option<u64> {
        let inside =
            self.axes.iter().zip(index).all(|(axis, &entry)| (0..axis.cells).contains(&entry));
        inside.then(|| {
            index
                .iter()
                .zip(&self.strides)
                .map(|(entry, stride)| entry.unsigned_abs() * stride)
                .sum()
        })
    }

    /// What the block at `cell` writes.
    #[must_use]
    pub fn write_roi(&self, cell: u64) -> Option<Roi> {
        let index = self.index(cell)?;
        self.roi(&index, Axis::write)
    }

    /// What the block at `cell` reads.
    #[must_use]
    pub fn read_roi(&self, cell: u64) -> Option<Roi> {
        let index = self.index(cell)?;
        self.roi(&index, Axis::read)
    }

    /// The block at `cell`, which belongs to `task`.
    #[inline]
    #[must_use]
    pub fn block(&self, task: TaskId, cell: u64) -> Option<Block> {
        if let Some(lanes) = self.lanes.as_ref().filter(|_| cell < self.num_cells) {
            return lanes.block(BlockKey::new(task, cell));
        }
        let mut index = self.index(cell)?;
        let read_roi = self.roi(&index, Axis::read)?;
        let write_roi = self.roi(&index, Axis::write)?;
        self.count_from_total(&mut index);
        Some(Block::new(BlockKey::new(task, cell), read_roi, write_roi, index))
    }

    /// The id of the block at `cell`: the Cantor number of its index counted from the total ROI.
    ///
    /// # Errors
    /// [`LayoutError::NoSuchCell`], and [`LayoutError::IdOverflow`] where it does not fit 128 bits.
    pub fn block_id(&self, cell: u64) -> Result<u128, LayoutError> {
        let mut index = self.index(cell).ok_or_else(|| self.no_such_cell(cell))?;
        self.count_from_total(&mut index);
        cantor_number(index.as_slice())
    }

    /// That there is no such cell.
    pub(crate) const fn no_such_cell(&self, cell: u64) -> LayoutError {
        LayoutError::NoSuchCell { cell, num_cells: self.num_cells }
    }

    /// The cells whose write ROI meets `roi`.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn cells_writing(&self, roi: &Roi) -> Result<CellBox, LayoutError> {
        LayoutError::check_dims(self.dims(), roi.dims())?;
        Ok(self.cells_writing_unchecked(roi))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn cells_writing_unchecked(&self, roi: &Roi) -> CellBox {
        self.cells_meeting(roi, Axis::written_in)
    }

    /// The cells whose read ROI meets `roi`.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn cells_reading(&self, roi: &Roi) -> Result<CellBox, LayoutError> {
        LayoutError::check_dims(self.dims(), roi.dims())?;
        Ok(self.cells_reading_unchecked(roi))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn cells_reading_unchecked(&self, roi: &Roi) -> CellBox {
        self.cells_meeting(roi, Axis::reading)
    }

    /// All cells as one box.
    #[must_use]
    pub fn all_cells(&self) -> CellBox {
        CellBox::new(self.axes.iter().map(|axis| 0..axis.cells))
    }

    /// The numbers of the cells of a box, ascending; what lies outside the grid is left out.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn cells_in(
        &self,
        cells: &CellBox,
    ) -> Result<impl Iterator<Item = u64> + use<>, LayoutError> {
        Ok(self.runs_in(cells)?.flatten())
    }

    /// The same as maximal runs along the fastest axes: O(axes) for each run.
    ///
    /// ```
    /// # use daisy_block::{CellBox, Fit, Layout, Tiling};
    /// # use daisy_geometry::Roi;
    /// # let block = Roi::new([0, 0], [10, 10])?;
    /// # let layout = Layout::new(Roi::new([0, 0], [50, 50])?, block.clone(), block, Fit::Valid)?;
    /// let tiling = Tiling::new(&layout);
    /// assert_eq!(tiling.runs_in(&CellBox::new([1..3, 2..4]))?.collect::<Vec<_>>(), [7..9, 12..14]);
    /// assert_eq!(tiling.runs_in(&CellBox::new([1..3, -9..9]))?.collect::<Vec<_>>(), [5..15]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn runs_in(&self, cells: &CellBox) -> Result<CellRuns, LayoutError> {
        LayoutError::check_dims(self.dims(), cells.dims())?;
        Ok(self.runs_in_unchecked(cells))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn runs_in_unchecked(&self, cells: &CellBox) -> CellRuns {
        self.runs_along(|axis| cells.along(axis))
    }

    /// The same for a box given as a range of indices along each axis.
    #[inline]
    pub fn runs_along(&self, range: impl Fn(usize) -> core::ops::Range<i64>) -> CellRuns {
        self.runs_along_unchecked(|axis| self.axes.as_slice()[axis].inside(&range(axis)))
    }

    /// The same for ranges that lie in the grid: with others the runs have no meaning.
    #[doc(hidden)]
    #[inline]
    pub fn runs_along_unchecked(&self, range: impl Fn(usize) -> core::ops::Range<i64>) -> CellRuns {
        let (strides, axes) = (self.strides.as_slice(), self.axes.as_slice());
        let along = |&axis: &usize| (range(axis), strides[axis], axes[axis].cells);
        CellRuns::new(self.sweep.as_slice().iter().map(along))
    }

    /// What the blocks of a box write together; `None` for an empty box.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn written_by(&self, cells: &CellBox) -> Result<Option<Roi>, LayoutError> {
        LayoutError::check_dims(self.dims(), cells.dims())?;
        Ok(self.written_by_unchecked(cells))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn written_by_unchecked(&self, cells: &CellBox) -> Option<Roi> {
        self.hull_of(cells, Axis::write)
    }

    /// The smallest ROI around what the blocks of a box read; `None` for an empty box.
    ///
    /// # Errors
    /// [`LayoutError::Geometry`] where the numbers of axes differ.
    pub fn read_by(&self, cells: &CellBox) -> Result<Option<Roi>, LayoutError> {
        LayoutError::check_dims(self.dims(), cells.dims())?;
        Ok(self.read_by_unchecked(cells))
    }

    /// See [`CellBox::contains_unchecked`].
    #[doc(hidden)]
    #[must_use]
    pub fn read_by_unchecked(&self, cells: &CellBox) -> Option<Roi> {
        self.hull_of(cells, Axis::read)
    }

    fn hull_of(
        &self,
        cells: &CellBox,
        side: fn(&Axis, i64) -> core::ops::Range<i64>,
    ) -> Option<Roi> {
        let inside = |axis: usize| self.axes[axis].inside(&cells.along(axis));
        if (0..self.dims()).any(|axis| inside(axis).is_empty()) {
            return None;
        }
        let ends = |axis: usize| {
            let range = inside(axis);
            (side(&self.axes[axis], range.start).start, side(&self.axes[axis], range.end - 1).end)
        };
        let begin = Coordinate::from_fn(self.dims(), |axis| ends(axis).0);
        let end = Coordinate::from_fn(self.dims(), |axis| ends(axis).1);
        Roi::from_begin_end(begin, end).ok()
    }

    /// The ROI made of one interval per axis.
    fn roi(
        &self,
        index: &Coordinate,
        side: impl Fn(&Axis, i64) -> core::ops::Range<i64>,
    ) -> Option<Roi> {
        let side = |axis: usize| side(&self.axes[axis], index[axis]);
        let begin = Coordinate::from_fn(self.dims(), |axis| side(axis).start);
        let end = Coordinate::from_fn(self.dims(), |axis| side(axis).end);
        Roi::from_begin_end(begin, end).ok()
    }

    fn cells_meeting(
        &self,
        roi: &Roi,
        meeting: fn(&Axis, &core::ops::Range<i64>) -> core::ops::Range<i64>,
    ) -> CellBox {
        if roi.is_empty() {
            return CellBox::empty(self.dims());
        }
        CellBox::new(self.axes.iter().enumerate().map(|(axis, grid)| {
            match (roi.begin_at(axis), roi.end_at(axis)) {
                (Some(begin), Some(end)) => meeting(grid, &(begin..end)),
                _ => 0..grid.cells,
            }
        }))
    }

    /// Turns a grid index into the one that ids are made of, counted from the total ROI's begin.
    #[inline]
    fn count_from_total(&self, index: &mut Coordinate) {
        for (entry, axis) in index.as_mut_slice().iter_mut().zip(&self.axes) {
            *entry += axis.first;
        }
    }
}
