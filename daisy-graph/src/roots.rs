//! The blocks of a task that wait for nothing.

use daisy_block::{CellBox, LayoutError, Stencil, Tiling};
use smallvec::{SmallVec, smallvec};

use crate::{GraphError, Lattice};

/// The cells of one task that wait for nothing, as a few lattices that do not overlap.
///
/// Inside a task these are the cells with the largest residue along every axis: along any axis, the
/// cells within reach of a cell show every residue that the box has, so any other cell waits for one
/// of them. In a whole grid that is level 0. What lies in the box of cells that read some upstream
/// task waits for that task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    lattices: SmallVec<[Lattice; 1]>,
}

impl Roots {
    /// The roots of a grid, where the cells of `waiting` wait for other tasks.
    ///
    /// `origin` is the index of the grid's first cell in the grid that `stencil` was made for: zeros,
    /// unless the grid is only a part of it.
    ///
    /// # Errors
    /// [`GraphError::Layout`] where numbers of axes differ.
    pub fn new<'a>(
        grid: &Tiling,
        stencil: Option<&Stencil>,
        origin: &[i64],
        waiting: impl IntoIterator<Item = &'a CellBox>,
    ) -> Result<Self, GraphError> {
        LayoutError::check_dims(grid.dims(), origin.len())?;
        if let Some(stencil) = stencil {
            LayoutError::check_dims(grid.dims(), stencil.axes().len())?;
        }
        let waiting = waiting.into_iter().map(|cells| {
            LayoutError::check_dims(grid.dims(), cells.dims())?;
            Ok(cells)
        });
        let waiting: SmallVec<[&CellBox; 4]> = waiting.collect::<Result<_, LayoutError>>()?;
        Ok(Self::new_unchecked(grid, stencil, origin, waiting))
    }

    /// The same where the caller knows that all have as many axes.
    #[doc(hidden)]
    pub fn new_unchecked<'a>(
        grid: &Tiling,
        stencil: Option<&Stencil>,
        origin: &[i64],
        waiting: impl IntoIterator<Item = &'a CellBox>,
    ) -> Self {
        let mut free: SmallVec<[CellBox; 1]> = smallvec![grid.all_cells()];
        for blocked in waiting {
            free = free.iter().flat_map(|piece| piece.without_unchecked(blocked)).collect();
        }
        let residue = |axis: usize| {
            let along = stencil.and_then(|stencil| stencil.axes().get(axis));
            let period = along.map_or(1, |axis| axis.period);
            // Of where the grid begins only the residue matters.
            let start = origin.get(axis).map_or(0, |start| start.rem_euclid(period));
            let len = grid.axes()[axis].num_cells();
            let wraps = len > period - 1 - start;
            let largest = if wraps { period - 1 } else { start + len - 1 };
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
