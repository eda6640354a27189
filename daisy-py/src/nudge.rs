//! Ctrl-C ends what Python waits for: the signal may come just before a thread begins to sleep, and nobody would wake it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::{
    pthread::{pthread_kill, pthread_self},
    signal::Signal,
};
use pyo3::prelude::*;
use signal_hook::{
    SigId,
    consts::{SIGINT, SIGURG},
    flag,
    iterator::{Handle, Signals},
    low_level,
};

/// How often the thread is woken.
const EVERY: Duration = Duration::from_millis(50);

/// After Ctrl-C, wakes the thread that made it from whatever it waits for, until it is dropped there. Python then looks
/// whether it has to raise KeyboardInterrupt.
pub(crate) struct Nudge {
    is_over: Arc<AtomicBool>,
    handle: Handle,
    /// Of the signal that does nothing but wake.
    wake: SigId,
    thread: Option<JoinHandle<()>>,
}

impl Nudge {
    /// Of the calling thread, which has to drop it.
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        let mut signals = Signals::new([SIGINT])?;
        let handle = signals.handle();
        let wake = flag::register(SIGURG, Arc::default())?;
        end_waits(py, SIGURG)?;
        let (sleeper, is_over) = (pthread_self(), Arc::new(AtomicBool::new(false)));
        let is_over_too = Arc::clone(&is_over);
        let watch = move || {
            if signals.forever().next().is_some() {
                while !is_over_too.load(Ordering::SeqCst) {
                    // It lives: it waits for this thread before it goes on.
                    let _is_woken = pthread_kill(sleeper, Signal::SIGURG);
                    thread::park_timeout(EVERY);
                }
            }
        };
        let thread = thread::Builder::new().name("daisy nudge".to_owned()).spawn(watch)?;
        Ok(Self { is_over, handle, wake, thread: Some(thread) })
    }
}

/// Has Ctrl-C end what Python's main thread waits for, a lock or a queue, as it does where Python alone hears of it; a run
/// of another thread would have it wait on.
pub(crate) fn wake_main_thread(py: Python<'_>) -> PyResult<()> {
    // The handler that is installed with the first one stays.
    let first = flag::register(SIGINT, Arc::default())?;
    low_level::unregister(first);
    end_waits(py, SIGINT)
}

fn end_waits(py: Python<'_>, signal: i32) -> PyResult<()> {
    py.import("signal")?.call_method1("siginterrupt", (signal, true)).map(drop)
}

impl Drop for Nudge {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _is_joined = thread.join();
        }
        low_level::unregister(self.wake);
    }
}
