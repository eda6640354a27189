//! Frames with right checksums that say what cannot be true: each is refused as a whole.

use daisy_journal::{
    Damage, Flaw, Journal, JournalError, JournalOptions, MemoryDisk, Refusal, Tail,
};
use daisy_sched::Record;

use crate::{
    files::{append, chain, contents, done, grant, key, lease, open},
    model::Model,
};

/// Puts a frame behind a file.
pub(crate) fn with_frame(disk: &MemoryDisk, payload: &[u8]) -> MemoryDisk {
    let length = (payload.len() as u32).to_le_bytes();
    let sum = crc32c::crc32c_append(crc32c::crc32c(&length), payload).to_le_bytes();
    MemoryDisk::from([disk.bytes(), &length, &sum, payload].concat())
}

/// Epoch 0; of task 0, block 0 is done, 1 is lent by lease 1, 2 has failed, 3 has failed once.
fn known() -> MemoryDisk {
    let (mut journal, _) = open(MemoryDisk::new(), &chain(&[("smooth", 300), ("label", 40)]));
    let attempts = 1;
    for cell in 0..4 {
        append(&mut journal, &[grant(lease(0, cell), key(0, cell))]);
    }
    append(
        &mut journal,
        &[
            done(lease(0, 0), key(0, 0)),
            Record::Failed { lease: lease(0, 2), key: key(0, 2), attempts },
            Record::Attempt { lease: lease(0, 3), key: key(0, 3), attempts },
        ],
    );
    journal.into_disk()
}

/// The flaw that a frame is; the file must say what it said without it.
fn flaw(payload: &[u8]) -> Flaw {
    let disk = known();
    let mut damaged = with_frame(&disk, payload);
    let found = contents(&damaged);
    assert_eq!(Model::of(&found), Model::of(&contents(&disk)), "{payload:x?}");
    let Tail::Damaged(tail) = found.tail else { panic!("{payload:x?} is taken") };
    assert_eq!(tail.offset as usize, disk.bytes().len());
    let options = JournalOptions { damage: Damage::UseWhatIsBefore, ..Default::default() };
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    let (_, resumed) = Journal::open(&mut damaged, &tasks, options).unwrap();
    let names = ["smooth", "label"].map(str::to_owned);
    Model::of(&contents(&disk)).check_resumed(&resumed, &names);
    tail.flaw
}

fn refusal(payload: &[u8]) -> Refusal {
    match flaw(payload) {
        Flaw::Refused(refusal) => refusal,
        flaw => panic!("{payload:x?}: {flaw}"),
    }
}

#[test]
fn frames_that_cannot_be_read() {
    assert_eq!(flaw(&[0]), Flaw::Kind { found: 0 });
    assert_eq!(flaw(&[10, 1]), Flaw::Kind { found: 10 });
    for no_entry in [0x06, 0x07, 0x08, 0x22, 0x0b, 0x0c, 0x85] {
        assert_eq!(flaw(&[2, no_entry, 1, 1, 1]), Flaw::Kind { found: no_entry });
    }
    // A count of none, of more than may be, and one that ends too early.
    for count in [&[0][..], &[0x81, 0x20], &[0x81]] {
        assert_eq!(flaw(&[&[2, 0x19], count, &[8]].concat()), Flaw::Payload);
    }
    // A task without a name, with upstream names in disorder, and with more behind it.
    assert_eq!(flaw(&[1, 0, 0, 0, 0]), Flaw::Payload);
    let task = |flags: u8, upstream: &[u8]| {
        [&[1, 1, b'x', flags, 1, 0, 20, 0, 2, 0, 2], upstream].concat()
    };
    assert_eq!(flaw(&task(0, &[2, 1, b'b', 1, b'a'])), Flaw::Payload);
    assert_eq!(flaw(&task(0, &[0, 0])), Flaw::Payload);
    assert_eq!(flaw(&task(3, &[0])), Flaw::Payload);
    let more = with_frame(&known(), &task(2, &[2, 1, b'a', 1, b'b']));
    assert_eq!((contents(&more).tail, contents(&more).tasks.len()), (Tail::Clean, 3));
    assert!(matches!(flaw(&[1, 1, b'x', 0, 1, 0, 20, 0, 2, 0, 4, 0]), Flaw::Layout(_)));
}

#[test]
fn versions_and_arrays_that_cannot_be_true() {
    assert_eq!(refusal(&[8, 2, 0, 1, b'a']), Refusal::UnknownTask { number: 2 });
    assert_eq!(refusal(&[9, 2]), Refusal::UnknownTask { number: 2 });
    // Of an epoch that no journal has, with more behind it, without a text.
    assert_eq!(flaw(&[8, 0, 0x80, 0x80, 0x80, 8, 1, b'a']), Flaw::Payload);
    assert_eq!(flaw(&[8, 0, 0, 1, b'a', 0]), Flaw::Payload);
    assert_eq!(flaw(&[8, 0, 0]), Flaw::Payload);
    // An identity that is too short, and one array twice.
    assert_eq!(flaw(&[&[9, 0, 1, b'a'], &[1; 15][..]].concat()), Flaw::Payload);
    let array = [&[1, b'a'], &[1; 16][..]].concat();
    assert_eq!(flaw(&[&[9, 0], &array[..], &array[..]].concat()), Flaw::Payload);
}

#[test]
fn a_run_cannot_begin_in_the_middle_of_a_journal() {
    let tasks = chain(&[("smooth", 300)]);
    let (mut journal, resumed) = open(MemoryDisk::new(), &tasks);
    append(&mut journal, &[grant(lease(0, 0), key(0, 0))]);
    for epoch in [0, 1, 5, u32::MAX] {
        let record = Record::Start { epoch };
        let refusal = Refusal::HasBegun { epoch: resumed.epoch };
        assert_eq!(journal.append(&record), Err(JournalError::Refused { record, refusal }));
    }
    // Nothing has happened: the run goes on, in its own epoch.
    append(&mut journal, &[done(lease(0, 0), key(0, 0)), grant(lease(0, 1), key(0, 1))]);
    assert_eq!(contents(journal.disk()).open.len(), 1);
    assert_eq!(open(journal.into_disk(), &tasks).1.epoch, 1);
}

#[test]
fn events_that_cannot_be_true() {
    // Each after an entry that can: lease 4 is granted for block 4.
    let events = |entry: &[u8]| refusal(&[&[2, 0x91, 8, 8], entry].concat());
    assert_eq!(events(&[0x00, 0]), Refusal::Epoch { found: 0, last: Some(0) });
    let found = 1 << 24;
    assert_eq!(events(&[0x00, 0x80, 0x80, 0x80, 8]), Refusal::Epoch { found, last: Some(0) });
    assert!(matches!(events(&[0x11, 1]), Refusal::LeaseUsed { .. }));
    assert!(matches!(events(&[0xc1, 1, 79]), Refusal::UnknownBlock { .. }));
    assert!(matches!(events(&[0x41, 2]), Refusal::UnknownBlock { .. }));
    assert_eq!(events(&[0x81, 9]), Refusal::Done { key: key(0, 0) });
    assert_eq!(events(&[0x81, 1]), Refusal::Lent { key: key(0, 4) });
    assert_eq!(events(&[0x89, 2, 9]), Refusal::Done { key: key(0, 0) });
    assert!(matches!(events(&[0x89, 4, 1]), Refusal::Lent { .. }));
    assert!(matches!(events(&[0x02]), Refusal::LeaseNotOpen { .. }));
    assert!(matches!(events(&[0x1a, 3, 2]), Refusal::LeaseNotOpen { .. }));
    let far = [0x11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    assert!(matches!(events(&far), Refusal::OtherEpoch { .. }));
}

#[test]
fn parts_of_a_snapshot_that_cannot_be_true() {
    for kind in [4, 5] {
        // Blocks 10 and 11 could be so, but no stretch is empty.
        assert!(matches!(
            flaw(&[kind, 0, 10, 2, 0, 0]),
            Flaw::Refused(Refusal::UnknownBlock { .. })
        ));
        assert!(matches!(refusal(&[kind, 0, 0, 1]), Refusal::Done { .. }));
        assert!(matches!(refusal(&[kind, 0, 1, 1]), Refusal::Lent { .. }));
        assert!(matches!(refusal(&[kind, 0, 2, 1]), Refusal::Failed { .. }));
        assert!(matches!(refusal(&[kind, 2, 0, 1]), Refusal::UnknownBlock { .. }));
        assert!(matches!(refusal(&[kind, 1, 39, 2]), Refusal::UnknownBlock { .. }));
    }
    assert!(matches!(refusal(&[6, 0, 0, 1]), Refusal::Done { .. }));
    assert!(matches!(refusal(&[6, 0, 2, 1]), Refusal::Failed { .. }));
    assert!(matches!(refusal(&[6, 1, 40, 1]), Refusal::UnknownBlock { .. }));
    assert!(matches!(refusal(&[7, 4, 0, 0, 2]), Refusal::Failed { .. }));
    assert!(matches!(refusal(&[7, 4, 0, 0, 0]), Refusal::Done { .. }));
    assert!(matches!(refusal(&[7, 1, 0, 0, 9]), Refusal::LeaseUsed { .. }));
    let later = [7, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0, 0, 9];
    assert!(matches!(refusal(&later), Refusal::OtherEpoch { .. }));
    assert!(matches!(refusal(&[3, 0, 0, 2]), Refusal::Lent { .. }));
    assert!(matches!(refusal(&[3, 2, 0, 1]), Refusal::UnknownBlock { .. }));
}

#[test]
fn a_known_task_is_not_described_anew() {
    let smooth = [1, 6, b's', b'm', b'o', b'o', b't', b'h', 0, 1, 0, 20, 0, 2, 0, 2, 0];
    assert_eq!(refusal(&smooth), Refusal::Described { name: "smooth".to_owned() });
}
