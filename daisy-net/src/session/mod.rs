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
//! A server lends a lost worker's blocks again once the worker must have ended itself. So a worker that is at work
//! on a block ends
//! [`silence_ms`](crate::wire::Welcome::silence_ms) after the last sign of life it gave that the server
//! has answered ([`ClientSession::must_end_at`]). Where the server is *known* to be dead there is nobody
//! who could lend anything: then the worker may go on for
//! [`reconnect_ms`](crate::wire::Welcome::reconnect_ms), which is 0 in a run without a journal. It is
//! known where connecting is refused since the connection broke, and the refusal can only be the server's
//! own machine's: it is this machine, or it ended the connection in good order before
//! ([`ClientSession::note_end`]), and nothing lies between ([`Welcome::seen_as`]).
//!
//! A worker that is at work on nothing can do no harm: it drops what waits here and joins again, under a new
//! number if it was given up ([`ClientSession::look_after`]).

mod incoming;
mod life;
mod outbox;

use std::collections::VecDeque;

use daisy_sched::{LookAhead, Moment};

use self::{life::Life, outbox::Outbox};
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

/// A worker's end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnEnd {
    /// What it is called, as in [`Welcome::seen_as`]; empty where that is unknown.
    pub name: String,
    /// The other end is on the same machine.
    pub is_local: bool,
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
    /// The server has given this worker up, or has taken so long to say welcome that it may have. It is at work on
    /// nothing: the connection is to be closed, and another one made.
    Stale,
    /// It has to end at once.
    End(EndReason),
    /// The server does not want it.
    Refused(RefusalReason, String),
}

/// What a worker may do after it has looked at the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Go on.
    GoOn,
    /// Join again: the server may have given it up, and it is at work on nothing. The connection is to be closed, and
    /// another one made.
    Rejoin,
    /// It is at work on nothing, and there is no server any more.
    Gone,
    /// End at once: others may be lent the blocks that it is at work on.
    MustEnd,
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
    /// A message that makes no sense before the welcome, or a second welcome.
    OutOfOrder,
    /// More blocks than were asked for.
    Unasked,
}

/// What a worker wants to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientReason {
    /// Outcomes have waited long enough to be sent.
    Outcomes,
    /// Blocks wait here, and nobody takes them.
    GiveBack,
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
    /// Since when blocks wait here while none is at work.
    at_rest_since: Option<Moment>,
    outbox: Outbox,
    ahead: LookAhead,
    /// Blocks that were asked for on this connection and have not come.
    wanted: u32,
    /// After a reconnect: how many blocks may come that were asked for before. The server names all it
    /// takes to be here, which may be here, or may have been lost with the old connection.
    repeats: u32,
    /// Leases below this number may be here when they are granted again.
    known_below: u64,
    /// The server has given this worker up: it joins as another one.
    is_given_up: bool,
    events: VecDeque<ClientEvent>,
    is_dismissed: bool,
    own_end: OwnEnd,
    life: Life,
}

/// The most blocks held and wanted together, whatever the server says.
fn most_of(welcome: &Welcome) -> u32 {
    welcome.max_ahead.clamp(1, LookAhead::MAX_BLOCKS)
}

impl ClientSession {
    /// Outcomes are sent at most so long after the first unsent one.
    pub const OUTCOMES_WAIT_US: u64 = 1_000;
    /// Blocks that wait for so long while none is at work are given back: who was to take them does something else.
    pub const REST_MS: u64 = 100;
    /// For how long a worker that is at work on nothing looks for a server that says nothing of coming back.
    pub const PATIENCE_MS: u64 = 60_000;

    /// A worker that is not connected.
    #[must_use]
    pub fn new(config: ClientConfig, now: Moment) -> Self {
        Self {
            config,
            state: State::Offline,
            welcome: None,
            queue: VecDeque::new(),
            begun: Vec::new(),
            at_rest_since: None,
            outbox: Outbox::default(),
            ahead: LookAhead::new(LookAhead::MAX_BLOCKS),
            wanted: 0,
            repeats: 0,
            known_below: 0,
            is_given_up: false,
            events: VecDeque::new(),
            is_dismissed: false,
            own_end: OwnEnd::default(),
            life: Life::new(now),
        }
    }

    // ---- connections ----

    /// A connection was opened: there are bytes to be sent. `randomness` must be fresh.
    ///
    /// # Errors
    /// If the hello cannot be sent: a task's name that is too long.
    pub fn connect(
        &mut self,
        now: Moment,
        own_end: OwnEnd,
        randomness: [u8; 32],
    ) -> Result<(), ClientError> {
        let mut channel = Channel::client(self.config.security.clone(), randomness);
        let known = self.welcome.as_ref().filter(|_| !self.is_given_up);
        let hello = Hello {
            task: self.config.task.clone(),
            worker: known.map(|known| known.worker).or(self.config.worker),
            secret: known.map(|known| known.secret),
            held: u32::try_from(self.begun.len()).unwrap_or(u32::MAX),
            heartbeat_ms: self.config.heartbeat_ms,
            pid: self.config.pid,
            host: self.config.host.clone(),
        };
        ToServer::Hello(hello).encode_into(channel.put()).map_err(ClientError::Message)?;
        self.state = State::Greeting(Box::new(channel));
        self.own_end = own_end;
        self.life.connected(now);
        self.wanted = 0;
        Ok(())
    }

    /// The connection is closed or broke.
    pub fn disconnect(&mut self, now: Moment) {
        self.state = State::Offline;
        self.life.broke(now, self.welcome.as_ref());
        self.wanted = 0;
        self.outbox.forget_sent();
    }

    /// The server's system has ended the connection in good order, as it does for a process that dies.
    /// Not to be called for a reset, nor for an end that is only seen after a failed write, which looks
    /// like one. To be followed by [`ClientSession::disconnect`].
    pub const fn note_end(&mut self) {
        self.life.ended();
    }

    /// Connecting was refused.
    pub fn note_refused(&mut self) {
        self.life.refused();
    }

    /// Bytes came from the server.
    ///
    /// # Errors
    /// [`ClientError`]: the connection is to be closed. What it was told before still counts.
    pub fn receive(&mut self, now: Moment, bytes: &[u8]) -> Result<(), ClientError> {
        let (State::Greeting(mut channel) | State::Online(mut channel)) =
            std::mem::replace(&mut self.state, State::Offline)
        else {
            return Ok(());
        };
        if self.life.is_online() && self.config.heartbeat_ms == 0 {
            self.life.heard(now);
        }
        let result = channel.receive(bytes, |kind, payload| self.frame(now, kind, payload));
        self.note_rest(now);
        self.state =
            if self.life.is_online() { State::Online(channel) } else { State::Greeting(channel) };
        result
    }

    /// Appends everything that can be sent now to `out`; outcomes only if `with_outcomes`.
    ///
    /// # Errors
    /// [`ClientError::Channel`] if the cipher cannot go on.
    pub fn flush(&mut self, with_outcomes: bool, out: &mut Vec<u8>) -> Result<(), ClientError> {
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
        channel.flush(out).map_err(ClientError::Channel)
    }

    // ---- blocks ----

    /// What became known, in its order.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Asks for blocks if none wait here and none are on their way: as many as look-ahead says, or
    /// exactly `blocks`.
    pub fn want(&mut self, blocks: Option<u32>) {
        let most = self.welcome.as_ref().map_or(1, most_of);
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
        self.at_rest_since = None;
        Some(grant)
    }

    /// What became of a block that was begun; `micros` is how long it took.
    #[inline]
    pub fn settle(&mut self, now: Moment, lease: u64, verdict: Verdict, micros: u64) {
        let Some(place) = self.begun.iter().rposition(|&begun| begun == lease) else { return };
        self.begun.swap_remove(place);
        self.ahead.note(core::time::Duration::from_micros(micros));
        self.outbox.push(now, lease, verdict, micros);
        self.note_rest(now);
    }

    #[inline]
    fn note_rest(&mut self, now: Moment) {
        if self.begun.is_empty() && !self.queue.is_empty() {
            self.at_rest_since.get_or_insert(now);
        } else {
            self.at_rest_since = None;
        }
    }

    /// Everything that was begun and has no outcome has failed, for one and the same reason.
    pub fn fail_begun(&mut self, now: Moment, text: &str) {
        for lease in std::mem::take(&mut self.begun) {
            let verdict = Verdict::Failed { panicked: false, text: text.to_owned() };
            self.outbox.push(now, lease, verdict, 0);
        }
    }

    /// Does what [`ClientSession::next_deadline`] says, but for what an end takes: gives a sign of life, or blocks back.
    pub fn handle_timeout(&mut self, now: Moment, usage: impl FnOnce() -> (u64, u64)) {
        match self.next_deadline() {
            Some((at, ClientReason::GiveBack)) if at <= now => self.give_back(now),
            Some((at, ClientReason::Heartbeat)) if at <= now => {
                let (peak_memory_kb, cpu_ms) = usage();
                self.beat(now, peak_memory_kb, cpu_ms);
            }
            _ => {}
        }
    }

    /// Gives back everything that was not begun.
    pub fn give_back(&mut self, now: Moment) {
        self.at_rest_since = None;
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
    pub fn beat(&mut self, now: Moment, peak_memory_kb: u64, cpu_ms: u64) {
        if let State::Online(channel) = &mut self.state {
            let beat = ToServer::Heartbeat { clock: now.as_micros(), peak_memory_kb, cpu_ms };
            let _is_encoded = beat.encode_into(channel.put());
            self.life.beat_at = now;
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

    /// What the time says: to be asked before a block is begun, and whenever something is due.
    pub fn look_after(&mut self, now: Moment) -> Fate {
        let Some(welcome) = &self.welcome else { return Fate::GoOn };
        if self.life.must_end_at(welcome).is_none_or(|end| now < end) {
            return Fate::GoOn;
        }
        if !self.begun.is_empty() {
            return Fate::MustEnd;
        }
        let patience = match welcome.reconnect_ms {
            0 => Self::PATIENCE_MS,
            reconnect_ms => reconnect_ms.max(welcome.silence_ms),
        };
        if self.life.is_server_dead() || self.life.offline_ms(now) >= patience {
            return Fate::Gone;
        }
        self.queue.clear();
        self.at_rest_since = None;
        self.life.start_over(now);
        Fate::Rejoin
    }

    /// When this worker must have ended, if it is at work on a block, unless it hears of its server. None before it
    /// ever did.
    #[must_use]
    pub fn must_end_at(&self) -> Option<Moment> {
        self.life.must_end_at(self.welcome.as_ref()?)
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
            let at = self.life.beat_at.after(core::time::Duration::from_millis(millis.div_ceil(2)));
            (at, ClientReason::Heartbeat)
        });
        let end = self.must_end_at().map(|at| (at, ClientReason::MustEnd));
        let rest = self.at_rest_since.map(|since| since.after_ms(Self::REST_MS));
        let rest = rest.map(|at| (at, ClientReason::GiveBack));
        outcomes.into_iter().chain(beat).chain(end).chain(rest).min()
    }
}
