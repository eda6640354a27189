//! The requested blocks of one task, where they are more than one box.
//!
//! A tree of boxes that are cut in two until each is requested as a whole or not at all (M. H. Overmars and
//! C.-K. Yap, 1991). So memory follows the number of requested boxes, not the size of the grid, and boxes
//! that overlap cost no more than others.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::{cmp::Reverse, ops::Range};

use daisy_block::{CellBox, Tiling};
use smallvec::SmallVec;

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    grid: Tiling,
    nodes: Vec<Node>,
    num_cells: u64,
}

/// The wanted cells by ascending number: a walk that only goes up.
#[derive(Clone, Debug)]
pub(super) struct Ascent {
    grid: Tiling,
    parts: Vec<CellBox>,
    /// The lowest cell of each part that was not passed, and the part.
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    All,
    None,
    /// Indices below `at` along `axis` are in the next node, the others in the node at `above`.
    Cut {
        axis: u32,
        at: i64,
        above: u32,
    },
}

impl Wanted {
    /// The largest number of nodes: thin boxes that cross cut each other into as many parts as their numbers
    /// multiply to.
    const MAX_NODES: usize = 1 << 22;

    /// The union of boxes of a grid; none if it takes too many nodes.
    pub(super) fn new(grid: &Tiling, boxes: &[CellBox]) -> Option<Self> {
        let all = grid.all_cells();
        let mut wanted = Self { grid: grid.clone(), nodes: Vec::new(), num_cells: 0 };
        let boxes = boxes.iter().map(|cells| cells.intersect_unchecked(&all));
        let mut boxes: Vec<CellBox> = boxes.filter(|cells| !cells.is_empty()).collect();
        boxes.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        boxes.dedup();
        wanted.build(all, boxes).then_some(wanted)
    }

    /// Adds the node of a region in which `boxes` lie; depth first, so that lower halves follow at once.
    /// False if they become too many.
    fn build(&mut self, region: CellBox, boxes: Vec<CellBox>) -> bool {
        let mut open: Vec<(CellBox, Vec<CellBox>, Option<usize>)> =
            alloc::vec![(region, boxes, None)];
        while let Some((region, boxes, cut)) = open.pop() {
            let place = self.nodes.len();
            if place == Self::MAX_NODES {
                return false;
            }
            if let Some(cut) = cut
                && let Node::Cut { above, .. } = &mut self.nodes[cut]
            {
                *above = place as u32;
            }
            if boxes.is_empty() {
                self.nodes.push(Node::None);
            } else if boxes.contains(&region) {
                self.num_cells += region.num_cells();
                self.nodes.push(Node::All);
            } else {
                let (axis, at) = best_cut(&region, &boxes);
                self.nodes.push(Node::Cut { axis: axis as u32, at, above: 0 });
                let [lower, upper] = [true, false].map(|is_lower| {
                    let half = half_of(&region, axis, at, is_lower);
                    let inside = boxes.iter().map(|cells| cells.intersect_unchecked(&half));
                    let inside = inside.filter(|cells| !cells.is_empty()).collect();
                    (half, inside)
                });
                open.push((upper.0, upper.1, Some(place)));
                open.push((lower.0, lower.1, None));
            }
        }
        true
    }

    /// The grid that they are cells of.
    pub(super) const fn grid(&self) -> &Tiling {
        &self.grid
    }

    /// How many cells are wanted.
    pub(super) const fn num_cells(&self) -> u64 {
        self.num_cells
    }

    /// Whether the cell at `index` is wanted.
    pub(super) fn contains(&self, index: &[i64]) -> bool {
        let mut place = 0;
        loop {
            match self.nodes[place] {
                Node::All => return true,
                Node::None => return false,
                Node::Cut { axis, at, above } => {
                    place = if index[axis as usize] < at { place + 1 } else { above as usize };
                }
            }
        }
    }

    /// The lowest wanted cell not below `cell`.
    pub(super) fn next_from(&self, cell: u64) -> Option<u64> {
        let mut best: Option<u64> = None;
        let mut open = alloc::vec![(0, self.grid.all_cells())];
        while let Some((place, region)) = open.pop() {
            let Some(lowest) = lowest_in(&self.grid, &region, cell) else { continue };
            if best.is_some_and(|best| best <= lowest) {
                continue;
            }
            match self.nodes[place] {
                Node::All => best = Some(lowest),
                Node::None => {}
                Node::Cut { axis, at, above } => {
                    // The lower half goes first: it has lower cells.
                    let axis = axis as usize;
                    open.push((above as usize, half_of(&region, axis, at, false)));
                    open.push((place + 1, half_of(&region, axis, at, true)));
                }
            }
        }
        best
    }

    /// Calls `each` with the wanted parts of a box; they do not overlap.
    pub(super) fn parts(&self, cells: &CellBox, mut each: impl FnMut(&CellBox)) {
        let mut open = alloc::vec![(0, cells.clone())];
        while let Some((place, cells)) = open.pop() {
            if cells.is_empty() {
                continue;
            }
            match self.nodes[place] {
                Node::All => each(&cells),
                Node::None => {}
                Node::Cut { axis, at, above } => {
                    let axis = axis as usize;
                    open.push((above as usize, half_of(&cells, axis, at, false)));
                    open.push((place + 1, half_of(&cells, axis, at, true)));
                }
            }
        }
    }
}

impl Ascent {
    pub(super) fn new(wanted: &Wanted) -> Self {
        let grid = &wanted.grid;
        let mut parts = Vec::new();
        wanted.parts(&grid.all_cells(), |part| parts.push(part.clone()));
        let first =
            |(place, part): (usize, &CellBox)| Some(Reverse((lowest_in(grid, part, 0)?, place)));
        let next = parts.iter().enumerate().filter_map(first).collect();
        Self { grid: grid.clone(), next, parts }
    }

    /// The lowest wanted cell not below `cell`, which is not below the one of the call before.
    ///
    /// O(log parts) for each part that has cells between the two.
    pub(super) fn next_from(&mut self, cell: u64) -> Option<u64> {
        loop {
            let Reverse((first, place)) = *self.next.peek()?;
            if first >= cell {
                return Some(first);
            }
            self.next.pop();
            let next = lowest_in(&self.grid, &self.parts[place], cell);
            self.next.extend(next.map(|next| Reverse((next, place))));
        }
    }
}

/// The lowest cell of a box not below `from`.
fn lowest_in(grid: &Tiling, cells: &CellBox, from: u64) -> Option<u64> {
    if cells.is_empty() {
        return None;
    }
    let number = |entries: &[i64]| -> u64 {
        let along = |&axis: &usize| entries[axis].unsigned_abs() * grid.strides()[axis];
        grid.sweep_axes().iter().map(along).sum()
    };
    let mut lowest: SmallVec<[i64; 4]> = cells.axes().iter().map(|range| range.start).collect();
    let index = grid.index(from)?;
    // Where the index leaves the box: above it, the axis before must go on; below it, the rest starts anew.
    let mut goes_on: Option<usize> = None;
    for (depth, &axis) in grid.sweep_axes().iter().enumerate() {
        let range = &cells.axes()[axis];
        if index[axis] >= range.end {
            break;
        }
        if index[axis] < range.start {
            return Some(number(&lowest));
        }
        lowest[axis] = index[axis];
        if index[axis] + 1 < range.end {
            goes_on = Some(depth);
        }
        if depth + 1 == grid.dims() {
            return Some(number(&lowest));
        }
    }
    let depth = goes_on?;
    for (other, &axis) in grid.sweep_axes().iter().enumerate().skip(depth) {
        lowest[axis] = if other == depth { index[axis] + 1 } else { cells.axes()[axis].start };
    }
    Some(number(&lowest))
}

fn key(cells: &CellBox) -> impl Iterator<Item = (i64, i64)> + '_ {
    cells.axes().iter().map(|range| (range.start, range.end))
}

/// The part of a box below or above an index of an axis.
fn half_of(cells: &CellBox, axis: usize, at: i64, is_lower: bool) -> CellBox {
    CellBox::new(cells.axes().iter().enumerate().map(|(other, range)| match is_lower {
        _ if other != axis => range.clone(),
        true => range.start..range.end.min(at),
        false => range.start.max(at)..range.end,
    }))
}

/// Where to cut a region: at the middle border of boxes inside it, along the axis with most borders.
fn best_cut(region: &CellBox, boxes: &[CellBox]) -> (usize, i64) {
    let borders = |axis: usize| {
        let outer = &region.axes()[axis];
        let of = |cells: &CellBox| {
            let range: &Range<i64> = &cells.axes()[axis];
            [range.start, range.end]
        };
        let inside = move |at: &i64| outer.start < *at && *at < outer.end;
        boxes.iter().flat_map(of).filter(inside).collect::<Vec<i64>>()
    };
    let best = (0..region.dims()).map(|axis| (axis, borders(axis))).max_by_key(|(_, at)| at.len());
    let (axis, mut borders) = best.unwrap_or_default();
    // A box that is not the region has a border inside it.
    let middle = borders.len() / 2;
    (axis, *borders.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use daisy_block::{Fit, Layout};
    use daisy_geometry::Roi;
    use proptest::prelude::*;

    use super::*;

    fn grid(shape: [i64; 3]) -> Tiling {
        let block = Roi::new([0, 0, 0], [1, 1, 1]).unwrap();
        let total = Roi::new([0, 0, 0], shape).unwrap();
        Tiling::new(&Layout::new(total, block.clone(), block, Fit::Valid).unwrap())
    }

    proptest! {
        #[test]
        fn the_tree_knows_each_cell_of_the_boxes(
            shape in [1_i64..7, 1..7, 1..7],
            boxes in prop::collection::vec([(0_i64..7, 0_i64..7), (0..7, 0..7), (0..7, 0..7)], 0..9),
        ) {
            let grid = grid(shape);
            let boxes: Vec<CellBox> =
                boxes.iter().map(|axes| CellBox::new(axes.map(|(start, end)| start..end))).collect();
            let wanted = Wanted::new(&grid, &boxes).unwrap();
            let is_wanted = |cell: u64| {
                let index = grid.index(cell).unwrap();
                boxes.iter().any(|cells| cells.contains(index.as_slice()).unwrap())
            };
            let all: Vec<u64> = (0..grid.num_cells()).filter(|&cell| is_wanted(cell)).collect();
            prop_assert_eq!(wanted.num_cells(), all.len() as u64);
            let mut parts = Vec::new();
            wanted.parts(&grid.all_cells(), |part| parts.extend(grid.cells_in(part).unwrap()));
            parts.sort_unstable();
            prop_assert_eq!(&parts, &all);
            let mut ascent = Ascent::new(&wanted);
            for cell in 0..grid.num_cells() {
                let index = grid.index(cell).unwrap();
                prop_assert_eq!(wanted.contains(index.as_slice()), all.contains(&cell));
                let next = all.iter().copied().find(|&other| other >= cell);
                prop_assert_eq!(wanted.next_from(cell), next);
                if cell % 3 != 1 {
                    prop_assert_eq!(ascent.next_from(cell), next);
                }
            }
        }
    }
}
