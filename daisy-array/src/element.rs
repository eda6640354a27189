//! The types of elements, and values of any of them.

use std::fmt;

use serde_json::Value;
use zarrs::array::DataType;

use crate::convert::Number;

mod sealed {
    /// Keeps [`Element`](super::Element) closed: the set of types is that of
    /// [`Dtype`](super::Dtype).
    #[allow(unnameable_types, reason = "a sealed trait is one that cannot be named")]
    pub trait Sealed: zarrs::array::ElementOwned {
        /// The value without loss.
        fn to_number(self) -> crate::convert::Number;

        /// The value, if the type holds it: for floats the nearest, else exactly.
        fn from_number(number: crate::convert::Number) -> Option<Self>;
    }
}

/// A type that the voxels of an [`Array`](crate::Array) can have.
pub trait Element: sealed::Sealed + Copy + fmt::Debug + Send + Sync + 'static {
    /// The type as a value.
    const DTYPE: Dtype;
}

macro_rules! elements {
    ($($type:ty, $variant:ident, $v2:literal, $v3:literal, $range:expr;)+) => {
        /// The type of the voxels of an [`Array`](crate::Array).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Dtype {
            $(#[doc = concat!("`", stringify!($type), "`")] $variant,)+
        }

        /// A voxel of any type: what an array holds where nothing was written.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Scalar {
            $(#[doc = concat!("A value of type `", stringify!($type), "`.")] $variant($type),)+
        }

        $(

            impl Element for $type {
                const DTYPE: Dtype = Dtype::$variant;
            }

            impl From<$type> for Scalar {
                fn from(value: $type) -> Self {
                    Self::$variant(value)
                }
            }
        )+

        impl Dtype {
            const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name that Zarr v2 uses, little-endian.
            pub(crate) fn v2_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $v2,)+
                }
            }

            /// The name that Zarr v3 uses.
            pub(crate) fn v3_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $v3,)+
                }
            }

            /// The smallest and the largest value, of integers.
            pub(crate) fn range(self) -> Option<(i128, i128)> {
                match self {
                    $(Self::$variant => $range,)+
                }
            }

            /// The size of one element in bytes.
            #[must_use]
            pub fn size(self) -> usize {
                match self {
                    $(Self::$variant => size_of::<$type>(),)+
                }
            }

            /// Whether the Zarr type holds exactly these elements.
            fn matches(self, data_type: &DataType) -> bool {
                use zarrs::array::Element as _;
                match self {
                    $(Self::$variant => <$type>::validate_data_type(data_type).is_ok(),)+
                }
            }
        }

        impl Scalar {
            /// The type of the value.
            #[must_use]
            pub fn dtype(&self) -> Dtype {
                match self {
                    $(Self::$variant(_) => Dtype::$variant,)+
                }
            }
        }

        impl fmt::Display for Scalar {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(value) => value.fmt(f),)+
                }
            }
        }
    };
}

/// The values of an integer type.
macro_rules! int_range {
    ($type:ty) => {
        Some((<$type>::MIN as i128, <$type>::MAX as i128))
    };
}

elements! {
    bool, Bool, "|b1", "bool", None;
    u8, U8, "|u1", "uint8", int_range!(u8);
    u16, U16, "<u2", "uint16", int_range!(u16);
    u32, U32, "<u4", "uint32", int_range!(u32);
    u64, U64, "<u8", "uint64", int_range!(u64);
    i8, I8, "|i1", "int8", int_range!(i8);
    i16, I16, "<i2", "int16", int_range!(i16);
    i32, I32, "<i4", "int32", int_range!(i32);
    i64, I64, "<i8", "int64", int_range!(i64);
    f32, F32, "<f4", "float32", None;
    f64, F64, "<f8", "float64", None;
}

impl sealed::Sealed for bool {
    fn to_number(self) -> Number {
        Number::Int(self.into())
    }

    fn from_number(number: Number) -> Option<Self> {
        match number {
            Number::Int(0) => Some(false),
            Number::Int(1) => Some(true),
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($type:ty),+) => {
        $(impl sealed::Sealed for $type {
            #[inline]
            fn to_number(self) -> Number {
                Number::Int(self.into())
            }

            #[inline]
            fn from_number(number: Number) -> Option<Self> {
                match number {
                    Number::Int(value) => value.try_into().ok(),
                    Number::Float(_) => None,
                }
            }
        })+
    };
}

macro_rules! floats {
    ($($type:ty),+) => {
        $(impl sealed::Sealed for $type {
            #[inline]
            fn to_number(self) -> Number {
                Number::Float(self.into())
            }

            #[inline]
            fn from_number(number: Number) -> Option<Self> {
                match number {
                    Number::Int(value) => Some(value as Self),
                    Number::Float(value) => Some(value as Self),
                }
            }
        })+
    };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);
floats!(f32, f64);

impl Dtype {
    /// The type of a Zarr array, if it is one of ours.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        Self::ALL.iter().copied().find(|dtype| dtype.matches(data_type))
    }

    /// The value that arrays hold by default: zero, or false.
    #[must_use]
    pub fn zero(self) -> Scalar {
        match self {
            Self::Bool => Scalar::Bool(false),
            Self::U8 => Scalar::U8(0),
            Self::U16 => Scalar::U16(0),
            Self::U32 => Scalar::U32(0),
            Self::U64 => Scalar::U64(0),
            Self::I8 => Scalar::I8(0),
            Self::I16 => Scalar::I16(0),
            Self::I32 => Scalar::I32(0),
            Self::I64 => Scalar::I64(0),
            Self::F32 => Scalar::F32(0.0),
            Self::F64 => Scalar::F64(0.0),
        }
    }

    /// The value with these bytes in the order of this machine; none if there are too few or too
    /// many.
    pub(crate) fn scalar(self, bytes: &[u8]) -> Option<Scalar> {
        Some(match self {
            Self::Bool => Scalar::Bool(bytes.first().copied()? != 0),
            Self::U8 => Scalar::U8(u8::from_ne_bytes(bytes.try_into().ok()?)),
            Self::U16 => Scalar::U16(u16::from_ne_bytes(bytes.try_into().ok()?)),
            Self::U32 => Scalar::U32(u32::from_ne_bytes(bytes.try_into().ok()?)),
            Self::U64 => Scalar::U64(u64::from_ne_bytes(bytes.try_into().ok()?)),
            Self::I8 => Scalar::I8(i8::from_ne_bytes(bytes.try_into().ok()?)),
            Self::I16 => Scalar::I16(i16::from_ne_bytes(bytes.try_into().ok()?)),
            Self::I32 => Scalar::I32(i32::from_ne_bytes(bytes.try_into().ok()?)),
            Self::I64 => Scalar::I64(i64::from_ne_bytes(bytes.try_into().ok()?)),
            Self::F32 => Scalar::F32(f32::from_ne_bytes(bytes.try_into().ok()?)),
            Self::F64 => Scalar::F64(f64::from_ne_bytes(bytes.try_into().ok()?)),
        })
    }
}

impl fmt::Display for Dtype {
    /// The Rust name: `u8`, `f32`, `bool`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = self.v3_name().chars().next().unwrap_or('?');
        match self {
            Self::Bool => f.write_str("bool"),
            _ => write!(f, "{letter}{}", 8 * self.size()),
        }
    }
}

impl Scalar {
    /// The value as Zarr metadata: a number, a truth value, or the name of a number that JSON
    /// cannot write.
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Bool(value) => value.into(),
            Self::U8(value) => value.into(),
            Self::U16(value) => value.into(),
            Self::U32(value) => value.into(),
            Self::U64(value) => value.into(),
            Self::I8(value) => value.into(),
            Self::I16(value) => value.into(),
            Self::I32(value) => value.into(),
            Self::I64(value) => value.into(),
            Self::F32(value) => float_to_json(value.into()),
            Self::F64(value) => float_to_json(value),
        }
    }
}

fn float_to_json(value: f64) -> Value {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_rust() {
        let names: Vec<String> = Dtype::ALL.iter().map(ToString::to_string).collect();
        let expected = ["bool", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64"];
        assert_eq!(names, expected);
    }

    #[test]
    fn zero_has_the_type_it_is_asked_for() {
        for dtype in Dtype::ALL {
            assert_eq!(dtype.zero().dtype(), *dtype);
            assert_eq!(dtype.scalar(&vec![0; dtype.size()]), Some(dtype.zero()));
        }
        assert_eq!(Dtype::U16.scalar(&[1]), None);
    }

    #[test]
    fn numbers_that_json_cannot_write_have_names() {
        assert_eq!(Scalar::from(f32::NAN).to_json(), Value::from("NaN"));
        assert_eq!(Scalar::from(f64::NEG_INFINITY).to_json(), Value::from("-Infinity"));
        assert_eq!(Scalar::from(1.5f32).to_json(), Value::from(1.5));
    }
}
