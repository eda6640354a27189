//! What happens before a run's first block: its journal is opened and what it says is taken over.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use daisy_block::{BlockKey, TaskId};
use daisy_journal::{Made, Origin};
use daisy_run::Started;
use daisy_sched::{Adopted, Coordinator, CoordinatorConfig, SchedulerBuilder};

use super::recheck;
use crate::{
    EarlierVersion, Error, Notice, RunOptions, Task,
    journal::{COMPACT_ABOVE_BYTES, JournalFiles, Keeping, RunJournal},
    run::{
        Hooks, Pipeline,
        history::History,
        machine::{Awaited, Prepared},
        pipeline::take_over_done,
    },
};

/// The files of a run's journal, locked, if it has one.
pub(crate) fn lock_journal(options: &RunOptions) -> Result<Option<JournalFiles>, Error> {
    options.outside.journal.as_deref().map(JournalFiles::lock).transpose()
}

/// Makes the machine of a run, with everything that is known from its earlier starts.
pub(in crate::run) fn prepare(
    pipeline: &Arc<Pipeline>,
    mut earlier: SchedulerBuilder,
    mut config: CoordinatorConfig,
    options: &RunOptions,
    files: Option<JournalFiles>,
) -> Result<Prepared, Error> {
    let outside = &options.outside;
    config.heartbeat_ms = outside.heartbeat_ms;
    config.silence_ms = outside.silence_ms;
    config.reconnect_ms = outside.away_ms();
    config.expect_ms = outside.expect_ms;
    let done = pipeline.blocks_done()?;
    let Some(files) = files else {
        take_over_done(&done, &mut earlier, &BTreeSet::new())?;
        return Ok(Prepared::new(Coordinator::new(earlier.build(), config)?));
    };
    let has_waited = files.run_file.has_waited;
    let keeping = Keeping {
        durability: outside.durability,
        keep_failed: outside.keep_failed,
        use_damaged: outside.use_damaged,
        accept_new_arrays: outside.accept_new_arrays,
        origins: pipeline.tasks().map(|(_, task)| origin(task)).collect::<Result<_, _>>()?,
        compact_above_bytes: COMPACT_ABOVE_BYTES,
    };
    let limit = options.check_timeout.min(Duration::from_millis(outside.silence_ms / 2));
    let stopper = options.stopper.clone().unwrap_or_default();
    let look_again = |earlier: &mut SchedulerBuilder, out: &[BlockKey]| {
        let _taken = take_over_done(&done, earlier, &out.iter().copied().collect());
        recheck::take_over_found(pipeline, earlier, out, (limit, &stopper));
    };
    let (journal, mut taken_up, damaged) = RunJournal::open(files, earlier, &keeping, look_again)?;
    config.epoch = taken_up.epoch;
    let (failed, earlier) = (mem::take(&mut taken_up.failed), mem::take(&mut taken_up.earlier));
    // Those that had the time to come back and could not find this run have ended.
    let started = taken_up.start(config, has_waited)?;
    let histories = histories(pipeline, &earlier, &started.adopted);
    let told = histories.iter().flat_map(History::notices);
    let mut notices: Vec<Notice> = damaged.into_iter().chain(told).collect();
    let num_strange = started.num_strange();
    let lacks_grants = journal.may_lack_grants() && started.has_open_blocks();
    let wait = Duration::from_millis(if has_waited { 0 } else { outside.away_ms() });
    if num_strange > 0 && !has_waited {
        notices.push(Notice::WaitsForBlocks { blocks: num_strange, wait });
    }
    if lacks_grants && !has_waited {
        notices.push(Notice::WaitsAfterRestart { wait });
    }
    let Started { coordinator, strange: leases, .. } = started;
    let awaited = (num_strange > 0 || lacks_grants).then_some(Awaited { leases, wait });
    let attempts = |key| (key, coordinator.scheduler().attempts(key));
    let failed = failed.into_iter().map(attempts).collect();
    let journal = Some(journal);
    Ok(Prepared { coordinator, journal, failed, histories, notices, awaited })
}

/// Workers of an earlier start may be at blocks that this run cannot lend back to them: of tasks that it
/// does not have, or that wait for others now; or at some that it does not know of, since what was written
/// down last was lost with the machine's power. Nothing is lent until they must have ended; a run that is
/// stopped meanwhile lends nothing, and leaves that to the next one.
pub(in crate::run) fn open_for_lending(
    prepared: &mut Prepared,
    hooks: &Hooks,
) -> Result<(), Error> {
    let Some(journal) = &mut prepared.journal else { return Ok(()) };
    if let Some(Awaited { leases, wait }) = prepared.awaited.take() {
        if hooks.stopper.wait(wait) {
            return Ok(());
        }
        journal.end_leases(&leases)?;
    }
    journal.begin()
}

/// How this run makes the blocks of a task.
fn origin(task: &Task) -> Result<Origin, Error> {
    #[cfg(not(feature = "arrays"))]
    let arrays = std::collections::BTreeMap::new();
    #[cfg(feature = "arrays")]
    let arrays = {
        let wrong = |source| Error::ArrayIdentity {
            task: task.name().to_owned(),
            source: Box::new(source),
        };
        let written =
            task.0.arrays.iter().filter(|array| array.access == daisy_graph::Access::Writes);
        let named = written.map(|array| Ok((array.id.to_string(), array.location.identity()?)));
        named.collect::<Result<_, _>>().map_err(wrong)?
    };
    Ok(Origin { version: task.0.version.clone(), arrays })
}

/// What other versions of the code of each task did, and which of its workers have one.
fn histories(pipeline: &Pipeline, earlier: &[Vec<Made>], adopted: &[Adopted]) -> Vec<History> {
    let of_task = |(id, task): (TaskId, &Task)| {
        let leases = adopted.iter().filter(|one| one.is_outdated && one.key.task == id);
        let workers: BTreeSet<_> = leases.clone().map(|one| one.worker).collect();
        let blocks = |made: &Made| EarlierVersion {
            version: made.version.clone(),
            blocks: made.cells.num_cells(),
        };
        History {
            task: task.name().to_owned(),
            version: task.0.version.clone(),
            earlier: earlier.get(id.index()).into_iter().flatten().map(blocks).collect(),
            outdated_workers: workers.len() as u64,
            outdated_blocks: leases.count() as u64,
        }
    };
    pipeline.tasks().map(of_task).collect()
}
