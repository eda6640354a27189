//! Running tasks.

#[cfg(feature = "arrays")]
mod arrays;
mod call;
mod error;
mod held;
mod hub;
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

#[cfg(all(unix, feature = "workers"))]
pub use self::outside::Server;
#[cfg(feature = "planted-faults")]
pub use self::planted::PlantedFault;
pub use self::{call::BlockError, error::Error, options::RunOptions, stop::StopHandle};
#[cfg(all(unix, feature = "workers"))]
pub(crate) use self::{call::process as call_block, outside::RunFile as LockedRunFile};
use self::{
    hub::Hub,
    outside::{Network, Outside, RunFile},
    relay::Relay,
};
pub(crate) use self::{
    ledger::{Failed, TaskLedger, Workers},
    machine::Machine,
    pipeline::Pipeline,
};
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
    mut options: RunOptions,
    network: Option<(Network, Outside)>,
    run_file: Option<RunFile>,
) -> Result<RunReport, Error> {
    pipeline.check_serial(&options)?;
    let earlier = pipeline.earlier(&options)?;
    #[cfg(feature = "arrays")]
    arrays::check(&pipeline, earlier.graph().tasks())?;
    let config = pipeline.config(&options);
    let prepared = outside::prepare(&pipeline, earlier, config, &options, run_file)?;
    let (sender, relay) = Relay::new(mem::take(&mut options.observers)).unzip();
    let (network, outside) = network.unzip();
    #[cfg_attr(not(feature = "planted-faults"), expect(unused_mut, reason = "no fault is planted"))]
    let mut machine = Machine::new(&pipeline, prepared, sender, outside.is_none());
    #[cfg(feature = "planted-faults")]
    machine.plant(options.planted.take());
    let counts = machine.counts();
    let hub = Arc::new(Hub::new(pipeline, machine, outside, options.serial));
    let network = network.map(|network| network.begin(&hub)).transpose()?;
    #[cfg(unix)]
    let interrupts = options.handle_interrupt.then(|| interrupt::listen(&hub)).transpose()?;
    let observers = relay.map(|relay| {
        let tasks = hub.pipeline.tasks().zip(&counts);
        let tasks = tasks.map(|((id, task), counts)| {
            let (name, num_blocks) = (task.name().to_owned(), counts.total);
            ObservedTask { id, name, num_blocks }
        });
        let watched = Arc::clone(&hub);
        relay.start(tasks.collect(), Box::new(move || watched.counts()))
    });
    let observers = observers.transpose()?;
    if let Some(stop) = &options.stop {
        stop.watch(&hub);
    }
    if options.serial {
        hub.watch(|| serial::run(&hub));
    } else {
        pool::run(&hub, network);
    }
    #[cfg(unix)]
    drop(interrupts);
    let mut held = hub.lock();
    held.turn(|state| state.machine.end());
    let machine = held.written();
    machine.drop_journal();
    let sender = machine.take_sender();
    let dropped = sender.as_ref().map_or(0, relay::Sender::dropped);
    let report = report::build(&hub.pipeline, machine, dropped, options.count_all_orphans);
    let (panic, counts) = (machine.panic().cloned(), machine.standing().counts());
    let fault = machine.take_fault();
    drop(held);
    if let (Some(sender), Some(thread)) = (sender, observers) {
        relay::finish(sender, thread, &report, counts);
    }
    if let Some(held::Panic { message, at }) = panic {
        return Err(Error::Internal { message, at, report: Box::new(report) });
    }
    fault.map_or(Ok(report), Err)
}
