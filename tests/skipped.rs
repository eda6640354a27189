//! Says that a test was left out, past what the harness keeps back: `cargo xtask` counts and names these lines.

use std::io::{self, Write};

/// The test in this thread is left out.
pub(crate) fn skipped(why: &str) {
    let current = std::thread::current();
    let test = current.name().unwrap_or("a test");
    let _is_heard = writeln!(io::stderr(), "SKIPPED: {test}: {why}");
}
