//! Running tasks.

#[cfg(feature = "arrays")]
mod arrays;
mod call;
mod error;
mod held;
mod history;
mod hooks;
mod hub;
mod inquiry;
#[cfg(unix)]
mod interrupt;
mod ledger;
mod machine;
mod options;
#[cfg(all(unix, feature = "workers"))]
mod outside;
#[cfg(not(all(unix, feature = "workers")))]
#[path = "inside.rs"]
mod outside;
mod pipeline;
mod plain;
#[cfg(feature = "planted-faults")]
mod planted;
mod pool;
mod relay;
mod runs;
mod seat;
mod serial;
mod standing;
mod stats;
mod stop;
mod worker;

use std::{mem, sync::Arc};

#[cfg(unix)]
pub use self::interrupt::forked;
#[cfg(all(unix, feature = "workers"))]
pub use self::outside::{Server, log_path};
#[cfg(feature = "planted-faults")]
pub use self::planted::PlantedFault;
pub use self::{call::BlockError, error::Error, options::RunOptions, stop::StopHandle};
#[cfg(all(unix, feature = "workers"))]
pub(crate) use self::{
    call::process as call_block,
    outside::{RunFile, has_others},
};
pub(crate) use self::{
    hooks::Hooks,
    ledger::{Failed, TaskLedger, Workers},
    machine::Machine,
    pipeline::Pipeline,
    plain::plain_name,
};
use self::{
    hub::Hub,
    outside::{JournalFiles, Network, Outside},
};
use daisy_sched::Counts;

use crate::{ObservedTask, RunReport, Task, report};

/// Runs tasks and everything upstream of them, with progress bars and Ctrl-C as users expect it.
///
/// The short form of [`RunOptions`]: bars on standard error (plain lines where that is no
/// terminal), the first Ctrl-C stops in good order, the second leaves at once. Inside another
/// program use [`RunOptions::run`], which touches neither unless it is asked.
///
/// A task handle that is reached by two paths is one task. An empty list of tasks is a success.
///
/// # Errors
/// [`Error`], before the first block is run. Blocks that fail are no error: see
/// [`RunReport::is_success`].
///
/// ```
/// use daisy::{Roi, Task, run_blockwise};
///
/// let (total, block) = (Roi::new([0, 0], [40, 40])?, Roi::new([0, 0], [10, 10])?);
/// let first = Task::builder("first", total.clone(), block.clone(), block.clone())
///     .process(|_| ())
///     .build()?;
/// let second = Task::builder("second", total, block.clone(), block)
///     .upstream(&first)
///     .process(|_| ())
///     .build()?;
/// let report = run_blockwise(&[second])?;
/// assert!(report.is_success());
/// assert_eq!(report.tasks[0].name, "first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run_blockwise(tasks: &[Task]) -> Result<RunReport, Error> {
    let options = RunOptions::new().handle_interrupt(true);
    #[cfg(feature = "progress")]
    let options = options.progress(true);
    options.run(tasks)
}

/// Makes a run, with workers outside this process where there are sockets for them.
pub(crate) fn execute(
    pipeline: Arc<Pipeline>,
    options: RunOptions,
    mut hooks: Hooks,
    network: Option<(Network, Outside)>,
    files: Option<JournalFiles>,
) -> Result<RunReport, Error> {
    pipeline.check_serial(&options)?;
    let earlier = pipeline.earlier(&options)?;
    #[cfg(feature = "arrays")]
    arrays::check(&pipeline, earlier.graph().tasks())?;
    let config = pipeline.config(&options);
    let mut prepared = outside::prepare(&pipeline, earlier, config, &options, files)?;
    mem::take(&mut prepared.notices).into_iter().for_each(|notice| hooks.notifier.tell(notice));
    outside::open_for_lending(&mut prepared, &hooks)?;
    let (network, outside) = network.unzip();
    let told = (hooks.sender.take(), hooks.notifier.clone());
    #[cfg_attr(not(feature = "planted-faults"), expect(unused_mut, reason = "no fault is planted"))]
    let mut machine = Machine::new(&pipeline, prepared, told, outside.is_none());
    #[cfg(feature = "planted-faults")]
    machine.plant(options.planted.clone());
    let counts = machine.counts();
    let hub = Arc::new(Hub::new(pipeline, machine, outside, options.serial));
    let network = network.map(|network| network.begin(&hub)).transpose()?;
    if let Some(relay) = &hooks.relay {
        let watched = Arc::clone(&hub);
        relay.begin(observed(&hub.pipeline, &counts), Box::new(move || watched.counts()));
    }
    hooks.stopper.attach(&hub);
    if options.serial {
        hub.watch(|| serial::run(&hub));
    } else {
        pool::run(&hub, network);
    }
    end(&hub, hooks, options.count_all_orphans)
}

/// What observers are told of the tasks.
fn observed(pipeline: &Pipeline, counts: &[Counts]) -> Vec<ObservedTask> {
    let tasks = pipeline.tasks().zip(counts);
    let tasks = tasks.map(|((id, task), counts)| {
        let (name, num_blocks) = (task.name().to_owned(), counts.total);
        ObservedTask { id, name, num_blocks }
    });
    tasks.collect()
}

/// What came of a run that is over.
fn end(hub: &Hub, hooks: Hooks, has_all_orphans: bool) -> Result<RunReport, Error> {
    let ending = hub.lock().turn(|state| state.machine.end()).flatten();
    // Not behind the lock, which observers want too.
    let finished =
        hub.watch(|| ending.map_or(Ok(None), |(journal, is_whole)| journal.finish(is_whole)));
    let mut held = hub.lock();
    let machine = held.written();
    match finished {
        Some(Err(error)) => machine.stop(error),
        Some(Ok(Some(notice))) => hooks.notifier.tell(notice),
        Some(Ok(None)) | None => {}
    }
    machine.drop_journal();
    let sender = machine.take_sender();
    let dropped = sender.as_ref().map_or(0, relay::Sender::dropped);
    let mut report = report::build(&hub.pipeline, machine, dropped, has_all_orphans);
    report.is_terminated = hooks.stopper.is_terminated();
    let (panic, counts) = (machine.panic().cloned(), machine.standing().counts());
    let fault = machine.take_fault();
    drop(held);
    if let Some(relay) = hooks.relay {
        relay.finish((sender, hooks.notifier), &report, counts);
    }
    // Not before: observers may take their time, and are not waited for after a second signal.
    #[cfg(unix)]
    drop(hooks.interrupts);
    if let Some(held::Panic { message, at }) = panic {
        return Err(Error::Internal { message, at, report: Box::new(report) });
    }
    fault.map_or(Ok(report), Err)
}
