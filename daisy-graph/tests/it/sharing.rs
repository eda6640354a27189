//! Whether blocks of two tasks may be at one chunk at the same time, against comparing all pairs of blocks.

use std::collections::BTreeSet;

use daisy_block::TaskId;
use daisy_geometry::Coordinate;
use daisy_graph::{Access, unordered_tasks};
use proptest::prelude::*;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_pair_is_overlooked_and_none_is_invented_between_neighbours(
        pipeline in pipelines(),
        accesses in prop::collection::vec(prop::option::of(any::<bool>()), 4),
        grid in prop::collection::vec((-5_i64..5, 1_i64..12), 4),
    ) {
        let dims = pipeline.tasks[0].axes.len();
        let (origin, shape): (Vec<i64>, Vec<i64>) = grid[..dims].iter().copied().unzip();
        let access = |is_writer: bool| if is_writer { Access::Writes } else { Access::Reads };
        let claims: Vec<(TaskId, Access)> = (0..pipeline.tasks.len())
            .filter_map(|task| Some((TaskId::new(task as u32), access(accesses[task]?))))
            .collect();
        let chunks = (Coordinate::from_slice(&origin), Coordinate::from_slice(&shape));
        let found = unordered_tasks(&pipeline.graph(), &claims, &chunks).unwrap();

        let blocks = pipeline.blocks();
        let ancestors = ancestors(&pipeline, &blocks);
        let access_of = |task: usize| {
            claims.iter().find(|(id, _)| id.index() == task).map(|&(_, access)| access)
        };
        let mut naive = None;
        for (b, down) in blocks.iter().enumerate() {
            for (a, up) in blocks[..b].iter().enumerate().filter(|(_, up)| up.task != down.task) {
                let (Some(one), Some(other)) = (access_of(up.task), access_of(down.task)) else { continue };
                let is_write = one == Access::Writes || other == Access::Writes;
                let chunks = |block, access| chunks_of(block, access, &origin, &shape);
                if is_write && !ancestors[b].contains(&a) && meet(&chunks(up, one), &chunks(down, other)) {
                    naive = Some((up.task, down.task));
                }
            }
        }
        if found.is_none() {
            prop_assert_eq!(naive, None, "overlooked");
        }
        // With two tasks there is no order but that of their edge.
        if naive.is_none() && pipeline.tasks.len() == 2 {
            prop_assert_eq!(found, None, "invented");
        }
    }
}
