//! Values of attributes: from Python, by their declared type or as they are, and back.

use daisy_graphdb::{AttrType, Nested, Value};
use pyo3::{
    prelude::*,
    types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};

/// Lists within lists, at most; a list may hold itself.
const MAX_DEPTH: usize = 50;

/// Characters of a value in an error, at most.
const MAX_SHOWN: usize = 60;

/// A Python value as one of a declared type; none if it cannot be.
pub(super) fn typed(value: &Bound<'_, PyAny>, attr_type: AttrType) -> Option<Value> {
    match attr_type {
        AttrType::Bool => value.extract().ok().map(Value::Bool),
        AttrType::I64 => value.extract().ok().map(Value::I64),
        AttrType::U64 => value.extract().ok().map(Value::U64),
        AttrType::F64 => value.extract().ok().map(Value::F64),
        AttrType::Text => value.cast::<PyString>().ok()?.extract().ok().map(Value::Text),
        AttrType::Bytes => bytes(value).map(Value::Bytes),
        AttrType::I64s(_) => elements(value).map(Value::I64s),
        AttrType::U64s(_) => elements(value).map(Value::U64s),
        AttrType::F64s(_) => elements(value).map(Value::F64s),
        _ => None,
    }
}

/// A Python value as what it is; none if it is nothing that can be stored.
pub(super) fn any(value: &Bound<'_, PyAny>) -> Option<Value> {
    match nested(value, 0)? {
        Nested::Value(value) => Some(*value),
        Nested::List(list) => Some(vector(list)),
        Nested::Map(map) => Some(Value::Nested(Nested::Map(map))),
        _ => None,
    }
}

fn nested(value: &Bound<'_, PyAny>, depth: usize) -> Option<Nested> {
    if depth > MAX_DEPTH {
        return None;
    }
    let plain = |value: Value| Some(Nested::Value(Box::new(value)));
    if value.is_none() {
        return Some(Nested::Null);
    }
    if value.is_instance_of::<PyBool>() {
        return plain(Value::Bool(value.extract().ok()?));
    }
    if value.is_instance_of::<PyInt>() {
        // Whatever is larger is refused by the store, which names the attribute.
        return plain(match value.extract() {
            Ok(whole) => Value::I64(whole),
            Err(_) => Value::U64(value.extract().ok()?),
        });
    }
    if value.is_instance_of::<PyFloat>() {
        return plain(Value::F64(value.extract().ok()?));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return plain(Value::Text(text.extract().ok()?));
    }
    if let Some(bytes) = bytes(value) {
        return plain(Value::Bytes(bytes));
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        let field = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Some((key.cast::<PyString>().ok()?.to_string(), nested(&value, depth + 1)?))
        };
        return dict.iter().map(field).collect::<Option<_>>().map(Nested::Map);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let elements = value.try_iter().ok()?;
        let elements = elements.map(|element| nested(&element.ok()?, depth + 1));
        return elements.collect::<Option<_>>().map(Nested::List);
    }
    // Numbers and arrays of NumPy.
    nested(&value.call_method0("tolist").ok()?, depth + 1)
}

/// A list as numbers of one kind, if it is.
fn vector(list: Vec<Nested>) -> Value {
    fn all<T>(list: &[Nested], one: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
        let one = |element: &Nested| match element {
            Nested::Value(value) => one(value),
            _ => None,
        };
        list.iter().map(one).collect()
    }
    let whole = all(&list, |value| if let Value::I64(value) = value { Some(*value) } else { None });
    let real =
        || all(&list, |value| if let Value::F64(value) = value { Some(*value) } else { None });
    match whole.filter(|whole| !whole.is_empty()) {
        Some(whole) => Value::I64s(whole),
        None => real().map_or_else(|| Value::Nested(Nested::List(list)), Value::F64s),
    }
}

fn bytes(value: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Some(bytes.as_bytes().to_vec());
    }
    value.cast::<PyByteArray>().ok().map(|bytes| bytes.to_vec())
}

fn elements<T: for<'a, 'py> FromPyObject<'a, 'py>>(value: &Bound<'_, PyAny>) -> Option<Vec<T>> {
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
        return None;
    }
    value.try_iter().ok()?.map(|element| element.ok()?.extract().ok()).collect()
}

/// The beginning of what a value looks like, for an error.
pub(super) fn shown(value: &Bound<'_, PyAny>) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A stored value for Python.
pub(super) fn python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::I64(value) => value.into_pyobject(py)?.into_any(),
        Value::U64(value) => value.into_pyobject(py)?.into_any(),
        Value::F64(value) => PyFloat::new(py, *value).into_any(),
        Value::Text(text) => PyString::new(py, text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::I64s(values) => PyList::new(py, values)?.into_any(),
        Value::U64s(values) => PyList::new(py, values)?.into_any(),
        Value::F64s(values) => PyList::new(py, values)?.into_any(),
        Value::Nested(nested) => python_nested(py, nested)?,
        _ => py.None().into_bound(py),
    })
}

fn python_nested<'py>(py: Python<'py>, nested: &Nested) -> PyResult<Bound<'py, PyAny>> {
    Ok(match nested {
        Nested::Value(value) => python(py, value)?,
        Nested::List(list) => {
            let list = list.iter().map(|element| python_nested(py, element));
            PyList::new(py, list.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        Nested::Map(map) => {
            let dict = PyDict::new(py);
            for (name, value) in map {
                dict.set_item(name, python_nested(py, value)?)?;
            }
            dict.into_any()
        }
        _ => py.None().into_bound(py),
    })
}
