//! Attributes of nodes and edges: their types, their values, and sets of both.

use std::{fmt, sync::Arc};

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttrType {
    /// True or false.
    Bool,
    /// A signed whole number.
    I64,
    /// An unsigned whole number up to 2^64 - 1: ids, above all.
    U64,
    /// A number; infinite ones are fine, NaN is refused.
    F64,
    /// Text without the character NUL.
    Text,
    /// Bytes.
    Bytes,
    /// A fixed number of signed whole numbers.
    I64s(u32),
    /// A fixed number of unsigned whole numbers.
    U64s(u32),
    /// A fixed number of numbers.
    F64s(u32),
    /// Lists and maps of values of any kind: only where attributes are taken as they come, see
    /// [`Schema::any_attrs`](crate::Schema::any_attrs). None can be declared as such.
    Nested,
}

impl AttrType {
    /// Whether filters may ask for `<`, `<=`, `>`, `>=`; all types can be compared for equality.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::I64 | Self::U64 | Self::F64 | Self::Text)
    }
}

impl fmt::Display for AttrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::I64 => f.write_str("i64"),
            Self::U64 => f.write_str("u64"),
            Self::F64 => f.write_str("f64"),
            Self::Text => f.write_str("text"),
            Self::Bytes => f.write_str("bytes"),
            Self::I64s(len) => write!(f, "i64[{len}]"),
            Self::U64s(len) => write!(f, "u64[{len}]"),
            Self::F64s(len) => write!(f, "f64[{len}]"),
            Self::Nested => f.write_str("nested"),
        }
    }
}

impl std::str::FromStr for AttrType {
    type Err = ();

    /// Reads what [`Display`](fmt::Display) writes of a type that can be declared.
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some((element, len)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
            let len = len.parse().map_err(|_| ())?;
            return match element {
                "i64" => Ok(Self::I64s(len)),
                "u64" => Ok(Self::U64s(len)),
                "f64" => Ok(Self::F64s(len)),
                _ => Err(()),
            };
        }
        match text {
            "bool" => Ok(Self::Bool),
            "i64" => Ok(Self::I64),
            "u64" => Ok(Self::U64),
            "f64" => Ok(Self::F64),
            "text" => Ok(Self::Text),
            "bytes" => Ok(Self::Bytes),
            _ => Err(()),
        }
    }
}

/// The value of an attribute.
///
/// ```
/// use daisy_graphdb::{AttrType, Value};
///
/// assert_eq!(Value::from(u64::MAX).attr_type(), AttrType::U64);
/// assert_eq!(Value::from([0.5, 1.5]).attr_type(), AttrType::F64s(2));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A signed whole number.
    I64(i64),
    /// An unsigned whole number.
    U64(u64),
    /// A number.
    F64(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Signed whole numbers.
    I64s(Vec<i64>),
    /// Unsigned whole numbers.
    U64s(Vec<u64>),
    /// Numbers.
    F64s(Vec<f64>),
    /// What has a structure of its own.
    Nested(Nested),
}

/// A value with a structure of its own, as a document database can hold it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Nested {
    /// Nothing, inside of a list or map.
    Null,
    /// Something without a structure, inside of a list or map.
    Value(Box<Value>),
    /// A list.
    List(Vec<Self>),
    /// Named values, in the order given.
    Map(Vec<(String, Self)>),
}

impl Nested {
    /// About how many bytes it takes on its way.
    #[cfg(any(feature = "postgres", feature = "mongodb"))]
    fn bytes(&self) -> usize {
        match self {
            Self::Null => 8,
            Self::Value(value) => 8 + value.bytes(),
            Self::List(list) => 8 + list.iter().map(Self::bytes).sum::<usize>(),
            Self::Map(map) => 8 + map.iter().map(|(k, v)| 8 + k.len() + v.bytes()).sum::<usize>(),
        }
    }

    /// Whether something inside is no number that has 64 bits and a sign.
    #[cfg(feature = "mongodb")]
    fn is_too_large(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Value(value) => value.is_too_large(),
            Self::List(list) => list.iter().any(Self::is_too_large),
            Self::Map(map) => map.iter().any(|(_, value)| value.is_too_large()),
        }
    }
}

impl Value {
    /// The type of which this is a value.
    #[must_use]
    pub fn attr_type(&self) -> AttrType {
        let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        match self {
            Self::Bool(_) => AttrType::Bool,
            Self::I64(_) => AttrType::I64,
            Self::U64(_) => AttrType::U64,
            Self::F64(_) => AttrType::F64,
            Self::Text(_) => AttrType::Text,
            Self::Bytes(_) => AttrType::Bytes,
            Self::I64s(values) => AttrType::I64s(len(values.len())),
            Self::U64s(values) => AttrType::U64s(len(values.len())),
            Self::F64s(values) => AttrType::F64s(len(values.len())),
            Self::Nested(_) => AttrType::Nested,
        }
    }

    /// About how many bytes it takes on its way; a database may need up to twice as many.
    #[cfg(any(feature = "postgres", feature = "mongodb"))]
    fn bytes(&self) -> usize {
        match self {
            Self::Bool(_) | Self::I64(_) | Self::U64(_) | Self::F64(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::I64s(values) => 16 * values.len(),
            Self::U64s(values) => 16 * values.len(),
            Self::F64s(values) => 16 * values.len(),
            Self::Nested(nested) => nested.bytes(),
        }
    }

    /// Whether it is a whole number, or has one, that a document could only hold as the negative
    /// one of the same bits; without a declared type nothing would turn that back.
    #[cfg(feature = "mongodb")]
    pub(crate) fn is_too_large(&self) -> bool {
        match self {
            Self::U64(value) => i64::try_from(*value).is_err(),
            Self::U64s(values) => values.iter().any(|value| i64::try_from(*value).is_err()),
            Self::Nested(nested) => nested.is_too_large(),
            _ => false,
        }
    }

    /// What no database could give back as it was, if this is it.
    pub(crate) fn unstorable(&self) -> Option<&'static str> {
        match self {
            Self::F64(value) if value.is_nan() => Some("not a number"),
            Self::F64s(values) if values.iter().any(|value| value.is_nan()) => Some("not a number"),
            Self::Text(text) if text.contains('\0') => Some("text with the character NUL"),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($given:ty => $value:ident),*) => {$(
        impl From<$given> for Value {
            fn from(value: $given) -> Self {
                Self::$value(value.into())
            }
        }
    )*};
}

from!(Nested => Nested);
from!(bool => Bool, i64 => I64, u64 => U64, f64 => F64, &str => Text, String => Text);
from!(&[u8] => Bytes, Vec<u8> => Bytes, Vec<i64> => I64s, Vec<u64> => U64s, Vec<f64> => F64s);

/// The whole number that another program, Python say, stored as a real one. Up to 2^53 all of them are numbers of
/// both kinds.
#[cfg(any(feature = "sqlite", feature = "mongodb"))]
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole")]
pub(crate) fn whole_number(stored: f64) -> Option<i64> {
    const MAX: f64 = 9_007_199_254_740_992.0;
    (stored.fract() == 0.0 && stored.abs() < MAX).then_some(stored as i64)
}

impl<const N: usize> From<[i64; N]> for Value {
    fn from(values: [i64; N]) -> Self {
        Self::I64s(values.into())
    }
}

impl<const N: usize> From<[u64; N]> for Value {
    fn from(values: [u64; N]) -> Self {
        Self::U64s(values.into())
    }
}

impl<const N: usize> From<[f64; N]> for Value {
    fn from(values: [f64; N]) -> Self {
        Self::F64s(values.into())
    }
}

/// The attributes of one node or edge, ordered by name. One that is not there has no value.
///
/// ```
/// use daisy_graphdb::{Attrs, Value};
///
/// let mut attrs = Attrs::new().with("score", 0.75).with("label", u64::MAX);
/// assert_eq!(attrs.value("score"), Some(&Value::F64(0.75)));
/// assert_eq!(attrs.set("score", 0.5), Some(Value::F64(0.75)));
/// assert_eq!(attrs.value("Score"), None);
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Attrs(Vec<(Arc<str>, Value)>);

impl Attrs {
    /// No attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No attributes, and room for some.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// These attributes and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets an attribute and gives back its former value. Costs O(attributes).
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> Option<Value> {
        let value = value.into();
        match self.0.binary_search_by(|(key, _)| (**key).cmp(name)) {
            Ok(place) => self.0.get_mut(place).map(|(_, old)| std::mem::replace(old, value)),
            Err(place) => {
                self.0.insert(place, (name.into(), value));
                None
            }
        }
    }

    /// Sets an attribute whose name many share, which costs no copy of the name.
    pub fn set_shared(&mut self, name: &Arc<str>, value: Value) {
        match self.0.last() {
            Some((last, _)) if last >= name => drop(self.set(name, value)),
            _ => self.push(name, value),
        }
    }

    /// Takes an attribute away and gives back its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.0.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        Some(self.0.remove(place).1)
    }

    /// The value of an attribute.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        let place = self.0.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// All names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The number of attributes that have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no attribute has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// About how many bytes they take on their way.
    #[cfg(any(feature = "postgres", feature = "mongodb"))]
    pub(crate) fn bytes(&self) -> usize {
        self.iter().map(|(name, value)| 8 + name.len() + value.bytes()).sum()
    }

    /// Sets others, whose names are shared.
    #[cfg(feature = "mongodb")]
    pub(crate) fn append(&mut self, others: Self) {
        for (name, value) in others.0 {
            self.set_shared(&name, value);
        }
    }

    /// Sets one that is known to come after all others: the names of a schema, in its order.
    pub(crate) fn push(&mut self, name: &Arc<str>, value: Value) {
        debug_assert!(self.0.last().is_none_or(|(last, _)| last < name));
        self.0.push((Arc::clone(name), value));
    }
}

impl fmt::Debug for Attrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<S: AsRef<str>, V: Into<Value>> FromIterator<(S, V)> for Attrs {
    fn from_iter<I: IntoIterator<Item = (S, V)>>(pairs: I) -> Self {
        let mut attrs = Self::new();
        for (name, value) in pairs {
            attrs.set(name.as_ref(), value);
        }
        attrs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        for attr_type in [AttrType::Bool, AttrType::Text, AttrType::Bytes, AttrType::F64s(3)] {
            assert_eq!(attr_type.to_string().parse(), Ok(attr_type));
        }
        for nonsense in
            ["", "nested", "int", "f64[]", "f64[-1]", "bool[2]", "f64[3", "__import__('os')"]
        {
            assert!(nonsense.parse::<AttrType>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn attributes_are_ordered_by_name_whatever_the_order_given() {
        let attrs: Attrs = [("b", 1_i64), ("a", 2), ("b", 3)].into_iter().collect();
        assert_eq!(attrs.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(attrs.value("b"), Some(&Value::I64(3)));
        let mut shared = Attrs::new();
        for (name, value) in [("b", 1_i64), ("a", 2), ("b", 3)] {
            shared.set_shared(&name.into(), value.into());
        }
        assert_eq!(shared, attrs);
    }

    #[test]
    fn what_a_database_would_change_is_recognised() {
        assert!(Value::from(f64::NAN).unstorable().is_some());
        assert!(Value::from([0.0, f64::NAN]).unstorable().is_some());
        assert!(Value::from("a\0b").unstorable().is_some());
        assert!(Value::from(f64::INFINITY).unstorable().is_none());
    }
}
