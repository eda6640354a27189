//! The conflicts inside one grid where they are few enough to be counted, prepared for speed.
//!
//! Per axis a cell is near the low border, near the high border, or between, where only its residue
//! matters. All cells with the same class along every axis wait for, and are awaited by, cells at the
//! same distances. These are found by brute force when a class first occurs, and kept as runs of
//! consecutive cells along the fastest axis.

use alloc::vec::Vec;
use core::ops::Range;

use daisy_block::{CellBox, Stencil, StencilAxis, Tiling};
use daisy_geometry::Coordinate;
use smallvec::SmallVec;

use super::Tuning;

/// The levels of a grid that may be a part of the one that its stencil was made for.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    stencil: Stencil,
    /// The index of the grid's first cell in the grid that the stencil was made for.
    origin: Coordinate,
}

impl Levels {
    pub(super) const fn new(stencil: Stencil, origin: Coordinate) -> Self {
        Self { stencil, origin }
    }

    pub(super) const fn stencil(&self) -> &Stencil {
        &self.stencil
    }

    /// Each axis, and the index of the grid's first cell along it.
    pub(super) fn axes(&self) -> impl Iterator<Item = (&StencilAxis, i64)> {
        self.stencil.axes().iter().zip(self.origin.iter())
    }

    /// A box with all cells that conflict with one of its cells, and perhaps some beyond the grid.
    pub(super) fn grow(&self, cells: &CellBox) -> CellBox {
        let reaches = self.stencil.axes().iter().map(StencilAxis::reach);
        let axes = cells.axes().iter().zip(reaches);
        CellBox::new(axes.map(|(range, reach)| range.start - reach..range.end + reach))
    }

    /// The level of a cell of the grid.
    pub(super) fn at(&self, index: &[i64]) -> u64 {
        let shifted = Coordinate::from_fn(index.len(), |axis| index[axis] + self.origin[axis]);
        self.stencil.level_at_unchecked(shifted.as_slice())
    }
}

/// Conflicting cells at consecutive numbers, relative to the number of the cell in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    distance: i64,
    len: u32,
}

impl Run {
    /// The cells of the run around `cell`.
    #[inline]
    pub(super) const fn at(self, cell: u64) -> Range<u64> {
        let start = cell.wrapping_add_signed(self.distance);
        start..start + self.len as u64
    }
}

/// The runs of every class of cells; a class that is known stays as it is.
#[derive(Clone, Debug)]
pub(super) struct Conflict {
    levels: Levels,
    axes: SmallVec<[AxisClasses; 4]>,
    classes: Vec<Class>,
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct AxisClasses {
    len: i64,
    reach: i64,
    period: i64,
    /// The period less one if it is a power of two, which saves a division; else 0.
    mask: i64,
    num_classes: i64,
    stride: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Class {
    is_known: bool,
    num_upstream: u32,
    upstream: (u32, u32),
    downstream: (u32, u32),
}

impl AxisClasses {
    #[inline]
    const fn class(&self, index: i64) -> i64 {
        if self.num_classes == self.len || index < self.reach {
            return index;
        }
        let above = index - (self.len - self.reach);
        if above >= 0 {
            return self.reach + self.period + above;
        }
        let place = index - self.reach;
        self.reach + if self.mask > 0 { place & self.mask } else { place % self.period }
    }
}

impl Conflict {
    /// None where a cell conflicts with too many others for them to be counted.
    pub(super) fn new(levels: &Levels, grid: &Tiling, tuning: &Tuning) -> Option<Self> {
        let mut axes: SmallVec<[AxisClasses; 4]> = SmallVec::new();
        let (mut num_classes, mut offsets) = (1_i64, 1_u64);
        for (axis, conflicts) in grid.axes().iter().zip(levels.stencil.axes()) {
            let (len, reach) = (axis.num_cells(), conflicts.reach());
            let period = conflicts.period;
            let classes = len.min(2 * reach + period);
            axes.push(AxisClasses {
                len,
                reach,
                period,
                mask: if period & (period - 1) == 0 { period - 1 } else { 0 },
                num_classes: classes,
                stride: num_classes,
            });
            num_classes = num_classes.saturating_mul(classes.max(1));
            offsets = offsets.saturating_mul(2 * reach.unsigned_abs() + 1);
        }
        let is_counted = offsets <= tuning.max_counted.min(Self::MAX_OFFSETS)
            && num_classes.unsigned_abs() <= Self::MAX_CLASSES;
        is_counted.then(|| Self {
            levels: levels.clone(),
            axes,
            classes: alloc::vec![Class::default(); num_classes as usize],
            runs: Vec::new(),
        })
    }

    /// Whatever the tuning says, the runs of all classes together can be numbered by 32 bits.
    const MAX_OFFSETS: u64 = 1 << 14;
    const MAX_CLASSES: u64 = 1 << 14;

    /// The largest number of cells that one cell may wait for.
    pub(super) fn max_upstream(&self) -> u64 {
        let hull = self
            .axes
            .iter()
            .map(|axis| (2 * axis.reach.unsigned_abs() + 1).min(axis.len.unsigned_abs()));
        hull.fold(1_u64, u64::saturating_mul)
    }

    /// How many cells the cell at `index` waits for.
    #[inline]
    pub(super) fn num_upstream(&mut self, grid: &Tiling, index: &[i64]) -> u32 {
        let class = self.class_of(grid, index);
        self.classes[class].num_upstream
    }

    /// The runs of cells that wait for the cell at `index`.
    #[inline]
    pub(super) fn downstream(&mut self, grid: &Tiling, index: &[i64]) -> &[Run] {
        let class = self.class_of(grid, index);
        let (start, end) = self.classes[class].downstream;
        &self.runs[start as usize..end as usize]
    }

    /// The class of the cell at `index`.
    #[inline]
    pub(super) fn class_of(&mut self, grid: &Tiling, index: &[i64]) -> usize {
        let along = |(axis, &entry): (&AxisClasses, &i64)| axis.class(entry) * axis.stride;
        let class = self.axes.iter().zip(index).map(along).sum::<i64>() as usize;
        if !self.classes[class].is_known {
            self.classes[class] = self.enumerate(grid, index);
        }
        class
    }

    /// The runs of cells that a cell of a class waits for.
    pub(super) fn upstream(&self, class: usize) -> &[Run] {
        let (start, end) = self.classes[class].upstream;
        &self.runs[start as usize..end as usize]
    }

    /// Finds the runs of the class of `index` by looking at every cell within reach.
    #[cold]
    fn enumerate(&mut self, grid: &Tiling, index: &[i64]) -> Class {
        let mut sides = [Vec::new(), Vec::new()];
        let mut num_upstream = 0;
        let own: i64 = number(grid, index);
        self.for_each_conflict(grid, index, |other, is_lower| {
            num_upstream += u32::from(is_lower);
            let distance = number(grid, other) - own;
            let side: &mut Vec<Run> = &mut sides[usize::from(is_lower)];
            match side.last_mut() {
                Some(run) if run.distance + i64::from(run.len) == distance => run.len += 1,
                _ => side.push(Run { distance, len: 1 }),
            }
        });
        let mut keep = |side: &[Run]| {
            let start = self.runs.len() as u32;
            self.runs.extend_from_slice(side);
            (start, self.runs.len() as u32)
        };
        let [downstream, upstream] = &sides;
        Class {
            is_known: true,
            num_upstream,
            upstream: keep(upstream),
            downstream: keep(downstream),
        }
    }

    /// Every conflicting cell of the grid by ascending number, and whether it has a lower level.
    fn for_each_conflict(&self, grid: &Tiling, index: &[i64], mut each: impl FnMut(&[i64], bool)) {
        let level = self.levels.at(index);
        let mut other = Coordinate::from_slice(index);
        let ends = |axis: usize| {
            let AxisClasses { len, reach, .. } = self.axes[axis];
            ((index[axis] - reach).max(0), (index[axis] + reach + 1).min(len))
        };
        for axis in 0..index.len() {
            other[axis] = ends(axis).0;
        }
        loop {
            let offset = Coordinate::from_fn(index.len(), |axis| other[axis] - index[axis]);
            if self.levels.stencil.conflicts_unchecked(offset.as_slice()) {
                each(other.as_slice(), self.levels.at(other.as_slice()) < level);
            }
            let mut advanced = false;
            for &axis in grid.sweep_axes().iter().rev() {
                other[axis] += 1;
                if other[axis] < ends(axis).1 {
                    advanced = true;
                    break;
                }
                other[axis] = ends(axis).0;
            }
            if !advanced {
                return;
            }
        }
    }
}

fn number(grid: &Tiling, index: &[i64]) -> i64 {
    // Cell numbers stay below 2^62.
    index.iter().zip(grid.strides()).map(|(entry, &stride)| entry * stride as i64).sum()
}
