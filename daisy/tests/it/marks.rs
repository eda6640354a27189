//! Blocks whose results a store of graphs has: skipped, and forgotten together with the journal's.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use daisy::{
    Error, Loan, Task, TaskBuilder,
    graphs::{BlockLease, Committed, GraphStore, MemoryDatabase, MemoryStore, Open, Schema, Write},
    journal,
};

use crate::support::{Calls, line, quick, roi};

type Store = Arc<MemoryStore>;

fn store() -> Store {
    let open = Open::Create(Schema::new([10].into()).unwrap());
    Arc::new(MemoryStore::open(&MemoryDatabase::new(), open).unwrap())
}

/// A task of so many blocks, each of which commits its mark; the loans that it saw.
fn committing(name: &'static str, store: &Store, loans: &Arc<Mutex<Vec<Loan>>>) -> TaskBuilder {
    let (own, loans) = (Arc::clone(store), Arc::clone(loans));
    line(name, 10).process_loan(move |block, loan| {
        loans.lock().unwrap().push(loan);
        let mark = BlockLease { run: "r", task: name, block: block.key.cell, lease: loan.lease };
        let write = Write::replace(block.write_roi.clone());
        let committed = own.commit_block(&mark, &own.schema().sub_graph(), &write).unwrap();
        assert!(matches!(committed, Committed::Written(_)), "{committed:?}");
    })
}

fn run(path: &Path, task: &Task) -> daisy::RunReport {
    quick().journal(path).run(std::slice::from_ref(task)).unwrap()
}

#[test]
fn a_block_function_sees_its_lease_which_grows_from_start_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let loans: Arc<Mutex<Vec<Loan>>> = Arc::default();
    let seen = Arc::clone(&loans);
    let task = line("a", 1).max_retries(2).process_loan(move |_, loan| {
        seen.lock().unwrap().push(loan);
        if loan.attempt < 3 { Err("not yet") } else { Ok(()) }
    });
    let task = task.build().unwrap();
    for start in 0..2 {
        assert!(run(&folder.path().join("j"), &task).is_success());
        let _ = journal::forget(folder.path().join("j"), "a", None, false).unwrap();
        assert_eq!(loans.lock().unwrap().len(), 3 * (start + 1));
    }
    assert!(quick().serial(true).run(&[task]).unwrap().is_success());
    let loans = loans.lock().unwrap();
    let attempts: Vec<u32> = loans.iter().map(|loan| loan.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    assert!(loans[..6].windows(2).all(|pair| pair[0].lease < pair[1].lease), "{loans:?}");
}

#[test]
fn what_a_store_has_is_skipped_and_its_dependents_run() {
    let (store, loans) = (store(), Arc::default());
    let first = committing("a", &store, &loans).build().unwrap();
    let part = quick().request(&first, roi(20, 60)).run(std::slice::from_ref(&first)).unwrap();
    assert_eq!(part.tasks[0].counts.completed, 4);
    let marks = Arc::clone(&store);
    let first = committing("a", &store, &loans).blocks_done(move || marks.blocks_done("a", None));
    let second = line("b", 10).process(|_| ()).upstream(&first.build().unwrap()).build().unwrap();
    let whole = quick().run(&[second]).unwrap();
    assert!(whole.is_success());
    assert_eq!((whole.tasks[0].counts.skipped, whole.tasks[0].counts.completed), (4, 6));
    assert_eq!(whole.tasks[1].counts.completed, 10);
}

#[test]
fn a_run_is_refused_while_nobody_can_say_what_is_done() {
    let calls = Calls::default();
    let task = line("a", 3).process(calls.function()).blocks_done(|| Err("no database"));
    let error = quick().run(&[task.build().unwrap()]).unwrap_err();
    assert!(matches!(&error, Error::BlocksDone { task, .. } if task == "a"), "{error}");
    assert!(error.to_string().contains("no database"), "{error}");
    assert_eq!(calls.total(), 0);
}

#[test]
fn stretches_beyond_the_task_or_the_request_are_nothing() {
    let task = line("a", 10).process(|_| ());
    let runs = || Ok::<_, Error>(vec![0..1, 3..3, 8..90, 200..300]);
    let task = task.blocks_done(runs).build().unwrap();
    let report = quick().request(&task, roi(0, 90)).run(&[task]).unwrap();
    assert_eq!((report.tasks[0].counts.skipped, report.tasks[0].counts.completed), (2, 7));
}

#[test]
fn marks_are_forgotten_together_with_the_journal_and_downstream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (store, loans) = (store(), Arc::default());
    let task = || {
        let (a, b) = (Arc::clone(&store), Arc::clone(&store));
        let first = committing("a", &store, &loans).blocks_done(move || a.blocks_done("a", None));
        let second = committing("b", &store, &loans).blocks_done(move || b.blocks_done("b", None));
        second.upstream(&first.build().unwrap()).build().unwrap()
    };
    assert!(run(&path, &task()).is_success());
    let stores: [&dyn GraphStore; 1] = [&*store];
    let part = roi(15, 35);
    let forgotten = journal::forget_with_marks(&path, "a", Some(&part), false, &stores).unwrap();
    assert_eq!(forgotten.tasks.iter().map(|task| task.done).collect::<Vec<_>>(), [3, 3]);
    for task in ["a", "b"] {
        assert_eq!(store.blocks_done(task, None).unwrap(), [0..1, 4..10]);
    }
    let all = |task| store.blocks_done(task, None).unwrap();
    let report = run(&path, &task());
    assert_eq!((report.tasks[0].counts.completed, report.tasks[1].counts.completed), (3, 3));
    assert_eq!(all("b"), std::slice::from_ref(&(0..10)));
    // What the journal does not know is refused before any mark is touched.
    assert!(journal::forget_with_marks(&path, "c", None, false, &stores).is_err());
    assert_eq!(all("a"), std::slice::from_ref(&(0..10)));
}
