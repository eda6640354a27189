//! The blocks of a task that wait for nothing.

use daisy_block::{CellBox, Stencil, Tiling};
use smallvec::{SmallVec, smallvec};

use crate::Lattice;

/// The cells of one task that wait for nothing, as a few lattices that do not overlap.
///
/// Inside a task these are the cells with the largest residue along every axis: along any axis, the
/// cells within reach of a cell show every residue that the box has, so any other cell waits for one
/// of them. In a whole grid that is level 0. What lies in the box of cells that read some upstream
/// task waits for that task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    lattices: SmallVec<[Lattice; 1]>,
}

impl Roots {
    /// The roots of a grid, where the cells of `waiting` wait for other tasks.
    ///
    /// `origin` is the index of the grid's first cell in the grid that `stencil` was made for: zeros,
    /// unless the grid is only a part of it.
    pub fn new<'a>(
        grid: &Tiling,
        stencil: Option<&Stencil>,
        origin: &[i64],
        waiting: impl IntoIterator<Item = &'a CellBox>,
    ) -> Self {
        let mut free: SmallVec<[CellBox; 1]> = smallvec![grid.all_cells()];
        for blocked in waiting {
            free = free.iter().flat_map(|piece| piece.without(blocked)).collect();
        }
        let residue = |axis: usize| {
            let period = stencil.map_or(1, |stencil| stencil.axes()[axis].period);
            let start = origin[axis];
            let end = start + grid.axes()[axis].num_cells();
            let wraps = end - start > period - 1 - start.rem_euclid(period);
            let largest = if wraps { period - 1 } else { (end - 1).rem_euclid(period) };
            ((largest - start).rem_euclid(period), period)
        };
        let lattice = |piece| Lattice::new(grid, piece, residue);
        let lattices = free.iter().map(lattice).filter(|lattice| lattice.num_cells() > 0).collect();
        Self { lattices }
    }

    /// The number of roots.
    #[must_use]
    pub fn num_cells(&self) -> u64 {
        self.lattices.iter().map(Lattice::num_cells).sum()
    }

    /// The lowest root not below `cell`.
    #[inline]
    #[must_use]
    pub fn next_from(&self, cell: u64) -> Option<u64> {
        self.lattices.iter().filter_map(|lattice| lattice.next_from(cell)).min()
    }

    /// The same with the roots that follow at equal distances: first, distance and last one.
    #[must_use]
    pub fn run_from(&self, cell: u64) -> Option<(u64, u64, u64)> {
        match &self.lattices[..] {
            [only] => only.run_from(cell),
            // Others may have roots in between.
            _ => self.next_from(cell).map(|first| (first, 1, first)),
        }
    }

    /// The roots, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        core::iter::successors(self.next_from(0), |&cell| self.next_from(cell + 1))
    }
}
