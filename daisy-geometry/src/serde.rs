//! Coordinates as sequences of integers, ROIs as `{offset, shape}`.
//!
//! An unbounded axis is null in both; the canonical empty ROI has offsets of null and shapes of
//! zero. What comes in goes through the constructors, so nonsense is an error and never a panic.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::{Coordinate, Roi, Scalar};

impl<T: Serialize> Serialize for Coordinate<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl<'de, T: Scalar + Deserialize<'de>> Deserialize<'de> for Coordinate<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AxesVisitor(PhantomData))
    }
}

struct AxesVisitor<T>(PhantomData<T>);

impl<'de, T: Scalar + Deserialize<'de>> Visitor<'de> for AxesVisitor<T> {
    type Value = Coordinate<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of integers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut axes: A) -> Result<Self::Value, A::Error> {
        // No room is made ahead: the number of axes a peer announces may be a lie.
        let mut values = Vec::new();
        while let Some(value) = axes.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }
}

impl Serialize for Roi {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let offset: Vec<_> = (0..self.dims()).map(|axis| self.begin_at(axis)).collect();
        let shape: Vec<_> = (0..self.dims()).map(|axis| self.shape_at(axis)).collect();
        let mut fields = serializer.serialize_struct("Roi", 2)?;
        fields.serialize_field("offset", &offset)?;
        fields.serialize_field("shape", &shape)?;
        fields.end()
    }
}

/// A ROI before it is checked.
#[derive(serde::Deserialize)]
#[serde(rename = "Roi", deny_unknown_fields)]
struct Unchecked {
    offset: Vec<Option<i64>>,
    shape: Vec<Option<i64>>,
}

impl<'de> Deserialize<'de> for Roi {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Unchecked { offset, shape } = Unchecked::deserialize(deserializer)?;
        Self::from_entries(offset, shape).map_err(D::Error::custom)
    }
}
