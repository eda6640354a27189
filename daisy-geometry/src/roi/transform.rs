//! A ROI moved, grown, scaled, with an axis less, or as indices into an array.
//!
//! Unbounded axes stay unbounded and the canonical empty ROI stays what it is, whatever is done
//! to them.

use alloc::vec::Vec;
use core::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Range, Sub, SubAssign};

use super::{Corners, Roi, UNBOUNDED, within_limit};
use crate::error::or_panic;
use crate::operand::check_dims;
use crate::scalar::checked_div_floor;
use crate::{Coordinate, GeometryError, INLINE_AXES, Operand};

impl Roi {
    /// The ROI moved by an amount.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// assert_eq!(Roi::new([0, 0], [2, 2])?.shift([5, -5])?, Roi::new([5, -5], [2, 2])?);
    /// assert_eq!(Roi::unbounded(2).shift(7)?, Roi::unbounded(2));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::Overflow`].
    #[inline]
    pub fn shift(&self, by: impl Operand) -> Result<Self, GeometryError> {
        match self.shift_inline(&by, i64::wrapping_add) {
            Some(moved) => Ok(moved.into()),
            None => self.shift_slowly(&by, i64::checked_add),
        }
    }

    /// The ROI moved the other way: the same as `-`.
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::Overflow`].
    #[inline]
    pub fn shift_back(&self, by: impl Operand) -> Result<Self, GeometryError> {
        match self.shift_inline(&by, i64::wrapping_sub) {
            Some(moved) => Ok(moved.into()),
            None => self.shift_slowly(&by, i64::checked_sub),
        }
    }

    /// The ROI grown by `neg` towards the negative and by `pos` towards the positive. Negative
    /// amounts shrink, if need be below nothing: the shape is negative then.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// let roi = Roi::new([0, 0], [4, 4])?;
    /// assert_eq!(roi.grow(1, [0, 2])?, Roi::new([-1, -1], [5, 7])?);
    /// assert!(roi.grow(-2, -2)?.is_empty());
    /// assert_eq!(Roi::empty(2).grow(1, 1)?, Roi::empty(2));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::Overflow`].
    #[inline]
    pub fn grow(&self, neg: impl Operand, pos: impl Operand) -> Result<Self, GeometryError> {
        match self.grow_inline(&neg, &pos) {
            Some(grown) => Ok(grown.into()),
            None => self.grow_slowly(&neg, &pos),
        }
    }

    /// Offset and shape multiplied: the same as `*`.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// assert_eq!(Roi::new([-1, 1], [3, 4])?.scale([10, 2])?, Roi::new([-10, 2], [30, 8])?);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`] or [`GeometryError::Overflow`].
    #[inline]
    pub fn scale(&self, by: impl Operand) -> Result<Self, GeometryError> {
        check_dims(self.dims(), &by)?;
        // (offset + shape) * by = offset * by + shape * by, so scaling the bounds is exact.
        self.map_bounds(|axis, begin, end| {
            Some((begin.checked_mul(by.at(axis))?, end.checked_mul(by.at(axis))?))
        })
        .ok_or(GeometryError::Overflow { op: "the scaling of a ROI" })
    }

    /// Offset and shape divided, both rounded down: the same as `/`. The result need not cover
    /// what the ROI covered; [snap](Self::snap_to_grid) first if it should.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// assert_eq!(Roi::new([-1, 4], [3, 4])?.div_floor(2)?, Roi::new([-1, 2], [1, 2])?);
    /// assert!(Roi::new([0], [1])?.div_floor(0).is_err());
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`], [`GeometryError::DivisionByZero`] or
    /// [`GeometryError::Overflow`].
    pub fn div_floor(&self, by: impl Operand) -> Result<Self, GeometryError> {
        check_dims(self.dims(), &by)?;
        if (0..self.dims()).any(|axis| by.at(axis) == 0) {
            return Err(GeometryError::DivisionByZero);
        }
        self.map_bounds(|axis, begin, end| {
            let offset = checked_div_floor(begin, by.at(axis))?;
            let shape = checked_div_floor(end - begin, by.at(axis))?;
            Some((offset, offset.checked_add(shape)?))
        })
        .ok_or(GeometryError::Overflow { op: "the division of a ROI" })
    }

    /// The ROI without one axis.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// assert_eq!(Roi::new([1, 2, 3], [4, 5, 6])?.squeeze(1)?, Roi::new([1, 3], [4, 6])?);
    /// assert!(Roi::unbounded(2).squeeze(2).is_err());
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::AxisOutOfRange`] if there is no such axis.
    pub fn squeeze(&self, axis: usize) -> Result<Self, GeometryError> {
        Ok(Self { begin: self.begin.squeeze(axis)?, end: self.end.squeeze(axis)? })
    }

    /// The ROI as index ranges into an array, one for each axis. Where the ROI is empty the
    /// ranges are too.
    ///
    /// ```
    /// use daisy_geometry::{GeometryError, Roi};
    ///
    /// assert_eq!(Roi::new([2, 0], [3, 4])?.to_slices()?, [2..5, 0..4]);
    /// assert_eq!(Roi::new([2], [-3])?.to_slices()?, [2..2]);
    /// assert_eq!(
    ///     Roi::new([2, -1], [3, 4])?.to_slices(),
    ///     Err(GeometryError::NegativeBegin { axis: 1, begin: -1 })
    /// );
    /// # Ok::<(), GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::Unbounded`], [`GeometryError::NegativeBegin`], or
    /// [`GeometryError::Overflow`] where a bound does not fit the machine's `usize`.
    pub fn to_slices(&self) -> Result<Vec<Range<usize>>, GeometryError> {
        let index = |bound: i64| {
            usize::try_from(bound)
                .map_err(|_| GeometryError::Overflow { op: "a ROI as indices of an array" })
        };
        let mut slices = Vec::with_capacity(self.dims());
        for (axis, (begin, end)) in self.begin.iter().zip(&self.end).enumerate() {
            slices.push(match (begin, end) {
                UNBOUNDED => return Err(GeometryError::Unbounded { axis }),
                super::EMPTY => 0..0,
                _ if begin < 0 => return Err(GeometryError::NegativeBegin { axis, begin }),
                _ => index(begin)?..index(end.max(begin))?,
            });
        }
        Ok(slices)
    }

    #[inline]
    fn shift_inline(&self, by: &impl Operand, moved: impl Fn(i64, i64) -> i64) -> Option<Corners> {
        let by = by.inline_axes(self.dims())?;
        self.move_inline(|i, begin| moved(begin, by[i]), |i, end| moved(end, by[i]))
    }

    #[cold]
    fn shift_slowly(
        &self,
        by: &impl Operand,
        moved: impl Fn(i64, i64) -> Option<i64>,
    ) -> Result<Self, GeometryError> {
        check_dims(self.dims(), by)?;
        self.map_bounds(|axis, begin, end| {
            Some((moved(begin, by.at(axis))?, moved(end, by.at(axis))?))
        })
        .ok_or(GeometryError::Overflow { op: "the shift of a ROI" })
    }

    #[inline]
    fn grow_inline(&self, neg: &impl Operand, pos: &impl Operand) -> Option<Corners> {
        let dims = self.dims();
        let (neg, pos) = (neg.inline_axes(dims)?, pos.inline_axes(dims)?);
        self.move_inline(|i, begin| begin.wrapping_sub(neg[i]), |i, end| end.wrapping_add(pos[i]))
    }

    #[cold]
    fn grow_slowly(&self, neg: &impl Operand, pos: &impl Operand) -> Result<Self, GeometryError> {
        check_dims(self.dims(), neg)?;
        check_dims(self.dims(), pos)?;
        self.map_bounds(|axis, begin, end| {
            Some((begin.checked_sub(neg.at(axis))?, end.checked_add(pos.at(axis))?))
        })
        .ok_or(GeometryError::Overflow { op: "the growth of a ROI" })
    }

    /// New begins and ends for the bounded axes, without branches; both functions keep zero. `None`
    /// unless all is inline and within the limit.
    ///
    /// The functions may wrap: a bound is less than 2^62 from zero and an amount at most 2^63, so
    /// a sum that wraps lands more than 2^62 from zero, which is beyond the limit.
    #[inline]
    fn move_inline(
        &self,
        begin_of: impl Fn(usize, i64) -> i64,
        end_of: impl Fn(usize, i64) -> i64,
    ) -> Option<Corners> {
        let (dims, begin) = self.begin.as_inline()?;
        let (_, end) = self.end.as_inline()?;
        let mut moved = Corners { dims, begin: *begin, end: *end };
        let mut fits = true;
        for i in 0..INLINE_AXES {
            let (low, high) = (begin_of(i, begin[i]), end_of(i, end[i]));
            let bounded = within_limit(begin[i]);
            fits &= !bounded | limited(&(low, high));
            moved.begin[i] = if bounded { low } else { begin[i] };
            moved.end[i] = if bounded { high } else { end[i] };
        }
        fits.then_some(moved)
    }

    /// New bounds for every bounded axis; `None` if there are none or they are beyond the limit.
    #[inline]
    pub(super) fn map_bounds(
        &self,
        bounds_of: impl Fn(usize, i64, i64) -> Option<(i64, i64)>,
    ) -> Option<Self> {
        let Some((dims, begin)) = self.begin.as_inline() else {
            return self.map_bounds_on_heap(bounds_of);
        };
        let Some((_, end)) = self.end.as_inline() else {
            return self.map_bounds_on_heap(bounds_of);
        };
        let (mut low, mut high) = (*begin, *end);
        for i in 0..INLINE_AXES {
            if i < dims && within_limit(begin[i]) {
                (low[i], high[i]) = bounds_of(i, begin[i], end[i]).filter(limited)?;
            }
        }
        Some(Self {
            begin: Coordinate::from_inline(dims, low),
            end: Coordinate::from_inline(dims, high),
        })
    }

    #[cold]
    fn map_bounds_on_heap(
        &self,
        bounds_of: impl Fn(usize, i64, i64) -> Option<(i64, i64)>,
    ) -> Option<Self> {
        let (mut low, mut high) = (self.begin.to_vec(), self.end.to_vec());
        for (axis, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
            if within_limit(*low) {
                (*low, *high) = bounds_of(axis, *low, *high).filter(limited)?;
            }
        }
        Some(Self { begin: low.into(), end: high.into() })
    }
}

#[inline]
fn limited(&(begin, end): &(i64, i64)) -> bool {
    within_limit(begin) & within_limit(end)
}

macro_rules! operators {
    ($($op:ident $method:ident $assign:ident $assign_method:ident $named:ident;)*) => { $(
        impl<R: Operand> $op<R> for Roi {
            type Output = Self;

            #[inline]
            #[track_caller]
            fn $method(self, by: R) -> Self {
                or_panic(self.$named(by))
            }
        }

        impl<R: Operand> $op<R> for &Roi {
            type Output = Roi;

            #[inline]
            #[track_caller]
            fn $method(self, by: R) -> Roi {
                or_panic(self.$named(by))
            }
        }

        impl<R: Operand> $assign<R> for Roi {
            #[inline]
            #[track_caller]
            fn $assign_method(&mut self, by: R) {
                *self = or_panic(self.$named(by));
            }
        }
    )* };
}

operators! {
    Add add AddAssign add_assign shift;
    Sub sub SubAssign sub_assign shift_back;
    Mul mul MulAssign mul_assign scale;
    Div div DivAssign div_assign div_floor;
}
