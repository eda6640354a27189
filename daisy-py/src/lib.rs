//! The Python module `daisy`, its part in Rust: `daisy._daisy`.
//!
//! Values that scripts hold by the million are Rust inside (`roi`, `block`) and make Python
//! objects only when asked; `convert` is the one place where Python values become numbers.

mod block;
mod client;
mod convert;
mod dataset;
mod error;
mod fork;
mod graph;
mod graph_store;
mod nudge;
mod place;
mod roi;
mod run;
mod scheduler;
mod states;
mod task;
mod wait;
mod watcher;

use pyo3::prelude::*;

/// The part of the package `daisy` that is written in Rust.
#[pymodule]
mod _daisy {
    use super::*;

    #[pymodule_export]
    use super::block::{Block, restored_block};
    #[pymodule_export]
    use super::client::{Connection, log_path};
    #[pymodule_export]
    use super::dataset::StoredArray;
    #[pymodule_export]
    use super::fork::end_children_by_sigterm;
    #[pymodule_export]
    use super::graph::{Blocks, DependencyGraph, TaskBlocks};
    #[pymodule_export]
    use super::graph_store::{GraphStore, MongoCollections};
    #[pymodule_export]
    use super::roi::Roi;
    #[pymodule_export]
    use super::run::{Stop, forget, run, work};
    #[pymodule_export]
    use super::scheduler::Scheduler;
    #[pymodule_export]
    use super::states::{TaskState, TaskStates};
    #[pymodule_export]
    use super::task::total_write_roi;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        fork::watch(module.py())
    }
}
