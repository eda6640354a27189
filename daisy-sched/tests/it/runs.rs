//! Random whole runs: every block that can run runs once, none too early, and the counts are right.

use std::collections::{BTreeMap, BTreeSet};

use daisy_block::{BlockKey, Order, TaskId};
use daisy_graph::TaskGraph;
use daisy_sched::{
    Counts, Failure, Paths, Request, Scheduler, SchedulerBuilder, SchedulerOptions, Tuning, Verdict,
};
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};

use crate::oracle::{NaiveBlock, Pipeline, meet, pipelines};

/// How one run goes: which blocks fail, are finished beforehand or masked, and in which order.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) order: Order,
    pub(crate) everything: bool,
    pub(crate) roi_request: bool,
    pub(crate) fails_of_16: u64,
    pub(crate) finished_of_16: u64,
    pub(crate) masked: bool,
    pub(crate) in_flight: usize,
    pub(crate) max_retries: u32,
    pub(crate) count_all_orphans: bool,
    /// Some blocks were out when an earlier run ended.
    pub(crate) named: bool,
    pub(crate) tuning: Tuning,
}

/// What is shipped, sizes so small that small grids take every way, and the largest that there are.
pub(crate) fn tunings() -> impl Strategy<Value = Tuning> {
    let few = || prop_oneof![Just(0_u64), Just(30), Just(Tuning::default().max_counted)];
    let sizes = (few(), few(), 0_u64..30, 0_u64..30, 0_u64..3);
    let tiny = sizes.prop_map(|(counted, readers, steps, at_once, size)| Tuning {
        page_bits: 6,
        chunk_bits: 1,
        max_skipped_singly: 3,
        max_counted: counted,
        max_counted_readers: readers,
        max_steps: 1 + steps,
        max_steps_at_once: at_once,
        max_found_ahead: size,
        max_listed: 10 * size,
        max_free_pages: size as usize,
    });
    let huge = Tuning {
        page_bits: u32::MAX,
        chunk_bits: u32::MAX,
        max_skipped_singly: u64::MAX,
        max_counted: u64::MAX,
        max_counted_readers: u64::MAX,
        max_steps: u64::MAX,
        max_steps_at_once: u64::MAX,
        max_found_ahead: u64::MAX,
        max_listed: u64::MAX,
        max_free_pages: usize::MAX,
    };
    prop_oneof![6 => tiny, 3 => Just(Tuning::default()), 1 => Just(huge)]
}

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    let order = prop_oneof![Just(Order::Sweep), Just(Order::Level), Just(Order::Morton)];
    let odds = || prop_oneof![3 => Just(0_u64), 1 => 1_u64..8];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (any::<u64>(), order, flags, odds(), odds(), 1_usize..9, 0_u32..3, tunings()).prop_map(
        |(seed, order, flags, fails, finished, in_flight, max_retries, tuning)| Script {
            seed,
            order,
            everything: flags.0,
            roi_request: flags.1 && !flags.0,
            fails_of_16: fails,
            finished_of_16: finished,
            masked: flags.2,
            in_flight,
            max_retries,
            count_all_orphans: flags.3,
            named: flags.4,
            tuning,
        },
    )
}

/// The oracle: one entry for each block, everything recomputed from scratch.
pub(crate) struct Model {
    pub(crate) blocks: Vec<NaiveBlock>,
    pub(crate) keys: Vec<BlockKey>,
    pub(crate) place: BTreeMap<BlockKey, usize>,
    pub(crate) upstream: Vec<BTreeSet<usize>>,
    pub(crate) requested: Vec<bool>,
    pub(crate) masked: Vec<bool>,
    pub(crate) state: Vec<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    /// Taken to be checked: still counts as ready.
    Held,
    Out,
    /// Waits for the end of its back-off: counts as pending.
    Parked,
    Completed,
    Skipped,
    Failed,
    Orphaned,
}

pub(crate) fn dice(seed: u64, salt: u64, block: usize) -> u64 {
    let mut x = seed ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (block as u64) << 20;
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

impl Model {
    pub(crate) fn new(
        pipeline: &Pipeline,
        script: &Script,
        tasks: &TaskGraph,
        request: &Request,
    ) -> Self {
        let blocks = pipeline.blocks();
        let keys = pipeline.keys(tasks, &blocks);
        let upstream = pipeline.upstream(&blocks);
        let is_last = |task: usize| pipeline.edges.iter().all(|&(up, _)| up != task);
        let mut requested: Vec<bool> = blocks
            .iter()
            .map(|block| match request {
                Request::LastTasks => is_last(block.task),
                Request::Everything => true,
                Request::Rois(rois) => rois.iter().any(|(task, roi)| {
                    let ends: Vec<(i64, i64)> = (0..roi.dims())
                        .map(|a| (roi.begin_at(a).unwrap(), roi.end_at(a).unwrap()))
                        .collect();
                    task.index() == block.task && !roi.is_empty() && meet(&ends, &block.write)
                }),
            })
            .collect();
        // Tasks only read tasks of lower numbers, and blocks are listed by task.
        for place in (0..blocks.len()).rev() {
            if requested[place] {
                // Conflicts only order blocks; they are not inputs.
                let inputs = upstream[place].iter();
                for &up in inputs.filter(|&&up| blocks[up].task != blocks[place].task) {
                    requested[up] = true;
                }
            }
        }
        let masked = (0..blocks.len())
            .map(|place| {
                script.masked
                    && blocks[place].task.is_multiple_of(2)
                    && mask(script, &blocks[place].write)
            })
            .collect();
        let state = vec![State::Waiting; blocks.len()];
        let place = keys.iter().enumerate().map(|(place, &key)| (key, place)).collect();
        Self { blocks, keys, place, upstream, requested, masked, state }
    }

    fn is_settled(&self, place: usize) -> bool {
        !self.requested[place] || matches!(self.state[place], State::Completed | State::Skipped)
    }

    pub(crate) fn may_run(&self, place: usize) -> bool {
        self.requested[place]
            && self.state[place] == State::Waiting
            && self.upstream[place].iter().all(|&up| self.is_settled(up))
    }

    /// Compares what some blocks wait for before anything is handed out.
    fn compare_inputs(&self, scheduler: &mut SchedulerBuilder) -> Result<(), TestCaseError> {
        for place in (0..self.blocks.len()).step_by(1 + self.blocks.len() / 16) {
            let found = scheduler.unfinished_inputs(self.keys[place], 1_000_000);
            if self.is_settled(place) {
                prop_assert!(found.is_err(), "{found:?}");
                continue;
            }
            let found = found.unwrap().unwrap();
            let open = self.upstream[place].iter().filter(|&&up| !self.is_settled(up));
            let mut expected: Vec<BlockKey> = open.map(|&up| self.keys[up]).collect();
            expected.sort_unstable();
            if let Some(limit) = expected.len().checked_sub(1) {
                prop_assert_eq!(scheduler.unfinished_inputs(self.keys[place], limit), Ok(None));
            }
            prop_assert_eq!(found, expected);
        }
        Ok(())
    }

    /// Orphans everything that waits for something that will never be done.
    pub(crate) fn orphan(&mut self) {
        loop {
            let lost = (0..self.blocks.len()).find(|&place| {
                self.requested[place]
                    && self.state[place] == State::Waiting
                    && self.upstream[place].iter().any(|&up| {
                        self.requested[up]
                            && matches!(self.state[up], State::Failed | State::Orphaned)
                    })
            });
            let Some(lost) = lost else { return };
            self.state[lost] = State::Orphaned;
        }
    }

    /// Compares the counts of all tasks. Blocks that nobody looked at yet may be masked, and are
    /// only then known to be ready: so ready, pending and skipped are compared where nothing is open.
    pub(crate) fn compare(&self, scheduler: &Scheduler, at_end: bool) -> Result<(), TestCaseError> {
        let tasks = self.blocks.iter().map(|block| block.task).max().map_or(0, |last| last + 1);
        for task in 0..tasks {
            let counts = scheduler.counts(TaskId::new(task as u32)).unwrap();
            let count = |state: State| {
                let is_counted = |&place: &usize| {
                    self.blocks[place].task == task
                        && self.requested[place]
                        && self.state[place] == state
                };
                (0..self.blocks.len()).filter(is_counted).count() as u64
            };
            let states = [
                State::Waiting,
                State::Held,
                State::Parked,
                State::Out,
                State::Completed,
                State::Skipped,
                State::Failed,
                State::Orphaned,
            ];
            let Counts { total, ready, processing, completed, skipped, failed, orphaned, pending } =
                counts;
            prop_assert_eq!(total, states.iter().map(|&state| count(state)).sum::<u64>());
            prop_assert_eq!(
                total,
                ready + processing + completed + skipped + failed + orphaned + pending
            );
            prop_assert_eq!(processing, count(State::Out));
            prop_assert_eq!(completed, count(State::Completed));
            prop_assert_eq!(failed, count(State::Failed));
            prop_assert_eq!(orphaned, count(State::Orphaned));
            if at_end || !self.masked.iter().any(|&masked| masked) {
                prop_assert_eq!(skipped, count(State::Skipped));
                let waiting = [State::Waiting, State::Held, State::Parked];
                prop_assert_eq!(ready + pending, waiting.map(count).iter().sum::<u64>());
                prop_assert!(ready >= count(State::Held) && pending >= count(State::Parked));
            }
            if at_end {
                prop_assert_eq!(ready, 0);
            }
        }
        Ok(())
    }
}

/// A mask that hides one side of a plane, and some single voxels.
fn mask(script: &Script, write: &[(i64, i64)]) -> bool {
    let cut = (script.seed % 19) as i64 - 9;
    write.iter().map(|range| range.1).sum::<i64>() < cut
        || dice(script.seed, 5, write.iter().map(|r| r.0.unsigned_abs() as usize).sum())
            .is_multiple_of(16)
}

/// So many times as many cases as proptest gives a property, the same each time, so that rare ways are surely
/// among them; others with `PROPTEST_RNG_SEED`.
pub(crate) fn seeded(times: u32, file: &'static str) -> ProptestConfig {
    let mut config = ProptestConfig { source_file: Some(file), ..ProptestConfig::default() };
    config.cases *= times;
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(28);
    }
    config
}

/// Whether there are so few cases that rare ways may be missing: where somebody is in a hurry.
pub(crate) fn are_few() -> bool {
    ProptestConfig::default().cases < 256
}

#[test]
fn whole_runs_agree_with_brute_force_and_take_every_way() {
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    let config = seeded(40, file!());
    let mut ways = std::cell::RefCell::new(&mut taken);
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(pipelines(), scripts()), |(pipeline, script)| {
        let paths = run(&pipeline, &script)?;
        let sizes = if script.tuning == Tuning::default() { "shipped" } else { "others" };
        let dims = pipeline.tasks[0].axes.len();
        let mut ways = ways.borrow_mut();
        *ways.entry(format!("{dims} axes, {}, {sizes}", script.order)).or_default() += 1;
        for (name, count) in paths.named() {
            *ways.entry(format!("{name}, {sizes}")).or_default() += count;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n{runner}");
    }
    // Only a coordinator's scheduler leaves work for later. Boxes that are large enough by the sizes that are
    // shipped are too large for this oracle: `wide.rs` has some.
    let elsewhere = ["skipped_as_box", "recounted", "scanned_again", "put_off", "shed"];
    let elsewhere = elsewhere.map(|way| format!("{way}, shipped"));
    let is_elsewhere = |name: &str| {
        let is_of_others = name.starts_with("interrupted") || name.starts_with("well_fed");
        is_of_others || elsewhere.iter().any(|other| other == name)
    };
    ways.get_mut().retain(|name, _| !is_elsewhere(name));
    if are_few() {
        return;
    }
    let not_taken: Vec<&String> = taken.iter().filter(|way| *way.1 == 0).map(|way| way.0).collect();
    assert_eq!(not_taken, Vec::<&String>::new(), "of {taken:#?}");
    assert_eq!(
        taken.len(),
        2 * (4 * 3 + Paths::default().named().len() - 2) - elsewhere.len(),
        "{taken:#?}"
    );
}

pub(crate) fn run(pipeline: &Pipeline, script: &Script) -> Result<Paths, TestCaseError> {
    let request = request(pipeline, script);
    let options = options(pipeline, script, &request);
    let mut earlier = Scheduler::builder(pipeline.graph(), options).unwrap();
    let mut model = Model::new(pipeline, script, earlier.graph().tasks(), &request);
    let mut attempts: BTreeMap<BlockKey, u32> = BTreeMap::new();
    for place in 0..model.blocks.len() {
        let key = model.keys[place];
        if dice(script.seed, 1, place) % 16 < script.finished_of_16 {
            let taken = earlier.take_over(key.task, key.cell..key.cell + 1).unwrap();
            prop_assert_eq!(taken, u64::from(model.requested[place]));
            model.state[place] = State::Skipped;
        } else if script.max_retries > 0 && dice(script.seed, 9, place).is_multiple_of(8) {
            let result = earlier.note_attempts(key, 1);
            prop_assert_eq!(result.is_ok(), model.requested[place]);
            attempts.insert(key, 1);
        }
    }
    model.compare_inputs(&mut earlier)?;
    let (mut scheduler, mut out) = take_up(earlier, &mut model, script)?;
    let named: BTreeSet<BlockKey> = out.iter().copied().collect();
    for step in 0.. {
        prop_assert!(step < 100_000, "the run does not end");
        while out.len() < script.in_flight {
            let Some(key) = acquire(&mut scheduler, &mut model)? else { break };
            let place = *model.place.get(&key).expect("a block that exists");
            prop_assert!(model.may_run(place), "{key} too early, twice or not asked for");
            prop_assert!(!model.masked[place] || named.contains(&key), "{key} is masked");
            model.state[place] = State::Out;
            out.push(key);
        }
        model.compare(&scheduler, false)?;
        if out.is_empty() {
            break;
        }
        let key = out.swap_remove(dice(script.seed, 2, step) as usize % out.len());
        settle(&mut scheduler, &mut model, script, key, &mut attempts)?;
        prop_assert!(scheduler.complete(key).is_err(), "a second release");
    }
    prop_assert!(scheduler.is_done());
    for place in 0..model.blocks.len() {
        prop_assert!(
            !model.may_run(place) || model.masked[place],
            "{} never ran",
            model.keys[place]
        );
    }
    model.compare(&scheduler, true)?;
    for task in 0..pipeline.tasks.len() {
        prop_assert!(scheduler.is_task_done(TaskId::new(task as u32)).unwrap());
    }
    let orphans: u64 = scheduler.take_orphans().iter().map(|(_, run)| run.end - run.start).sum();
    prop_assert_eq!(
        orphans,
        model
            .state
            .iter()
            .zip(&model.requested)
            .filter(|(s, r)| **s == State::Orphaned && **r)
            .count() as u64
    );
    Ok(scheduler.paths())
}

fn options(pipeline: &Pipeline, script: &Script, request: &Request) -> SchedulerOptions {
    let masked = (0..pipeline.tasks.len()).filter(|task| script.masked && task.is_multiple_of(2));
    SchedulerOptions {
        order: script.order,
        request: request.clone(),
        count_all_orphans: script.count_all_orphans,
        max_retries: vec![script.max_retries; pipeline.tasks.len()],
        masked: masked.map(|task| TaskId::new(task as u32)).collect(),
        tuning: script.tuning,
    }
}

/// Some blocks that may run are still with a worker of an earlier run.
fn take_up(
    earlier: SchedulerBuilder,
    model: &mut Model,
    script: &Script,
) -> Result<(Scheduler, Vec<BlockKey>), TestCaseError> {
    let mut taken_up = earlier.take_up();
    let mut out = Vec::new();
    for place in 0..model.blocks.len() {
        if script.named && dice(script.seed, 10, place).is_multiple_of(8) {
            let key = model.keys[place];
            let result = taken_up.acquire_block(key);
            prop_assert_eq!(result.is_ok(), model.may_run(place), "{}", key);
            if result.is_ok() {
                model.state[place] = State::Out;
                out.push(key);
            }
        }
    }
    Ok((taken_up.build(), out))
}

/// What is asked for.
fn request(pipeline: &Pipeline, script: &Script) -> Request {
    if script.everything {
        Request::Everything
    } else if script.roi_request {
        let rois = pipeline
            .tasks
            .iter()
            .enumerate()
            .filter(|(task, _)| dice(script.seed, 7, *task).is_multiple_of(2));
        let rois = rois.flat_map(|(task, spec)| {
            let total = spec.layout().total_write_roi();
            let by = (dice(script.seed, 8, task) % 7) as i64 - 3;
            [
                (TaskId::new(task as u32), total.grow(-3, -2).unwrap() + by),
                (TaskId::new(task as u32), total.grow(-2, -4).unwrap() - by),
            ]
        });
        Request::Rois(rois.collect())
    } else {
        Request::LastTasks
    }
}

/// Acquires a block, answering whatever is asked on the way.
fn acquire(
    scheduler: &mut Scheduler,
    model: &mut Model,
) -> Result<Option<BlockKey>, TestCaseError> {
    loop {
        let key = scheduler.acquire();
        if key.is_some() {
            return Ok(key);
        }
        let Some(question) = scheduler.question() else { return Ok(None) };
        let inside: Vec<usize> = (0..model.blocks.len())
            .filter(|&place| {
                model.blocks[place].task == question.task.index()
                    && question.cells.contains(&model.blocks[place].index).unwrap()
            })
            .collect();
        let masked = inside.iter().filter(|&&place| model.masked[place]).count();
        let verdict = match masked {
            0 => Verdict::None,
            count if count == inside.len() => Verdict::All,
            _ => Verdict::Part,
        };
        scheduler.answer(question.task, &question.cells, verdict).unwrap();
        prop_assert!(scheduler.answer(question.task, &question.cells, verdict).is_err());
        if verdict == Verdict::All {
            for place in inside {
                if model.state[place] == State::Waiting {
                    model.state[place] = State::Skipped;
                }
            }
        }
    }
}

/// Releases a block, failing it now and then.
fn settle(
    scheduler: &mut Scheduler,
    model: &mut Model,
    script: &Script,
    key: BlockKey,
    attempts: &mut BTreeMap<BlockKey, u32>,
) -> Result<(), TestCaseError> {
    let place = model.place[&key];
    let tried = attempts.entry(key).or_insert(0);
    *tried += 1;
    if dice(script.seed, 3 + u64::from(*tried), place) % 16 >= script.fails_of_16 {
        scheduler.complete(key).unwrap();
        model.state[place] = State::Completed;
        return Ok(());
    }
    let failure = scheduler.fail(key).unwrap();
    if *tried <= script.max_retries {
        prop_assert_eq!(failure, Failure::Retry { attempts: *tried });
        model.state[place] = State::Waiting;
    } else {
        prop_assert_eq!(failure, Failure::Final { attempts: *tried });
        model.state[place] = State::Failed;
        if script.count_all_orphans {
            model.orphan();
        }
    }
    Ok(())
}
