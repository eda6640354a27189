//! Coordinates and ROIs of any numbers of axes.

use daisy_geometry::{
    Coordinate, IntoIter, Roi, Scalar, Snap, checked_div_ceil, checked_div_floor,
    checked_div_round, checked_rem_floor, div_ceil, div_floor, div_round, rem_floor,
};

use super::{
    call,
    text::{debug, ok, print},
    values::Values,
};

const STEPS: usize = 40;

pub fn run(values: &mut Values<'_>) {
    for _ in 0..STEPS {
        if !values.goes_on() {
            return;
        }
        let dims = values.dims();
        match values.pick(8) {
            0 => scalars(values.number(), values.number()),
            1 => scalars(values.number() as i8, values.number() as i8),
            2 => {
                let (a, b) = (values.coordinate(dims), other(values, dims));
                coordinates(&a, &b, values);
            }
            3 => {
                let narrow = |axes: Coordinate| call!(Coordinate::map(&axes, |axis| axis as i8));
                let (a, b) = (narrow(values.coordinate(dims)), narrow(other(values, dims)));
                coordinates(&a, &b, values);
            }
            4 => forms(dims, values),
            5 => rois(dims, values),
            6 => sets(&values.roi(dims), &any_roi(values, dims), values),
            _ => moves(&values.roi(dims), values),
        }
    }
}

/// Mostly as many axes.
fn other(values: &mut Values<'_>, dims: usize) -> Coordinate {
    let dims = values.near_dims(dims);
    values.coordinate(dims)
}

fn any_roi(values: &mut Values<'_>, dims: usize) -> Roi {
    let dims = values.near_dims(dims);
    values.roi(dims)
}

/// The plain forms panic as documented where the checked ones give nothing.
fn scalars<T: Scalar>(a: T, b: T) {
    if let Some(quotient) = call!(checked_div_floor(a, b)) {
        assert_eq!(call!(div_floor(a, b)), quotient);
    }
    if let Some(quotient) = call!(checked_div_ceil(a, b)) {
        assert_eq!(call!(div_ceil(a, b)), quotient);
    }
    if let Some(quotient) = call!(checked_div_round(a, b)) {
        assert_eq!(call!(div_round(a, b)), quotient);
    }
    if let Some(rest) = call!(checked_rem_floor(a, b)) {
        // Documented to panic where the quotient does not fit, as the integers' own operator does.
        if b != T::zero() && call!(checked_div_floor(a, b)).is_some() {
            assert_eq!(call!(rem_floor(a, b)), rest);
        }
    }
}

fn coordinates<T: Scalar>(a: &Coordinate<T>, b: &Coordinate<T>, values: &mut Values<'_>) {
    let by = call!(Coordinate::get(b, 0)).unwrap_or(T::zero());
    arithmetic(a, b);
    ok(call!(Coordinate::checked_add(a, by)));
    ok(call!(Coordinate::checked_mul(a, (by, by))));
    ok(call!(Coordinate::checked_sub(a, [by; 3])));
    ok(call!(Coordinate::checked_div_floor(a, call!(Coordinate::as_slice(b)))));
    let zipped = call!(Coordinate::zip_with(a, b, |a, b| a.max(b)));
    assert_eq!(zipped.is_ok(), a.dims() == b.dims());
    let axis = values.one_of(&[0, 1, 3, 4, 5, usize::MAX]);
    assert_eq!(call!(Coordinate::squeeze(a, axis)).is_ok(), axis < a.dims());
    assert_eq!(call!(Coordinate::get(a, axis)).is_some(), axis < a.dims());
    let (mut copy, list) = (a.clone(), call!(Coordinate::to_vec(a)));
    call!(Coordinate::as_mut_slice(&mut copy)).reverse();
    assert!(call!(Coordinate::iter(&copy)).eq(list.iter().rev().copied()));
    assert_eq!(call!(Coordinate::from_slice(&list)), call!(Coordinate::new(list.iter().copied())));
    assert_eq!(call!(Coordinate::dims(a)), list.len());
    let mut owned: IntoIter<T> = copy.clone().into_iter();
    assert_eq!(owned.next_back().or(owned.next()), list.first().copied());
    debug(&owned);
    copy.extend([by, by]);
    debug(&(a.cmp(&copy), <[T; 3]>::try_from(a), Vec::from(copy)));
    print(a);
    assert_eq!(a.to_string().parse().as_ref(), Ok(a));
}

fn arithmetic<T: Scalar>(a: &Coordinate<T>, b: &Coordinate<T>) {
    let all = [
        call!(Coordinate::checked_add(a, b)),
        call!(Coordinate::checked_sub(a, b)),
        call!(Coordinate::checked_mul(a, b)),
        call!(Coordinate::checked_div_floor(a, b)),
        call!(Coordinate::floor_division(a, b)),
        call!(Coordinate::ceil_division(a, b)),
        call!(Coordinate::round_division(a, b)),
        call!(Coordinate::checked_rem_floor(a, b)),
        call!(Coordinate::min_elementwise(a, b)),
        call!(Coordinate::max_elementwise(a, b)),
    ];
    for result in all {
        assert!(result.is_err() || a.dims() == b.dims());
        ok(result);
    }
    ok(call!(Coordinate::checked_neg(a)));
    ok(call!(Coordinate::abs(a)));
    ok(call!(Coordinate::is_multiple_of(a, b)));
}

fn forms(dims: usize, values: &mut Values<'_>) {
    let number = values.number();
    let splat = call!(Coordinate::splat(dims, number));
    assert_eq!(call!(Coordinate::from_fn(dims, |_| number)), splat);
    assert_eq!(call!(Coordinate::zeros(dims)), Coordinate::splat(dims, 0));
    assert_eq!(call!(Coordinate::ones(dims)), Coordinate::splat(dims, 1));
    let (a, b) = (values.coordinate(dims), other(values, dims));
    let mut made = vec![
        call!(Roi::new(&a, &b)),
        call!(Roi::from_begin_end(&a, &b)),
        call!(Roi::from_arrays([number; 2], [values.number(), number])),
        call!(Roi::from_axes(a.iter().zip(&b).map(Some))),
    ];
    let entry = |values: &mut Values<'_>| values.yes().then(|| values.number());
    let entries: Vec<_> = (0..2 * dims).map(|_| entry(values)).collect();
    let (offset, shape) = entries.split_at(values.pick(2 * dims + 1));
    made.push(call!(Roi::from_entries(offset.to_vec(), shape.to_vec())));
    made.push(Ok(call!(Roi::unbounded(dims))));
    made.push(Ok(call!(Roi::empty(dims))));
    for roi in made {
        ok(roi).iter().for_each(|roi| look(roi, values));
    }
    let text = values.text();
    ok(text.parse::<Coordinate>());
    ok(text.parse::<Roi>());
    ok(text.parse::<Snap>());
}

fn rois(dims: usize, values: &mut Values<'_>) {
    look(&values.roi(dims), values);
}

fn look(roi: &Roi, values: &mut Values<'_>) {
    let axis = values.one_of(&[0, 1, 4, 19, usize::MAX]);
    let dims = call!(Roi::dims(roi));
    debug(&(call!(Roi::begin(roi)), call!(Roi::offset(roi)), call!(Roi::end(roi))));
    debug(&(call!(Roi::shape(roi)), call!(Roi::center(roi)), call!(Roi::bounds(roi))));
    debug(&(call!(Roi::begin_at(roi, axis)), call!(Roi::end_at(roi, axis))));
    assert!(call!(Roi::shape_at(roi, axis)).is_none() || axis < dims);
    let (size, checked) = (call!(Roi::size(roi)), ok(call!(Roi::checked_size(roi))));
    assert!(checked.is_none_or(|checked| checked == size));
    assert!(!call!(Roi::is_unbounded(roi)) || size.is_none());
    assert!(!call!(Roi::is_empty(roi)) || size.is_none_or(|size| size == 0));
    assert_eq!(ok(call!(Roi::squeeze(roi, axis))).is_some(), axis < dims);
    ok(call!(Roi::to_slices(roi)));
    if let Some(points) = call!(Roi::points(roi)) {
        debug(&points);
        for point in points.take(20) {
            assert_eq!(roi.contains_point(&point), Ok(true));
        }
    }
    print(roi);
    assert_eq!(roi.to_string().parse().as_ref(), Ok(roi));
}

fn sets(a: &Roi, b: &Roi, values: &mut Values<'_>) {
    let is_same = a.dims() == b.dims();
    assert_eq!(ok(call!(Roi::contains(a, b))).is_some(), is_same);
    let meets = ok(call!(Roi::intersects(a, b)));
    let met = ok(call!(Roi::intersect(a, b)));
    assert_eq!(meets, met.map(|met| !met.is_empty()));
    assert_eq!(ok(call!(Roi::union(a, b))).is_some(), is_same);
    let point = values.coordinate(b.dims());
    assert_eq!(ok(call!(Roi::contains_point(a, &point))).is_some(), is_same);
}

fn moves(roi: &Roi, values: &mut Values<'_>) {
    let (by, number) = (other(values, roi.dims()), values.number());
    let mode = values.one_of(&[Snap::Grow, Snap::Shrink, Snap::Closest]);
    print(&mode);
    let moved = [
        call!(Roi::shift(roi, &by)),
        call!(Roi::shift(roi, number)),
        call!(Roi::shift_back(roi, &by)),
        call!(Roi::grow(roi, &by, number)),
        call!(Roi::grow(roi, number, values.number())),
        call!(Roi::scale(roi, &by)),
        call!(Roi::scale(roi, number)),
        call!(Roi::div_floor(roi, &by)),
        call!(Roi::div_floor(roi, number)),
        call!(Roi::snap_to_grid(roi, &by, mode)),
        call!(Roi::snap_to_grid(roi, number, mode)),
    ];
    for roi in moved {
        ok(roi).iter().for_each(|roi| look(roi, values));
    }
}
