//! Stopping a run from elsewhere in the program, or by a signal, from its first moment on.

use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use super::hub::{AtWork, Hub};

/// How long whoever leaves at once waits for the lock of the run.
const PATIENCE: Duration = Duration::from_millis(100);

/// Stops runs in good order, as the first Ctrl-C does: nothing more is handed out, blocks in threads finish,
/// worker processes are ended and their blocks cost no attempt. The report says
/// [`Interrupted`](crate::RunOutcome::Interrupted).
///
/// Clones are the same handle. One that has been stopped stays so: runs that are started with it end at
/// once.
///
/// ```
/// use daisy::{Roi, RunOptions, RunOutcome, StopHandle, Task};
///
/// let stop = StopHandle::new();
/// let enough = stop.clone();
/// let block = Roi::new([0], [1])?;
/// let task = Task::builder("endless", Roi::new([0], [1_000_000_000])?, block.clone(), block)
///     .process(move |_| enough.stop())
///     .build()?;
/// let report = RunOptions::new().stop_handle(&stop).run(&[task])?;
/// assert_eq!(report.outcome, RunOutcome::Interrupted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct StopHandle(Arc<Mutex<Stopping>>);

#[derive(Default)]
struct Stopping {
    is_stopped: bool,
    runs: Vec<Weak<Stopper>>,
}

impl StopHandle {
    /// A handle that has not been stopped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops all runs of this handle. Returns at once, from whichever thread; the runs end a little later.
    pub fn stop(&self) {
        let runs = {
            let mut stopping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            stopping.is_stopped = true;
            mem::take(&mut stopping.runs)
        };
        for run in runs.iter().filter_map(Weak::upgrade) {
            run.stop();
        }
    }

    /// Whether it has been stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_stopped
    }

    /// Takes a run in.
    pub(super) fn watch(&self, run: &Arc<Stopper>) {
        let is_stopped = {
            let mut stopping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            stopping.runs.retain(|run| run.strong_count() > 0);
            stopping.runs.push(Arc::downgrade(run));
            stopping.is_stopped
        };
        if is_stopped {
            run.stop();
        }
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle").field("is_stopped", &self.is_stopped()).finish()
    }
}

/// Stops one run, also before it has a hub.
#[derive(Default)]
pub(super) struct Stopper {
    state: Mutex<State>,
    /// Wakes those who wait until the run may begin.
    wake: Condvar,
}

#[derive(Default)]
struct State {
    is_stopped: bool,
    /// Nobody waits any more for what the run still does.
    is_left: bool,
    /// The observers have heard the last of the run.
    is_observed: bool,
    /// By a signal other than Ctrl-C.
    is_terminated: bool,
    hub: Weak<Hub>,
    /// Of a thread of the run, before there was a hub.
    panic: Option<Box<dyn Any + Send>>,
}

impl Stopper {
    /// Hands out nothing more. Returns what is at work.
    pub(super) fn stop(&self) -> AtWork {
        let mut state = self.lock();
        state.is_stopped = true;
        let hub = state.hub.upgrade();
        drop(state);
        self.wake.notify_all();
        hub.map(|hub| hub.interrupt()).unwrap_or_default()
    }

    /// Whether the run was stopped.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Lets the caller of the run wait for nothing that may take its time.
    #[cfg(unix)]
    pub(super) fn leave(&self) {
        self.lock().is_left = true;
        self.wake.notify_all();
    }

    /// The thread of the observers is at its end.
    pub(super) fn note_observed(&self) {
        self.lock().is_observed = true;
        self.wake.notify_all();
    }

    /// Waits for so long; true as soon as the run is left.
    pub(super) fn is_left_within(&self, time: Duration) -> bool {
        let state = self.wake.wait_timeout_while(self.lock(), time, |state| !state.is_left);
        state.unwrap_or_else(PoisonError::into_inner).0.is_left
    }

    /// Waits until the observers have heard everything; false if the run was left before that.
    pub(super) fn wait_for_observers(&self) -> bool {
        let is_waiting = |state: &mut State| !state.is_observed && !state.is_left;
        let state = self.wake.wait_while(self.lock(), is_waiting);
        state.unwrap_or_else(PoisonError::into_inner).is_observed
    }

    /// Notes that what stops the run now is no Ctrl-C.
    #[cfg(unix)]
    pub(super) fn note_terminated(&self) {
        let mut state = self.lock();
        state.is_terminated |= !state.is_stopped;
    }

    /// Whether it was.
    pub(super) fn is_terminated(&self) -> bool {
        self.lock().is_terminated
    }

    /// The run has its hub: what it was told before is told there.
    pub(super) fn attach(&self, hub: &Arc<Hub>) {
        let mut state = self.lock();
        state.hub = Arc::downgrade(hub);
        let (is_stopped, panic) = (state.is_stopped, state.panic.take());
        drop(state);
        if let Some(panic) = panic {
            hub.lock().break_off(panic);
        }
        if is_stopped {
            hub.interrupt();
        }
    }

    /// Waits for so long; true as soon as the run is stopped.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) fn wait(&self, time: Duration) -> bool {
        let end = Instant::now().checked_add(time);
        let mut state = self.lock();
        while !state.is_stopped {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            state = match left {
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let waited = self.wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.is_stopped
    }

    /// Does what a thread of the run does; if that panics, the run ends.
    pub(super) fn watch<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(work));
        done.map_err(|panic| self.break_off(panic)).ok()
    }

    fn break_off(&self, panic: Box<dyn Any + Send>) {
        let mut state = self.lock();
        match state.hub.upgrade() {
            Some(hub) => {
                drop(state);
                hub.lock().break_off(panic);
            }
            None => state.panic = Some(panic),
        }
    }

    /// Ends the worker processes of the run at once, as well as that can be done.
    #[cfg_attr(not(unix), allow(dead_code, reason = "no signal is heard there"))]
    pub(super) fn end_children(&self) {
        let Some(hub) = self.lock().hub.upgrade() else { return };
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(mut held) = hub.try_lock() {
                return held.end_children();
            }
            thread::yield_now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
