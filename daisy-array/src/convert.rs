//! Values on the way through a view: exact between integers, refused where they do not fit.

use std::fmt;

use num_traits::ToPrimitive;

use crate::{Dtype, Element};

/// A value of any type, without loss.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Number {
    /// An integer, or a truth value as 0 or 1.
    Int(i128),
    /// A floating-point number.
    Float(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

/// What a view does to each value, after reading it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Cast(Dtype),
    /// Whether the value is at least so large.
    Threshold(f64),
    Scale {
        factor: f64,
        shift: f64,
    },
}

impl Op {
    /// The type of the values that come out.
    pub(crate) fn dtype(self) -> Dtype {
        match self {
            Self::Cast(dtype) => dtype,
            Self::Threshold(_) => Dtype::Bool,
            Self::Scale { .. } => Dtype::F64,
        }
    }

    #[inline]
    fn apply(self, value: Number) -> Result<Number, NotInRange> {
        match self {
            Self::Cast(dtype) => cast(value, dtype),
            Self::Threshold(least) => Ok(Number::Int(is_at_least(value, least).into())),
            Self::Scale { factor, shift } => {
                Ok(Number::Float(value.to_f64().mul_add(factor, shift)))
            }
        }
    }
}

impl Number {
    fn to_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// A value that a type cannot hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NotInRange {
    pub(crate) value: Number,
    pub(crate) dtype: Dtype,
}

/// Converts values one by one, through all operations.
pub(crate) fn convert<S: Element, T: Element>(
    values: &[S],
    ops: &[Op],
) -> Result<Vec<T>, NotInRange> {
    let convert = |value: &S| {
        let value = ops.iter().try_fold(value.to_number(), |value, op| op.apply(value))?;
        T::from_number(value).ok_or(NotInRange { value, dtype: T::DTYPE })
    };
    values.iter().map(convert).collect()
}

/// Exact also for integers that no `f64` holds.
fn is_at_least(value: Number, least: f64) -> bool {
    match value {
        Number::Float(value) => value >= least,
        Number::Int(_) if least.is_nan() => false,
        Number::Int(value) => match least.ceil().to_i128() {
            Some(least) => value >= least,
            None => least < 0.0,
        },
    }
}

/// The value as a type holds it: fractions are cut off for integers, floats take the nearest, a
/// truth value is whether it is not zero.
fn cast(value: Number, dtype: Dtype) -> Result<Number, NotInRange> {
    let refused = || NotInRange { value, dtype };
    if dtype == Dtype::Bool {
        let is_true = match value {
            Number::Int(value) => value != 0,
            Number::Float(value) => value != 0.0,
        };
        return Ok(Number::Int(is_true.into()));
    }
    let Some((least, most)) = dtype.range() else {
        let value = value.to_f64();
        // A single precision is rounded here, so that what follows sees what is held.
        return Ok(Number::Float(match dtype {
            Dtype::F32 => f64::from(value as f32),
            _ => value,
        }));
    };
    let whole = match value {
        Number::Int(value) => Some(value),
        Number::Float(value) => value.trunc().to_i128(),
    };
    let in_range = whole.filter(|whole| (least..=most).contains(whole));
    in_range.map(Number::Int).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<S: Element, T: Element>(value: S, ops: &[Op]) -> Result<T, NotInRange> {
        convert(&[value], ops).map(|values: Vec<T>| values[0])
    }

    #[test]
    fn integers_keep_their_value_or_are_refused() {
        assert_eq!(one(u64::MAX, &[Op::Cast(Dtype::U64)]), Ok(u64::MAX));
        assert_eq!(one(300u64, &[Op::Cast(Dtype::U16)]), Ok(300u16));
        let error = one::<u64, u8>(300, &[Op::Cast(Dtype::U8)]).unwrap_err();
        assert_eq!(error, NotInRange { value: Number::Int(300), dtype: Dtype::U8 });
        assert!(one::<i8, u8>(-1, &[Op::Cast(Dtype::U8)]).is_err());
        assert_eq!(one(-1i8, &[Op::Cast(Dtype::F32)]), Ok(-1f32));
    }

    #[test]
    fn fractions_are_cut_off_and_what_is_no_number_is_refused() {
        assert_eq!(one(2.9f64, &[Op::Cast(Dtype::I16)]), Ok(2i16));
        assert_eq!(one(-2.9f32, &[Op::Cast(Dtype::I16)]), Ok(-2i16));
        assert_eq!(one(-0.9f32, &[Op::Cast(Dtype::U8)]), Ok(0u8));
        assert_eq!(one(255.9f32, &[Op::Cast(Dtype::U8)]), Ok(255u8));
        for value in [f64::NAN, f64::INFINITY, 256.0, -1.0] {
            assert!(one::<f64, u8>(value, &[Op::Cast(Dtype::U8)]).is_err(), "{value}");
        }
        assert_eq!(one(f64::NAN, &[Op::Cast(Dtype::Bool)]), Ok(true));
    }

    #[test]
    fn thresholds_are_exact_for_large_integers() {
        let large = (1u64 << 53) + 1;
        let threshold = |least| [Op::Threshold(least)];
        assert_eq!(one(large, &threshold((1u64 << 53) as f64 + 2.0)), Ok(false));
        assert_eq!(one(large, &threshold((1u64 << 53) as f64)), Ok(true));
        assert_eq!(one(2u8, &threshold(1.5)), Ok(true));
        assert_eq!(one(1u8, &threshold(1.5)), Ok(false));
        assert_eq!(one(0u8, &threshold(f64::NEG_INFINITY)), Ok(true));
        assert_eq!(one(u8::MAX, &threshold(f64::INFINITY)), Ok(false));
        assert_eq!(one(f32::NAN, &threshold(0.0)), Ok(false));
        assert_eq!(one(1u8, &threshold(f64::NAN)), Ok(false));
    }

    #[test]
    fn operations_follow_each_other() {
        let ops = [Op::Scale { factor: 0.5, shift: 1.0 }, Op::Cast(Dtype::U8), Op::Threshold(3.0)];
        assert_eq!(one(3u16, &ops), Ok(false));
        assert_eq!(one(4u16, &ops), Ok(true));
        let single = [Op::Cast(Dtype::F32), Op::Cast(Dtype::F64)];
        assert_eq!(one(0.1f64, &single), Ok(f64::from(0.1f32)));
    }
}
