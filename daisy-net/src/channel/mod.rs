//! One connection's security and framing, for both sides and without a socket: bytes in, frames out, and back.
//!
//! ```text
//!            client                                        server
//!   Preamble |  -- preamble, [handshake 1] ------------->  | Preamble, Handshake
//!            |  <------------- preamble, [handshake 2] --  |
//!   Open     |  <== records ============================>  | Open
//!
//!   Preamble -> Handshake -> Open        what is in brackets only with a key
//!       \___________\_________\___> Broken(why)
//! ```
//!
//! What the session puts in before the channel is open goes out after it. After an error the channel takes nothing
//! more; a server's refusal waits in it, so flush once and then close.
//!
//! A server is open when it has *answered* a first message that fits its key. Such a message can be a recorded one, so
//! only the first record proves that the peer knows the key; until then a record has at most [`FIRST_RECORD_LIMIT`]
//! bytes, and nothing of the session has been told.

mod error;
mod noise;
mod opening;
mod records;

use core::{fmt, mem};

use snow::{HandshakeState, TransportState};

pub use self::{
    error::ChannelError,
    noise::{HANDSHAKE_LEN, NOISE_PATTERN, Security, TAG_LEN},
};
use crate::wire::{HELLO_LIMIT, Preamble, VERSION};

/// The longest body of a record.
pub const RECORD_LIMIT: usize = 65_535;
/// The most plaintext in one record, encrypted or not.
pub const PLAINTEXT_LIMIT: usize = RECORD_LIMIT - TAG_LEN;
/// The longest body of a client's first record: a `Hello`, its header and a tag.
pub const FIRST_RECORD_LIMIT: usize = HELLO_LIMIT + 3 + TAG_LEN;

/// The length that a record begins with.
const LENGTH_LEN: usize = 2;

/// One side of one connection.
pub struct Channel {
    is_client: bool,
    stage: Stage,
    /// What has come of a preamble, a handshake message or a record that is not whole yet.
    partial: Vec<u8>,
    /// The plaintext of the record being read, kept for its memory.
    plaintext: Vec<u8>,
    /// Preambles and handshake messages to be sent.
    opening: Vec<u8>,
    /// Frames to be sent.
    gathered: Vec<u8>,
    /// A record has come whole: the peer knows the key.
    has_received: bool,
    /// A record has been sent.
    has_sent: bool,
    /// A frame that is none came: nothing more is received.
    deaf: Option<ChannelError>,
}

enum Stage {
    /// A client waits for the server's preamble.
    Called(Option<Box<HandshakeState>>),
    /// A client waits for the server's handshake message.
    Accepted(Box<HandshakeState>),
    /// A server waits for the client's preamble and, with a key, its handshake message.
    Listening { security: Security, randomness: [u8; 32] },
    /// Records in the clear.
    Clear,
    /// Encrypted records.
    Sealed(Box<TransportState>),
    /// Nothing more.
    Broken(ChannelError),
}

impl Channel {
    /// A client's side. `randomness` must be fresh for each connection.
    pub fn client(security: Security, mut randomness: [u8; 32]) -> Self {
        let preamble = Preamble { version: VERSION, security: code(&security), status: 0 }.encode();
        let mut opening = preamble.to_vec();
        let stage = match &security {
            Security::Clear => Stage::Called(None),
            Security::Key(key) => match noise::initiate(key, &preamble, &randomness) {
                Ok((state, message)) => {
                    append_record(&mut opening, &message);
                    Stage::Called(Some(Box::new(state)))
                }
                Err(error) => Stage::Broken(error),
            },
        };
        noise::wipe(&mut randomness);
        Self::new(true, stage, opening)
    }

    /// A server's side. `randomness` must be fresh for each connection.
    pub fn server(security: Security, randomness: [u8; 32]) -> Self {
        Self::new(false, Stage::Listening { security, randomness }, Vec::new())
    }

    fn new(is_client: bool, stage: Stage, opening: Vec<u8>) -> Self {
        Self {
            is_client,
            stage,
            partial: Vec::new(),
            plaintext: Vec::new(),
            opening,
            gathered: Vec::new(),
            has_received: false,
            has_sent: false,
            deaf: None,
        }
    }

    /// The handshake is done: records flow.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Clear | Stage::Sealed(_))
    }

    /// The peer has sent a whole record: with a key, it is proven to know it.
    pub fn is_proven(&self) -> bool {
        self.has_received
    }

    /// Why nothing more comes and goes, if so.
    pub fn broken(&self) -> Option<ChannelError> {
        match self.stage {
            Stage::Broken(error) => Some(error),
            _ => self.deaf,
        }
    }

    /// There is something that [`flush`](Self::flush) would put out now.
    pub fn wants_flush(&self) -> bool {
        !self.opening.is_empty() || (self.is_open() && !self.gathered.is_empty())
    }

    /// Takes bytes from the peer, split anywhere, and hands each whole frame to `sink`: kind, payload. The kind belongs
    /// to this direction and the payload is within the kind's limit.
    ///
    /// # Errors
    /// A [`ChannelError`] about the bytes, or what `sink` returned. The channel is broken after either; only after
    /// [`ChannelError::Frame`], by a peer that is known to have the key, can something still be flushed: that it was wrong.
    pub fn receive<E: From<ChannelError>>(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(u8, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(error) = self.deaf {
            return Err(E::from(error));
        }
        let mut input = bytes;
        let opened = self.open(&mut input);
        let result = match opened {
            Ok(true) => self.records(input, &mut sink),
            Ok(false) => Ok(()),
            Err(error) => Err(Stop::Channel(error)),
        };
        result.map_err(|stop| match stop {
            Stop::Channel(error) => {
                match error {
                    ChannelError::Frame(_) => self.deaf = Some(error),
                    _ => self.stop(error),
                }
                E::from(error)
            }
            Stop::Sink(error) => {
                self.stop(ChannelError::Ended);
                error
            }
        })
    }

    /// Exchanges the memory in which records are decrypted, so that many channels can share one: lend it before
    /// [`receive`](Self::receive) and take it back after.
    pub(crate) fn swap_plaintext(&mut self, memory: &mut Vec<u8>) {
        mem::swap(&mut self.plaintext, memory);
    }

    /// The plaintext frames of this turn: append whole frames, any number.
    pub fn put(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// Appends everything that can go out to `out`: what the handshake has to say and, once it is done, what was put in,
    /// as few records as it fits into. Flushing with nothing put in costs nothing.
    ///
    /// # Errors
    /// [`ChannelError::Frame`] when what was put in are no whole frames, [`ChannelError::Cipher`] after 2^64 records; the
    /// channel is broken then. A channel that is broken already puts out its refusal, if it has one, and is `Ok`.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), ChannelError> {
        out.append(&mut self.opening);
        if !self.is_open() || self.gathered.is_empty() {
            return Ok(());
        }
        let mut gathered = mem::take(&mut self.gathered);
        let result = self.flush_frames(&gathered, out);
        gathered.clear();
        self.gathered = gathered;
        result.inspect_err(|error| self.stop(*error))
    }

    fn stop(&mut self, error: ChannelError) {
        self.stage = Stage::Broken(error);
        self.partial = Vec::new();
        self.plaintext = Vec::new();
        self.gathered = Vec::new();
    }
}

impl fmt::Debug for Channel {
    /// Without keys, randomness and plaintext.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Called(_) => "Called",
            Stage::Accepted(_) => "Accepted",
            Stage::Listening { .. } => "Listening",
            Stage::Clear => "Clear",
            Stage::Sealed(_) => "Sealed",
            Stage::Broken(_) => "Broken",
        };
        let side = if self.is_client { "client" } else { "server" };
        f.debug_struct("Channel")
            .field("side", &side)
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}

/// Why reading ends: the bytes, or the caller.
enum Stop<E> {
    Channel(ChannelError),
    Sink(E),
}

impl<E> From<ChannelError> for Stop<E> {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

fn code(security: &Security) -> u8 {
    match security {
        Security::Clear => 0,
        Security::Key(_) => 1,
    }
}

/// Moves bytes from the front of `input` to `buffer` until that holds `length`.
fn fill(buffer: &mut Vec<u8>, length: usize, input: &mut &[u8]) {
    let missing = length.saturating_sub(buffer.len()).min(input.len());
    if let Some((head, rest)) = input.split_at_checked(missing) {
        buffer.extend_from_slice(head);
        *input = rest;
    }
}

/// Appends a record whose body is `body`, which is within the limit.
fn append_record(out: &mut Vec<u8>, body: &[u8]) {
    out.extend((body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
}
