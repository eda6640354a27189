//! One connection as the server sees it.
//!
//! ```text
//!  opened --- Hello accepted ---> a worker's
//!     |                              |
//!     '---- wrong bytes, too slow, nobody said who he is, given up ----> closing (flushed, then closed)
//! ```

use core::fmt;
use std::collections::VecDeque;

use daisy_sched::{CoordinatorError, Lease, LeaseId, Moment, WorkerId};

use super::spare::Spare;
use crate::{
    channel::{Channel, ChannelError},
    wire::{Grant, GrantsWriter, RefusalReason, ToWorker, WireError},
};

/// The name of a connection: a slot in the low half, and in the high half how often the slot was used
/// before, so that what is meant for one connection never reaches another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineKey(pub u64);

impl LineKey {
    /// Where it stands in tables.
    #[must_use]
    pub const fn slot(self) -> usize {
        (self.0 & u32::MAX as u64) as usize
    }
}

/// Why the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The bytes are wrong: another protocol, another key, or altered.
    Channel(ChannelError),
    /// A message that is none.
    Message(WireError),
    /// A message at the wrong time: before the hello, or a second hello.
    OutOfOrder,
    /// What a worker said makes no sense to the coordinator: somebody else's lease, for example.
    Nonsense,
    /// Nobody said in time who he is.
    NoHello,
    /// Too many connections on which nobody has said who he is.
    Crowded,
    /// The worker was refused, and told why.
    Refused(RefusalReason),
    /// The worker was told to end.
    GivenUp,
    /// The worker came back on another connection.
    Superseded,
    /// The worker does not read what it is sent.
    SlowReader,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::OutOfOrder => f.write_str("a message came before the hello, or a second hello"),
            Self::Nonsense => {
                f.write_str("a message made no sense, about somebody else's lease say")
            }
            Self::NoHello => f.write_str("nobody said in time who it is"),
            Self::Crowded => f.write_str("too many connections on which nobody has said who it is"),
            Self::Refused(reason) => write!(f, "the worker was refused: {reason:?}"),
            Self::GivenUp => f.write_str("the worker was given up"),
            Self::Superseded => f.write_str("the worker came back on another connection"),
            Self::SlowReader => f.write_str("the worker does not read what it is sent"),
        }
    }
}

impl From<ChannelError> for CloseReason {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<WireError> for CloseReason {
    fn from(error: WireError) -> Self {
        Self::Message(error)
    }
}

impl From<CoordinatorError> for CloseReason {
    fn from(_: CoordinatorError) -> Self {
        Self::Nonsense
    }
}

/// One connection.
pub(super) struct Line {
    pub(super) channel: Channel,
    pub(super) desk: Desk,
    pub(super) opened: Moment,
    /// Something was flushed since the last sign of life.
    pub(super) has_spoken: bool,
    pub(super) is_dirty: bool,
    pub(super) closing: Option<CloseReason>,
}

/// What of a line does not belong to its bytes.
pub(super) struct Desk {
    pub(super) key: LineKey,
    pub(super) worker: Option<WorkerId>,
    /// What was said last is that the line ends: nothing more is heard, and it is closed.
    pub(super) farewell: Option<CloseReason>,
    /// The worker has said everything.
    pub(super) has_left: bool,
    /// Outcomes that came and are being checked: their numbers and leases, by number.
    checking: VecDeque<(u64, LeaseId)>,
    /// The number of the outcome that came last, plus one.
    num_outcomes: u64,
    /// Outcomes up to this number are to be acknowledged.
    pub(super) ack: Option<u64>,
    /// Whole frames to be sent.
    pub(super) frames: Vec<u8>,
    /// Blocks to be sent after them.
    grants: Vec<Grant>,
}

impl Line {
    pub(super) fn new(key: LineKey, channel: Channel, opened: Moment) -> Self {
        let (frames, grants) = (Vec::new(), Vec::new());
        let desk = Desk {
            key,
            worker: None,
            farewell: None,
            has_left: false,
            checking: VecDeque::new(),
            num_outcomes: 0,
            ack: None,
            frames,
            grants,
        };
        Self { channel, desk, opened, has_spoken: false, is_dirty: false, closing: None }
    }

    pub(super) const fn key(&self) -> LineKey {
        self.desk.key
    }

    /// The line is to be closed once what was said is sent.
    pub(super) fn close(&mut self, reason: CloseReason) {
        self.closing.get_or_insert(reason);
    }

    /// Appends a message; false if it cannot be encoded.
    pub(super) fn say(&mut self, message: &ToWorker) -> bool {
        self.desk.say(message)
    }

    pub(super) fn wants_flush(&self) -> bool {
        let Desk { frames, grants, ack, .. } = &self.desk;
        !frames.is_empty()
            || !grants.is_empty()
            || ack.is_some()
            || self.closing.is_some()
            || self.channel.wants_flush()
    }

    /// Appends everything to be sent to `bytes`.
    pub(super) fn flush(&mut self, spare: &mut Spare, bytes: &mut Vec<u8>) {
        let out = self.channel.put();
        if out.is_empty() {
            // What waits for the channel to open stays where it is.
            std::mem::swap(out, &mut spare.frames);
        }
        self.desk.put_into(spare, out);
        let before = bytes.len();
        if let Err(error) = self.channel.flush(bytes) {
            self.close(CloseReason::Channel(error));
        }
        self.has_spoken |= bytes.len() > before;
        let out = self.channel.put();
        if out.is_empty() {
            std::mem::swap(out, &mut spare.frames);
        }
    }
}

impl Desk {
    /// An outcome came; `is_over` unless it has to be checked first.
    #[inline]
    pub(super) fn note_outcome(&mut self, number: u64, lease: LeaseId, is_over: bool) {
        if !is_over {
            self.checking.push_back((number, lease));
        }
        self.num_outcomes = number + 1;
    }

    /// A check has come to its end; false if it was not of an outcome of this line.
    pub(super) fn forget_check(&mut self, lease: LeaseId) -> bool {
        let place = self.checking.iter().position(|&(_, checked)| checked == lease);
        place.and_then(|place| self.checking.remove(place)).is_some()
    }

    /// The number up to which all outcomes stand.
    pub(super) fn settled_through(&self) -> Option<u64> {
        let open = self.checking.front().map_or(self.num_outcomes, |&(number, _)| number);
        open.checked_sub(1)
    }

    /// Memory for the blocks of this turn.
    #[inline]
    pub(super) fn begin_grants(&mut self, spare: &mut Spare) {
        if self.grants.capacity() == 0 {
            self.grants = spare.take_list();
        }
    }

    #[inline]
    pub(super) fn grant(&mut self, lease: &Lease) {
        let (lease, cell, attempt) = (lease.id.0, lease.key.cell, lease.attempt);
        self.grants.push(Grant { lease, cell, attempt });
    }

    /// Appends everything to be sent to `out`, in its order.
    fn put_into(&mut self, spare: &mut Spare, out: &mut Vec<u8>) {
        out.append(&mut std::mem::take(&mut self.frames));
        if let Some(through) = self.ack.take() {
            // A number always can be encoded.
            let _is_encoded = ToWorker::Ack { through }.encode_into(out);
        }
        if !self.grants.is_empty() {
            let mut list = std::mem::take(&mut self.grants);
            let mut writer = GrantsWriter::new(out);
            list.drain(..).for_each(|grant| writer.push(grant));
            spare.put_list(list);
        }
    }

    /// Appends a message; false if it cannot be encoded.
    pub(super) fn say(&mut self, message: &ToWorker) -> bool {
        message.encode_into(&mut self.frames).is_ok()
    }
}
