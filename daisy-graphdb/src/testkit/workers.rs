//! Many workers on one database.

use std::sync::Barrier;
use std::thread;

use daisy_geometry::Roi;

use super::{Database, create, everything, graph, node, roi, schema};
use crate::{BlockLease, Committed, Edge, Filter, GraphStore, Open, Query, Write};

const WORKERS: u64 = 4;

/// The graph of one of many blocks along the first axis, with an edge into the next block.
fn block(store: &dyn GraphStore, block: u32) -> (Roi, crate::SubGraph) {
    let begin = i64::from(block) * 10;
    let first = u64::from(block) * 10;
    let nodes = (0..10_u32)
        .map(|n| node(first + u64::from(n), f64::from(block * 10 + n), 0.5).with("count", begin));
    let graph = graph(store, nodes, (0..10).map(|n| Edge::new(first + n, first + n + 1)));
    (roi([begin, 0], [begin + 10, 10]), graph)
}

/// Four writers at once lose nothing.
pub fn four_writers_at_once_lose_nothing(database: &dyn Database) {
    let store = create(database, schema());
    let shared = &*store;
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                let own = database.open(Open::ReadWrite).unwrap();
                for n in 0..10 {
                    let number = u32::try_from(n * WORKERS + worker).unwrap();
                    let store = if n % 2 == 0 { &*own } else { shared };
                    let (roi, graph) = block(store, number);
                    store.write(&graph, &Write::replace(roi.clone())).unwrap();
                    store.write(&graph, &Write::replace(roi.clone())).unwrap();
                    let query = Query::new(roi);
                    assert_eq!(store.read(&query).unwrap(), graph);
                }
            });
        }
    });
    let all = everything(shared);
    assert_eq!((all.num_nodes(), all.num_edges()), (400, 400));
    assert_eq!(all.connected_components().len(), 1);
}

/// Of many who commit one block one writes.
pub fn of_many_who_commit_one_block_one_writes(database: &dyn Database) {
    let store = create(database, schema());
    if !store.is_atomic() {
        return;
    }
    let start = Barrier::new(usize::try_from(WORKERS).unwrap());
    for number in 0..5_u32 {
        let written: usize = thread::scope(|scope| {
            let workers = (0..WORKERS).map(|worker| {
                let start = &start;
                scope.spawn(move || {
                    let own = database.open(Open::ReadWrite).unwrap();
                    let (_, graph) = block(&*own, number);
                    let claim =
                        BlockLease { run: "r", task: "t", block: number.into(), lease: worker };
                    start.wait();
                    let outcome = own.commit_block(&claim, &graph, &Write::insert_only()).unwrap();
                    usize::from(matches!(outcome, Committed::Written(_)))
                })
            });
            let workers: Vec<_> = workers.collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(written, 1);
    }
    assert_eq!(store.blocks_done("t", Some("r")).unwrap(), [0..5]);
    assert_eq!(store.count_nodes(&Roi::unbounded(2), &Filter::All).unwrap(), 50);
}

/// A reader sees one moment.
pub fn a_reader_sees_one_moment(database: &dyn Database) {
    let store = create(database, schema());
    if !store.is_atomic() {
        return;
    }
    for number in 0..4 {
        store.write(&block(&*store, number).1, &Write::upsert()).unwrap();
    }
    let mut seen = 0;
    let query = Query::new(Roi::unbounded(2));
    store
        .stream(&query, 7, &mut |graph| {
            seen += graph.num_nodes();
            // The stream goes on as if this had not happened.
            database.open(Open::ReadWrite)?.delete(&Roi::unbounded(2))?;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, 40);
    assert!(everything(&*store).is_empty());
}
