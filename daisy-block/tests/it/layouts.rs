//! Random layouts, and their blocks listed straight from the definition of the fits.

use daisy_block::{Fit, Layout};
use daisy_geometry::Roi;
use proptest::prelude::*;

/// What a block reads and writes along each axis.
#[derive(Clone, Debug)]
pub(crate) struct NaiveBlock {
    pub(crate) index: Vec<i64>,
    pub(crate) read: Vec<(i64, i64)>,
    pub(crate) write: Vec<(i64, i64)>,
}

/// Total begin and shape, write shape, context, and where the block is described.
type AxisSpec = (i64, i64, i64, i64, i64, i64);

/// Layouts of `dims` axes with at most some hundred blocks.
pub(crate) fn layouts(dims: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Layout> {
    let fit = prop_oneof![Just(Fit::Valid), Just(Fit::Overhang), Just(Fit::Shrink)];
    (dims, fit).prop_flat_map(|(dims, fit)| {
        let longest = [40, 14, 9, 7, 5, 5][dims - 1];
        let axis = (-9_i64..9, 1_i64..=longest, 1_i64..=4, 0_i64..=5, 0_i64..=5, -3_i64..3);
        prop::collection::vec(axis, dims).prop_map(move |axes| {
            let roi = |ends: fn(&AxisSpec) -> (i64, i64)| {
                let begin: Vec<i64> = axes.iter().map(|axis| ends(axis).0).collect();
                let end: Vec<i64> = axes.iter().map(|axis| ends(axis).1).collect();
                Roi::from_begin_end(begin, end).unwrap()
            };
            let total = roi(|&(begin, shape, ..)| (begin, begin + shape));
            let read = roi(|&(_, _, write, lo, hi, at)| (at, at + lo + write + hi));
            let write = roi(|&(_, _, write, lo, _, at)| (at + lo, at + lo + write));
            Layout::new(total, read, write, fit).unwrap()
        })
    })
}

pub(crate) fn ends(roi: &Roi) -> Vec<(i64, i64)> {
    (0..roi.dims()).map(|axis| (roi.begin_at(axis).unwrap(), roi.end_at(axis).unwrap())).collect()
}

pub(crate) fn blocks(layout: &Layout) -> Vec<NaiveBlock> {
    let mut blocks = vec![NaiveBlock { index: vec![], read: vec![], write: vec![] }];
    let (total, read, write) =
        (ends(layout.total_roi()), ends(layout.read_roi()), ends(layout.write_roi()));
    for axis in 0..layout.dims() {
        let (lo, hi) = (write[axis].0 - read[axis].0, read[axis].1 - write[axis].1);
        let step = write[axis].1 - write[axis].0;
        let (begin, end) = (total[axis].0 + lo, total[axis].1 - hi);
        let mut along = vec![];
        let mut at = begin;
        while at < end && (layout.fit() != Fit::Valid || at + step <= end) {
            let mut block = ((at - lo, at + step + hi), (at, at + step));
            if layout.fit() == Fit::Shrink {
                block.0.1 = block.0.1.min(total[axis].1);
                block.1.1 = block.1.1.min(end);
            }
            along.push(block);
            at += step;
        }
        let before = std::mem::take(&mut blocks);
        for block in before {
            for (k, &(read, write)) in along.iter().enumerate() {
                let mut block = block.clone();
                block.index.push(k as i64);
                block.read.push(read);
                block.write.push(write);
                blocks.push(block);
            }
        }
    }
    blocks
}

pub(crate) fn meet(a: &[(i64, i64)], b: &[(i64, i64)]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.0 < b.1 && b.0 < a.1)
}
