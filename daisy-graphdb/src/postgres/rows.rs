//! Values to parameters and rows to values.

use std::error::Error;

use postgres::Row;
use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::failed;
use crate::sql::Column;
use crate::{AttrType, Attrs, GraphError, Position, Value};

/// A value as a parameter.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let signed = |values: &[u64]| values.iter().copied().map(u64::cast_signed).collect();
        match self.0 {
            Value::Bool(value) => value.to_sql(ty, out),
            Value::I64(value) => value.to_sql(ty, out),
            Value::U64(value) => value.cast_signed().to_sql(ty, out),
            Value::F64(value) => value.to_sql(ty, out),
            Value::Text(value) => value.to_sql(ty, out),
            Value::Bytes(value) => value.to_sql(ty, out),
            Value::I64s(values) => values.to_sql(ty, out),
            Value::U64s(values) => Vec::<i64>::to_sql(&signed(values), ty, out),
            Value::F64s(values) => values.to_sql(ty, out),
            Value::Nested(_) => Ok(IsNull::Yes), // No schema has any.
        }
    }

    fn accepts(ty: &Type) -> bool {
        let types = [
            Type::BOOL,
            Type::INT8,
            Type::FLOAT8,
            Type::TEXT,
            Type::BYTEA,
            Type::INT8_ARRAY,
            Type::FLOAT8_ARRAY,
        ];
        types.contains(ty)
    }

    to_sql_checked!();
}

/// The type of a column, for `COPY`.
pub(super) fn copy_type(attr_type: AttrType) -> Type {
    match attr_type {
        AttrType::Bool => Type::BOOL,
        AttrType::I64 | AttrType::U64 => Type::INT8,
        AttrType::F64 => Type::FLOAT8,
        AttrType::Text => Type::TEXT,
        AttrType::Bytes | AttrType::Nested => Type::BYTEA,
        AttrType::I64s(_) | AttrType::U64s(_) => Type::INT8_ARRAY,
        AttrType::F64s(_) => Type::FLOAT8_ARRAY,
    }
}

/// One attribute of many rows as one parameter, an array. Arrays of arrays would have to be
/// rectangular, without nulls: vectors go as text.
pub(super) fn gather<'a>(
    attr_type: AttrType,
    rows: impl Iterator<Item = &'a Attrs>,
    name: &str,
) -> Box<dyn ToSql + Sync> {
    let values = rows.map(|attrs| attrs.value(name));
    macro_rules! array {
        ($variant:ident as $kind:ty, $map:expr) => {{
            let one = |value: Option<&Value>| match value {
                Some(Value::$variant(value)) => Some($map(value)),
                _ => None,
            };
            Box::new(values.map(one).collect::<Vec<Option<$kind>>>())
        }};
    }
    match attr_type {
        AttrType::Bool => array!(Bool as bool, |value: &bool| *value),
        AttrType::I64 => array!(I64 as i64, |value: &i64| *value),
        AttrType::U64 => array!(U64 as i64, |value: &u64| value.cast_signed()),
        AttrType::F64 => array!(F64 as f64, |value: &f64| *value),
        AttrType::Text => array!(Text as String, String::clone),
        AttrType::Bytes | AttrType::Nested => array!(Bytes as Vec<u8>, Vec::clone),
        AttrType::I64s(_) => array!(I64s as String, |values: &Vec<i64>| braces(values)),
        AttrType::F64s(_) => array!(F64s as String, |values: &Vec<f64>| braces(values)),
        AttrType::U64s(_) => array!(U64s as String, |values: &Vec<u64>| {
            braces(&values.iter().copied().map(u64::cast_signed).collect::<Vec<_>>())
        }),
    }
}

/// The type of such a parameter, and how its elements become values of the column.
pub(super) fn gathered(attr_type: AttrType) -> (&'static str, &'static str) {
    match attr_type {
        AttrType::I64s(_) | AttrType::U64s(_) => ("text", "::bigint[]"),
        AttrType::F64s(_) => ("text", "::double precision[]"),
        plain => (super::tables::kind(plain), ""),
    }
}

/// A vector as PostgreSQL writes it. Rust prints the shortest text that reads as the same number.
fn braces<T: std::fmt::Debug>(values: &[T]) -> String {
    let elements: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("{{{}}}", elements.join(","))
}

/// The position in the columns from `first` on.
pub(super) fn position(row: &Row, first: usize, dims: usize) -> Result<Position, GraphError> {
    let mut axes = [0.0; crate::MAX_DIMS];
    for (axis, place) in axes.iter_mut().take(dims).zip(first..) {
        *axis = row.try_get(place).map_err(failed("read a position"))?;
    }
    Position::new(axes.get(..dims).unwrap_or(&axes))
}

/// The attributes in the columns from `first` on.
pub(super) fn attrs(row: &Row, first: usize, columns: &[&Column]) -> Result<Attrs, GraphError> {
    let mut attrs = Attrs::with_capacity(columns.len());
    for (place, column) in (first..).zip(columns) {
        if let Some(value) = value(row, place, column.attribute.attr_type)? {
            attrs.push(&column.attribute.name, value);
        }
    }
    Ok(attrs)
}

fn value(row: &Row, place: usize, attr_type: AttrType) -> Result<Option<Value>, GraphError> {
    let read = || -> Result<Option<Value>, postgres::Error> {
        let unsigned = |values: Vec<i64>| values.into_iter().map(i64::cast_unsigned).collect();
        Ok(match attr_type {
            AttrType::Bool => row.try_get::<_, Option<bool>>(place)?.map(Value::Bool),
            AttrType::I64 => row.try_get::<_, Option<i64>>(place)?.map(Value::I64),
            AttrType::U64 => {
                row.try_get::<_, Option<i64>>(place)?.map(|value| Value::U64(value.cast_unsigned()))
            }
            AttrType::F64 => row.try_get::<_, Option<f64>>(place)?.map(Value::F64),
            AttrType::Text => row.try_get::<_, Option<String>>(place)?.map(Value::Text),
            AttrType::Bytes | AttrType::Nested => {
                row.try_get::<_, Option<Vec<u8>>>(place)?.map(Value::Bytes)
            }
            AttrType::I64s(_) => row.try_get::<_, Option<Vec<i64>>>(place)?.map(Value::I64s),
            AttrType::U64s(_) => {
                let values = row.try_get::<_, Option<Vec<i64>>>(place)?;
                values.map(|values| Value::U64s(unsigned(values)))
            }
            AttrType::F64s(_) => row.try_get::<_, Option<Vec<f64>>>(place)?.map(Value::F64s),
        })
    };
    read().map_err(failed("read an attribute"))
}
