//! All connections of a server behind one `poll`.
//!
//! ```text
//!  loop { poll -> Opened    -> start a session
//!                 Readable  -> read until Later or Closed, then send what the session has to say }
//! ```
//!
//! # Edges
//! The kernel reports a change once. So a line that has been reported is on the ready list until reading it finds
//! nothing more, or less than there was room for, which says the same without another call; after a reported end it is
//! read until that is found. A line whose turn is over ([`READ_LIMIT`](super::READ_LIMIT)) stays on it: the next `poll` reports it again and does
//! not sleep. What the kernel does not take when sending is kept, up to [`BACKLOG_LIMIT`](super::BACKLOG_LIMIT), and written on when the
//! kernel reports room. Accepting works the same way ([`ACCEPT_LIMIT`]).
//!
//! # Names
//! A [`LineId`] is a slot and the generation of its use: an id that outlives its connection names nothing, however often
//! the slot is used again.
//!
//! # Out of files
//! When a connection cannot be accepted, mostly because the process may not open another file, accepting pauses for 100 ms and is tried again; the event
//! [`LineEvent::Starved`] says so once, until a connection is accepted again.

use std::{
    io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, event::Event};

use super::{
    address::Address,
    line::{Line, ReadState, SendState, Why},
    listener::Listener,
    socket::Socket,
};
use crate::NetError;

/// The most connections accepted from one listener in one turn.
pub const ACCEPT_LIMIT: usize = 64;
/// The most addresses a server listens at.
pub const LISTENERS_LIMIT: usize = 63;

const STARVED_PAUSE: Duration = Duration::from_millis(100);
const EVENTS_LEN: usize = 128;
const WAKER: usize = 0;
/// Token 0 wakes, the next ones listen, the others are lines.
const FIRST_LINE: usize = LISTENERS_LIMIT + 1;
/// A token is a generation above a slot, each half of its bits.
const SLOT_BITS: u32 = usize::BITS / 2;
const HALF: usize = usize::MAX >> SLOT_BITS;

/// The name of one connection; names nothing once that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId {
    slot: u32,
    generation: u32,
}

impl LineId {
    /// Both halves in one number, the slot in the low one: a [`LineKey`](crate::switchboard::LineKey).
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The id of [`LineId::to_bits`].
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: (bits & u32::MAX as u64) as u32, generation: (bits >> 32) as u32 }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address; for a Unix socket `pid:` and its process, empty where the system does not say.
    pub text: String,
    /// It is on this machine.
    pub is_local: bool,
}

/// What has happened to the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEvent {
    /// A connection has come.
    Opened(LineId, Peer),
    /// There may be something to read: call [`Lines::read`] until it says [`ReadState::Later`].
    Readable(LineId),
    /// No connection can be accepted, mostly for want of a file; it is tried again by itself. Said once.
    Starved(io::ErrorKind),
}

/// Wakes a server out of [`Lines::poll`], from any thread.
#[derive(Debug, Clone)]
pub struct LineWaker(Arc<Waker>);

impl LineWaker {
    /// Makes the current `poll`, or the next one, return at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// The listeners and connections of a server. Socket files are removed when it is dropped.
#[derive(Debug)]
pub struct Lines {
    poll: Poll,
    polled: Events,
    waker: Arc<Waker>,
    listeners: Vec<Listener>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The lines that are ready, each once; those that are not any more are taken out when the next turn begins.
    ready: Vec<LineId>,
    open: usize,
    /// When accepting goes on.
    paused_until: Option<Instant>,
    has_said_starved: bool,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    line: Option<Line>,
}

impl Lines {
    /// Listens at all of `addresses`, at most [`LISTENERS_LIMIT`].
    ///
    /// A name that stands for several addresses is bound at the first one that can be had. The file of a Unix socket is
    /// its owner's only.
    ///
    /// # Errors
    /// [`NetError::Bind`] for the first address that cannot be had; [`NetError::System`].
    pub fn bind(addresses: &[Address]) -> Result<Self, NetError> {
        let system = |error| NetError::System { doing: "setting up the server's poll", error };
        let poll = Poll::new().map_err(system)?;
        let waker = Arc::new(Waker::new(poll.registry(), Token(WAKER)).map_err(system)?);
        let mut listeners = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            if index >= LISTENERS_LIMIT {
                let error = io::ErrorKind::InvalidInput.into();
                return Err(NetError::Bind { address: address.to_string(), error });
            }
            let mut listener = Listener::bind(address)?;
            let token = Token(index + 1);
            poll.registry()
                .register(listener.source(), token, Interest::READABLE)
                .map_err(system)?;
            listeners.push(listener);
        }
        Ok(Self {
            poll,
            polled: Events::with_capacity(EVENTS_LEN),
            waker,
            listeners,
            slots: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            open: 0,
            paused_until: None,
            has_said_starved: false,
        })
    }

    /// Where the server listens, with the ports that the kernel chose, in the order of `bind`.
    pub fn local_addresses(&self) -> Vec<Address> {
        self.listeners.iter().map(|listener| listener.address().clone()).collect()
    }

    /// Wakes [`poll`](Self::poll) from other threads.
    pub fn waker(&self) -> LineWaker {
        LineWaker(Arc::clone(&self.waker))
    }

    /// How many connections are open.
    pub fn open_lines(&self) -> usize {
        self.open
    }

    /// Waits for something to happen, at most `timeout` (`None`: for ever), and appends it to `events`. May return
    /// early with nothing: after a wake-up, a signal, or when a slow peer has taken bytes. Does not wait while a line is
    /// ready.
    ///
    /// # Errors
    /// What the system says about waiting; a broken connection is an event.
    pub fn poll(
        &mut self,
        timeout: Option<Duration>,
        events: &mut Vec<LineEvent>,
    ) -> io::Result<()> {
        let slots = &mut self.slots;
        self.ready.retain(|id| line_mut(slots, *id).is_some_and(|line| line.is_ready));
        let timeout = self.sleep_at_most(timeout);
        match self.poll.poll(&mut self.polled, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.polled.clear(),
            Err(error) => return Err(error),
        }
        let polled = mem::replace(&mut self.polled, Events::with_capacity(0));
        for event in &polled {
            self.handle(event);
        }
        self.polled = polled;
        self.accept(events);
        for id in &self.ready {
            if let Some(line) = line_mut(&mut self.slots, *id) {
                line.begin_turn();
                events.push(LineEvent::Readable(*id));
            }
        }
        Ok(())
    }

    fn sleep_at_most(&self, timeout: Option<Duration>) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        if !self.listeners.iter().any(|listener| listener.may_accept) {
            return timeout;
        }
        let pause = self.pause();
        Some(timeout.map_or(pause, |timeout| timeout.min(pause)))
    }

    /// How long accepting still pauses.
    fn pause(&self) -> Duration {
        let until = self.paused_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn handle(&mut self, event: &Event) {
        let Token(token) = event.token();
        if token == WAKER {
            return;
        }
        if let Some(listener) = self.listeners.get_mut(token - 1) {
            listener.may_accept = true;
            return;
        }
        let Some(id) = self.id_of(token) else { return };
        let Some(line) = line_mut(&mut self.slots, id) else { return };
        if event.is_writable() {
            line.write_backlog();
        }
        // A line that cannot be written to any more is found out by reading, after what it still holds.
        let is_ending = event.is_read_closed() || event.is_error();
        line.is_ending |= is_ending;
        if (event.is_readable() || is_ending || line.is_broken())
            && !mem::replace(&mut line.is_ready, true)
        {
            self.ready.push(id);
        }
    }

    /// The line that a token means, if it is still that line's.
    fn id_of(&self, token: usize) -> Option<LineId> {
        let slot = (token & HALF).checked_sub(FIRST_LINE)?;
        let generation = self.slots.get(slot)?.generation;
        let id = LineId { slot: slot as u32, generation };
        (token_of(id) == token).then_some(id)
    }
}

/// Accepting.
impl Lines {
    fn accept(&mut self, events: &mut Vec<LineEvent>) {
        if !self.pause().is_zero() {
            return;
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT_LIMIT {
                let Some(listener) = self.listeners.get_mut(index) else { break };
                if !listener.may_accept {
                    break;
                }
                match listener.accept() {
                    Ok((socket, peer)) => {
                        self.has_said_starved = false;
                        if let Some(id) = self.insert(socket) {
                            events.push(LineEvent::Opened(id, peer));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.may_accept = false;
                    }
                    // The connection was gone before it was accepted, or a signal came: the next one.
                    Err(error) if is_passing(error.kind()) => {}
                    // Trying again at once would keep a processor busy with it.
                    Err(error) => {
                        self.paused_until = Instant::now().checked_add(STARVED_PAUSE);
                        if !mem::replace(&mut self.has_said_starved, true) {
                            events.push(LineEvent::Starved(error.kind()));
                        }
                        return;
                    }
                }
            }
        }
    }

    fn insert(&mut self, mut socket: Socket) -> Option<LineId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = self.slots.len();
                if slot >= HALF - FIRST_LINE {
                    return None;
                }
                self.slots.push(Slot { generation: 0, line: None });
                slot as u32
            }
        };
        let place = self.slots.get_mut(slot as usize)?;
        let id = LineId { slot, generation: place.generation };
        if socket.register(self.poll.registry(), Token(token_of(id))).is_err() {
            self.free.push(slot);
            return None;
        }
        place.line = Some(Line::new(socket));
        self.open += 1;
        Some(id)
    }

    fn remove(&mut self, id: LineId) -> Option<Line> {
        let place = self.slots.get_mut(id.slot as usize)?;
        if place.generation != id.generation {
            return None;
        }
        let mut line = place.line.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.slot);
        self.open -= 1;
        // It is closed next, which takes it out of the poll in any case.
        let _ = self.poll.registry().deregister(line.source());
        Some(line)
    }
}

/// Reading, sending, closing.
impl Lines {
    /// Reads from a line into `buffer`, until this turn's [`READ_LIMIT`](super::READ_LIMIT).
    ///
    /// A line that is ready keeps `poll` from sleeping: read it until [`ReadState::Later`], or close it.
    pub fn read(&mut self, id: LineId, buffer: &mut [u8]) -> ReadState {
        match line_mut(&mut self.slots, id) {
            Some(line) => line.read(buffer),
            None => ReadState::Closed(Why::Ended),
        }
    }

    /// Sends `bytes` and leaves them empty. Call it once a turn for each line: it is one system call.
    pub fn send(&mut self, id: LineId, bytes: &mut Vec<u8>) -> SendState {
        let state = match line_mut(&mut self.slots, id) {
            Some(line) => line.send(bytes),
            None => SendState::Closed,
        };
        bytes.clear();
        state
    }

    /// Closes a line; an id that names nothing is left alone. What is kept for the peer is written as far as the kernel
    /// takes it now, and if that is not all of it the line is aborted; nothing here waits.
    pub fn close(&mut self, id: LineId) {
        if let Some(line) = self.remove(id) {
            line.close();
        }
    }

    /// Closes a line so that its peer sees a reset and no end in good order, which could be taken for this process's
    /// death. What is kept for the peer is dropped.
    pub fn abort(&mut self, id: LineId) {
        if let Some(line) = self.remove(id) {
            line.abort();
        }
    }
}

fn line_mut(slots: &mut [Slot], id: LineId) -> Option<&mut Line> {
    let place = slots.get_mut(id.slot as usize)?;
    if place.generation == id.generation { place.line.as_mut() } else { None }
}

fn token_of(id: LineId) -> usize {
    ((id.generation as usize) << SLOT_BITS) | (id.slot as usize + FIRST_LINE)
}

fn is_passing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}
