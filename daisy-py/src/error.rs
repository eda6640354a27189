//! Errors of the Rust crates as the exceptions that Python programmers expect.

use daisy::arrays::ArrayError;
use daisy_block::LayoutError;
use daisy_geometry::GeometryError;
use daisy_graph::GraphError;
use daisy_sched::SchedulerError;
use pyo3::{
    PyErr,
    exceptions::{
        PyFileExistsError, PyFileNotFoundError, PyIndexError, PyMemoryError, PyOSError,
        PyOverflowError, PyPermissionError, PyRuntimeError, PyTypeError, PyValueError,
        PyZeroDivisionError,
    },
};

/// What is wrong with a piece of geometry: a `ValueError` unless Python has a nearer word.
pub(crate) fn geometry(error: &GeometryError) -> PyErr {
    let text = error.to_string();
    match error {
        GeometryError::Overflow { .. } => PyOverflowError::new_err(text),
        GeometryError::DivisionByZero => PyZeroDivisionError::new_err(text),
        GeometryError::AxisOutOfRange { .. } => PyIndexError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// What is wrong with a layout or a block id.
pub(crate) fn layout(error: &LayoutError) -> PyErr {
    match error {
        LayoutError::Geometry(error) => geometry(error),
        LayoutError::IdOverflow => PyOverflowError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// What is wrong with how tasks hang together.
pub(crate) fn graph(error: &GraphError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// What is wrong with a call to a scheduler.
pub(crate) fn scheduler(error: &SchedulerError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Why a run did not start, or broke off.
pub(crate) fn run(error: &daisy::Error) -> PyErr {
    let text = error.to_string();
    match error {
        daisy::Error::SharedChunk { .. }
        | daisy::Error::UnorderedTasks { .. }
        | daisy::Error::ChunkGrid { .. }
        | daisy::Error::ArrayIdentity { .. } => PyValueError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

/// What is wrong with an array, or with what is asked of it.
pub(crate) fn array(error: &ArrayError) -> PyErr {
    let text = error.to_string();
    match error {
        ArrayError::Geometry(error) => geometry(error),
        ArrayError::NotFound { .. } => PyFileNotFoundError::new_err(text),
        ArrayError::AlreadyExists { .. } | ArrayError::Occupied { .. } => {
            PyFileExistsError::new_err(text)
        }
        ArrayError::DtypeMismatch { .. }
        | ArrayError::SpecFillValue { .. }
        | ArrayError::UnsupportedDtype { .. } => PyTypeError::new_err(text),
        ArrayError::Outside { .. } => PyIndexError::new_err(text),
        ArrayError::TooLarge { .. } => PyMemoryError::new_err(text),
        ArrayError::ReadOnly { .. } => PyPermissionError::new_err(text),
        ArrayError::Io { .. }
        | ArrayError::Read { .. }
        | ArrayError::Write { .. }
        | ArrayError::Remote { .. } => PyOSError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}
