//! The records of one turn as bytes: each only as far as it differs from what the one before suggests.

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{LeaseId, Record, WorkerId};

use crate::{
    Flaw, JournalTuning,
    bytes::{Bytes, MAX_VARINT_BYTES, put_signed, put_varint},
    frame::{MAX_PAYLOAD_BYTES, begin_frame, end_frame, kind},
    open::Lent,
    state::{Ending, State},
};

/// The longest entry: its first byte and five numbers.
const MAX_ENTRY_BYTES: usize = 1 + 5 * MAX_VARINT_BYTES;

/// The most records of one entry, so that a small file cannot stand for endless work.
pub(crate) const MAX_RUN: u64 = 1 << 12;

/// What the lower bits of the first byte say.
const KIND: u8 = 0b111;
const START: u8 = 0;
const GRANT: u8 = 1;
const DONE: u8 = 2;
const ATTEMPT: u8 = 3;
const FAILED: u8 = 4;
const PUT_BACK: u8 = 5;

/// What follows where the bit is set.
const HAS_COUNT: u8 = 1 << 3;
const HAS_LEASE: u8 = 1 << 4;
const HAS_WORKER: u8 = 1 << 5;
const HAS_TASK: u8 = 1 << 6;
const HAS_CELL: u8 = 1 << 7;

/// One entry of a batch: a record, or a run of them that count upwards together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Start {
        epoch: u32,
    },
    /// Leases and cells go up by one from record to record; worker and task are the same.
    Grant {
        lease: u64,
        worker: u64,
        task: u32,
        cell: u64,
        count: u64,
    },
    /// Leases go up by one from record to record.
    Settle {
        lease: u64,
        ending: Ending,
        count: u64,
    },
}

impl Entry {
    /// A record whose task has the journal's number.
    pub(crate) fn of(record: &Record) -> Self {
        let settle = |lease: LeaseId, ending| Self::Settle { lease: lease.0, ending, count: 1 };
        match *record {
            Record::Start { epoch } => Self::Start { epoch },
            Record::Grant { lease, worker, key } => Self::Grant {
                lease: lease.0,
                worker: worker.0,
                task: number_of(key.task),
                cell: key.cell,
                count: 1,
            },
            Record::Done { lease, .. } => settle(lease, Ending::Done),
            Record::Attempt { lease, attempts, .. } => settle(lease, Ending::Attempt { attempts }),
            Record::Failed { lease, attempts, .. } => settle(lease, Ending::Failed { attempts }),
            Record::PutBack { lease, .. } => settle(lease, Ending::PutBack),
        }
    }

    /// Takes in `next` if it goes on as the run does; whether it did.
    #[inline]
    fn absorb(&mut self, next: &Self, max_run: u64) -> bool {
        match (self, *next) {
            (
                Self::Grant { lease, worker, task, cell, count },
                Self::Grant {
                    lease: lease_2, worker: worker_2, task: task_2, cell: cell_2, ..
                },
            ) => {
                let goes_on = lease_2 == lease.wrapping_add(*count)
                    && cell_2 == cell.wrapping_add(*count)
                    && (worker_2, task_2) == (*worker, *task)
                    && *count < max_run;
                *count += u64::from(goes_on);
                goes_on
            }
            (
                Self::Settle { lease, ending, count },
                Self::Settle { lease: lease_2, ending: ending_2, .. },
            ) => {
                let goes_on = lease_2 == lease.wrapping_add(*count)
                    && *ending == ending_2
                    && matches!(ending, Ending::Done | Ending::PutBack)
                    && *count < max_run;
                *count += u64::from(goes_on);
                goes_on
            }
            _ => false,
        }
    }

    /// Makes the state follow.
    pub(crate) fn apply(&self, state: &mut State) -> Result<(), Flaw> {
        let behind = |lease: u64, count| lease.checked_add(count).ok_or(Flaw::Payload);
        match *self {
            Self::Start { epoch } => state.start(epoch)?,
            Self::Grant { lease, worker, task, cell, count } => {
                let key = BlockKey::new(TaskId::new(task), cell);
                let first = Lent { worker: WorkerId(worker), key };
                state.grant(lease..behind(lease, count)?, first)?;
            }
            Self::Settle { lease, ending, count } => {
                state.settle(lease..behind(lease, count)?, None, ending)?;
            }
        }
        Ok(())
    }
}

/// The journal's number of a task as it is written.
pub(crate) fn number_of(task: TaskId) -> u32 {
    // Made of a u32.
    task.index() as u32
}

/// What the next entry is expected to be; only what differs is written.
#[derive(Clone, Copy, Debug)]
struct Expected {
    lease: u64,
    worker: u64,
    task: u32,
    cell: u64,
    settled: u64,
}

impl Expected {
    /// Ids of an epoch count from here.
    const fn at_start(epoch: Option<u32>) -> Self {
        let first = match epoch {
            Some(epoch) => (epoch as u64) << 40,
            None => 0,
        };
        Self { lease: first, worker: first, task: 0, cell: 0, settled: first }
    }

    fn encode(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        let at = out.len();
        out.push(0);
        let head = match *entry {
            Entry::Start { epoch } => {
                put_varint(out, epoch.into());
                START
            }
            Entry::Grant { lease, worker, task, cell, count } => {
                let mut head = GRANT | put_count(out, count);
                head |= put_if_other(out, HAS_LEASE, lease, self.lease);
                head |= put_if_other(out, HAS_WORKER, worker, self.worker);
                if task != self.task {
                    put_varint(out, task.into());
                    head |= HAS_TASK;
                }
                head |= put_if_other(out, HAS_CELL, cell, self.cell);
                head
            }
            Entry::Settle { lease, ending, count } => {
                let mut head = put_count(out, count);
                head |= put_if_other(out, HAS_LEASE, lease, self.settled);
                head |= match ending {
                    Ending::Done => DONE,
                    Ending::PutBack => PUT_BACK,
                    Ending::Attempt { .. } => ATTEMPT,
                    Ending::Failed { .. } => FAILED,
                };
                if let Ending::Attempt { attempts } | Ending::Failed { attempts } = ending {
                    put_varint(out, attempts.into());
                }
                head
            }
        };
        if let Some(first) = out.get_mut(at) {
            *first = head;
        }
        self.pass(entry);
    }

    #[inline]
    fn decode(&mut self, bytes: &mut Bytes<'_>) -> Result<Entry, Flaw> {
        let head = bytes.byte().ok_or(Flaw::Payload)?;
        let allowed = match head & KIND {
            START => 0,
            GRANT => HAS_COUNT | HAS_LEASE | HAS_WORKER | HAS_TASK | HAS_CELL,
            DONE | PUT_BACK => HAS_COUNT | HAS_LEASE,
            ATTEMPT | FAILED => HAS_LEASE,
            _ => return Err(Flaw::Kind { found: head }),
        };
        if head & !KIND & !allowed != 0 {
            return Err(Flaw::Kind { found: head });
        }
        let entry = self.decode_rest(head, bytes).ok_or(Flaw::Payload)?;
        self.pass(&entry);
        Ok(entry)
    }

    #[inline]
    fn decode_rest(&self, head: u8, bytes: &mut Bytes<'_>) -> Option<Entry> {
        if head & KIND == START {
            let epoch = bytes.u32()?;
            return Some(Entry::Start { epoch });
        }
        let count = if head & HAS_COUNT == 0 { 1 } else { bytes.varint()? };
        if !(1..=MAX_RUN).contains(&count) {
            return None;
        }
        let other = |bytes: &mut Bytes<'_>, bit, expected: u64| match head & bit {
            0 => Some(expected),
            _ => Some(expected.wrapping_add_signed(bytes.signed()?)),
        };
        if head & KIND == GRANT {
            let lease = other(bytes, HAS_LEASE, self.lease)?;
            let worker = other(bytes, HAS_WORKER, self.worker)?;
            let task = if head & HAS_TASK == 0 { self.task } else { bytes.u32()? };
            let cell = other(bytes, HAS_CELL, self.cell)?;
            return Some(Entry::Grant { lease, worker, task, cell, count });
        }
        let lease = other(bytes, HAS_LEASE, self.settled)?;
        let ending = match head & KIND {
            DONE => Ending::Done,
            PUT_BACK => Ending::PutBack,
            ATTEMPT => Ending::Attempt { attempts: bytes.u32()? },
            _ => Ending::Failed { attempts: bytes.u32()? },
        };
        Some(Entry::Settle { lease, ending, count })
    }

    /// What suggests itself after an entry: the numbers behind its run.
    #[inline]
    const fn pass(&mut self, entry: &Entry) {
        match *entry {
            Entry::Start { epoch } => *self = Self::at_start(Some(epoch)),
            Entry::Grant { lease, worker, task, cell, count } => {
                self.lease = lease.wrapping_add(count);
                self.worker = worker;
                self.task = task;
                self.cell = cell.wrapping_add(count);
            }
            Entry::Settle { lease, count, .. } => self.settled = lease.wrapping_add(count),
        }
    }
}

fn put_count(out: &mut Vec<u8>, count: u64) -> u8 {
    if count == 1 {
        return 0;
    }
    put_varint(out, count);
    HAS_COUNT
}

/// Writes how far `number` is from `expected`; returns `bit`, or 0 where it is nothing.
#[inline]
fn put_if_other(out: &mut Vec<u8>, bit: u8, number: u64, expected: u64) -> u8 {
    if number == expected {
        return 0;
    }
    put_signed(out, number.wrapping_sub(expected).cast_signed());
    bit
}

/// Records that wait to be written: whole frames, one frame in the making, one run in the making.
#[derive(Debug)]
pub(crate) struct Batch {
    out: Vec<u8>,
    /// Where the frame in the making begins.
    frame: Option<usize>,
    run: Option<Entry>,
    /// The epoch at the end of `run`.
    epoch: Option<u32>,
    expected: Expected,
    tuning: JournalTuning,
}

impl Batch {
    /// Nothing yet; records to come belong to `epoch`.
    pub(crate) const fn new(epoch: Option<u32>, tuning: JournalTuning) -> Self {
        let expected = Expected::at_start(epoch);
        Self { out: Vec::new(), frame: None, run: None, epoch, expected, tuning }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.out.is_empty() && self.run.is_none()
    }

    /// Adds a record.
    #[inline]
    pub(crate) fn push(&mut self, entry: Entry) {
        if let Some(run) = &mut self.run
            && run.absorb(&entry, self.tuning.max_run.min(MAX_RUN))
        {
            return;
        }
        self.write_run();
        self.run = Some(entry);
    }

    /// Puts back the open leases of the tasks meant.
    pub(crate) fn put_back(&mut self, state: &mut State, is_meant: impl Fn(TaskId) -> bool) {
        let open = state.open().iter().map(|(lease, lent)| (lease, lent.key));
        let meant: Vec<_> = open.filter(|(_, key)| is_meant(key.task)).collect();
        for (lease, key) in meant {
            let record = Record::PutBack { lease, key };
            // An open lease is never refused.
            let _is_open = state.apply(&record);
            self.push(Entry::of(&record));
        }
    }

    /// The frames of all records; they stay until [`clear`](Self::clear).
    pub(crate) fn seal(&mut self) -> &[u8] {
        self.write_run();
        self.close_frame();
        &self.out
    }

    pub(crate) fn clear(&mut self) {
        self.out.clear();
        self.frame = None;
        self.run = None;
    }

    fn write_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let most = self.tuning.max_batch_bytes.min(MAX_PAYLOAD_BYTES);
        if self.frame.is_some_and(|start| self.out.len() - start + MAX_ENTRY_BYTES > most) {
            self.close_frame();
        }
        if self.frame.is_none() {
            // Each frame can be read knowing the epoch alone.
            self.expected = Expected::at_start(self.epoch);
            self.frame = Some(begin_frame(&mut self.out, kind::EVENTS));
        }
        self.expected.encode(&run, &mut self.out);
        if let Entry::Start { epoch } = run {
            self.epoch = Some(epoch);
        }
    }

    fn close_frame(&mut self) {
        if let Some(start) = self.frame.take() {
            end_frame(&mut self.out, start);
        }
    }
}

/// Makes the state follow the records of one frame.
pub(crate) fn replay(payload: Bytes<'_>, state: &mut State) -> Result<(), Flaw> {
    let mut payload = payload;
    let mut expected = Expected::at_start(state.epoch());
    while !payload.is_empty() {
        expected.decode(&mut payload)?.apply(state)?;
    }
    Ok(())
}
