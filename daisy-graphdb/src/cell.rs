//! The spatial index: one `i64` for each cell of a grid.
//!
//! ```text
//!   key = 0 | axis 0 | axis 1 | ... | last axis       63 / dims bits each
//! ```
//!
//! The index of a cell along an axis is biased by half its range and cut off at its ends, so that
//! keys are ordered as cells in row-major order and every position has one: beyond the range, the
//! cells at the border hold everything. Keys say where to look. Whoever looks compares positions,
//! along those axes where a cell may reach beyond what is looked for.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use daisy_geometry::{Coordinate, Roi, checked_div_floor};

use crate::Position;
use crate::position::MAX_DIMS;

/// A grid of cells and their keys.
///
/// ```
/// use daisy_geometry::{Coordinate, Roi};
/// use daisy_graphdb::{CellGrid, Position};
///
/// let grid = CellGrid::new(Coordinate::new([0, 0]), Coordinate::new([10, 10]));
/// let key = grid.key(&Position::new([-0.5, 9.5])?);
/// assert_eq!(key, grid.key(&Position::new([-10.0, 0.0])?));
///
/// let roi = Roi::new([-10, 0], [10, 10])?; // exactly one cell
/// assert_eq!(grid.cells(&roi, 100), Some(vec![key]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellGrid {
    origin: Coordinate,
    size: Coordinate,
}

/// A range of keys, and along which axes the positions in its cells need not be compared: the
/// cells lie inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) keys: RangeInclusive<i64>,
    pub(crate) is_inside: [bool; MAX_DIMS],
}

/// The first and the last cell along each axis, biased.
type CellBox = [(i64, i64); MAX_DIMS];

impl CellGrid {
    /// The grid of cells of a size; one of them begins at `origin`. Sizes below 1 count as 1, axes
    /// beyond the sixth as absent.
    #[must_use]
    pub fn new(origin: Coordinate, size: Coordinate) -> Self {
        Self { origin, size }
    }

    /// Where one of the cells begins.
    #[must_use]
    pub fn origin(&self) -> &Coordinate {
        &self.origin
    }

    /// The size of a cell.
    #[must_use]
    pub fn size(&self) -> &Coordinate {
        &self.size
    }

    /// The key of the cell in which a position lies.
    #[must_use]
    pub fn key(&self, position: &Position) -> i64 {
        let axes = position.axes().iter().enumerate();
        axes.fold(0, |key, (axis, p)| {
            // Grid lines are whole numbers: the cell of `p` is that of its floor. Saturates.
            #[expect(clippy::cast_possible_truncation, reason = "floored, and saturates")]
            let floor = p.floor() as i64;
            (key << self.bits()) | self.index(axis, floor)
        })
    }

    /// The keys of all cells that meet a ROI, ascending; `None` if there are more than `most`.
    /// Costs O(cells).
    #[must_use]
    pub fn cells(&self, roi: &Roi, most: usize) -> Option<Vec<i64>> {
        let Some(cells) = self.cell_box(roi) else { return Some(Vec::new()) };
        if self.count(&cells, self.dims()) > most as u128 {
            return None;
        }
        Some(self.prefixes(&cells, self.dims()))
    }

    /// At most `most` ranges of keys, ascending, that hold the keys of all cells that meet a ROI,
    /// and others where the exact ranges are more than `most`. Costs O(ranges).
    #[must_use]
    pub fn ranges(&self, roi: &Roi, most: usize) -> Vec<RangeInclusive<i64>> {
        self.stretches(roi, most).into_iter().map(|stretch| stretch.keys).collect()
    }

    /// [`ranges`](Self::ranges), and what need not be compared in each.
    pub(crate) fn stretches(&self, roi: &Roi, most: usize) -> Vec<Stretch> {
        let Some(cells) = self.cell_box(roi) else { return Vec::new() };
        // Each cell of the first `split` axes has one range along the axis behind them; axes
        // behind that which are not covered in full make the range longer than need be.
        let is_full = |axis: usize| cells.get(axis) == Some(&(0, self.last_index()));
        let full = (0..self.dims()).rev().take_while(|axis| is_full(*axis)).count();
        let mut split = (self.dims() - full).saturating_sub(1);
        while self.count(&cells, split) > most as u128 && split > 0 {
            split -= 1;
        }
        let behind = |first: bool| {
            let rest = cells.iter().take(self.dims()).skip(split);
            rest.fold(0, |key, (low, high)| (key << self.bits()) | if first { *low } else { *high })
        };
        let (first, last) = (behind(true), behind(false));
        let shift = self.bits() * u32::try_from(self.dims() - split).unwrap_or(0);
        let stretch = |prefix: i64| {
            let place = prefix.checked_shl(shift).unwrap_or(0);
            let is_inside = std::array::from_fn(|axis| {
                let behind = u32::try_from(split.saturating_sub(axis + 1)).unwrap_or(0);
                let index = (prefix >> (self.bits() * behind)) & self.last_index();
                let (first, last) = cells.get(axis).copied().unwrap_or_default();
                match axis.cmp(&split) {
                    Ordering::Less => self.is_inside(roi, axis, (index, index)),
                    Ordering::Equal => self.is_inside(roi, axis, (first, last)),
                    Ordering::Greater => is_unbounded(roi, axis),
                }
            });
            Stretch { keys: place | first..=place | last, is_inside }
        };
        self.prefixes(&cells, split).into_iter().map(stretch).collect()
    }

    /// Whether all positions in some cells along an axis are inside a ROI along that.
    fn is_inside(&self, roi: &Roi, axis: usize, (first, last): (i64, i64)) -> bool {
        if is_unbounded(roi, axis) {
            return true;
        }
        // The cells at the border hold everything beyond.
        let is_border = first == 0 || last == self.last_index();
        let size = i128::from(self.size.get(axis).unwrap_or(1).max(1));
        let line = |index: i64| {
            let cell = i128::from(index) - (1_i128 << (self.bits() - 1));
            i128::from(self.origin.get(axis).unwrap_or(0)) + cell * size
        };
        let begins = roi.begin_at(axis).is_none_or(|begin| i128::from(begin) <= line(first));
        let ends = roi.end_at(axis).is_none_or(|end| line(last) + size <= i128::from(end));
        !is_border && begins && ends
    }

    fn dims(&self) -> usize {
        self.size.dims().clamp(1, MAX_DIMS)
    }

    /// Bits of an axis.
    fn bits(&self) -> u32 {
        63 / u32::try_from(self.dims()).unwrap_or(1)
    }

    fn last_index(&self) -> i64 {
        (1_i64 << self.bits()).wrapping_sub(1) & i64::MAX
    }

    /// The biased index of the cell of a whole number along one axis.
    fn index(&self, axis: usize, floor: i64) -> i64 {
        let size = i128::from(self.size.get(axis).unwrap_or(1).max(1));
        let offset = i128::from(floor) - i128::from(self.origin.get(axis).unwrap_or(0));
        let cell = checked_div_floor(offset, size).unwrap_or(0) + (1_i128 << (self.bits() - 1));
        i64::try_from(cell.clamp(0, i128::from(self.last_index()))).unwrap_or(0)
    }

    /// The cells that meet a ROI; none if it is empty.
    fn cell_box(&self, roi: &Roi) -> Option<CellBox> {
        if roi.is_empty() {
            return None;
        }
        let mut cells = [(0, 0); MAX_DIMS];
        for (axis, cell) in cells.iter_mut().enumerate().take(self.dims()) {
            let first = roi.begin_at(axis).map_or(0, |begin| self.index(axis, begin));
            let last = roi.end_at(axis).map_or(self.last_index(), |end| self.index(axis, end - 1));
            *cell = (first, last);
        }
        Some(cells)
    }

    /// The number of cells along the first axes.
    fn count(&self, cells: &CellBox, axes: usize) -> u128 {
        let lengths =
            cells.iter().take(axes).map(|(first, last)| u128::from(first.abs_diff(*last)));
        lengths.fold(1, |count, length| count.saturating_mul(length + 1))
    }

    /// All indices along the first axes, packed, ascending.
    fn prefixes(&self, cells: &CellBox, axes: usize) -> Vec<i64> {
        cells.iter().take(axes).fold(vec![0], |prefixes, (first, last)| {
            let extend =
                |prefix: i64| (*first..=*last).map(move |index| (prefix << self.bits()) | index);
            prefixes.into_iter().flat_map(extend).collect()
        })
    }
}

fn is_unbounded(roi: &Roi, axis: usize) -> bool {
    roi.begin_at(axis).is_none() && roi.end_at(axis).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(dims: usize, size: i64) -> CellGrid {
        CellGrid::new(Coordinate::zeros(dims), Coordinate::splat(dims, size))
    }

    fn at(axes: &[f64]) -> Position {
        Position::new(axes).unwrap()
    }

    #[test]
    fn keys_are_ordered_as_cells_and_never_negative() {
        for dims in 1..=MAX_DIMS {
            let keys: Vec<_> = [-1e300, -25.0, -0.5, 0.0, 12.0, 1e300]
                .map(|p| grid(dims, 10).key(&at(&vec![p; dims])))
                .into();
            assert!(keys.is_sorted_by(|a, b| a < b), "{dims}: {keys:?}");
            assert!(keys.iter().all(|key| *key >= 0), "{dims}: {keys:?}");
        }
    }

    #[test]
    fn one_block_is_one_cell() {
        let grid = CellGrid::new(Coordinate::new([3, -7]), Coordinate::new([10, 20]));
        let block = Roi::new([13, -27], [10, 20]).unwrap();
        assert_eq!(grid.cells(&block, 1).unwrap().len(), 1);
        assert_eq!(grid.cells(&(&block + 1), 4).unwrap().len(), 4);
        assert_eq!(grid.cells(&(&block + 1), 3), None);
    }

    #[test]
    fn ranges_hold_every_cell_and_no_other_if_they_may_be_as_many_as_it_takes() {
        let grid = grid(3, 10);
        let roi = Roi::new([-15, 0, 5], [30, 20, 40]).unwrap();
        let cells = grid.cells(&roi, 1_000).unwrap();
        let ranges = grid.ranges(&roi, 1_000);
        assert_eq!(ranges.iter().cloned().flatten().collect::<Vec<_>>(), cells);
        assert_eq!(ranges.len(), 4 * 2);
        for most in [1, 4, 7] {
            let fewer = grid.ranges(&roi, most);
            assert!(fewer.len() <= most);
            let is_held = |cell: &i64| fewer.iter().any(|range| range.contains(cell));
            assert!(cells.iter().all(is_held));
        }
    }

    #[test]
    fn what_lies_in_cells_that_are_inside_is_not_compared() {
        let inside = |roi: [Option<(i64, i64)>; 3]| -> Vec<[bool; 3]> {
            let stretches = grid(3, 10).stretches(&Roi::from_axes(roi).unwrap(), 100);
            stretches.iter().map(|stretch| [0, 1, 2].map(|axis| stretch.is_inside[axis])).collect()
        };
        let (cut, whole, all) = (Some((-15, 30)), Some((-10, 20)), None);
        let along_0 = [false, true, true, false]; // -20 .. -10 and 10 .. 20 are cut
        let expected = |axis_1, axis_2| along_0.map(|axis_0| [axis_0, axis_1, axis_2]);
        assert_eq!(inside([cut, Some((0, 10)), cut]), expected(true, false));
        assert_eq!(inside([cut, Some((0, 10)), whole]), expected(true, true));
        assert_eq!(inside([cut, whole, all]), expected(true, true));
        assert_eq!(inside([cut, cut, all]), expected(false, true));
        // The cells at the border hold what lies beyond.
        let far = Some((-Roi::LIMIT, Roi::LIMIT + 1));
        assert_eq!(inside([far, far, far]), [[false; 3]]);
    }

    #[test]
    fn axes_at_the_end_that_are_unbounded_cost_nothing() {
        let slab = Roi::from_axes([Some((0, 10)), None, None]).unwrap();
        assert_eq!(grid(3, 10).ranges(&slab, 10).len(), 1);
        assert_eq!(grid(3, 10).ranges(&Roi::unbounded(3), 10), [0..=i64::MAX]);
        assert_eq!(grid(1, 10).ranges(&Roi::unbounded(1), 10), [0..=i64::MAX]);
        assert_eq!(grid(2, 10).ranges(&Roi::empty(2), 10), []);
    }
}
