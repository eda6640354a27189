//! Processes that Python forks in a run: those of a pool, or the loaders of a training set.
//!
//! A run and its workers hear of signals on threads, which a forked process does not have: there, `Process.terminate()`
//! would do nothing, and who waits for the process would wait for ever.
//!
//! ```text
//!   fork: hold signals back --> parent: let them come
//!                           '-> child: forget how they were heard, let them come
//! ```

use std::{
    cell::RefCell,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use pyo3::{
    prelude::*,
    types::{IntoPyDict, PyCFunction},
};

/// What a run or a worker hears.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// This process is a worker, whose client hears SIGTERM.
static IS_WORKER: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The masks of this thread before its forks, from which it has not returned yet.
    static MASKS: RefCell<Vec<SigSet>> = const { RefCell::new(Vec::new()) };
}

/// From now on a signal that comes just when Python forks is heard when all is as it should be there.
pub(crate) fn watch(py: Python<'_>) -> PyResult<()> {
    let before = PyCFunction::new_closure(py, None, None, |_, _| before())?;
    let in_child = PyCFunction::new_closure(py, None, None, |arguments, _| {
        daisy::forked();
        let forgotten = forget(arguments.py());
        after();
        forgotten
    })?;
    let in_parent = PyCFunction::new_closure(py, None, None, |_, _| after())?;
    let hooks = [("before", before), ("after_in_child", in_child), ("after_in_parent", in_parent)];
    let hooks = hooks.into_py_dict(py)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&hooks)).map(|_| ())
}

/// In a worker: from now on, SIGTERM ends processes that are forked from this one, as it does anywhere.
#[pyfunction]
pub(crate) fn end_children_by_sigterm() {
    IS_WORKER.store(true, Ordering::SeqCst);
}

/// A signal that comes before the child knows what it is waits until then.
fn before() {
    let mut mask = SigSet::empty();
    let own = SigSet::from_iter(SIGNALS);
    if pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&own), Some(&mut mask)).is_ok() {
        MASKS.with_borrow_mut(|masks| masks.push(mask));
    }
}

fn after() {
    if let Some(mask) = MASKS.with_borrow_mut(Vec::pop) {
        // It was in force before.
        let _is_set = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&mask), None);
    }
}

/// In a child of a worker, SIGTERM does what Python knows of it, or the user has told Python.
fn forget(py: Python<'_>) -> PyResult<()> {
    if !IS_WORKER.load(Ordering::SeqCst) {
        return Ok(());
    }
    let (signal, number) = (py.import("signal")?, Signal::SIGTERM as i32);
    let handler = signal.call_method1("getsignal", (number,))?;
    // None: of a library that was there before Python.
    if handler.is_none() {
        return Ok(());
    }
    signal.call_method1("signal", (number, handler)).map(drop)
}
