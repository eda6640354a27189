//! Forgetting against brute force: all pairs of blocks of random pipelines compared.

use std::collections::BTreeSet;

use daisy_block::{BlockKey, Fit, Layout};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{
    ForgetOptions, Journal, JournalError, JournalOptions, MemoryDisk, Tail, blocks_to_forget,
    forget,
};
use daisy_sched::{LeaseId, Record, WorkerId};
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};

use crate::{
    files::{append, chain, contents, done, eventful, grant, key, lease, open},
    model::{Fate, Model},
    oracle::{AxisSpec, NaiveBlock, Pipeline, TaskSpec, meet, pipelines},
};

/// The places of the blocks that write into `roi`, and of all that read what one of them writes.
fn naive(
    pipeline: &Pipeline,
    blocks: &[NaiveBlock],
    task: usize,
    roi: Option<&[(i64, i64)]>,
) -> BTreeSet<usize> {
    let is_named =
        |block: &NaiveBlock| block.task == task && roi.is_none_or(|roi| meet(&block.write, roi));
    let mut forgotten: BTreeSet<usize> =
        (0..blocks.len()).filter(|&place| is_named(&blocks[place])).collect();
    loop {
        let before = forgotten.len();
        for (place, block) in blocks.iter().enumerate() {
            let reads = |&up: &usize| {
                pipeline.edges.contains(&(blocks[up].task, block.task))
                    && meet(&block.read, &blocks[up].write)
            };
            if forgotten.iter().any(reads) {
                forgotten.insert(place);
            }
        }
        if forgotten.len() == before {
            return forgotten;
        }
    }
}

/// Does something with each block: done, failed, attempted, or nothing.
fn write(journal: &mut Journal<MemoryDisk>, keys: &[BlockKey], mut dice: u64) -> Vec<Option<u64>> {
    let mut fates = Vec::new();
    for (place, &key) in (0..).zip(keys) {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let fate = (dice >> 60 < 13).then_some(dice >> 40 & 3);
        fates.push(fate);
        let (lease, attempts) = (LeaseId(place), 2);
        let Some(fate) = fate else { continue };
        let ending = match fate {
            0 => Record::Failed { lease, key, attempts },
            1 => Record::Attempt { lease, key, attempts },
            _ => Record::Done { lease, key },
        };
        append(journal, &[Record::Grant { lease, worker: WorkerId(1), key }, ending]);
    }
    fates
}

/// What is forgotten, and whether only that which is downstream was.
type Case = (Pipeline, (usize, Vec<(i64, i64)>, bool), (u64, bool), Option<usize>);

/// Two ways from the first task to the last one, so that boxes of several kinds meet there.
fn forks() -> impl Strategy<Value = Pipeline> {
    let axis = (4_i64..8, 1_i64..3, 0_i64..4, 0_i64..4)
        .prop_map(|(cells, write, lo, hi)| AxisSpec { begin: -lo, cells, rest: 0, write, lo, hi });
    let axes = prop::collection::vec(axis, 2);
    let task = axes.prop_map(|axes| TaskSpec { axes, fit: Fit::Valid, conflict: false });
    let edges = vec![(0, 1), (0, 2), (1, 3), (2, 3)];
    prop::collection::vec(task, 4).prop_map(move |tasks| Pipeline { tasks, edges: edges.clone() })
}

fn cases() -> impl Strategy<Value = Case> {
    let length = prop_oneof![0_i64..12, Just(1)];
    let corner = prop::collection::vec((prop_oneof![-12_i64..30, 0_i64..10], length), 4);
    let named = (prop_oneof![Just(0), 0_usize..4], corner, any::<bool>());
    (
        prop_oneof![pipelines(), forks()],
        named,
        (any::<u64>(), any::<bool>()),
        prop::option::of(0_usize..3),
    )
}

fn compare((pipeline, named, (dice, compacts), max_boxes): Case) -> Result<bool, TestCaseError> {
    let (task, corner, has_roi) = named;
    let (graph, blocks) = (pipeline.graph(), pipeline.blocks());
    prop_assume!(blocks.len() < 400);
    let task = task % pipeline.tasks.len();
    let dims = pipeline.tasks[task].axes.len();
    let ends: Vec<(i64, i64)> =
        corner[..dims].iter().map(|&(begin, shape)| (begin, begin + shape)).collect();
    let roi = Roi::from_begin_end(
        ends.iter().map(|end| end.0).collect::<Vec<_>>(),
        ends.iter().map(|end| end.1).collect::<Vec<_>>(),
    )
    .unwrap();
    // A ROI without a voxel meets nothing, also where its corner lies inside a block.
    let is_empty = ends.iter().any(|end| end.0 == end.1);
    let keys = pipeline.keys(&graph, &blocks);
    let (mut journal, _) = open(MemoryDisk::new(), &graph);
    let fates = write(&mut journal, &keys, dice);
    if compacts {
        journal.compact().unwrap();
    }
    let mut expected = Model::of(&contents(journal.disk()));
    let gone = match (has_roi, is_empty) {
        (true, true) => BTreeSet::new(),
        (true, false) => naive(&pipeline, &blocks, task, Some(&ends)),
        (false, _) => naive(&pipeline, &blocks, task, None),
    };
    let name = |key: BlockKey| format!("task {}", key.task.index());
    let mut disk = journal.into_disk();
    let roi = has_roi.then_some(&roi);
    let shipped = ForgetOptions::default();
    let options = ForgetOptions { max_boxes: max_boxes.unwrap_or(shipped.max_boxes), ..shipped };
    let planned = blocks_to_forget(&mut disk, &format!("task {task}"), roi, options).unwrap();
    let is_planned = |key: BlockKey| {
        let of_task = planned.iter().filter(|blocks| blocks.name == name(key));
        of_task.flat_map(|blocks| &blocks.cells).any(|run| run.contains(&key.cell))
    };
    let planned: BTreeSet<usize> =
        (0..keys.len()).filter(|&place| is_planned(keys[place])).collect();
    prop_assert!(planned.is_superset(&gone), "too little");
    let is_exact = planned == gone;
    prop_assert!(is_exact || max_boxes.is_some(), "too much");
    // If more is forgotten, then so is all that reads it.
    let gone = planned;
    for (place, block) in blocks.iter().enumerate() {
        let reads = |&up: &usize| {
            pipeline.edges.contains(&(blocks[up].task, block.task))
                && meet(&block.read, &blocks[up].write)
        };
        prop_assert!(gone.contains(&place) || !gone.iter().any(reads), "{}", keys[place]);
    }
    let mut counts = vec![(0, 0); pipeline.tasks.len()];
    for &place in &gone {
        expected.set(&name(keys[place]), keys[place].cell, Fate::default());
        let count = &mut counts[keys[place].task.index()];
        count.0 += u64::from(matches!(fates[place], Some(2 | 3)));
        count.1 += u64::from(fates[place] == Some(0));
    }
    let forgotten = forget(&mut disk, &format!("task {task}"), roi, options).unwrap();
    prop_assert_eq!(Model::of(&contents(&disk)), expected.clone());
    let found: Vec<_> =
        forgotten.tasks.iter().map(|task| (task.name.clone(), task.done, task.failed)).collect();
    let counts = counts.into_iter().enumerate().filter(|(_, count)| *count != (0, 0));
    let counts: Vec<_> =
        counts.map(|(task, (done, failed))| (format!("task {task}"), done, failed)).collect();
    prop_assert_eq!(found, counts);
    let (_, resumed) = open(disk, &graph);
    let names: Vec<String> = (0..pipeline.tasks.len()).map(|task| format!("task {task}")).collect();
    expected.check_resumed(&resumed, &names);
    Ok(is_exact)
}

#[test]
fn exactly_what_is_downstream_is_forgotten_and_more_only_with_too_many_boxes() {
    let num_inexact = std::cell::Cell::new(0);
    let config = ProptestConfig {
        // Fewer have no case in which more is forgotten.
        cases: (8 * ProptestConfig::default().cases).max(2_048),
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&cases(), |case| {
        num_inexact.set(num_inexact.get() + u64::from(!compare(case)?));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n{runner}");
    }
    assert!(num_inexact.get() > 0, "more was never forgotten");
}

#[test]
fn a_crash_while_forgetting_leaves_nothing_done_whose_input_is_forgotten() {
    let tasks = chain(&[("a", 30), ("b", 30), ("c", 30)]);
    let (mut journal, _) = open(MemoryDisk::new(), &tasks);
    for n in 0..90 {
        let key = key(n as u32 / 30, n % 30);
        append(&mut journal, &[grant(lease(0, n), key), done(lease(0, n), key)]);
    }
    journal.sync().unwrap();
    let full = journal.into_disk();
    let roi = Roi::new([100], [50]).unwrap();
    for room in 0..200 {
        let mut disk = full.clone();
        disk.set_room(Some(room));
        let outcome = forget(&mut disk, "a", Some(&roi), ForgetOptions::default());
        let known = contents(&disk);
        for cell in 0..30_u64 {
            for (up, down) in [(0, 1), (1, 2)] {
                let reads = |up: u64| up + 1 >= cell && up <= cell + 1;
                let lacks =
                    (0..30).any(|input| reads(input) && !known.tasks[up].done.contains(input));
                assert!(!lacks || !known.tasks[down].done.contains(cell), "room {room}");
            }
        }
        if outcome.is_ok() {
            assert_eq!(known.tasks[0].done.num_cells(), 24);
            return;
        }
    }
    panic!("200 bytes are not enough");
}

#[test]
fn open_leases_are_in_the_way_unless_they_are_dropped() {
    let mut disk = eventful();
    let before = disk.bytes().to_vec();
    let refused = forget(&mut disk, "label", None, ForgetOptions::default()).unwrap_err();
    assert_eq!(refused, JournalError::LeasesOpen { open: 12 });
    assert!(refused.to_string().contains("let the run end"));
    assert_eq!(disk.bytes(), before);
    let options = ForgetOptions { drop_open_leases: true, ..Default::default() };
    let forgotten = forget(&mut disk, "label", None, options).unwrap();
    assert_eq!((forgotten.tasks.len(), forgotten.tasks[0].done), (1, 1));
    assert_eq!(forgotten.dropped_leases, 12);
    let known = contents(&disk);
    assert_eq!((known.open.len(), known.tail), (0, Tail::Clean));
    assert_eq!(disk.synced_len(), disk.bytes().len());
    assert!(known.tasks[1].done.is_empty() && !known.tasks[0].done.is_empty());
}

#[test]
fn what_cannot_be_named_is_refused() {
    let mut disk = eventful();
    let error = forget(&mut disk, "lable", None, ForgetOptions::default()).unwrap_err();
    let text = "the journal knows no task 'lable', only [\"smooth\", \"label\"]; name one of these";
    assert_eq!(error.to_string(), text);
    let roi = Roi::new([0, 0], [1, 1]).unwrap();
    let error = forget(&mut disk, "label", Some(&roi), ForgetOptions::default()).unwrap_err();
    assert_eq!(error, JournalError::DimsMismatch { expected: 1, found: 2 });
    let error = forget(&mut MemoryDisk::new(), "label", None, ForgetOptions::default());
    assert!(matches!(error, Err(JournalError::UnknownTask { .. })));
}

#[test]
fn a_roi_may_be_unbounded_along_an_axis() {
    let tasks = chain(&[("a", 30)]);
    let (mut journal, _) = open(MemoryDisk::new(), &tasks);
    append(&mut journal, &[grant(lease(0, 0), key(0, 4)), done(lease(0, 0), key(0, 4))]);
    let mut disk = journal.into_disk();
    let everywhere = Roi::unbounded(1);
    let forgotten = forget(&mut disk, "a", Some(&everywhere), ForgetOptions::default()).unwrap();
    assert_eq!(forgotten.tasks[0].done, 1);
}

/// Eleven forks and joins in a row: 2^11 paths, each with another box of readers at its end. They make
/// more boxes than are told apart: rather too much is forgotten than too little.
#[test]
fn very_many_paths_between_two_tasks_forget_boxes_around_their_blocks() {
    const FORKS: u32 = 11;
    let task = |name: String, reads: [i64; 2]| {
        let read = Roi::from_begin_end([0, 0], [reads[0] + 1, reads[1] + 1]).unwrap();
        let write = Roi::new([0, 0], [1, 1]).unwrap();
        let size = 1 << (FORKS + 1);
        let layout =
            Layout::new(Roi::new([0, 0], [size, size]).unwrap(), read, write, Fit::Overhang);
        TaskNode::new(name, layout.unwrap(), false).unwrap()
    };
    let mut graph = TaskGraph::new();
    let mut last = graph.add_task(task("first".to_owned(), [0, 0])).unwrap();
    for fork in 0..FORKS {
        let sides = [[1 << fork, 0], [0, 1 << fork]].map(|reads| {
            let side = graph.add_task(task(format!("{fork} {reads:?}"), reads)).unwrap();
            graph.add_edge(last, side).unwrap();
            side
        });
        last = graph.add_task(task(format!("join {fork}"), [0, 0])).unwrap();
        for side in sides {
            graph.add_edge(side, last).unwrap();
        }
    }
    let (mut journal, _) =
        Journal::open(MemoryDisk::new(), &graph, JournalOptions::default()).unwrap();
    let tiling = graph[last].tiling();
    let (named, step) = (3_000, 71);
    let samples = || (named % step..4_000).step_by(step as usize);
    let (mut n, mut cells) = (0, Vec::new());
    for index in samples().flat_map(|x| samples().map(move |y| [x, y])) {
        let key = BlockKey::new(last, tiling.cell_at(&index).unwrap().unwrap());
        append(&mut journal, &[grant(lease(0, n), key), done(lease(0, n), key)]);
        cells.push((key.cell, index));
        n += 1;
    }
    let mut disk = journal.into_disk();
    let roi = Roi::new([named, named], [1, 1]).unwrap();
    forget(&mut disk, "first", Some(&roi), ForgetOptions::default()).unwrap();
    let known = contents(&disk);
    let mut too_many = 0;
    for (cell, [x, y]) in cells {
        // Readers lie below what they read. Every fork adds its reach along one of the axes.
        let reach = (1 << FORKS) - 1;
        let below = [named - x, named - y];
        let is_near = below.iter().all(|below| (0..=reach).contains(below));
        let is_downstream = is_near && below[0] + below[1] <= reach;
        let is_forgotten = !known.tasks[last.index()].done.contains(cell);
        assert!(is_forgotten || !is_downstream, "({x}, {y}) reads what is forgotten");
        assert!(is_near || !is_forgotten, "({x}, {y}) is outside the box around all");
        too_many += u64::from(is_forgotten && !is_downstream);
    }
    assert!(too_many > 0, "the limit is not reached");
}
