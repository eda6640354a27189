//! What a run says of itself as a whole.

use std::{fmt, path::PathBuf, time::Duration};

use crate::{EarlierVersion, report::made_by_others};

/// Something that a run says of itself as a whole; its `Display` is a sentence for people.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The first Ctrl-C, or what is heard like it: nothing more is started.
    Interrupted {
        /// The blocks that are at work in threads of this process: they are waited for.
        blocks: usize,
        /// The workers outside this process that are at work: they are ended, and what they are at costs no attempt.
        workers: usize,
        /// For how long the longest of all these has been at its block.
        longest: Duration,
    },
    /// Blocks of an earlier start of the run do not fit into this one, and may still be at work: nothing
    /// is lent until their workers must have ended.
    WaitsForBlocks {
        /// The number of the blocks.
        blocks: u64,
        /// How long that is.
        wait: Duration,
    },
    /// The machine was restarted while an earlier start of the run was at work: nothing is lent until
    /// workers at blocks that the journal may lack must have ended.
    WaitsAfterRestart {
        /// How long that is.
        wait: Duration,
    },
    /// The address of an earlier start of the run, which did not come to its end, is taken: it is waited
    /// for as long as that start's workers look for it.
    WaitsForAddress {
        /// Why the run cannot listen there.
        why: String,
        /// How long that is.
        wait: Duration,
    },
    /// The address of an earlier start of the run is taken, so that none of its workers finds this one.
    NewAddress {
        /// Why the run cannot listen there.
        why: String,
        /// Where it listens now.
        addresses: Vec<String>,
    },
    /// Finished blocks of a task were made by other versions of its code. They stay as they are.
    EarlierVersions {
        /// The name of the task.
        task: String,
        /// The version of its code now.
        version: Option<String>,
        /// The other ones.
        earlier: Vec<EarlierVersion>,
    },
    /// Workers of an earlier start have other code for a task than this run: they are ended when they come
    /// back, and what they are at is done again.
    OutdatedWorkers {
        /// The name of the task.
        task: String,
        /// The number of the workers.
        workers: u64,
        /// The number of the blocks that they are at.
        blocks: u64,
    },
    /// The journal is damaged; what comes before the damage is used.
    JournalDamaged {
        /// The journal.
        journal: PathBuf,
        /// Where the damage begins, in bytes.
        offset: u64,
    },
    /// The journal was removed, or another file has its name: what the run wrote there is lost.
    JournalGone {
        /// The journal.
        journal: PathBuf,
    },
    /// The journal could not be made shorter; that is tried again later.
    JournalStaysLong {
        /// The journal.
        journal: PathBuf,
        /// What the system says.
        why: String,
    },
    /// What was started for some workers has ended well, and they have not joined yet: they are expected from
    /// elsewhere, from a queue of jobs, say. Told again each minute, and when their number changes.
    WaitsForWorkers {
        /// Their number.
        workers: usize,
        /// For how long the first of them has been expected.
        longest: Duration,
        /// After how long others are started in their place.
        limit: Duration,
    },
    /// A task that starts no workers has none, and blocks that could run. Told again each minute.
    NoWorkers {
        /// The name of the task.
        task: String,
        /// The number of those blocks.
        blocks: u64,
    },
    /// No more workers can connect for now.
    NoConnections {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted { blocks, workers, longest } => {
                write!(f, "interrupted: nothing more is started; ")?;
                if blocks + workers == 0 {
                    return f.write_str("nothing is at work. Press Ctrl-C again to leave at once.");
                }
                if *workers > 0 {
                    let workers = counted(*workers, "worker");
                    write!(f, "{workers} at work end, at no cost in attempts; ")?;
                }
                if *blocks > 0 {
                    write!(f, "waiting for {} at work; ", counted(*blocks, "block"))?;
                }
                let longest = longest.as_secs_f64();
                write!(
                    f,
                    "the longest for {longest:.1} s so far. Press Ctrl-C again to leave at once."
                )
            }
            Self::NewAddress { why, addresses } => write!(
                f,
                "{why}; this run listens at {} now, where no worker of an earlier start finds it",
                addresses.join(", ")
            ),
            Self::EarlierVersions { task, version, earlier } => write!(
                f,
                "of the finished blocks of task '{task}', not all were {}; they stay as they are \
                 (journal.forget has them done again)",
                made_by_others(version.as_deref(), earlier)
            ),
            Self::OutdatedWorkers { task, workers, blocks } => write!(
                f,
                "{workers} workers of an earlier start of this run have other code for task '{task}'; \
                 they are ended when they come back, and their {blocks} blocks are done again at no cost"
            ),
            Self::JournalDamaged { journal, offset } => write!(
                f,
                "the journal {} is damaged at byte {offset}; what comes before is used",
                journal.display()
            ),
            Self::JournalGone { journal } => write!(
                f,
                "the journal {} was removed or replaced while the run was at work: another start does not \
                 know what this one has done",
                journal.display()
            ),
            Self::JournalStaysLong { journal, why } => write!(
                f,
                "the journal {} could not be made shorter ({why}); nothing is lost, and it is tried \
                 again when it has grown",
                journal.display()
            ),
            Self::NoConnections { why } => {
                write!(f, "no more workers can connect for now: {why}")
            }
            waits => waits.write_wait(f),
        }
    }
}

/// A number of things, in words.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

impl Notice {
    /// Those that say for what the run waits.
    fn write_wait(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |wait: &Duration| wait.as_millis().div_ceil(1_000);
        match self {
            Self::WaitsForBlocks { blocks, wait } => write!(
                f,
                "{blocks} blocks of an earlier start of this run, which do not fit into this one, may \
                 still be at work; waiting {} s until their workers must have ended",
                seconds(wait)
            ),
            Self::WaitsAfterRestart { wait } => write!(
                f,
                "this machine was restarted, perhaps for want of power, while an earlier start of this \
                 run was at work; blocks that it lent last may still be at work elsewhere without being \
                 in the journal; waiting {} s until their workers must have ended",
                seconds(wait)
            ),
            Self::WaitsForAddress { why, wait } => write!(
                f,
                "{why}; an earlier start of this run listened there and did not come to its end; \
                 trying again for {} s, as long as its workers look for it",
                seconds(wait)
            ),
            Self::WaitsForWorkers { workers, longest, limit } => write!(
                f,
                "waiting for {}: what was started ended well before any joined, \
                 so that they are expected from elsewhere (a queue of jobs, say), the first for {} s so \
                 far; after {} s another is started in its place",
                counted(*workers, "worker"),
                seconds(longest),
                seconds(limit)
            ),
            Self::NoWorkers { task, blocks } => write!(
                f,
                "waiting for workers of task '{task}': {blocks} of its blocks could run, and it starts no \
                 workers by itself (num_workers is 0)"
            ),
            _ => Ok(()),
        }
    }
}
