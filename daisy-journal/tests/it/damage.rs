//! Every cut, every flipped bit, and every failed write of a small journal.

use daisy_journal::{
    Contents, Damage, Flaw, HEADER_BYTES, Healed, Journal, JournalError, JournalOptions,
    MemoryDisk, MemoryDiskError, Tail, inspect,
};

use crate::{
    files::{Error, append, chain, contents, done, eventful, grant, key, lease, open},
    model::Model,
};

/// Where each frame of a good file ends, the header first.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![HEADER_BYTES as usize];
    while let Some(prefix) = bytes[ends[ends.len() - 1]..].first_chunk::<4>() {
        ends.push(ends[ends.len() - 1] + 8 + u32::from_le_bytes(*prefix) as usize);
    }
    assert_eq!(ends.last(), Some(&bytes.len()));
    ends
}

/// What the file says up to a frame's end.
fn prefix(bytes: &[u8], end: usize) -> Contents {
    let contents = contents(&MemoryDisk::from(bytes[..end].to_vec()));
    assert_eq!(contents.tail, Tail::Clean);
    contents
}

#[test]
fn a_file_that_is_cut_off_anywhere_says_what_was_true_and_goes_on() {
    let full = eventful().bytes().to_vec();
    let ends = ends(&full);
    assert!(ends.len() > 10);
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    for cut in 0..=full.len() {
        let disk = MemoryDisk::from(full[..cut].to_vec());
        let good = ends.iter().copied().filter(|&end| end <= cut).max().unwrap_or(0);
        let healed = Healed { offset: good as u64, bytes: (cut - good) as u64 };
        let healed = (healed.bytes > 0).then_some(healed);
        let before = contents(&disk);
        assert_eq!(before.tail, healed.map_or(Tail::Clean, Tail::Torn), "cut at {cut}");
        let expected = match good {
            0 => Model::default(),
            _ => Model::of(&prefix(&full, good)),
        };
        assert_eq!(Model::of(&before), expected);

        let (mut journal, resumed) = open(disk, &tasks);
        assert_eq!(resumed.healed, healed);
        let names = ["smooth".to_owned(), "label".to_owned()];
        expected.check_resumed(&resumed, &names);
        let lease = lease(resumed.epoch, 0);
        append(&mut journal, &[grant(lease, key(1, 7)), done(lease, key(1, 7))]);
        let (_, again) = open(journal.into_disk(), &tasks);
        assert_eq!((again.healed, again.epoch), (None, resumed.epoch + 1));
        let mut expected = resumed.tasks[1].done.stretches().collect::<Vec<_>>();
        expected.insert(0, 7..8);
        assert_eq!(again.tasks[1].done.stretches().collect::<Vec<_>>(), expected);
        assert_eq!(again.open, resumed.open);
    }
}

#[test]
fn what_reads_as_zeros_behind_a_cut_is_a_torn_tail() {
    let full = eventful().bytes().to_vec();
    let ends = ends(&full);
    for cut in HEADER_BYTES as usize..full.len() {
        let mut bytes = full[..cut].to_vec();
        bytes.resize(full.len() + 3, 0);
        let contents = contents(&MemoryDisk::from(bytes));
        let good = ends.iter().copied().filter(|&end| end <= cut).max().unwrap() as u64;
        // Bytes that are zero anyway are as good as written.
        match contents.tail {
            Tail::Torn(torn) => assert!(torn.offset >= good),
            tail => panic!("{tail:?}"),
        }
    }
}

#[test]
fn any_flipped_bit_is_found_and_what_is_before_it_can_be_used() {
    let full = eventful().bytes().to_vec();
    let ends = ends(&full);
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    let last = ends[ends.len() - 2];
    for bit in 0..full.len() * 8 {
        let mut bytes = full.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut disk = MemoryDisk::from(bytes);
        let refused: Result<_, Error> =
            Journal::open(&mut disk, &tasks, JournalOptions::default()).map(|opened| opened.1);
        let good = ends.iter().copied().filter(|&end| end <= bit / 8).max().unwrap_or(0);
        if bit / 8 < 8 {
            assert_eq!(refused.unwrap_err(), JournalError::NotAJournal);
            continue;
        }
        if good == last {
            let resumed = match refused {
                Ok(resumed) => resumed,
                // A last frame that claims to be shorter than it is.
                Err(JournalError::Damaged { offset, .. }) => {
                    assert_eq!(offset, last as u64);
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            assert_eq!(resumed.healed.unwrap().offset, last as u64);
            continue;
        }
        let JournalError::Damaged { offset, bytes, flaw } = refused.unwrap_err() else {
            panic!("bit {bit}");
        };
        assert_eq!((offset as usize, bytes as usize), (good, full.len() - good), "bit {bit}");
        let options = JournalOptions { damage: Damage::UseWhatIsBefore, ..Default::default() };
        if good == 0 {
            assert_eq!(flaw, Flaw::Header);
            assert!(Journal::open(&mut disk, &tasks, options).is_err(), "nothing is before");
            continue;
        }
        let (_, resumed) = Journal::open(&mut disk, &tasks, options).unwrap();
        assert_eq!(resumed.damaged.as_ref().unwrap().offset as usize, good);
        let names = ["smooth".to_owned(), "label".to_owned()];
        Model::of(&prefix(&full, good)).check_resumed(&resumed, &names);
        assert_eq!(contents(&disk).tail, Tail::Clean);
    }
}

#[test]
fn a_frame_that_makes_no_sense_is_left_out_as_a_whole() {
    let tasks = chain(&[("smooth", 300)]);
    let good = {
        let (mut journal, _) = open(MemoryDisk::new(), &tasks);
        append(&mut journal, &[grant(lease(0, 1), key(0, 1)), grant(lease(0, 3), key(0, 3))]);
        journal.into_disk()
    };
    // The same batch again: its first lease would have been granted before.
    let bytes = good.bytes();
    let batch = ends(bytes)[ends(bytes).len() - 2];
    let twice = [bytes, &bytes[batch..]].concat();
    let Tail::Damaged(damaged) = contents(&MemoryDisk::from(twice.clone())).tail else {
        panic!("a lease was granted twice");
    };
    assert_eq!(damaged.offset as usize, bytes.len());
    assert!(matches!(damaged.flaw, Flaw::Refused(_)), "{damaged:?}");
    let mut twice = MemoryDisk::from(twice);
    let text =
        Journal::open(&mut twice, &tasks, JournalOptions::default()).unwrap_err().to_string();
    assert!(text.contains("damaged at byte") && text.contains("use what is before"), "{text}");
    let options = JournalOptions { damage: Damage::UseWhatIsBefore, ..Default::default() };
    let (_, resumed) = Journal::open(&mut twice, &tasks, options).unwrap();
    assert_eq!(resumed.open.len(), 2);
}

#[test]
fn other_files_and_newer_ones_are_told_apart() {
    let tasks = chain(&[("smooth", 3)]);
    let opened = |bytes: &[u8]| -> Result<_, Error> {
        let disk = MemoryDisk::from(bytes.to_vec());
        Journal::open(disk, &tasks, JournalOptions::default()).map(|opened| opened.1)
    };
    assert_eq!(opened(b"\x89PNG\r\n").unwrap_err(), JournalError::NotAJournal);
    assert_eq!(opened(&[0; 64]).unwrap_err(), JournalError::NotAJournal);
    let mut newer = eventful().bytes().to_vec();
    newer[8] = 2;
    let sum = crc32c::crc32c(&newer[..12]);
    newer[12..16].copy_from_slice(&sum.to_le_bytes());
    let error = opened(&newer).unwrap_err();
    assert_eq!(error, JournalError::NewerVersion { found: 2, supported: 1 });
    assert!(error.to_string().contains("use the daisy that wrote it"));
}

#[test]
fn after_a_failed_write_every_call_fails_and_the_file_is_a_prefix() {
    let tasks = chain(&[("smooth", 300)]);
    for room in 0..40 {
        let (mut journal, _) = open(MemoryDisk::new(), &tasks);
        append(&mut journal, &[grant(lease(0, 0), key(0, 0))]);
        let before = contents(journal.disk());
        journal.disk_mut().set_room(Some(room));
        for n in 1..30 {
            journal.append(&grant(lease(0, 2 * n), key(0, n))).unwrap();
        }
        let full = JournalError::Disk(MemoryDiskError::Full);
        assert_eq!(journal.commit().unwrap_err(), full);
        journal.disk_mut().set_room(None);
        let poisoned = JournalError::Poisoned;
        assert_eq!(journal.append(&done(lease(0, 0), key(0, 0))).unwrap_err(), poisoned);
        assert_eq!(journal.commit().unwrap_err(), poisoned);
        assert_eq!(journal.sync().unwrap_err(), poisoned);
        assert_eq!(journal.compact().unwrap_err(), poisoned);
        assert!(poisoned.to_string().contains("run again to resume"));
        let disk = journal.into_disk();
        assert_eq!(Model::of(&contents(&disk)), Model::of(&before));
        open(disk, &tasks);
    }
}

#[test]
fn a_failed_sync_or_compaction_poisons_too() {
    let tasks = chain(&[("smooth", 300)]);
    for compacts in [false, true] {
        let (mut journal, _) = open(MemoryDisk::new(), &tasks);
        append(&mut journal, &[grant(lease(0, 0), key(0, 0))]);
        journal.disk_mut().fail_syncs(true);
        let failed = if compacts { journal.compact() } else { journal.sync() };
        assert_eq!(failed.unwrap_err(), JournalError::Disk(MemoryDiskError::Sync));
        journal.disk_mut().fail_syncs(false);
        assert_eq!(journal.commit().unwrap_err(), JournalError::Poisoned);
        assert_eq!(open(journal.into_disk(), &tasks).1.open.len(), 1);
    }
    // Without a durable epoch there is no run.
    let mut disk = eventful();
    disk.fail_syncs(true);
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    let opened: Result<_, Error> = Journal::open(disk, &tasks, JournalOptions::default());
    assert_eq!(opened.unwrap_err(), JournalError::Disk(MemoryDiskError::Sync));
}

#[test]
fn a_refused_open_changes_nothing() {
    let mut disk = eventful();
    disk.bytes_mut().pop();
    let before = disk.bytes().to_vec();
    let tasks = chain(&[("new", 3), ("smooth", 301)]);
    assert!(Journal::open(&mut disk, &tasks, JournalOptions::default()).is_err());
    assert_eq!(disk.bytes(), before);
    inspect(&mut disk).unwrap();
    assert_eq!(disk.bytes(), before);
}

#[test]
fn an_empty_commit_costs_nothing() {
    let (mut journal, _) = open(MemoryDisk::new(), &chain(&[("smooth", 300)]));
    let before = journal.disk().bytes().to_vec();
    journal.disk_mut().set_room(Some(0));
    journal.commit().unwrap();
    assert_eq!(journal.disk().bytes(), before);
}
