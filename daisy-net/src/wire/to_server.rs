//! What a worker says: kinds 1 to 6.

use core::fmt;

use super::{
    error::WireError,
    frame::{Direction, frame},
    limits::{HOST_LIMIT, TASK_LIMIT, kind, payload_limit},
    lists::{OutcomeItem, OutcomesReader, OutcomesWriter},
    reader::Reader,
    writer::Writer,
};

/// A message from a worker to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToServer {
    /// Who the worker is; the first message of a connection. Kind 1.
    Hello(Hello),
    /// So many blocks *more* than were wanted before. Kind 2.
    Want {
        /// How many.
        blocks: u32,
    },
    /// What became of blocks, numbered `first`, `first + 1`, ... among the worker's outcomes. Kind 3.
    Outcomes {
        /// The number of the first one.
        first: u64,
        /// The outcomes; encoded as several frames when they do not fit into one, as none when there are none.
        items: Vec<OutcomeItem>,
    },
    /// The worker lives. Kind 4.
    Heartbeat {
        /// The worker's clock, in a unit and from a start of its choice: it comes back with the answer.
        clock: u64,
        /// The most memory its process has used, in KiB; 0 when unknown.
        peak_memory_kb: u64,
        /// The processor time its process has used, in milliseconds; 0 when unknown.
        cpu_ms: u64,
    },
    /// Is this lease still mine? Kind 5.
    Ask {
        /// The loan's number.
        lease: u64,
    },
    /// Everything is said, the worker goes. Kind 6.
    Leave,
}

/// The first message of a connection: who the worker is.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The name of the task it works for, at most [`TASK_LIMIT`] bytes.
    pub task: String,
    /// Its number, when it was given one: by its launcher or in an earlier `Welcome`.
    pub worker: Option<u64>,
    /// The secret of the `Welcome` it once got: it is back after a broken connection.
    pub secret: Option<[u8; 16]>,
    /// How many blocks it holds when it is back.
    pub held: u32,
    /// How often it promises a heartbeat, in milliseconds; 0 promises none.
    pub heartbeat_ms: u32,
    /// Its process.
    pub pid: u32,
    /// Its machine, at most [`HOST_LIMIT`] bytes; a longer name is cut.
    pub host: String,
}

impl fmt::Debug for Hello {
    /// Without the secret: logs are read by more people than may speak for this worker.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("task", &self.task)
            .field("worker", &self.worker)
            .field("is_back", &self.secret.is_some())
            .field("held", &self.held)
            .field("heartbeat_ms", &self.heartbeat_ms)
            .field("pid", &self.pid)
            .field("host", &self.host)
            .finish()
    }
}

impl ToServer {
    /// The message in a frame.
    ///
    /// # Errors
    /// A [`WireError`] for everything that the encoder would not have written.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError> {
        let limit = payload_limit(Direction::ToServer, kind)?;
        if payload.len() > limit {
            let (limit, found) = (limit as u64, payload.len() as u64);
            return Err(WireError::TooLong { at: "frame.length", limit, found });
        }
        let mut reader = Reader::new(payload);
        let (message, at) = match kind {
            kind::HELLO => (Self::Hello(Hello::read(&mut reader)?), "Hello"),
            kind::WANT => (Self::Want { blocks: reader.u32("Want.blocks")? }, "Want"),
            kind::OUTCOMES => {
                let items = OutcomesReader::new(payload)?;
                let first = items.first();
                let items = items
                    .map(|item| item.map(OutcomeItem::into_owned))
                    .collect::<Result<Vec<_>, _>>()?;
                return Ok(Self::Outcomes { first, items });
            }
            kind::HEARTBEAT => {
                let clock = reader.u64("Heartbeat.clock")?;
                let peak_memory_kb = reader.u64("Heartbeat.peak_memory_kb")?;
                let cpu_ms = reader.u64("Heartbeat.cpu_ms")?;
                (Self::Heartbeat { clock, peak_memory_kb, cpu_ms }, "Heartbeat")
            }
            kind::ASK => (Self::Ask { lease: reader.u64("Ask.lease")? }, "Ask"),
            kind::LEAVE => (Self::Leave, "Leave"),
            found => return Err(WireError::UnknownKind { found }),
        };
        reader.finish(at)?;
        Ok(message)
    }

    /// Appends the message as a frame.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for a task's name that is too long, [`WireError::TooBig`] for outcomes numbered near
    /// 2^64; then `out` is as it was.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            Self::Hello(hello) => frame(out, kind::HELLO, |writer| hello.write(writer)),
            Self::Want { blocks } => frame(out, kind::WANT, |writer| {
                writer.u64(u64::from(*blocks));
                Ok(())
            }),
            Self::Outcomes { first, items } => {
                OutcomesReader::check_first(*first)?;
                let mut writer = OutcomesWriter::new(out, *first);
                items.iter().for_each(|item| writer.push(item));
                Ok(())
            }
            Self::Heartbeat { clock, peak_memory_kb, cpu_ms } => {
                frame(out, kind::HEARTBEAT, |writer| {
                    writer.u64(*clock);
                    writer.u64(*peak_memory_kb);
                    writer.u64(*cpu_ms);
                    Ok(())
                })
            }
            Self::Ask { lease } => frame(out, kind::ASK, |writer| {
                writer.u64(*lease);
                Ok(())
            }),
            Self::Leave => frame(out, kind::LEAVE, |_| Ok(())),
        }
    }
}

impl Hello {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            task: reader.text("Hello.task", TASK_LIMIT)?.to_owned(),
            worker: match reader.flag("Hello.worker")? {
                true => Some(reader.u64("Hello.worker")?),
                false => None,
            },
            secret: match reader.flag("Hello.secret")? {
                true => Some(reader.array("Hello.secret")?),
                false => None,
            },
            held: reader.u32("Hello.held")?,
            heartbeat_ms: reader.u32("Hello.heartbeat_ms")?,
            pid: reader.u32("Hello.pid")?,
            host: reader.text("Hello.host", HOST_LIMIT)?.to_owned(),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.text("Hello.task", TASK_LIMIT, &self.task)?;
        writer.flag(self.worker.is_some());
        if let Some(worker) = self.worker {
            writer.u64(worker);
        }
        writer.flag(self.secret.is_some());
        if let Some(secret) = &self.secret {
            writer.bytes(secret);
        }
        writer.u64(u64::from(self.held));
        writer.u64(u64::from(self.heartbeat_ms));
        writer.u64(u64::from(self.pid));
        writer.text_cut(HOST_LIMIT, &self.host);
        Ok(())
    }
}
