//! Any bytes as the file of a journal, and any sequence of steps as its life.

use arbitrary::{Result, Unstructured};
use daisy_journal::{
    Contents, Damage, ForgetOptions, Journal, JournalError, JournalOptions, JournalTuning,
    MemoryDisk, Tail, forget, inspect,
};
use daisy_sched::{LeaseId, Record, WorkerId};

#[path = "../../daisy-journal/tests/it/files.rs"]
#[allow(dead_code, reason = "most of it is for the crate's own tests")]
mod files;
#[path = "../../daisy-journal/tests/it/model.rs"]
mod model;
#[path = "../../daisy-journal/tests/it/random.rs"]
#[allow(dead_code, unused_imports, reason = "the strategies are for the property tests")]
mod random;

use files::{chain, key};
use model::Model;
use random::{Step, live};

/// Steps in one life; the rest of the bytes is ignored.
const STEPS: usize = 64;

/// The first byte says whether the rest is a file or a life, with the sizes that are shipped or with tiny ones.
pub fn journal(bytes: &[u8]) {
    let tiny = JournalTuning { max_run: 2, max_batch_bytes: 80, max_part_bytes: 9 };
    let lives = |steps, tuning| {
        live(&read_steps(&mut Unstructured::new(steps)), tuning);
    };
    match bytes.split_first() {
        Some((0, steps)) => lives(steps, JournalTuning::default()),
        Some((2, steps)) => lives(steps, tiny),
        Some((1, frames)) => file(&with_checksums(frames)),
        Some((_, file_bytes)) => file(file_bytes),
        None => file(&[]),
    }
}

/// Opens a file whatever it is, writes to it, forgets and compacts: what is read again is what it said.
fn file(bytes: &[u8]) {
    let mut disk = MemoryDisk::from(bytes.to_vec());
    let before = inspect(&mut disk);
    assert_eq!(disk.bytes(), bytes, "a look changes nothing");
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    let strict = Journal::open(MemoryDisk::from(bytes.to_vec()), &tasks, JournalOptions::default());
    let options = JournalOptions { damage: Damage::UseWhatIsBefore, ..Default::default() };
    let opened = Journal::open(disk, &tasks, options);
    let (Ok(before), Ok((journal, resumed))) = (&before, opened) else {
        assert!(strict.is_err());
        return;
    };
    let is_damaged = matches!(before.tail, Tail::Damaged(_));
    assert_eq!(strict.is_err(), is_damaged, "damage is never passed over");
    if is_small(before) {
        let names = ["smooth", "label"].map(str::to_owned);
        Model::of(before).check_resumed(&resumed, &names);
    }
    go_on(journal, resumed.epoch);
}

/// Whether a model, which has an entry for each block, can keep up.
fn is_small(contents: &Contents) -> bool {
    let blocks = contents.tasks.iter().map(|task| task.done.num_cells() + task.failed.num_cells());
    blocks.sum::<u64>() + (contents.open.len() as u64) < 10_000
}

/// One more block is done, once on the file as it is and once on a snapshot of it.
fn go_on(mut journal: Journal<MemoryDisk>, epoch: u32) {
    let said = look(&mut journal);
    let free = (0..40).find(|&cell| {
        let label = said.tasks.iter().find(|task| task.description.name == "label").unwrap();
        !label.done.contains(cell) && !said.open.iter().any(|open| open.key.cell == cell)
    });
    let mut expected = if is_small(&said) { Some(Model::of(&said)) } else { None };
    if let Some(cell) = free {
        let (lease, key) = (LeaseId((u64::from(epoch) << 40) + 5), key(1, cell));
        for record in
            [Record::Grant { lease, worker: WorkerId(3), key }, Record::Done { lease, key }]
        {
            match journal.append(&record) {
                Ok(()) => assert!(expected.as_mut().is_none_or(|e| e.apply(&record, "label", 40))),
                // The file may hold as many leases as can be open, or a larger number.
                Err(JournalError::Refused { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
        journal.commit().unwrap();
    }
    let after = look(&mut journal);
    assert_eq!(after.tail, Tail::Clean);
    if let Some(expected) = expected {
        assert_eq!(Model::of(&after), expected.without_next());
    }
    journal.compact().unwrap();
    let compacted = look(&mut journal);
    assert_eq!((&compacted.tasks, &compacted.open), (&after.tasks, &after.open));
    assert_eq!((compacted.epoch, compacted.tail), (after.epoch, Tail::Clean));
    let options = ForgetOptions { drop_open_leases: true, ..Default::default() };
    let mut disk = journal.into_disk();
    // Tasks of the file may wait for each other in a circle.
    if forget(&mut disk, "smooth", None, options).is_ok() {
        let forgotten = inspect(&mut disk).unwrap();
        let smooth = forgotten.tasks.iter().find(|task| task.description.name == "smooth").unwrap();
        assert!(smooth.done.is_empty() && smooth.failed.is_empty() && forgotten.open.is_empty());
        assert_eq!(forgotten.tail, Tail::Clean);
    }
}

fn look(journal: &mut Journal<MemoryDisk>) -> Contents {
    inspect(journal.disk_mut()).unwrap()
}

/// A file whose frames are those of `bytes`, each a length of two bytes and a payload: so that the
/// fuzzer need not find checksums.
fn with_checksums(mut bytes: &[u8]) -> Vec<u8> {
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    let (journal, _) = Journal::open(MemoryDisk::new(), &tasks, JournalOptions::default()).unwrap();
    let mut file = journal.disk().bytes().to_vec();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        let prefix = (length as u32).to_le_bytes();
        let sum = crc32c::crc32c_append(crc32c::crc32c(&prefix), payload);
        file.extend(prefix.into_iter().chain(sum.to_le_bytes()).chain(payload.iter().copied()));
        bytes = rest;
    }
    file
}

fn read_steps(bytes: &mut Unstructured<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    while steps.len() < STEPS && !bytes.is_empty() {
        let Ok(step) = read_step(bytes) else { break };
        steps.push(step);
    }
    steps
}

fn read_step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match bytes.int_in_range(0..=31_u8)? {
        0..9 => Step::Grant {
            task: bytes.int_in_range(0..=3)?,
            cell: bytes.int_in_range(0..=43)?,
            count: bytes.int_in_range(1..=9)?,
            skipped: bytes.int_in_range(0..=2)?,
            worker: bytes.int_in_range(0..=3)?,
        },
        9..20 => Step::Settle {
            open: bytes.int_in_range(0..=63)?,
            kind: bytes.int_in_range(0..=3)?,
            attempts: bytes.arbitrary()?,
        },
        20..22 => Step::Nonsense {
            kind: bytes.int_in_range(0..=5)?,
            lease: bytes.arbitrary()?,
            task: bytes.int_in_range(0..=5)?,
            cell: bytes.arbitrary()?,
        },
        22..27 => Step::Commit,
        27 => Step::Compact,
        28 => Step::Crash { kept: bytes.int_in_range(0..=200)? },
        29 => Step::Sync,
        _ => Step::Reopen { first: bytes.int_in_range(0..=3)?, count: bytes.int_in_range(1..=4)? },
    })
}
