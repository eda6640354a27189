//! What happens before a run's first block: its journal is opened and what it says is taken over.

use std::{thread, time::Duration};

use daisy_block::BlockKey;
use daisy_sched::{Coordinator, CoordinatorConfig, Scheduler};

use crate::{
    Error, RunOptions,
    journal::{Keeping, RunJournal, TakenUp},
    run::{LockedRunFile, machine::Prepared},
};

/// The lock on the journal of a run without sockets, if it has one.
pub(crate) fn lock_journal(options: &RunOptions) -> Result<Option<LockedRunFile>, Error> {
    options.outside.journal.as_deref().map(LockedRunFile::lock).transpose()
}

/// Makes the machine of a run, with everything that is known from its earlier starts.
pub(in crate::run) fn prepare(
    mut scheduler: Scheduler,
    mut config: CoordinatorConfig,
    options: &RunOptions,
    run_file: Option<LockedRunFile>,
) -> Result<Prepared, Error> {
    let outside = &options.outside;
    config.heartbeat_ms = outside.heartbeat_ms;
    config.silence_ms = outside.silence_ms;
    // Whoever is cut off must have ended itself before its block is lent again.
    config.reconnect_ms = outside.reconnect_ms.max(outside.silence_ms + outside.heartbeat_ms);
    let (Some(path), Some(run_file)) = (&outside.journal, run_file) else {
        let coordinator = Coordinator::new(scheduler, config)?;
        return Ok(Prepared { coordinator, journal: None, failed: Vec::new() });
    };
    let keeping = Keeping {
        durability: outside.durability,
        keep_failed: outside.keep_failed,
        use_damaged: outside.use_damaged,
    };
    let (journal, taken_up) = RunJournal::open(path, run_file, &mut scheduler, &keeping)?;
    let TakenUp { epoch, adopted, num_foreign, failed } = taken_up;
    if num_foreign > 0 {
        wait_for_strangers(num_foreign, config.reconnect_ms);
    }
    config.epoch = epoch;
    config.adopted = adopted;
    let failed: Vec<(BlockKey, u32)> =
        failed.into_iter().map(|key| (key, scheduler.attempts(key))).collect();
    let coordinator = Coordinator::new(scheduler, config)?;
    Ok(Prepared { coordinator, journal: Some(journal), failed })
}

/// Workers of an earlier start may be at blocks that this run cannot lend back to them: of tasks that it
/// does not have, or that wait for others now. Nothing is lent until they must have ended.
fn wait_for_strangers(num_leases: u64, reconnect_ms: u64) {
    eprintln!(
        "daisy: {num_leases} blocks of an earlier start of this run, which do not fit into this one, may \
         still be at work; waiting {} s until their workers must have ended",
        reconnect_ms.div_ceil(1_000)
    );
    thread::park_timeout(Duration::from_millis(reconnect_ms));
}
