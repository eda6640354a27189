//! A thread that makes a journal durable while the run goes on.

use std::{
    fs::File,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
};

/// Syncs the newest request; older ones are covered by it.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

type Wake = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    on_done: Mutex<Option<Wake>>,
}

#[derive(Default)]
struct State {
    wanted: Option<(Option<u64>, Arc<File>)>,
    done: Option<u64>,
    has_failed: bool,
    is_closing: bool,
}

impl Syncer {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = Builder::new().name("daisy journal".to_owned()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for everything written so far to be made durable; with a turn, everything up to it.
    pub(super) fn request(&self, turn: Option<u64>, file: Arc<File>) {
        let mut state = self.shared.lock();
        let before = state.wanted.take().and_then(|(before, _)| before);
        state.wanted = Some((turn.or(before), file));
        drop(state);
        self.shared.wake.notify_one();
    }

    /// The last turn that is durable.
    pub(super) fn last_done(&self) -> Option<u64> {
        self.shared.lock().done
    }

    pub(super) fn has_failed(&self) -> bool {
        self.shared.lock().has_failed
    }

    pub(super) fn on_done(&self, wake: impl Fn() + Send + Sync + 'static) {
        let mut on_done = self.shared.on_done.lock().unwrap_or_else(PoisonError::into_inner);
        *on_done = Some(Box::new(wake));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let Some((turn, file)) = state.wanted.take() else {
                if state.is_closing {
                    return;
                }
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let synced = file.sync_data();
            state = self.lock();
            match synced {
                Ok(()) => state.done = turn.or(state.done),
                Err(_) => state.has_failed = true,
            }
            drop(state);
            if let Some(wake) = &*self.on_done.lock().unwrap_or_else(PoisonError::into_inner) {
                wake();
            }
            state = self.lock();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _is_over = thread.join();
        }
    }
}
