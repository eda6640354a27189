//! What the crate promises, as one binary: the spec's examples, the laws of its arithmetic, ROIs
//! against plain sets of points, the text form and the serialised form.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod laws;
mod model;
mod semantics;
#[cfg(feature = "serde")]
mod serde;
mod text;

use daisy_geometry::Roi;
use proptest::prelude::*;

/// Any ROI: bounded, empty at an offset, unbounded along some axes, or the canonical empty one.
fn any_roi(dims: impl Strategy<Value = usize>) -> impl Strategy<Value = Roi> {
    let bound = prop_oneof![-20..20_i64, -Roi::LIMIT..=Roi::LIMIT];
    let axis = prop_oneof![
        4 => (bound.clone(), bound).prop_map(Some),
        1 => Just(None),
    ];
    dims.prop_flat_map(move |dims| {
        prop_oneof![
            8 => proptest::collection::vec(axis.clone(), dims).prop_map(|axes| {
                let axes = axes.into_iter().map(|axis| axis.map(|(b, e)| (b, e - b)));
                Roi::from_axes(axes).unwrap()
            }),
            1 => Just(Roi::empty(dims)),
        ]
    })
}
