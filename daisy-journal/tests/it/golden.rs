//! A file of format version 1 that was written once and is read forever, and written the same today.

use daisy_journal::{OpenLease, Tail, VERSION};
use daisy_sched::WorkerId;

use crate::files::{append, are, chain, contents, done, eventful, grant, key, lease, open};

const GOLDEN: &[u8] = include_bytes!("../golden/v1.journal");

/// Snapshot parts of all kinds, then batches of all kinds, and something forgotten.
fn today() -> Vec<u8> {
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    let (mut journal, _) = open(eventful(), &tasks);
    journal.compact().unwrap();
    let attempts = 7;
    append(
        &mut journal,
        &[
            done(lease(1, 190), key(0, 240)),
            grant(lease(2, 0), key(0, 2)),
            grant(lease(2, 1), key(1, 3)),
            daisy_sched::Record::Attempt { lease: lease(2, 1), key: key(1, 3), attempts },
            daisy_sched::Record::Failed { lease: lease(1, 191), key: key(0, 241), attempts },
        ],
    );
    let mut disk = journal.into_disk();
    let options = daisy_journal::ForgetOptions { drop_open_leases: true, ..Default::default() };
    let roi = daisy_geometry::Roi::new([600], [20]).unwrap();
    daisy_journal::forget(&mut disk, "smooth", Some(&roi), options).unwrap();
    let (mut journal, _) = open(disk, &tasks);
    append(&mut journal, &[grant(lease(3, 0), key(0, 299)), grant(lease(3, 1), key(0, 7))]);
    journal.into_disk().bytes().to_vec()
}

#[test]
fn a_file_of_version_1_says_what_it_always_said() {
    assert_eq!(VERSION, 1);
    let golden = contents(&GOLDEN.to_vec().into());
    assert_eq!((golden.epoch, golden.tail), (Some(3), Tail::Clean));
    let [smooth, label] = &golden.tasks[..] else { panic!("{:?}", golden.tasks) };
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    for (task, id) in golden.tasks.iter().zip(tasks.ids()) {
        let expected = daisy_journal::TaskDescription::of(&tasks, id).unwrap();
        assert_eq!(task.description, expected);
    }
    let runs = |cells: &daisy_journal::Cells| cells.stretches().collect::<Vec<_>>();
    assert_eq!(runs(&smooth.done), [0..1, 3..4, 51..59, 62..241]);
    assert!(are(&smooth.failed, 241, 242));
    assert_eq!(smooth.attempts, [(1, 1), (299, 1)]);
    assert_eq!((smooth.num_blocks, smooth.num_open), (300, 2));
    assert!(are(&label.done, 39, 40));
    assert!(label.failed.is_empty());
    assert_eq!(label.attempts, [(3, 7)]);
    assert_eq!((label.num_blocks, label.num_open), (40, 0));
    let worker = WorkerId(lease(3, 0).0);
    assert_eq!(
        golden.open,
        [
            OpenLease { lease: lease(3, 0), worker, key: key(0, 299), is_outdated: false },
            OpenLease { lease: lease(3, 1), worker, key: key(0, 7), is_outdated: false },
        ]
    );
}

#[test]
fn todays_writer_writes_the_same_bytes() {
    assert!(today() == GOLDEN, "the format has changed: it needs a new version, or is a mistake");
}

/// Run once for a new format version: `cargo test -p daisy-journal -- --ignored write_golden`.
#[test]
#[ignore = "writes the file that the other tests read"]
fn write_golden() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1.journal");
    std::fs::write(path, today()).unwrap();
}
