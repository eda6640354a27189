//! Values to parameters and columns to values.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};

use crate::sql::Column;
use crate::value::whole_number;
use crate::{AttrType, Attrs, GraphError, Position, Value};

/// A value as a parameter; a vector as the little-endian bytes of its elements.
pub(super) struct Param<'a>(pub(super) &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let bytes = |words: Vec<[u8; 8]>| ToSqlOutput::from(words.concat());
        Ok(match self.0 {
            Value::Bool(value) => ToSqlOutput::from(*value),
            Value::I64(value) => ToSqlOutput::from(*value),
            Value::U64(value) => ToSqlOutput::from(value.cast_signed()),
            Value::F64(value) => ToSqlOutput::from(*value),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::I64s(values) => bytes(values.iter().map(|value| value.to_le_bytes()).collect()),
            Value::U64s(values) => bytes(values.iter().map(|value| value.to_le_bytes()).collect()),
            Value::F64s(values) => bytes(values.iter().map(|value| value.to_le_bytes()).collect()),
            Value::Nested(_) => ToSqlOutput::from(rusqlite::types::Null), // No schema has any.
        })
    }
}

/// Binds the columns of one attribute, beginning at a parameter; returns the next one.
pub(super) fn bind(
    statement: &mut rusqlite::Statement<'_>,
    first: usize,
    column: &Column,
    value: Option<&Value>,
) -> rusqlite::Result<usize> {
    let next = first + column.names.len();
    match value {
        None => {
            for place in first..next {
                statement.raw_bind_parameter(place, rusqlite::types::Null)?;
            }
        }
        Some(value) if column.names.len() == 1 => {
            statement.raw_bind_parameter(first, Param(value))?;
        }
        Some(value) => {
            for (place, element) in (first..next).zip(crate::sql::elements(value)) {
                statement.raw_bind_parameter(place, Param(&element))?;
            }
        }
    }
    Ok(next)
}

/// Binds the coordinates of a position; returns the next parameter.
pub(super) fn bind_position(
    statement: &mut rusqlite::Statement<'_>,
    first: usize,
    position: &Position,
    is_whole: bool,
) -> rusqlite::Result<usize> {
    let mut place = first;
    for axis in position.axes() {
        if is_whole {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole; saturates")]
            statement.raw_bind_parameter(place, *axis as i64)?;
        } else {
            statement.raw_bind_parameter(place, axis)?;
        }
        place += 1;
    }
    Ok(place)
}

/// The position in the columns from `first` on.
pub(super) fn position(row: &Row<'_>, first: usize, dims: usize) -> Result<Position, GraphError> {
    let mut axes = [0.0; crate::MAX_DIMS];
    for (axis, place) in axes.iter_mut().take(dims).zip(first..) {
        *axis = number(column(row, place)?)?;
    }
    Position::new(axes.get(..dims).unwrap_or(&axes))
}

/// The attributes in the columns from `first` on.
pub(super) fn attrs(row: &Row<'_>, first: usize, columns: &[&Column]) -> Result<Attrs, GraphError> {
    let mut attrs = Attrs::with_capacity(columns.len());
    let mut place = first;
    for found in columns {
        let stored = column(row, place)?;
        if !matches!(stored, ValueRef::Null) {
            let name = &found.attribute.name;
            attrs.push(name, value(row, (place, stored), found).map_err(naming(name))?);
        }
        place += found.names.len();
    }
    Ok(attrs)
}

/// The value whose first column is at a place.
fn value(
    row: &Row<'_>,
    (place, stored): (usize, ValueRef<'_>),
    found: &Column,
) -> Result<Value, GraphError> {
    let spread = found.names.len() > 1;
    Ok(match found.attribute.attr_type {
        AttrType::Bool => Value::Bool(whole(stored)? != 0),
        AttrType::I64 => Value::I64(whole(stored)?),
        AttrType::U64 => Value::U64(whole(stored)?.cast_unsigned()),
        AttrType::F64 => Value::F64(number(stored)?),
        AttrType::Text => match stored {
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            other => return Err(corrupt(other)),
        },
        AttrType::Bytes => match stored {
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            other => return Err(corrupt(other)),
        },
        AttrType::I64s(_) if spread => {
            let columns = place..place + found.names.len();
            Value::I64s(columns.map(|at| whole(column(row, at)?)).collect::<Result<_, _>>()?)
        }
        AttrType::F64s(_) if spread => {
            let columns = place..place + found.names.len();
            Value::F64s(columns.map(|at| number(column(row, at)?)).collect::<Result<_, _>>()?)
        }
        // Files of other programs may hold vectors of one element.
        AttrType::I64s(1) if !matches!(stored, ValueRef::Blob(_)) => {
            Value::I64s(vec![whole(stored)?])
        }
        AttrType::F64s(1) if !matches!(stored, ValueRef::Blob(_)) => {
            Value::F64s(vec![number(stored)?])
        }
        AttrType::I64s(len) => Value::I64s(words(stored, len)?.map(i64::from_le_bytes).collect()),
        AttrType::U64s(len) => Value::U64s(words(stored, len)?.map(u64::from_le_bytes).collect()),
        AttrType::F64s(len) => Value::F64s(words(stored, len)?.map(f64::from_le_bytes).collect()),
        AttrType::Nested => return Err(corrupt(stored)), // No schema has any.
    })
}

#[inline]
fn column<'a>(row: &'a Row<'_>, place: usize) -> Result<ValueRef<'a>, GraphError> {
    row.get_ref(place).map_err(|error| GraphError::database("read a row", error))
}

fn whole(stored: ValueRef<'_>) -> Result<i64, GraphError> {
    match stored {
        ValueRef::Integer(value) => Ok(value),
        // Columns of other programs have no type: Python's `2.0` is kept as such.
        ValueRef::Real(value) => whole_number(value).ok_or_else(|| corrupt(stored)),
        other => Err(corrupt(other)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers in files of other programs")]
#[inline]
fn number(stored: ValueRef<'_>) -> Result<f64, GraphError> {
    match stored {
        ValueRef::Real(value) => Ok(value),
        ValueRef::Integer(value) => Ok(value as f64),
        other => Err(corrupt(other)),
    }
}

fn words(stored: ValueRef<'_>, len: u32) -> Result<impl Iterator<Item = [u8; 8]>, GraphError> {
    match stored {
        ValueRef::Blob(bytes) if bytes.len() as u64 == u64::from(len) * 8 => {
            Ok(bytes.as_chunks::<8>().0.to_vec().into_iter())
        }
        other => Err(corrupt(other)),
    }
}

/// Says which attribute has the value that does not fit.
fn naming(name: &str) -> impl FnOnce(GraphError) -> GraphError {
    move |error| match error {
        GraphError::Corrupt { what } => {
            GraphError::Corrupt { what: format!("{what} the attribute {name:?}") }
        }
        other => other,
    }
}

fn corrupt(stored: ValueRef<'_>) -> GraphError {
    GraphError::Corrupt {
        what: format!("a value of type {} that does not fit", stored.data_type()),
    }
}
