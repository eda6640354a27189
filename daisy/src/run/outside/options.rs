//! How a run deals with workers outside this process, and how it is kept for another day.

use std::{path::PathBuf, time::Duration};

use crate::{Durability, RunOptions};

/// See the methods of [`RunOptions`].
pub(crate) struct OutsideOptions {
    pub(crate) listen: Vec<String>,
    pub(crate) advertise: Vec<String>,
    pub(crate) encrypt: bool,
    pub(crate) connection_file: Option<PathBuf>,
    pub(crate) logs: Option<PathBuf>,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) keep_failed: bool,
    pub(crate) use_damaged: bool,
    pub(crate) accept_new_arrays: bool,
    pub(crate) heartbeat_ms: u64,
    pub(crate) silence_ms: u64,
    pub(crate) reconnect_ms: u64,
    pub(crate) expect_ms: u64,
}

impl OutsideOptions {
    pub(crate) const fn new() -> Self {
        Self {
            listen: Vec::new(),
            advertise: Vec::new(),
            encrypt: true,
            connection_file: None,
            logs: None,
            journal: None,
            durability: Durability::Process,
            keep_failed: false,
            use_damaged: false,
            accept_new_arrays: false,
            heartbeat_ms: 2_000,
            silence_ms: 6_000,
            reconnect_ms: 60_000,
            expect_ms: 600_000,
        }
    }

    /// For how long workers may be away at most: whoever is cut off must have ended itself before its
    /// block is lent again.
    pub(super) fn away_ms(&self) -> u64 {
        self.reconnect_ms.max(self.silence_ms.saturating_add(self.heartbeat_ms))
    }
}

/// Workers outside this process, and journals; with the feature `workers`, on Unix.
impl RunOptions {
    /// Where the run listens for workers: `127.0.0.1:0`, `[::]:4711`, `host:port` or `unix:/path`; may
    /// be called several times. By default on this machine only, at a port of the kernel's choice.
    ///
    /// To let other machines reach the run, listen on an address of the network, `0.0.0.0:0` say. Workers are
    /// then told the name of this machine; where they know it by another one, or its name does not lead back
    /// to it, which is an error, [`advertise`](Self::advertise) one.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.outside.listen.push(address.into());
        self
    }

    /// What workers are told to connect to, where that is not what the run listens on: `host:port`, port
    /// 0 for that of the listener. May be called several times; workers try them in this order.
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.outside.advertise.push(address.into());
        self
    }

    /// Whether connections are encrypted and authenticated; true by default.
    ///
    /// `Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s` with a random key of this run, which workers get in
    /// their context. Can be switched off only where no other machine reaches the run.
    pub const fn encrypt(mut self, encrypt: bool) -> Self {
        self.outside.encrypt = encrypt;
        self
    }

    /// While the run goes on, this file has the context of each task, one in each line, for workers that somebody
    /// else starts: see [`Context::from_file`](crate::Context::from_file). Only its owner can read it.
    pub fn connection_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.outside.connection_file = Some(path.into());
        self
    }

    /// In which folder worker processes leave what they print, one file each; `daisy_logs` by default.
    pub fn logs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.outside.logs = Some(folder.into());
        self
    }

    /// Keeps a journal in this file: the run can be started again after anything, and goes on.
    ///
    /// Finished blocks are skipped; blocks that failed for good, and what waited for them, are tried
    /// afresh. Workers that outlived a crash of this process hand in what they did. Beside it lies
    /// `<path>.run`, with the run's key and addresses, which only its owner can read. A journal is a regular file, and
    /// has one run at a time, by whichever link it is named; it is not made shorter while it has several names.
    ///
    /// If this machine was restarted while the run was at work, the journal may lack the blocks that were
    /// lent last. The next start then lends nothing until the workers that may have them must have ended
    /// ([`reconnect_for`](Self::reconnect_for)), and says so.
    ///
    /// Tasks may be added and the request widened; a task that has changed is refused with the
    /// difference. To do blocks again, see [`forget`](crate::journal::forget).
    ///
    /// ```
    /// use daisy::{Roi, RunOptions, Task};
    ///
    /// let folder = std::env::temp_dir().join(format!("daisy-doc-{}", std::process::id()));
    /// std::fs::create_dir_all(&folder)?;
    /// let journal = folder.join("run.journal");
    /// let block = Roi::new([0], [10])?;
    /// let run = || -> Result<_, Box<dyn std::error::Error>> {
    ///     let task = Task::builder("double", Roi::new([0], [100])?, block.clone(), block.clone())
    ///         .process(|_| ())
    ///         .build()?;
    ///     Ok(RunOptions::new().journal(&journal).run(&[task])?.tasks[0].counts)
    /// };
    /// assert_eq!(run()?.completed, 10);
    /// assert_eq!(run()?.skipped, 10); // nothing is left to do
    /// std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.outside.journal = Some(path.into());
        self
    }

    /// What the journal has to survive; the death of any process by default.
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.outside.durability = durability;
        self
    }

    /// Whether blocks that failed for good in an earlier start of the run are left alone, and with them
    /// what waits for them; false by default: they are tried afresh.
    pub const fn keep_failed(mut self, keep: bool) -> Self {
        self.outside.keep_failed = keep;
        self
    }

    /// Whether a journal that is damaged before its end is used up to the damage, and what stands after
    /// it is dropped; false by default: the run is refused and the place is named.
    pub const fn use_damaged_journal(mut self, use_it: bool) -> Self {
        self.outside.use_damaged = use_it;
        self
    }

    /// Whether a run that is started again may go on although an array that a task says it
    /// [`writes`](crate::TaskBuilder::writes) is not the one that its finished blocks were written to; false by default:
    /// the run is refused. Then bring the array back, or do the blocks again ([`forget`](crate::journal::forget)).
    pub const fn accept_new_arrays(mut self, accept: bool) -> Self {
        self.outside.accept_new_arrays = accept;
        self
    }

    /// How often workers and the run promise each other a sign of life; 2 s by default. A worker of
    /// which nothing is heard for three of these and one more is taken to have died at its block, which
    /// costs that one attempt; it ends itself one earlier. Make this longer than what the network may be
    /// away for without a loss.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        let millis = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).clamp(1, 3_600_000);
        self.outside.heartbeat_ms = millis;
        self.outside.silence_ms = 3 * millis;
        self
    }

    /// For how long workers that outlive this process try to come back, in a run with a journal; 60 s by
    /// default. For so long their blocks stay theirs when the run is started again.
    ///
    /// They do so only where they can know that this process is dead: on this machine, or where its
    /// system ended their connection in good order and refuses new ones, and nothing lies between. Behind
    /// a tunnel, a proxy or a translation of addresses, and after a reset from elsewhere, they end after three
    /// [`heartbeat`](Self::heartbeat)s like workers that are cut off.
    pub fn reconnect_for(mut self, time: Duration) -> Self {
        self.outside.reconnect_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// For how long a worker is expected when what was started for it ended with exit code 0 and never joined: it
    /// handed a job to a queue (`sbatch` without `--wait`), say. 10 minutes by default. Meanwhile no other is started in
    /// its place, and the run says that it waits.
    pub fn expect_workers_for(mut self, time: Duration) -> Self {
        self.outside.expect_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self
    }
}
