//! What a run on a stage is like: handed over to the server and the workers as text.
//!
//! Either one task, `only`, without context; or a chain of three, whose middle one reads a block to each
//! side, of itself too:
//!
//! ```text
//!   first    |-1 |  0 |  1 |  2 | ...  | n |        n + 2 blocks
//!   middle       |  0 |  1 |  2 | ...              cell c reads first's c, c + 1, c + 2; conflicts with c - 1, c + 1
//!   last         |  0 |  1 |  2 | ...              cell c reads middle's c
//! ```

use std::{env, ffi::OsString, path::Path, time::Duration};

use daisy::{Roi, RunOptions, Task, TaskBuilder};
use serde_json::{Value, json};

pub(crate) const FOLDER: &str = "DAISY_FAULTS_FOLDER";
pub(crate) const PLAN: &str = "DAISY_FAULTS_PLAN";

/// The file for which a block that is held waits.
pub(crate) const GO: &str = "go";

/// The three tasks of a chain.
pub(crate) const CHAIN: [&str; 3] = ["first", "middle", "last"];
/// The task of a run that has one.
pub(crate) const ONLY: &str = "only";

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Three tasks instead of one.
    pub(crate) is_chain: bool,
    /// Blocks of a task; the first one of a chain has two more.
    pub(crate) blocks: u64,
    /// The blocks of the first task of a chain are found done, as long as there is a file `found`; each
    /// time one is looked at, that is a line of the history.
    pub(crate) finds_first: bool,
    /// Worker processes of each task.
    pub(crate) workers: u64,
    /// Each so-manieth block is slow; 0 for none.
    pub(crate) slow_every: u64,
    pub(crate) slow_ms: u64,
    /// The block that kills its process, if there is one.
    pub(crate) poison: Option<u64>,
    /// The block that goes on until the stage lets it go, if there is one.
    pub(crate) held: Option<u64>,
    pub(crate) retries: u64,
    /// The time limit of a block; 0 for none.
    pub(crate) timeout_ms: u64,
    pub(crate) heartbeat_ms: u64,
    pub(crate) reconnect_ms: u64,
    pub(crate) has_journal: bool,
    pub(crate) handles_interrupt: bool,
    /// Workers call `worker::serve`, which leaves on SIGTERM; else they have a client of their own, which
    /// knows of attempts and leases.
    pub(crate) serves: bool,
    /// The version of the tasks' code; 0 for none.
    pub(crate) version: u64,
    /// Where the server listens.
    pub(crate) listen: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            is_chain: false,
            blocks: 10,
            finds_first: false,
            workers: 2,
            slow_every: 0,
            slow_ms: 0,
            poison: None,
            held: None,
            retries: 2,
            timeout_ms: 0,
            heartbeat_ms: 2_000,
            reconnect_ms: 20_000,
            has_journal: true,
            handles_interrupt: false,
            serves: false,
            version: 0,
            listen: None,
        }
    }
}

impl Plan {
    pub(crate) fn to_text(&self) -> String {
        json!({
            "is_chain": self.is_chain, "blocks": self.blocks, "workers": self.workers,
            "finds_first": self.finds_first,
            "slow_every": self.slow_every, "slow_ms": self.slow_ms, "poison": self.poison,
            "held": self.held, "retries": self.retries, "timeout_ms": self.timeout_ms, "heartbeat_ms": self.heartbeat_ms,
            "reconnect_ms": self.reconnect_ms, "has_journal": self.has_journal,
            "handles_interrupt": self.handles_interrupt, "serves": self.serves,
            "version": self.version, "listen": self.listen,
        })
        .to_string()
    }

    pub(crate) fn parse(text: &str) -> Self {
        let plan: Value = serde_json::from_str(text).unwrap();
        let number = |name: &str| plan[name].as_u64().unwrap();
        let flag = |name: &str| plan[name].as_bool().unwrap();
        Self {
            is_chain: flag("is_chain"),
            blocks: number("blocks"),
            finds_first: flag("finds_first"),
            workers: number("workers"),
            slow_every: number("slow_every"),
            slow_ms: number("slow_ms"),
            poison: plan["poison"].as_u64(),
            held: plan["held"].as_u64(),
            retries: number("retries"),
            timeout_ms: number("timeout_ms"),
            heartbeat_ms: number("heartbeat_ms"),
            reconnect_ms: number("reconnect_ms"),
            has_journal: flag("has_journal"),
            handles_interrupt: flag("handles_interrupt"),
            serves: flag("serves"),
            version: number("version"),
            listen: plan["listen"].as_str().map(str::to_owned),
        }
    }

    pub(crate) const fn is_slow(&self, cell: u64) -> bool {
        self.slow_every > 0 && cell.is_multiple_of(self.slow_every)
    }

    /// The tasks by name with their numbers of blocks.
    pub(crate) fn sizes(&self) -> Vec<(&'static str, u64)> {
        if self.is_chain {
            CHAIN.into_iter().zip([self.blocks + 2, self.blocks, self.blocks]).collect()
        } else {
            vec![(ONLY, self.blocks)]
        }
    }

    pub(crate) fn num_blocks(&self) -> u64 {
        self.sizes().iter().map(|(_, blocks)| blocks).sum()
    }

    /// The tasks, upstream first; `finish` says how their blocks are run.
    pub(crate) fn tasks(
        &self,
        finish: impl Fn(&'static str, TaskBuilder) -> TaskBuilder,
    ) -> Vec<Task> {
        let end = i64::try_from(self.blocks).unwrap() * 10;
        let roi = |begin: i64, end: i64| Roi::new([begin], [end - begin]).unwrap();
        let block = roi(0, 10);
        let build = |name: &'static str, builder: TaskBuilder| {
            let builder = builder
                .num_workers(u32::try_from(self.workers).unwrap())
                .max_retries(u32::try_from(self.retries).unwrap());
            let builder = match self.timeout_ms {
                0 => builder,
                limit => builder.timeout(Duration::from_millis(limit)),
            };
            let builder = match self.version {
                0 => builder,
                version => builder.version(version.to_string()),
            };
            finish(name, builder).build().unwrap()
        };
        if !self.is_chain {
            return vec![build(ONLY, Task::builder(ONLY, roi(0, end), block.clone(), block))];
        }
        let [first, middle, last] = CHAIN;
        let wide = roi(-10, end + 10);
        let one = build(first, Task::builder(first, wide.clone(), block.clone(), block.clone()));
        let two = Task::builder(middle, wide, roi(-10, 20), block.clone());
        let two = build(middle, two.read_write_conflict(true).upstream(&one));
        let three = Task::builder(last, roi(0, end), block.clone(), block).upstream(&two);
        vec![one, two.clone(), build(last, three)]
    }

    pub(crate) fn options(&self, folder: &Path) -> RunOptions {
        let wait = Duration::from_millis(10);
        let options = RunOptions::new()
            .backoff(wait, wait)
            .logs(folder.join("logs"))
            .connection_file(folder.join("connection"))
            .heartbeat(Duration::from_millis(self.heartbeat_ms))
            .reconnect_for(Duration::from_millis(self.reconnect_ms))
            .handle_interrupt(self.handles_interrupt);
        let options = match &self.listen {
            Some(address) => options.listen(address),
            None => options,
        };
        if self.has_journal { options.journal(folder.join("journal")) } else { options }
    }

    /// The words by which this program is entered again at one of [`roles`](crate::roles).
    pub(crate) fn command(&self, folder: &Path, role: &str) -> Vec<OsString> {
        let folder = format!("{FOLDER}={}", folder.display());
        let plan = format!("{PLAN}={}", self.to_text());
        let me = env::current_exe().unwrap().into_os_string();
        let role = format!("roles::{role}");
        // `env` sets what a command of its own could not.
        let words = ["env".into(), folder.into(), plan.into(), me];
        words.into_iter().chain(["--exact", &role, "--nocapture"].map(Into::into)).collect()
    }
}
