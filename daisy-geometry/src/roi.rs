//! A region of interest: a half-open box, bounded or unbounded along each axis.
//!
//! ```text
//!                 begin               end
//!   bounded         |<----- shape ---->|          -LIMIT <= begin, end <= LIMIT
//!   unbounded    <--------------------------->    begin = i64::MIN, end = i64::MAX
//!   empty        ---->|             |<--------    begin = i64::MAX, end = i64::MIN
//! ```
//!
//! With these sentinels the intersection is the maximum of the begins and the minimum of the
//! ends, and the union the reverse, whatever kind an axis is of. The last kind is that of the
//! canonical empty ROI, which has no offset; there all axes are of that kind or none is. A ROI
//! with an offset can be empty as well: one whose shape is zero or negative somewhere.

mod points;
mod sets;
mod snap;
mod transform;

use alloc::vec::Vec;
use core::fmt;

pub use self::points::Points;
pub use self::snap::Snap;
use crate::{Coordinate, GeometryError, INLINE_AXES};

/// A half-open box `[offset, offset + shape)`, bounded or unbounded along each axis.
///
/// ```
/// use daisy_geometry::{Coordinate, Roi};
///
/// let roi = Roi::new([0, 5], [10, 4])?;
/// assert_eq!(roi.to_string(), "[0:10, 5:9] (10, 4)");
/// assert_eq!(roi.end(), Some(Coordinate::new([10, 9])));
/// assert_eq!(roi.size(), Some(40));
///
/// let slab: Roi = "[0:10, :]".parse()?; // unbounded along axis 1
/// assert_eq!(slab.size(), None);
/// assert_eq!(slab.intersect(&roi)?, roi);
///
/// let nothing = roi.intersect(&(&roi + 10))?; // touching edges do not meet
/// assert_eq!(nothing, Roi::empty(2));
/// assert_eq!(nothing.offset(), None);
/// # Ok::<(), daisy_geometry::GeometryError>(())
/// ```
///
/// Equal are ROIs with equal bounds on every axis: two ROIs that are empty at different offsets
/// differ.
///
/// `+` and `-` move, `*` and `/` (which floors) scale offset and shape. The operators panic on differing
/// dims, division by zero and bounds beyond [`LIMIT`](Self::LIMIT), in release builds too; the methods
/// return errors.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Roi {
    begin: Coordinate,
    end: Coordinate,
}

/// The bounds of an unbounded axis.
const UNBOUNDED: (i64, i64) = (i64::MIN, i64::MAX);

/// The bounds of every axis of the canonical empty ROI.
const EMPTY: (i64, i64) = (i64::MAX, i64::MIN);

impl Roi {
    /// Bounds lie within `-LIMIT..=LIMIT`, so that every shape fits an `i64`.
    pub const LIMIT: i64 = (1 << 62) - 1;

    /// The ROI `[offset, offset + shape)`, bounded along each axis. A shape may be zero or
    /// negative; the ROI is empty then.
    ///
    /// ```
    /// use daisy_geometry::{GeometryError, Roi};
    ///
    /// assert_eq!(Roi::new([-5, 0], [5, 0])?.to_string(), "[-5:0, 0:0] (5, 0)");
    /// assert_eq!(
    ///     Roi::new([0, 0], [1, 2, 3]),
    ///     Err(GeometryError::DimsMismatch { left: 2, right: 3 })
    /// );
    /// assert!(Roi::new([i64::MAX], [1]).is_err());
    /// # Ok::<(), GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`], or [`GeometryError::Overflow`] if a bound is beyond
    /// [`LIMIT`](Self::LIMIT).
    #[inline]
    pub fn new(
        offset: impl Into<Coordinate>,
        shape: impl Into<Coordinate>,
    ) -> Result<Self, GeometryError> {
        let begin = offset.into();
        let end = begin.checked_add(shape.into())?;
        Self::from_begin_end(begin, end)
    }

    /// The ROI `[begin, end)`, bounded along each axis.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// assert_eq!(Roi::from_begin_end([-5, 3], [5, 4])?, Roi::new([-5, 3], [10, 1])?);
    /// assert!(Roi::from_begin_end([0], [-1])?.is_empty());
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`], or [`GeometryError::Overflow`] if a bound is beyond
    /// [`LIMIT`](Self::LIMIT).
    #[inline]
    pub fn from_begin_end(
        begin: impl Into<Coordinate>,
        end: impl Into<Coordinate>,
    ) -> Result<Self, GeometryError> {
        let (begin, end) = (begin.into(), end.into());
        if begin.dims() != end.dims() {
            return Err(GeometryError::DimsMismatch { left: begin.dims(), right: end.dims() });
        }
        if !begin.iter().chain(end.iter()).all(within_limit) {
            return Err(GeometryError::Overflow { op: "a bound of a ROI" });
        }
        Ok(Self { begin, end })
    }

    /// The ROI `[begin, end)` of a number of axes known beforehand: the fastest way to make one.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// assert_eq!(Roi::from_arrays([0, -10], [5, 5])?, Roi::from_begin_end([0, -10], [5, 5])?);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::Overflow`] if a bound is beyond [`LIMIT`](Self::LIMIT).
    #[inline]
    pub fn from_arrays<const N: usize>(
        begin: [i64; N],
        end: [i64; N],
    ) -> Result<Self, GeometryError> {
        // Without a branch for each bound.
        let is_within = |all: bool, bound: &i64| all & within_limit(*bound);
        if !begin.iter().chain(&end).fold(true, is_within) {
            return Err(GeometryError::Overflow { op: "a bound of a ROI" });
        }
        Ok(Self { begin: begin.into(), end: end.into() })
    }

    /// A ROI axis by axis: `Some((offset, shape))`, or `None` for an unbounded one.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// let slab = Roi::from_axes([Some((-1, 3)), None])?;
    /// assert_eq!(slab.to_string(), "[-1:2, :] (3, None)");
    /// assert!(Roi::from_axes([Some((i64::MIN, 0))]).is_err()); // beyond the limit
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::Overflow`] if a bound is beyond [`LIMIT`](Self::LIMIT).
    pub fn from_axes(
        axes: impl IntoIterator<Item = Option<(i64, i64)>>,
    ) -> Result<Self, GeometryError> {
        let (mut begins, mut ends) = (Coordinate::default(), Coordinate::default());
        for axis in axes {
            let (begin, end) = match axis {
                None => UNBOUNDED,
                Some((offset, shape)) => (offset, bounded_end(offset, shape)?),
            };
            begins.push(begin);
            ends.push(end);
        }
        Ok(Self { begin: begins, end: ends })
    }

    /// A ROI from the entries of its offset and shape, as [`begin_at`](Self::begin_at) and
    /// [`shape_at`](Self::shape_at) give them: where both are `None` the axis is unbounded;
    /// offsets all `None` with shapes all zero are the canonical empty ROI.
    ///
    /// ```
    /// use daisy_geometry::{GeometryError, Roi};
    ///
    /// let slab = Roi::from_entries([Some(1), None], [Some(2), None])?;
    /// assert_eq!(slab.to_string(), "[1:3, :] (2, None)");
    /// assert_eq!(Roi::from_entries([None, None], [Some(0), Some(0)])?, Roi::empty(2));
    /// assert_eq!(
    ///     Roi::from_entries([None], [Some(5)]),
    ///     Err(GeometryError::HalfBounded { axis: 0 })
    /// );
    /// # Ok::<(), GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::DimsMismatch`], [`GeometryError::HalfBounded`] if of an offset and its
    /// shape only one is there, or [`GeometryError::Overflow`] if a bound is beyond
    /// [`LIMIT`](Self::LIMIT).
    pub fn from_entries(
        offset: impl IntoIterator<Item = Option<i64>>,
        shape: impl IntoIterator<Item = Option<i64>>,
    ) -> Result<Self, GeometryError> {
        let offset: Vec<_> = offset.into_iter().collect();
        let shape: Vec<_> = shape.into_iter().collect();
        if offset.len() != shape.len() {
            return Err(GeometryError::DimsMismatch { left: offset.len(), right: shape.len() });
        }
        let canonical = offset.iter().all(Option::is_none) && shape.iter().all(|s| *s == Some(0));
        if canonical {
            return Ok(Self::empty(shape.len()));
        }
        let mut axes = Vec::new();
        for (axis, entries) in offset.into_iter().zip(shape).enumerate() {
            axes.push(match entries {
                (Some(offset), Some(shape)) => Some((offset, shape)),
                (None, None) => None,
                _ => return Err(GeometryError::HalfBounded { axis }),
            });
        }
        Self::from_axes(axes)
    }

    /// The ROI that contains every point of `dims` axes.
    #[inline]
    pub fn unbounded(dims: usize) -> Self {
        let (begin, end) = UNBOUNDED;
        Self { begin: Coordinate::splat(dims, begin), end: Coordinate::splat(dims, end) }
    }

    /// The canonical empty ROI: it has no offset, and a shape of zeros. It is what the
    /// intersection of ROIs that do not meet gives, it is contained in every ROI, and moving,
    /// growing, scaling and snapping leave it as it is.
    ///
    /// Without axes nothing is empty: `empty(0)` is the ROI of the one point that has no axes.
    ///
    /// ```
    /// use daisy_geometry::{Coordinate, Roi};
    ///
    /// let empty = Roi::empty(2);
    /// assert!(empty.is_empty());
    /// assert_eq!((empty.offset(), empty.shape()), (None, Some(Coordinate::zeros(2))));
    /// assert_eq!(empty.to_string(), "[empty, empty] (0, 0)");
    /// ```
    #[inline]
    pub fn empty(dims: usize) -> Self {
        let (begin, end) = EMPTY;
        Self { begin: Coordinate::splat(dims, begin), end: Coordinate::splat(dims, end) }
    }

    /// The number of axes.
    #[inline]
    pub fn dims(&self) -> usize {
        self.begin.dims()
    }

    /// The lowest point of the box, or `None` if an axis is unbounded or this is the canonical
    /// empty ROI.
    #[inline]
    pub fn begin(&self) -> Option<Coordinate> {
        self.bounds().map(|(begin, _)| begin.clone())
    }

    /// The same as [`begin`](Self::begin).
    #[inline]
    pub fn offset(&self) -> Option<Coordinate> {
        self.begin()
    }

    /// The lowest point above the box on every axis, or `None` if an axis is unbounded or this
    /// is the canonical empty ROI.
    #[inline]
    pub fn end(&self) -> Option<Coordinate> {
        self.bounds().map(|(_, end)| end.clone())
    }

    /// The length on every axis, or `None` if one is unbounded. Zeros for the canonical empty
    /// ROI; negative where the end is below the begin.
    #[inline]
    pub fn shape(&self) -> Option<Coordinate> {
        if self.is_canonical_empty() {
            return Some(Coordinate::zeros(self.dims()));
        }
        let (begin, end) = self.bounds()?;
        end.zip_with(begin, |end, begin| end - begin).ok()
    }

    /// The point `offset + shape / 2`, rounded down, or `None` where there is no
    /// [`offset`](Self::offset).
    ///
    /// ```
    /// use daisy_geometry::{Coordinate, Roi};
    ///
    /// assert_eq!(Roi::new([-4, 0], [3, 10])?.center(), Some(Coordinate::new([-3, 5])));
    /// assert_eq!(Roi::unbounded(2).center(), None);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    #[inline]
    pub fn center(&self) -> Option<Coordinate> {
        let (begin, end) = self.bounds()?;
        begin.zip_with(end, |begin, end| begin + crate::div_floor(end - begin, 2)).ok()
    }

    /// Where the ROI begins on one axis; `None` if the axis is unbounded or does not exist, or
    /// if this is the canonical empty ROI.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// let slab = Roi::from_axes([Some((2, 3)), None])?;
    /// assert_eq!((slab.begin_at(0), slab.end_at(0)), (Some(2), Some(5)));
    /// assert_eq!((slab.shape_at(0), slab.shape_at(1)), (Some(3), None));
    /// assert_eq!((slab.begin_at(1), slab.begin_at(2)), (None, None));
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    #[inline]
    pub fn begin_at(&self, axis: usize) -> Option<i64> {
        self.begin.get(axis).filter(|&begin| within_limit(begin))
    }

    /// Where the ROI ends on one axis; `None` as for [`begin_at`](Self::begin_at).
    #[inline]
    pub fn end_at(&self, axis: usize) -> Option<i64> {
        self.end.get(axis).filter(|&end| within_limit(end))
    }

    /// The length on one axis, zero for the canonical empty ROI; `None` if the axis is unbounded
    /// or does not exist.
    #[inline]
    pub fn shape_at(&self, axis: usize) -> Option<i64> {
        match (self.begin.get(axis)?, self.end.get(axis)?) {
            UNBOUNDED => None,
            EMPTY => Some(0),
            (begin, end) => Some(end - begin),
        }
    }

    /// Begin and end without a copy, under the same conditions as [`begin`](Self::begin).
    #[inline]
    pub fn bounds(&self) -> Option<(&Coordinate, &Coordinate)> {
        let bounded = match self.begin.as_inline() {
            // One look at the begin tells: a sentinel is outside of the limits.
            Some((_, begin)) => begin.iter().fold(true, |all, &begin| all & within_limit(begin)),
            None => self.begin.iter().all(within_limit),
        };
        bounded.then_some((&self.begin, &self.end))
    }

    /// The number of points; zero if a shape is zero or negative. `None` if an axis is unbounded,
    /// or if the number does not fit, which takes more than two axes; use
    /// [`checked_size`](Self::checked_size) to tell them apart.
    ///
    /// ```
    /// use daisy_geometry::Roi;
    ///
    /// assert_eq!(Roi::new([-3, 7], [6, 7])?.size(), Some(42));
    /// assert_eq!(Roi::new([-3, 7], [-6, 7])?.size(), Some(0));
    /// assert_eq!(Roi::unbounded(1).size(), None);
    /// # Ok::<(), daisy_geometry::GeometryError>(())
    /// ```
    #[inline]
    pub fn size(&self) -> Option<u128> {
        self.checked_size().ok().flatten()
    }

    /// The number of points, or `None` if an axis is unbounded.
    ///
    /// # Errors
    ///
    /// [`GeometryError::Overflow`] if the number does not fit.
    pub fn checked_size(&self) -> Result<Option<u128>, GeometryError> {
        if self.is_unbounded() {
            return Ok(None);
        }
        if self.is_empty() {
            return Ok(Some(0));
        }
        // Not empty: every end is above its begin.
        let mut lengths = self.begin.iter().zip(&self.end).map(|(begin, end)| begin.abs_diff(end));
        lengths
            .try_fold(1_u128, |size, length| size.checked_mul(u128::from(length)))
            .map(Some)
            .ok_or(GeometryError::Overflow { op: "the size of a ROI" })
    }

    /// Whether no point lies inside: a shape is zero or negative on some axis.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match (self.begin.as_inline(), self.end.as_inline()) {
            (Some((dims, begin)), Some((_, end))) => sets::any_axis(dims, |i| begin[i] >= end[i]),
            _ => self.is_empty_on_heap(),
        }
    }

    #[cold]
    fn is_empty_on_heap(&self) -> bool {
        self.begin.iter().zip(&self.end).any(|(begin, end)| begin >= end)
    }

    /// Whether some axis is unbounded.
    #[inline]
    pub fn is_unbounded(&self) -> bool {
        self.begin.iter().any(|begin| begin == UNBOUNDED.0)
    }

    /// Whether this is the ROI [`empty`](Self::empty) makes.
    #[inline]
    pub(crate) fn is_canonical_empty(&self) -> bool {
        self.begin.get(0) == Some(EMPTY.0)
    }
}

impl fmt::Debug for Roi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roi({self})")
    }
}

/// A ROI of at most [`INLINE_AXES`] axes on its way: plain numbers, which stay in registers until
/// the ROI is put where it goes. Zero behind the last axis.
struct Corners {
    dims: usize,
    begin: [i64; INLINE_AXES],
    end: [i64; INLINE_AXES],
}

impl From<Corners> for Roi {
    #[inline]
    fn from(Corners { dims, begin, end }: Corners) -> Self {
        Self {
            begin: Coordinate::from_inline(dims, begin),
            end: Coordinate::from_inline(dims, end),
        }
    }
}

/// Whether a value can be a bound, and is not a sentinel.
#[inline]
fn within_limit(bound: i64) -> bool {
    (-Roi::LIMIT..=Roi::LIMIT).contains(&bound)
}

/// The end of a bounded axis, both bounds checked.
fn bounded_end(offset: i64, shape: i64) -> Result<i64, GeometryError> {
    offset
        .checked_add(shape)
        .filter(|&end| within_limit(offset) && within_limit(end))
        .ok_or(GeometryError::Overflow { op: "a bound of a ROI" })
}
