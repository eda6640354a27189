//! What blocks that are still out wait for, by the journal: what was found done or masked in an earlier
//! start leaves no record, and is asked for again before their leases are judged.
//!
//! A lease that is out is proof that everything its block reads was finished when it was granted. But that
//! may have changed since: whoever takes away what a check function looks for wants it made anew. So the
//! functions are asked, once more in this start, and what they find done counts as skipped in it. The
//! workers that come back wait meanwhile, and not for long: what is not answered in time is asked again
//! when its turn comes, and the leases that depend on it are left to their workers' ends.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::Builder,
    time::{Duration, Instant},
};

use daisy_block::BlockKey;
use daisy_sched::{SchedulerBuilder, Verdict};

use crate::run::{Pipeline, call, stop::Stopper};

/// The most blocks that are asked for: of leases that wait for more, none can be taken up.
const MAX_ASKED: usize = 4_096;
/// How often it is looked whether the run is stopped.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Functions that are called at a time: they wait for disks, not cores.
const MAX_THREADS: usize = 16;

/// Takes over what the functions find done of all that blocks wait for which are out.
pub(super) fn take_over_found(
    pipeline: &Arc<Pipeline>,
    earlier: &mut SchedulerBuilder,
    out: &[BlockKey],
    (limit, stopper): (Duration, &Stopper),
) {
    let mut wanted: BTreeSet<BlockKey> = BTreeSet::new();
    for &key in out {
        let left = MAX_ASKED.saturating_sub(wanted.len());
        // Of a block that this run does not have, nothing is to be asked.
        if let Ok(Some(inputs)) = earlier.unfinished_inputs(key, left)
            && inputs.iter().all(|&input| can_be_asked(pipeline, input))
        {
            wanted.extend(inputs);
        }
    }
    for key in ask(pipeline, wanted, (limit, stopper)) {
        let _is_new = earlier.take_over(key.task, key.cell..key.cell + 1);
    }
}

/// Whether a block may have been found done; init callbacks come before all questions, and are called when
/// the run has begun.
fn can_be_asked(pipeline: &Pipeline, key: BlockKey) -> bool {
    let task = &pipeline.task(key.task).0;
    (task.checks.before.is_some() || !task.masks.is_empty()) && task.init.is_none()
}

/// The blocks that are found done, or masked, in time, and before the run is stopped.
fn ask(
    pipeline: &Arc<Pipeline>,
    wanted: BTreeSet<BlockKey>,
    (limit, stopper): (Duration, &Stopper),
) -> Vec<BlockKey> {
    let num_wanted = wanted.len();
    let open: Arc<Mutex<VecDeque<BlockKey>>> = Arc::new(Mutex::new(wanted.into_iter().collect()));
    let (answers, found) = mpsc::channel();
    for _ in 0..num_wanted.min(MAX_THREADS) {
        let (pipeline, open, answers) = (Arc::clone(pipeline), Arc::clone(&open), answers.clone());
        let answer = move || answer(&pipeline, &open, &answers);
        // With fewer threads it takes longer; a function that hangs keeps its own.
        let _thread = Builder::new().name("daisy resume".to_owned()).spawn(answer);
    }
    drop(answers);
    let deadline = Instant::now() + limit;
    let mut done = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match found.recv_timeout(left.min(LOOK_EVERY)) {
            Ok((key, is_done)) => done.extend(is_done.then_some(key)),
            Err(RecvTimeoutError::Timeout) if !left.is_zero() && !stopper.is_stopped() => {}
            Err(_) => break,
        }
    }
    open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    done
}

fn answer(
    pipeline: &Pipeline,
    open: &Mutex<VecDeque<BlockKey>>,
    answers: &Sender<(BlockKey, bool)>,
) {
    loop {
        let next = open.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(key) = next else { return };
        if answers.send((key, is_found_done(pipeline, key))).is_err() {
            return;
        }
    }
}

/// An error is no answer; it comes again, and is told, when the block is looked at in its turn.
fn is_found_done(pipeline: &Pipeline, key: BlockKey) -> bool {
    let Some(block) = pipeline.block(key) else { return false };
    let task = pipeline.task(key.task);
    call::masks(task, &block.write_roi).0 == Verdict::All
        || call::check(task, &block, false) == Ok(true)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use daisy_block::TaskId;

    use super::*;
    use crate::{Roi, RunOptions, Task, TaskBuilder};

    const LONG: Duration = Duration::from_secs(60);

    /// Whether block 3 of a task can be taken up that reads block 3 of another one, and whether the
    /// other's blocks count as skipped.
    fn is_taken_up(first: TaskBuilder, limit: Duration) -> (bool, u64) {
        is_taken_up_unless_stopped(first, limit, &Stopper::default())
    }

    fn is_taken_up_unless_stopped(
        first: TaskBuilder,
        limit: Duration,
        stopper: &Stopper,
    ) -> (bool, u64) {
        let (total, block) = (Roi::new([0], [80]).unwrap(), Roi::new([0], [10]).unwrap());
        let first = first.process(|_| ()).build().unwrap();
        let second = Task::builder("second", total, block.clone(), block)
            .upstream(&first)
            .process(|_| ())
            .build()
            .unwrap();
        let pipeline = Arc::new(Pipeline::new(&[second]));
        let mut earlier = pipeline.earlier(&RunOptions::new()).unwrap();
        let out = BlockKey::new(TaskId::new(1), 3);
        take_over_found(&pipeline, &mut earlier, &[out], (limit, stopper));
        let mut taken_up = earlier.take_up();
        let is_acquired = taken_up.acquire_block(out).is_ok();
        let skipped = taken_up.build().counts(TaskId::new(0)).unwrap().skipped;
        (is_acquired, skipped)
    }

    fn first() -> TaskBuilder {
        let block = Roi::new([0], [10]).unwrap();
        Task::builder("first", Roi::new([0], [80]).unwrap(), block.clone(), block)
    }

    #[test]
    fn only_what_is_read_and_found_or_masked_again_is_taken_over() {
        let found = first().check(|block| block.key.cell % 2 == 1);
        assert_eq!(is_taken_up(found, LONG), (true, 1));
        let not_found = first().check(|block| block.key.cell % 2 == 0);
        assert_eq!(is_taken_up(not_found, LONG), (false, 0));
        let broken = first().check(|_| Err::<bool, _>("no disk"));
        assert_eq!(is_taken_up(broken, LONG), (false, 0));
        let masked = first().mask(|_| Verdict::All);
        assert_eq!(is_taken_up(masked, LONG), (true, 1));
        let not_masked = first().mask(|_| Verdict::None).check(|_| true);
        assert_eq!(is_taken_up(not_masked, LONG), (true, 1));
        assert_eq!(is_taken_up(first(), LONG), (false, 0));
        let later = first().init(|| ()).check(|_| true);
        assert_eq!(is_taken_up(later, LONG), (false, 0));
    }

    #[test]
    fn nobody_waits_for_a_function_that_hangs() {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let hangs = move || {
            let over = Arc::clone(&over);
            first().check(move |_| {
                while !over.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                true
            })
        };
        assert_eq!(is_taken_up(hangs(), Duration::from_millis(20)), (false, 0));
        // Who stops the run does not wait either.
        let stopper = Stopper::default();
        stopper.stop();
        let long = Duration::from_secs(3_600);
        assert_eq!(is_taken_up_unless_stopped(hangs(), long, &stopper), (false, 0));
        is_over.store(true, Ordering::Release);
    }
}
