//! Waiting for a network in such a way that Ctrl-C ends it.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use pyo3::{exceptions::PyRuntimeError, prelude::*};

/// How often Python is asked whether there is a signal.
const EVERY: Duration = Duration::from_millis(50);

/// Asks on a thread of its own, and waits for the answer. After Ctrl-C nobody waits any more, and what was asked ends
/// by itself.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    ask: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = mpsc::sync_channel(1);
    let answer = move || {
        let _is_awaited = sender.send(ask());
    };
    thread::Builder::new().name("daisy store".to_owned()).spawn(answer)?;
    loop {
        let (back, answer) = py.detach(move || {
            let answer = receiver.recv_timeout(EVERY);
            (receiver, answer)
        });
        receiver = back;
        match answer {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the thread that asked the store panicked"));
            }
        }
    }
}
