//! A ROI is a set of points: whatever is done to it, the same is done to a naive set of points in
//! a small window, and the two have to agree.
//!
//! Bounds stay well inside of the window, so an unbounded axis is one that crosses all of it.

use std::collections::BTreeSet;

use daisy_geometry::{Coordinate, Roi, Snap};
use proptest::array::uniform3;
use proptest::prelude::*;

/// The window is `[-WINDOW, WINDOW)` on every axis.
const WINDOW: i64 = 8;

/// What `Roi::from_axes` takes.
type Bounds = Vec<Option<(i64, i64)>>;

type Points = BTreeSet<Vec<i64>>;

fn bounds(dims: usize) -> impl Strategy<Value = Bounds> {
    let axis = prop_oneof![5 => (-3..=3_i64, -1..=3_i64).prop_map(Some), 1 => Just(None)];
    proptest::collection::vec(axis, dims)
}

fn pair() -> impl Strategy<Value = (Bounds, Bounds)> {
    (1..=3_usize).prop_flat_map(|dims| (bounds(dims), bounds(dims)))
}

fn roi(bounds: &Bounds) -> Roi {
    Roi::from_axes(bounds.iter().copied()).unwrap()
}

fn window(dims: usize) -> Roi {
    Roi::new(Coordinate::splat(dims, -WINDOW), Coordinate::splat(dims, 2 * WINDOW)).unwrap()
}

/// The points of the window for which a condition holds.
fn points_where(dims: usize, holds: impl Fn(&[i64]) -> bool) -> Points {
    let mut points: Vec<Vec<i64>> = vec![Vec::new()];
    for _ in 0..dims {
        points = points
            .into_iter()
            .flat_map(|point| {
                (-WINDOW..WINDOW).map(move |axis| [point.as_slice(), &[axis]].concat())
            })
            .collect();
    }
    points.into_iter().filter(|point| holds(point)).collect()
}

/// By definition: inside on every axis.
fn points(bounds: &Bounds) -> Points {
    points_where(bounds.len(), |point| {
        point.iter().zip(bounds).all(|(&at, axis)| match *axis {
            Some((offset, shape)) => offset <= at && at < offset + shape,
            None => true,
        })
    })
}

/// As the ROI itself sees it.
fn points_of(roi: &Roi) -> Points {
    points_where(roi.dims(), |point| roi.contains_point(point).unwrap())
}

/// The bounding box of some points, an axis being unbounded where it crosses the whole window.
fn hull(points: &Points, dims: usize) -> Roi {
    let along = |axis: usize| points.iter().map(move |point| point[axis]);
    let bounds = (0..dims).map(|axis| {
        let low = along(axis).min().unwrap();
        let high = along(axis).max().unwrap() + 1;
        ((low, high) != (-WINDOW, WINDOW)).then_some((low, high - low))
    });
    Roi::from_axes(bounds).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 2))]

    #[test]
    fn a_roi_contains_its_points(a in (1..=3_usize).prop_flat_map(bounds)) {
        let expected = points(&a);
        let a = roi(&a);
        prop_assert_eq!(points_of(&a), expected.clone());
        prop_assert_eq!(a.is_empty(), expected.is_empty());
        match a.points() {
            None => prop_assert!(a.is_unbounded() && a.size().is_none()),
            Some(walk) => {
                prop_assert_eq!(a.size(), Some(expected.len() as u128));
                prop_assert_eq!(walk.size_hint(), (expected.len(), Some(expected.len())));
                // The set is ordered as the walk is: row-major.
                let walked: Vec<_> = walk.map(Vec::from).collect();
                prop_assert_eq!(walked, expected.into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_intersection_has_the_common_points((a, b) in pair()) {
        let common: Points = points(&a).intersection(&points(&b)).cloned().collect();
        let (a, b) = (roi(&a), roi(&b));
        let met = a.intersect(&b).unwrap();
        prop_assert_eq!(points_of(&met), common.clone());
        prop_assert_eq!(a.intersects(&b).unwrap(), !common.is_empty());
        prop_assert_eq!(met == Roi::empty(a.dims()), common.is_empty());
        prop_assert_eq!(met, b.intersect(&a).unwrap());
    }

    #[test]
    fn the_union_is_the_hull_of_all_points((a, b) in pair()) {
        let all: Points = points(&a).union(&points(&b)).cloned().collect();
        let (a, b) = (roi(&a), roi(&b));
        let union = a.union(&b).unwrap();
        if all.is_empty() {
            prop_assert!(union.is_empty());
        } else {
            prop_assert_eq!(union, hull(&all, a.dims()));
        }
    }

    #[test]
    fn containment_is_that_of_the_points((a, b) in pair()) {
        let inside = points(&b).is_subset(&points(&a));
        let (a, b) = (roi(&a), roi(&b));
        // A ROI that is empty at an offset is contained by its offset: semantics.rs.
        prop_assume!(!b.is_empty());
        prop_assert_eq!(a.contains(&b).unwrap(), inside);
    }

    #[test]
    fn shifting_moves_every_point(
        a in (1..=3_usize).prop_flat_map(bounds),
        by in uniform3(-2..=2_i64),
    ) {
        let by = Coordinate::from_slice(&by[..a.len()]);
        let a = roi(&a);
        let moved = &a + &by;
        let back = |point: &[i64]| Coordinate::from_slice(point) - &by;
        prop_assert_eq!(points_of(&moved), points_where(a.dims(), |p| a.contains_point(back(p)).unwrap()));
        prop_assert_eq!(&moved - &by, a.clone());
        prop_assert_eq!(a.shift(-&by).unwrap(), a - by);
    }

    #[test]
    fn growing_adds_what_is_near(
        a in (1..=3_usize).prop_flat_map(bounds),
        neg in uniform3(0..=2_i64),
        pos in uniform3(0..=2_i64),
    ) {
        let a = roi(&a);
        prop_assume!(!a.is_empty());
        let dims = a.dims();
        let grown = a.grow(&neg[..dims], &pos[..dims]).unwrap();
        // A point is in the grown ROI if the box around it, mirrored, meets the ROI.
        let near = points_where(dims, |point| {
            let around = Roi::new(point, Coordinate::ones(dims)).unwrap();
            around.grow(&pos[..dims], &neg[..dims]).unwrap().intersects(&a).unwrap()
        });
        prop_assert_eq!(points_of(&grown), near);
        let neg = Coordinate::from_slice(&neg[..dims]);
        prop_assert_eq!(grown.grow(-neg, -Coordinate::from_slice(&pos[..dims])).unwrap(), a);
    }

    #[test]
    fn snapping_keeps_to_the_grid(
        a in (1..=3_usize).prop_flat_map(bounds),
        size in uniform3(1..=4_i64),
    ) {
        let a = roi(&a);
        let size = Coordinate::from_slice(&size[..a.dims()]);
        let grown = a.snap_to_grid(&size, Snap::Grow).unwrap();
        let shrunk = a.snap_to_grid(&size, Snap::Shrink).unwrap();
        let closest = a.snap_to_grid(&size, Snap::Closest).unwrap();
        for snapped in [&grown, &shrunk, &closest] {
            for axis in 0..a.dims() {
                prop_assert_eq!(snapped.begin_at(axis).is_none(), a.begin_at(axis).is_none());
                prop_assert_eq!(snapped.begin_at(axis).unwrap_or(0) % size[axis], 0);
                prop_assert_eq!(snapped.end_at(axis).unwrap_or(0) % size[axis], 0);
            }
            prop_assert_eq!(&snapped.snap_to_grid(&size, Snap::Closest).unwrap(), snapped);
        }
        prop_assert!(points_of(&a).is_subset(&points_of(&grown)));
        prop_assert!(points_of(&shrunk).is_subset(&points_of(&a)));
        for axis in 0..a.dims() {
            // Not one voxel more than needed, not one less than fits.
            let voxel = size[axis];
            if let (Some(begin), Some(end)) = (a.begin_at(axis), a.end_at(axis)) {
                prop_assert!(grown.begin_at(axis).unwrap() > begin - voxel);
                prop_assert!(grown.end_at(axis).unwrap() < end + voxel);
                prop_assert!(shrunk.begin_at(axis).unwrap() < begin + voxel);
                prop_assert!(shrunk.end_at(axis).unwrap() > end - voxel);
                prop_assert!(shrunk.shape_at(axis).unwrap() >= 0);
                prop_assert!((closest.begin_at(axis).unwrap() - begin).abs() * 2 <= voxel);
                prop_assert!((closest.end_at(axis).unwrap() - end).abs() * 2 <= voxel);
            }
        }
    }

    #[test]
    fn many_axes_behave_as_few((a, b) in (bounds(3), bounds(3)), by in uniform3(-2..=2_i64)) {
        // The same ROI twice over: six axes live on the heap.
        let twice = |roi: &Roi| {
            let entries = |at: fn(&Roi, usize) -> Option<i64>| {
                (0..6).map(move |axis| at(roi, axis % 3)).collect::<Vec<_>>()
            };
            Roi::from_entries(entries(Roi::begin_at), entries(Roi::shape_at)).unwrap()
        };
        let by2 = Coordinate::new(by.into_iter().chain(by));
        let (a, b) = (roi(&a), roi(&b));
        let (a2, b2) = (twice(&a), twice(&b));
        prop_assert_eq!(a2.intersect(&b2).unwrap(), twice(&a.intersect(&b).unwrap()));
        prop_assert_eq!(a2.union(&b2).unwrap(), twice(&a.union(&b).unwrap()));
        prop_assert_eq!(a2.contains(&b2).unwrap(), a.contains(&b).unwrap());
        prop_assert_eq!(a2.intersects(&b2).unwrap(), a.intersects(&b).unwrap());
        prop_assert_eq!(a2.is_empty(), a.is_empty());
        prop_assert_eq!(a2.shift(&by2).unwrap(), twice(&a.shift(by).unwrap()));
        prop_assert_eq!(a2.grow(&by2, 1).unwrap(), twice(&a.grow(by, 1).unwrap()));
        prop_assert_eq!(a2.scale(&by2).unwrap(), twice(&a.scale(by).unwrap()));
        prop_assert_eq!(a2.div_floor(2).unwrap(), twice(&a.div_floor(2).unwrap()));
        let shrunk = a.snap_to_grid(3, Snap::Shrink).unwrap();
        prop_assert_eq!(a2.snap_to_grid(3, Snap::Shrink), Ok(twice(&shrunk)));
        prop_assert_eq!(a2.bounds().is_some(), a.bounds().is_some());
    }
}

#[test]
fn the_model_sees_the_whole_window() {
    assert_eq!(points_of(&Roi::unbounded(2)), points_of(&window(2)));
    assert_eq!(points(&vec![None, Some((0, 2))]).len() as i64, 2 * WINDOW * 2);
}
