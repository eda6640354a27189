//! Whatever can be printed.

use std::fmt::{Debug, Display};

/// Prints a value for users and for developers.
pub fn print(value: &(impl Display + Debug)) {
    assert!(!value.to_string().is_empty());
    debug(value);
}

/// Prints a value that only developers see.
pub fn debug(value: &impl Debug) {
    assert!(!format!("{value:?}").is_empty());
}

/// Prints the error, if there is one, and gives the value.
pub fn ok<T, E: Display + Debug>(result: Result<T, E>) -> Option<T> {
    result.map_err(|error| print(&error)).ok()
}
