//! A tuple of integers.
//!
//! Almost every coordinate has two to four axes and lives for a few nanoseconds, so up to
//! [`INLINE_AXES`] axes are kept in the value itself, where a clone is a plain copy; a coordinate
//! with more goes to the heap. Which of the two it is never shows.

mod arithmetic;
mod convert;
mod ops;

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::{Index, IndexMut};

pub use self::convert::IntoIter;
use crate::{GeometryError, Scalar};

/// Up to this many axes a [`Coordinate`] needs no heap.
pub const INLINE_AXES: usize = 4;

/// A tuple of integers, one for each axis.
///
/// Compares, orders and hashes as the tuple (and as the slice) of its axes: lexicographically,
/// the first axis first. Arithmetic is element-wise, with another coordinate of as many axes or
/// with one number for all of them; `/` and `%` floor. The operators panic on differing dims,
/// division by zero and overflow, in release builds too; the methods return errors.
///
/// Any number of axes is representable, zero included: that is the [`Default`].
///
/// ```
/// use daisy_geometry::Coordinate;
///
/// let shape = Coordinate::<i64>::new([2, 3, 4]);
/// let voxel_size = Coordinate::new([10, 5, 1]);
/// assert_eq!(&shape * &voxel_size * 2 + 1, Coordinate::new([41, 31, 9]));
/// assert_eq!(Coordinate::new([-7, 7]) / 2, Coordinate::new([-4, 3]));
/// assert!(Coordinate::new([1, 2]) < Coordinate::new([1, 3]));
/// ```
///
/// Where nothing else says so, integer literals are `i32` in Rust: write
/// `Coordinate::<i64>::new` or give the type of the variable.
pub struct Coordinate<T = i64> {
    axes: Axes<T>,
}

/// Where the axes are. In `Inline` what lies beyond `dims` is zero.
enum Axes<T> {
    Inline { dims: usize, axes: [T; INLINE_AXES] },
    Heap(Vec<T>),
}

impl<T: Scalar> Coordinate<T> {
    /// A coordinate of any iterable of integers.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let coordinate = Coordinate::<i64>::new((1..=6).map(|axis| -axis));
    /// assert_eq!(coordinate.to_string(), "(-1, -2, -3, -4, -5, -6)");
    /// assert_eq!(Coordinate::<i64>::new([]).dims(), 0);
    /// ```
    #[inline]
    pub fn new(axes: impl IntoIterator<Item = T>) -> Self {
        axes.into_iter().collect()
    }

    /// A coordinate with the axes of a slice.
    #[inline]
    pub fn from_slice(axes: &[T]) -> Self {
        if axes.len() > INLINE_AXES {
            return Self { axes: Axes::Heap(axes.to_vec()) };
        }
        let mut inline = [T::zero(); INLINE_AXES];
        inline[..axes.len()].copy_from_slice(axes);
        Self { axes: Axes::Inline { dims: axes.len(), axes: inline } }
    }

    /// `dims` axes of one value.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// assert_eq!(Coordinate::splat(3, -1_i64), Coordinate::new([-1, -1, -1]));
    /// ```
    #[inline]
    pub fn splat(dims: usize, value: T) -> Self {
        Self::from_fn(dims, |_| value)
    }

    /// `dims` zeros.
    #[inline]
    pub fn zeros(dims: usize) -> Self {
        Self::splat(dims, T::zero())
    }

    /// `dims` ones.
    #[inline]
    pub fn ones(dims: usize) -> Self {
        Self::splat(dims, T::one())
    }

    /// `dims` axes, each computed from its number. Does not allocate for up to [`INLINE_AXES`].
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let strides = Coordinate::from_fn(3, |axis| 10_i64.pow(2 - axis as u32));
    /// assert_eq!(strides, Coordinate::new([100, 10, 1]));
    /// ```
    #[inline]
    pub fn from_fn(dims: usize, mut f: impl FnMut(usize) -> T) -> Self {
        if dims > INLINE_AXES {
            return Self { axes: Axes::Heap((0..dims).map(f).collect()) };
        }
        let mut axes = [T::zero(); INLINE_AXES];
        for (axis, value) in axes.iter_mut().enumerate() {
            if axis < dims {
                *value = f(axis);
            }
        }
        Self { axes: Axes::Inline { dims, axes } }
    }

    /// A coordinate of at most [`INLINE_AXES`] axes; `axes` is zero beyond `dims`.
    #[inline]
    pub(crate) fn from_inline(dims: usize, axes: [T; INLINE_AXES]) -> Self {
        debug_assert!(dims <= INLINE_AXES, "more axes than fit inline");
        debug_assert!(axes[dims..].iter().all(|axis| axis.is_zero()), "padding is not zero");
        Self { axes: Axes::Inline { dims, axes } }
    }

    /// A coordinate of any number of axes.
    #[inline]
    pub(crate) fn from_vec(axes: Vec<T>) -> Self {
        if axes.len() > INLINE_AXES {
            Self { axes: Axes::Heap(axes) }
        } else {
            Self::from_slice(&axes)
        }
    }

    /// One more axis behind the others.
    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        match &mut self.axes {
            Axes::Inline { dims, axes } => match axes.get_mut(*dims) {
                Some(free) => {
                    *free = value;
                    *dims += 1;
                }
                None => {
                    let mut heap = axes.to_vec();
                    heap.push(value);
                    self.axes = Axes::Heap(heap);
                }
            },
            Axes::Heap(axes) => axes.push(value),
        }
    }

    /// The axes in order, from either end.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let shape = Coordinate::<i64>::new([2, 3, 4]);
    /// assert_eq!(shape.iter().product::<i64>(), 24);
    /// assert_eq!(shape.iter().next_back(), Some(4));
    /// ```
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + Clone + '_ {
        self.as_slice().iter().copied()
    }

    /// The value on one axis, or `None` if there is no such axis.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let coordinate = Coordinate::<i64>::new([5, -6]);
    /// assert_eq!((coordinate.get(1), coordinate.get(2)), (Some(-6), None));
    /// ```
    #[inline]
    pub fn get(&self, axis: usize) -> Option<T> {
        self.as_slice().get(axis).copied()
    }

    /// The axes as a vector.
    pub fn to_vec(&self) -> Vec<T> {
        self.as_slice().to_vec()
    }

    /// The coordinate without one axis.
    ///
    /// ```
    /// use daisy_geometry::{Coordinate, GeometryError};
    ///
    /// let coordinate = Coordinate::<i64>::new([1, 2, 3]);
    /// assert_eq!(coordinate.squeeze(1)?, Coordinate::new([1, 3]));
    /// assert_eq!(
    ///     coordinate.squeeze(3),
    ///     Err(GeometryError::AxisOutOfRange { axis: 3, dims: 3 })
    /// );
    /// # Ok::<(), GeometryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GeometryError::AxisOutOfRange`] if there is no such axis.
    pub fn squeeze(&self, axis: usize) -> Result<Self, GeometryError> {
        let dims = self.dims();
        if axis >= dims {
            return Err(GeometryError::AxisOutOfRange { axis, dims });
        }
        let kept = |left: usize| if left < axis { left } else { left + 1 };
        Ok(Self::from_fn(dims - 1, |left| self[kept(left)]))
    }
}

impl<T> Coordinate<T> {
    /// The number of axes.
    #[inline]
    pub fn dims(&self) -> usize {
        match &self.axes {
            Axes::Inline { dims, .. } => *dims,
            Axes::Heap(axes) => axes.len(),
        }
    }

    /// The axes as a slice.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        match &self.axes {
            Axes::Inline { dims, axes } => &axes[..*dims],
            Axes::Heap(axes) => axes,
        }
    }

    /// The axes as a slice that may be written to. Their number stays.
    ///
    /// ```
    /// use daisy_geometry::Coordinate;
    ///
    /// let mut coordinate = Coordinate::<i64>::zeros(2);
    /// coordinate.as_mut_slice()[1] = -1;
    /// assert_eq!(coordinate, Coordinate::new([0, -1]));
    /// ```
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        match &mut self.axes {
            Axes::Inline { dims, axes } => &mut axes[..*dims],
            Axes::Heap(axes) => axes,
        }
    }

    /// Their number, and the axes with zeros behind them, if they are few enough to be kept in
    /// the value.
    #[inline]
    pub(crate) fn as_inline(&self) -> Option<(usize, &[T; INLINE_AXES])> {
        match &self.axes {
            Axes::Inline { dims, axes } => Some((*dims, axes)),
            Axes::Heap(_) => None,
        }
    }
}

impl<T: Copy> Clone for Coordinate<T> {
    #[inline]
    fn clone(&self) -> Self {
        match &self.axes {
            Axes::Inline { dims, axes } => Self { axes: Axes::Inline { dims: *dims, axes: *axes } },
            Axes::Heap(axes) => Self { axes: Axes::Heap(axes.clone()) },
        }
    }
}

impl<T: Scalar> Default for Coordinate<T> {
    fn default() -> Self {
        Self::from_inline(0, [T::zero(); INLINE_AXES])
    }
}

impl<T: PartialEq> PartialEq for Coordinate<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.axes, &other.axes) {
            // The padding is zero on both sides, so four axes compare at once.
            (Axes::Inline { dims: left, axes }, Axes::Inline { dims: right, axes: others }) => {
                left == right && axes == others
            }
            _ => self.as_slice() == other.as_slice(),
        }
    }
}

impl<T: Eq> Eq for Coordinate<T> {}

impl<T: PartialOrd> PartialOrd for Coordinate<T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.as_slice().partial_cmp(other.as_slice())
    }
}

impl<T: Ord> Ord for Coordinate<T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl<T: Hash> Hash for Coordinate<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl<T> Index<usize> for Coordinate<T> {
    type Output = T;

    #[inline]
    #[track_caller]
    fn index(&self, axis: usize) -> &T {
        &self.as_slice()[axis]
    }
}

impl<T> IndexMut<usize> for Coordinate<T> {
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, axis: usize) -> &mut T {
        &mut self.as_mut_slice()[axis]
    }
}

impl<T> AsRef<[T]> for Coordinate<T> {
    #[inline]
    fn as_ref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: fmt::Display> fmt::Debug for Coordinate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coordinate{self}")
    }
}

impl<T: fmt::Display> fmt::Display for Coordinate<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (axis, value) in self.as_slice().iter().enumerate() {
            let comma = if axis == 0 { "" } else { ", " };
            write!(f, "{comma}{value}")?;
        }
        f.write_str(")")
    }
}
