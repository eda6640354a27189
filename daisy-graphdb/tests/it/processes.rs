//! Several processes on one database, and some that are killed: the test binary again, told by
//! the environment what to do.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use daisy_geometry::{Coordinate, Roi};
use daisy_graphdb::{
    AttrType, BlockLease, Committed, Edge, Filter, GraphStore, Node, Position, Query, Schema,
    SubGraph, Write,
};

const ROLE: &str = "DAISY_TEST_ROLE";
const PLACE: &str = "DAISY_TEST_PLACE";

/// Blocks that a process commits.
const BLOCKS: u32 = 20;

pub(crate) fn schema() -> Schema {
    let schema = Schema::new(Coordinate::new([10, 10])).unwrap();
    schema.node_attr("raw", AttrType::Bytes).unwrap()
}

/// What a block of `nodes` nodes writes.
pub(crate) fn block(store: &dyn GraphStore, number: u32, nodes: u64) -> (SubGraph, Write) {
    let mut graph = store.schema().sub_graph();
    let first = u64::from(number) * nodes;
    let row = f64::from(number) * 10.0;
    for id in first..first + nodes {
        let column = u32::try_from(id % 1_000).unwrap();
        let position = Position::new([row + 0.5, f64::from(column)]).unwrap();
        graph.insert_node(Node::new(id, position).with("raw", vec![0_u8; 100]));
        graph.insert_edge(Edge::new(id, id + 1));
    }
    let roi = Roi::from_axes([Some((i64::from(number) * 10, 10)), None]).unwrap();
    (graph, Write::replace(roi))
}

pub(crate) fn lease(block: u32, lease: u64) -> BlockLease<'static> {
    BlockLease { run: "r", task: "t", block: block.into(), lease }
}

/// Runs a role in this process, if it was started for one; `open` opens the place that is given.
pub(crate) fn play(open: impl Fn(&str) -> Box<dyn GraphStore>) {
    let (Ok(role), Ok(place)) = (env::var(ROLE), env::var(PLACE)) else { return };
    let store = open(&place);
    match role.split_once(' ') {
        Some(("commit", first)) => {
            let first: u32 = first.parse().unwrap();
            for number in (first..).take(BLOCKS as usize) {
                let (graph, write) = block(&*store, number, 50);
                let _ = store.begin_block(&lease(number, 1)).unwrap();
                let outcome = store.commit_block(&lease(number, 1), &graph, &write).unwrap();
                assert!(matches!(outcome, Committed::Written(_)));
            }
        }
        Some(("large", nodes)) => {
            let (graph, write) = block(&*store, 1, nodes.parse().unwrap());
            println!("\nwriting");
            let _ = store.commit_block(&lease(1, 1), &graph, &write).unwrap();
            println!("\nwritten");
        }
        _ => panic!("no role {role}"),
    }
}

/// Starts this test binary in a role; `test` is the test that calls [`play`].
pub(crate) fn start(test: &str, role: &str, place: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role)
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Four processes commit blocks of one task at the same time.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "for databases that have transactions")
)]
pub(crate) fn four_processes_commit(store: &dyn GraphStore, test: &str, place: &str) {
    let firsts = (0..4).map(|process| process * BLOCKS);
    let children: Vec<_> =
        firsts.map(|first| start(test, &format!("commit {first}"), place)).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let blocks = u64::from(4 * BLOCKS);
    assert_eq!(store.blocks_done("t", Some("r")).unwrap(), vec![0..blocks]);
    let all = store.read(&Query::new(Roi::unbounded(2))).unwrap();
    assert_eq!((all.num_nodes() as u64, all.num_edges() as u64), (blocks * 50, blocks * 50));
    assert_eq!(all.connected_components().len(), 1);
}

/// A process is killed in the middle of a large commit, when `has_begun` says that the database
/// has received a part of it.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "for databases that have transactions")
)]
pub(crate) fn a_process_is_killed(
    store: &dyn GraphStore,
    test: &str,
    place: &str,
    has_begun: impl Fn() -> bool,
) {
    const NODES: u64 = 300_000;
    let (before, write) = block(store, 0, 50);
    store.write(&before, &write).unwrap();
    let mut child = start(test, &format!("large {NODES}"), place);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "writing"));
    while !has_begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!lines.any(|line| line.unwrap() == "written"), "it was killed too late");

    let everywhere = Roi::unbounded(2);
    assert_eq!(store.read(&Query::new(everywhere.clone())).unwrap(), before);
    assert!(store.blocks_done("t", None).unwrap().is_empty());
    // The block is lent again, and its result counts.
    let (graph, write) = block(store, 1, 500);
    let outcome = store.commit_block(&lease(1, 2), &graph, &write).unwrap();
    assert!(matches!(outcome, Committed::Written(_)));
    assert_eq!(store.count_nodes(&everywhere, &Filter::All).unwrap(), 550);
}
