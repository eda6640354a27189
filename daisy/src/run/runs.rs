//! A set of cells as stretches.

use std::{collections::BTreeMap, ops::Range};

/// Cells as disjoint half-open stretches that do not touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    ends: BTreeMap<u64, u64>,
}

impl Runs {
    /// Adds cells, which may be in already.
    pub(crate) fn insert(&mut self, cells: Range<u64>) {
        if cells.is_empty() {
            return;
        }
        let (mut begin, mut end) = (cells.start, cells.end);
        // Every stretch that overlaps or touches, from the right.
        while let Some((&first, &last)) = self.ends.range(..=end).next_back() {
            if last < begin {
                break;
            }
            self.ends.remove(&first);
            begin = begin.min(first);
            end = end.max(last);
        }
        self.ends.insert(begin, end);
    }

    /// The stretches, ascending.
    pub(crate) fn to_vec(&self) -> Vec<Range<u64>> {
        self.ends.iter().map(|(&begin, &end)| begin..end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_touch_become_one() {
        let mut runs = Runs::default();
        for cells in [5..6, 1..2, 3..4, 2..3, 9..9, 0..4] {
            runs.insert(cells);
        }
        assert_eq!(runs.to_vec(), [0..4, 5..6]);
        runs.insert(3..7);
        assert_eq!(runs.to_vec().as_slice(), std::slice::from_ref(&(0..7)));
    }
}
