//! A worker's connection: blocking calls for the thread that runs blocks, and a helper beside it.
//!
//! ```text
//!  worker's thread:  next_block ... settle ... next_block ...       does the I/O itself
//!                         |  a block function runs  |
//!  helper thread:         '-- beats, hands in, reads, reconnects, ends the process --'
//! ```
//!
//! The helper touches the connection only while a block function runs. For blocks of microseconds it
//! is not woken each time: once awake it looks after a millisecond whether the block is still the same
//! one, and goes back to sleep when nothing runs any more.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    Address,
    client_core::{Core, Ended},
};
use crate::{
    session::ClientConfig,
    wire::{Grant, Verdict, Welcome},
};

/// How long the helper waits before it looks whether a block is a long one.
const TICK: Duration = Duration::from_millis(1);
/// How long a worker without a block waits before it looks whether it was asked to leave.
const SLICE: Duration = Duration::from_millis(200);
/// How long a worker that leaves waits for the last acknowledgement.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a worker's connection is made.
pub struct ClientOptions {
    /// Who the worker is.
    pub config: ClientConfig,
    /// Where the server is; tried in this order.
    pub addresses: Vec<Address>,
    /// For how long the first connection is tried.
    pub connect_timeout: Duration,
    /// Called, from the helper's thread, when the process must end while a block function runs. It
    /// should not return; if it does, the blocks of this worker are run by others at the same time.
    pub on_end: Box<dyn Fn(&Ended) + Send + Sync>,
    /// 32 fresh random bytes for each call.
    pub randomness: fn() -> io::Result<[u8; 32]>,
}

/// A worker's connection to its server.
///
/// [`Client::next_block`] and [`Client::settle`] are for one thread.
pub struct Client {
    shared: Arc<Shared>,
    helper: Option<JoinHandle<()>>,
    welcome: Welcome,
}

/// Makes a worker leave politely, from any thread: it finishes its block and gets no more.
#[derive(Clone)]
pub struct Drainer(Arc<Shared>);

struct Shared {
    core: Mutex<Core>,
    /// Wakes the helper.
    wake: Condvar,
}

impl Client {
    /// Connects, and waits for the server's welcome.
    ///
    /// # Errors
    /// [`Ended`]: nobody is there in time, or the server does not want this worker.
    pub fn connect(options: ClientOptions) -> Result<Self, Ended> {
        let deadline = Instant::now().checked_add(options.connect_timeout);
        let core = Core::new(options);
        let shared = Arc::new(Shared { core: Mutex::new(core), wake: Condvar::new() });
        let mut core = shared.lock();
        let welcome = loop {
            core.pump(false)?;
            if let Some(welcome) = core.session.welcome() {
                break welcome.clone();
            }
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(core.give_up_connecting());
            }
            core = shared.wait(core, left);
        };
        drop(core);
        let own = Arc::clone(&shared);
        let helper = Builder::new().name("daisy connection".to_owned()).spawn(move || own.help());
        let helper = helper.map_err(|error| Ended::Thread(error.to_string()))?;
        Ok(Self { shared, helper: Some(helper), welcome })
    }

    /// What the server said of itself and of this worker when it joined.
    #[must_use]
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The number by which the server knows this worker now.
    #[must_use]
    pub fn worker(&self) -> u64 {
        let core = self.shared.lock();
        core.session.welcome().map_or(self.welcome.worker, |welcome| welcome.worker)
    }

    /// The next block; waits until there is one. None when nothing more is to be expected.
    ///
    /// `wanted` says how many blocks are asked for at a time; None leaves that to look-ahead.
    ///
    /// # Errors
    /// [`Ended`]: the worker has to end.
    #[inline]
    pub fn next_block(&self, wanted: Option<u32>) -> Result<Option<Grant>, Ended> {
        let mut core = self.shared.lock();
        loop {
            if let Some(ended) = &core.ended {
                return if ended.is_polite() { Ok(None) } else { Err(ended.clone()) };
            }
            if core.is_draining {
                drop(core);
                return self.say_goodbye().map(|()| None);
            }
            if core.session.num_waiting() > 0 {
                let now = core.now();
                core.may_go_on(now)?;
            }
            if let Some(grant) = core.session.begin_block() {
                self.shared.begin(&mut core);
                return Ok(Some(grant));
            }
            if core.session.is_dismissed() {
                drop(core);
                return self.say_goodbye().map(|()| None);
            }
            core.session.want(wanted);
            core.pump(true)?;
            if core.session.num_waiting() == 0 && !core.session.is_dismissed() {
                core = self.shared.wait(core, Some(SLICE));
            }
        }
    }

    /// Blocks that are here already, up to `most` in all: for those who run several at once.
    pub fn more_blocks(&self, most: usize) -> Vec<Grant> {
        let mut core = self.shared.lock();
        let now = core.now();
        if core.may_go_on(now).is_err() {
            return Vec::new();
        }
        let blocks = std::iter::from_fn(|| core.session.begin_block()).take(most).collect();
        self.shared.begin(&mut core);
        blocks
    }

    /// What became of a block; handed in at the latest when the next block is asked for, or after a
    /// millisecond.
    #[inline]
    pub fn settle(&self, lease: u64, verdict: Verdict, time: Duration) {
        let mut core = self.shared.lock();
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let now = core.now();
        core.session.settle(now, lease, verdict, micros);
        core.is_working = core.session.num_begun() > 0;
    }

    /// Whether a lease is still this worker's, by the server's word. False too if nobody answers
    /// within the silence limit.
    #[must_use]
    pub fn is_open(&self, lease: u64) -> bool {
        let silence = Duration::from_millis(self.welcome.silence_ms.max(1_000));
        let deadline = Instant::now().checked_add(silence);
        let mut core = self.shared.lock();
        if !core.session.ask(lease) {
            return false;
        }
        let is_open = loop {
            // Somebody else may have asked the same, and taken the entry away with his answer.
            core.answers.entry(lease).or_default();
            if core.pump(true).is_err() {
                break false;
            }
            if let Some(Some(is_open)) = core.answers.get(&lease) {
                break *is_open;
            }
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) || !core.session.is_online() {
                break false;
            }
            core = self.shared.wait(core, left);
        };
        core.answers.remove(&lease);
        is_open
    }

    /// By which other threads make this worker leave.
    #[must_use]
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.shared))
    }

    /// Hands in everything, says goodbye and waits for the acknowledgement, within bounds.
    fn say_goodbye(&self) -> Result<(), Ended> {
        let deadline = Instant::now() + GOODBYE;
        let mut core = self.shared.lock();
        let now = core.now();
        core.session.give_back(now);
        let mut has_left = false;
        loop {
            if core.session.is_online() && !std::mem::replace(&mut has_left, true) {
                let (peak_memory_kb, cpu_ms) = usage_of_this_process();
                core.session.beat(now, peak_memory_kb, cpu_ms);
                core.session.leave();
            } else if core.session.num_unacknowledged() == 0 {
                break;
            }
            core.pump(true)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if core.session.num_unacknowledged() > 0 {
                core = self.shared.wait(core, Some(left));
            }
        }
        core.ended.get_or_insert(Ended::Dismissed);
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        {
            let mut core = self.shared.lock();
            core.is_closing = true;
            core.close();
        }
        self.shared.wake.notify_all();
        if let Some(helper) = self.helper.take() {
            let _is_over = helper.join();
        }
    }
}

impl Drainer {
    /// Lets the worker leave: blocks it has not begun are given back now, and it goes when the one at
    /// work is done.
    pub fn drain(&self) {
        let mut core = self.0.lock();
        core.is_draining = true;
        let now = core.now();
        core.session.give_back(now);
        // What is wrong shows when the worker asks for its next block.
        let _is_sent = core.pump(true);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block function is about to run: the helper looks after the connection.
    #[inline]
    fn begin(&self, core: &mut Core) {
        core.num_begun += 1;
        core.is_working = true;
        if core.is_helper_parked {
            core.is_helper_parked = false;
            self.wake.notify_one();
        }
    }

    /// Waits, without the lock, until bytes come or something is due.
    fn wait<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
        most: Option<Duration>,
    ) -> MutexGuard<'a, Core> {
        let due = core.wait_at_most();
        let wait = match (due, most) {
            (Some(due), Some(most)) => Some(due.min(most)),
            (due, most) => due.or(most),
        };
        match core.stream().filter(|_| wait != Some(Duration::ZERO)) {
            Some(stream) => {
                let wants_to_write = core.has_backlog();
                drop(core);
                // Errors show when the bytes are read.
                let _is_ready = stream.wait(true, wants_to_write, wait);
                core = self.lock();
            }
            None => {
                let wait = wait.unwrap_or(Duration::from_secs(1));
                let waited = self.wake.wait_timeout(core, wait);
                core = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        core
    }

    /// The helper's thread.
    fn help(&self) {
        let mut core = self.lock();
        while !core.is_closing {
            if !core.is_working || core.ended.is_some() {
                core.is_helper_parked = true;
                core = self.wake.wait(core).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let block = core.num_begun;
            let waited = self.wake.wait_timeout(core, TICK);
            core = waited.unwrap_or_else(PoisonError::into_inner).0;
            while core.is_working && core.num_begun == block && !core.is_closing {
                let is_due = core.outcomes_are_due();
                if let Err(ended) = core.pump(is_due) {
                    core = self.end(core, &ended);
                    break;
                }
                core = self.wait(core, None);
            }
            if core.is_working
                && core.outcomes_are_due()
                && let Err(ended) = core.pump(true)
            {
                core = self.end(core, &ended);
            }
        }
    }

    /// The process must end while a block function runs.
    fn end<'a>(&'a self, core: MutexGuard<'a, Core>, ended: &Ended) -> MutexGuard<'a, Core> {
        let on_end = Arc::clone(&core.on_end);
        drop(core);
        on_end(ended);
        self.lock()
    }
}

/// The largest memory that this process has used so far in KiB, and its processor time in
/// milliseconds.
#[must_use]
pub fn usage_of_this_process() -> (u64, u64) {
    let Ok(usage) = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF) else {
        return (0, 0);
    };
    let millis = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec() * 1_000 + time.tv_usec() / 1_000).unwrap_or(0)
    };
    // macOS counts bytes.
    let unit = if cfg!(target_os = "macos") { 1_024 } else { 1 };
    let memory = u64::try_from(usage.max_rss()).unwrap_or(0) / unit;
    (memory, millis(usage.user_time()) + millis(usage.system_time()))
}
