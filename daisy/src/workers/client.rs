//! Blocks over the network, one guard each.

use std::{
    fmt, io,
    ops::Deref,
    process,
    time::{Duration, Instant},
};

use daisy_block::{Block, TaskId, Tiling};
use daisy_net::{
    driver::{self, ClientOptions, Drainer, Ended},
    session::ClientConfig,
    wire::{Grant, Verdict},
};

use super::{Context, ContextError, worker};
use crate::Loan;

/// For how long a first connection is tried.
const CONNECT: Duration = Duration::from_secs(60);
/// How often a worker promises a sign of life.
const HEARTBEAT_MS: u32 = 2_000;

/// A worker's connection to the run it works for.
///
/// ```no_run
/// use daisy::Client;
///
/// let client = Client::new()?; // reads DAISY_CONTEXT
/// while let Some(block) = client.acquire_block()? {
///     println!("read {}, write {}", block.read_roi, block.write_roi);
///     block.complete(); // dropping it without a verdict is a failure
/// }
/// # Ok::<(), daisy::ClientError>(())
/// ```
///
/// A thread of its own keeps the connection alive for as long as the client exists. While a block is held, it **ends
/// the whole process** when the run must assume that this worker is lost (nothing was heard of the server for too
/// long), or when it is told to: from then on others may work on the same data. One case is left that nobody
/// can see from inside: a process, or its machine, that was stopped and is woken much later goes on for
/// an instant before that thread runs. Where that matters, ask
/// [`still_ours`](BlockGuard::still_ours) before writing, or store the
/// [lease number](BlockGuard::lease) with the data and refuse older ones.
///
/// A client is used by one thread. Have one for each, in one process or in several: all that are made with one
/// context are workers of their own. An outcome leaves within a millisecond, whatever is done next; a client that is
/// dropped hands in everything and says goodbye. It does not survive a fork: in the child it does nothing.
pub struct Client {
    inner: driver::Client,
    task: TaskId,
    name: String,
    tiling: Tiling,
}

/// Why a worker gets no more blocks.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no context, or a wrong one.
    Context(ContextError),
    /// The run ended this worker, or cannot be reached.
    Ended(Ended),
    /// The layout that came is none.
    BadLayout,
    /// A block that the layout does not have.
    NoSuchBlock {
        /// Its number.
        cell: u64,
    },
}

impl Client {
    /// Connects by the context in the environment ([`Context::VARIABLE`]).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new() -> Result<Self, ClientError> {
        Self::with_context(&Context::from_env().map_err(ClientError::Context)?)
    }

    /// Connects by a context that was passed in another way.
    ///
    /// # Errors
    /// [`ClientError`]: also if nobody answers for a minute.
    pub fn with_context(context: &Context) -> Result<Self, ClientError> {
        let config = ClientConfig {
            task: context.task.clone(),
            worker: context.worker,
            security: context.security.clone(),
            heartbeat_ms: HEARTBEAT_MS,
            pid: process::id(),
            host: worker::host_name(),
        };
        let inner = driver::Client::connect(ClientOptions {
            config,
            addresses: context.addresses.clone(),
            connect_timeout: CONNECT,
            refused_timeout: context.reconnect_ms.map_or(CONNECT, Duration::from_millis),
            on_end: Box::new(worker::end_process),
            randomness,
        })
        .map_err(ClientError::Ended)?;
        let welcome = inner.welcome();
        let layout = welcome.layout.to_layout();
        let layout = layout.ok_or(ClientError::BadLayout)?;
        let task = TaskId::new(welcome.task);
        Ok(Self { task, name: context.task.clone(), tiling: Tiling::new(&layout), inner })
    }

    /// The name of the task that this worker works for.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.name
    }

    /// The number by which the run knows this worker.
    #[must_use]
    pub fn worker(&self) -> u64 {
        self.inner.worker()
    }

    /// The next block; waits until there is one. None when there is nothing more to do.
    ///
    /// # Errors
    /// [`ClientError::Ended`]: the run ended this worker, or is gone.
    pub fn acquire_block(&self) -> Result<Option<BlockGuard<'_>>, ClientError> {
        let grant = self.inner.next_block(None).map_err(ClientError::Ended)?;
        grant.map(|grant| self.guard(grant)).transpose()
    }

    /// One to `most` blocks at once, each with its own verdict: for those who run several together, on
    /// a GPU say. Waits until there is one. Empty when there is nothing more to do.
    ///
    /// # Errors
    /// [`ClientError::Ended`], as [`Client::acquire_block`].
    pub fn acquire_blocks(&self, most: u32) -> Result<Vec<BlockGuard<'_>>, ClientError> {
        let first = self.inner.next_block(Some(most.max(1))).map_err(ClientError::Ended)?;
        let Some(first) = first else { return Ok(Vec::new()) };
        let rest = self.inner.more_blocks(most.saturating_sub(1) as usize);
        [first].into_iter().chain(rest).map(|grant| self.guard(grant)).collect()
    }

    /// As [`Client::acquire_block`], without a guard: for whose values cannot borrow, in other languages say. Every
    /// loan has to be [released](Self::release).
    ///
    /// # Errors
    /// [`ClientError::Ended`], as [`Client::acquire_block`].
    pub fn acquire_loan(&self) -> Result<Option<(Block, Loan)>, ClientError> {
        let grant = self.inner.next_block(None).map_err(ClientError::Ended)?;
        let Some(grant) = grant else { return Ok(None) };
        Ok(Some((self.block(&grant)?, Loan::new(grant.lease, grant.attempt))))
    }

    /// What became of a block on loan, after how long: nothing, or why the attempt failed. Unless more blocks are at
    /// hand, it leaves at once.
    pub fn release(&self, loan: Loan, outcome: Result<(), String>, time: Duration) {
        let verdict = match outcome {
            Ok(()) => Verdict::Completed,
            Err(text) => Verdict::Failed { panicked: false, text },
        };
        self.inner.settle(loan.lease, verdict, time);
        self.inner.flush();
    }

    /// Hands in everything and says goodbye, within seconds: nothing more comes. A block that was not given back has
    /// failed. Dropping the client does the same.
    pub fn leave(&self) {
        self.inner.leave();
    }

    /// Whether the run still counts on this worker for a block on loan: asks the server. False too if it does not
    /// answer.
    #[must_use]
    pub fn is_ours(&self, loan: Loan) -> bool {
        self.inner.is_open(loan.lease)
    }

    fn guard(&self, grant: Grant) -> Result<BlockGuard<'_>, ClientError> {
        let block = self.block(&grant)?;
        Ok(BlockGuard { client: self, block, grant, start: Instant::now(), verdict: None })
    }

    /// What was lent; given back if there is no such block.
    fn block(&self, grant: &Grant) -> Result<Block, ClientError> {
        let Some(block) = self.tiling.block(self.task, grant.cell) else {
            let text = format!("the task's layout has no block {}", grant.cell);
            let verdict = Verdict::Failed { panicked: false, text };
            self.inner.settle(grant.lease, verdict, Duration::ZERO);
            return Err(ClientError::NoSuchBlock { cell: grant.cell });
        };
        Ok(block)
    }

    /// The grid of the task's blocks.
    #[must_use]
    pub const fn tiling(&self) -> &Tiling {
        &self.tiling
    }

    pub(super) fn drainer(&self) -> Drainer {
        self.inner.drainer()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("task", &self.name)
            .field("worker", &self.worker())
            .finish_non_exhaustive()
    }
}

/// 32 random bytes of the operating system.
pub(crate) fn randomness() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// A block on loan. It reads like a [`Block`].
///
/// Say [`complete`](Self::complete) or [`fail`](Self::fail): a guard that is dropped without either
/// counts as a failed attempt, and so does one that a panic drops.
#[must_use = "a block that is dropped without a verdict counts as failed"]
pub struct BlockGuard<'a> {
    client: &'a Client,
    block: Block,
    grant: Grant,
    start: Instant,
    verdict: Option<Verdict>,
}

impl BlockGuard<'_> {
    /// The block is done.
    pub fn complete(mut self) {
        self.verdict = Some(Verdict::Completed);
    }

    /// The attempt failed: the run tries again, as often as the task says.
    pub fn fail(mut self, why: impl fmt::Display) {
        self.verdict = Some(Verdict::Failed { panicked: false, text: why.to_string() });
    }

    /// As [`BlockGuard::fail`], for something that was not caught.
    pub(super) fn fail_by_panic(mut self, text: String) {
        self.verdict = Some(Verdict::Failed { panicked: true, text });
    }

    /// The name of the task.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.client.name
    }

    /// The number of the worker.
    #[must_use]
    pub fn worker(&self) -> u64 {
        self.client.worker()
    }

    /// Which attempt at this block it is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.grant.attempt
    }

    /// The number of the loan: later loans of the same block have larger ones, also in a resumed run.
    /// Stored with the data, it tells a late writer from the present one.
    #[must_use]
    pub const fn lease(&self) -> u64 {
        self.grant.lease
    }

    /// Whether the run still counts on this worker for the block: asks the server. False too if it does
    /// not answer.
    #[must_use]
    pub fn still_ours(&self) -> bool {
        self.client.inner.is_open(self.grant.lease)
    }
}

impl Deref for BlockGuard<'_> {
    type Target = Block;

    fn deref(&self) -> &Block {
        &self.block
    }
}

impl Drop for BlockGuard<'_> {
    fn drop(&mut self) {
        let verdict = self.verdict.take().unwrap_or_else(|| Verdict::Failed {
            panicked: std::thread::panicking(),
            text: "the block was dropped without a verdict".to_owned(),
        });
        self.client.inner.settle(self.grant.lease, verdict, self.start.elapsed());
    }
}

impl fmt::Debug for BlockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockGuard")
            .field("block", &self.block)
            .field("attempt", &self.grant.attempt)
            .field("lease", &self.grant.lease)
            .finish_non_exhaustive()
    }
}

impl ClientError {
    /// Whether the worker came when its run was over: there is nothing to do, and nothing is wrong.
    #[must_use]
    pub const fn is_run_over(&self) -> bool {
        matches!(self, Self::Ended(Ended::NoRun(_)))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context(error) => error.fmt(f),
            Self::Ended(ended) => ended.fmt(f),
            Self::BadLayout => f.write_str(
                "the run's layout makes no blocks; install the same daisy on both sides",
            ),
            Self::NoSuchBlock { cell } => write!(
                f,
                "the run lent block {cell}, which its layout does not have; install the same daisy on \
                 both sides"
            ),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Context(error) => Some(error),
            Self::Ended(ended) => Some(ended),
            Self::BadLayout | Self::NoSuchBlock { .. } => None,
        }
    }
}
