//! Ctrl-C.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use signal_hook::{
    consts::SIGINT,
    flag,
    iterator::{Handle, Signals},
    low_level,
};

use super::{Error, hub::Hub};

/// What a shell expects of a program that was ended by Ctrl-C.
const EXIT_CODE: i32 = 130;

/// While no run listens, Ctrl-C ends the process as if nothing had ever been installed: a handler
/// cannot be taken away again, so it does what the system would do.
static IDLE: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// How many runs listen.
static LISTENING: Mutex<usize> = Mutex::new(0);

/// Listens until it is dropped.
pub(super) struct Interrupts {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Stops the run of `hub` in good order at the first Ctrl-C, and leaves at the second.
pub(super) fn listen(hub: &Arc<Hub>) -> Result<Interrupts, Error> {
    let mut signals = begin().map_err(Error::Interrupt)?;
    let handle = signals.handle();
    let hub = Arc::clone(hub);
    let watch = move || {
        let mut is_first = true;
        for _ in &mut signals {
            if is_first {
                is_first = false;
                stop(&hub);
            } else {
                low_level::exit(EXIT_CODE);
            }
        }
    };
    match Builder::new().name("daisy interrupts".to_owned()).spawn(watch) {
        Ok(thread) => Ok(Interrupts { handle, thread: Some(thread) }),
        Err(error) => {
            end();
            Err(Error::Thread(error))
        }
    }
}

fn begin() -> io::Result<Signals> {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = IDLE.get_or_init(|| Arc::new(AtomicBool::new(true)));
    if *listening == 0 {
        // The first one of the process registers this for good.
        if Arc::strong_count(idle) == 1 {
            flag::register_conditional_default(SIGINT, Arc::clone(idle))?;
        }
        idle.store(false, Ordering::SeqCst);
    }
    let signals = Signals::new([SIGINT]);
    if signals.is_ok() {
        *listening += 1;
    } else if *listening == 0 {
        idle.store(true, Ordering::SeqCst);
    }
    signals
}

fn end() {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    *listening = listening.saturating_sub(1);
    if *listening == 0
        && let Some(idle) = IDLE.get()
    {
        idle.store(true, Ordering::SeqCst);
    }
}

/// The first Ctrl-C.
fn stop(hub: &Hub) {
    let (num_running, longest) = hub.interrupt();
    let blocks = if num_running == 1 { "1 block" } else { &format!("{num_running} blocks") };
    eprintln!(
        "\ninterrupted: nothing more is started; waiting for {blocks} at work, the longest for {:.1} \
         s so far. Press Ctrl-C again to leave at once.",
        longest.as_secs_f64()
    );
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        end();
    }
}
