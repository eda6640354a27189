//! The start of a server: the journal is opened, and what it says is taken over. As `prepare` of the
//! facade.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use daisy_block::{BlockKey, TaskId};
use daisy_journal::{Journal, JournalOptions, JournalTuning, MemoryDisk, Origin, Resumed};
use daisy_net::{
    channel::Security,
    switchboard::{Secrets, Switchboard, SwitchboardConfig},
};
use daisy_run::{Phase, Started, end_leases, take_up};
use daisy_sched::{
    Adopted, CoordinatorConfig, Moment, Request, Scheduler, SchedulerOptions, Tuning,
};

use super::{Desk, Server};
use crate::{
    bug::Bug,
    check::{Checks, Promise, State},
    options::{Kind, Options},
    plan::{Plan, RESOURCE},
    timing::{CHECK_TIMEOUT_MS, HEARTBEAT_MS, RECONNECT_MS, SILENCE_MS},
};

/// The machine of the server and of its children.
pub(crate) const HOST: &str = "host";
/// The key of all connections and secrets: the same in all lives.
const KEY: [u8; 32] = [9; 32];
/// Journals that are compacted all the time grow to so many bytes at first.
const SMALL_JOURNAL: u64 = 400;

/// Sizes that leave work for the next turn after a few steps, and watch nearly everything.
const TINY: Tuning = Tuning {
    page_bits: 6,
    chunk_bits: 1,
    max_skipped_singly: 3,
    max_counted: 0,
    max_counted_readers: 0,
    max_steps: 3,
    max_steps_at_once: 1,
    max_found_ahead: 2,
    max_listed: 0,
    max_free_pages: 1,
};
/// Commits of several frames, snapshots of many parts.
const TINY_FRAMES: JournalTuning =
    JournalTuning { max_run: 2, max_batch_bytes: 100, max_part_bytes: 9 };

/// Whether small runs take the ways of large ones: for every third seed.
const fn has_tiny_sizes(options: &Options) -> bool {
    options.seed.is_multiple_of(3)
}

fn journal_options(options: &Options) -> JournalOptions {
    let mut journal_options = JournalOptions::default();
    if options.has(Kind::Compaction) {
        journal_options.compact_above_bytes = SMALL_JOURNAL;
    }
    if has_tiny_sizes(options) {
        journal_options.tuning = TINY_FRAMES;
    }
    journal_options
}

/// What a server is started with.
pub(crate) struct Start<'a> {
    pub(crate) now: Moment,
    pub(crate) options: &'a Options,
    pub(crate) plan: &'a Rc<Plan>,
    /// The last life ended by a loss of power.
    pub(crate) lost_power: bool,
    /// The last life was stopped in good order.
    pub(crate) was_stopped: bool,
    /// It has waited until workers whose blocks it cannot adopt must have ended.
    pub(crate) has_waited: bool,
}

/// How connections are secured.
pub(crate) const fn security(options: &Options) -> Security {
    if options.is_encrypted { Security::Key(KEY) } else { Security::Clear }
}

impl Server {
    /// Starts with a journal.
    ///
    /// # Errors
    /// What is wrong with the journal, or with what it says.
    pub(crate) fn start(
        start: &Start<'_>,
        disk: MemoryDisk,
        checks: &mut Checks,
    ) -> Result<Self, NoStart> {
        let Start { now, options, plan, lost_power, was_stopped, has_waited } = *start;
        let scheduler_options = SchedulerOptions {
            request: Request::Everything,
            max_retries: plan.tasks.iter().map(|task| task.max_retries).collect(),
            tuning: if has_tiny_sizes(options) { TINY } else { Tuning::default() },
            ..SchedulerOptions::default()
        };
        let earlier = Scheduler::builder(plan.graph.clone(), scheduler_options);
        let earlier = earlier.map_err(|error| error.to_string())?;
        checks.start(options.has(Kind::NewCode));
        let version = Some(format!("{}", checks.code()));
        let origin = Origin { version, arrays: BTreeMap::new() };
        let origins = vec![origin; plan.tasks.len()];
        let opened = Journal::open_with(disk, &plan.graph, &origins, journal_options(options));
        let (mut journal, mut resumed) = opened.map_err(|error| error.to_string())?;
        if let Some(damaged) = &resumed.damaged {
            return Err(format!("the journal is damaged: {damaged:?}").into());
        }
        match options.bug {
            Some(Bug::ForgetLeases) => resumed.open.clear(),
            Some(Bug::StoppedIsEnded) if was_stopped => resumed.open.clear(),
            Some(Bug::TrustOldCode) => {
                resumed.open.iter_mut().for_each(|open| open.is_outdated = false);
            }
            _ => {}
        }
        // What a check found done is looked at again, so that what waits for it is not ready.
        let taken_up = take_up(&mut journal, earlier, resumed.clone(), false, |_, _| ())
            .map_err(|error| error.to_string())?;
        let config = config(options, plan, resumed.epoch);
        let started = taken_up.start(config, false).map_err(|error| error.to_string())?;
        if started.num_strange() > 0 && !has_waited {
            return Err(NoStart::Wait(journal.into_disk()));
        }
        let Started { coordinator, adopted, strange, .. } = started;
        end_leases(&mut journal, &strange).map_err(|error| error.to_string())?;
        checks.resume(&resumed, &adopted, lost_power);
        let board = Switchboard::new(SwitchboardConfig {
            security: security(options),
            secrets: Secrets::new(KEY),
            heartbeat_ms: HEARTBEAT_MS,
            silence_ms: SILENCE_MS,
            reconnect_ms: RECONNECT_MS,
        });
        let synced_len = journal.disk().synced_len();
        Ok(Self {
            seen: Moment::ZERO,
            started: now,
            board,
            desk: Desk::new(coordinator, HOST, options.bug),
            journal,
            inbox: Vec::new(),
            lines: BTreeMap::new(),
            phase: Phase::Running,
            fault: None,
            is_disk_full: false,
            is_power: options.is_power,
            syncing: None,
            wanted: None,
            last_synced: None,
            synced_len,
            wake_at: None,
            stopped_until: None,
        })
    }
}

fn config(options: &Options, plan: &Plan, epoch: u32) -> CoordinatorConfig {
    let is_short = options.bug == Some(Bug::ShortSilence);
    CoordinatorConfig {
        epoch: if options.bug == Some(Bug::SameEpoch) { 0 } else { epoch },
        tasks: plan.tasks.iter().map(|task| task.config.clone()).collect(),
        resources: BTreeMap::from([(RESOURCE.to_owned(), plan.units)]),
        // A worker is given up after this and a heartbeat; the coordinator makes no other use of it.
        silence_ms: if is_short { HEARTBEAT_MS } else { SILENCE_MS },
        heartbeat_ms: HEARTBEAT_MS,
        reconnect_ms: RECONNECT_MS,
        check_timeout_ms: CHECK_TIMEOUT_MS,
        ..CoordinatorConfig::default()
    }
}

/// Why a server does not start.
pub(crate) enum NoStart {
    /// Workers of an earlier start may be at blocks that cannot be lent back to them: it waits until they
    /// must have ended.
    Wait(MemoryDisk),
    /// Something is wrong.
    Broken(String),
}

impl From<String> for NoStart {
    fn from(error: String) -> Self {
        Self::Broken(error)
    }
}

impl Checks {
    /// The server was started again: what it knows must be what it was told.
    fn resume(&mut self, resumed: &Resumed, adopted: &[Adopted], lost_power: bool) {
        let plan = Rc::clone(&self.plan);
        let mut done = BTreeSet::new();
        for (task, known) in (0..).map(TaskId::new).zip(&resumed.tasks) {
            let keys = known.done.stretches().flatten().map(|cell| BlockKey::new(task, cell));
            done.extend(keys.map(|key| plan.block(key)));
        }
        let is_kept = self.ledger.resume(&done, lost_power);
        self.hold(Promise::Durable, is_kept);
        let mut states = vec![State::Waiting; plan.num_blocks()];
        let mut attempts = vec![0; plan.num_blocks()];
        done.iter().for_each(|&block| states[block] = State::Skipped);
        for &(key, count) in &resumed.attempts {
            attempts[plan.block(key)] = count;
        }
        for loan in self.loans.values_mut() {
            loan.is_over = true;
            loan.is_completed &= done.contains(&loan.block);
        }
        for open in adopted {
            states[plan.block(open.key)] = State::Out(open.lease);
            if let Some(loan) = self.loans.get_mut(&open.lease) {
                loan.is_over = false;
                loan.is_overdue = false;
                // Its time begins anew.
                loan.granted = self.now;
            }
        }
        self.counted.resume(states, attempts);
    }
}
