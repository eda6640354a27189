//! What happens before a run's first block: its journal is opened and what it says is taken over.

use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use daisy_block::BlockKey;
use daisy_sched::{Adopted, Adoption, Coordinator, CoordinatorConfig, Scheduler, SchedulerBuilder};

use super::recheck;
use crate::{
    Error, RunOptions,
    journal::{Keeping, RunJournal, TakenUp},
    run::{LockedRunFile, Pipeline, machine::Prepared, pipeline::take_over_done},
};

/// The lock on the journal of a run without sockets, if it has one.
pub(crate) fn lock_journal(options: &RunOptions) -> Result<Option<LockedRunFile>, Error> {
    options.outside.journal.as_deref().map(LockedRunFile::lock).transpose()
}

/// Makes the machine of a run, with everything that is known from its earlier starts.
pub(in crate::run) fn prepare(
    pipeline: &Arc<Pipeline>,
    mut earlier: SchedulerBuilder,
    mut config: CoordinatorConfig,
    options: &RunOptions,
    run_file: Option<LockedRunFile>,
) -> Result<Prepared, Error> {
    let outside = &options.outside;
    config.heartbeat_ms = outside.heartbeat_ms;
    config.silence_ms = outside.silence_ms;
    // Whoever is cut off must have ended itself before its block is lent again.
    config.reconnect_ms = outside.reconnect_ms.max(outside.silence_ms + outside.heartbeat_ms);
    let done = pipeline.blocks_done()?;
    let (Some(path), Some(run_file)) = (&outside.journal, run_file) else {
        take_over_done(&done, &mut earlier, &BTreeSet::new())?;
        let coordinator = Coordinator::new(earlier.build(), config)?;
        return Ok(Prepared { coordinator, journal: None, failed: Vec::new() });
    };
    let keeping = Keeping {
        durability: outside.durability,
        keep_failed: outside.keep_failed,
        use_damaged: outside.use_damaged,
    };
    let limit = options.check_timeout.min(Duration::from_millis(outside.silence_ms / 2));
    let look_again = |earlier: &mut SchedulerBuilder, out: &[BlockKey]| {
        let _taken = take_over_done(&done, earlier, &out.iter().copied().collect());
        recheck::take_over_found(pipeline, earlier, out, limit);
    };
    let (mut journal, taken_up) = RunJournal::open(path, run_file, earlier, &keeping, look_again)?;
    let TakenUp { mut scheduler, epoch, adopted, mut strange, num_foreign, failed } = taken_up;
    config.epoch = epoch;
    let misfits = admit(adopted, &scheduler, &mut config)?;
    misfits.iter().try_for_each(|one| scheduler.put_back(one.key))?;
    strange.extend(misfits);
    let num_strange = strange.len() as u64 + num_foreign;
    let lacks_grants = journal.may_lack_grants() && has_open_blocks(&scheduler);
    if num_strange > 0 || lacks_grants {
        wait_for_workers(num_strange, lacks_grants, config.reconnect_ms);
        journal.end_leases(&strange)?;
    }
    journal.begin()?;
    let failed: Vec<(BlockKey, u32)> =
        failed.into_iter().map(|key| (key, scheduler.attempts(key))).collect();
    let coordinator = Coordinator::new(scheduler, config)?;
    Ok(Prepared { coordinator, journal: Some(journal), failed })
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

/// Workers of an earlier start may be at blocks that this run cannot lend back to them: of tasks that it
/// does not have, or that wait for others now; or at some that it does not know of, since what was written
/// down last was lost with the machine's power. Nothing is lent until they must have ended.
fn wait_for_workers(num_leases: u64, lacks_grants: bool, reconnect_ms: u64) {
    let wait =
        format!("waiting {} s until their workers must have ended", reconnect_ms.div_ceil(1_000));
    if num_leases > 0 {
        eprintln!(
            "daisy: {num_leases} blocks of an earlier start of this run, which do not fit into this one, \
             may still be at work; {wait}"
        );
    }
    if lacks_grants {
        eprintln!(
            "daisy: this machine was restarted, perhaps for want of power, while an earlier start of this \
             run was at work; blocks that it lent last may still be at work elsewhere without being in \
             the journal; {wait}"
        );
    }
    let deadline = Instant::now() + Duration::from_millis(reconnect_ms);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // It may return early.
        thread::park_timeout(left);
    }
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
            Adopted { lease: LeaseId(cell), worker: WorkerId(cell), key }
        });
        let mut scheduler = taken_up.build();
        let misfits = admit(leases.to_vec(), &scheduler, &mut config).unwrap();
        assert_eq!((config.adopted.as_slice(), misfits.as_slice()), leases.split_at(2));
        misfits.iter().for_each(|one| scheduler.put_back(one.key).unwrap());
        let coordinator = Coordinator::new(scheduler, config).unwrap();
        assert_eq!(coordinator.num_out(), 2);
    }
}
