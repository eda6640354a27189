//! Stopping a run from elsewhere in the program.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::hub::Hub;

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
    runs: Vec<Weak<Hub>>,
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
            run.interrupt();
        }
    }

    /// Whether it has been stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_stopped
    }

    /// Takes a run in.
    pub(super) fn watch(&self, run: &Arc<Hub>) {
        let is_stopped = {
            let mut stopping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            stopping.runs.retain(|run| run.strong_count() > 0);
            stopping.runs.push(Arc::downgrade(run));
            stopping.is_stopped
        };
        if is_stopped {
            run.interrupt();
        }
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle").field("is_stopped", &self.is_stopped()).finish()
    }
}
