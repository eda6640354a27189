//! What the server says: kinds 65 to 73.

use core::fmt;

use super::{
    error::WireError,
    frame::{Direction, frame},
    layout::LayoutFrame,
    limits::{REFUSAL_LIMIT, SEEN_AS_LIMIT, kind, payload_limit},
    lists::{Grant, GrantsReader, GrantsWriter, RecallReader, RecallWriter},
    reader::Reader,
    writer::Writer,
};

/// A message from the server to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one welcome a connection, and it is not kept here"
)]
pub enum ToWorker {
    /// The worker is known; the answer to `Hello`. Kind 65.
    Welcome(Welcome),
    /// Blocks to work on. Kind 66.
    Grants {
        /// The loans; encoded as several frames when they do not fit into one, as none when there are none.
        items: Vec<Grant>,
    },
    /// All outcomes up to this number are safe. Kind 67.
    Ack {
        /// The number of the last one.
        through: u64,
    },
    /// Give these back unless they are begun: each is answered by an outcome. Kind 68.
    Recall {
        /// The loans; encoded as several frames when they do not fit into one, as none when there are none.
        leases: Vec<u64>,
    },
    /// The server lives, and has heard of the worker. Kind 69.
    Heartbeat {
        /// The clock in the last heartbeat that came on this connection; 0 before the first.
        heard: u64,
    },
    /// The answer to `Ask`. Kind 70.
    Answer {
        /// The loan's number.
        lease: u64,
        /// It is still this worker's.
        is_open: bool,
    },
    /// Nothing more is to be expected: finish what was begun, hand it in, end. Kind 71.
    Dismiss,
    /// End the process now. Kind 72.
    End {
        /// Why.
        reason: EndReason,
    },
    /// The worker is not wanted; then the connection closes. Kind 73.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// For people, at most [`REFUSAL_LIMIT`] bytes; a longer text is cut.
        text: String,
    },
}

/// The answer to `Hello`: who the worker is for the server, and what it has to keep to.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Welcome {
    /// The worker's number.
    pub worker: u64,
    /// What it shows when it comes back after a broken connection.
    pub secret: [u8; 16],
    /// The number of its task in the run.
    pub task: u32,
    /// How often it has to be heard of, in milliseconds; 0 for never.
    pub heartbeat_ms: u64,
    /// So long after the last sign of life that the server has answered its process has to end, in
    /// milliseconds; 0 for never.
    pub silence_ms: u64,
    /// For how long it goes on and tries to come back after a broken connection, in milliseconds; 0 not at all.
    pub reconnect_ms: u64,
    /// For how long a block may be worked on, in milliseconds; 0 for ever.
    pub timeout_ms: u64,
    /// The most blocks it may hold and want together.
    pub max_ahead: u32,
    /// Where the server sees this connection come from, at most [`SEEN_AS_LIMIT`] bytes; empty where that
    /// is unknown. If it is not the worker's own end, something lies between that can break by itself.
    pub seen_as: String,
    /// From which it computes its blocks' ROIs.
    pub layout: LayoutFrame,
}

impl fmt::Debug for Welcome {
    /// Without the secret: logs are read by more people than may speak for this worker.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("worker", &self.worker)
            .field("task", &self.task)
            .field("heartbeat_ms", &self.heartbeat_ms)
            .field("silence_ms", &self.silence_ms)
            .field("reconnect_ms", &self.reconnect_ms)
            .field("timeout_ms", &self.timeout_ms)
            .field("max_ahead", &self.max_ahead)
            .field("seen_as", &self.seen_as)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

/// Why a worker's process has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// A block took longer than its timeout. Code 0.
    TimedOut,
    /// Its leases were taken away. Code 1.
    Revoked,
    /// The run is being stopped. Code 2.
    Drained,
    /// The run has given up on its task. Code 3.
    GivenUp,
    /// The server does not know this worker (any more). Code 4.
    Unknown,
}

impl EndReason {
    const ALL: [Self; 5] =
        [Self::TimedOut, Self::Revoked, Self::Drained, Self::GivenUp, Self::Unknown];
}

/// Why a worker is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// No task has this name. Code 0.
    UnknownTask,
    /// No worker has this number and secret. Code 1.
    UnknownWorker,
    /// There are as many workers as may be. Code 2.
    Full,
    /// The run or the task is over. Code 3.
    Ended,
    /// A message was against the protocol. Code 4.
    Malformed,
}

impl RefusalReason {
    const ALL: [Self; 5] =
        [Self::UnknownTask, Self::UnknownWorker, Self::Full, Self::Ended, Self::Malformed];
}

impl ToWorker {
    /// The message in a frame.
    ///
    /// # Errors
    /// A [`WireError`] for everything that the encoder would not have written.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError> {
        let limit = payload_limit(Direction::ToWorker, kind)?;
        if payload.len() > limit {
            let (limit, found) = (limit as u64, payload.len() as u64);
            return Err(WireError::TooLong { at: "frame.length", limit, found });
        }
        let mut reader = Reader::new(payload);
        let (message, at) = match kind {
            kind::WELCOME => (Self::Welcome(Welcome::read(&mut reader)?), "Welcome"),
            kind::GRANTS => {
                let items = GrantsReader::new(payload).collect::<Result<Vec<_>, _>>()?;
                return Ok(Self::Grants { items });
            }
            kind::ACK => (Self::Ack { through: reader.u64("Ack.through")? }, "Ack"),
            kind::RECALL => {
                let leases = RecallReader::new(payload).collect::<Result<Vec<_>, _>>()?;
                return Ok(Self::Recall { leases });
            }
            kind::HEARTBEAT_BACK => {
                (Self::Heartbeat { heard: reader.u64("Heartbeat.heard")? }, "Heartbeat")
            }
            kind::ANSWER => {
                let lease = reader.u64("Answer.lease")?;
                (Self::Answer { lease, is_open: reader.flag("Answer.is_open")? }, "Answer")
            }
            kind::DISMISS => (Self::Dismiss, "Dismiss"),
            kind::END => {
                (Self::End { reason: reason(&mut reader, "End.reason", &EndReason::ALL)? }, "End")
            }
            kind::REFUSED => {
                let reason = reason(&mut reader, "Refused.reason", &RefusalReason::ALL)?;
                let text = reader.text("Refused.text", REFUSAL_LIMIT)?.to_owned();
                (Self::Refused { reason, text }, "Refused")
            }
            found => return Err(WireError::UnknownKind { found }),
        };
        reader.finish(at)?;
        Ok(message)
    }

    /// Appends the message as a frame.
    ///
    /// # Errors
    /// When the layout has no axis, too many, or ROIs of different numbers of axes; then `out` is as it was.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Welcome(welcome) => frame(out, kind::WELCOME, |writer| welcome.write(writer)),
            Self::Grants { items } => {
                let mut writer = GrantsWriter::new(out);
                items.iter().for_each(|grant| writer.push(*grant));
                Ok(())
            }
            Self::Ack { through } => frame(out, kind::ACK, |writer| {
                writer.u64(*through);
                Ok(())
            }),
            Self::Recall { leases } => {
                let mut writer = RecallWriter::new(out);
                leases.iter().for_each(|lease| writer.push(*lease));
                Ok(())
            }
            Self::Heartbeat { heard } => frame(out, kind::HEARTBEAT_BACK, |writer| {
                writer.u64(*heard);
                Ok(())
            }),
            Self::Answer { lease, is_open } => frame(out, kind::ANSWER, |writer| {
                writer.u64(*lease);
                writer.flag(*is_open);
                Ok(())
            }),
            Self::Dismiss => frame(out, kind::DISMISS, |_| Ok(())),
            Self::End { reason } => frame(out, kind::END, |writer| {
                writer.byte(*reason as u8);
                Ok(())
            }),
            Self::Refused { reason, text } => frame(out, kind::REFUSED, |writer| {
                writer.byte(*reason as u8);
                writer.text_cut(REFUSAL_LIMIT, text);
                Ok(())
            }),
        }
    }
}

/// A code as the reason that stands at its place.
fn reason<T: Copy>(reader: &mut Reader<'_>, at: &'static str, all: &[T]) -> Result<T, WireError> {
    let found = reader.byte(at)?;
    let limit = all.len().saturating_sub(1) as u8;
    all.get(usize::from(found)).copied().ok_or(WireError::UnknownCode { at, limit, found })
}

impl Welcome {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            worker: reader.u64("Welcome.worker")?,
            secret: reader.array("Welcome.secret")?,
            task: reader.u32("Welcome.task")?,
            heartbeat_ms: reader.u64("Welcome.heartbeat_ms")?,
            silence_ms: reader.u64("Welcome.silence_ms")?,
            reconnect_ms: reader.u64("Welcome.reconnect_ms")?,
            timeout_ms: reader.u64("Welcome.timeout_ms")?,
            max_ahead: reader.u32("Welcome.max_ahead")?,
            seen_as: reader.text("Welcome.seen_as", SEEN_AS_LIMIT)?.to_owned(),
            layout: LayoutFrame::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u64(self.worker);
        writer.bytes(&self.secret);
        writer.u64(u64::from(self.task));
        writer.u64(self.heartbeat_ms);
        writer.u64(self.silence_ms);
        writer.u64(self.reconnect_ms);
        writer.u64(self.timeout_ms);
        writer.u64(u64::from(self.max_ahead));
        writer.text_cut(SEEN_AS_LIMIT, &self.seen_as);
        self.layout.write(writer)
    }
}
