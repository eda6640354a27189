//! Element-wise arithmetic by name, which returns errors; what has an operator, which panics, is called
//! `checked_`.

use super::Coordinate;
use crate::operand::check_dims;
use crate::scalar::{checked_div_ceil, checked_div_floor, checked_div_round, checked_rem_floor};
use crate::{GeometryError, INLINE_AXES, Operand, Scalar};

/// A quotient that is missing: because of its divisor, or because it does not fit.
#[inline]
fn quotient<T: Scalar>(f: impl Fn(T, T) -> Option<T>) -> impl Fn(T, T) -> Result<T, GeometryError> {
    move |a, b| match f(a, b) {
        Some(value) => Ok(value),
        None if b.is_zero() => Err(GeometryError::DivisionByZero),
        None => Err(GeometryError::Overflow { op: "division" }),
    }
}

impl<T: Scalar> Coordinate<T> {
    /// The element-wise sum.
    ///
    /// ```
    /// use daisy_geometry::{Coordinate, GeometryError};
    ///
    /// let a = Coordinate::<i64>::new([1, i64::MAX]);
    /// assert_eq!(a.checked_add([2, 0])?, Coordinate::new([3, i64::MAX]));
    /// assert_eq!(a.checked_add(1), Err(GeometryError::Overflow { op: "addition" }));
    /// # Ok::<(), GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::Overflow`].
    #[inline]
    pub fn checked_add(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.try_zip(other, |a, b| {
            a.checked_add(&b).ok_or(GeometryError::Overflow { op: "addition" })
        })
    }

    /// The element-wise difference.
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::Overflow`].
    #[inline]
    pub fn checked_sub(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.try_zip(other, |a, b| {
            a.checked_sub(&b).ok_or(GeometryError::Overflow { op: "subtraction" })
        })
    }

    /// The element-wise product.
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::Overflow`].
    #[inline]
    pub fn checked_mul(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.try_zip(other, |a, b| {
            a.checked_mul(&b).ok_or(GeometryError::Overflow { op: "multiplication" })
        })
    }

    /// The element-wise quotient, rounded down.
    ///
    /// ```
    /// use daisy_geometry::{Coordinate, GeometryError};
    ///
    /// let a = Coordinate::<i64>::new([7, -7]);
    /// assert_eq!(a.checked_div_floor(2)?, Coordinate::new([3, -4]));
    /// assert_eq!(a.checked_div_floor([1, 0]), Err(GeometryError::DivisionByZero));
    /// # Ok::<(), GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`], [`GeometryError::DivisionByZero`] or
    /// [`GeometryError::Overflow`] (the smallest value by -1).
    #[inline]
    pub fn checked_div_floor(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.try_zip(other, quotient(checked_div_floor))
    }

    /// The element-wise quotient, rounded up.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let a = Coordinate::<i64>::new([7, -7]);
    /// assert_eq!(a.ceil_division(2)?, Coordinate::new([4, -3]));
    /// assert_eq!(a.ceil_division(-2)?, Coordinate::new([-3, 4]));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`checked_div_floor`](Self::checked_div_floor).
    #[inline]
    pub fn ceil_division(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.try_zip(other, quotient(checked_div_ceil))
    }

    /// The element-wise quotient, rounded to the nearest integer, an exact half down.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let a = Coordinate::<i64>::new([2, 6, -6]);
    /// assert_eq!(a.round_division(4)?, Coordinate::new([0, 1, -2]));
    /// assert_eq!(Coordinate::<i64>::new([3]).round_division(-2)?, Coordinate::new([-2]));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`checked_div_floor`](Self::checked_div_floor).
    #[inline]
    pub fn round_division(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.try_zip(other, quotient(checked_div_round))
    }

    /// The element-wise remainder, zero or of the divisor's sign.
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::DivisionByZero`].
    #[inline]
    pub fn checked_rem_floor(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.try_zip(other, quotient(checked_rem_floor))
    }

    /// Every axis negated.
    ///
    /// # Errors
    ///
    /// [`GeometryError::Overflow`] for the smallest value.
    #[inline]
    pub fn checked_neg(&self) -> Result<Self, GeometryError> {
        self.try_map(|a| a.checked_neg().ok_or(GeometryError::Overflow { op: "negation" }))
    }

    /// The absolute value of every axis.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// assert_eq!(Coordinate::<i64>::new([-1, 2]).abs()?, Coordinate::new([1, 2]));
    /// assert!(Coordinate::<i64>::new([i64::MIN]).abs().is_err());
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::Overflow`] for the smallest value.
    #[inline]
    pub fn abs(&self) -> Result<Self, GeometryError> {
        self.try_map(|a| {
            let positive = if a.is_negative() { a.checked_neg() } else { Some(a) };
            positive.ok_or(GeometryError::Overflow { op: "absolute value" })
        })
    }

    /// Whether every axis is a multiple of the other's. Zero is a multiple of everything.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// assert!(Coordinate::<i64>::new([-4, 0]).is_multiple_of([2, 3])?);
    /// assert!(!Coordinate::<i64>::new([4, 4]).is_multiple_of([2, 3])?);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::DivisionByZero`].
    #[inline]
    pub fn is_multiple_of(&self, other: impl Operand<T>) -> Result<bool, GeometryError> {
        let remainders = self.checked_rem_floor(other)?;
        Ok(remainders.iter().all(|remainder| remainder.is_zero()))
    }

    /// The element-wise quotient, rounded down: the same as [`checked_div_floor`](Self::checked_div_floor).
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let a = Coordinate::<i64>::new([7, -7]);
    /// assert_eq!(a.floor_division([2, 2])?, Coordinate::new([3, -4]));
    /// assert_eq!(a.floor_division(-2)?, Coordinate::new([-4, 3]));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`checked_div_floor`](Self::checked_div_floor).
    #[inline]
    pub fn floor_division(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.checked_div_floor(other)
    }

    /// The lower of the two values on every axis (not the lower tuple, which is `Ord::min`).
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let a = Coordinate::<i64>::new([1, 9]);
    /// assert_eq!(a.min_elementwise([5, 5])?, Coordinate::new([1, 5]));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn min_elementwise(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.zip_with(other, |a, b| a.min(b))
    }

    /// The higher of the two values on every axis (not the higher tuple, which is `Ord::max`).
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn max_elementwise(&self, other: impl Operand<T>) -> Result<Self, GeometryError> {
        self.zip_with(other, |a, b| a.max(b))
    }

    /// A function of every axis.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let signs = Coordinate::<i64>::new([-5, 0, 7]).map(i64::signum);
    /// assert_eq!(signs, Coordinate::new([-1, 0, 1]));
    /// ```
    #[inline]
    pub fn map<U: Scalar>(&self, mut f: impl FnMut(T) -> U) -> Coordinate<U> {
        Coordinate::from_fn(self.dims(), |axis| f(self[axis]))
    }

    /// A function of every axis and the other's.
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn zip_with(
        &self,
        other: impl Operand<T>,
        mut f: impl FnMut(T, T) -> T,
    ) -> Result<Self, GeometryError> {
        self.try_zip(other, |a, b| Ok(f(a, b)))
    }

    #[inline]
    fn try_map(
        &self,
        mut f: impl FnMut(T) -> Result<T, GeometryError>,
    ) -> Result<Self, GeometryError> {
        self.try_zip(T::zero(), |a, _| f(a))
    }

    #[inline]
    fn try_zip(
        &self,
        other: impl Operand<T>,
        mut f: impl FnMut(T, T) -> Result<T, GeometryError>,
    ) -> Result<Self, GeometryError> {
        let Some((dims, left)) = self.as_inline() else {
            return self.try_zip_slowly(&other, f);
        };
        let Some(right) = other.inline_axes(dims) else {
            return self.try_zip_slowly(&other, f);
        };
        let mut axes = [T::zero(); INLINE_AXES];
        for (axis, value) in axes.iter_mut().enumerate() {
            if axis < dims {
                *value = f(left[axis], right[axis])?;
            }
        }
        Ok(Self::from_inline(dims, axes))
    }

    /// Where axes are on the heap, or do not match.
    #[cold]
    fn try_zip_slowly(
        &self,
        other: &impl Operand<T>,
        mut f: impl FnMut(T, T) -> Result<T, GeometryError>,
    ) -> Result<Self, GeometryError> {
        check_dims(self.dims(), other)?;
        let axes = self.iter().enumerate();
        axes.map(|(axis, value)| f(value, other.at(axis))).collect()
    }
}
