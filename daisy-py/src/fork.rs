//! What Python forks has no thread that hears signals for a run: there they do what they would without one.

use std::cell::RefCell;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use pyo3::{
    prelude::*,
    types::{IntoPyDict, PyCFunction},
};

/// What a run hears.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

thread_local! {
    /// The masks of this thread before its forks, from which it has not returned yet.
    static MASKS: RefCell<Vec<SigSet>> = const { RefCell::new(Vec::new()) };
}

/// From now on Python sees to its forks.
pub(crate) fn watch(py: Python<'_>) -> PyResult<()> {
    let before = PyCFunction::new_closure(py, None, None, |_, _| before())?;
    let in_child = PyCFunction::new_closure(py, None, None, |_, _| {
        daisy::forked();
        after();
    })?;
    let in_parent = PyCFunction::new_closure(py, None, None, |_, _| after())?;
    let hooks = [("before", before), ("after_in_child", in_child), ("after_in_parent", in_parent)];
    let hooks = hooks.into_py_dict(py)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&hooks)).map(|_| ())
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
