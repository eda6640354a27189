//! Small journals that many tests begin with.

use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_geometry::Roi;
use daisy_graph::{TaskGraph, TaskNode};
use daisy_journal::{
    Cells, Contents, HEADER_BYTES, Journal, JournalError, JournalOptions, MemoryDisk,
    MemoryDiskError, Resumed, inspect,
};
use daisy_sched::{LeaseId, Record, WorkerId};

pub(crate) type Error = JournalError<MemoryDiskError>;

/// One axis of so many blocks of 10, which read 2 on each side.
pub(crate) fn layout(blocks: i64) -> Layout {
    let (read, write) = (Roi::new([0], [14]).unwrap(), Roi::new([2], [10]).unwrap());
    Layout::new(Roi::new([0], [blocks * 10 + 4]).unwrap(), read, write, Fit::Valid).unwrap()
}

/// Tasks of so many blocks, each downstream of the one before.
pub(crate) fn chain(tasks: &[(&str, i64)]) -> TaskGraph {
    let mut graph = TaskGraph::new();
    let mut last = None;
    for &(name, blocks) in tasks {
        let task = graph.add_task(TaskNode::new(name, layout(blocks), false).unwrap()).unwrap();
        if let Some(last) = last.replace(task) {
            graph.add_edge(last, task).unwrap();
        }
    }
    graph
}

pub(crate) fn open(disk: MemoryDisk, tasks: &TaskGraph) -> (Journal<MemoryDisk>, Resumed) {
    Journal::open(disk, tasks, JournalOptions::default()).unwrap()
}

pub(crate) fn contents(disk: &MemoryDisk) -> Contents {
    inspect(&mut disk.clone()).unwrap()
}

/// Whether the cells are those of one stretch.
pub(crate) fn are(cells: &Cells, from: u64, to: u64) -> bool {
    cells.stretches().eq(std::iter::once(from..to))
}

pub(crate) fn key(task: u32, cell: u64) -> BlockKey {
    BlockKey::new(TaskId::new(task), cell)
}

/// A lease of an epoch.
pub(crate) fn lease(epoch: u32, number: u64) -> LeaseId {
    LeaseId(u64::from(epoch) << 40 | number)
}

pub(crate) fn grant(lease: LeaseId, key: BlockKey) -> Record {
    Record::Grant { lease, worker: WorkerId(lease.0 & !0xff), key }
}

pub(crate) fn done(lease: LeaseId, key: BlockKey) -> Record {
    Record::Done { lease, key }
}

pub(crate) fn append(journal: &mut Journal<MemoryDisk>, records: &[Record]) {
    for record in records {
        journal.append(record).unwrap();
    }
    journal.commit().unwrap();
}

/// Two runs of two tasks with every kind of record, a leftover of each kind, and turns of all sizes.
pub(crate) fn eventful() -> MemoryDisk {
    let tasks = chain(&[("smooth", 300), ("label", 40)]);
    let (mut journal, _) = open(MemoryDisk::new(), &tasks);
    for cell in 0..6 {
        append(&mut journal, &[grant(lease(0, cell), key(0, cell))]);
    }
    let attempts = 1;
    append(
        &mut journal,
        &[
            done(lease(0, 3), key(0, 3)),
            done(lease(0, 0), key(0, 0)),
            Record::Attempt { lease: lease(0, 1), key: key(0, 1), attempts },
            Record::Failed { lease: lease(0, 2), key: key(0, 2), attempts: 3 },
            Record::PutBack { lease: lease(0, 4), key: key(0, 4) },
            grant(lease(0, 6), key(1, 39)),
            grant(lease(0, 9), key(0, 299)),
        ],
    );
    let (mut journal, resumed) = open(journal.into_disk(), &tasks);
    assert_eq!((resumed.epoch, resumed.open.len()), (1, 3));
    append(
        &mut journal,
        &[
            grant(lease(1, 0), key(0, 1)),
            done(lease(0, 6), key(1, 39)),
            Record::Attempt { lease: lease(0, 9), key: key(0, 299), attempts },
        ],
    );
    let stretch: Vec<Record> = (1..200).map(|n| grant(lease(1, n), key(0, 50 + n))).collect();
    append(&mut journal, &stretch);
    let stretch: Vec<Record> = (1..190).map(|n| done(lease(1, n), key(0, 50 + n))).collect();
    append(&mut journal, &stretch);
    journal.sync().unwrap();
    journal.into_disk()
}

/// Kind and length of each frame's payload.
pub(crate) fn frames(bytes: &[u8]) -> Vec<(u8, usize)> {
    let mut rest = &bytes[HEADER_BYTES as usize..];
    let mut frames = Vec::new();
    while let Some(prefix) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*prefix) as usize;
        frames.push((rest[8], length));
        rest = &rest[8 + length..];
    }
    frames
}
