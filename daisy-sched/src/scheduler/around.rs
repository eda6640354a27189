//! The conflicts inside one grid where they are too many to be counted: as boxes.
//!
//! Two conflicting cells differ in level by the first axis along which their residues differ, and along
//! an axis the residues of cells within reach are equal only if the cells are. So the cells that a cell
//! waits for (and likewise those that wait for it) are, for each axis, a box: the cell itself along the
//! axes before, larger (smaller) residues along this one, all within reach along those after. Where the
//! context is not symmetric, the mirror image adds as many boxes, which may overlap the first ones.

use core::ops::{ControlFlow, Range};

use daisy_geometry::Coordinate;
use smallvec::SmallVec;

use super::conflict::Levels;

/// One range of indices for each axis, in the grid and not empty.
pub(super) type Ranges = SmallVec<[Range<i64>; 4]>;

/// The boxes of conflicting cells around each cell of a grid.
#[derive(Clone, Debug)]
pub(super) struct Around {
    axes: SmallVec<[AroundAxis; 4]>,
    is_symmetric: bool,
}

#[derive(Clone, Copy, Debug)]
struct AroundAxis {
    lo: i64,
    hi: i64,
    period: i64,
    /// The residue of index 0.
    phase: i64,
    len: i64,
}

/// Which conflicting cells are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those that a cell waits for.
    Upstream,
    /// Those that wait for it.
    Downstream,
}

impl AroundAxis {
    const fn residue(&self, index: i64) -> i64 {
        (index + self.phase).rem_euclid(self.period)
    }

    /// The indices within reach, in the grid.
    fn all(&self, index: i64, lo: i64, hi: i64) -> Range<i64> {
        (index - lo).max(0)..(index + hi + 1).min(self.len)
    }

    /// The indices within reach with a larger or a smaller residue: above the cell, and below it.
    fn other(&self, index: i64, lo: i64, hi: i64, side: Side) -> [Range<i64>; 2] {
        let residue = self.residue(index);
        let (above, below) = match side {
            Side::Upstream => (1..hi.min(self.period - 1 - residue) + 1, -lo..-residue),
            Side::Downstream => (self.period - residue..hi + 1, -lo.min(residue)..0),
        };
        [above, below]
            .map(|offsets| (index + offsets.start).max(0)..(index + offsets.end).min(self.len))
    }

    /// Of a range, the index whose block is finished last where blocks are handed out by number.
    fn last_in(&self, range: &Range<i64>) -> i64 {
        let last = range.end - 1;
        (last - self.residue(last)).max(range.start)
    }
}

impl Around {
    /// `shape` is the number of cells along each axis of the grid.
    pub(super) fn new(levels: &Levels, shape: &Coordinate) -> Self {
        let axes: SmallVec<[AroundAxis; 4]> = levels
            .axes()
            .zip(shape.iter())
            .map(|((axis, origin), len)| AroundAxis {
                lo: axis.reach_lo,
                hi: axis.reach_hi,
                period: axis.period,
                phase: origin.rem_euclid(axis.period),
                len,
            })
            .collect();
        Self { is_symmetric: axes.iter().all(|axis| axis.lo == axis.hi), axes }
    }

    /// Calls `each` with every box on one side of the cell at `index`, until it breaks.
    ///
    /// The boxes of the later axes go first: blocks in them are finished later.
    pub(super) fn boxes(
        &self,
        index: &[i64],
        side: Side,
        mut each: impl FnMut(&Ranges) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for is_mirrored in [false, true] {
            if is_mirrored && self.is_symmetric {
                break;
            }
            let reach = |axis: &AroundAxis| {
                if is_mirrored { (axis.hi, axis.lo) } else { (axis.lo, axis.hi) }
            };
            for deciding in (0..self.axes.len()).rev() {
                let (lo, hi) = reach(&self.axes[deciding]);
                for decided in self.axes[deciding].other(index[deciding], lo, hi, side) {
                    let ranges = self.axes.iter().enumerate().map(|(place, axis)| {
                        if place < deciding {
                            index[place]..index[place] + 1
                        } else if place == deciding {
                            decided.clone()
                        } else {
                            let (lo, hi) = reach(axis);
                            axis.all(index[place], lo, hi)
                        }
                    });
                    if !decided.is_empty() {
                        each(&ranges.collect())?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Of a box that [`Around::boxes`] gave, the cell that is finished last as a rule.
    pub(super) fn last_of(&self, ranges: &Ranges, index: &[i64]) -> Coordinate {
        let mut is_decided = false;
        Coordinate::from_fn(ranges.len(), |axis| {
            let range = &ranges[axis];
            if is_decided {
                return self.axes[axis].last_in(range);
            }
            is_decided = range.start != index[axis] || range.end != index[axis] + 1;
            range.start
        })
    }

    /// One cell that the cell at `index` waits for, the same each time; none if it waits for none.
    pub(super) fn first(&self, index: &[i64]) -> Option<Coordinate> {
        (0..self.axes.len()).rev().find_map(|place| {
            let axis = &self.axes[place];
            let reach = axis.period - 1;
            let [above, below] = axis.other(index[place], reach, reach, Side::Upstream);
            let range = if above.is_empty() { below } else { above };
            let mut first = Coordinate::from_slice(index);
            first[place] = range.start;
            (!range.is_empty()).then_some(first)
        })
    }

    /// Calls `each` with every cell whose [`Around::first`] is the cell at `index`.
    pub(super) fn firsts_at(&self, index: &[i64], mut each: impl FnMut(&Coordinate)) {
        for (place, axis) in self.axes.iter().enumerate().filter(|(_, axis)| axis.period > 1) {
            // Where the grid ends, fewer than a whole period may lie below.
            let at_end = (index[place] == 0).then_some(axis.len - 1);
            let below = index[place] + axis.period - 1;
            let candidates =
                [Some(index[place] - 1), Some(below), at_end.filter(|&end| end < below)];
            for entry in candidates.into_iter().flatten() {
                if (0..axis.len).contains(&entry) && entry != index[place] {
                    let mut candidate = Coordinate::from_slice(index);
                    candidate[place] = entry;
                    let first = self.first(candidate.as_slice());
                    if first.is_some_and(|first| first.as_slice() == index) {
                        each(&candidate);
                    }
                }
            }
        }
    }
}
