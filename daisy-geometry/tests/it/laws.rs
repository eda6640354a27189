//! The algebra of coordinates, with few axes and with more than fit inline, and rounding against
//! exact fractions.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use daisy_geometry::{
    Coordinate, GeometryError, Roi, checked_div_ceil, checked_div_floor, checked_div_round,
    checked_rem_floor, div_ceil, div_floor, div_round, rem_floor,
};
use proptest::prelude::*;

fn axes(dims: usize) -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(-1_000_000..1_000_000_i64, dims)
}

/// Three coordinates of as many axes, one to six.
fn triple() -> impl Strategy<Value = [Coordinate; 3]> {
    (1..=6_usize)
        .prop_flat_map(|dims| [axes(dims), axes(dims), axes(dims)])
        .prop_map(|triple| triple.map(Coordinate::from))
}

fn nonzero(coordinate: &Coordinate) -> Coordinate {
    coordinate.map(|axis| if axis == 0 { 7 } else { axis })
}

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), -2..=2_i64]
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

proptest! {
    #[test]
    fn sums_and_products_form_a_ring([a, b, c] in triple()) {
        prop_assert_eq!(&a + &b, &b + &a);
        prop_assert_eq!((&a + &b) + &c, &a + (&b + &c));
        prop_assert_eq!((&a + &b) * &c, &a * &c + &b * &c);
        prop_assert_eq!(&a - &b, &a + -&b);
        prop_assert_eq!(&a - &a, Coordinate::zeros(a.dims()));
        prop_assert_eq!(&a * 1, a.clone());
        prop_assert_eq!(3 * &a, &a + &a + &a);
    }

    #[test]
    fn each_axis_is_computed_as_an_integer_is([a, b, _c] in triple()) {
        for axis in 0..a.dims() {
            prop_assert_eq!((&a + &b)[axis], a[axis] + b[axis]);
            prop_assert_eq!((&a - &b)[axis], a[axis] - b[axis]);
            prop_assert_eq!((&a * &b)[axis], a[axis] * b[axis]);
            prop_assert_eq!((-&a)[axis], -a[axis]);
            prop_assert_eq!(a.abs().unwrap()[axis], a[axis].abs());
            prop_assert_eq!(a.min_elementwise(&b).unwrap()[axis], a[axis].min(b[axis]));
            prop_assert_eq!(a.max_elementwise(&b).unwrap()[axis], a[axis].max(b[axis]));
        }
    }

    #[test]
    fn quotient_and_remainder_belong_together([a, b, _c] in triple()) {
        let b = nonzero(&b);
        let (quotient, remainder) = (&a / &b, &a % &b);
        prop_assert_eq!(&quotient * &b + &remainder, a.clone());
        for axis in 0..a.dims() {
            prop_assert!(remainder[axis].abs() < b[axis].abs());
            prop_assert!(remainder[axis] == 0 || remainder[axis].signum() == b[axis].signum());
        }
        prop_assert_eq!(a.ceil_division(&b).unwrap(), -((-&a) / &b));
        prop_assert_eq!(a.is_multiple_of(&b).unwrap(), remainder == Coordinate::zeros(a.dims()));
        prop_assert!((&a * &b).is_multiple_of(&b).unwrap());
    }

    #[test]
    fn one_number_stands_for_every_axis([a, _b, _c] in triple(), number in 1..99_i64) {
        let splat = Coordinate::splat(a.dims(), number);
        prop_assert_eq!(&a + number, &a + &splat);
        prop_assert_eq!(&a - number, &a - splat.as_slice());
        prop_assert_eq!(&a * number, &a * splat.clone());
        prop_assert_eq!(&a / number, &a / &splat);
        prop_assert_eq!(&a % number, &a % &splat);
        prop_assert_eq!(a.round_division(number).unwrap(), a.round_division(&splat).unwrap());
    }

    #[test]
    fn order_equality_and_hash_are_those_of_the_slice(
        a in proptest::collection::vec(-2..2_i64, 0..7),
        b in proptest::collection::vec(-2..2_i64, 0..7),
    ) {
        let (left, right) = (Coordinate::from(a.clone()), Coordinate::from(b.clone()));
        prop_assert_eq!(left.cmp(&right), a.cmp(&b));
        prop_assert_eq!(left == right, a == b);
        prop_assert_eq!(hash(&left), hash(&a.as_slice()));
        prop_assert_eq!(left.clone(), left);
    }

    #[test]
    fn every_way_in_gives_the_same(a in proptest::collection::vec(any::<i64>(), 0..7)) {
        let coordinate = Coordinate::from_slice(&a);
        prop_assert_eq!(&coordinate, &Coordinate::from(a.clone()));
        prop_assert_eq!(&coordinate, &a.iter().copied().collect());
        prop_assert_eq!(&coordinate, &Coordinate::from_fn(a.len(), |axis| a[axis]));
        prop_assert_eq!(coordinate.as_slice(), &a[..]);
        prop_assert_eq!(coordinate.iter().rev().collect::<Vec<_>>(),
            a.iter().rev().copied().collect::<Vec<_>>());
        prop_assert_eq!(coordinate.clone().into_iter().collect::<Vec<_>>(), a.clone());
        prop_assert_eq!(Vec::from(coordinate), a);
    }

    #[test]
    fn squeezing_removes_one_axis(
        a in proptest::collection::vec(any::<i64>(), 1..7),
        axis in 0..7_usize,
    ) {
        let squeezed = Coordinate::from_slice(&a).squeeze(axis);
        if axis < a.len() {
            let mut rest = a;
            rest.remove(axis);
            prop_assert_eq!(squeezed?.to_vec(), rest);
        } else {
            prop_assert_eq!(squeezed, Err(GeometryError::AxisOutOfRange { axis, dims: a.len() }));
        }
    }

    #[test]
    fn rounding_agrees_with_exact_fractions(a in any::<i64>(), b in any::<i64>()) {
        prop_assume!(b != 0 && (a, b) != (i64::MIN, -1));
        let quotients = [div_floor(a, b), div_ceil(a, b), div_round(a, b)];
        rounds_exactly(i128::from(a), i128::from(b), quotients);
    }

    #[test]
    fn extremes_are_errors_and_never_wrap(
        a in proptest::collection::vec(extreme(), 1..7),
        b in extreme(),
    ) {
        let coordinate = Coordinate::from_slice(&a);
        let all = |f: &dyn Fn(i64) -> Option<i64>| {
            a.iter().map(|&x| f(x)).collect::<Option<Coordinate>>()
        };
        prop_assert_eq!(coordinate.checked_add(b).ok(), all(&|x| x.checked_add(b)));
        prop_assert_eq!(coordinate.checked_sub(b).ok(), all(&|x| x.checked_sub(b)));
        prop_assert_eq!(coordinate.checked_mul(b).ok(), all(&|x| x.checked_mul(b)));
        prop_assert_eq!(coordinate.checked_neg().ok(), all(&i64::checked_neg));
        prop_assert_eq!(coordinate.abs().ok(), all(&i64::checked_abs));
        prop_assert_eq!(coordinate.checked_div_floor(b).ok(), all(&|x| checked_div_floor(x, b)));
        prop_assert_eq!(coordinate.ceil_division(b).ok(), all(&|x| checked_div_ceil(x, b)));
        let rounded = coordinate.round_division(b);
        prop_assert_eq!(rounded.ok(), all(&|x| checked_div_round(x, b)));
        prop_assert_eq!(coordinate.checked_rem_floor(b).ok(), all(&|x| checked_rem_floor(x, b)));
    }
}

proptest! {
    #[test]
    fn moving_a_roi_past_its_limit_is_an_error(
        dims in 1..=6_usize,
        begin in bound(),
        end in bound(),
        neg in amount(),
        pos in amount(),
    ) {
        let splat = |value| Coordinate::splat(dims, value);
        let roi = Roi::from_begin_end(splat(begin), splat(end)).unwrap();
        let exact = |low: i128, high: i128| {
            let limit = i128::from(Roi::LIMIT);
            let fits = low.abs() <= limit && high.abs() <= limit;
            fits.then(|| Roi::from_begin_end(splat(low as i64), splat(high as i64)).unwrap())
        };
        let [begin, end, low, high] = [begin, end, neg, pos].map(i128::from);
        prop_assert_eq!(roi.grow(neg, pos).ok(), exact(begin - low, end + high));
        prop_assert_eq!(roi.shift(pos).ok(), exact(begin + high, end + high));
        prop_assert_eq!(roi.shift_back(pos).ok(), exact(begin - high, end - high));
        prop_assert_eq!(roi.scale(pos).ok(), exact(begin * high, end * high));
    }
}

/// Small bounds and those next to the limit.
fn bound() -> impl Strategy<Value = i64> {
    prop_oneof![-3..=3_i64, Roi::LIMIT - 3..=Roi::LIMIT, -Roi::LIMIT..=3 - Roi::LIMIT]
}

/// Small amounts, those that reach from limit to limit, and those that wrap.
fn amount() -> impl Strategy<Value = i64> {
    let twice = 2 * Roi::LIMIT;
    let near = |at: i64| at.saturating_sub(3)..=at.saturating_add(3);
    prop_oneof![
        near(0),
        prop_oneof![near(Roi::LIMIT), near(-Roi::LIMIT), near(twice), near(-twice)],
        prop_oneof![near(i64::MIN), near(i64::MAX), i64::MIN..=i64::MAX],
    ]
}

/// Floor, ceiling and nearest (an exact half down) of the fraction `a / b`.
fn rounds_exactly<T: Into<i128>>(a: i128, b: i128, [floor, ceil, round]: [T; 3]) {
    let (floor, ceil, round) = (floor.into(), ceil.into(), round.into());
    // With a positive denominator comparing fractions is comparing products.
    let (a, b) = if b < 0 { (-a, -b) } else { (a, b) };
    assert!(floor * b <= a && a < (floor + 1) * b, "floor of {a}/{b}");
    assert!((ceil - 1) * b < a && a <= ceil * b, "ceiling of {a}/{b}");
    // round - 1/2 < a/b <= round + 1/2
    assert!((2 * round - 1) * b < 2 * a && 2 * a <= (2 * round + 1) * b, "{a}/{b} is not {round}");
}

#[test]
fn every_division_of_small_integers_rounds_exactly() {
    for a in i8::MIN..=i8::MAX {
        for b in (i8::MIN..=i8::MAX).filter(|&b| b != 0) {
            if (a, b) == (i8::MIN, -1) {
                assert_eq!(checked_div_floor(a, b), None);
                assert_eq!(checked_div_ceil(a, b), None);
                assert_eq!(checked_div_round(a, b), None);
            } else {
                let quotients = [div_floor(a, b), div_ceil(a, b), div_round(a, b)];
                rounds_exactly(i128::from(a), i128::from(b), quotients);
            }
            let remainder = i32::from(a).rem_euclid(i32::from(b).abs());
            let of_divisors_sign =
                if b < 0 && remainder != 0 { remainder + i32::from(b) } else { remainder };
            assert_eq!(i32::from(rem_floor(a, b)), of_divisors_sign, "{a} % {b}");
        }
        assert_eq!(checked_div_floor(a, 0), None);
        assert_eq!(checked_div_round(a, 0), None);
        assert_eq!(checked_rem_floor(a, 0), None);
    }
}
