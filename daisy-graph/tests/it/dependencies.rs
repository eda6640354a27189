//! Every answer of the dependency graph equals what comparing all pairs of blocks says.

use std::collections::{BTreeMap, BTreeSet};

use daisy_block::{BlockKey, TaskId};
use daisy_graph::DependencyGraph;
use proptest::prelude::*;

use crate::oracle::{Pipeline, conflict, pipelines};

proptest! {
    #![proptest_config(ProptestConfig { cases: 39 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn all_answers_agree_with_brute_force(pipeline in pipelines()) {
        check(&pipeline)?;
    }
}

/// Compares blocks, upstream, downstream, roots and levels of one pipeline.
pub(crate) fn check(pipeline: &Pipeline) -> Result<(), TestCaseError> {
    let graph = DependencyGraph::new(pipeline.graph());
    let blocks = pipeline.blocks();
    let keys = pipeline.keys(graph.tasks(), &blocks);
    let upstream = pipeline.upstream(&blocks);
    prop_assert_eq!(graph.num_blocks(), blocks.len() as u64);
    prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "names are unique");

    let mut downstream: BTreeMap<BlockKey, BTreeSet<BlockKey>> = BTreeMap::new();
    for ((block, &key), waits) in blocks.iter().zip(&keys).zip(&upstream) {
        let made = graph.block(key).unwrap();
        let ends = |roi: &daisy_geometry::Roi| -> Vec<(i64, i64)> {
            (0..roi.dims()).map(|a| (roi.begin_at(a).unwrap(), roi.end_at(a).unwrap())).collect()
        };
        prop_assert_eq!(ends(&made.read_roi), block.read.clone());
        prop_assert_eq!(ends(&made.write_roi), block.write.clone());

        let expected: BTreeSet<BlockKey> = waits.iter().map(|&other| keys[other]).collect();
        let answer: Vec<BlockKey> = graph.upstream(key).unwrap().collect();
        let found: BTreeSet<BlockKey> = answer.iter().copied().collect();
        prop_assert_eq!(found.len(), answer.len(), "each block once");
        prop_assert_eq!(&found, &expected, "upstream of {}", key);
        for &other in &expected {
            downstream.entry(other).or_default().insert(key);
        }
        let explained = graph.explain(key).unwrap();
        let inputs: u64 = explained.inputs.iter().map(|(_, cells)| cells.num_cells()).sum();
        prop_assert_eq!(explained.conflicting.len() as u64 + inputs, expected.len() as u64);
    }
    for &key in &keys {
        let found: BTreeSet<BlockKey> = graph.downstream(key).unwrap().collect();
        prop_assert_eq!(
            found,
            downstream.remove(&key).unwrap_or_default(),
            "downstream of {}",
            key
        );
    }

    let expected: Vec<BlockKey> = {
        let roots = keys.iter().zip(&upstream).filter(|(_, waits)| waits.is_empty());
        let mut roots: Vec<BlockKey> = roots.map(|(&key, _)| key).collect();
        roots.sort();
        roots
    };
    prop_assert_eq!(graph.roots().collect::<Vec<_>>(), expected.clone());
    prop_assert_eq!(graph.num_roots(), expected.len() as u64);
    check_levels(pipeline, &graph)
}

/// Levels share out the blocks, ascending, and no two blocks of one conflict; blocks that conflict
/// are always ordered.
fn check_levels(pipeline: &Pipeline, graph: &DependencyGraph) -> Result<(), TestCaseError> {
    for (task, spec) in pipeline.tasks.iter().enumerate() {
        let id = TaskId::new(task as u32);
        let blocks: BTreeMap<BlockKey, _> = {
            let blocks = spec.blocks(task);
            let tiling = graph.tasks()[id].tiling();
            let key = |block: &crate::oracle::NaiveBlock| {
                BlockKey::new(id, tiling.cell_at(&block.index).unwrap().unwrap())
            };
            blocks.into_iter().map(|block| (key(&block), block)).collect()
        };
        let mut level_of = BTreeMap::new();
        for (level, members) in graph.levels(id).unwrap().enumerate() {
            let members: Vec<BlockKey> = members.collect();
            prop_assert!(members.is_sorted());
            for &key in &members {
                prop_assert_eq!(level_of.insert(key, level), None);
            }
        }
        prop_assert_eq!(level_of.len(), blocks.len());
        if spec.conflict {
            for (a, block) in &blocks {
                for (b, other) in &blocks {
                    prop_assert!(!conflict(block, other) || level_of[a] != level_of[b]);
                }
            }
        }
    }
    Ok(())
}
