//! The store in a file.

use std::path::PathBuf;

use daisy_graphdb::testkit::Database;
use daisy_graphdb::{
    BlockLease, Committed, Durability, GraphError, GraphStore, Open, SqliteOptions, SqliteStore,
    Write,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::processes;

/// A file in a folder of its own.
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("graph.db")
    }
}

impl Database for File {
    fn open(&self, open: Open) -> Result<Box<dyn GraphStore>, GraphError> {
        Ok(Box::new(SqliteStore::open(self.path(), open)?))
    }
}

daisy_graphdb::conformance!(|| Some(File::new()));

#[test]
fn a_graph_is_removed_and_no_other_file_is() {
    let file = File::new();
    SqliteStore::remove(file.path()).unwrap(); // nothing there
    let schema = processes::schema();
    let store = file.open(Open::Create(schema.clone())).unwrap();
    let commit = || {
        let (graph, write) = processes::block(&*store, 1, 2);
        store.commit_block(&processes::lease(1, 1), &graph, &write)
    };
    assert!(matches!(commit().unwrap(), Committed::Written(_)));
    SqliteStore::remove(file.path()).unwrap();
    assert!(matches!(file.open(Open::ReadWrite), Err(GraphError::NotFound { .. })));
    let other = file.open(Open::Create(schema.undirected())).unwrap();
    assert_eq!(other.blocks_done("t", None).unwrap(), []);
    let text = File::new();
    std::fs::write(text.path(), "a letter, long enough to be read as the head of a file").unwrap();
    assert!(matches!(SqliteStore::remove(text.path()), Err(GraphError::NotAGraph { .. })));
    assert!(text.path().exists());
}

#[test]
fn as_another_process() {
    processes::play(|path| {
        let mut options = SqliteOptions::default();
        options.cache_mib = 1; // so that large commits reach the file before their end
        Box::new(SqliteStore::open_with(path, Open::ReadWrite, options).unwrap())
    });
}

#[test]
fn four_processes_lose_nothing() {
    let file = File::new();
    let store = file.open(Open::Create(processes::schema())).unwrap();
    let place = file.path().display().to_string();
    processes::four_processes_commit(&*store, "sqlite::as_another_process", &place);
}

#[test]
fn a_writer_that_is_killed_in_the_middle_leaves_nothing() {
    let file = File::new();
    let store = file.open(Open::Create(processes::schema())).unwrap();
    let place = file.path().display().to_string();
    // Pages that do not fit into the cache go to the log before the commit.
    let log = file.path().with_extension("db-wal");
    let has_begun = || std::fs::metadata(&log).is_ok_and(|log| log.len() > 4 << 20);
    processes::a_process_is_killed(&*store, "sqlite::as_another_process", &place, has_begun);
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    let file = File::new();
    std::fs::write(file.path(), "this is not a database, however long it may be".repeat(100))
        .unwrap();
    for open in [Open::Read, Open::ReadWrite] {
        let error = file.open(open).err().unwrap();
        assert!(matches!(error, GraphError::NotAGraph { .. }), "{error}");
    }
    let file = File::new();
    Connection::open(file.path()).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
    for open in [Open::Read, Open::Create(processes::schema())] {
        let error = file.open(open).err().unwrap();
        assert!(matches!(error, GraphError::NotAGraph { .. }), "{error}");
    }
}

#[test]
fn an_empty_file_is_no_graph_yet() {
    let file = File::new();
    std::fs::write(file.path(), "").unwrap();
    assert!(matches!(file.open(Open::Read), Err(GraphError::NotFound { .. })));
    assert!(file.open(Open::Create(processes::schema())).is_ok());
}

#[test]
fn commits_may_wait_for_the_disk() {
    let file = File::new();
    let mut options = SqliteOptions::default();
    options.durability = Durability::Power;
    let open = Open::Create(processes::schema());
    let store = SqliteStore::open_with(file.path(), open, options).unwrap();
    let lease = BlockLease { run: "r", task: "t", block: 0, lease: 0 };
    let graph = store.schema().sub_graph();
    assert!(matches!(
        store.commit_block(&lease, &graph, &Write::upsert()).unwrap(),
        Committed::Written(_)
    ));
}
