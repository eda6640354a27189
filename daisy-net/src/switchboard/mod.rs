//! The server's half of all connections: bytes become inputs of a coordinator, its outputs bytes.
//!
//! ```text
//!   driver                     switchboard                        host
//!  opened ------------------> open            (a line)
//!  bytes --------------------> receive ------ inputs ----------> coordinator
//!                              grant, recall, dismiss, .. <----- outputs
//!                              end_turn       \
//!                              (the host writes its records)  >  one turn
//!                              release        /
//!  write, close <------------- flush
//!  closed ------------------> closed ------- disconnected ----> coordinator
//! ```
//!
//! A *line* is one connection. It belongs to nobody until its `Hello` was accepted, then to one worker.
//! Everything is pure: time, randomness and bytes are arguments. The order of a turn is what makes a
//! journal sound: grants leave only after `end_turn`, before which the host writes its records, and
//! outcomes are acknowledged only once their turn is released.

mod frames;
mod hello;
mod line;
mod secret;
mod spare;

use std::collections::{BTreeMap, VecDeque};

use daisy_block::TaskId;
use daisy_sched::{
    Coordinator, CoordinatorError, Input, KillReason, Lease, LeaseId, Moment, WorkerId,
};

use self::{
    frames::{Frame, breach},
    line::Line,
    spare::Spare,
};
pub use self::{
    hello::Terms,
    line::{CloseReason, LineKey},
    secret::Secrets,
};
use crate::{
    channel::{Channel, ChannelError, Security},
    wire::{EndReason, Hello, OutcomeItem, ToWorker},
};

/// What the switchboard has to do with: a coordinator and what is known about its tasks.
///
/// A host carries out the outputs of its coordinator; those about a worker on a line come back through
/// [`Switchboard::grant`] and its neighbours.
pub trait Host {
    /// The coordinator, to look at.
    fn coordinator(&self) -> &Coordinator;

    /// Gives the coordinator an input.
    ///
    /// # Errors
    /// Whatever the coordinator refuses.
    fn handle(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError>;

    /// A number for a worker that nobody started.
    fn name_worker(&mut self) -> WorkerId;

    /// The task of that name.
    fn task(&self, name: &str) -> Option<TaskId>;

    /// What a worker of a task has to know.
    fn terms(&self, task: TaskId) -> Terms<'_>;

    /// The worker as which this run started the process that says hello; None if it is no child of this run, but
    /// came through a launcher, from a child's child, or by itself.
    fn process_of(&self, hello: &Hello) -> Option<WorkerId>;

    /// An outcome came. The host keeps its text and time and gives the coordinator the rest. False if the
    /// lease is not over by that, since the block is checked first: the outcome is acknowledged after
    /// [`Switchboard::settled`].
    ///
    /// # Errors
    /// Whatever the coordinator refuses: the line is closed then.
    fn settle(
        &mut self,
        now: Moment,
        worker: WorkerId,
        outcome: &OutcomeItem<&str>,
    ) -> Result<bool, CoordinatorError>;

    /// A worker is on the line, or back; `process` is what [`Host::process_of`] said of it.
    fn joined(&mut self, worker: WorkerId, process: Option<WorkerId>, hello: &Hello);

    /// What a worker's process has used: its largest memory, and processor time; 0 where unknown.
    fn used(&mut self, worker: WorkerId, peak_memory_kb: u64, cpu_ms: u64);

    /// A worker has said everything and goes. Its process may go on.
    fn left(&mut self, now: Moment, worker: WorkerId);
}

/// How the server's half of connections works.
#[derive(Clone, Debug)]
pub struct SwitchboardConfig {
    /// Whether connections are encrypted, and by which key.
    pub security: Security,
    /// From which workers' secrets are made; the same after a restart.
    pub secrets: Secrets,
    /// How often both sides promise a sign of life.
    pub heartbeat_ms: u64,
    /// So long after the last sign of life that the server has answered a worker ends itself.
    pub silence_ms: u64,
    /// For how long a worker tries to come back after a broken connection; 0 in a run without a journal.
    pub reconnect_ms: u64,
}

/// See the module's text.
pub struct Switchboard {
    config: SwitchboardConfig,
    /// By slot, the low half of a key.
    lines: Vec<Option<Box<Line>>>,
    /// Lines on which nobody has said who he is, oldest first.
    strangers: VecDeque<LineKey>,
    /// Lines of workers that have left, and when: they have some time to close them.
    leaving: VecDeque<(Moment, LineKey)>,
    max_strangers: usize,
    lines_of: BTreeMap<WorkerId, LineKey>,
    /// Lines with something to be flushed.
    dirty: Vec<LineKey>,
    /// Outcomes that may be acknowledged once their turn is released.
    unreleased: VecDeque<(u64, LineKey, u64)>,
    turn: u64,
    next_beat: Moment,
    /// Who got the last block, and its line.
    last_granted: Option<(WorkerId, LineKey)>,
    scratch: Vec<u8>,
    spare: Spare,
}

impl Switchboard {
    /// The most lines on which nobody has said who he is; of more the oldest is closed.
    pub const MAX_STRANGERS: usize = 1_024;
    /// For how long a line may be open before somebody has said who he is, and after a worker has left.
    pub const HELLO_MS: u64 = 10_000;
    /// The most blocks that a worker may hold and want together.
    pub const MAX_LOAD: u64 = 2 * Coordinator::MAX_WANTED as u64;

    /// No lines yet.
    #[must_use]
    pub fn new(config: SwitchboardConfig) -> Self {
        Self {
            config,
            lines: Vec::new(),
            strangers: VecDeque::new(),
            leaving: VecDeque::new(),
            max_strangers: Self::MAX_STRANGERS,
            lines_of: BTreeMap::new(),
            dirty: Vec::new(),
            unreleased: VecDeque::new(),
            turn: 0,
            next_beat: Moment::ZERO,
            last_granted: None,
            scratch: Vec::new(),
            spare: Spare::default(),
        }
    }

    /// No more lines than so many, at least one, are kept on which nobody has said who he is: where few files can be
    /// open, the others are for workers. By default, and at most, [`Switchboard::MAX_STRANGERS`].
    #[must_use]
    pub fn with_max_strangers(mut self, most: usize) -> Self {
        self.max_strangers = most.clamp(1, Self::MAX_STRANGERS);
        self
    }

    /// How it works.
    #[must_use]
    pub const fn config(&self) -> &SwitchboardConfig {
        &self.config
    }

    /// Workers that are on a line now.
    #[must_use]
    pub fn num_workers(&self) -> usize {
        self.lines_of.len()
    }

    // ---- what the driver tells ----

    /// A connection was opened. `randomness` must be fresh. `from` is where it comes from: an address, or
    /// `pid:` and the process at the other end of a Unix socket; empty where that is unknown.
    pub fn open(&mut self, now: Moment, key: LineKey, from: String, randomness: [u8; 32]) {
        let slot = key.slot();
        if self.lines.len() <= slot {
            self.lines.resize_with(slot + 1, || None);
        }
        let channel = Channel::server(self.config.security.clone(), randomness);
        if let Some(place) = self.lines.get_mut(slot) {
            *place = Some(Box::new(Line::new(key, from, channel, now)));
        }
        self.strangers.push_back(key);
        if self.strangers.len() > self.max_strangers
            && let Some(oldest) = self.strangers.pop_front()
        {
            self.end_line(oldest, CloseReason::Crowded);
        }
    }

    /// Bytes came. What is wrong with them ends the line, never more.
    pub fn receive<H: Host>(&mut self, now: Moment, key: LineKey, bytes: &[u8], host: &mut H) {
        let Some(mut line) = self.take_line(key) else { return };
        if line.closing.is_none() {
            if let Some(worker) = line.desk.worker {
                // The coordinator may have given this worker up already.
                let _is_known = host.handle(now, Input::Heard { worker });
            }
            let Line { channel, desk, .. } = &mut *line;
            channel.swap_plaintext(&mut self.spare.plaintext);
            let result = channel.receive(bytes, |kind, payload| {
                self.frame(now, desk, host, Frame { kind, payload })
            });
            channel.swap_plaintext(&mut self.spare.plaintext);
            let result = result.or_else(|reason| {
                let CloseReason::Channel(ChannelError::Frame(error)) = reason else {
                    return Err(reason);
                };
                if desk.farewell.is_none() {
                    breach(now, desk, host, CloseReason::Message(error));
                }
                Ok(())
            });
            if let Some(reason) = result.err().or(line.desk.farewell) {
                line.close(reason);
            }
        }
        self.put_line(line);
    }

    /// A connection is closed, by the peer or because the driver was told so.
    pub fn closed<H: Host>(&mut self, now: Moment, key: LineKey, host: &mut H) {
        let Some(line) = self.take_line(key) else { return };
        self.strangers.retain(|&stranger| stranger != key);
        if let Some(worker) = line.desk.worker
            && self.lines_of.get(&worker) == Some(&key)
        {
            self.lines_of.remove(&worker);
            if !line.desk.has_left {
                // Refused if the worker is known to have ended.
                let _is_known = host.handle(now, Input::Disconnected { worker });
            }
        }
    }

    /// A line is to be ended: its reader is too slow, for example.
    pub fn end_line(&mut self, key: LineKey, reason: CloseReason) {
        if let Some(line) = self.line_mut(key) {
            line.close(reason);
            self.mark(key);
        }
    }

    /// When to call [`Switchboard::handle_timeout`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let is_any =
            !self.lines_of.is_empty() || !self.strangers.is_empty() || !self.leaving.is_empty();
        is_any.then_some(self.next_beat)
    }

    /// Gives signs of life on lines where nothing else was said, and closes those on which nobody said
    /// who he is.
    pub fn handle_timeout(&mut self, now: Moment) {
        if now < self.next_beat {
            return;
        }
        self.next_beat = now.after_ms((self.config.heartbeat_ms / 2).max(1));
        let keys: Vec<LineKey> = self.lines_of.values().copied().collect();
        for key in keys {
            let Some(line) = self.line_mut(key) else { continue };
            if !std::mem::take(&mut line.has_spoken) {
                line.desk.owes_beat = true;
                self.mark(key);
            }
        }
        while let Some(&key) = self.strangers.front() {
            let opened = self.line_mut(key).map(|line| line.opened);
            if opened.is_some_and(|opened| now < opened.after_ms(Self::HELLO_MS)) {
                break;
            }
            self.strangers.pop_front();
            self.end_line(key, CloseReason::NoHello);
        }
        while let Some(&(left, key)) = self.leaving.front()
            && now >= left.after_ms(Self::HELLO_MS)
        {
            self.leaving.pop_front();
            self.end_line(key, CloseReason::Left);
        }
    }

    // ---- what the coordinator says of workers on a line ----

    /// A worker gets a block; false if it is not on a line.
    #[inline]
    pub fn grant(&mut self, lease: &Lease) -> bool {
        // Blocks are granted in stretches; a worker may have come back on another line meanwhile.
        let worker = lease.worker;
        let last =
            self.last_granted.filter(|&(last, key)| last == worker && self.is_line_of(key, last));
        let key = last.map(|(_, key)| key).or_else(|| self.lines_of.get(&worker).copied());
        let Some(key) = key else { return false };
        self.last_granted = Some((worker, key));
        let Self { lines, spare, dirty, .. } = self;
        let Some(line) = find(lines, key) else { return false };
        line.desk.begin_grants(spare);
        line.desk.grant(lease);
        if !std::mem::replace(&mut line.is_dirty, true) {
            dirty.push(key);
        }
        true
    }

    #[inline]
    fn is_line_of(&self, key: LineKey, worker: WorkerId) -> bool {
        let line = self.lines.get(key.slot()).and_then(Option::as_deref);
        line.is_some_and(|line| line.key() == key && line.desk.worker == Some(worker))
    }

    /// A lease is over whose outcome had to be checked first.
    pub fn settled(&mut self, worker: WorkerId, lease: LeaseId) {
        let Some(key) = self.lines_of.get(&worker).copied() else { return };
        let turn = self.turn;
        if let Some(line) = self.line_mut(key)
            && line.desk.forget_check(lease)
            && let Some(through) = line.desk.settled_through()
        {
            self.unreleased.push_back((turn, key, through));
        }
    }

    /// A worker is asked to give back what it has not begun.
    pub fn recall(&mut self, worker: WorkerId, leases: &[LeaseId]) {
        let leases = leases.iter().map(|lease| lease.0).collect();
        self.say(worker, &ToWorker::Recall { leases });
    }

    /// A worker has nothing more to expect.
    pub fn dismiss(&mut self, worker: WorkerId) {
        self.say(worker, &ToWorker::Dismiss);
    }

    /// A worker is to end itself.
    pub fn kill(&mut self, worker: WorkerId, reason: KillReason) {
        let reason = match reason {
            KillReason::TimedOut => EndReason::TimedOut,
            KillReason::Drained => EndReason::Drained,
            _ => EndReason::Revoked,
        };
        self.say(worker, &ToWorker::End { reason });
    }

    /// A worker is taken to have ended: if there is a line to it after all, it is told to.
    pub fn give_up(&mut self, worker: WorkerId) {
        self.say(worker, &ToWorker::End { reason: EndReason::GivenUp });
        if let Some(key) = self.lines_of.remove(&worker) {
            self.end_line(key, CloseReason::GivenUp);
        }
    }

    fn say(&mut self, worker: WorkerId, message: &ToWorker) {
        let Some(key) = self.lines_of.get(&worker).copied() else { return };
        if let Some(line) = self.line_mut(key) {
            line.say(message);
            self.mark(key);
        }
    }

    // ---- turns ----

    /// Everything that came so far belongs to one turn, whose number is returned: its outcomes are
    /// acknowledged once it is [released](Switchboard::release).
    pub const fn end_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn - 1
    }

    /// The records of all turns up to this one are as durable as they have to be.
    pub fn release(&mut self, turn: u64) {
        while let Some(&(of, key, through)) = self.unreleased.front() {
            if of > turn {
                break;
            }
            self.unreleased.pop_front();
            if let Some(line) = self.line_mut(key) {
                line.desk.ack = Some(through);
                self.mark(key);
            }
        }
    }

    /// Whether some outcomes are not acknowledged yet.
    #[must_use]
    pub fn has_unreleased(&self) -> bool {
        !self.unreleased.is_empty()
    }

    /// Gives the bytes of each line that has something to say, and why it is to be closed after them.
    /// `send` may leave bytes in the buffer only if the line is closed.
    pub fn flush(&mut self, mut send: impl FnMut(LineKey, &mut Vec<u8>, Option<CloseReason>)) {
        let mut dirty = std::mem::take(&mut self.dirty);
        let mut bytes = std::mem::take(&mut self.scratch);
        for key in dirty.drain(..) {
            let Some(line) = find(&mut self.lines, key) else { continue };
            line.is_dirty = false;
            line.flush(&mut self.spare, &mut bytes);
            if !bytes.is_empty() || line.closing.is_some() {
                send(key, &mut bytes, line.closing);
            }
            bytes.clear();
        }
        self.scratch = bytes;
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    // ---- lines ----

    fn line_mut(&mut self, key: LineKey) -> Option<&mut Line> {
        find(&mut self.lines, key)
    }

    fn take_line(&mut self, key: LineKey) -> Option<Box<Line>> {
        let place = self.lines.get_mut(key.slot())?;
        if place.as_ref().is_some_and(|line| line.key() == key) { place.take() } else { None }
    }

    fn put_line(&mut self, mut line: Box<Line>) {
        if line.wants_flush() && !line.is_dirty {
            line.is_dirty = true;
            self.dirty.push(line.key());
        }
        let slot = line.key().slot();
        if let Some(place) = self.lines.get_mut(slot) {
            *place = Some(line);
        }
    }

    fn mark(&mut self, key: LineKey) {
        if let Some(line) = self.line_mut(key)
            && !line.is_dirty
        {
            line.is_dirty = true;
            self.dirty.push(key);
        }
    }
}

/// The line of that name, unless it is gone.
fn find(lines: &mut [Option<Box<Line>>], key: LineKey) -> Option<&mut Line> {
    lines.get_mut(key.slot())?.as_deref_mut().filter(|line| line.key() == key)
}
