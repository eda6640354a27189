//! Random lives of a journal: records of all kinds, true and false ones, commits, crashes, compactions,
//! runs with other tasks in another order. After each step the file says what the model says.

use std::{cell::Cell, collections::BTreeMap};

use daisy_block::TaskId;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{
    Journal, JournalError, JournalOptions, JournalTuning, MemoryDisk, Tail, inspect,
};
use daisy_sched::{LeaseId, Record, WorkerId};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    files::{frames, key, layout},
    model::Model,
};

/// Tasks by name, with their number of blocks.
const TASKS: [(&str, u64); 4] = [("a", 3), ("b", 40), ("c", 7), ("a longer name", 5)];

/// One thing that happens to a journal.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Lends a block, or so many in a row.
    Grant {
        task: usize,
        cell: u64,
        count: u64,
        skipped: u64,
        worker: u64,
    },
    /// Settles an open lease.
    Settle {
        open: usize,
        kind: u8,
        attempts: u32,
    },
    /// A record that may be nonsense.
    Nonsense {
        kind: u8,
        lease: u64,
        task: u32,
        cell: u64,
    },
    Commit,
    Compact,
    /// Power is lost; so many bytes that were not synced survive.
    Crash {
        kept: usize,
    },
    Sync,
    /// The next run has these tasks in this order.
    Reopen {
        first: usize,
        count: usize,
    },
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..4_usize, 0..44_u64, 1..9_u64, 0..3_u64, 0..4_u64).prop_map(
            |(task, cell, count, skipped, worker)| Step::Grant { task, cell, count, skipped, worker }
        ),
        12 => (0..64_usize, 0..4_u8, 0..5_u32)
            .prop_map(|(open, kind, attempts)| Step::Settle { open, kind, attempts }),
        1 => (0..6_u8, 0..30_u64, 0..5_u32, 0..44_u64)
            .prop_map(|(kind, lease, task, cell)| Step::Nonsense { kind, lease, task, cell }),
        6 => Just(Step::Commit),
        1 => Just(Step::Compact),
        1 => (0..100_usize).prop_map(|kept| Step::Crash { kept }),
        1 => Just(Step::Sync),
        1 => (0..4_usize, 1..=4_usize).prop_map(|(first, count)| Step::Reopen { first, count }),
    ];
    prop::collection::vec(step, 0..60)
}

/// A run of some of the tasks, turned around.
fn run(first: usize, count: usize) -> (TaskGraph, Vec<String>) {
    let mut graph = TaskGraph::new();
    let mut names = Vec::new();
    for place in first..first + count {
        let (name, blocks) = TASKS[place % TASKS.len()];
        graph.add_task(TaskNode::new(name, layout(blocks as i64), false).unwrap()).unwrap();
        names.push(name.to_owned());
    }
    (graph, names)
}

struct World {
    journal: Journal<MemoryDisk>,
    names: Vec<String>,
    /// What has been appended.
    model: Model,
    /// What has been committed, by the length of the file then; those since the last compaction.
    committed: BTreeMap<u64, Model>,
    /// After each record since then.
    appended: Vec<Model>,
    options: JournalOptions,
    ways: Ways,
}

/// Commits of several frames, and snapshots with several parts of one kind.
pub(crate) type Ways = [u64; 2];

impl World {
    fn new(tuning: JournalTuning) -> Self {
        let (tasks, names) = run(0, 2);
        let options = JournalOptions { tuning, ..JournalOptions::default() };
        let (journal, resumed) = Journal::open(MemoryDisk::new(), &tasks, options).unwrap();
        let mut model = Model::default();
        model.check_resumed(&resumed, &names);
        model.epoch = Some(0);
        let (committed, appended, ways) = (BTreeMap::new(), Vec::new(), [0; 2]);
        let mut world = Self { journal, names, model, committed, appended, options, ways };
        world.note_committed();
        world
    }

    fn note_committed(&mut self) {
        self.committed.insert(self.journal.len_bytes(), self.model.clone());
    }

    fn append(&mut self, record: &Record, task: u32) {
        let name = self.names.get(task as usize).cloned().unwrap_or_default();
        let blocks = TASKS.iter().find(|(other, _)| *other == name).map_or(0, |task| task.1);
        let is_true = self.model.apply(record, &name, blocks);
        self.appended.push(self.model.clone());
        match self.journal.append(record) {
            Ok(()) => assert!(is_true, "{record:?} was taken"),
            Err(JournalError::Refused { refusal, .. }) => {
                assert!(!is_true, "{record:?}: {refusal}")
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Grant { task, cell, count, skipped, worker } => {
                let task = (task % self.names.len()) as u32;
                for place in 0..count {
                    let first = u64::from(self.model.epoch.unwrap()) << 40;
                    let lease = LeaseId(self.model.next_lease.max(first) + skipped * place);
                    let key = key(task, cell + place);
                    self.append(&Record::Grant { lease, worker: WorkerId(worker), key }, task);
                }
            }
            Step::Settle { open, kind, attempts } => {
                let names = &self.names;
                let ours = self.model.blocks.iter().filter_map(|((name, cell), fate)| {
                    let task = names.iter().position(|other| other == name)? as u32;
                    Some((fate.lease?.0, key(task, *cell), task))
                });
                let mut ours: Vec<_> = ours.collect();
                ours.sort();
                if let Some(&(lease, key, task)) = ours.get(open % ours.len().max(1)) {
                    self.append(&record(kind, lease, key, attempts), task);
                }
            }
            Step::Nonsense { kind, lease, task, cell } => {
                self.append(&record(kind, LeaseId(lease), key(task, cell), 1), task);
            }
            Step::Commit => {
                let before = frames(self.journal.disk().bytes()).len();
                self.journal.commit().unwrap();
                let is_split = frames(self.journal.disk().bytes()).len() > before + 1;
                self.ways[0] += u64::from(is_split);
                self.note_committed();
            }
            Step::Compact => {
                self.journal.compact().unwrap();
                self.committed.clear();
                self.appended.clear();
                self.note_committed();
                // Parts of a snapshot have the kinds from 4 on; those of one task follow one another.
                let frames = frames(self.journal.disk().bytes());
                let is_split = |pair: &[(u8, usize)]| pair[0].0 >= 4 && pair[0].0 == pair[1].0;
                self.ways[1] += u64::from(frames.windows(2).any(is_split));
                assert_eq!(
                    inspect(self.journal.disk_mut()).unwrap().snapshot_bytes > 0,
                    !self.model.blocks.is_empty()
                );
            }
            Step::Sync => self.journal.sync().unwrap(),
            Step::Crash { kept } => self.crash(kept),
            Step::Reopen { first, count } => {
                self.journal.commit().unwrap();
                self.note_committed();
                self.reopen(first, count);
            }
        }
    }

    /// What survives is what was committed at some time, or the first frames of a commit.
    fn crash(&mut self, kept: usize) {
        let disk = self.journal.disk_mut();
        disk.crash(kept);
        let contents = inspect(disk).unwrap();
        let end = match contents.tail {
            Tail::Clean => contents.bytes,
            Tail::Torn(torn) => torn.offset,
            Tail::Damaged(ref damaged) => panic!("{damaged:?}"),
        };
        // The tasks and the start of a run are not noted, and change nothing else.
        let (_, model) = self.committed.range(..=end).next_back().unwrap();
        let found = Model::of(&contents);
        let survives = |model: &&Model| model.without_next() == found;
        let mut known = std::iter::once(model).chain(&self.appended);
        self.model = known.find(survives).expect("what was appended up to some record").clone();
        self.reopen(0, self.names.len());
    }

    fn reopen(&mut self, first: usize, count: usize) {
        let (tasks, names) = run(first, count);
        let disk = std::mem::take(self.journal.disk_mut());
        let (journal, resumed) = Journal::open(disk, &tasks, self.options).unwrap();
        self.model.check_resumed(&resumed, &names);
        (self.journal, self.names) = (journal, names);
        self.model.epoch = Some(resumed.epoch);
        self.committed.clear();
        self.appended.clear();
        self.note_committed();
    }
}

fn record(kind: u8, lease: LeaseId, key: daisy_block::BlockKey, attempts: u32) -> Record {
    match kind {
        0 => Record::Done { lease, key },
        1 => Record::Attempt { lease, key, attempts },
        2 => Record::Failed { lease, key, attempts },
        3 => Record::PutBack { lease, key },
        4 => Record::Grant { lease, worker: WorkerId(u64::MAX), key },
        _ => Record::Start { epoch: attempts },
    }
}

/// Lets a journal live, and compares it with the model after each step.
pub(crate) fn live(steps: &[Step], tuning: JournalTuning) -> Ways {
    let mut world = World::new(tuning);
    for step in steps {
        world.step(step);
        let model = world.committed.values().next_back().unwrap();
        let contents = inspect(world.journal.disk_mut()).unwrap();
        assert_eq!(contents.tail, Tail::Clean);
        assert_eq!(contents.bytes, world.journal.len_bytes());
        assert_eq!(Model::of(&contents), model.without_next(), "after {step:?}");
    }
    world.ways
}

#[test]
fn a_journal_says_what_the_model_says() {
    let small = (1_u64..5, 0_usize..200, 0_usize..30).prop_map(
        |(max_run, max_batch_bytes, max_part_bytes)| JournalTuning {
            max_run,
            max_batch_bytes,
            max_part_bytes,
        },
    );
    let tuning = prop_oneof![Just(JournalTuning::default()), small];
    let ways = Cell::new([0; 2]);
    let config = ProptestConfig {
        cases: 12 * ProptestConfig::default().cases,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(steps(), tuning), |(steps, tuning)| {
        let [batches, parts] = live(&steps, tuning);
        // With the sizes that are shipped, so few records fit into one frame.
        prop_assert!(tuning != JournalTuning::default() || batches == 0);
        ways.set([ways.get()[0] + batches, ways.get()[1] + parts]);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n{runner}");
    }
    assert!(ways.get().iter().all(|&count| count > 0), "{ways:?}");
}

#[test]
fn ids_are_those_of_this_run_whatever_the_order_of_tasks() {
    let (tasks, _) = run(0, 3);
    let (mut journal, _) =
        Journal::open(MemoryDisk::new(), &tasks, JournalOptions::default()).unwrap();
    for task in 0..3 {
        let (lease, key) = (LeaseId(task), key(task as u32, task));
        journal.append(&Record::Grant { lease, worker: WorkerId(0), key }).unwrap();
    }
    journal.append(&Record::Done { lease: LeaseId(1), key: key(1, 1) }).unwrap();
    journal.commit().unwrap();
    let (tasks, names) = run(2, 4);
    assert_eq!(names, ["c", "a longer name", "a", "b"]);
    let (_, resumed) =
        Journal::open(journal.into_disk(), &tasks, JournalOptions::default()).unwrap();
    assert!(resumed.tasks[3].done.contains(1));
    let keys: Vec<_> = resumed.open.iter().map(|open| open.key).collect();
    assert_eq!(keys, [key(2, 0), key(0, 2)]);
    assert_eq!(resumed.open[0].key.task, TaskId::new(2));
}
