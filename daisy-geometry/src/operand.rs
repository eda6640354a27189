//! The right-hand side of arithmetic: a coordinate, whatever converts to one without a copy, or
//! one number for all axes.

use crate::{Coordinate, GeometryError, INLINE_AXES, Scalar};

/// What a [`Coordinate`] or [`Roi`](crate::Roi) can be combined with: a coordinate (owned or
/// borrowed), an array, a slice, a tuple of up to eight numbers, or one number that stands for
/// every axis.
///
/// ```
/// use daisy_geometry::Coordinate;
///
/// let size: Coordinate = Coordinate::new([2, -3]);
/// assert_eq!(&size * 2, &size * [2, 2]);
/// assert_eq!(&size * &size, Coordinate::new([4, 9]));
/// assert!(size.checked_mul([1, 2, 3]).is_err()); // three axes do not fit two
/// ```
///
/// The trait is sealed: its methods may change.
pub trait Operand<T = i64>: sealed::Sealed<T> {}

impl<T, R: sealed::Sealed<T>> Operand<T> for R {}

/// An operand with axes of its own has to have as many as its partner.
#[inline]
pub(crate) fn check_dims<T>(dims: usize, operand: &impl Operand<T>) -> Result<(), GeometryError> {
    match operand.own_dims() {
        Some(right) if right != dims => Err(GeometryError::DimsMismatch { left: dims, right }),
        _ => Ok(()),
    }
}

pub(crate) mod sealed {
    use core::array;

    use super::{Coordinate, INLINE_AXES, Scalar};

    /// The methods of [`Operand`](super::Operand), out of users' reach.
    #[allow(unnameable_types, reason = "sealing a trait needs a public trait nobody can name")]
    pub trait Sealed<T> {
        /// The number of axes, none if any number will do.
        fn own_dims(&self) -> Option<usize>;

        /// The value on an axis below `own_dims`.
        fn at(&self, axis: usize) -> T;

        /// The operand for a partner of `dims` axes, with zeros behind them; none if they are too
        /// many to be kept inline, or not as many as the operand has.
        fn inline_axes(&self, dims: usize) -> Option<[T; INLINE_AXES]>;
    }

    impl<T: Scalar> Sealed<T> for T {
        #[inline]
        fn own_dims(&self) -> Option<usize> {
            None
        }

        #[inline]
        fn at(&self, _axis: usize) -> T {
            *self
        }

        #[inline]
        fn inline_axes(&self, dims: usize) -> Option<[T; INLINE_AXES]> {
            if dims > INLINE_AXES {
                return None;
            }
            Some(array::from_fn(|axis| if axis < dims { *self } else { T::zero() }))
        }
    }

    impl<T: Scalar> Sealed<T> for Coordinate<T> {
        #[inline]
        fn own_dims(&self) -> Option<usize> {
            Some(self.dims())
        }

        #[inline]
        fn at(&self, axis: usize) -> T {
            self[axis]
        }

        #[inline]
        fn inline_axes(&self, dims: usize) -> Option<[T; INLINE_AXES]> {
            match self.as_inline() {
                Some((own_dims, axes)) if own_dims == dims => Some(*axes),
                _ => None,
            }
        }
    }

    impl<T: Scalar> Sealed<T> for &Coordinate<T> {
        #[inline]
        fn own_dims(&self) -> Option<usize> {
            Some(self.dims())
        }

        #[inline]
        fn at(&self, axis: usize) -> T {
            self[axis]
        }

        #[inline]
        fn inline_axes(&self, dims: usize) -> Option<[T; INLINE_AXES]> {
            match self.as_inline() {
                Some((own_dims, axes)) if own_dims == dims => Some(*axes),
                _ => None,
            }
        }
    }

    impl<T: Scalar> Sealed<T> for &[T] {
        #[inline]
        fn own_dims(&self) -> Option<usize> {
            Some(self.len())
        }

        #[inline]
        fn at(&self, axis: usize) -> T {
            self[axis]
        }

        #[inline]
        fn inline_axes(&self, dims: usize) -> Option<[T; INLINE_AXES]> {
            padded(self, dims)
        }
    }

    impl<T: Scalar, const N: usize> Sealed<T> for [T; N] {
        #[inline]
        fn own_dims(&self) -> Option<usize> {
            Some(N)
        }

        #[inline]
        fn at(&self, axis: usize) -> T {
            self[axis]
        }

        #[inline]
        fn inline_axes(&self, dims: usize) -> Option<[T; INLINE_AXES]> {
            padded(self, dims)
        }
    }

    #[inline]
    fn padded<T: Scalar>(values: &[T], dims: usize) -> Option<[T; INLINE_AXES]> {
        if values.len() != dims {
            return None;
        }
        let mut axes = [T::zero(); INLINE_AXES];
        axes.get_mut(..values.len())?.copy_from_slice(values);
        Some(axes)
    }

    macro_rules! for_tuples {
        ($(($($t:ident $n:tt),+) $len:literal;)*) => { $(
            impl<T: Scalar> Sealed<T> for ($($t,)+) {
                #[inline]
                fn own_dims(&self) -> Option<usize> {
                    Some($len)
                }

                #[inline]
                fn at(&self, axis: usize) -> T {
                    [$(self.$n),+][axis]
                }

                #[inline]
                fn inline_axes(&self, dims: usize) -> Option<[T; INLINE_AXES]> {
                    padded(&[$(self.$n),+], dims)
                }
            }
        )* };
    }

    for_tuples! {
        (T 0) 1;
        (T 0, T 1) 2;
        (T 0, T 1, T 2) 3;
        (T 0, T 1, T 2, T 3) 4;
        (T 0, T 1, T 2, T 3, T 4) 5;
        (T 0, T 1, T 2, T 3, T 4, T 5) 6;
        (T 0, T 1, T 2, T 3, T 4, T 5, T 6) 7;
        (T 0, T 1, T 2, T 3, T 4, T 5, T 6, T 7) 8;
    }
}
