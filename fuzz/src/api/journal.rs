//! Journals of any tasks, told any records, on disks that fail, and files with any damage.

use std::ops::Range;

use daisy_block::{BlockKey, Layout, Tiling};
use daisy_graph::TaskGraph;
use daisy_journal::{
    Cells, Contents, Damage, Disk, ForgetOptions, Journal, JournalOptions, JournalTuning,
    MemoryDisk, Origin, Resumed, TaskContents, TaskDescription, blocks_to_forget, forget, inspect,
};
use daisy_sched::{LeaseId, Record, WorkerId};

use super::{
    call,
    graph::tasks,
    text::{debug, ok, print},
    values::Values,
};

const STEPS: usize = 80;
/// Rows of blocks up to which their numbers are listed.
const MAX_ROWS: u64 = 1 << 16;

pub fn run(values: &mut Values<'_>) {
    let first = tasks(values);
    let mut disk = call!(MemoryDisk::new());
    if values.rarely() {
        let bytes: Vec<u8> = (0..values.pick(80)).map(|_| values.byte()).collect();
        disk = MemoryDisk::from(bytes);
    }
    let mut tasks_now = first;
    for _ in 0..1 + values.pick(4) {
        let options = options(values);
        let opened = if values.rarely() {
            let origins: Vec<Origin> = (0..values.pick(4)).map(|_| origin(values)).collect();
            call!(Journal::open_with(disk.clone(), &tasks_now, &origins, options))
        } else {
            call!(Journal::open(disk.clone(), &tasks_now, options))
        };
        let Some((journal, resumed)) = ok(opened) else {
            look_at(&mut disk, values);
            damage(&mut disk, values);
            continue;
        };
        disk = live(journal, &resumed, &tasks_now, values);
        look_at(&mut disk, values);
        damage(&mut disk, values);
        look_at(&mut disk, values);
        if values.rarely() {
            tasks_now = tasks(values);
        }
    }
    descriptions(&tasks_now, values);
}

fn origin(values: &mut Values<'_>) -> Origin {
    let name = |values: &mut Values<'_>| values.pick(3).to_string();
    let arrays = (0..values.pick(3)).map(|_| (name(values), u128::from(values.natural())));
    let arrays = arrays.collect();
    let version = values.rarely().then(|| name(values));
    Origin { version, arrays }
}

fn options(values: &mut Values<'_>) -> JournalOptions {
    JournalOptions {
        damage: values.one_of(&[Damage::UseWhatIsBefore, Damage::Refuse]),
        compact_above_bytes: values.natural(),
        accept_new_arrays: values.rarely(),
        tuning: JournalTuning {
            max_run: values.natural(),
            max_batch_bytes: values.natural_32() as usize,
            max_part_bytes: values.natural_32() as usize,
        },
    }
}

/// Records of all kinds, most of which can be true.
fn live(
    mut journal: Journal<MemoryDisk>,
    resumed: &Resumed,
    tasks: &TaskGraph,
    values: &mut Values<'_>,
) -> MemoryDisk {
    debug(resumed);
    let mut next = u64::from(resumed.epoch) << 40;
    let mut open: Vec<(LeaseId, BlockKey)> =
        resumed.open.iter().map(|open| (open.lease, open.key)).collect();
    for _ in 0..STEPS {
        if !values.goes_on() {
            break;
        }
        let journal = &mut journal;
        match values.pick(20) {
            0..9 => {
                let key = any_key(tasks, values);
                let lease = LeaseId(if values.rarely() { values.natural() } else { next });
                next = next.max(lease.0).saturating_add(values.small(0..3) as u64);
                let grant = Record::Grant { lease, worker: WorkerId(values.natural()), key };
                if ok(call!(Journal::append(journal, &grant))).is_some() {
                    open.push((lease, key));
                    next = next.max(lease.0 + 1);
                }
            }
            9..15 => drop(ok(Journal::append(journal, &settle(&mut open, tasks, values)))),
            15 => drop(ok(call!(Journal::end_foreign_leases(journal)))),
            16 => drop(ok(call!(Journal::commit(journal)))),
            17 => drop(ok(call!(Journal::sync(journal)))),
            18 if values.yes() => {
                debug(&ok(call!(Journal::shorter(journal))).map(|content| content.len()));
                // Of a snapshot that took the place of the whole file and is as long.
                let len = call!(Journal::len_bytes(journal));
                call!(Journal::note_replaced(journal, len, len));
            }
            18 => drop(ok(call!(Journal::compact(journal)))),
            _ => trouble(journal, values),
        }
    }
    debug(&(call!(Journal::wants_compaction(&journal)), call!(Journal::len_bytes(&journal))));
    debug(&journal);
    if values.yes() {
        ok(journal.commit());
    }
    let mut disk = call!(Journal::into_disk(journal));
    call!(MemoryDisk::set_room(&mut disk, None));
    call!(MemoryDisk::fail_syncs(&mut disk, false));
    disk
}

fn any_key(tasks: &TaskGraph, values: &mut Values<'_>) -> BlockKey {
    let mut key = values.key(tasks.num_tasks());
    if let Ok(node) = tasks.task(key.task)
        && !values.rarely()
    {
        key.cell %= node.tiling().num_cells().max(1);
    }
    key
}

fn settle(
    open: &mut Vec<(LeaseId, BlockKey)>,
    tasks: &TaskGraph,
    values: &mut Values<'_>,
) -> Record {
    let (lease, key) = if open.is_empty() || values.rarely() {
        (LeaseId(values.natural()), any_key(tasks, values))
    } else {
        open.swap_remove(values.pick(open.len()))
    };
    let attempts = if values.yes() { 1 } else { values.natural_32() };
    match values.pick(10) {
        0..6 => Record::Done { lease, key },
        6 => Record::Attempt { lease, key, attempts },
        7 => Record::Failed { lease, key, attempts },
        8 => Record::PutBack { lease, key },
        _ => Record::Start { epoch: attempts },
    }
}

/// Disks run full, syncs fail.
fn trouble(journal: &mut Journal<MemoryDisk>, values: &mut Values<'_>) {
    if values.rarely() {
        call!(Journal::poison(journal));
    }
    let disk = call!(Journal::disk_mut(journal));
    if values.rarely() {
        disk.set_room(Some(values.natural() as usize));
    }
    disk.fail_syncs(values.rarely());
    let disk = call!(Journal::disk(journal));
    assert!(call!(MemoryDisk::synced_len(disk)) <= call!(MemoryDisk::bytes(disk)).len());
}

/// Bytes are lost or changed.
fn damage(disk: &mut MemoryDisk, values: &mut Values<'_>) {
    let kept = if values.yes() { values.natural() as usize } else { values.pick(100) };
    match values.pick(8) {
        0 => call!(MemoryDisk::crash(disk, kept)),
        1 => call!(MemoryDisk::crash_to_zeros(disk, kept)),
        2 => {
            let (place, byte) = (values.natural() as usize, values.byte());
            let bytes = call!(MemoryDisk::bytes_mut(disk));
            if let Some(length) = core::num::NonZero::new(bytes.len()) {
                bytes[place % length] ^= byte;
            }
        }
        3 => {
            ok(call!(Disk::append(disk, &[values.byte(); 9])));
            ok(call!(Disk::sync(disk)));
        }
        4 | 5 => add_frame(disk, values),
        6 => {
            let len = ok(call!(Disk::len(disk))).unwrap_or(0);
            ok(call!(Disk::truncate(disk, values.natural().min(len))));
        }
        _ => {}
    }
}

/// A frame with the right checksum: runs of blocks that are done, failed or forgotten, or anything.
fn add_frame(disk: &mut MemoryDisk, values: &mut Values<'_>) {
    let mut payload = vec![values.one_of(&[4, 4, 5, 3, 6, 7, 2, 1])];
    if payload[0] <= 5 && !values.rarely() {
        put_varint(&mut payload, values.pick(3) as u64);
        for _ in 0..1 + values.pick(3) {
            put_varint(&mut payload, values.natural());
            put_varint(&mut payload, values.natural());
        }
    } else {
        payload.extend((0..values.pick(40)).map(|_| values.byte()));
    }
    let length = (payload.len() as u32).to_le_bytes();
    let sum = crc32c::crc32c_append(crc32c::crc32c(&length), &payload);
    let bytes = disk.bytes_mut();
    bytes.extend(length.into_iter().chain(sum.to_le_bytes()).chain(payload));
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 1 << 7 {
        bytes.push(number as u8 | 1 << 7);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What a file says, and what of it can be forgotten.
fn look_at(disk: &mut MemoryDisk, values: &mut Values<'_>) {
    let mut buffer = [0; 40];
    let read = ok(call!(Disk::read_at(disk, values.natural(), &mut buffer)));
    assert!(read.is_some_and(|count| count <= buffer.len()));
    let mut lent = &mut *disk;
    let is_empty = ok(call!(Disk::is_empty(&mut lent)));
    let Some(contents) = ok(call!(inspect(&mut lent))) else { return };
    debug(&contents);
    assert!(is_empty != Some(true) || contents.tasks.is_empty());
    for task in &contents.tasks {
        cells(&task.done, task.num_blocks, values);
        cells(&task.failed, task.num_blocks, values);
    }
    if values.yes() {
        forget_some(disk, &contents, values);
    }
    if values.rarely() {
        let copy = disk.bytes().to_vec();
        ok(call!(Disk::replace(disk, &copy)));
    }
}

fn cells(cells: &Cells, num_blocks: u64, values: &mut Values<'_>) {
    let size = call!(Cells::num_cells(cells));
    assert!(size <= num_blocks && call!(Cells::is_empty(cells)) == (size == 0));
    let (cell, run) = (values.natural(), values.run());
    assert!(call!(Cells::num_in(cells, &run)) <= size);
    assert_eq!(cells.num_in(&(0..u64::MAX)), size);
    let is_there = call!(Cells::contains(cells, cell));
    assert!(!is_there || cell < num_blocks);
    for stretch in call!(Cells::stretches(cells)).take(50) {
        assert!(stretch.start < stretch.end && stretch.end <= num_blocks);
    }
    debug(&(cells, cells.stretches()));
    let by_hand: Cells = (0..values.pick(9)).map(|_| values.natural()).collect();
    debug(&(&by_hand, by_hand.num_in(&run), call!(Cells::new()) == by_hand));
    assert!(by_hand.stretches().map(|run| run.end - run.start).sum::<u64>() <= by_hand.num_cells());
}

fn forget_some(disk: &mut MemoryDisk, contents: &Contents, values: &mut Values<'_>) {
    let place = values.pick(contents.tasks.len());
    let task = contents.tasks.get(place).map(|task| &task.description);
    let name = task.map_or_else(|| values.text(), |task| task.name.clone());
    let dims = values.near_dims(task.map_or(1, |task| task.layout.dims()));
    let roi = values.yes().then(|| values.roi(dims));
    let options = ForgetOptions {
        damage: values.one_of(&[Damage::UseWhatIsBefore, Damage::Refuse]),
        drop_open_leases: values.yes(),
        max_boxes: values.natural_32() as usize,
    };
    if contents.tasks.iter().any(|task| rows_beside(task) > MAX_ROWS) {
        return;
    }
    // The numbers of all blocks are listed row by row.
    let is_listed = contents.tasks.iter().all(|task| rows(&task.description.layout).0 <= MAX_ROWS);
    let listed = if is_listed {
        ok(call!(blocks_to_forget(disk, &name, roi.as_ref(), options)))
    } else {
        None
    };
    let forgotten = ok(call!(forget(disk, &name, roi.as_ref(), options)));
    assert!(!is_listed || listed.is_some() == forgotten.is_some());
    let Some(forgotten) = forgotten else { return };
    debug(&(forgotten, &listed));
    let after = inspect(disk).unwrap();
    for blocks in listed.into_iter().flatten() {
        let task = after.tasks.iter().find(|task| task.description.name == blocks.name).unwrap();
        assert!(blocks.cells.iter().all(|run| task.done.num_in(run) == 0));
    }
}

/// Rows of blocks in a whole grid, and cells and rows of one index along its slowest axis.
fn rows(layout: &Layout) -> (u64, u64, u64) {
    let tiling = Tiling::new(layout);
    let along = |axis: Option<&usize>| axis.map_or(1, |&axis| tiling.axes()[axis].num_cells());
    let fastest = along(tiling.sweep_axes().last()).unsigned_abs().max(1);
    let slab = tiling.num_cells() / along(tiling.sweep_axes().first()).unsigned_abs().max(1);
    (tiling.num_cells() / fastest, slab.max(1), (slab / fastest).max(1))
}

/// Rows beside the stretches that are known, which are looked at to forget some of them.
fn rows_beside(task: &TaskContents) -> u64 {
    let (_, slab, rows) = rows(&task.description.layout);
    let slabs = |run: Range<u64>| run.end.div_ceil(slab) - run.start / slab;
    let known = task.done.stretches().chain(task.failed.stretches()).map(slabs);
    let slabs = known.chain(task.attempts.iter().map(|_| 1)).fold(0, u64::saturating_add);
    slabs.saturating_mul(rows)
}

fn descriptions(tasks: &TaskGraph, values: &mut Values<'_>) {
    let (one, other) = (values.task(tasks.num_tasks()), values.task(tasks.num_tasks()));
    let one = ok(call!(TaskDescription::of(tasks, one)));
    let other = ok(call!(TaskDescription::of(tasks, other)));
    let (Some(one), Some(other)) = (one, other) else { return };
    if let Some(field) = call!(TaskDescription::first_difference(&one, &other)) {
        print(&field);
    }
    let by_hand = TaskDescription { name: values.text(), ..one };
    if let Some(node) = ok(call!(TaskDescription::node(&by_hand))) {
        assert_eq!(node.name(), by_hand.name);
    }
}
