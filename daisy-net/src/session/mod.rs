//! The worker's half: one worker's protocol state, across as many connections as it takes.
//!
//! ```text
//!             connect                welcome
//!  Offline ------------> Greeting -------------> Online
//!     ^                     |                       |
//!     '--- disconnect ------'------- disconnect ----'
//!
//!  any --- refused, told to end, nothing heard for too long ---> over
//! ```
//!
//! Bytes in, events out; time and randomness are arguments. Blocks that were granted wait here in
//! their order; [`ClientSession::begin_block`] takes the next one. Outcomes are kept until the server
//! has acknowledged them, and sent again after a reconnect.
//!
//! # When a worker must end
//! A server lends a lost worker's blocks again once the worker must have ended itself. So a worker ends
//! [`silence_ms`](crate::wire::Welcome::silence_ms) after the last byte from the server
//! ([`ClientSession::must_end_at`]). Where connecting is *refused* since the connection broke, there is
//! no server that could lend anything: then the worker may go on for
//! [`reconnect_ms`](crate::wire::Welcome::reconnect_ms), which is 0 in a run without a journal.

mod incoming;
mod outbox;

use std::collections::VecDeque;

use daisy_sched::{LookAhead, Moment};

use self::outbox::Outbox;
use crate::{
    channel::{Channel, ChannelError, Security},
    wire::{EndReason, Grant, Hello, RefusalReason, ToServer, Verdict, Welcome, WireError},
};

/// Who a worker is and how it reaches its server.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The name of its task.
    pub task: String,
    /// Its number, if it was started by the run.
    pub worker: Option<u64>,
    /// Whether the connection is encrypted, and by which key.
    pub security: Security,
    /// How often it promises a sign of life, in milliseconds; 0 for never.
    pub heartbeat_ms: u32,
    /// Its process.
    pub pid: u32,
    /// Its machine.
    pub host: String,
}

/// What became known to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// It is known to the server, for the first time or again.
    Welcome,
    /// There are more blocks.
    Granted,
    /// Nothing more is to be expected: when its blocks are done it may leave.
    Dismissed,
    /// The answer to [`ClientSession::ask`].
    Answer {
        /// The lease.
        lease: u64,
        /// Whether it is still this worker's.
        is_open: bool,
    },
    /// It has to end at once.
    End(EndReason),
    /// The server does not want it.
    Refused(RefusalReason, String),
}

/// Why a connection to a server cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The bytes are wrong: another protocol, another key, or altered.
    Channel(ChannelError),
    /// A message that is none, or cannot be sent.
    Message(WireError),
    /// A layout of which no block can be made.
    Layout,
    /// A message that makes no sense before the welcome.
    OutOfOrder,
    /// More blocks than were asked for.
    Unasked,
}

/// What a worker wants to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientReason {
    /// Outcomes have waited long enough to be sent.
    Outcomes,
    /// A sign of life is due.
    Heartbeat,
    /// Nothing was heard of the server for so long that the worker must end.
    MustEnd,
}

enum State {
    Offline,
    Greeting(Box<Channel>),
    Online(Box<Channel>),
}

/// See the module's text.
pub struct ClientSession {
    config: ClientConfig,
    state: State,
    welcome: Option<Welcome>,
    /// Blocks that were not begun, in their order.
    queue: VecDeque<Grant>,
    /// Blocks that were begun and have no outcome yet.
    begun: Vec<u64>,
    outbox: Outbox,
    ahead: LookAhead,
    /// Blocks that were asked for on this connection and have not come.
    wanted: u32,
    /// After a reconnect: how many blocks may come that were asked for before. The server names all it
    /// takes to be here, which may be here, or may have been lost with the old connection.
    repeats: u32,
    events: VecDeque<ClientEvent>,
    is_dismissed: bool,
    last_heard: Moment,
    last_sent: Moment,
    /// Since when there is no connection.
    offline_since: Option<Moment>,
    /// Connecting was refused since then.
    was_refused: bool,
    /// Since when there is a connection again after that: a new server may take this worker for present
    /// from here on.
    greeting_since: Option<Moment>,
}

impl ClientSession {
    /// Outcomes are sent at most so long after the first unsent one.
    pub const OUTCOMES_WAIT_US: u64 = 1_000;

    /// A worker that is not connected.
    #[must_use]
    pub fn new(config: ClientConfig, now: Moment) -> Self {
        Self {
            config,
            state: State::Offline,
            welcome: None,
            queue: VecDeque::new(),
            begun: Vec::new(),
            outbox: Outbox::default(),
            ahead: LookAhead::new(LookAhead::MAX_BLOCKS),
            wanted: 0,
            repeats: 0,
            events: VecDeque::new(),
            is_dismissed: false,
            last_heard: now,
            last_sent: now,
            offline_since: Some(now),
            was_refused: false,
            greeting_since: None,
        }
    }

    // ---- connections ----

    /// A connection was opened: there are bytes to be sent. `randomness` must be fresh.
    ///
    /// # Errors
    /// If the hello cannot be sent: a task's name that is too long.
    pub fn connect(&mut self, now: Moment, randomness: [u8; 32]) -> Result<(), ClientError> {
        let mut channel = Channel::client(self.config.security.clone(), randomness);
        let held = self.begun.len() + self.queue.len();
        let hello = Hello {
            task: self.config.task.clone(),
            worker: self.welcome.as_ref().map(|known| known.worker).or(self.config.worker),
            secret: self.welcome.as_ref().map(|known| known.secret),
            held: u32::try_from(held).unwrap_or(u32::MAX),
            heartbeat_ms: self.config.heartbeat_ms,
            pid: self.config.pid,
            host: self.config.host.clone(),
        };
        ToServer::Hello(hello).encode_into(channel.put()).map_err(ClientError::Message)?;
        self.state = State::Greeting(Box::new(channel));
        if self.was_refused && self.offline_since.is_some() {
            self.greeting_since = Some(now);
        }
        self.wanted = 0;
        self.last_sent = now;
        Ok(())
    }

    /// The connection is closed or broke.
    pub fn disconnect(&mut self, now: Moment) {
        self.state = State::Offline;
        if self.offline_since.is_none() {
            self.offline_since = Some(now);
            self.was_refused = false;
        }
        if let Some(since) = self.greeting_since.take() {
            // There was a server: unless it refuses again, it may be there still.
            self.was_refused = false;
            self.last_heard = self.last_heard.max(since);
        }
        self.wanted = 0;
        self.outbox.forget_sent();
    }

    /// Connecting was refused: there is no server.
    pub const fn note_refused(&mut self) {
        self.was_refused = true;
    }

    /// Bytes came from the server.
    ///
    /// # Errors
    /// [`ClientError`]: the connection is to be closed. What it was told before still counts.
    pub fn receive(&mut self, now: Moment, bytes: &[u8]) -> Result<(), ClientError> {
        let (mut channel, is_online) = match std::mem::replace(&mut self.state, State::Offline) {
            State::Offline => return Ok(()),
            State::Greeting(channel) => (channel, false),
            State::Online(channel) => (channel, true),
        };
        if is_online {
            self.last_heard = now;
        }
        let result = channel.receive(bytes, |kind, payload| self.frame(now, kind, payload));
        self.state = if self.offline_since.is_none() {
            State::Online(channel)
        } else {
            State::Greeting(channel)
        };
        result
    }

    /// Appends everything that can be sent now to `out`; outcomes only if `with_outcomes`.
    ///
    /// # Errors
    /// [`ClientError::Channel`] if the cipher cannot go on.
    pub fn flush(
        &mut self,
        now: Moment,
        with_outcomes: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        let channel = match &mut self.state {
            State::Offline => return Ok(()),
            State::Greeting(channel) => channel,
            State::Online(channel) => {
                if with_outcomes {
                    self.outbox.send(channel.put());
                }
                channel
            }
        };
        let before = out.len();
        channel.flush(out).map_err(ClientError::Channel)?;
        if out.len() > before {
            self.last_sent = now;
        }
        Ok(())
    }

    // ---- blocks ----

    /// What became known, in its order.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Asks for blocks if none wait here and none are on their way: as many as look-ahead says, or
    /// exactly `blocks`.
    pub fn want(&mut self, blocks: Option<u32>) {
        let most = self.welcome.as_ref().map_or(1, |welcome| welcome.max_ahead.max(1));
        let target = blocks.unwrap_or_else(|| self.ahead.blocks()).min(most);
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let State::Online(channel) = &mut self.state else { return };
        if self.is_dismissed || target <= waiting.saturating_add(self.wanted) {
            return;
        }
        if blocks.is_none() && waiting > 0 {
            return;
        }
        let more = target - waiting - self.wanted;
        // A number always can be encoded.
        let _is_encoded = ToServer::Want { blocks: more }.encode_into(channel.put());
        self.wanted += more;
    }

    /// Takes the next block: it is begun.
    #[inline]
    pub fn begin_block(&mut self) -> Option<Grant> {
        let grant = self.queue.pop_front()?;
        self.begun.push(grant.lease);
        Some(grant)
    }

    /// What became of a block that was begun; `micros` is how long it took.
    #[inline]
    pub fn settle(&mut self, now: Moment, lease: u64, verdict: Verdict, micros: u64) {
        let Some(place) = self.begun.iter().rposition(|&begun| begun == lease) else { return };
        self.begun.swap_remove(place);
        self.ahead.note(core::time::Duration::from_micros(micros));
        self.outbox.push(now, lease, verdict, micros);
    }

    /// Gives back everything that was not begun.
    pub fn give_back(&mut self, now: Moment) {
        for grant in self.queue.drain(..) {
            self.outbox.push(now, grant.lease, Verdict::Returned, 0);
        }
    }

    /// Asks whether a lease is still this worker's; the answer is an event. False if nobody can be
    /// asked now.
    pub fn ask(&mut self, lease: u64) -> bool {
        let State::Online(channel) = &mut self.state else { return false };
        ToServer::Ask { lease }.encode_into(channel.put()).is_ok()
    }

    /// Says that this worker goes, after everything else. Give its blocks back before.
    pub fn leave(&mut self) {
        self.is_dismissed = true;
        if let State::Online(channel) = &mut self.state {
            self.outbox.send(channel.put());
            let _is_encoded = ToServer::Leave.encode_into(channel.put());
        }
    }

    /// Gives a sign of life with what the process has used so far; 0 where that is unknown.
    pub fn beat(&mut self, peak_memory_kb: u64, cpu_ms: u64) {
        if let State::Online(channel) = &mut self.state {
            let beat = ToServer::Heartbeat { peak_memory_kb, cpu_ms };
            let _is_encoded = beat.encode_into(channel.put());
        }
    }

    // ---- what is so ----

    /// What the server said of itself and of this worker.
    #[must_use]
    pub const fn welcome(&self) -> Option<&Welcome> {
        self.welcome.as_ref()
    }

    /// Whether the server knows this worker on the present connection.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.state, State::Online(_))
    }

    /// Whether nothing more is to be expected.
    #[must_use]
    pub const fn is_dismissed(&self) -> bool {
        self.is_dismissed
    }

    /// Blocks that wait here.
    #[must_use]
    pub fn num_waiting(&self) -> usize {
        self.queue.len()
    }

    /// Blocks that were begun and have no outcome yet.
    #[must_use]
    pub const fn num_begun(&self) -> usize {
        self.begun.len()
    }

    /// Outcomes that the server has not acknowledged.
    #[must_use]
    pub fn num_unacknowledged(&self) -> usize {
        self.outbox.len()
    }

    /// Whether there are outcomes that were not sent on this connection.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.outbox.first_unsent().is_some()
    }

    /// When this worker must have ended unless it hears of its server. None before it ever did.
    #[must_use]
    pub fn must_end_at(&self) -> Option<Moment> {
        let welcome = self.welcome.as_ref()?;
        let after =
            |moment: Moment, millis| moment.after(core::time::Duration::from_millis(millis));
        match self.offline_since {
            Some(since) if self.was_refused => {
                let end = after(since, welcome.reconnect_ms);
                let greeting = self.greeting_since.filter(|_| welcome.silence_ms > 0);
                Some(greeting.map_or(end, |at| end.min(after(at, welcome.silence_ms))))
            }
            _ if welcome.silence_ms == 0 => None,
            _ => Some(after(self.last_heard, welcome.silence_ms)),
        }
    }

    /// What is to be done next, and when.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Moment, ClientReason)> {
        let wait = core::time::Duration::from_micros(Self::OUTCOMES_WAIT_US);
        let outcomes = self.outbox.first_unsent().filter(|_| self.is_online());
        let outcomes = outcomes.map(|since| (since.after(wait), ClientReason::Outcomes));
        // The server may want to hear of it more often than it promised.
        let wanted = self.welcome.as_ref().map_or(0, |welcome| welcome.heartbeat_ms);
        let promised = u64::from(self.config.heartbeat_ms);
        let promised = if wanted > 0 { promised.min(wanted) } else { promised };
        let promised = if promised > 0 && self.is_online() { Some(promised) } else { None };
        let beat = promised.map(|millis| {
            // Half of what is promised, so that a late one is in time.
            let at = self.last_sent.after(core::time::Duration::from_millis(millis.div_ceil(2)));
            (at, ClientReason::Heartbeat)
        });
        let end = self.must_end_at().map(|at| (at, ClientReason::MustEnd));
        outcomes.into_iter().chain(beat).chain(end).min()
    }
}
