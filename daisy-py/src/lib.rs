//! The Python module `daisy`, its part in Rust: `daisy._daisy`.
//!
//! Values that scripts hold by the million are Rust inside (`roi`, `block`) and make Python
//! objects only when asked; `convert` is the one place where Python values become numbers.

#![expect(dead_code, reason = "what schedulers use of blocks comes before the schedulers")]

mod block;
mod convert;
mod error;
mod roi;

use pyo3::pymodule;

/// The part of the package `daisy` that is written in Rust.
#[pymodule]
mod _daisy {
    #[pymodule_export]
    use super::block::{Block, restored_block};
    #[pymodule_export]
    use super::roi::Roi;
}
