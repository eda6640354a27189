//! Python values become numbers here, and numbers Python values: tuples, lists, numpy arrays and
//! numbers, `Coordinate`s, ROIs of this package and of others.

use daisy_geometry::{Coordinate, Roi};
use pyo3::{
    exceptions::{PyOverflowError, PyTypeError, PyValueError},
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyFloat, PyInt, PyString, PyTuple},
};

use crate::{error, roi};

/// The entries of a coordinate; `None` where an axis is unbounded.
pub(crate) type Entries = Vec<Option<i64>>;

/// A `daisy.Coordinate` of these entries.
pub(crate) fn coordinate<'py>(
    py: Python<'py>,
    entries: impl IntoIterator<Item = Option<i64>>,
) -> PyResult<Bound<'py, PyAny>> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let entries: Entries = entries.into_iter().collect();
    let make = MAKE.import(py, "daisy._coordinate", "of_tuple")?;
    make.call1((PyTuple::new(py, entries)?,))
}

/// A `daisy.Coordinate` of bounded axes.
pub(crate) fn bounded<'py>(
    py: Python<'py>,
    coordinate: &Coordinate,
) -> PyResult<Bound<'py, PyAny>> {
    self::coordinate(py, coordinate.iter().map(Some))
}

/// Entries from any iterable of integers and `None`; one number or `None` is one entry.
pub(crate) fn entries(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Entries> {
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return tuple.iter_borrowed().map(|entry| self::entry(&entry, what)).collect();
    }
    if is_one_number(value) {
        return Ok(vec![entry(value, what)?]);
    }
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
        return Err(refused(value, what));
    }
    let Ok(iterator) = value.try_iter() else { return Err(refused(value, what)) };
    iterator.map(|value| entry(&value?, what)).collect()
}

/// The entries of a coordinate for a ROI of `dims` axes; one number stands for all axes.
pub(crate) fn spread(value: &Bound<'_, PyAny>, dims: usize, what: &str) -> PyResult<Entries> {
    if is_one_number(value) && !value.is_none() {
        return Ok(vec![entry(value, what)?; dims]);
    }
    entries(value, what)
}

/// An operand for a ROI: an entry may be `None` only where the ROI is unbounded, and is `neutral` then.
pub(crate) fn operand(
    value: &Bound<'_, PyAny>,
    roi: &Roi,
    neutral: i64,
    what: &str,
) -> PyResult<Coordinate> {
    let entries = spread(value, roi.dims(), what)?;
    let bounded = |(axis, entry): (usize, Option<i64>)| match entry {
        Some(entry) => Ok(entry),
        None if roi.shape_at(axis).is_none_or(|shape| shape == 0) => Ok(neutral),
        None => Err(PyValueError::new_err(format!(
            "{what} is None along axis {axis}, where the ROI is bounded; give a number"
        ))),
    };
    entries.into_iter().enumerate().map(bounded).collect()
}

/// A coordinate without `None`.
pub(crate) fn point(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Coordinate> {
    let entries: Option<Coordinate> = entries(value, what)?.into_iter().collect();
    entries.ok_or_else(|| PyValueError::new_err(format!("{what} has a None; give integers")))
}

/// A ROI from a `daisy.Roi`, or from anything that has `offset` and `shape`.
pub(crate) fn roi(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Roi> {
    if let Ok(roi) = value.cast::<roi::Roi>() {
        return Ok(roi.borrow().inner().clone());
    }
    match (value.getattr("offset"), value.getattr("shape")) {
        (Ok(offset), Ok(shape)) => {
            roi_of_entries(entries(&offset, "offset")?, entries(&shape, "shape")?)
        }
        _ => Err(PyTypeError::new_err(format!(
            "{what} is a {}; give a daisy.Roi, or something else with an offset and a shape",
            type_name(value)
        ))),
    }
}

/// A ROI from entries; where the shape is `None` the axis is unbounded, whatever the offset.
pub(crate) fn roi_of_entries(mut offset: Entries, shape: Entries) -> PyResult<Roi> {
    for (offset, shape) in offset.iter_mut().zip(&shape) {
        if shape.is_none() {
            *offset = None;
        }
    }
    Roi::from_entries(offset, shape).map_err(|error| error::geometry(&error))
}

/// What a value is called in an error.
pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "value".to_owned(), |name| name.to_string())
}

/// An integer: an `int`, what has `__index__`, or a float of integral value.
fn entry(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Option<i64>> {
    if value.is_none() {
        return Ok(None);
    }
    match value.extract::<i64>() {
        Ok(number) => Ok(Some(number)),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Err(PyOverflowError::new_err(format!(
                "{what} has an entry beyond 64 bits: {value}; use smaller numbers or a coarser unit"
            )))
        }
        Err(_) => match value.extract::<f64>() {
            Ok(number) if number.fract() == 0.0 && number.abs() < 9e18 => Ok(Some(number as i64)),
            Ok(_) => Err(PyValueError::new_err(format!(
                "{what} has an entry that is no integer: {value}; round it first"
            ))),
            Err(_) => Err(refused(value, what)),
        },
    }
}

/// Whether a value is a number (or `None`) rather than several. Arrays without axes are numbers.
fn is_one_number(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_instance_of::<PyInt>()
        || value.is_instance_of::<PyFloat>()
        || value.getattr("ndim").is_ok_and(|dims| dims.extract::<usize>().is_ok_and(|n| n == 0))
        || (value.hasattr("__index__").unwrap_or(false)
            && !value.hasattr("__iter__").unwrap_or(true))
}

fn refused(value: &Bound<'_, PyAny>, what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{what} is a {}; give integers: a Coordinate, a tuple, a list or an array",
        type_name(value)
    ))
}
