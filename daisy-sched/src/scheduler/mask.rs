//! What a task's mask said so far: a tree of boxes, cut as far as was needed.

use alloc::{vec, vec::Vec};

use daisy_block::CellBox;

/// What is to be skipped in a box of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Every block of the box is skipped.
    All,
    /// No block of the box is skipped.
    None,
    /// Some may be: the halves are to be asked for. Of a single block it means `None`.
    Part,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    nodes: Vec<Node>,
    /// The box of the last block found in a box to be kept: the next one is likely in it too.
    kept: Option<CellBox>,
}

#[derive(Clone, Debug)]
struct Node {
    cells: CellBox,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Keep,
    Skip,
    /// The place of the lower half; the upper half follows.
    Cut(usize),
}

impl Mask {
    /// Nothing is known about the blocks of `cells`.
    pub(super) fn new(cells: CellBox) -> Self {
        Self { nodes: vec![Node { cells, state: State::Open }], kept: None }
    }

    /// The box that must be asked for before the block at `index` may be handed out.
    pub(super) fn question(&mut self, index: &[i64]) -> Option<CellBox> {
        if self.kept.as_ref().is_some_and(|kept| kept.contains_unchecked(index)) {
            return None;
        }
        let node = &self.nodes[self.find(index)];
        if node.state == State::Open {
            return Some(node.cells.clone());
        }
        self.kept = Some(node.cells.clone());
        None
    }

    /// Takes the answer for a box; false where that box was not asked for.
    pub(super) fn answer(&mut self, cells: &CellBox, verdict: Verdict) -> bool {
        let first: smallvec::SmallVec<[i64; 4]> =
            cells.axes().iter().map(|range| range.start).collect();
        if cells.is_empty() || !self.nodes[0].cells.contains_unchecked(&first) {
            return false;
        }
        let place = self.find(&first);
        let node = &self.nodes[place];
        if node.state != State::Open || node.cells != *cells {
            return false;
        }
        let state = match verdict {
            Verdict::All => State::Skip,
            Verdict::Part if cells.num_cells() > 1 => {
                let lower = self.nodes.len();
                for half in halves(cells) {
                    self.nodes.push(Node { cells: half, state: State::Open });
                }
                State::Cut(lower)
            }
            Verdict::None | Verdict::Part => State::Keep,
        };
        self.nodes[place].state = state;
        true
    }

    /// The smallest box so far that holds `index`.
    fn find(&self, index: &[i64]) -> usize {
        let mut place = 0;
        while let State::Cut(lower) = self.nodes[place].state {
            place = lower + usize::from(!self.nodes[lower].cells.contains_unchecked(index));
        }
        place
    }
}

/// The two halves of a box, cut across its longest axis.
fn halves(cells: &CellBox) -> [CellBox; 2] {
    let longest = (0..cells.dims()).rev().max_by_key(|&axis| {
        let range = &cells.axes()[axis];
        range.end - range.start
    });
    [0, 1].map(|half| {
        CellBox::new(cells.axes().iter().enumerate().map(|(axis, range)| {
            let middle = range.start + (range.end - range.start) / 2;
            match (Some(axis) == longest, half) {
                (false, _) => range.clone(),
                (true, 0) => range.start..middle,
                (true, _) => middle..range.end,
            }
        }))
    })
}
