//! The state as the content of a whole file: what compaction writes.

use core::ops::Range;
use std::collections::BTreeMap;

use crate::{
    JournalError, JournalTuning, TaskDescription,
    batch::{Batch, Entry},
    bytes::put_varint,
    frame::{MAX_PAYLOAD_BYTES, PREFIX_BYTES, begin_frame, end_frame, header, kind},
    parts::{put_arrays, put_attempts, put_open, put_run, put_task, put_version},
    state::State,
};

/// About the largest payload of a part of a snapshot: where a file is damaged, no more is lost.
pub const MAX_PART_BYTES: usize = 64 << 10;

/// A new file that says what the state says; its epoch first, then tasks, then blocks.
pub(crate) fn write<E>(state: &State, tuning: JournalTuning) -> Result<Vec<u8>, JournalError<E>> {
    let most = tuning.max_part_bytes.min(MAX_PART_BYTES);
    let mut out = header().to_vec();
    if let Some(epoch) = state.epoch() {
        let mut batch = Batch::new(None, tuning);
        batch.push(Entry::Start { epoch });
        out.extend_from_slice(batch.seal());
    }
    for task in state.tasks() {
        put_task_frame(&mut out, &task.description)?;
    }
    for (number, task) in (0_u32..).zip(state.tasks()) {
        let origin = &task.origin;
        for made in origin.earlier() {
            put_version_frame(&mut out, number, 0, made.version.as_deref())?;
            let done = Parts::new(&mut out, kind::DONE, Some(number), most);
            done.put_runs(made.cells.stretches());
        }
        if !origin.is_unknown() {
            put_version_frame(&mut out, number, origin.since(), origin.now().version.as_deref())?;
        }
        put_arrays_frame(&mut out, number, &origin.now().arrays)?;
        let done = Parts::new(&mut out, kind::DONE, Some(number), most);
        done.put_runs(origin.made_now(&task.done).stretches());
        let failed = Parts::new(&mut out, kind::FAILED, Some(number), most);
        failed.put_runs(task.failed.stretches());
        let mut parts = Parts::new(&mut out, kind::ATTEMPTS, Some(number), most);
        let mut next = 0;
        for (&cell, &attempts) in &task.attempts {
            parts.put(&mut next, |out, next| put_attempts(out, cell, *next, attempts));
            next = cell + 1;
        }
        parts.end();
    }
    let mut parts = Parts::new(&mut out, kind::OPEN, None, most);
    let mut next = 0;
    for (lease, lent) in state.open().iter() {
        parts.put(&mut next, |out, next| put_open(out, lease, *next, &lent));
        next = lease.0 + 1;
    }
    parts.end();
    Ok(out)
}

/// Writes the frame that declares a task.
pub(crate) fn put_task_frame<E>(
    out: &mut Vec<u8>,
    task: &TaskDescription,
) -> Result<(), JournalError<E>> {
    put_frame(out, kind::TASK, &task.name, |out| put_task(out, task))
}

/// Writes the frame that says which version of its code makes the blocks of a task.
pub(crate) fn put_version_frame<E>(
    out: &mut Vec<u8>,
    number: u32,
    since: u32,
    version: Option<&str>,
) -> Result<(), JournalError<E>> {
    let name = version.unwrap_or_default();
    put_frame(out, kind::VERSION, name, |out| put_version(out, number, since, version))
}

/// Writes the frame that says which arrays the blocks of a task are written to, if there are any.
pub(crate) fn put_arrays_frame<E>(
    out: &mut Vec<u8>,
    number: u32,
    arrays: &BTreeMap<String, u128>,
) -> Result<(), JournalError<E>> {
    let Some(first) = arrays.keys().next() else { return Ok(()) };
    put_frame(out, kind::ARRAYS, first, |out| put_arrays(out, number, arrays))
}

/// Writes one frame of something that has a name, by which it is known if it is too long.
fn put_frame<E>(
    out: &mut Vec<u8>,
    kind: u8,
    name: &str,
    put: impl FnOnce(&mut Vec<u8>),
) -> Result<(), JournalError<E>> {
    let start = begin_frame(out, kind);
    put(out);
    let bytes = out.len() - start - PREFIX_BYTES;
    if bytes > MAX_PAYLOAD_BYTES {
        let name = name.chars().take(80).collect();
        return Err(JournalError::TooLong { name, bytes, limit: MAX_PAYLOAD_BYTES });
    }
    end_frame(out, start);
    Ok(())
}

/// Writes runs of cells of a task as frames of one kind.
pub(crate) fn put_runs(
    out: &mut Vec<u8>,
    kind: u8,
    number: u32,
    runs: impl Iterator<Item = Range<u64>>,
) {
    Parts::new(out, kind, Some(number), MAX_PART_BYTES).put_runs(runs);
}

/// Frames of one kind, each begun anew where the one before is full.
struct Parts<'a> {
    out: &'a mut Vec<u8>,
    kind: u8,
    number: Option<u32>,
    frame: Option<usize>,
    max_bytes: usize,
}

impl<'a> Parts<'a> {
    const fn new(out: &'a mut Vec<u8>, kind: u8, number: Option<u32>, max_bytes: usize) -> Self {
        Self { out, kind, number, frame: None, max_bytes }
    }

    fn put_runs(mut self, runs: impl Iterator<Item = Range<u64>>) {
        let mut end = 0;
        for run in runs {
            self.put(&mut end, |out, end| put_run(out, &run, *end));
            end = run.end;
        }
        self.end();
    }

    /// Writes one item, counted from `last`, or from 0 at the beginning of a frame.
    #[inline]
    fn put(&mut self, last: &mut u64, write: impl Fn(&mut Vec<u8>, &u64)) {
        if self.frame.is_some_and(|start| self.out.len() - start >= self.max_bytes) {
            self.end();
        }
        if self.frame.is_none() {
            self.frame = Some(begin_frame(self.out, self.kind));
            if let Some(number) = self.number {
                put_varint(self.out, number.into());
            }
            *last = 0;
        }
        write(self.out, last);
    }

    fn end(&mut self) {
        if let Some(start) = self.frame.take() {
            end_frame(self.out, start);
        }
    }
}
