//! Whether blocks of two tasks may be at one chunk at the same time, against comparing all pairs of blocks.

use std::{cell::Cell, collections::BTreeSet};

use daisy_block::{Fit, Layout, TaskId};
use daisy_geometry::{Coordinate, Roi};
use daisy_graph::{
    Access, SharingSearch, TaskGraph, TaskNode, unordered_tasks, unordered_tasks_within,
};
use proptest::{
    prelude::*,
    test_runner::{TestCaseResult, TestRunner},
};

use crate::oracle::{NaiveBlock, Pipeline, meet, pipelines};

/// The chunks that a block is at, as an interval of numbers along each axis.
fn chunks_of(block: &NaiveBlock, access: Access, origin: &[i64], shape: &[i64]) -> Vec<(i64, i64)> {
    let claimed = match access {
        Access::Reads => &block.read,
        Access::Writes => &block.write,
    };
    let of = |(axis, &(begin, end)): (usize, &(i64, i64))| {
        let number = |at: i64| (at - origin[axis]).div_euclid(shape[axis]);
        (number(begin), number(end - 1) + 1)
    };
    claimed.iter().enumerate().map(of).collect()
}

/// Everything that each block waits for along data edges, directly or not.
fn ancestors(pipeline: &Pipeline, blocks: &[NaiveBlock]) -> Vec<BTreeSet<usize>> {
    let reads = |a: &NaiveBlock, b: &NaiveBlock| {
        pipeline.edges.contains(&(b.task, a.task)) && meet(&a.read, &b.write)
    };
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    // Tasks upstream have lower numbers, and so have their blocks.
    for block in blocks {
        let direct = (0..all.len()).filter(|&other| reads(block, &blocks[other]));
        let mut found: BTreeSet<usize> = direct.collect();
        for other in found.clone() {
            found.extend(all[other].iter().copied());
        }
        all.push(found);
    }
    all
}

/// Which tasks do what, and the grid of chunks.
type Case = (Pipeline, Vec<Option<bool>>, Vec<(i64, i64)>);

fn cases() -> impl Strategy<Value = Case> {
    let grid = prop::collection::vec((-5_i64..5, 1_i64..12), 4);
    (pipelines(), prop::collection::vec(prop::option::of(any::<bool>()), 4), grid)
}

fn compare((pipeline, accesses, grid): &Case, search: &mut SharingSearch) -> TestCaseResult {
    let dims = pipeline.tasks[0].axes.len();
    let (origin, shape): (Vec<i64>, Vec<i64>) = grid[..dims].iter().copied().unzip();
    let access = |is_writer: bool| if is_writer { Access::Writes } else { Access::Reads };
    let claims: Vec<(TaskId, Access)> = (0..pipeline.tasks.len())
        .filter_map(|task| Some((TaskId::new(task as u32), access(accesses[task]?))))
        .collect();
    let chunks = (Coordinate::from_slice(&origin), Coordinate::from_slice(&shape));
    let found = unordered_tasks_within(&pipeline.graph(), &claims, &chunks, search).unwrap();

    let blocks = pipeline.blocks();
    let ancestors = ancestors(pipeline, &blocks);
    let access_of =
        |task: usize| claims.iter().find(|(id, _)| id.index() == task).map(|&(_, access)| access);
    let mut naive = None;
    for (b, down) in blocks.iter().enumerate() {
        for (a, up) in blocks[..b].iter().enumerate().filter(|(_, up)| up.task != down.task) {
            let (Some(one), Some(other)) = (access_of(up.task), access_of(down.task)) else {
                continue;
            };
            let is_write = one == Access::Writes || other == Access::Writes;
            let chunks = |block, access| chunks_of(block, access, &origin, &shape);
            if is_write
                && !ancestors[b].contains(&a)
                && meet(&chunks(up, one), &chunks(down, other))
            {
                naive = Some((up.task, down.task));
            }
        }
    }
    if found.is_none() {
        prop_assert_eq!(naive, None, "overlooked");
    }
    // With two tasks there is no order but that of their edge.
    if naive.is_none() && pipeline.tasks.len() == 2 && search.axes_unseen == 0 {
        prop_assert_eq!(found, None, "invented");
    }
    Ok(())
}

#[test]
fn no_pair_is_overlooked_and_none_is_invented_between_neighbours() {
    let sizes = (prop::option::of(0_i64..5), prop::option::of(1_usize..3));
    // Seen, unseen and left out: with the sizes that are shipped, and with others.
    let taken = Cell::new([[0; 3]; 2]);
    let config = ProptestConfig {
        // Fewer do not take all ways.
        cases: (16 * ProptestConfig::default().cases).max(1_024),
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(cases(), sizes), |(case, (max_cells, max_paths))| {
        let shipped = SharingSearch::default();
        let mut search = SharingSearch {
            max_cells: max_cells.unwrap_or(shipped.max_cells),
            max_paths: max_paths.unwrap_or(shipped.max_paths),
            ..shipped
        };
        compare(&case, &mut search)?;
        let mut counts = taken.get();
        let of = usize::from(max_cells.is_none() && max_paths.is_none());
        let found = [search.axes_seen, search.axes_unseen, search.paths_left_out];
        counts[of].iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        taken.set(counts);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n{runner}");
    }
    let [small, shipped] = taken.get();
    assert!(small.iter().all(|&count| count > 0) && shipped[0] > 0, "{taken:?}");
}

/// A task of ten blocks in one dimension.
fn task(name: &str) -> TaskNode {
    let block = Roi::new([0], [10]).unwrap();
    let layout = Layout::new(Roi::new([0], [100]).unwrap(), block.clone(), block, Fit::Valid);
    TaskNode::new(name, layout.unwrap(), false).unwrap()
}

#[test]
fn ways_that_lead_elsewhere_do_not_hide_the_one_that_orders_two_tasks() {
    let mut tasks = TaskGraph::new();
    let first = tasks.add_task(task("first")).unwrap();
    let between: Vec<TaskId> =
        (0..100).map(|number| tasks.add_task(task(&format!("{number}"))).unwrap()).collect();
    let last = tasks.add_task(task("last")).unwrap();
    between.iter().for_each(|&task| tasks.add_edge(task, last).unwrap());
    tasks.add_edge(first, between[99]).unwrap();
    let claims = [(first, Access::Writes), (last, Access::Reads)];
    let chunks = |shape: i64| (Coordinate::from([0]), Coordinate::from([shape]));
    assert_eq!(unordered_tasks(&tasks, &claims, &chunks(10)).unwrap(), None);
    let found = unordered_tasks(&tasks, &claims, &chunks(20)).unwrap().unwrap();
    assert_eq!(found.axis, Some(0), "{found}");
}

#[test]
fn axes_of_very_many_cells_are_in_order_only_where_chunks_lie_within_blocks() {
    let long = |name: &str, context: i64| {
        let block = Roi::new([0], [10]).unwrap();
        let (total, read) = (Roi::new([0], [10_000_000]).unwrap(), block.grow(context, context));
        let total = total.grow(context, context).unwrap();
        let layout = Layout::new(total, read.unwrap(), block, Fit::Valid).unwrap();
        TaskNode::new(name, layout, false).unwrap()
    };
    let mut tasks = TaskGraph::new();
    let first = tasks.add_task(long("first", 0)).unwrap();
    let last = tasks.add_task(long("last", 10)).unwrap();
    tasks.add_edge(first, last).unwrap();
    let claims = [(first, Access::Writes), (last, Access::Reads)];
    let find = |shape: i64| {
        let mut search = SharingSearch::default();
        let chunks = (Coordinate::from([0]), Coordinate::from([shape]));
        let found = unordered_tasks_within(&tasks, &claims, &chunks, &mut search).unwrap();
        assert!(search.axes_unseen > 0 && search.axes_seen == 0);
        found.map(|found| found.axis)
    };
    // Chunks of 20 are in order too, but nobody has looked.
    assert_eq!([find(10), find(5), find(20), find(4)], [None, None, Some(Some(0)), Some(Some(0))]);
}
