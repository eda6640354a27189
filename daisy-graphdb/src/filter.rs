//! Which nodes or edges are wanted, by their attributes: a typed tree, checked against the schema
//! before any database sees it. Its values reach the database as bound parameters.
//!
//! A filter is true or false, never unknown: a comparison with an attribute that has no value is
//! false, so its `Not` is true.

use std::cmp::Ordering;

use crate::{Attribute, Attrs, GraphError, Owner, Schema, Value};

/// A condition on the attributes of a node or an edge.
///
/// ```
/// use daisy_graphdb::{Attrs, Filter};
///
/// let filter = Filter::ge("score", 0.5) & !Filter::eq("name", "O'Brien");
/// assert!(filter.matches(&Attrs::new().with("score", 0.75)));
/// assert!(!filter.matches(&Attrs::new().with("score", 0.75).with("name", "O'Brien")));
/// assert!(!filter.matches(&Attrs::new())); // no score is not at least 0.5
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Filter {
    /// Everything.
    All,
    /// The attribute has a value that compares like this with the one given.
    Compare {
        /// The attribute.
        name: String,
        /// How it compares.
        op: Compare,
        /// With what; of the attribute's type.
        value: Value,
    },
    /// The attribute has one of these values.
    In {
        /// The attribute.
        name: String,
        /// The values; of the attribute's type.
        values: Vec<Value>,
    },
    /// The attribute has a value.
    Present {
        /// The attribute.
        name: String,
    },
    /// All of these; true if there are none.
    And(Vec<Self>),
    /// At least one of these; false if there are none.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
}

/// How a value compares with the one given. Text is ordered by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Present, and different.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

macro_rules! constructors {
    ($($name:ident $op:ident $doc:literal),*) => {$(
        #[doc = $doc]
        #[must_use]
        pub fn $name(name: &str, value: impl Into<Value>) -> Self {
            Self::Compare { name: name.into(), op: Compare::$op, value: value.into() }
        }
    )*};
}

impl Filter {
    /// The largest number of values in a filter.
    pub const MAX_VALUES: usize = 10_000;
    /// The largest number of filters in a filter.
    pub const MAX_TERMS: usize = 1_000;
    /// The largest depth of a filter.
    pub const MAX_DEPTH: usize = 50;

    constructors! {
        eq Eq "The attribute is equal to a value.",
        ne Ne "The attribute has a value, and another one than this.",
        lt Lt "The attribute is less than a value.",
        le Le "The attribute is at most a value.",
        gt Gt "The attribute is greater than a value.",
        ge Ge "The attribute is at least a value."
    }

    /// The attribute has one of these values.
    #[must_use]
    pub fn is_in<V: Into<Value>>(name: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::In { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }

    /// The attribute has a value.
    #[must_use]
    pub fn present(name: &str) -> Self {
        Self::Present { name: name.into() }
    }

    /// Whether attributes meet the condition. Attributes of another type than the filter's values
    /// do not.
    #[must_use]
    pub fn matches(&self, attrs: &Attrs) -> bool {
        match self {
            Self::All => true,
            Self::Compare { name, op, value } => {
                attrs.value(name).and_then(|found| order(found, value)).is_some_and(|o| op.holds(o))
            }
            Self::In { name, values } => {
                attrs.value(name).is_some_and(|found| values.contains(found))
            }
            Self::Present { name } => attrs.value(name).is_some(),
            Self::And(all) => all.iter().all(|filter| filter.matches(attrs)),
            Self::Or(any) => any.iter().any(|filter| filter.matches(attrs)),
            Self::Not(filter) => !filter.matches(attrs),
        }
    }

    /// Whether the filter makes sense for these attributes.
    pub(crate) fn check(&self, schema: &Schema, owner: Owner) -> Result<(), GraphError> {
        let (mut terms, mut values) = (0, 0);
        self.check_size(0, &mut terms, &mut values)?;
        self.check_types(schema, owner)
    }

    fn check_size(
        &self,
        depth: usize,
        terms: &mut usize,
        values: &mut usize,
    ) -> Result<(), GraphError> {
        let at_most = |found: usize, limit: usize, what| {
            if found > limit { Err(GraphError::FilterTooLarge { limit, what }) } else { Ok(()) }
        };
        *terms += 1;
        at_most(depth, Self::MAX_DEPTH, "filters within one another")?;
        at_most(*terms, Self::MAX_TERMS, "filters in it")?;
        match self {
            Self::In { values: given, .. } => *values += given.len(),
            Self::Compare { .. } => *values += 1,
            Self::And(filters) | Self::Or(filters) => {
                for filter in filters {
                    filter.check_size(depth + 1, terms, values)?;
                }
            }
            Self::Not(filter) => filter.check_size(depth + 1, terms, values)?,
            Self::All | Self::Present { .. } => {}
        }
        at_most(*values, Self::MAX_VALUES, "values")
    }

    fn check_types(&self, schema: &Schema, owner: Owner) -> Result<(), GraphError> {
        let is_open = schema.has_any_attrs();
        let find = |name| Attribute::find(schema.attrs(owner), name, owner);
        match self {
            Self::Compare { name, op, value } => {
                if !is_open {
                    find(name)?.check(value)?;
                }
                let found = value.attr_type();
                if op.needs_order() && !found.is_ordered() {
                    return Err(GraphError::NotOrdered { name: name.clone(), found });
                }
                Ok(())
            }
            Self::In { name, values } if !is_open => {
                let found = find(name)?;
                values.iter().try_for_each(|value| found.check(value))
            }
            Self::Present { name } if !is_open => find(name).map(drop),
            Self::All | Self::In { .. } | Self::Present { .. } => Ok(()),
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().try_for_each(|filter| filter.check_types(schema, owner))
            }
            Self::Not(filter) => filter.check_types(schema, owner),
        }
    }
}

impl std::ops::BitAnd for Filter {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self::And(vec![self, other])
    }
}

impl std::ops::BitOr for Filter {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self::Or(vec![self, other])
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl Compare {
    /// Whether it holds for a value that is so ordered against the one given.
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    fn needs_order(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }
}

/// The order of two values of one type; of those without an order, something for unequal ones.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::I64(a), Value::I64(b)) => Some(a.cmp(b)),
        (Value::U64(a), Value::U64(b)) => Some(a.cmp(b)),
        (Value::F64(a), Value::F64(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ if a == b => Some(Ordering::Equal),
        _ if a.attr_type() == b.attr_type() => Some(Ordering::Less),
        _ => None,
    }
}

/// A filter in the words of a database: `u64`s are compared as the `i64`s of the same bits.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
pub(crate) mod lowered {
    use super::{Compare, Filter, Value};

    /// `Compare` of a `u64` in terms of signed comparisons: unsigned order is that of the signed
    /// numbers from 0 up, then that of the negative ones.
    pub(crate) fn unsigned(name: &str, op: Compare, bound: u64) -> Filter {
        let compare =
            |op, value: i64| Filter::Compare { name: name.into(), op, value: Value::I64(value) };
        let bits = bound.cast_signed();
        let (here, is_below) = (compare(op, bits), matches!(op, Compare::Lt | Compare::Le));
        match (op, bits >= 0) {
            (Compare::Eq | Compare::Ne, _) => here,
            (_, true) if is_below => here & compare(Compare::Ge, 0),
            (_, false) if is_below => here | compare(Compare::Ge, 0),
            (_, true) => here | compare(Compare::Lt, 0),
            (_, false) => here & compare(Compare::Lt, 0),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::Attrs;

        #[test]
        fn unsigned_order_survives_the_way_through_signed_numbers() {
            let numbers = [0, 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX];
            let ops = [Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge, Compare::Ne];
            for (a, b) in numbers.iter().flat_map(|a| numbers.iter().map(move |b| (*a, *b))) {
                let (plain, bits) =
                    (Attrs::new().with("x", a), Attrs::new().with("x", a.cast_signed()));
                for op in ops.into_iter().chain([Compare::Eq]) {
                    let filter = Filter::Compare { name: "x".into(), op, value: Value::U64(b) };
                    let lowered = unsigned("x", op, b);
                    assert_eq!(lowered.matches(&bits), filter.matches(&plain), "{a} {op:?} {b}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttrType;

    fn schema() -> Schema {
        let schema = Schema::new(daisy_geometry::Coordinate::new([1])).unwrap();
        let schema = schema.node_attr("name", AttrType::Text).unwrap();
        schema.node_attr("raw", AttrType::Bytes).unwrap()
    }

    #[test]
    fn a_filter_is_checked_against_the_types_of_the_schema() {
        let check = |filter: Filter| filter.check(&schema(), Owner::Nodes);
        assert!(check(Filter::lt("name", "b") | Filter::present("raw")).is_ok());
        assert!(matches!(check(Filter::eq("nam", "b")), Err(GraphError::UnknownAttribute { .. })));
        assert!(matches!(check(!Filter::eq("name", 1_i64)), Err(GraphError::AttributeType { .. })));
        let bytes = Filter::lt("raw", vec![1_u8]);
        assert!(matches!(check(bytes), Err(GraphError::NotOrdered { .. })));
    }

    #[test]
    fn the_limits_of_a_filter_hold() {
        let check = |filter: &Filter| filter.check(&schema(), Owner::Nodes);
        let too_large =
            |filter: &Filter| matches!(check(filter), Err(GraphError::FilterTooLarge { .. }));
        let values = |n: usize| Filter::is_in("name", vec!["x"; n]);
        assert!(check(&values(Filter::MAX_VALUES)).is_ok());
        assert!(too_large(&values(Filter::MAX_VALUES + 1)));
        let terms = |n: usize| Filter::Or(vec![Filter::All; n]);
        assert!(check(&terms(Filter::MAX_TERMS - 1)).is_ok());
        assert!(too_large(&terms(Filter::MAX_TERMS)));
        let deep = |n: usize| (0..n).fold(Filter::All, |filter, _| !filter);
        assert!(check(&deep(Filter::MAX_DEPTH)).is_ok());
        assert!(too_large(&deep(Filter::MAX_DEPTH + 1)));
    }

    #[test]
    fn what_has_no_value_compares_as_false_and_is_found_by_not() {
        let none = Attrs::new();
        assert!(!Filter::ne("name", "x").matches(&none));
        assert!((!Filter::ne("name", "x")).matches(&none));
        assert!(Filter::And(vec![]).matches(&none) && !Filter::Or(vec![]).matches(&none));
    }
}
