//! What is wrong with a store or a request, as the exceptions that Python programmers expect.

use daisy_graphdb::GraphError;
use pyo3::{
    PyErr,
    exceptions::{PyFileNotFoundError, PyRuntimeError, PyTypeError, PyValueError},
};

/// The exception of an error: its own text, but where that speaks of Rust.
pub(super) fn of(error: &GraphError) -> PyErr {
    let text = error.to_string();
    match error {
        GraphError::NotFound { .. } => PyFileNotFoundError::new_err(text),
        GraphError::ReadOnly => PyRuntimeError::new_err(
            "the graph was opened for reading (mode \"r\"): open it with mode \"r+\"",
        ),
        GraphError::Geometry(error) => crate::error::geometry(error),
        GraphError::AttributeType { .. } => PyTypeError::new_err(text),
        GraphError::Database { .. } | GraphError::Stopped => PyRuntimeError::new_err(text),
        GraphError::NodeExists { id } => PyValueError::new_err(format!(
            "node {id} exists, and nothing was written: leave it out, or write without fail_if_exists"
        )),
        GraphError::EdgeExists { u, v } => PyValueError::new_err(format!(
            "edge ({u}, {v}) exists, and nothing was written: leave it out, or write without fail_if_exists"
        )),
        GraphError::NodeMissing { id } => PyValueError::new_err(format!(
            "node {id} does not exist, and nothing was written: leave it out, or write without fail_if_not_exists"
        )),
        GraphError::EdgeMissing { u, v } => PyValueError::new_err(format!(
            "edge ({u}, {v}) does not exist, and nothing was written: leave it out, or write without \
             fail_if_not_exists"
        )),
        GraphError::UnknownAttribute { name, owner } => PyValueError::new_err(format!(
            "{owner} have no attribute {name:?}: the graph was created without it; see node_attrs and edge_attrs \
             of the provider"
        )),
        GraphError::NothingToReplace => PyValueError::new_err(
            "delete=True needs a ROI: give the one whose contents are replaced",
        ),
        _ => PyValueError::new_err(text),
    }
}
