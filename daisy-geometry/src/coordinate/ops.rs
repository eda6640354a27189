//! The operators of a coordinate. Each is the plain form of a `checked_` method: it panics where
//! that one returns an error, at the line of the caller, in release builds too.

use core::ops::{
    Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, RemAssign, Sub, SubAssign,
};

use super::Coordinate;
use crate::error::or_panic;
use crate::{Operand, Scalar};

macro_rules! operators {
    ($($op:ident $method:ident $assign:ident $assign_method:ident $checked:ident;)*) => { $(
        impl<T: Scalar, R: Operand<T>> $op<R> for Coordinate<T> {
            type Output = Self;

            #[inline]
            #[track_caller]
            fn $method(self, other: R) -> Self {
                or_panic(self.$checked(other))
            }
        }

        impl<T: Scalar, R: Operand<T>> $op<R> for &Coordinate<T> {
            type Output = Coordinate<T>;

            #[inline]
            #[track_caller]
            fn $method(self, other: R) -> Coordinate<T> {
                or_panic(self.$checked(other))
            }
        }

        impl<T: Scalar, R: Operand<T>> $assign<R> for Coordinate<T> {
            #[inline]
            #[track_caller]
            fn $assign_method(&mut self, other: R) {
                *self = or_panic(self.$checked(other));
            }
        }
    )* };
}

operators! {
    Add add AddAssign add_assign checked_add;
    Sub sub SubAssign sub_assign checked_sub;
    Mul mul MulAssign mul_assign checked_mul;
    Div div DivAssign div_assign checked_div_floor;
    Rem rem RemAssign rem_assign checked_rem_floor;
}

impl<T: Scalar> Neg for Coordinate<T> {
    type Output = Self;

    #[inline]
    #[track_caller]
    fn neg(self) -> Self {
        or_panic(self.checked_neg())
    }
}

impl<T: Scalar> Neg for &Coordinate<T> {
    type Output = Coordinate<T>;

    #[inline]
    #[track_caller]
    fn neg(self) -> Coordinate<T> {
        or_panic(self.checked_neg())
    }
}

// A number on the left needs an implementation for each type of number.
macro_rules! scale_from_the_left {
    ($($scalar:ty)*) => { $(
        impl Mul<Coordinate<$scalar>> for $scalar {
            type Output = Coordinate<$scalar>;

            #[inline]
            #[track_caller]
            fn mul(self, coordinate: Coordinate<$scalar>) -> Coordinate<$scalar> {
                coordinate * self
            }
        }

        impl Mul<&Coordinate<$scalar>> for $scalar {
            type Output = Coordinate<$scalar>;

            #[inline]
            #[track_caller]
            fn mul(self, coordinate: &Coordinate<$scalar>) -> Coordinate<$scalar> {
                coordinate * self
            }
        }
    )* };
}

scale_from_the_left! { i32 i64 }
