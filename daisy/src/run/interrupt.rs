//! Ctrl-C, and what is heard like it: SIGTERM from a batch system, SIGHUP from a terminal that goes.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::{Handle, Signals},
    low_level,
};

use super::{Error, hooks::Leave, hub::AtWork, relay::Notifier, stop::Stopper};
use crate::Notice;

/// What is heard; where `nohup` has SIGHUP ignored, that stays so.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
/// What a shell expects of a program that was ended by Ctrl-C, and of one that was terminated.
const EXIT_INTERRUPTED: i32 = 130;
const EXIT_TERMINATED: i32 = 143;

/// While no run listens, a signal ends the process as if nothing had ever been installed: a handler
/// cannot be taken away again, so it does what the system would do.
static IDLE: OnceLock<Arc<AtomicBool>> = OnceLock::new();
static LISTENING: Mutex<Listening> = Mutex::new(Listening { runs: 0, known: Vec::new() });

struct Listening {
    /// How many runs listen.
    runs: usize,
    /// Signals that were looked at before the first handler was installed.
    known: Vec<i32>,
}

/// Listens until it is dropped.
pub(super) struct Interrupts {
    handle: Handle,
    thread: Option<JoinHandle<Option<()>>>,
}

/// Stops a run in good order at the first signal, and leaves at the second.
pub(super) fn listen(
    stopper: &Arc<Stopper>,
    notifier: &Notifier,
    leave: Option<Leave>,
) -> Result<Interrupts, Error> {
    let heard = Heard::begin().map_err(Error::Interrupt)?;
    let (handle, notifier) = (heard.0.handle(), notifier.clone());
    let (stopper, own) = (Arc::clone(stopper), Arc::clone(stopper));
    let watch = move || hear(heard, &stopper, &notifier, leave);
    let thread = Builder::new().name("daisy interrupts".to_owned()).spawn(move || own.watch(watch));
    Ok(Interrupts { handle, thread: Some(thread.map_err(Error::Thread)?) })
}

fn hear(mut heard: Heard, stopper: &Stopper, notifier: &Notifier, leave: Option<Leave>) {
    let mut signals = heard.0.forever();
    let Some(first) = signals.next() else { return };
    if first != SIGINT {
        stopper.note_terminated();
    }
    let AtWork { blocks, workers, longest } = stopper.stop();
    notifier.tell(Notice::Interrupted { blocks, workers, longest });
    let Some(second) = signals.next() else { return };
    stopper.end_children();
    let Some(leave) = leave else {
        low_level::exit(if second == SIGINT { EXIT_INTERRUPTED } else { EXIT_TERMINATED });
    };
    stopper.leave();
    // A third one does what it does without a run, however long this one takes to end.
    drop(heard);
    leave();
}

/// This process is a fork of one that may listen, and has no thread that does: signals end it again. For
/// bindings to languages that fork.
#[doc(hidden)]
pub fn forked() {
    if let Some(idle) = IDLE.get() {
        idle.store(true, Ordering::SeqCst);
    }
}

/// The signals of a run, until this is dropped.
struct Heard(Signals);

impl Heard {
    fn begin() -> io::Result<Self> {
        let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = IDLE.get_or_init(|| Arc::new(AtomicBool::new(true)));
        let is_heard = |signal: &i32| *signal != SIGHUP || !is_in("SigIgn", *signal);
        let heard: Vec<i32> = SIGNALS.into_iter().filter(is_heard).collect();
        for &signal in &heard {
            if listening.known.contains(&signal) {
                continue;
            }
            // Where the program has a handler of its own, that is what the signal does without a run.
            if !is_in("SigCgt", signal) {
                flag::register_conditional_default(signal, Arc::clone(idle))?;
            }
            listening.known.push(signal);
        }
        let signals = Signals::new(heard)?;
        listening.runs += 1;
        idle.store(false, Ordering::SeqCst);
        Ok(Self(signals))
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
        listening.runs = listening.runs.saturating_sub(1);
        if listening.runs == 0
            && let Some(idle) = IDLE.get()
        {
            idle.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether a signal is in a set of this process, as Linux tells it; elsewhere it is in none.
fn is_in(set: &str, signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
    let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    bits >> (signal - 1) & 1 == 1
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
