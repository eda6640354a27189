//! The payloads besides batches: tasks, what is forgotten, and the parts of a snapshot.

use core::ops::Range;
use std::collections::BTreeMap;

use daisy_block::{BlockKey, Fit, Layout, TaskId};
use daisy_geometry::{Coordinate, Roi};
use daisy_sched::{Coordinator, LeaseId, WorkerId};

use crate::{
    Flaw, TaskDescription, batch,
    bytes::{Bytes, put_signed, put_text, put_varint},
    frame::kind,
    open::Lent,
    state::State,
};

/// The bit of a task's flags that says that conflicting blocks wait; those below hold the fit.
const CONFLICT: u8 = 1 << 2;

/// Makes the state follow one frame.
pub(crate) fn replay(payload: &[u8], state: &mut State) -> Result<(), Flaw> {
    let mut payload = Bytes(payload);
    let found = payload.byte().ok_or(Flaw::Payload)?;
    match found {
        kind::TASK => Ok(state.describe(take_task(payload)?)?),
        kind::EVENTS => batch::replay(payload, state),
        kind::FORGET => each_run(payload, |task, run| Ok(state.forget(task, &run)?)),
        kind::DONE => each_run(payload, |task, run| Ok(state.restore(task, run, true)?)),
        kind::FAILED => each_run(payload, |task, run| Ok(state.restore(task, run, false)?)),
        kind::ATTEMPTS => replay_attempts(payload, state),
        kind::OPEN => replay_open(payload, state),
        kind::VERSION => replay_version(payload, state),
        kind::ARRAYS => replay_arrays(payload, state),
        _ => Err(Flaw::Kind { found }),
    }
}

/// Writes a task behind the kind: name, flags, number of axes, three ROIs, names upstream.
pub(crate) fn put_task(out: &mut Vec<u8>, task: &TaskDescription) {
    put_text(out, &task.name);
    let fit = match task.layout.fit() {
        Fit::Valid => 0,
        Fit::Overhang => 1,
        Fit::Shrink => 2,
    };
    out.push(fit | if task.read_write_conflict { CONFLICT } else { 0 });
    put_varint(out, task.layout.dims() as u64);
    for roi in [task.layout.total_roi(), task.layout.read_roi(), task.layout.write_roi()] {
        // The ROIs of a layout are bounded.
        if let Some((begin, end)) = roi.bounds() {
            for (begin, end) in begin.iter().zip(end.iter()) {
                put_signed(out, begin);
                put_signed(out, end);
            }
        }
    }
    put_varint(out, task.upstream.len() as u64);
    for name in &task.upstream {
        put_text(out, name);
    }
}

fn take_task(mut bytes: Bytes<'_>) -> Result<TaskDescription, Flaw> {
    let mut take = || {
        let name = bytes.text().filter(|name| !name.is_empty())?.to_owned();
        let flags = bytes.byte()?;
        let fit = match flags & !CONFLICT {
            0 => Fit::Valid,
            1 => Fit::Overhang,
            2 => Fit::Shrink,
            _ => return None,
        };
        let dims = bytes.varint()?;
        let rois =
            [take_roi(&mut bytes, dims)?, take_roi(&mut bytes, dims)?, take_roi(&mut bytes, dims)?];
        let mut upstream = Vec::new();
        for _ in 0..bytes.varint()? {
            upstream.push(bytes.text()?.to_owned());
        }
        let are_sorted = upstream.windows(2).all(|pair| pair.first() < pair.last());
        (bytes.is_empty() && are_sorted).then_some((name, rois, fit, flags, upstream))
    };
    let (name, [total, read, write], fit, flags, upstream) = take().ok_or(Flaw::Payload)?;
    let layout = Layout::new(total, read, write, fit).map_err(Flaw::Layout)?;
    Ok(TaskDescription { name, layout, read_write_conflict: flags & CONFLICT != 0, upstream })
}

/// Axis by axis, so that a number of axes takes no memory that the payload does not have.
fn take_roi(bytes: &mut Bytes<'_>, dims: u64) -> Option<Roi> {
    let (mut begin, mut end) = (Vec::new(), Vec::new());
    for _ in 0..dims {
        begin.push(bytes.signed()?);
        end.push(bytes.signed()?);
    }
    Roi::from_begin_end(Coordinate::new(begin), Coordinate::new(end)).ok()
}

/// Writes a run as the gap before it and its length; `end` is where the one before ended.
#[inline]
pub(crate) fn put_run(out: &mut Vec<u8>, run: &Range<u64>, end: u64) {
    put_varint(out, run.start - end);
    put_varint(out, run.end - run.start);
}

#[inline]
fn each_run(
    mut bytes: Bytes<'_>,
    mut visit: impl FnMut(u32, Range<u64>) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    let task = bytes.u32().ok_or(Flaw::Payload)?;
    let mut end = 0_u64;
    while !bytes.is_empty() {
        let start = bytes.varint().and_then(|gap| end.checked_add(gap)).ok_or(Flaw::Payload)?;
        end = bytes.varint().and_then(|length| start.checked_add(length)).ok_or(Flaw::Payload)?;
        visit(task, start..end)?;
    }
    Ok(())
}

/// Writes which version of its code makes the blocks of a task, from which epoch on.
pub(crate) fn put_version(out: &mut Vec<u8>, number: u32, since: u32, version: Option<&str>) {
    put_varint(out, number.into());
    put_varint(out, since.into());
    put_text(out, version.unwrap_or_default());
}

fn replay_version(mut bytes: Bytes<'_>, state: &mut State) -> Result<(), Flaw> {
    let mut take = || {
        let (number, since, version) = (bytes.u32()?, bytes.u32()?, bytes.text()?);
        let version = (!version.is_empty()).then(|| version.to_owned());
        (bytes.is_empty() && since <= Coordinator::MAX_EPOCH).then_some((number, version, since))
    };
    let (number, version, since) = take().ok_or(Flaw::Payload)?;
    Ok(state.set_version(number, version, since)?)
}

/// Writes which arrays the blocks of a task are written to.
pub(crate) fn put_arrays(out: &mut Vec<u8>, number: u32, arrays: &BTreeMap<String, u128>) {
    put_varint(out, number.into());
    for (name, id) in arrays {
        put_text(out, name);
        out.extend_from_slice(&id.to_le_bytes());
    }
}

fn replay_arrays(mut bytes: Bytes<'_>, state: &mut State) -> Result<(), Flaw> {
    let number = bytes.u32().ok_or(Flaw::Payload)?;
    let mut arrays = BTreeMap::new();
    while !bytes.is_empty() {
        let name = bytes.text().ok_or(Flaw::Payload)?.to_owned();
        let (id, rest) = bytes.0.split_first_chunk().ok_or(Flaw::Payload)?;
        bytes.0 = rest;
        if arrays.insert(name, u128::from_le_bytes(*id)).is_some() {
            return Err(Flaw::Payload);
        }
    }
    Ok(state.set_arrays(number, arrays)?)
}

/// Writes the failed attempts of a block; `next` is the cell behind the one before.
pub(crate) fn put_attempts(out: &mut Vec<u8>, cell: u64, next: u64, attempts: u32) {
    put_varint(out, cell - next);
    put_varint(out, attempts.into());
}

fn replay_attempts(mut bytes: Bytes<'_>, state: &mut State) -> Result<(), Flaw> {
    let task = TaskId::new(bytes.u32().ok_or(Flaw::Payload)?);
    let mut next = 0_u64;
    while !bytes.is_empty() {
        let cell = bytes.varint().and_then(|gap| next.checked_add(gap)).ok_or(Flaw::Payload)?;
        let attempts = bytes.u32().ok_or(Flaw::Payload)?;
        next = cell.checked_add(1).ok_or(Flaw::Payload)?;
        state.restore_attempts(BlockKey::new(task, cell), attempts)?;
    }
    Ok(())
}

/// Writes an open lease; `next` is the number behind the one before.
pub(crate) fn put_open(out: &mut Vec<u8>, lease: LeaseId, next: u64, lent: &Lent) {
    put_varint(out, lease.0 - next);
    put_varint(out, lent.worker.0);
    put_varint(out, lent.key.task.index() as u64);
    put_varint(out, lent.key.cell);
}

fn replay_open(mut bytes: Bytes<'_>, state: &mut State) -> Result<(), Flaw> {
    let mut next = 0_u64;
    while !bytes.is_empty() {
        let mut take = || {
            let lease = next.checked_add(bytes.varint()?)?;
            next = lease.checked_add(1)?;
            let worker = WorkerId(bytes.varint()?);
            let key = BlockKey::new(TaskId::new(bytes.u32()?), bytes.varint()?);
            Some((LeaseId(lease), Lent { worker, key }))
        };
        let (lease, lent) = take().ok_or(Flaw::Payload)?;
        state.restore_open(lease, lent)?;
    }
    Ok(())
}
