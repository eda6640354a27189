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
    /// A worker asked for more blocks than any may hold.
    Greedy,
    /// The outcomes of a worker are not numbered without gaps.
    Gap,
    /// Nobody said in time who he is.
    NoHello,
    /// Too many connections on which nobody has said who he is.
    Crowded,
    /// The worker was refused, and told why.
    Refused(RefusalReason),
    /// The worker was told to end.
    GivenUp,
    /// The worker has left, and did not close the connection.
    Left,
    /// The worker came back on another connection.
    Superseded,
    /// The worker does not read what it is sent.
    SlowReader,
}

impl CloseReason {
    /// Whether the peer was told what it has to know. If not, the connection is to be reset: an end in good
    /// order could be taken for the server's death.
    #[must_use]
    pub const fn is_said(self) -> bool {
        matches!(self, Self::Refused(_) | Self::GivenUp | Self::Left) || self.is_breach()
    }

    /// Whether whoever knew the key said something against the protocol. It is told so.
    #[must_use]
    pub const fn is_breach(self) -> bool {
        matches!(
            self,
            Self::Message(_) | Self::OutOfOrder | Self::Nonsense | Self::Greedy | Self::Gap
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::OutOfOrder => {
                f.write_str("a message came before the hello or its answer, or a second hello")
            }
            Self::Greedy => f.write_str("more blocks were asked for than a worker may hold"),
            Self::Gap => f.write_str("the numbers of outcomes have a gap"),
            Self::Nonsense => {
                f.write_str("a message made no sense, about somebody else's lease say")
            }
            Self::NoHello => f.write_str("nobody said in time who it is"),
            Self::Crowded => f.write_str("too many connections on which nobody has said who it is"),
            Self::Refused(reason) => write!(f, "the worker was refused: {reason:?}"),
            Self::GivenUp => f.write_str("the worker was given up"),
            Self::Left => f.write_str("the worker has left, and did not close its connection"),
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
    /// Where it comes from, as the server sees it.
    pub(super) from: String,
    pub(super) worker: Option<WorkerId>,
    /// What was said last is that the line ends: nothing more is heard, and it is closed.
    pub(super) farewell: Option<CloseReason>,
    /// The worker has said everything.
    pub(super) has_left: bool,
    /// Outcomes that came and are being checked: their numbers and leases, by number.
    checking: VecDeque<(u64, LeaseId)>,
    /// The number of the outcome that came last, plus one; None before the first on this line.
    num_outcomes: Option<u64>,
    /// The worker had outcomes on lines before: its first number here may be any.
    pub(super) is_back: bool,
    /// Its welcome has left: before, nothing is to be heard of it.
    pub(super) is_welcome: bool,
    /// Outcomes up to this number are to be acknowledged.
    pub(super) ack: Option<u64>,
    /// The worker's clock in its last heartbeat.
    pub(super) clock: u64,
    /// That heartbeat is to be answered.
    pub(super) owes_beat: bool,
    /// Whole frames to be sent.
    pub(super) frames: Vec<u8>,
    /// Blocks to be sent after them.
    grants: Vec<Grant>,
}

impl Line {
    pub(super) fn new(key: LineKey, from: String, channel: Channel, opened: Moment) -> Self {
        let (frames, grants) = (Vec::new(), Vec::new());
        let desk = Desk {
            key,
            from,
            worker: None,
            farewell: None,
            has_left: false,
            checking: VecDeque::new(),
            num_outcomes: None,
            is_back: false,
            is_welcome: false,
            ack: None,
            clock: 0,
            owes_beat: false,
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
        let Desk { frames, grants, ack, owes_beat, .. } = &self.desk;
        !frames.is_empty()
            || !grants.is_empty()
            || ack.is_some()
            || *owes_beat
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
        // It may come again while it is being checked.
        if !is_over && self.checking.iter().all(|&(_, checked)| checked != lease) {
            self.checking.push_back((number, lease));
        }
        self.num_outcomes = Some(number + 1);
    }

    /// Whether outcomes may go on with this number.
    #[inline]
    pub(super) fn may_go_on_with(&self, first: u64) -> bool {
        match self.num_outcomes {
            Some(next) => first == next,
            None => first == 0 || self.is_back,
        }
    }

    /// A check has come to its end; false if it was not of an outcome of this line.
    pub(super) fn forget_check(&mut self, lease: LeaseId) -> bool {
        let place = self.checking.iter().position(|&(_, checked)| checked == lease);
        place.and_then(|place| self.checking.remove(place)).is_some()
    }

    /// The number up to which all outcomes stand.
    pub(super) fn settled_through(&self) -> Option<u64> {
        let open = self.checking.front().map(|&(number, _)| number).or(self.num_outcomes);
        open.and_then(|open| open.checked_sub(1))
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
        self.is_welcome |= self.worker.is_some();
        if let Some(through) = self.ack.take() {
            // A number always can be encoded.
            let _is_encoded = ToWorker::Ack { through }.encode_into(out);
        }
        if std::mem::take(&mut self.owes_beat) {
            let _is_encoded = ToWorker::Heartbeat { heard: self.clock }.encode_into(out);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Security;

    #[test]
    fn an_outcome_that_comes_again_while_it_is_checked_is_one_outcome() {
        let channel = Channel::server(Security::Clear, [1; 32]);
        let mut desk = Line::new(LineKey(0), String::new(), channel, Moment::ZERO).desk;
        desk.note_outcome(0, LeaseId(7), false);
        desk.note_outcome(0, LeaseId(7), false);
        desk.note_outcome(1, LeaseId(7), false);
        desk.note_outcome(2, LeaseId(8), true);
        assert_eq!((desk.checking.len(), desk.settled_through()), (1, None));
        assert!(desk.forget_check(LeaseId(7)));
        assert_eq!(desk.settled_through(), Some(2));
    }
}
