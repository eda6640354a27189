//! Worker processes: this program, entered again.

use std::{
    env, fs,
    io::Write,
    os::unix::process::CommandExt,
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use daisy_block::Block;
use daisy_net::driver::Ended;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::{getpgrp, getpid},
};
use signal_hook::{consts::SIGTERM, flag, iterator::Signals, low_level};

use super::{BlockGuard, Client, ClientError, Context};
use crate::{
    BlockError, BlockOutcome, Error, Loan, Task,
    run::{call_block, has_others},
    task::ProcessFn,
};

#[doc(inline)]
pub use daisy_run::EXIT_LOST;

/// In a worker process: works for one of these tasks until there is nothing more to do, and **ends the
/// process**. Anywhere else, also in a program that a block's function has started: returns at once.
///
/// One line near the start of `main`, after the tasks were made and before the run is, makes a program
/// its own worker ([`TaskBuilder::in_processes`](crate::TaskBuilder::in_processes)). The tasks must be
/// made the same way in both.
///
/// SIGTERM lets the worker finish its block and go.
///
/// # Errors
/// [`Error::WorkerTask`]: the run wants a task that is not among these, or one without a block
/// function.
///
/// ```no_run
/// use daisy::{Roi, Task};
///
/// let block = Roi::new([0], [10])?;
/// let task = Task::builder("double", Roi::new([0], [1_000])?, block.clone(), block)
///     .process(|block| println!("{}", block.write_roi))
///     .num_workers(4)
///     .in_processes()
///     .build()?;
/// daisy::worker::serve(&[task.clone()])?;
/// daisy::run_blockwise(&[task])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serve(tasks: &[Task]) -> Result<(), Error> {
    if env::var_os(Context::VARIABLE).is_none() {
        return Ok(());
    }
    let context = Context::from_env().map_err(Error::Context)?;
    if context.is_for_leader && getpgrp() != getpid() {
        return Ok(());
    }
    let unknown = || Error::WorkerTask { task: context.task().to_owned() };
    let pipeline = crate::run::Pipeline::new(tasks);
    let found = pipeline.tasks().find(|(_, task)| task.name() == context.task());
    let task = found.map(|(_, task)| task.clone()).ok_or_else(unknown)?;
    let process = task.0.process.clone().ok_or_else(unknown)?;
    // Whatever statics the program has are torn down as usual.
    process::exit(work_with(&context, &process))
}

/// Works for the run of a context until there is nothing more to do, calling a function for each block: what
/// [`serve`] does for those who have no task at hand. Returns the exit code with which the process should end.
///
/// SIGTERM lets the worker finish its block and return.
///
/// ```no_run
/// use daisy::{Context, worker};
///
/// let context = Context::from_env()?;
/// let code = worker::work(&context, |block, _loan| println!("{}", block.write_roi));
/// # let _ = code;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn work<F, R>(context: &Context, process: F) -> i32
where
    F: Fn(&Block, Loan) -> R + Send + Sync + 'static,
    R: BlockOutcome,
{
    let process: ProcessFn =
        Arc::new(move |block: &Block, loan: Loan| process(block, loan).into_result());
    work_with(context, &process)
}

fn work_with(context: &Context, process: &ProcessFn) -> i32 {
    match work_until_asked(context, process) {
        Ok(true) => EXIT_LOST,
        Ok(false) => 0,
        Err(error) => {
            say(&format!("daisy worker: {error}"));
            let code = exit_code(&error);
            if code == EXIT_LOST {
                // Nobody else sees to it: what blocks have started would outlive the run.
                end_group();
            }
            code
        }
    }
}

/// Runs the blocks that a run has for a task; true if the worker was asked to leave.
fn work_until_asked(context: &Context, process: &ProcessFn) -> Result<bool, ClientError> {
    let client = Client::with_context(context)?;
    let drainer = client.drainer();
    let was_asked = Arc::new(AtomicBool::new(false));
    let is_watched = Signals::new([SIGTERM]).map(|mut signals| {
        let was_asked = Arc::clone(&was_asked);
        std::thread::spawn(move || {
            for _ in signals.forever() {
                was_asked.store(true, Ordering::SeqCst);
                drainer.drain();
            }
        })
    });
    if is_watched.is_err() {
        say("daisy worker: SIGTERM cannot be caught; it ends this process at once");
    }
    while let Some(block) = client.acquire_block()? {
        run(process, block);
    }
    Ok(was_asked.load(Ordering::SeqCst))
}

fn run(process: &ProcessFn, block: BlockGuard<'_>) {
    let loan = Loan::new(block.lease(), block.attempt());
    match call_block(process, &block, loan) {
        Ok(()) => block.complete(),
        Err(BlockError::Panicked(text)) => block.fail_by_panic(text),
        Err(error) => block.fail(error),
    }
}

/// Ends the process from a thread beside the block function: at once, since others may work on the
/// same data from now on. What the block has started ends, too, after the time that launchers need.
pub(super) fn end_process(ended: &Ended) {
    say(&format!("daisy worker: {ended}; this process ends"));
    end_group();
    low_level::exit(EXIT_LOST)
}

/// Ends everything in the group of this process but itself, if that is its own; a process that is in none of it sees to
/// that, since this one has no time.
fn end_group() {
    let group = getpid();
    if getpgrp() != group || !has_others(group.as_raw().unsigned_abs()) {
        return;
    }
    // It reaches this process, too, which is about to end by itself.
    let _is_heard = flag::register(SIGTERM, Arc::default());
    let end = format!("kill -s TERM -- -{group}; sleep 0.5; kill -s KILL -- -{group}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &end]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if shell.process_group(0).spawn().is_err() {
        // Whoever has no shell has no launchers either.
        let _is_over = killpg(group, Signal::SIGKILL);
    }
}

fn exit_code(error: &ClientError) -> i32 {
    match error {
        error if error.is_run_over() => 0,
        ClientError::Ended(Ended::Lost | Ended::Gone | Ended::Told(_) | Ended::NoServer(_)) => {
            EXIT_LOST
        }
        _ => 1,
    }
}

/// Says something on standard error, which may be closed.
fn say(text: &str) {
    let _is_heard = writeln!(std::io::stderr(), "{text}");
}

/// The name of this machine; empty where the system does not tell.
pub(crate) fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    name.or_else(|| env::var("HOSTNAME").ok()).unwrap_or_default().trim().to_owned()
}
