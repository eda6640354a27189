//! Into and out of a coordinate: arrays, slices, vectors, tuples, iterators.

use alloc::vec::Vec;
use core::iter::{Copied, FusedIterator};
use core::ops::Range;
use core::slice;

use super::{Axes, Coordinate};
use crate::{GeometryError, INLINE_AXES, Scalar};

impl<T: Scalar> FromIterator<T> for Coordinate<T> {
    #[inline]
    fn from_iter<I: IntoIterator<Item = T>>(axes: I) -> Self {
        let mut coordinate = Self::default();
        coordinate.extend(axes);
        coordinate
    }
}

impl<T: Scalar> Extend<T> for Coordinate<T> {
    #[inline]
    fn extend<I: IntoIterator<Item = T>>(&mut self, axes: I) {
        axes.into_iter().for_each(|value| self.push(value));
    }
}

impl<T: Scalar, const N: usize> From<[T; N]> for Coordinate<T> {
    #[inline]
    fn from(axes: [T; N]) -> Self {
        if N > INLINE_AXES {
            return Self::from_slice(&axes);
        }
        let mut inline = [T::zero(); INLINE_AXES];
        for (inline, value) in inline.iter_mut().zip(axes) {
            *inline = value;
        }
        Self::from_inline(N, inline)
    }
}

impl<T: Scalar, const N: usize> From<&[T; N]> for Coordinate<T> {
    #[inline]
    fn from(axes: &[T; N]) -> Self {
        Self::from_slice(axes)
    }
}

impl<T: Scalar> From<&[T]> for Coordinate<T> {
    #[inline]
    fn from(axes: &[T]) -> Self {
        Self::from_slice(axes)
    }
}

impl<T: Scalar> From<Vec<T>> for Coordinate<T> {
    #[inline]
    fn from(axes: Vec<T>) -> Self {
        Self::from_vec(axes)
    }
}

impl<T: Scalar> From<&Self> for Coordinate<T> {
    #[inline]
    fn from(coordinate: &Self) -> Self {
        coordinate.clone()
    }
}

macro_rules! from_tuples {
    ($(($($t:ident $n:tt),+);)*) => { $(
        impl<T: Scalar> From<($($t,)+)> for Coordinate<T> {
            #[inline]
            fn from(axes: ($($t,)+)) -> Self {
                Self::from_slice(&[$(axes.$n),+])
            }
        }
    )* };
}

from_tuples! {
    (T 0);
    (T 0, T 1);
    (T 0, T 1, T 2);
    (T 0, T 1, T 2, T 3);
    (T 0, T 1, T 2, T 3, T 4);
    (T 0, T 1, T 2, T 3, T 4, T 5);
    (T 0, T 1, T 2, T 3, T 4, T 5, T 6);
    (T 0, T 1, T 2, T 3, T 4, T 5, T 6, T 7);
}

impl<T: Scalar, const N: usize> TryFrom<&Coordinate<T>> for [T; N] {
    type Error = GeometryError;

    #[inline]
    fn try_from(coordinate: &Coordinate<T>) -> Result<Self, GeometryError> {
        let axes = coordinate.as_slice();
        Self::try_from(axes).map_err(|_| GeometryError::DimsMismatch { left: axes.len(), right: N })
    }
}

impl<T: Scalar, const N: usize> TryFrom<Coordinate<T>> for [T; N] {
    type Error = GeometryError;

    #[inline]
    fn try_from(coordinate: Coordinate<T>) -> Result<Self, GeometryError> {
        Self::try_from(&coordinate)
    }
}

impl<T: Scalar> From<Coordinate<T>> for Vec<T> {
    fn from(coordinate: Coordinate<T>) -> Self {
        match coordinate.axes {
            Axes::Inline { .. } => coordinate.to_vec(),
            Axes::Heap(axes) => axes,
        }
    }
}

impl<'a, T: Scalar> IntoIterator for &'a Coordinate<T> {
    type Item = T;
    type IntoIter = Copied<slice::Iter<'a, T>>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter().copied()
    }
}

impl<T: Scalar> IntoIterator for Coordinate<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    #[inline]
    fn into_iter(self) -> IntoIter<T> {
        IntoIter { left: 0..self.dims(), coordinate: self }
    }
}

/// The axes of a coordinate that is used up.
#[derive(Clone, Debug)]
pub struct IntoIter<T: Scalar> {
    coordinate: Coordinate<T>,
    left: Range<usize>,
}

impl<T: Scalar> Iterator for IntoIter<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left.next().map(|axis| self.coordinate[axis])
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl<T: Scalar> DoubleEndedIterator for IntoIter<T> {
    #[inline]
    fn next_back(&mut self) -> Option<T> {
        self.left.next_back().map(|axis| self.coordinate[axis])
    }
}

impl<T: Scalar> ExactSizeIterator for IntoIter<T> {}

impl<T: Scalar> FusedIterator for IntoIter<T> {}
