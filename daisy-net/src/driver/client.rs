//! A worker's connection: blocking calls for the thread that runs blocks, and a helper beside it.
//!
//! ```text
//!  worker's thread:  next_block ....... settle ....... next_block ...   does the I/O itself in its calls
//!                         |   whatever the user does    |
//!  helper thread:         '-- beats, hands in, reads, reconnects, ends the process --'
//! ```
//!
//! The helper looks after the connection for as long as no call does: from the first welcome to the end of the
//! client, with and without a block. For blocks of microseconds it is not woken each time: once awake it looks
//! after a millisecond whether there was another call, and goes to sleep while one waits for blocks.

use std::{
    io, process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    Address,
    client_core::{Core, Ended, Step},
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
    /// For how long the first connection is tried where nobody answers.
    pub connect_timeout: Duration,
    /// For how long it is tried where nobody listens: zero for a run that does not come back.
    pub refused_timeout: Duration,
    /// Called, from the helper's thread, when the process must end while it is at work on a block. It
    /// should not return; if it does, the blocks of this worker are run by others at the same time.
    pub on_end: Box<dyn Fn(&Ended) + Send + Sync>,
    /// 32 fresh random bytes for each call.
    pub randomness: fn() -> io::Result<[u8; 32]>,
}

/// A worker's connection to its server.
///
/// [`Client::next_block`] and [`Client::settle`] are for one thread. When it is dropped, everything is handed in
/// and it takes its leave, within seconds. In a forked child it is nothing: neither the connection nor the helper
/// are the child's, and its drop leaves them alone.
pub struct Client {
    shared: Arc<Shared>,
    helper: Option<JoinHandle<()>>,
    welcome: Welcome,
    /// The process that made it.
    pid: u32,
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
        let (start, patience) = (Instant::now(), options.connect_timeout);
        let if_refused = options.refused_timeout.min(patience);
        let core = Core::new(options);
        let shared = Arc::new(Shared { core: Mutex::new(core), wake: Condvar::new() });
        let mut core = shared.lock();
        let welcome = loop {
            core.pump(false)?;
            if let Some(welcome) = core.session.welcome() {
                break welcome.clone();
            }
            let patience = if core.is_refused() { if_refused } else { patience };
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(core.give_up_connecting());
            }
            core = shared.wait(core, Some(left));
        };
        drop(core);
        let own = Arc::clone(&shared);
        let helper = Builder::new().name("daisy connection".to_owned()).spawn(move || own.help());
        let helper = helper.map_err(|error| Ended::Thread(error.to_string()))?;
        Ok(Self { shared, helper: Some(helper), welcome, pid: process::id() })
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
        core.num_attending += 1;
        let next = loop {
            match core.next_step(wanted) {
                Ok(Step::Block(grant)) => break Ok(Some(grant)),
                Ok(Step::Again) => {}
                Ok(Step::Wait) => core = self.shared.wait(core, Some(SLICE)),
                Ok(Step::Over) => break Ok(None),
                Ok(Step::Leave) => {
                    let (left, result) = self.shared.say_goodbye(core);
                    core = left;
                    break result.map(|()| None);
                }
                Err(ended) => break Err(ended),
            }
        };
        core.num_attending -= 1;
        self.shared.leave_to_helper(&mut core);
        next
    }

    /// Blocks that are here already, up to `most` in all: for those who run several at once.
    pub fn more_blocks(&self, most: usize) -> Vec<Grant> {
        let mut core = self.shared.lock();
        let now = core.now();
        if core.may_go_on(now).is_err() {
            return Vec::new();
        }
        let blocks = std::iter::from_fn(|| core.session.begin_block()).take(most).collect();
        self.shared.leave_to_helper(&mut core);
        blocks
    }

    /// What became of a block; handed in after a millisecond at the latest, with what comes in between if there are
    /// more blocks at hand.
    #[inline]
    pub fn settle(&self, lease: u64, verdict: Verdict, time: Duration) {
        let mut core = self.shared.lock();
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let now = core.now();
        core.session.settle(now, lease, verdict, micros);
        // The helper does not look every millisecond any more.
        if core.is_helper_watching && core.session.num_waiting() == 0 {
            core.hand_in();
        }
    }

    /// Hands in what is settled at once if no more blocks are at hand: for whose process may end at any moment.
    pub fn flush(&self) {
        let mut core = self.shared.lock();
        if core.session.num_waiting() == 0 {
            core.hand_in();
        }
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

    /// Hands in everything and says goodbye, within seconds: nothing more comes. Blocks that were not given back have
    /// failed.
    pub fn leave(&self) {
        let mut core = self.shared.lock();
        if core.ended.is_none() {
            core.num_attending += 1;
            core.fail_begun();
            core = self.shared.say_goodbye(core).0;
            core.num_attending -= 1;
        }
    }

    /// By which other threads make this worker leave.
    #[must_use]
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.shared))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.pid != process::id() {
            // The helper did not come along, and the lock may be its own for ever.
            std::mem::forget(self.helper.take());
            return;
        }
        self.leave();
        let mut core = self.shared.lock();
        core.is_closing = true;
        core.close();
        drop(core);
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

    /// A call is over: the helper looks after the connection.
    #[inline]
    fn leave_to_helper(&self, core: &mut Core) {
        core.num_calls += 1;
        if core.is_helper_parked && core.num_attending == 0 {
            core.is_helper_parked = false;
            self.wake.notify_all();
        }
    }

    /// Hands in everything, says goodbye and waits for the acknowledgement, within bounds.
    fn say_goodbye<'a>(
        &'a self,
        mut core: MutexGuard<'a, Core>,
    ) -> (MutexGuard<'a, Core>, Result<(), Ended>) {
        let deadline = Instant::now() + GOODBYE;
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
            if let Err(ended) = core.pump(true) {
                return (core, Err(ended));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if core.session.num_unacknowledged() > 0 {
                core = self.wait(core, Some(left));
            }
        }
        core.ended.get_or_insert(Ended::Dismissed);
        (core, Ok(()))
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
            if let Some(ended) = core.must_end() {
                let on_end = Arc::clone(&core.on_end);
                drop(core);
                on_end(&ended);
                core = self.lock();
            } else if core.num_attending > 0 || core.ended.is_some() {
                core.is_helper_parked = true;
                core = self.wake.wait(core).unwrap_or_else(PoisonError::into_inner);
            } else {
                core = self.look_after(core);
            }
        }
    }

    /// Looks after the connection until there is another call. What goes wrong is kept in `ended`.
    fn look_after<'a>(&'a self, mut core: MutexGuard<'a, Core>) -> MutexGuard<'a, Core> {
        let call = core.num_calls;
        let waited = self.wake.wait_timeout(core, TICK);
        core = waited.unwrap_or_else(PoisonError::into_inner).0;
        if core.num_attending == 0 && core.outcomes_are_due() {
            core.hand_in();
        }
        while core.is_left_alone(call) {
            let is_due = core.outcomes_are_due();
            if core.pump(is_due).is_err() {
                break;
            }
            core.is_helper_watching = true;
            core = self.wait(core, None);
            core.is_helper_watching = false;
        }
        core
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
