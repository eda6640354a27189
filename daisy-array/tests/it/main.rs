//! The contract of the crate, on real files.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::ops::Range;

use ndarray::{ArrayBase, ArrayD, Data, Dimension, Slice};

mod axes;
mod chunks;
mod concurrent;
mod create;
mod hostile;
mod identity;
mod interop;
mod keys;
mod legacy;
#[cfg(feature = "n5")]
mod n5;
#[cfg(feature = "ome")]
mod ome;
mod oracle;
mod python;
#[cfg(feature = "remote")]
mod remote;
mod requests;
mod sharing;
/// One way to be left out for the tests of all crates.
#[path = "../../../tests/skipped.rs"]
mod skipped;
mod snapped;
mod views;
mod volume;

/// A part of an array in memory, by its indices.
fn part<T: Clone, D: Dimension>(
    voxels: &ArrayBase<impl Data<Elem = T>, D>,
    ranges: &[Range<usize>],
) -> ArrayD<T> {
    let range = |axis: usize| Slice::from(ranges[axis].clone());
    voxels.slice_each_axis(|axis| range(axis.axis.index())).to_owned().into_dyn()
}
