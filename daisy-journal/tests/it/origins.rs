//! Which version of a task's code made which blocks, and into which arrays.

use std::collections::BTreeMap;

use daisy_graph::TaskGraph;
use daisy_journal::{
    ForgetOptions, Journal, JournalError, JournalOptions, Made, MemoryDisk, Origin, Resumed, forget,
};
use daisy_sched::Record;

use crate::files::{Error, append, chain, contents, done, frames, grant, key, lease};

fn origin(version: &str, arrays: &[(&str, u128)]) -> Origin {
    let version = (!version.is_empty()).then(|| version.to_owned());
    Origin { version, arrays: arrays.iter().map(|&(name, id)| (name.to_owned(), id)).collect() }
}

fn tasks() -> TaskGraph {
    chain(&[("smooth", 300), ("label", 40)])
}

fn open(disk: MemoryDisk, origins: &[Origin]) -> Result<(Journal<MemoryDisk>, Resumed), Error> {
    Journal::open_with(disk, &tasks(), origins, JournalOptions::default())
}

/// A run of one version that finishes some blocks of the first task and leaves one with its worker.
fn run(disk: MemoryDisk, version: &str, cells: core::ops::Range<u64>) -> MemoryDisk {
    let (mut journal, resumed) = open(disk, &[origin(version, &[])]).unwrap();
    let lease = |number| lease(resumed.epoch, number);
    for (number, cell) in (0..).zip(cells.clone()) {
        append(
            &mut journal,
            &[grant(lease(number), key(0, cell)), done(lease(number), key(0, cell))],
        );
    }
    append(&mut journal, &[grant(lease(1_000), key(0, 299 - u64::from(resumed.epoch)))]);
    journal.into_disk()
}

fn made(version: &str, cells: core::ops::Range<u64>) -> Made {
    Made { version: Some(version.to_owned()), cells: cells.collect() }
}

#[test]
fn blocks_stay_done_and_say_which_version_made_them() {
    let disk = run(run(MemoryDisk::new(), "a", 0..100), "b", 100..150);
    let (mut journal, resumed) = open(disk, &[origin("c", &[])]).unwrap();
    let [smooth, label] = &resumed.tasks[..] else { panic!("{resumed:?}") };
    assert_eq!(smooth.done.num_cells(), 150);
    assert_eq!(smooth.earlier, [made("a", 0..100), made("b", 100..150)]);
    assert!(label.earlier.is_empty());
    // Also when the file is written anew, and after some of them are forgotten.
    journal.compact().unwrap();
    let mut disk = journal.into_disk();
    let earlier = |disk: &MemoryDisk| contents(disk).tasks[0].earlier.clone();
    assert_eq!(earlier(&disk), smooth.earlier);
    let options = ForgetOptions { drop_open_leases: true, ..ForgetOptions::default() };
    let roi = daisy_geometry::Roi::new([2], [500]).unwrap();
    forget(&mut disk, "smooth", Some(&roi), options).unwrap();
    assert_eq!(earlier(&disk), [made("a", 50..100), made("b", 100..150)]);
    let (mut journal, resumed) = open(disk, &[origin("a", &[])]).unwrap();
    assert_eq!(resumed.tasks[0].earlier, [made("b", 100..150)]);
    journal.compact().unwrap();
    let contents = contents(journal.disk());
    assert_eq!(contents.tasks[0].origin, origin("a", &[]));
    assert_eq!(contents.tasks[0].done.num_cells(), 100);
}

#[test]
fn leases_of_workers_with_other_code_are_told_apart() {
    let disk = run(run(MemoryDisk::new(), "a", 0..1), "a", 1..2);
    let outdated = |disk: &MemoryDisk, version| -> Vec<bool> {
        let (_, resumed) = open(disk.clone(), &[origin(version, &[])]).unwrap();
        resumed.open.iter().map(|open| open.is_outdated).collect()
    };
    assert_eq!(outdated(&disk, "a"), [false, false]);
    assert_eq!(outdated(&disk, "b"), [true, true]);
    assert_eq!(outdated(&disk, ""), [true, true], "code of no version is other code");
    let disk = run(disk, "b", 2..3);
    assert_eq!(outdated(&disk, "b"), [true, true, false]);
    let (mut journal, _) = open(disk, &[origin("b", &[])]).unwrap();
    journal.compact().unwrap();
    assert_eq!(outdated(journal.disk(), "b"), [true, true, false]);
    assert_eq!(outdated(journal.disk(), "a"), [true, true, true]);
}

#[test]
fn blocks_that_were_written_to_another_array_are_refused() {
    let old = origin("", &[("labels", 7), ("scores", 8)]);
    let written = {
        let (mut journal, _) = open(MemoryDisk::new(), std::slice::from_ref(&old)).unwrap();
        append(&mut journal, &[grant(lease(0, 0), key(0, 3)), done(lease(0, 0), key(0, 3))]);
        journal.into_disk()
    };
    let refused = |disk: &MemoryDisk, now: &Origin| {
        let mut disk = disk.clone();
        let before = disk.bytes().to_vec();
        let opened = Journal::open_with(
            &mut disk,
            &tasks(),
            std::slice::from_ref(now),
            JournalOptions::default(),
        );
        let error = opened.map(|_| ()).err();
        assert!(error.is_none() || disk.bytes() == before, "a refusal changes nothing");
        match error {
            Some(JournalError::NewArray { task, array, done }) => Some((task, array, done)),
            None => None,
            other => panic!("{other:?}"),
        }
    };
    let anew = origin("", &[("labels", 9), ("scores", 8)]);
    let expected = Some(("smooth".to_owned(), "labels".to_owned(), 1));
    assert_eq!(refused(&written, &anew), expected);
    assert_eq!(refused(&written, &origin("", &[("moved/labels", 7)])), None);
    assert_eq!(refused(&written, &origin("", &[])), None, "nothing is said");
    // Whoever accepts it does so for good; what is not done needs nobody's consent.
    let options = JournalOptions { accept_new_arrays: true, ..JournalOptions::default() };
    let (journal, _) =
        Journal::open_with(written.clone(), &tasks(), std::slice::from_ref(&anew), options)
            .unwrap();
    let accepted = journal.into_disk();
    assert_eq!(contents(&accepted).tasks[0].origin, anew);
    assert_eq!(refused(&accepted, &anew), None);
    assert!(refused(&accepted, &old).is_some());
    let mut forgotten = written;
    forget(&mut forgotten, "smooth", None, ForgetOptions::default()).unwrap();
    assert_eq!(refused(&forgotten, &anew), None);
}

#[test]
fn a_journal_that_ends_anywhere_goes_on() {
    let disk = run(run(MemoryDisk::new(), "a", 0..3), "b", 3..5);
    for len in 0..=disk.bytes().len() {
        let cut = MemoryDisk::from(disk.bytes()[..len].to_vec());
        let (_, resumed) = open(cut, &[origin("c", &[("labels", 1)])]).unwrap();
        assert!(resumed.open.iter().all(|open| open.is_outdated));
        let [smooth, _] = &resumed.tasks[..] else { panic!("{resumed:?}") };
        let num_made: u64 = smooth.earlier.iter().map(|made| made.cells.num_cells()).sum();
        assert_eq!(num_made, smooth.done.num_cells());
    }
}

#[test]
fn the_bytes_are_those_of_the_description() {
    let now = origin("v2", &[("raw", 1)]);
    let (journal, _) = open(MemoryDisk::new(), &[Origin::default(), now]).unwrap();
    let bytes = journal.into_disk().bytes().to_vec();
    let has = |payload: &[u8]| bytes.windows(payload.len()).any(|found| found == payload);
    assert!(has(b"\x08\x01\x00\x02v2"));
    assert!(has(b"\x09\x01\x03raw\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    assert_eq!(frames(&bytes).iter().filter(|(kind, _)| *kind >= 8).count(), 2);
}

#[test]
fn long_names_are_refused_and_tasks_that_are_not_there_are_damage() {
    let long = Origin { version: Some("v".repeat(2 << 20)), arrays: BTreeMap::new() };
    assert!(matches!(open(MemoryDisk::new(), &[long]), Err(JournalError::TooLong { .. })));
    let (mut journal, _) = open(MemoryDisk::new(), &[]).unwrap();
    let unknown = journal.append(&Record::Done { lease: lease(0, 0), key: key(7, 0) });
    assert!(unknown.is_err());
}
