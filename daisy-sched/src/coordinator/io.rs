//! Everything that goes into a coordinator and everything that comes out of it.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, ops::Range};

use daisy_block::{BlockKey, TaskId};

use crate::{Moment, Question, Verdict};

/// A worker; the number is never used again, not even in a resumed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// The loan of one block to one worker: a fencing token that is never used again.
///
/// It is `epoch << 40 | counter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// One call of a check function; the number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u64);

/// The number under which the driver keeps the text of an error; the coordinator only passes it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause(pub u64);

/// The loan of one block to one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its number, to be passed back with the outcome.
    pub id: LeaseId,
    /// The block.
    pub key: BlockKey,
    /// Who has it.
    pub worker: WorkerId,
    /// Which attempt at the block this is, from 1.
    pub attempt: u32,
    /// When it times out. None if the task has no timeout, and for a block that is queued behind
    /// another one: its time starts when the outcome before it arrives, or with [`Input::Started`].
    pub deadline: Option<Moment>,
}

/// What kind of thing a worker is: what it takes to be sure that it has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerKind {
    /// A thread of this process: cannot be killed, only waited for.
    Thread,
    /// A child process: killed, and gone once reaped.
    LocalProcess {
        /// Whether it promised heartbeats: then it is killed when it is silent for too long (it was
        /// stopped, say). Without that, silence says nothing while it is connected.
        heartbeats: bool,
    },
    /// A process somewhere else: gone one heartbeat after it must have ended itself for silence.
    Remote {
        /// Whether it promised heartbeats. Without that, silence says nothing while it is connected.
        heartbeats: bool,
    },
}

impl WorkerKind {
    /// Whether its silence says something while it is connected.
    #[must_use]
    pub const fn promises_heartbeats(self) -> bool {
        matches!(self, Self::LocalProcess { heartbeats: true } | Self::Remote { heartbeats: true })
    }
}

/// One thing that happened, told by the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time passed: to be given when [`Coordinator::next_deadline`](super::Coordinator::next_deadline)
    /// is reached. Nothing times out without it.
    Timeout,
    /// A worker is there. Its id came with [`Output::StartWorker`] or from
    /// [`Coordinator::name_worker`](super::Coordinator::name_worker).
    Joined {
        /// The worker.
        worker: WorkerId,
        /// The task it works for.
        task: TaskId,
        /// What it is.
        kind: WorkerKind,
    },
    /// A worker can take so many blocks *more*; up to
    /// [`Coordinator::MAX_WANTED`](super::Coordinator::MAX_WANTED) in all are remembered. Several
    /// blocks are granted at once where there are enough for everybody; they are run in that order.
    Want {
        /// The worker.
        worker: WorkerId,
        /// How many more.
        blocks: u32,
    },
    /// A block that was queued at a worker has begun: its timeout starts. Need not be said of a block
    /// that reaches an idle worker, nor of the next one after an outcome.
    Started {
        /// Who says so.
        worker: WorkerId,
        /// Which block.
        lease: LeaseId,
    },
    /// A worker is done with a block.
    Settle {
        /// Who says so.
        worker: WorkerId,
        /// Which block.
        lease: LeaseId,
        /// What came of it.
        outcome: Outcome,
    },
    /// A worker is known to have ended (process reaped, thread returned), or could not be started.
    Ended {
        /// The worker.
        worker: WorkerId,
        /// How.
        ending: Ending,
    },
    /// A worker that has just joined as a local process lives in the process that was started as another one, as do
    /// others, perhaps: in threads of it, each with a client of its own.
    Shares {
        /// The worker.
        worker: WorkerId,
        /// The one as which the process was started.
        process: WorkerId,
    },
    /// A worker has said goodbye, and its process goes on: it gets nothing more, what it has is put back, and its
    /// silence says nothing. [`Input::Ended`] or [`Input::ProcessEnded`] follows when the process has ended.
    Left {
        /// The worker.
        worker: WorkerId,
    },
    /// A process is known to have ended, and so have all workers that share it.
    ProcessEnded {
        /// The worker as which it was started.
        process: WorkerId,
        /// How.
        ending: Ending,
    },
    /// The connection to a worker closed. Its blocks stay its own until it is back, is known to have
    /// ended, or the silence limit passes; it has to say again what it wants. Refused of a thread, as are
    /// [`Input::Reconnected`] and [`Input::Heard`].
    Disconnected {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker whose connection closed is back; it has to say again what it wants.
    Reconnected {
        /// The worker.
        worker: WorkerId,
        /// Whether it promises heartbeats.
        heartbeats: bool,
    },
    /// Some byte came from a worker; the silence limit counts from here.
    Heard {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker is not to be trusted any more (it broke the protocol, somebody wants it gone): it gets
    /// nothing more and is killed. That costs its blocks no attempt.
    Revoke {
        /// The worker.
        worker: WorkerId,
    },
    /// The answer to [`Output::Check`].
    Checked {
        /// The check.
        check: CheckId,
        /// What it found.
        finding: Finding,
    },
    /// The answer to [`Output::Ask`], with the question as it came.
    Answered {
        /// The question.
        question: Box<Question>,
        /// What is to be skipped.
        verdict: Verdict,
    },
    /// Hand out nothing more, let threads finish and end worker processes: the first Ctrl-C.
    Drain,
    /// Hand out nothing more of one task; what is out may finish.
    Abandon {
        /// The task.
        task: TaskId,
    },
}

/// What a worker says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The block function returned.
    Completed,
    /// It failed: one attempt less.
    Failed(Cause),
    /// It was not begun and is given back; costs no attempt.
    Returned,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, or killed by somebody unknown. If it had exactly one block, that block is blamed.
    Died(Cause),
    /// It was taken away (pre-empted, job at its time limit) or left politely: nobody's fault.
    Left,
    /// What was started as a worker ended well and never joined: it handed a job to a queue, say. The worker is
    /// expected from elsewhere for [`CoordinatorConfig::expect_ms`](super::CoordinatorConfig::expect_ms).
    HandedOn,
}

/// What a check function found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It said true: the block is done.
    Done,
    /// It said false: the block is not done.
    NotDone,
    /// It failed.
    Raised(Cause),
}

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Of a ready block: need it be run at all?
    Before,
    /// Of a block that was run: is it done now?
    After,
}

/// One thing for the driver to do or to make known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a worker for a task. Answer with [`Input::Joined`], or [`Input::Ended`] if that fails.
    StartWorker {
        /// Its id.
        worker: WorkerId,
        /// The task it is to work for.
        task: TaskId,
    },
    /// A worker gets a block.
    Grant(Lease),
    /// Call the check function of the block's task; answer with [`Input::Checked`].
    Check {
        /// The number to answer with.
        check: CheckId,
        /// The block.
        key: BlockKey,
        /// Before or after the block is run.
        stage: Stage,
    },
    /// Ask the task's mask; answer with [`Input::Answered`].
    Ask(Box<Question>),
    /// A lease is over; its number will not be accepted again.
    Settled {
        /// The lease.
        lease: LeaseId,
        /// The block.
        key: BlockKey,
        /// Who had it.
        worker: WorkerId,
        /// What has become of the block.
        result: Settlement,
    },
    /// A check found a block done before it was run; it is skipped.
    Skipped {
        /// The block.
        key: BlockKey,
    },
    /// A block ran out of its time. It is a failed attempt, but counts as processing until its
    /// holder has stopped; [`Output::Settled`] follows then.
    Overdue {
        /// The lease.
        lease: LeaseId,
        /// The block.
        key: BlockKey,
        /// Who has it.
        worker: WorkerId,
    },
    /// An outcome for a lease that is over came too late or a second time: counted, nothing changed.
    Late {
        /// The lease.
        lease: LeaseId,
    },
    /// Blocks that will never run because they wait for one that failed for good.
    Orphaned {
        /// Their task.
        task: TaskId,
        /// Their cells, numbers of the task's whole grid, half-open.
        cells: Range<u64>,
    },
    /// Make a worker stop: a child process by signals, a remote one through its connection. Never
    /// said of threads. [`Input::Ended`] is expected; for a remote one the silence limit is enough.
    Kill {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: KillReason,
    },
    /// A worker has nothing more to expect: it may end, and [`Input::Ended`] of it is normal now.
    Dismiss {
        /// The worker.
        worker: WorkerId,
    },
    /// Ask a worker to give back blocks that it has not begun, because others have nothing to do; it
    /// answers with [`Outcome::Returned`] for those, and goes on with the rest. Never said of threads.
    Recall {
        /// The worker.
        worker: WorkerId,
        /// Everything that seems to wait there, in its order.
        leases: Vec<LeaseId>,
    },
    /// A worker is taken to have ended because nothing was heard of it for too long. If it comes back
    /// it must be told to end.
    GivenUp {
        /// The worker.
        worker: WorkerId,
    },
    /// Nothing more will happen in a task.
    TaskEnded {
        /// The task.
        task: TaskId,
        /// Why; see the counts for how complete it is.
        ending: TaskEnding,
    },
    /// The run is over: every task has ended and no block is out. Said once.
    Done,
}

/// What has become of a block when its lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is completed.
    Completed,
    /// The attempt failed; it will be tried again, not before the moment given.
    Retry {
        /// Failed attempts so far.
        attempts: u32,
        /// Why this one failed.
        why: FailureCause,
        /// The end of its back-off.
        until: Moment,
    },
    /// It failed for good.
    Failed {
        /// Failed attempts.
        attempts: u32,
        /// Why the last one failed.
        why: FailureCause,
    },
    /// It is ready again; that cost no attempt.
    PutBack(PutBackReason),
}

/// Why an attempt at a block failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// The block function said so.
    Reported(Cause),
    /// It took longer than the task's timeout.
    TimedOut,
    /// The worker died at it.
    WorkerDied(Cause),
    /// Nothing was heard of the worker for too long: its connection closed and it did not come back, or
    /// it was cut off.
    WorkerVanished,
    /// The check after it said that it is not done.
    NotDone,
    /// The check after it failed.
    CheckRaised(Cause),
    /// The check after it took too long.
    CheckTimedOut,
}

/// Why a block became ready again without losing an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutBackReason {
    /// The worker gave it back unbegun.
    Returned,
    /// The worker left, or was pre-empted.
    WorkerLeft,
    /// The worker was killed for something else than this block.
    WorkerKilled,
    /// Nothing was heard of the worker for too long.
    WorkerSilent,
    /// The worker died and had several blocks; each will be lent singly so that the right one is
    /// blamed.
    Suspect,
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KillReason {
    /// A block ran out of its time there.
    TimedOut,
    /// [`Input::Revoke`].
    Revoked,
    /// [`Input::Drain`].
    Drained,
    /// Nothing was heard of it for too long although it promised heartbeats.
    Silent,
    /// It outlived the server, and the run has other code now.
    Outdated,
}

/// Why nothing more will happen in a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEnding {
    /// Every block that can run has run.
    Finished,
    /// [`Input::Abandon`].
    Abandoned,
    /// As many blocks as `max_failed_blocks` allows failed for good.
    TooManyFailedBlocks,
    /// Too many workers in a row ended before they took a block; this is the last one's error.
    WorkersFail(Cause),
    /// [`Input::Drain`].
    Drained,
}

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A block of this worker runs out of its time.
    BlockTimeout(WorkerId),
    /// Nothing was heard of this worker for too long.
    Silence(WorkerId),
    /// This block may be tried again.
    Backoff(BlockKey),
    /// Nobody came for this worker, which was expected from elsewhere.
    Expected(WorkerId),
    /// Workers of this task may be started again.
    StartBackoff(TaskId),
    /// Workers of this task have nothing to do while blocks wait at others.
    Recall(TaskId),
    /// The oldest open check takes too long.
    Check,
    /// What one input may cost was not enough to find all blocks that can run, or that never will. It is due at
    /// once: give [`Input::Timeout`], and other inputs as they come.
    Backlog,
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        numbered(f, 'w', self.0)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        numbered(f, 'l', self.0)
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        numbered(f, 'c', self.0)
    }
}

/// A letter, the counter, and the epoch unless it is 0: `l7`, `l7@2`.
fn numbered(f: &mut fmt::Formatter<'_>, letter: char, id: u64) -> fmt::Result {
    let (epoch, counter) = (id >> 40, id & ((1 << 40) - 1));
    write!(f, "{letter}{counter}")?;
    if epoch > 0 { write!(f, "@{epoch}") } else { Ok(()) }
}
