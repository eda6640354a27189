//! The examples of the specification, one by one, and the edges it settles.

use std::panic::catch_unwind;

use daisy_geometry::{Coordinate, GeometryError, Roi, Snap};

fn coordinate<const N: usize>(axes: [i64; N]) -> Coordinate {
    Coordinate::from(axes)
}

fn roi<const N: usize>(offset: [i64; N], shape: [i64; N]) -> Roi {
    Roi::new(offset, shape).unwrap()
}

/// What an operation panics with; none if it does not panic.
fn panic_of<R>(operation: impl FnOnce() -> R + std::panic::UnwindSafe) -> Option<String> {
    let payload = catch_unwind(operation).err()?;
    payload.downcast_ref::<String>().cloned()
}

#[test]
fn the_reference_examples_hold() {
    let size = coordinate([2, 3, 4]) * coordinate([10, 5, 1]);
    assert_eq!(size, coordinate([20, 15, 4]));
    assert_eq!(size * 2 + 1, coordinate([41, 31, 9]));

    let scaled = roi([1, 1, 1], [10, 10, 10]) * [10, 5, 1];
    assert_eq!(scaled, roi([10, 5, 1], [100, 50, 10]));
    assert_eq!(scaled + 1, roi([11, 6, 2], [100, 50, 10]));
}

#[test]
fn division_floors_and_rounding_takes_an_exact_half_down() {
    assert_eq!(coordinate([7, -7]) / 2, coordinate([3, -4]));
    assert_eq!(coordinate([7, -7]) % 3, coordinate([1, 2]));
    assert_eq!(coordinate([7, -7]) % -3, coordinate([-2, -1]));
    assert_eq!(coordinate([7, -7]).floor_division(-2).unwrap(), coordinate([-4, 3]));
    assert_eq!(coordinate([7, -7]).ceil_division(-2).unwrap(), coordinate([-3, 4]));
    for (a, b, expected) in [(2, 4, 0), (1, 2, 0), (-1, 2, -1), (6, 4, 1), (-6, 4, -2), (3, -2, -2)]
    {
        assert_eq!(coordinate([a]).round_division(b).unwrap(), coordinate([expected]), "{a}/{b}");
    }
    assert!(coordinate([4, -6]).is_multiple_of([2, 3]).unwrap());
    assert!(!coordinate([4, -5]).is_multiple_of([2, 3]).unwrap());
}

#[test]
fn a_number_on_the_left_scales() {
    assert_eq!(2_i64 * coordinate([1, 2]), coordinate([2, 4]));
    assert_eq!(2_i32 * &Coordinate::<i32>::new([1, 2]), Coordinate::new([2, 4]));
}

#[test]
fn operators_also_assign() {
    let mut a = coordinate([7, 7]);
    a += 1;
    a *= [2, -1];
    a -= coordinate([1, 1]);
    assert_eq!(a, coordinate([15, -9]));
    a /= 2;
    assert_eq!(a, coordinate([7, -5]));
    a %= 4;
    assert_eq!(a, coordinate([3, 3]));

    let mut b = roi([0, 0], [4, 4]);
    b += 2;
    b -= [1, 2];
    b *= 6;
    b /= 4;
    assert_eq!(b, roi([1, 0], [6, 6]));
}

#[test]
fn operators_panic_and_never_wrap() {
    let max = || coordinate([0, i64::MAX]);
    assert!(panic_of(move || max() + 1).unwrap().contains("addition overflows"));
    assert!(panic_of(move || max() * 2).unwrap().contains("multiplication overflows"));
    assert!(panic_of(move || -max() - 2).unwrap().contains("subtraction overflows"));
    assert!(panic_of(move || -coordinate([i64::MIN])).unwrap().contains("negation overflows"));
    assert!(panic_of(move || coordinate([i64::MIN]) / -1).unwrap().contains("division overflows"));
    assert!(panic_of(move || max() / 0).unwrap().contains("divisor is zero"));
    assert!(panic_of(move || max() % [1, 0]).unwrap().contains("divisor is zero"));
    assert!(panic_of(move || max() + [1, 2, 3]).unwrap().contains("2 axes meet 3"));
    assert!(panic_of(move || max() + [1, 2, 3, 4, 5]).unwrap().contains("2 axes meet 5"));

    let far = || roi([Roi::LIMIT - 1], [1]);
    assert_eq!(panic_of(move || far() + 0), None);
    assert!(panic_of(move || far() + 1).unwrap().contains("shift"));
    assert!(panic_of(move || far() + i64::MAX).unwrap().contains("shift"));
    assert!(panic_of(move || far() * 2).unwrap().contains("scaling"));
    assert!(panic_of(move || far() / 0).unwrap().contains("divisor is zero"));
}

#[test]
fn differing_dims_are_an_error_of_methods_and_a_panic_of_operators() {
    let mismatch = || GeometryError::DimsMismatch { left: 1, right: 5 };
    let (a, b) = (|| Roi::unbounded(1), || Roi::empty(5));
    assert_eq!(a().intersect(&b()), Err(mismatch()));
    assert_eq!(a().union(&b()), Err(mismatch()));
    assert_eq!(a().contains(&b()), Err(mismatch()));
    assert_eq!(a().intersects(&b()), Err(mismatch()));
    assert_eq!(a().contains_point([0; 5]), Err(mismatch()));
    assert_eq!(a().shift([0; 5]), Err(mismatch()));
    assert_eq!(a().shift_back([0; 5]), Err(mismatch()));
    assert_eq!(a().grow(0, [0; 5]), Err(mismatch()));
    assert_eq!(a().grow([0; 5], 0), Err(mismatch()));
    assert_eq!(a().scale([1; 5]), Err(mismatch()));
    assert_eq!(a().div_floor([1; 5]), Err(mismatch()));
    assert_eq!(a().snap_to_grid([1; 5], Snap::Grow), Err(mismatch()));
    assert!(panic_of(move || a() + [0; 5]).unwrap().contains("1 axes meet 5"));
    let point = || coordinate([1]);
    assert_eq!(point().floor_division([1; 5]), Err(mismatch()));
    assert_eq!(point().ceil_division([1; 5]), Err(mismatch()));
    assert_eq!(point().round_division([1; 5]), Err(mismatch()));
    assert_eq!(point().is_multiple_of([1; 5]), Err(mismatch()));
    assert_eq!(point().min_elementwise([1; 5]), Err(mismatch()));
    assert_eq!(point().max_elementwise([1; 5]), Err(mismatch()));
    assert_eq!(point().zip_with([1; 5], |a, _| a), Err(mismatch()));
}

#[test]
fn methods_never_panic_at_the_ends_of_the_numbers() {
    let numbers = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX];
    for (dims, a, b) in [1, 5]
        .into_iter()
        .flat_map(|dims| numbers.into_iter().flat_map(move |a| numbers.map(|b| (dims, a, b))))
    {
        let point = Coordinate::splat(dims, a);
        // No quotient by zero, and none that does not fit.
        let has_quotient = b != 0 && (a, b) != (i64::MIN, -1);
        assert_eq!(point.floor_division(b).is_ok(), has_quotient, "{a} / {b}");
        assert_eq!(point.ceil_division(b).is_ok(), has_quotient, "{a} / {b}");
        assert_eq!(point.round_division(b).is_ok(), has_quotient, "{a} / {b}");
        assert_eq!(point.is_multiple_of(b).is_ok(), b != 0, "{a} % {b}");
        assert_eq!(point.abs().is_ok(), a != i64::MIN);
        for bounds in [(-Roi::LIMIT, Roi::LIMIT), (0, 0), (Roi::LIMIT, -Roi::LIMIT)] {
            let roi = Roi::from_begin_end(vec![bounds.0; dims], vec![bounds.1; dims]).unwrap();
            let is_limited = |roi: Roi| {
                let ends = [roi.begin_at(0).unwrap(), roi.end_at(0).unwrap()];
                assert!(ends.iter().all(|end| (-Roi::LIMIT..=Roi::LIMIT).contains(end)));
            };
            let moved = [roi.shift(a), roi.shift_back(a), roi.grow(a, b), roi.scale(a)];
            moved.into_iter().chain([roi.div_floor(b)]).flatten().for_each(is_limited);
            for mode in [Snap::Grow, Snap::Shrink, Snap::Closest] {
                roi.snap_to_grid(a, mode).into_iter().for_each(is_limited);
            }
            assert!(roi.center().is_some() && roi.contains_point(&point).is_ok());
        }
    }
}

#[test]
fn a_roi_is_half_open() {
    let a = roi([0, 5], [10, 4]);
    assert_eq!(a.begin(), Some(coordinate([0, 5])));
    assert_eq!(a.end(), Some(coordinate([10, 9])));
    assert_eq!(a.center(), Some(coordinate([5, 7])));
    assert_eq!((a.dims(), a.size()), (2, Some(40)));
    assert!(a.contains_point([0, 5]).unwrap() && !a.contains_point([10, 5]).unwrap());
    assert!(!a.intersects(&roi([10, 5], [10, 4])).unwrap());
    assert_eq!(a.intersect(&roi([10, 5], [10, 4])).unwrap(), Roi::empty(2));
    assert_eq!(a.union(&roi([10, 5], [10, 4])).unwrap(), roi([0, 5], [20, 4]));
    assert_eq!(a.squeeze(0), Ok(roi([5], [4])));
    assert_eq!(a.to_slices(), Ok(vec![0..10, 5..9]));
    assert_eq!(a.bounds(), Some((&coordinate([0, 5]), &coordinate([10, 9]))));
}

#[test]
fn the_canonical_empty_roi_has_no_offset_and_never_changes() {
    for dims in [1, 3, 6] {
        let empty = Roi::empty(dims);
        assert!(empty.is_empty() && !empty.is_unbounded());
        assert_eq!((empty.begin(), empty.end(), empty.center()), (None, None, None));
        assert_eq!((empty.shape(), empty.size()), (Some(Coordinate::zeros(dims)), Some(0)));
        assert_eq!((empty.begin_at(0), empty.shape_at(0)), (None, Some(0)));
        assert_eq!(empty.bounds(), None);
        assert_eq!(empty.points().unwrap().count(), 0);
        assert_eq!(empty.to_slices(), Ok(vec![0..0; dims]));
        assert_eq!(&empty + i64::MAX, empty);
        assert_eq!(&empty - 1, empty);
        assert_eq!(&empty * 5, empty);
        assert_eq!(&empty / 5, empty);
        assert_eq!(empty.grow(i64::MIN, i64::MAX).unwrap(), empty);
        assert_eq!(empty.snap_to_grid(3, Snap::Shrink), Ok(empty.clone()));
        assert!(Roi::unbounded(dims).contains(&empty).unwrap() && empty.contains(&empty).unwrap());
        assert!(!empty.contains(&Roi::unbounded(dims)).unwrap());
        assert!(!empty.intersects(&Roi::unbounded(dims)).unwrap());
        assert_eq!(empty.union(&Roi::unbounded(dims)).unwrap(), Roi::unbounded(dims));
        assert_eq!(empty.squeeze(0), Ok(Roi::empty(dims - 1)));
        assert!(!empty.contains_point(vec![0; dims]).unwrap());
    }
}

#[test]
fn an_empty_roi_with_an_offset_is_contained_by_its_offset() {
    let a = roi([0], [10]);
    assert!(a.contains(&roi([0], [0])).unwrap() && a.contains(&roi([9], [0])).unwrap());
    assert!(!a.contains(&roi([10], [0])).unwrap() && !a.contains(&roi([-1], [0])).unwrap());
    assert!(a.contains(&roi([9], [-100])).unwrap());
    assert!(!roi([5], [0]).contains(&roi([5], [0])).unwrap());
    assert!(Roi::unbounded(1).contains(&roi([5], [0])).unwrap());
    let flat = Roi::from_axes([Some((5, 0)), None]).unwrap();
    assert!(!roi([0, 0], [9, 9]).contains(&flat).unwrap());
    assert!(Roi::unbounded(2).contains(&flat).unwrap());
}

#[test]
fn an_unbounded_axis_contains_any_and_stays() {
    let slab = Roi::from_axes([Some((0, 4)), None]).unwrap();
    assert!(slab.is_unbounded() && !slab.is_empty());
    assert_eq!((slab.size(), slab.shape(), slab.begin(), slab.center()), (None, None, None, None));
    assert_eq!((slab.begin_at(0), slab.end_at(0), slab.shape_at(1)), (Some(0), Some(4), None));
    assert!(slab.points().is_none());
    assert_eq!(slab.to_slices(), Err(GeometryError::Unbounded { axis: 1 }));
    assert!(slab.contains(&roi([1, -99], [1, 999])).unwrap() && slab.contains(&slab).unwrap());
    assert!(!roi([0, -99], [4, 999]).contains(&slab).unwrap());
    assert!(
        slab.contains_point([0, i64::MAX]).unwrap() && slab.contains_point([0, i64::MIN]).unwrap()
    );
    let expected = Roi::from_axes([Some((6, 2)), None]).unwrap();
    assert_eq!((slab.shift(3).unwrap() * 2).grow([0, 7], -6).unwrap(), expected);
    assert_eq!(slab.scale(0).unwrap(), Roi::from_axes([Some((0, 0)), None]).unwrap());
    let snapped = Roi::from_axes([Some((0, 6)), None]).unwrap();
    assert_eq!(slab.snap_to_grid(3, Snap::Grow), Ok(snapped));
}

#[test]
fn growing_by_negative_amounts_shrinks() {
    assert_eq!(roi([0], [10]).grow(-2, -3).unwrap(), roi([2], [5]));
    let nothing = roi([0], [4]).grow(-3, -3).unwrap();
    assert_eq!(nothing, roi([3], [-2]));
    assert!(nothing.is_empty());
    assert_eq!(nothing.size(), Some(0));
}

#[test]
fn scaling_and_dividing_touch_offset_and_shape() {
    assert_eq!(roi([1, -1], [3, 5]) * [2, 3], roi([2, -3], [6, 15]));
    assert_eq!(roi([3, -1], [5, 4]) / 2, roi([1, -1], [2, 2]));
    assert_eq!(roi([3], [5]) / -2, roi([-2], [-3]));
    assert_eq!(roi([1], [1]).div_floor(0), Err(GeometryError::DivisionByZero));
}

#[test]
fn snapping_goes_the_way_it_is_told() {
    let a = roi([1, -1], [7, 7]); // [1:8, -1:6]
    assert_eq!(a.snap_to_grid(4, Snap::Grow), Ok(roi([0, -4], [8, 12])));
    assert_eq!(a.snap_to_grid(4, Snap::Shrink), Ok(roi([4, 0], [4, 4])));
    assert_eq!(a.snap_to_grid([2, 4], Snap::Closest), Ok(roi([0, 0], [8, 4])));
    // Nothing is left: the offset is that of the snapped begin, the shape zero.
    assert_eq!(roi([1], [2]).snap_to_grid(10, Snap::Shrink), Ok(roi([10], [0])));
    for size in [0, -4] {
        assert_eq!(
            a.snap_to_grid([4, size], Snap::Grow),
            Err(GeometryError::NonPositiveVoxelSize { axis: 1, size })
        );
    }
    assert_eq!(
        roi([Roi::LIMIT], [0]).snap_to_grid(i64::MAX, Snap::Grow),
        Err(GeometryError::Overflow { op: "snapping a ROI to a grid" })
    );
}

#[test]
fn bounds_have_a_limit_and_every_shape_fits() {
    let widest = Roi::from_begin_end([-Roi::LIMIT], [Roi::LIMIT]).unwrap();
    assert_eq!(widest.size(), Some(2 * Roi::LIMIT as u128));
    assert_eq!(widest.shape_at(0), Some(2 * Roi::LIMIT));
    for beyond in [Roi::LIMIT + 1, -Roi::LIMIT - 1, i64::MAX, i64::MIN] {
        assert!(Roi::from_begin_end([beyond], [0]).is_err(), "{beyond}");
        assert!(Roi::from_begin_end([0], [beyond]).is_err(), "{beyond}");
        assert!(Roi::new([beyond], [0]).is_err(), "{beyond}");
        assert!(Roi::new([0], [beyond]).is_err(), "{beyond}");
        assert!(Roi::from_axes([Some((beyond, 0))]).is_err(), "{beyond}");
        assert!(roi([0], [0]).shift(beyond).is_err(), "{beyond}");
        assert!(roi([0; 5], [0; 5]).shift(beyond).is_err(), "{beyond}");
        assert!(roi([0], [0]).shift_back(beyond).is_err(), "{beyond}");
        assert!(roi([0], [0]).grow(beyond, 0).is_err(), "{beyond}");
        assert!(roi([0], [0]).grow(0, beyond).is_err(), "{beyond}");
    }
    let huge = Roi::from_begin_end([-Roi::LIMIT; 3], [Roi::LIMIT; 3]).unwrap();
    assert_eq!(huge.size(), None);
    assert_eq!(huge.checked_size(), Err(GeometryError::Overflow { op: "the size of a ROI" }));
    assert_eq!(Roi::unbounded(3).checked_size(), Ok(None));
}

#[test]
fn slices_need_bounds_from_zero_on() {
    assert_eq!(
        roi([3, -2], [1, 1]).to_slices(),
        Err(GeometryError::NegativeBegin { axis: 1, begin: -2 })
    );
    assert_eq!(roi([3, 0], [-5, 2]).to_slices(), Ok(vec![3..3, 0..2]));
}

#[test]
fn coordinates_convert_both_ways() {
    assert_eq!(Coordinate::from((1_i64, 2, 3, 4, 5)), coordinate([1, 2, 3, 4, 5]));
    assert_eq!(Coordinate::from((7_i64,)), coordinate([7]));
    assert_eq!(<[i64; 2]>::try_from(&coordinate([1, 2])), Ok([1, 2]));
    assert_eq!(
        <[i64; 3]>::try_from(coordinate([1, 2])),
        Err(GeometryError::DimsMismatch { left: 2, right: 3 })
    );
    let mut six = coordinate([0; 6]);
    six[5] = -1;
    assert_eq!(six.iter().sum::<i64>(), -1);
    let ends: (Option<i64>, Option<i64>) = {
        let mut axes = coordinate([1, 2, 3]).into_iter();
        (axes.next_back(), axes.next())
    };
    assert_eq!(ends, (Some(3), Some(1)));
    assert_eq!(coordinate([1, 2]) + (10, 20), coordinate([11, 22]));
}

#[test]
fn a_point_without_axes_is_representable() {
    let none = Coordinate::<i64>::default();
    assert_eq!((none.dims(), none.get(0)), (0, None));
    assert_eq!(&none + 1, none);
    let all = Roi::new(&none, &none).unwrap();
    assert_eq!((all.size(), all.is_empty(), all.points().unwrap().count()), (Some(1), false, 1));
}
