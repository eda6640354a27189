//! What the two threads of a worker share behind one lock: the session and its connection.

use std::{collections::BTreeMap, fmt, io, sync::Arc, time::Duration};

use daisy_sched::Moment;

use super::{
    Address, Stream,
    client::{ClientOptions, usage_of_this_process},
    clock::Clock,
    resolver::Resolver,
};
use crate::{
    NetError,
    session::{ClientError, ClientEvent, ClientReason, ClientSession, Fate},
    wire::{EndReason, Grant, RefusalReason},
};

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_millis(1_000);
/// The first and the longest pause between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(1_000));

/// Why a worker has nothing more to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Everything is done, or it was asked to leave.
    Dismissed,
    /// The server told it to end.
    Told(EndReason),
    /// The server does not want it.
    Refused(RefusalReason, String),
    /// Nothing was heard of the server for too long while it was at work on blocks.
    Lost,
    /// It had nothing to do, and its server is gone for good.
    Gone,
    /// Nobody could be reached at first; what the last attempt came to.
    NoServer(String),
    /// It came when its run was over: nobody listens where that was.
    NoRun(String),
    /// The two sides do not understand each other.
    Session(ClientError),
    /// A thread could not be started.
    Thread(String),
}

impl Ended {
    /// Whether that is a good end.
    #[must_use]
    pub const fn is_polite(&self) -> bool {
        matches!(
            self,
            Self::Dismissed
                | Self::NoRun(_)
                | Self::Refused(RefusalReason::Full | RefusalReason::Ended, _)
        )
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dismissed => f.write_str("there is nothing more to do"),
            Self::Told(reason) => write!(f, "the server ended this worker: {reason:?}"),
            Self::Refused(_, text) => write!(f, "the server refused this worker: {text}"),
            Self::Lost => f.write_str(
                "nothing was heard of the server for too long; once it knows, others run its blocks",
            ),
            Self::Gone => f.write_str("the server is gone, and had lent it nothing"),
            Self::NoRun(error) => write!(f, "the run is over: {error}"),
            Self::NoServer(error) => write!(f, "the server cannot be reached: {error}"),
            Self::Session(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl std::error::Error for Ended {}

/// What a call for the next block has to do.
pub(super) enum Step {
    /// There is one.
    Block(Grant),
    /// Something has come: look again.
    Again,
    /// Wait until something comes.
    Wait,
    /// Nothing more comes, but some blocks are still at work, or everything was said already.
    Over,
    /// Nothing more comes: say goodbye.
    Leave,
}

pub(super) struct Core {
    pub(super) session: ClientSession,
    addresses: Vec<(Address, Resolver)>,
    randomness: fn() -> io::Result<[u8; 32]>,
    pub(super) on_end: Arc<dyn Fn(&Ended) + Send + Sync>,
    clock: Clock,
    stream: Option<Arc<Stream>>,
    /// Writing has failed.
    is_broken: bool,
    /// Bytes that the kernel has not taken.
    out: Vec<u8>,
    buffer: Vec<u8>,
    next_try: Moment,
    pause: Duration,
    /// Since when the present connection is good.
    welcome_at: Option<Moment>,
    last_error: String,
    /// The last attempt to connect was refused, at all addresses.
    is_refused: bool,
    /// Leases that were asked about, and what the server said.
    pub(super) answers: BTreeMap<u64, Option<bool>>,
    pub(super) ended: Option<Ended>,
    /// The process was told to end.
    has_told: bool,
    /// How many calls look after the connection themselves.
    pub(super) num_attending: u32,
    /// How many calls did so far.
    pub(super) num_calls: u64,
    /// The helper waits until it is woken: a call looks after the connection.
    pub(super) is_helper_parked: bool,
    /// The helper waits for bytes: nothing but those and what is due wakes it.
    pub(super) is_helper_watching: bool,
    pub(super) is_draining: bool,
    pub(super) is_closing: bool,
}

impl Core {
    pub(super) fn new(options: ClientOptions) -> Self {
        let ClientOptions { config, addresses, on_end, randomness, .. } = options;
        Self {
            session: ClientSession::new(config, Moment::ZERO),
            addresses: addresses.into_iter().map(|one| (one, Resolver::default())).collect(),
            randomness,
            on_end: Arc::from(on_end),
            clock: Clock::new(),
            stream: None,
            is_broken: false,
            out: Vec::new(),
            buffer: vec![0; 65_536],
            next_try: Moment::ZERO,
            pause: PAUSES.0,
            welcome_at: None,
            last_error: String::new(),
            is_refused: false,
            answers: BTreeMap::new(),
            ended: None,
            has_told: false,
            num_attending: 0,
            num_calls: 0,
            is_helper_parked: false,
            is_helper_watching: false,
            is_draining: false,
            is_closing: false,
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(super) fn stream(&self) -> Option<Arc<Stream>> {
        self.stream.clone()
    }

    pub(super) const fn has_backlog(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether outcomes have waited long enough, or for nothing: no more blocks are at hand.
    pub(super) fn outcomes_are_due(&self) -> bool {
        let due = self.session.next_deadline();
        let is_due = |at| at <= self.now() || self.session.num_waiting() == 0;
        due.is_some_and(|(at, reason)| reason == ClientReason::Outcomes && is_due(at))
    }

    /// Whether nothing can be waited for: nobody listens where the server was.
    pub(super) const fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// How long there is nothing to do unless bytes come; zero if there is something already.
    pub(super) fn wait_at_most(&self) -> Option<Duration> {
        let due = self.session.next_deadline().map(|(at, _)| at);
        let due =
            if self.stream.is_none() { due.into_iter().chain([self.next_try]).min() } else { due };
        due.map(|due| due.since(self.now()))
    }

    pub(super) fn give_up_connecting(&mut self) -> Ended {
        let error = std::mem::take(&mut self.last_error);
        let ended = if self.is_refused { Ended::NoRun(error) } else { Ended::NoServer(error) };
        self.ended = Some(ended.clone());
        ended
    }

    /// What a call for the next block has to do.
    ///
    /// # Errors
    /// [`Ended`], now and from now on.
    #[inline]
    pub(super) fn next_step(&mut self, wanted: Option<u32>) -> Result<Step, Ended> {
        if let Some(ended) = &self.ended {
            return if ended.is_polite() { Ok(Step::Over) } else { Err(ended.clone()) };
        }
        if !self.is_draining {
            if self.session.num_waiting() > 0 {
                let now = self.now();
                self.may_go_on(now)?;
            }
            if let Some(grant) = self.session.begin_block() {
                return Ok(Step::Block(grant));
            }
            if !self.session.is_dismissed() {
                self.session.want(wanted);
                self.pump(true)?;
                let has_news = self.session.num_waiting() > 0 || self.session.is_dismissed();
                return Ok(if has_news { Step::Again } else { Step::Wait });
            }
        }
        // What is still at work is handed in before it leaves.
        Ok(if self.session.num_begun() > 0 { Step::Over } else { Step::Leave })
    }

    /// Whether no call looks after the connection, none did since, and there is one to be looked after.
    pub(super) fn is_left_alone(&self, call: u64) -> bool {
        self.num_attending == 0
            && self.num_calls == call
            && !self.is_closing
            && self.ended.is_none()
    }

    /// Why the process must end, said once: it is at work on blocks and its connection is over for good.
    pub(super) fn must_end(&mut self) -> Option<Ended> {
        if self.has_told || self.session.num_begun() == 0 {
            return None;
        }
        let ended = self.ended.clone()?;
        self.has_told = true;
        Some(ended)
    }

    /// Sends outcomes, as far as the kernel takes them now. What goes wrong is kept in `ended`.
    pub(super) fn hand_in(&mut self) {
        if self.ended.is_none() {
            let _is_sent = self.write(true);
        }
    }

    /// Blocks that were begun and never given back have failed.
    pub(super) fn fail_begun(&mut self) {
        let now = self.now();
        let text = "the worker went without giving the block back";
        self.session.fail_begun(now, text);
    }

    /// Everything that can be done without waiting: what is due, writing, reading, connecting.
    ///
    /// # Errors
    /// [`Ended`], now and from now on.
    pub(super) fn pump(&mut self, with_outcomes: bool) -> Result<(), Ended> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        self.keep_time()?;
        if self.stream.is_none() && !self.is_closing && self.now() >= self.next_try {
            self.connect()?;
        }
        self.write(with_outcomes)?;
        self.read()?;
        // Recalled blocks are given back at once, and what the hello was answered by may want more.
        self.write(with_outcomes)
    }

    /// Whether this worker may go on: it may have been stopped since it looked last.
    ///
    /// # Errors
    /// [`Ended::Lost`] and [`Ended::Gone`], now and from now on.
    pub(super) fn may_go_on(&mut self, now: Moment) -> Result<(), Ended> {
        match self.session.look_after(now) {
            Fate::GoOn => {}
            Fate::Rejoin => self.close(),
            Fate::Gone => return Err(self.end(Ended::Gone)),
            Fate::MustEnd => return Err(self.end(Ended::Lost)),
        }
        Ok(())
    }

    fn keep_time(&mut self) -> Result<(), Ended> {
        let now = self.now();
        // Something else may be due as well, and longer.
        self.may_go_on(now)?;
        self.session.handle_timeout(now, usage_of_this_process);
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Ended> {
        let (mut num_refused, mut addresses) = (0, std::mem::take(&mut self.addresses));
        for (address, resolver) in &mut addresses {
            // Nobody looks at the time meanwhile.
            let left = self.session.must_end_at().map(|end| end.since(self.now()));
            let wait = left.map_or(CONNECT, |left| CONNECT.min(left));
            if wait.is_zero() {
                break;
            }
            match Stream::connect_by(resolver, address, wait) {
                Ok(stream) => {
                    self.stream = Some(Arc::new(stream));
                    break;
                }
                Err(error) => {
                    num_refused += usize::from(matches!(error, NetError::Refused { .. }));
                    self.last_error = error.to_string();
                }
            }
        }
        self.is_refused = self.stream.is_none() && num_refused == addresses.len();
        self.addresses = addresses;
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.next_try = self.now().after(self.pause);
        let Some(own_end) = self.stream.as_ref().map(|stream| stream.own_end()) else {
            if self.is_refused {
                self.session.note_refused();
            }
            return Ok(());
        };
        self.clock.connected(own_end.is_local);
        self.is_broken = false;
        let randomness = (self.randomness)().map_err(|error| Ended::Thread(error.to_string()))?;
        let now = self.now();
        self.out.clear();
        let greeting = self.session.connect(now, own_end, randomness);
        greeting.map_err(|error| self.end(Ended::Session(error)))
    }

    fn write(&mut self, with_outcomes: bool) -> Result<(), Ended> {
        let flushed = self.session.flush(with_outcomes, &mut self.out);
        flushed.map_err(|error| self.end(Ended::Session(error)))?;
        while !self.out.is_empty() {
            let Some(stream) = &self.stream else { break };
            match stream.try_write(&self.out) {
                Ok(None) => break,
                Ok(Some(written)) => {
                    self.out.drain(..written);
                }
                // What was sent before may explain it: that is read before the line is given up.
                Err(_) => {
                    self.is_broken = true;
                    self.out.clear();
                    break;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Ended> {
        while let Some(stream) = self.stream.clone() {
            let mut buffer = std::mem::take(&mut self.buffer);
            let result = stream.try_read(&mut buffer);
            let outcome = match result {
                Ok(None) => Ok(false),
                Ok(Some(0)) | Err(_) => {
                    // After a failed write a reset looks like an end.
                    if result.is_ok() && !self.is_broken {
                        self.session.note_end();
                    }
                    self.close();
                    Ok(false)
                }
                Ok(Some(count)) => {
                    let now = self.now();
                    let bytes = buffer.get(..count).unwrap_or_default();
                    let received = self.session.receive(now, bytes);
                    received.map(|()| count == buffer.len())
                }
            };
            self.buffer = buffer;
            self.take_events()?;
            match outcome {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(self.end(Ended::Session(error))),
            }
        }
        Ok(())
    }

    fn take_events(&mut self) -> Result<(), Ended> {
        while let Some(event) = self.session.poll_event() {
            match event {
                ClientEvent::Welcome => self.welcome_at = Some(self.now()),
                ClientEvent::Granted | ClientEvent::Dismissed => {}
                ClientEvent::Answer { lease, is_open } => {
                    if let Some(answer) = self.answers.get_mut(&lease) {
                        *answer = Some(is_open);
                    }
                }
                ClientEvent::Stale => self.close(),
                ClientEvent::End(reason) => return Err(self.end(Ended::Told(reason))),
                ClientEvent::Refused(reason, text) => {
                    return Err(self.end(Ended::Refused(reason, text)));
                }
            }
        }
        Ok(())
    }

    /// The connection is over.
    pub(super) fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            let _is_gone = stream.shutdown();
            let now = self.now();
            self.session.disconnect(now);
            // A server that ends each connection soon is not asked again and again without a pause.
            let was_good = self.welcome_at.take().is_some_and(|at| now >= at.after(PAUSES.1));
            if was_good {
                self.pause = PAUSES.0;
                self.next_try = now;
            }
        }
        self.out.clear();
    }

    fn end(&mut self, ended: Ended) -> Ended {
        self.close();
        self.ended.get_or_insert(ended).clone()
    }
}
