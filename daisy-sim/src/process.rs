//! A worker process: what `driver::Client` does around a `ClientSession`, without threads and sockets.
//!
//! ```text
//!  main thread:    next_block ... function ... settle ... next_block ...
//!  helper thread:  looks after the connection while a function runs
//!  one lock:       an attempt to connect holds it for as long as it takes
//! ```
//! The methods of the world that drive it are in `world/worker.rs`.

use std::collections::VecDeque;

use daisy_net::{
    session::{ClientConfig, ClientSession},
    wire::EndReason,
};
use daisy_sched::{LeaseId, Moment, WorkerId};

use crate::{
    bug::Bug,
    net::Item,
    timing::{FIRST_CONNECT_MS, HEARTBEAT_MS, PAUSES_US},
};

/// What a block's function comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Succeeds,
    Fails,
    /// It kills its process.
    Kills,
    /// It never returns.
    Hangs,
}

/// A block function at work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) lease: LeaseId,
    pub(crate) block: usize,
    pub(crate) began: Moment,
    /// When it returns.
    pub(crate) until: Moment,
    pub(crate) fate: Fate,
    /// It has returned, and its thread waits for the lock.
    pub(crate) has_returned: bool,
}

/// What an attempt to connect comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Connected,
    Refused,
    NoAnswer,
}

/// Why a worker has nothing more to do: `Ended` of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Dismissed,
    /// It was asked to leave.
    Drained,
    Told(EndReason),
    /// Refused; whether that is a good end.
    Refused(bool),
    Lost,
    /// It had nothing to do, and its server is gone for good.
    Gone,
    NoServer,
    Session,
}

impl Ended {
    /// The exit code of a worker whose main thread learns of it.
    pub(crate) const fn exit_code(self) -> i32 {
        match self {
            Self::Dismissed | Self::Refused(true) => 0,
            Self::Drained | Self::Told(_) | Self::Lost | Self::Gone | Self::NoServer => {
                crate::timing::EXIT_LOST
            }
            Self::Refused(false) | Self::Session => 1,
        }
    }
}

/// What state the system has a process in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    /// Since then.
    Stopped(Moment),
    Dead,
}

/// One worker process.
pub(crate) struct Process {
    pub(crate) task: usize,
    /// It was started by the server of this life, which waits for its end.
    pub(crate) parent: Option<(u32, WorkerId)>,
    /// It is on the server's machine.
    pub(crate) is_local: bool,
    /// Something lies between it and the server that ends and refuses connections by itself when it dies.
    pub(crate) is_relayed: bool,
    pub(crate) life: Life,
    pub(crate) session: ClientSession,
    pub(crate) conn: Option<usize>,
    /// What has arrived and was not read.
    pub(crate) inbox: VecDeque<Item>,
    /// An attempt to connect, which holds the lock until then.
    pub(crate) connecting: Option<(Moment, Attempt)>,
    pub(crate) next_try: Moment,
    pub(crate) pause_us: u64,
    /// Since when the present connection is good.
    pub(crate) welcome_at: Option<Moment>,
    pub(crate) job: Option<Job>,
    /// Its main thread does something else until then: only the helper looks after the connection.
    pub(crate) elsewhere_until: Option<Moment>,
    /// The outcome that it gave before it went elsewhere, and when.
    pub(crate) given: Option<(LeaseId, Moment)>,
    /// It only launches another one.
    pub(crate) is_launcher: bool,
    /// The one that it launched.
    pub(crate) launched: Option<usize>,
    /// Until then the first welcome must have come.
    pub(crate) first_deadline: Moment,
    pub(crate) is_welcome: bool,
    pub(crate) is_draining: bool,
    /// It says goodbye until then, and whether it has said so.
    pub(crate) goodbye: Option<(Moment, bool)>,
    pub(crate) ended: Option<Ended>,
    pub(crate) is_liar: bool,
    /// It was connected and is not now, or is again: for a planted bug.
    pub(crate) has_reconnected: bool,
    /// A welcome has come and nothing was asked for since.
    pub(crate) is_fresh: bool,
    /// The outcomes that it has not dropped, oldest first; None for blocks given back.
    pub(crate) outbox: VecDeque<Option<LeaseId>>,
    /// An outcome was acknowledged.
    pub(crate) has_dropped: bool,
    pub(crate) wake_at: Option<Moment>,
}

impl Process {
    pub(crate) fn new(now: Moment, task: usize, config: ClientConfig) -> Self {
        Self {
            task,
            parent: None,
            is_local: false,
            is_relayed: false,
            life: Life::Running,
            session: ClientSession::new(config, now),
            conn: None,
            inbox: VecDeque::new(),
            connecting: None,
            next_try: now,
            pause_us: PAUSES_US.0,
            welcome_at: None,
            job: None,
            elsewhere_until: None,
            given: None,
            is_launcher: false,
            launched: None,
            first_deadline: now.after_ms(FIRST_CONNECT_MS),
            is_welcome: false,
            is_draining: false,
            goodbye: None,
            ended: None,
            is_liar: false,
            has_reconnected: false,
            is_fresh: false,
            outbox: VecDeque::new(),
            has_dropped: false,
            wake_at: None,
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.life == Life::Dead
    }

    /// Whether nobody looks after its connection while its main thread is elsewhere: the bug, or there is none any more.
    pub(crate) fn is_deaf(&self, bug: Option<Bug>) -> bool {
        let is_elsewhere = self.is_welcome && self.elsewhere_until.is_some();
        is_elsewhere && (self.ended.is_some() || bug == Some(Bug::SilentWhenIdle))
    }

    /// How a worker promises signs of life: not by what the run says, but by a constant of its own.
    pub(crate) const fn promised_ms() -> u32 {
        HEARTBEAT_MS as u32
    }

    /// Makes the list of outcomes follow the session's after it has read something.
    pub(crate) fn follow_outbox(&mut self) -> Vec<LeaseId> {
        let kept = self.session.num_unacknowledged();
        let dropped = self.outbox.len().saturating_sub(kept);
        self.has_dropped |= dropped > 0;
        let dropped: Vec<LeaseId> = self.outbox.drain(..dropped).flatten().collect();
        while self.outbox.len() < kept {
            self.outbox.push_back(None);
        }
        dropped
    }
}
