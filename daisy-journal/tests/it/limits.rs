//! Every named limit, stood upon and overstepped.

use daisy_block::{Fit, Layout};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{
    Flaw, Journal, JournalError, JournalOptions, MAX_OPEN_LEASES, MAX_PART_BYTES,
    MAX_PAYLOAD_BYTES, MemoryDisk, Refusal, Tail,
};
use daisy_sched::{Coordinator, LeaseId, Record, WorkerId};

use crate::{
    files::{Error, append, are, chain, contents, done, frames, grant, key, lease, open},
    refused::with_frame,
};

/// A task of a million blocks and more.
fn large() -> TaskGraph {
    let (total, block) = (Roi::new([0], [1 << 40]).unwrap(), Roi::new([0], [1]).unwrap());
    let layout = Layout::new(total, block.clone(), block, Fit::Valid).unwrap();
    let mut graph = TaskGraph::new();
    graph.add_task(TaskNode::new("large", layout, false).unwrap()).unwrap();
    graph
}

/// Grants that share nothing with one another.
fn scattered(n: u64) -> (LeaseId, u64, WorkerId) {
    (LeaseId(5 * n), (n * 0x1_0000_0001) % (1 << 40), WorkerId(n.reverse_bits()))
}

#[test]
fn a_batch_that_is_too_long_becomes_several_frames() {
    let (mut journal, _) = open(MemoryDisk::new(), &large());
    let before = frames(journal.disk().bytes()).len();
    for n in 0..200_000 {
        let (lease, cell, worker) = scattered(n);
        journal.append(&Record::Grant { lease, worker, key: key(0, cell) }).unwrap();
    }
    journal.commit().unwrap();
    let frames = &frames(journal.disk().bytes())[before..];
    assert!(frames.len() > 2, "{frames:?}");
    for &(kind, length) in &frames[..frames.len() - 1] {
        assert_eq!(kind, 2);
        assert!((MAX_PAYLOAD_BYTES - 64..=MAX_PAYLOAD_BYTES).contains(&length), "{length}");
    }
    assert_eq!(contents(journal.disk()).open.len(), 200_000);
    assert_eq!(contents(journal.disk()).tail, Tail::Clean);
}

#[test]
fn parts_of_a_snapshot_are_small() {
    let (mut journal, _) = open(MemoryDisk::new(), &large());
    for n in 0..160_000 {
        let (lease, cell, worker) = scattered(n);
        journal.append(&Record::Grant { lease, worker, key: key(0, cell) }).unwrap();
        let (key, attempts) = (key(0, cell), 1);
        match n % 4 {
            0 => journal.append(&Record::Done { lease, key }).unwrap(),
            1 => journal.append(&Record::Failed { lease, key, attempts }).unwrap(),
            2 => journal.append(&Record::Attempt { lease, key, attempts }).unwrap(),
            _ => {}
        }
    }
    journal.compact().unwrap();
    let frames = frames(journal.disk().bytes());
    for kind in 4..=7 {
        assert!(frames.iter().filter(|frame| frame.0 == kind).count() > 1, "{frames:?}");
    }
    assert!(frames.iter().all(|frame| frame.1 <= MAX_PART_BYTES + 64));
    let before = contents(journal.disk());
    assert_eq!(before.open.len(), 40_000);
    let (mut journal, resumed) = open(journal.into_disk(), &large());
    assert_eq!((resumed.attempts.len(), resumed.tasks[0].failed.num_cells()), (40_000, 40_000));
    assert_eq!(resumed.open, before.open);
    journal.compact().unwrap();
    assert_eq!(contents(journal.disk()).tasks, before.tasks);
}

#[test]
fn so_many_leases_may_be_open_and_no_more() {
    let (mut journal, _) = open(MemoryDisk::new(), &large());
    for n in 0..MAX_OPEN_LEASES {
        journal.append(&grant(lease(0, n), key(0, n))).unwrap();
    }
    let one_more = grant(lease(0, MAX_OPEN_LEASES), key(0, MAX_OPEN_LEASES));
    let error = journal.append(&one_more).unwrap_err();
    assert!(matches!(
        error,
        JournalError::Refused { refusal: Refusal::TooManyOpen { limit: MAX_OPEN_LEASES }, .. }
    ));
    // Nothing has happened: the journal goes on.
    journal.append(&done(lease(0, 5), key(0, 5))).unwrap();
    journal.append(&one_more).unwrap();
    journal.commit().unwrap();
    assert_eq!(contents(journal.disk()).open.len() as u64, MAX_OPEN_LEASES);
}

#[test]
fn the_last_epoch_can_be_used_and_then_none() {
    let (journal, _) = open(MemoryDisk::new(), &chain(&[("smooth", 3)]));
    // Events: the start of epoch 2^24 - 2.
    let disk = with_frame(journal.disk(), &[2, 0, 0xfe, 0xff, 0xff, 7]);
    let (mut journal, resumed) = open(disk, &chain(&[("smooth", 3)]));
    assert_eq!(resumed.epoch, Coordinator::MAX_EPOCH);
    append(&mut journal, &[grant(LeaseId(u64::MAX - 1), key(0, 0))]);
    let last = journal.append(&grant(LeaseId(u64::MAX), key(0, 1))).unwrap_err();
    assert!(matches!(last, JournalError::Refused { .. }), "{last}");
    journal.compact().unwrap();
    let tasks = chain(&[("smooth", 3)]);
    let error: Error =
        Journal::open(journal.into_disk(), &tasks, JournalOptions::default()).unwrap_err();
    assert_eq!(error, JournalError::EpochsUsedUp);
}

#[test]
fn a_description_that_fits_no_frame_is_refused() {
    let described = |length: usize| -> Result<_, Error> {
        let tasks = chain(&[(&"n".repeat(length), 3)]);
        let opened = Journal::open(MemoryDisk::new(), &tasks, JournalOptions::default());
        opened.map(|(journal, _)| open(journal.into_disk(), &tasks).1.epoch)
    };
    let rest = {
        let (journal, _) = open(MemoryDisk::new(), &chain(&[(&"n".repeat(20_000), 3)]));
        frames(journal.disk().bytes()).iter().find(|frame| frame.0 == 1).unwrap().1 - 20_000
    };
    assert_eq!(described(MAX_PAYLOAD_BYTES - rest), Ok(1));
    let error = described(MAX_PAYLOAD_BYTES - rest + 1).unwrap_err();
    let JournalError::TooLong { name: ref task, bytes, limit } = error else { panic!("{error}") };
    assert_eq!((task.len(), bytes, limit), (80, MAX_PAYLOAD_BYTES + 1, MAX_PAYLOAD_BYTES));
}

#[test]
fn compaction_is_wanted_above_the_limit_and_twice_the_snapshot() {
    let options = JournalOptions { compact_above_bytes: 2_000, ..Default::default() };
    let (mut journal, _) = Journal::open(MemoryDisk::new(), &large(), options).unwrap();
    let mut n = 0;
    let mut wait = |journal: &mut Journal<MemoryDisk>| {
        while !journal.wants_compaction() {
            let (lease, cell, _) = scattered(n);
            append(journal, &[grant(lease, key(0, cell)), done(lease, key(0, cell))]);
            n += 1;
        }
        journal.len_bytes()
    };
    let first = wait(&mut journal);
    assert!((2_001..2_100).contains(&first), "{first}");
    journal.compact().unwrap();
    assert!(journal.len_bytes() < 1_000 && !journal.wants_compaction());
    for _ in 0..4 {
        wait(&mut journal);
        journal.compact().unwrap();
    }
    let snapshot = journal.len_bytes();
    assert!(snapshot > 1_200, "{snapshot}");
    // The next run knows how large the last snapshot was.
    let disk = journal.into_disk();
    assert_eq!(contents(&disk).snapshot_bytes, snapshot);
    let (mut journal, _) = Journal::open(disk, &large(), options).unwrap();
    let before = journal.len_bytes();
    let mut n = 0;
    while !journal.wants_compaction() {
        append(&mut journal, &[grant(lease(1, n), key(0, 7))]);
        append(&mut journal, &[Record::PutBack { lease: lease(1, n), key: key(0, 7) }]);
        n += 1;
    }
    assert!(journal.len_bytes() >= 2 * snapshot && before < 2 * snapshot);
}

#[test]
fn a_long_sweep_stays_small_in_the_file() {
    let options = JournalOptions { compact_above_bytes: 4_000, ..Default::default() };
    let (mut journal, _) = Journal::open(MemoryDisk::new(), &large(), options).unwrap();
    for n in 0..100_000 {
        append(&mut journal, &[grant(lease(0, n), key(0, n)), done(lease(0, n), key(0, n))]);
        if journal.wants_compaction() {
            journal.compact().unwrap();
            assert!(journal.len_bytes() < 100, "{}", journal.len_bytes());
        }
    }
    assert!(are(&open(journal.into_disk(), &large()).1.tasks[0].done, 0, 100_000));
}

/// A file whose last frame claims a payload of so many bytes, and has `payload`.
fn cut_short(claimed: u32, payload: &[u8]) -> Tail {
    let (journal, _) = open(MemoryDisk::new(), &large());
    let mut bytes = journal.into_disk().bytes().to_vec();
    bytes.extend(claimed.to_le_bytes());
    bytes.extend([1; 4]);
    bytes.extend(payload);
    contents(&MemoryDisk::from(bytes)).tail
}

#[test]
fn a_frame_longer_than_may_be_is_no_torn_tail() {
    let most = MAX_PAYLOAD_BYTES as u32;
    assert!(matches!(cut_short(most, &[9; 100]), Tail::Torn(_)));
    let flaw = Flaw::Length { found: most + 1 };
    match cut_short(most + 1, &[9; 100]) {
        Tail::Damaged(damaged) => assert_eq!(damaged.flaw, flaw),
        tail => panic!("{tail:?}"),
    }
}

#[test]
fn a_tail_that_takes_too_long_to_search_counts_as_damaged() {
    // Beginnings of frames of 100,000 bytes each: summing up all of them would take 3 GB.
    let beginning = [&100_000_u32.to_le_bytes()[..], &[3; 4], &[2]].concat();
    let claimed = MAX_PAYLOAD_BYTES as u32;
    let tail = cut_short(claimed, &beginning.repeat(30_000));
    assert!(matches!(tail, Tail::Damaged(_)), "{tail:?}");
    let tail = cut_short(claimed, &beginning.repeat(300));
    assert!(matches!(tail, Tail::Torn(_)), "{tail:?}");
}
