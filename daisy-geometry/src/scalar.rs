//! Integers as the geometry uses them: what a coordinate may be made of, and division that says
//! which way it rounds.
//!
//! Each division comes twice: the plain form panics as the integers' own operators do, the
//! `checked_` form returns `None`.

use core::fmt::{Debug, Display};
use core::hash::Hash;

use num_traits::{CheckedNeg, CheckedRem, PrimInt, Signed};

/// A signed integer type: `i8` to `i128`, and `isize`.
///
/// Implemented for everything that has the supertraits; there is nothing to implement by hand.
///
/// ```
/// use daisy_geometry::{Coordinate, Scalar};
///
/// fn volume<T: Scalar>(shape: &Coordinate<T>) -> Option<T> {
///     shape.iter().try_fold(T::one(), |product, length| product.checked_mul(&length))
/// }
/// assert_eq!(volume(&Coordinate::<i8>::from([4, 5])), Some(20));
/// assert_eq!(volume(&Coordinate::<i8>::from([40, 50])), None);
/// ```
pub trait Scalar:
    PrimInt + Signed + CheckedNeg + CheckedRem + Debug + Display + Default + Hash
{
}

impl<T> Scalar for T where
    T: PrimInt + Signed + CheckedNeg + CheckedRem + Debug + Display + Default + Hash
{
}

/// The largest integer not above `a / b`.
///
/// ```
/// use daisy_geometry::div_floor;
///
/// assert_eq!((div_floor(7, 2), div_floor(-7, 2), div_floor(7, -2)), (3, -4, -4));
/// ```
///
/// # Panics
///
/// **Panics if `b` is zero or the quotient does not fit `T`** (the smallest value by -1).
#[inline]
#[track_caller]
pub fn div_floor<T: Scalar>(a: T, b: T) -> T {
    floor_of(a / b, a % b, b)
}

/// As [`div_floor`], or `None` if `b` is zero or the quotient does not fit.
///
/// ```
/// use daisy_geometry::checked_div_floor;
///
/// assert_eq!(checked_div_floor(-1, 10), Some(-1));
/// assert_eq!(checked_div_floor(1, 0), None);
/// assert_eq!(checked_div_floor(i64::MIN, -1), None);
/// ```
#[inline]
pub fn checked_div_floor<T: Scalar>(a: T, b: T) -> Option<T> {
    let quotient = a.checked_div(&b)?;
    Some(floor_of(quotient, a % b, b))
}

/// The smallest integer not below `a / b`.
///
/// ```
/// use daisy_geometry::div_ceil;
///
/// assert_eq!((div_ceil(7, 2), div_ceil(-7, 2), div_ceil(7, -2)), (4, -3, -3));
/// ```
///
/// # Panics
///
/// **Panics if `b` is zero or the quotient does not fit `T`** (the smallest value by -1).
#[inline]
#[track_caller]
pub fn div_ceil<T: Scalar>(a: T, b: T) -> T {
    ceil_of(a / b, a % b, b)
}

/// As [`div_ceil`], or `None` if `b` is zero or the quotient does not fit.
///
/// ```
/// use daisy_geometry::checked_div_ceil;
///
/// assert_eq!(checked_div_ceil(-1, 10), Some(0));
/// assert_eq!(checked_div_ceil(1, 0), None);
/// ```
#[inline]
pub fn checked_div_ceil<T: Scalar>(a: T, b: T) -> Option<T> {
    let quotient = a.checked_div(&b)?;
    Some(ceil_of(quotient, a % b, b))
}

/// The integer nearest to `a / b`; of two equally near ones the lower.
///
/// ```
/// use daisy_geometry::div_round;
///
/// assert_eq!((div_round(3, 4), div_round(2, 4), div_round(-2, 4)), (1, 0, -1));
/// assert_eq!(div_round(3, -2), -2); // -1.5, halfway between -2 and -1
/// ```
///
/// # Panics
///
/// **Panics if `b` is zero or the quotient does not fit `T`** (the smallest value by -1).
#[inline]
#[track_caller]
pub fn div_round<T: Scalar>(a: T, b: T) -> T {
    round_of(a / b, a % b, b)
}

/// As [`div_round`], or `None` if `b` is zero or the quotient does not fit.
///
/// ```
/// use daisy_geometry::checked_div_round;
///
/// assert_eq!(checked_div_round(i64::MAX, 2), Some(i64::MAX / 2)); // an exact half goes down
/// assert_eq!(checked_div_round(1, 0), None);
/// ```
#[inline]
pub fn checked_div_round<T: Scalar>(a: T, b: T) -> Option<T> {
    let quotient = a.checked_div(&b)?;
    Some(round_of(quotient, a % b, b))
}

/// The remainder of [`div_floor`]: zero, or of the sign of `b`.
///
/// ```
/// use daisy_geometry::rem_floor;
///
/// assert_eq!((rem_floor(7, 3), rem_floor(-7, 3), rem_floor(7, -3)), (1, 2, -2));
/// assert_eq!(rem_floor(i64::MIN, -1), 0); // fits, though the quotient does not
/// ```
///
/// # Panics
///
/// **Panics if `b` is zero.**
#[inline]
#[track_caller]
pub fn rem_floor<T: Scalar>(a: T, b: T) -> T {
    if b == -T::one() {
        return T::zero();
    }
    rem_of(a % b, b)
}

/// As [`rem_floor`], or `None` if `b` is zero.
///
/// ```
/// use daisy_geometry::checked_rem_floor;
///
/// assert_eq!(checked_rem_floor(-7, 3), Some(2));
/// assert_eq!(checked_rem_floor(7, 0), None);
/// ```
#[inline]
pub fn checked_rem_floor<T: Scalar>(a: T, b: T) -> Option<T> {
    if b.is_zero() { None } else { Some(rem_floor(a, b)) }
}

// `quotient` and `remainder` are those of the integers, which round toward zero.

#[inline]
fn floor_of<T: Scalar>(quotient: T, remainder: T, divisor: T) -> T {
    let inexact_below_zero =
        !remainder.is_zero() && remainder.is_negative() != divisor.is_negative();
    if inexact_below_zero { quotient - T::one() } else { quotient }
}

#[inline]
fn ceil_of<T: Scalar>(quotient: T, remainder: T, divisor: T) -> T {
    let inexact_above_zero =
        !remainder.is_zero() && remainder.is_negative() == divisor.is_negative();
    if inexact_above_zero { quotient + T::one() } else { quotient }
}

#[inline]
fn round_of<T: Scalar>(quotient: T, remainder: T, divisor: T) -> T {
    let floor = floor_of(quotient, remainder, divisor);
    let rest = rem_of(remainder, divisor);
    // rest / divisor > 1/2 without doubling, which could overflow: both have one sign.
    let missing = divisor - rest;
    let upper = if divisor.is_negative() { rest < missing } else { rest > missing };
    if upper { floor + T::one() } else { floor }
}

#[inline]
fn rem_of<T: Scalar>(remainder: T, divisor: T) -> T {
    let other_sign = !remainder.is_zero() && remainder.is_negative() != divisor.is_negative();
    if other_sign { remainder + divisor } else { remainder }
}
