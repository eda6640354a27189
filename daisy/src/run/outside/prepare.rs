//! What happens before a run's first block: its journal is opened and what it says is taken over.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use daisy_block::{BlockKey, TaskId};
use daisy_journal::{Made, Origin};
use daisy_sched::{Adopted, Adoption, Coordinator, CoordinatorConfig, Scheduler, SchedulerBuilder};

use super::recheck;
use crate::{
    EarlierVersion, Error, Notice, RunOptions, Task,
    journal::{COMPACT_ABOVE_BYTES, JournalFiles, Keeping, RunJournal, TakenUp},
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
    let (journal, taken_up) = RunJournal::open(files, earlier, &keeping, look_again)?;
    let TakenUp { mut scheduler, adopted, mut strange, failed, earlier, mut notices, .. } =
        taken_up;
    config.epoch = taken_up.epoch;
    // Those that had the time to come back and could not find this run have ended.
    let misfits = if has_waited { adopted } else { admit(adopted, &scheduler, &mut config)? };
    misfits.iter().try_for_each(|one| scheduler.put_back(one.key))?;
    strange.extend(misfits);
    let histories = histories(pipeline, &earlier, &config.adopted);
    notices.extend(histories.iter().flat_map(History::notices));
    let num_strange = strange.len() as u64 + taken_up.num_foreign;
    let lacks_grants = journal.may_lack_grants() && has_open_blocks(&scheduler);
    let wait = Duration::from_millis(if has_waited { 0 } else { config.reconnect_ms });
    if num_strange > 0 && !has_waited {
        notices.push(Notice::WaitsForBlocks { blocks: num_strange, wait });
    }
    if lacks_grants && !has_waited {
        notices.push(Notice::WaitsAfterRestart { wait });
    }
    let awaited = (num_strange > 0 || lacks_grants).then_some(Awaited { leases: strange, wait });
    let failed: Vec<(BlockKey, u32)> =
        failed.into_iter().map(|key| (key, scheduler.attempts(key))).collect();
    let coordinator = Coordinator::new(scheduler, config)?;
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

/// Leaves the leases that the coordinator can take up to it, and gives back the others: of too many units
/// of a resource, say.
fn admit(
    leases: Vec<Adopted>,
    scheduler: &Scheduler,
    config: &mut CoordinatorConfig,
) -> Result<Vec<Adopted>, Error> {
    let mut adoption = Adoption::new(scheduler, config)?;
    let (adopted, misfits) = leases.into_iter().partition(|&one| adoption.admit(one).is_ok());
    config.adopted = adopted;
    Ok(misfits)
}

/// Whether there is anything left to be lent.
fn has_open_blocks(scheduler: &Scheduler) -> bool {
    let counts = scheduler.graph().tasks().ids().map(|task| scheduler.counts(task));
    counts.flatten().any(|counts| counts.finished() < counts.total)
}

#[cfg(test)]
mod tests {
    use daisy_block::TaskId;
    use daisy_sched::{LeaseId, WorkerId};

    use super::*;
    use crate::{Roi, Task};

    #[test]
    fn leases_of_too_many_units_are_given_back_and_the_others_kept() {
        let block = Roi::new([0], [10]).unwrap();
        let task = Task::builder("task", Roi::new([0], [90]).unwrap(), block.clone(), block)
            .resource("gpu", 2)
            .process(|_| ())
            .build()
            .unwrap();
        let pipeline = Pipeline::new(&[task]);
        let options = RunOptions::new().resource("gpu", 5);
        let mut taken_up = pipeline.earlier(&options).unwrap().take_up();
        let mut config = pipeline.config(&options);
        config.epoch = 1;
        let leases = [0, 1, 2, 3].map(|cell| {
            let key = BlockKey::new(TaskId::new(0), cell);
            taken_up.acquire_block(key).unwrap();
            Adopted { lease: LeaseId(cell), worker: WorkerId(cell), key, is_outdated: false }
        });
        let mut scheduler = taken_up.build();
        let misfits = admit(leases.to_vec(), &scheduler, &mut config).unwrap();
        assert_eq!((config.adopted.as_slice(), misfits.as_slice()), leases.split_at(2));
        misfits.iter().for_each(|one| scheduler.put_back(one.key).unwrap());
        let coordinator = Coordinator::new(scheduler, config).unwrap();
        assert_eq!(coordinator.num_out(), 2);
    }
}
