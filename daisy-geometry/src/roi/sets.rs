//! A ROI as a set of points: containment, intersection, hull.

use core::array;

use super::{Corners, Roi};
use crate::{GeometryError, INLINE_AXES};

/// A corner kept inline.
type Axes = [i64; INLINE_AXES];

impl Roi {
    /// Whether a point lies inside: `begin <= point < end` on every axis.
    ///
    /// ```
    /// use daisy_geometry::{Coordinate, Roi};
    ///
    /// let roi = Roi::new([0, 0], [10, 10])?;
    /// assert!(roi.contains_point([0, 9])?);
    /// assert!(!roi.contains_point(Coordinate::new([0, 10]))?); // the end is outside
    /// assert!(Roi::unbounded(1).contains_point([i64::MAX])?);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn contains_point(&self, point: impl AsRef<[i64]>) -> Result<bool, GeometryError> {
        let point = point.as_ref();
        if point.len() != self.dims() {
            return Err(GeometryError::DimsMismatch { left: self.dims(), right: point.len() });
        }
        let mut axes = self.begin.iter().zip(&self.end).zip(point);
        Ok(axes.all(|((begin, end), &at)| begin <= at && (at < end || end == super::UNBOUNDED.1)))
    }

    /// Whether another ROI lies inside.
    ///
    /// Goes by axis: an unbounded axis contains any, a bounded one never an unbounded one. A ROI
    /// that is empty but has an offset is contained if that offset is; the canonical empty ROI
    /// is contained in everything.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// let roi = Roi::new([0], [10])?;
    /// assert!(roi.contains(&roi)? && Roi::unbounded(1).contains(&roi)?);
    /// assert!(!roi.contains(&Roi::unbounded(1))?);
    /// assert!(roi.contains(&Roi::new([9], [0])?)? && !roi.contains(&Roi::new([10], [0])?)?);
    /// assert!(Roi::empty(1).contains(&Roi::empty(1))?);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn contains(&self, other: &Self) -> Result<bool, GeometryError> {
        if let Some((dims, [begin, end, other_begin, other_end])) = self.inline_pair(other) {
            let outside = |i: usize| (begin[i] > other_begin[i]) | (other_end[i] > end[i]);
            if !any_axis(dims, |i| other_begin[i] >= other_end[i]) {
                return Ok(!any_axis(dims, outside));
            }
        }
        self.contains_slowly(other)
    }

    /// Where axes are on the heap or do not match, or the other ROI is empty.
    #[cold]
    fn contains_slowly(&self, other: &Self) -> Result<bool, GeometryError> {
        self.check_dims(other)?;
        if other.is_canonical_empty() {
            return Ok(true);
        }
        let empty = other.is_empty();
        let own = self.begin.iter().zip(&self.end);
        let others = other.begin.iter().zip(&other.end);
        Ok(own.zip(others).all(|((begin, end), (other_begin, other_end))| {
            begin <= other_begin && if empty { other_begin < end } else { other_end <= end }
        }))
    }

    /// Whether some point lies inside of both. An empty ROI meets nothing, and touching edges do
    /// not meet.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// let roi = Roi::new([0], [10])?;
    /// assert!(roi.intersects(&Roi::new([9], [5])?)?);
    /// assert!(!roi.intersects(&Roi::new([10], [5])?)?);
    /// assert!(!roi.intersects(&Roi::new([5], [0])?)?);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn intersects(&self, other: &Self) -> Result<bool, GeometryError> {
        if let Some((dims, [begin, end, other_begin, other_end])) = self.inline_pair(other) {
            return Ok(!any_axis(dims, |i| {
                begin[i].max(other_begin[i]) >= end[i].min(other_end[i])
            }));
        }
        self.intersects_slowly(other)
    }

    #[cold]
    fn intersects_slowly(&self, other: &Self) -> Result<bool, GeometryError> {
        self.check_dims(other)?;
        let own = self.begin.iter().zip(&self.end);
        let others = other.begin.iter().zip(&other.end);
        Ok(own.zip(others).all(|((begin, end), (other_begin, other_end))| {
            begin.max(other_begin) < end.min(other_end)
        }))
    }

    /// The points inside of both; the canonical [empty](Self::empty) ROI if there are none.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// let roi = Roi::new([-5, 0], [10, 10])?;
    /// assert_eq!(roi.intersect(&Roi::new([0, 5], [9, 9])?)?, Roi::new([0, 5], [5, 5])?);
    /// assert_eq!(roi.intersect(&Roi::unbounded(2))?, roi);
    /// assert_eq!(roi.intersect(&Roi::new([5, 0], [1, 1])?)?, Roi::empty(2));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn intersect(&self, other: &Self) -> Result<Self, GeometryError> {
        match self.combine_inline(other, i64::max, i64::min) {
            Some(met) if met.is_empty() => Ok(Self::empty(met.dims)),
            Some(met) => Ok(met.into()),
            None => self.intersect_slowly(other),
        }
    }

    #[cold]
    fn intersect_slowly(&self, other: &Self) -> Result<Self, GeometryError> {
        self.check_dims(other)?;
        let met = Self {
            begin: self.begin.max_elementwise(&other.begin)?,
            end: self.end.min_elementwise(&other.end)?,
        };
        Ok(if met.is_empty() { Self::empty(self.dims()) } else { met })
    }

    /// The smallest ROI that contains both, their bounding box. An empty operand is ignored; of
    /// two empty ones the result is `other`.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// let roi = Roi::new([0], [2])?;
    /// assert_eq!(roi.union(&Roi::new([-6], [1])?)?, Roi::new([-6], [8])?);
    /// assert_eq!(roi.union(&Roi::new([100], [0])?)?, roi);
    /// assert_eq!(roi.union(&Roi::unbounded(1))?, Roi::unbounded(1));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`].
    #[inline]
    pub fn union(&self, other: &Self) -> Result<Self, GeometryError> {
        self.check_dims(other)?;
        if self.is_empty() {
            return Ok(other.clone());
        }
        if other.is_empty() {
            return Ok(self.clone());
        }
        match self.combine_inline(other, i64::min, i64::max) {
            Some(hull) => Ok(hull.into()),
            None => Ok(Self {
                begin: self.begin.min_elementwise(&other.begin)?,
                end: self.end.max_elementwise(&other.end)?,
            }),
        }
    }

    /// One function of the begins, another of the ends; both keep zero and the sentinels. `None`
    /// unless all axes are inline and as many.
    #[inline]
    fn combine_inline(
        &self,
        other: &Self,
        begins: impl Fn(i64, i64) -> i64,
        ends: impl Fn(i64, i64) -> i64,
    ) -> Option<Corners> {
        let (dims, [begin, end, other_begin, other_end]) = self.inline_pair(other)?;
        Some(Corners {
            dims,
            begin: array::from_fn(|i| begins(begin[i], other_begin[i])),
            end: array::from_fn(|i| ends(end[i], other_end[i])),
        })
    }

    /// The number of axes and the four corners, if all are kept inline and have as many axes.
    #[inline]
    fn inline_pair<'a>(&'a self, other: &'a Self) -> Option<(usize, [&'a Axes; 4])> {
        let (dims, begin) = self.begin.as_inline()?;
        let (_, end) = self.end.as_inline()?;
        let (other_dims, other_begin) = other.begin.as_inline()?;
        let (_, other_end) = other.end.as_inline()?;
        (dims == other_dims).then_some((dims, [begin, end, other_begin, other_end]))
    }

    #[inline]
    fn check_dims(&self, other: &Self) -> Result<(), GeometryError> {
        let (left, right) = (self.dims(), other.dims());
        if left == right { Ok(()) } else { Err(GeometryError::DimsMismatch { left, right }) }
    }
}

impl Corners {
    #[inline]
    fn is_empty(&self) -> bool {
        any_axis(self.dims, |i| self.begin[i] >= self.end[i])
    }
}

/// Whether something holds on one of the first `dims` of the inline axes; without branches.
#[inline]
pub(super) fn any_axis(dims: usize, holds: impl Fn(usize) -> bool) -> bool {
    (0..INLINE_AXES).fold(false, |any, i| any | (holds(i) & (i < dims)))
}
