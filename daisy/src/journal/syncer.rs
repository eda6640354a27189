//! A thread that makes a journal durable while the run goes on, and writes shorter ones.

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
};

use super::file::{Draft, sync_folder};

/// Syncs the newest request; older ones are covered by it.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be made durable.
#[derive(Debug)]
pub(super) struct Request {
    /// Everything up to this turn is in the file.
    pub(super) turn: Option<u64>,
    pub(super) file: Arc<File>,
    /// What is to take its place; whether that can be synced matters to nothing else.
    pub(super) draft: Option<Arc<File>>,
    /// The file, where it took the place of another one and its folder may not know so for good.
    pub(super) new_name: Option<PathBuf>,
}

/// A shorter journal that is to be written.
pub(super) struct Order {
    pub(super) journal: PathBuf,
    pub(super) like: Arc<File>,
    pub(super) content: Vec<u8>,
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
    wanted: Option<Request>,
    order: Option<Order>,
    done: Option<u64>,
    /// Requests that were carried out.
    num_synced: u64,
    num_requested: u64,
    draft: Option<io::Result<Draft>>,
    draft_failed: Option<io::Error>,
    failed: Option<io::Error>,
    is_closing: bool,
}

impl Syncer {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| own.run())).is_err() {
                own.lock().failed = Some(io::Error::other("the thread that syncs it panicked"));
                own.tell();
            }
        };
        let thread = Builder::new().name("daisy journal".to_owned()).spawn(run)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks for everything written so far to be made durable; the number of the request.
    pub(super) fn request(&self, mut request: Request) -> u64 {
        let mut state = self.shared.lock();
        if let Some(before) = state.wanted.take() {
            request.turn = request.turn.or(before.turn);
            request.new_name = request.new_name.or(before.new_name);
        }
        state.wanted = Some(request);
        state.num_requested += 1;
        let number = state.num_requested;
        drop(state);
        self.shared.wake.notify_one();
        number
    }

    /// Has a shorter journal written.
    pub(super) fn order(&self, order: Order) {
        self.shared.lock().order = Some(order);
        self.shared.wake.notify_one();
    }

    /// The shorter journal, once it is written, or cannot be.
    pub(super) fn take_draft(&self) -> Option<io::Result<Draft>> {
        self.shared.lock().draft.take()
    }

    /// Whether a request was carried out, and every one before it.
    pub(super) fn has_synced(&self, number: u64) -> bool {
        self.shared.lock().num_synced >= number
    }

    /// Why a draft could not be synced, once.
    pub(super) fn take_draft_failure(&self) -> Option<io::Error> {
        self.shared.lock().draft_failed.take()
    }

    /// The last turn that is durable.
    pub(super) fn last_done(&self) -> Option<u64> {
        self.shared.lock().done
    }

    /// Why something could not be made durable, once.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.shared.lock().failed.take()
    }

    /// Ends the thread once everything asked for is durable; why something could not be made so.
    pub(super) fn close(mut self) -> Option<io::Error> {
        self.join();
        self.take_failure()
    }

    fn join(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _is_over = thread.join();
        }
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
            if let Some(request) = state.wanted.take() {
                let number = state.num_requested;
                drop(state);
                self.sync(&request, number);
                self.tell();
                state = self.lock();
            } else if state.is_closing {
                return;
            } else if let Some(Order { journal, like, content }) = state.order.take() {
                drop(state);
                let draft = Draft::write(&journal, &like, &content);
                self.lock().draft = Some(draft);
                self.tell();
                state = self.lock();
            } else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn sync(&self, request: &Request, number: u64) {
        let synced = request
            .file
            .sync_data()
            .and_then(|()| request.new_name.as_deref().map_or(Ok(()), sync_folder));
        let drafted = request.draft.as_ref().map_or(Ok(()), |draft| draft.sync_data());
        let mut state = self.lock();
        state.draft_failed = drafted.err().or(state.draft_failed.take());
        state.num_synced = number;
        match synced {
            Ok(()) => state.done = request.turn.or(state.done),
            Err(error) => state.failed = Some(error),
        }
    }

    fn tell(&self) {
        if let Some(wake) = &*self.on_done.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Asks for something that the system refuses: nothing makes a socket durable.
    fn request() -> Request {
        let (socket, _) = UnixStream::pair().unwrap();
        let file = Arc::new(File::from(std::os::fd::OwnedFd::from(socket)));
        Request { turn: Some(1), file, draft: None, new_name: None }
    }

    #[test]
    fn why_something_is_not_durable_is_told() {
        let syncer = Syncer::start().unwrap();
        syncer.request(request());
        let why = syncer.close().unwrap();
        assert!(why.raw_os_error().is_some(), "{why}");
    }

    #[test]
    fn a_thread_that_panicked_is_a_failure() {
        let syncer = Syncer::start().unwrap();
        syncer.on_done(|| panic!("nobody hears"));
        syncer.request(Request { file: Arc::new(tempfile::tempfile().unwrap()), ..request() });
        let why = syncer.close().unwrap();
        assert!(why.to_string().contains("panicked"), "{why}");
    }
}
