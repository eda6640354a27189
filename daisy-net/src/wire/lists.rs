//! The three lists, item by item and without a heap allocation: they carry millions of blocks a second.
//!
//! Leases and cells are differences to the item before (to 0 for the first of each frame): neighbours take one byte.
//! A payload has no count: the items fill it, so no number a peer sends is ever allocated for.

use super::{
    error::WireError,
    frame::OpenFrame,
    limits::{FAILURE_LIMIT, ITEMS_LIMIT, LIST_LIMIT, kind},
    reader::Reader,
    writer::Writer,
};

/// The loan of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The loan's number, never used again.
    pub lease: u64,
    /// The block's number in the task's grid.
    pub cell: u64,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// What became of one block. `T` is `String` when owned and `&str` when it is read off a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeItem<T = String> {
    /// The loan's number.
    pub lease: u64,
    /// How it ended.
    pub verdict: Verdict<T>,
    /// How long the worker's function ran, in microseconds.
    pub micros: u64,
}

/// How a loan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<T = String> {
    /// The block is done.
    Completed,
    /// The block's function failed.
    Failed {
        /// It panicked (an exception that nothing caught) instead of returning an error.
        panicked: bool,
        /// What it said, at most [`FAILURE_LIMIT`] bytes; a longer text is cut when it is written.
        text: T,
    },
    /// The block was not begun and is given back.
    Returned,
}

impl OutcomeItem<&str> {
    /// The same with a text of its own.
    pub fn into_owned(self) -> OutcomeItem {
        let verdict = match self.verdict {
            Verdict::Completed => Verdict::Completed,
            Verdict::Failed { panicked, text } => {
                Verdict::Failed { panicked, text: text.to_owned() }
            }
            Verdict::Returned => Verdict::Returned,
        };
        OutcomeItem { lease: self.lease, verdict, micros: self.micros }
    }
}

/// The largest number that the first outcome of a frame can have: a worker has none of that many in its life.
pub const FIRST_LIMIT: u64 = u64::MAX / 2;

/// What all three lists check before an item: `None` at the end of the payload.
fn advance(
    reader: Reader<'_>,
    count: &mut usize,
    at: &'static str,
) -> Option<Result<(), WireError>> {
    if reader.left() == 0 {
        let empty = *count == 0;
        *count = ITEMS_LIMIT;
        return empty.then_some(Err(WireError::Empty { at }));
    }
    if *count == ITEMS_LIMIT {
        let limit = ITEMS_LIMIT as u64;
        return Some(Err(WireError::TooLong { at, limit, found: limit + 1 }));
    }
    *count += 1;
    Some(Ok(()))
}

macro_rules! list_iterator {
    ($name:ident, $item:ty, $at:literal) => {
        impl<'a> Iterator for $name<'a> {
            type Item = Result<$item, WireError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                let item = match advance(self.reader, &mut self.count, $at)? {
                    Ok(()) => self.read(),
                    Err(error) => Err(error),
                };
                if item.is_err() {
                    // What follows a wrong item means nothing.
                    self.reader = Reader::new(&[]);
                    self.count = ITEMS_LIMIT;
                }
                Some(item)
            }
        }
    };
}

/// Reads a payload of grants; a wrong item is the last one.
#[derive(Debug, Clone)]
pub struct GrantsReader<'a> {
    reader: Reader<'a>,
    lease: u64,
    cell: u64,
    count: usize,
}

impl<'a> GrantsReader<'a> {
    /// The grants in the payload of a frame of kind 66.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { reader: Reader::new(payload), lease: 0, cell: 0, count: 0 }
    }

    #[inline]
    fn read(&mut self) -> Result<Grant, WireError> {
        self.lease = self.reader.delta("Grants.lease", self.lease)?;
        self.cell = self.reader.delta("Grants.cell", self.cell)?;
        let attempt = self.reader.u32("Grants.attempt")?;
        Ok(Grant { lease: self.lease, cell: self.cell, attempt })
    }
}

list_iterator!(GrantsReader, Grant, "Grants.items");

/// Reads a payload of recalled leases; a wrong item is the last one.
#[derive(Debug, Clone)]
pub struct RecallReader<'a> {
    reader: Reader<'a>,
    lease: u64,
    count: usize,
}

impl<'a> RecallReader<'a> {
    /// The leases in the payload of a frame of kind 68.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { reader: Reader::new(payload), lease: 0, count: 0 }
    }

    #[inline]
    fn read(&mut self) -> Result<u64, WireError> {
        self.lease = self.reader.delta("Recall.lease", self.lease)?;
        Ok(self.lease)
    }
}

list_iterator!(RecallReader, u64, "Recall.leases");

/// Reads a payload of outcomes; a wrong item is the last one.
#[derive(Debug, Clone)]
pub struct OutcomesReader<'a> {
    reader: Reader<'a>,
    first: u64,
    lease: u64,
    count: usize,
}

impl<'a> OutcomesReader<'a> {
    /// The outcomes in the payload of a frame of kind 3.
    ///
    /// # Errors
    /// When the number of the first is wrong.
    pub fn new(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(payload);
        let first = reader.u64("Outcomes.first")?;
        Self::check_first(first)?;
        Ok(Self { reader, first, lease: 0, count: 0 })
    }

    /// The number of every item of a frame is a number, whatever comes.
    pub(super) fn check_first(found: u64) -> Result<(), WireError> {
        if found > FIRST_LIMIT {
            return Err(WireError::TooBig { at: "Outcomes.first", limit: FIRST_LIMIT, found });
        }
        Ok(())
    }

    /// The number of the first outcome; each following one has the next.
    pub fn first(&self) -> u64 {
        self.first
    }

    #[inline]
    fn read(&mut self) -> Result<OutcomeItem<&'a str>, WireError> {
        self.lease = self.reader.delta("Outcomes.lease", self.lease)?;
        let code = self.reader.code("Outcomes.verdict", 3)?;
        let micros = self.reader.u64("Outcomes.micros")?;
        let verdict = match code {
            0 => Verdict::Completed,
            1 | 2 => {
                let text = self.reader.text("Outcomes.text", FAILURE_LIMIT)?;
                Verdict::Failed { panicked: code == 2, text }
            }
            _ => Verdict::Returned,
        };
        Ok(OutcomeItem { lease: self.lease, verdict, micros })
    }
}

list_iterator!(OutcomesReader, OutcomeItem<&'a str>, "Outcomes.items");

/// The frame that items are appended to, if one is open.
#[derive(Debug)]
struct List<'a> {
    out: &'a mut Vec<u8>,
    kind: u8,
    open: Option<OpenFrame>,
    count: usize,
}

impl<'a> List<'a> {
    fn new(out: &'a mut Vec<u8>, kind: u8) -> Self {
        Self { out, kind, open: None, count: 0 }
    }

    /// Appends an item by `write`, which is told whether it is the first of its frame; when that makes the frame
    /// too long, the item goes into a new one.
    #[inline]
    fn push(&mut self, mut write: impl FnMut(&mut Writer<'_>, bool)) {
        if let Some(open) = self.open
            && self.count < ITEMS_LIMIT
        {
            let mark = self.out.len();
            write(&mut Writer::new(self.out), false);
            if open.payload_len(self.out) <= LIST_LIMIT {
                self.count += 1;
                return;
            }
            self.out.truncate(mark);
        }
        self.close();
        self.open = Some(OpenFrame::begin(self.out, self.kind));
        self.count = 1;
        write(&mut Writer::new(self.out), true);
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.end(self.out);
        }
    }
}

/// The frame is whole however the writer goes away: half a frame would end the connection.
impl Drop for List<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Appends frames of grants: a new frame when one is full, none for no grants. Complete when it is dropped.
#[derive(Debug)]
pub struct GrantsWriter<'a> {
    list: List<'a>,
    lease: u64,
    cell: u64,
}

impl<'a> GrantsWriter<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { list: List::new(out, kind::GRANTS), lease: 0, cell: 0 }
    }

    /// Appends one grant.
    #[inline]
    pub fn push(&mut self, grant: Grant) {
        let before = (self.lease, self.cell);
        self.list.push(|writer, first| {
            let (lease, cell) = if first { (0, 0) } else { before };
            writer.delta(lease, grant.lease);
            writer.delta(cell, grant.cell);
            writer.u64(u64::from(grant.attempt));
        });
        (self.lease, self.cell) = (grant.lease, grant.cell);
    }

    /// Completes the last frame.
    pub fn finish(self) {}
}

/// Appends frames of recalled leases: a new frame when one is full, none for none. Complete when it is dropped.
#[derive(Debug)]
pub struct RecallWriter<'a> {
    list: List<'a>,
    lease: u64,
}

impl<'a> RecallWriter<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { list: List::new(out, kind::RECALL), lease: 0 }
    }

    /// Appends one lease.
    pub fn push(&mut self, lease: u64) {
        let before = self.lease;
        self.list.push(|writer, first| writer.delta(if first { 0 } else { before }, lease));
        self.lease = lease;
    }

    /// Completes the last frame.
    pub fn finish(self) {}
}

/// Appends frames of outcomes: a new frame when one is full, none for no outcomes. Complete when it is dropped.
#[derive(Debug)]
pub struct OutcomesWriter<'a> {
    list: List<'a>,
    next: u64,
    lease: u64,
}

impl<'a> OutcomesWriter<'a> {
    /// Appends to `out`; the first outcome pushed has the number `first`, and each following one the next.
    pub fn new(out: &'a mut Vec<u8>, first: u64) -> Self {
        Self { list: List::new(out, kind::OUTCOMES), next: first, lease: 0 }
    }

    /// Appends one outcome.
    #[inline]
    pub fn push<T: AsRef<str>>(&mut self, item: &OutcomeItem<T>) {
        let (before, number) = (self.lease, self.next);
        self.list.push(|writer, first| {
            if first {
                writer.u64(number);
            }
            writer.delta(if first { 0 } else { before }, item.lease);
            let (code, text) = match &item.verdict {
                Verdict::Completed => (0, None),
                Verdict::Failed { panicked: false, text } => (1, Some(text)),
                Verdict::Failed { panicked: true, text } => (2, Some(text)),
                Verdict::Returned => (3, None),
            };
            writer.byte(code);
            writer.u64(item.micros);
            if let Some(text) = text {
                writer.text_cut(FAILURE_LIMIT, text.as_ref());
            }
        });
        self.lease = item.lease;
        self.next = self.next.wrapping_add(1);
    }

    /// Completes the last frame and says which number the next outcome has.
    pub fn finish(self) -> u64 {
        self.next
    }
}
