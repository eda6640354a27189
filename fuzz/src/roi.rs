//! Geometry with the worst numbers there are: no checked form panics, whatever is accepted keeps
//! within its limits, and the laws of sets hold.

use arbitrary::{Result, Unstructured};
use daisy_geometry::{Coordinate, Roi, Snap};

/// Operations in one input; the rest of the bytes is ignored.
const OPERATIONS: usize = 64;

/// Reads operations on ROIs and coordinates of one to six axes from the bytes and checks them.
pub fn roi(bytes: &[u8]) {
    // Running out of bytes is the ordinary end.
    let _ended = run(&mut Unstructured::new(bytes));
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..OPERATIONS {
        let dims = bytes.int_in_range(1..=6)?;
        match bytes.int_in_range(0..=5_u8)? {
            0 => coordinates(&coordinate(bytes, dims)?, &coordinate(bytes, dims)?),
            1 => sets(&any_roi(bytes, dims)?, &any_roi(bytes, dims)?),
            2 => moves(&any_roi(bytes, dims)?, &coordinate(bytes, dims)?, number(bytes)?),
            3 => snaps(&any_roi(bytes, dims)?, &coordinate(bytes, dims)?),
            4 => forms(&any_roi(bytes, dims)?),
            _ => mismatches(bytes, dims)?,
        }
    }
    Ok(())
}

/// Small numbers, extremes, and what lies around the limit of a ROI.
fn number(bytes: &mut Unstructured<'_>) -> Result<i64> {
    let near = i64::from(bytes.arbitrary::<i8>()?);
    Ok(match bytes.int_in_range(0..=6_u8)? {
        0 => i64::MIN.saturating_add(near),
        1 => i64::MAX.saturating_add(near),
        2 => Roi::LIMIT + near,
        3 => near - Roi::LIMIT,
        4 => bytes.arbitrary()?,
        _ => near,
    })
}

fn coordinate(bytes: &mut Unstructured<'_>, dims: usize) -> Result<Coordinate> {
    (0..dims).map(|_| number(bytes)).collect()
}

fn any_roi(bytes: &mut Unstructured<'_>, dims: usize) -> Result<Roi> {
    let (first, second) = (coordinate(bytes, dims)?, coordinate(bytes, dims)?);
    let made = match bytes.int_in_range(0..=7_u8)? {
        0 => return Ok(Roi::empty(dims)),
        1 => return Ok(Roi::unbounded(dims)),
        2 => Roi::new(first, second),
        3 => Roi::from_begin_end(first, second),
        _ => {
            let unbounded: u8 = bytes.arbitrary()?;
            let axes = first.iter().zip(&second).enumerate();
            Roi::from_axes(axes.map(|(i, axis)| (unbounded >> i & 1 == 0).then_some(axis)))
        }
    };
    // Most extremes are refused. What takes their place has the same number of axes.
    Ok(made.unwrap_or_else(|_| Roi::unbounded(dims)))
}

fn coordinates(a: &Coordinate, b: &Coordinate) {
    if let Ok(sum) = a.checked_add(b) {
        assert_eq!(sum.checked_sub(b).as_ref(), Ok(a));
        assert_eq!(b.checked_add(a), Ok(sum));
    }
    if let (Ok(quotient), Ok(remainder)) = (a.checked_div_floor(b), a.checked_rem_floor(b)) {
        let product = wide(&quotient, b, |q, b| q * b);
        assert_eq!(wide(a, &remainder, |a, r| a - r), product, "{a} / {b}");
        assert_eq!(a.is_multiple_of(b), Ok(remainder == Coordinate::zeros(a.dims())));
        let (Ok(up), Ok(near)) = (a.ceil_division(b), a.round_division(b)) else {
            panic!("{a} / {b} can be rounded down only");
        };
        assert!(
            near == quotient.max_elementwise(&near).unwrap().min_elementwise(&up).unwrap(),
            "{a} / {b}"
        );
    }
    assert_eq!(a.checked_mul(b), b.checked_mul(a));
    if let Ok(negative) = a.checked_neg() {
        assert_eq!(negative.checked_neg().as_ref(), Ok(a));
        assert_eq!(a.abs(), Ok(a.max_elementwise(&negative).unwrap()));
    }
    assert_eq!(a.to_string().parse().as_ref(), Ok(a));
}

fn wide(a: &Coordinate, b: &Coordinate, f: impl Fn(i128, i128) -> i128) -> Vec<i128> {
    a.iter().zip(b).map(|(a, b)| f(i128::from(a), i128::from(b))).collect()
}

fn sets(a: &Roi, b: &Roi) {
    let met = a.intersect(b).unwrap();
    assert_eq!(met, b.intersect(a).unwrap());
    assert_eq!(met.is_empty(), !a.intersects(b).unwrap());
    assert!(a.contains(&met).unwrap() && b.contains(&met).unwrap(), "{a} {b}");
    let hull = a.union(b).unwrap();
    for part in [a, b] {
        assert!(part.is_empty() || hull.contains(part).unwrap(), "{a} {b}");
        assert_eq!(part.intersect(part).unwrap().is_empty(), part.is_empty());
    }
    if a.contains(b).unwrap() && !b.is_empty() {
        assert_eq!(met, *b);
        assert_eq!(hull, *a);
    }
    valid(&met);
    valid(&hull);
}

fn moves(a: &Roi, by: &Coordinate, number: i64) {
    if let Ok(moved) = a.shift(by) {
        valid(&moved);
        assert_eq!(moved.shift_back(by).as_ref(), Ok(a));
    }
    if let Ok(grown) = a.grow(by, number) {
        valid(&grown);
        if let (Ok(by), Some(number)) = (by.checked_neg(), number.checked_neg()) {
            assert_eq!(grown.grow(by, number).as_ref(), Ok(a));
        }
    }
    if let Ok(scaled) = a.scale(by) {
        valid(&scaled);
        if let Ok(back) = scaled.div_floor(by) {
            assert_eq!(back, *a);
        }
    }
    if let Ok(divided) = a.div_floor(number) {
        valid(&divided);
    }
}

fn snaps(a: &Roi, voxel_size: &Coordinate) {
    for mode in [Snap::Grow, Snap::Shrink, Snap::Closest] {
        let Ok(snapped) = a.snap_to_grid(voxel_size, mode) else { continue };
        valid(&snapped);
        assert_eq!(snapped.snap_to_grid(voxel_size, mode).as_ref(), Ok(&snapped));
        match mode {
            Snap::Grow => assert!(a.is_empty() || snapped.contains(a).unwrap(), "{a} {voxel_size}"),
            Snap::Shrink => {
                assert!(snapped.is_empty() || a.contains(&snapped).unwrap(), "{a} {voxel_size}")
            }
            Snap::Closest => {}
        }
    }
}

fn forms(a: &Roi) {
    valid(a);
    let entries = (0..a.dims()).map(|axis| (a.begin_at(axis), a.shape_at(axis)));
    let (offset, shape): (Vec<_>, Vec<_>) = entries.unzip();
    assert_eq!(Roi::from_entries(offset, shape).as_ref(), Ok(a));
    if let Ok(slices) = a.to_slices() {
        assert_eq!(slices.len(), a.dims());
        assert_eq!(slices.iter().any(|range| range.is_empty()), a.is_empty());
    }
    if let Some(points) = a.points() {
        for point in points.take(16) {
            assert!(a.contains_point(&point).unwrap(), "{a} {point}");
        }
    }
    for axis in 0..=a.dims() {
        assert_eq!(a.squeeze(axis).is_ok(), axis < a.dims());
    }
}

/// Differing numbers of axes are an error of every method.
fn mismatches(bytes: &mut Unstructured<'_>, dims: usize) -> Result<()> {
    let (a, b) = (any_roi(bytes, dims)?, any_roi(bytes, dims + 1)?);
    let by = coordinate(bytes, dims + 1)?;
    assert!(a.intersect(&b).is_err() && b.intersect(&a).is_err());
    assert!(a.union(&b).is_err() && a.intersects(&b).is_err());
    assert!(a.contains(&b).is_err() && a.contains_point(&by).is_err());
    assert!(a.shift(&by).is_err() && a.grow(0, &by).is_err());
    assert!(a.scale(&by).is_err() && a.div_floor(&by).is_err());
    assert!(a.snap_to_grid(&by, Snap::Grow).is_err());
    Ok(())
}

/// Bounds within the limit, or none; and a text form that can be read again.
fn valid(roi: &Roi) {
    for axis in 0..roi.dims() {
        for bound in [roi.begin_at(axis), roi.end_at(axis)].into_iter().flatten() {
            assert!((-Roi::LIMIT..=Roi::LIMIT).contains(&bound), "{roi}");
        }
        let lengths = (roi.begin_at(axis), roi.end_at(axis), roi.shape_at(axis));
        if let (Some(begin), Some(end), Some(shape)) = lengths {
            assert_eq!(end - begin, shape, "{roi}");
        }
    }
    assert_eq!(roi.is_unbounded(), roi.checked_size() == Ok(None));
    assert_eq!(roi.is_empty() && !roi.is_unbounded(), roi.size() == Some(0));
    assert_eq!(roi.to_string().parse().as_ref(), Ok(roi));
}
