//! Marks of blocks.

use daisy_geometry::Roi;

use super::{Database, create, everything, graph, ids, node, roi, schema};
use crate::{Begun, BlockLease, Committed, Edge, GraphError, Open, Write};

const BLOCK: BlockLease<'_> =
    BlockLease { run: "run 1", task: "O'Brien's task", block: 7, lease: 5 };

fn lease(lease: u64) -> BlockLease<'static> {
    BlockLease { lease, ..BLOCK }
}

/// The result of a block is written once.
pub fn the_result_of_a_block_is_written_once(database: &dyn Database) {
    let store = create(database, schema());
    let write = Write::replace(roi([0, 0], [10, 10]));
    let first = graph(&*store, [node(1, 0.0, 0.0)], [Edge::new(1, 2)]);
    assert_eq!(store.begin_block(&BLOCK).unwrap(), Begun::Begun);
    assert_eq!(store.begin_block(&BLOCK).unwrap(), Begun::Begun); // asked again: the same answer
    assert!(store.blocks_done(BLOCK.task, None).unwrap().is_empty());
    let outcome = store.commit_block(&BLOCK, &first, &write).unwrap();
    assert!(matches!(outcome, Committed::Written(written) if written.written.nodes == 1));
    assert_eq!(everything(&*store), first);

    let second = graph(&*store, [node(2, 5.0, 5.0)], []);
    for later in [lease(5), lease(6), lease(0), lease(u64::MAX)] {
        let outcome = store.commit_block(&later, &second, &write).unwrap();
        assert_eq!(outcome, Committed::AlreadyDone);
        assert_eq!(store.begin_block(&later).unwrap(), Begun::AlreadyDone);
    }
    assert_eq!(everything(&*store), first);
    let reader = database.open(Open::Read).unwrap();
    assert_eq!(reader.blocks_done(BLOCK.task, Some(BLOCK.run)).unwrap(), [7..8]);
}

/// A stale lease writes nothing.
pub fn a_stale_lease_writes_nothing(database: &dyn Database) {
    let store = create(database, schema());
    let graph = graph(&*store, [node(1, 0.0, 0.0)], []);
    let write = Write::upsert();
    assert_eq!(store.begin_block(&lease(1 << 63)).unwrap(), Begun::Begun);
    let stale = Committed::StaleLease { stored: 1 << 63 };
    assert_eq!(store.commit_block(&lease(5), &graph, &write).unwrap(), stale);
    let stale = Begun::StaleLease { stored: 1 << 63 };
    assert_eq!(store.begin_block(&lease((1 << 63) - 1)).unwrap(), stale);
    assert!(everything(&*store).is_empty());
    assert!(store.blocks_done(BLOCK.task, None).unwrap().is_empty());
    // A higher lease takes over, whether it was begun or not.
    let outcome = store.commit_block(&lease(u64::MAX), &graph, &write).unwrap();
    assert!(matches!(outcome, Committed::Written(_)));
}

/// Runs and tasks and blocks are told apart.
pub fn runs_and_tasks_and_blocks_are_told_apart(database: &dyn Database) {
    let store = create(database, schema());
    let write = Write::upsert();
    let blocks = [
        BLOCK,
        BlockLease { run: "run 2", ..BLOCK },
        BlockLease { task: "another", ..BLOCK },
        BlockLease { block: u64::MAX, ..BLOCK },
    ];
    for (n, block) in (0..).zip(blocks) {
        let graph = graph(&*store, [node(n, 0.0, 0.0)], []);
        let outcome = store.commit_block(&block, &graph, &write).unwrap();
        assert!(matches!(outcome, Committed::Written(_)), "{block:?}");
    }
    assert_eq!(ids(&everything(&*store)), [0, 1, 2, 3]);
    let done = |task, run| store.blocks_done(task, run).unwrap();
    assert_eq!(done(BLOCK.task, Some("run 1")), [7..8, u64::MAX..u64::MAX]);
    assert_eq!(done(BLOCK.task, Some("run 2")), [7..8]);
    assert_eq!(done("another", None), [7..8]);
    assert_eq!(done("nothing", None), []);
}

/// Done blocks are given as runs and can be forgotten.
pub fn done_blocks_are_given_as_runs_and_can_be_forgotten(database: &dyn Database) {
    let store = create(database, schema());
    let graph = store.schema().sub_graph();
    for run in ["run 1", "run 2"] {
        for block in [4, 0, 1, 2, 9, 3, 20] {
            let block = BlockLease { run, block, ..BLOCK };
            let outcome = store.commit_block(&block, &graph, &Write::upsert()).unwrap();
            assert!(matches!(outcome, Committed::Written(_)));
        }
    }
    let _ = store.begin_block(&BlockLease { block: 5, ..BLOCK }).unwrap(); // begun is not done
    let done = || store.blocks_done(BLOCK.task, None).unwrap();
    assert_eq!(done(), [0..5, 9..10, 20..21]);
    assert_eq!(store.forget(BLOCK.task, &[2..4, 9..15]).unwrap(), 6); // of both runs
    assert_eq!(done(), [0..2, 4..5, 20..21]);
    assert_eq!(store.forget("another", &[0..100]).unwrap(), 0);
    let again = BlockLease { block: 3, lease: 0, ..BLOCK };
    let outcome = store.commit_block(&again, &graph, &Write::upsert()).unwrap();
    assert!(matches!(outcome, Committed::Written(_)));
    assert_eq!(store.forget(BLOCK.task, &[0..u64::MAX]).unwrap(), 10);
    assert_eq!(done(), []);
}

/// A result that is refused leaves no mark.
pub fn a_result_that_is_refused_leaves_no_mark(database: &dyn Database) {
    let store = create(database, schema());
    let nobodys = graph(&*store, [node(1, 0.0, 0.0)], [Edge::new(9, 1)]);
    let refused = store.commit_block(&BLOCK, &nobodys, &Write::replace(Roi::unbounded(2)));
    assert!(matches!(refused, Err(GraphError::UnknownEndpoint { .. })));
    assert!(everything(&*store).is_empty());
    assert!(store.blocks_done(BLOCK.task, None).unwrap().is_empty());
    assert_eq!(store.begin_block(&lease(0)).unwrap(), Begun::Begun);
}
