//! The coordinator together with what is told to observers and written down for the report.
//!
//! The thread pool and the serial mode drive the same machine: they give inputs and get back what
//! is left for them to do.

#[cfg(all(unix, feature = "workers"))]
use std::sync::mpsc::SyncSender;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{
    Adopted, CheckId, Coordinator, CoordinatorError, Counts, FailureCause, Input, KillReason,
    Lease, LeaseId, Moment, Output, Question, Settlement, Stage, Verdict, WorkerId, WorkerKind,
};

#[cfg(all(unix, feature = "workers"))]
use super::outside::Kept;
use super::{
    Pipeline,
    call::BlockError,
    held::Panic,
    history::History,
    ledger::Ledger,
    outside::RunJournal,
    plain::plain_text,
    relay::{Notifier, Sender},
    standing::Standing,
};
use crate::{Error, Notice, observer::Event};
use daisy_run::Phase;
#[cfg(all(unix, feature = "workers"))]
use daisy_run::{Farewell, Left};

/// What the machine wants its driver to do.
pub(super) enum Todo {
    /// Start a thread for a task.
    Start(WorkerId, TaskId),
    /// Have a block processed.
    Grant(Lease),
    /// Call a check function.
    Check(CheckId, BlockKey, Stage),
    /// Ask a mask.
    Ask(Box<Question>),
    /// Let a worker end.
    Dismiss(WorkerId),
    /// Make a worker stop.
    Kill(WorkerId, KillReason),
    /// Ask a worker for blocks it has not begun.
    Recall(WorkerId, Vec<LeaseId>),
    /// A worker is taken to have ended.
    GiveUp(WorkerId),
    /// A lease of a worker is over.
    Settled(WorkerId, LeaseId),
}

/// What a machine begins with.
pub(super) struct Prepared {
    pub(super) coordinator: Coordinator,
    pub(super) journal: Option<RunJournal>,
    /// Blocks that failed for good in an earlier start of the run, and after how many attempts.
    pub(super) failed: Vec<(BlockKey, u32)>,
    /// What other versions of the code of each task did in earlier starts; empty where there was none.
    pub(super) histories: Vec<History>,
    /// What there is to say.
    pub(super) notices: Vec<Notice>,
    /// Workers that must have ended before anything is lent.
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "there are no workers of earlier starts in this build")
    )]
    pub(super) awaited: Option<Awaited>,
}

/// Workers of earlier starts that may be at blocks which this run cannot lend back to them.
#[cfg_attr(
    not(all(unix, feature = "workers")),
    allow(dead_code, reason = "there are no workers of earlier starts in this build")
)]
pub(super) struct Awaited {
    pub(super) leases: Vec<Adopted>,
    /// When they must have ended, from now on.
    pub(super) wait: Duration,
}

impl Prepared {
    /// What a run without earlier starts begins with.
    pub(super) fn new(coordinator: Coordinator) -> Self {
        let (failed, notices) = (Vec::new(), Vec::new());
        let histories = Vec::new();
        Self { coordinator, journal: None, failed, histories, notices, awaited: None }
    }
}

pub(crate) struct Machine {
    pub(crate) coordinator: Coordinator,
    pub(crate) ledger: Ledger,
    sender: Option<Sender>,
    notifier: Notifier,
    phase: Phase,
    journal: Option<RunJournal>,
    /// All workers are threads of this process.
    is_inside: bool,
    /// Workers outside are to be told when a block that was checked after it was run is settled.
    wants_settled: bool,
    start: Instant,
    /// When nothing was left to do.
    end: Option<Instant>,
    fault: Option<Error>,
    /// It panicked; none of it is called any more but what reads what was written down.
    broken: Option<Panic>,
    standing: Standing,
    planted: Planted,
}

/// A fault that a test has planted.
#[derive(Default)]
pub(super) struct Planted {
    #[cfg(feature = "planted-faults")]
    fault: Option<super::PlantedFault>,
}

impl Planted {
    /// An input comes.
    #[inline]
    #[cfg_attr(
        not(feature = "planted-faults"),
        allow(clippy::unused_self, clippy::missing_const_for_fn, reason = "there is none")
    )]
    pub(super) fn pass(&self) {
        #[cfg(feature = "planted-faults")]
        self.fault.iter().for_each(super::PlantedFault::pass);
    }
}

impl Machine {
    pub(super) fn new(
        pipeline: &Arc<Pipeline>,
        prepared: Prepared,
        (sender, notifier): (Option<Sender>, Notifier),
        is_inside: bool,
    ) -> Self {
        let Prepared { coordinator, journal, failed, histories, .. } = prepared;
        let mut ledger = Ledger::new(pipeline.len());
        for (task, history) in ledger.tasks.iter_mut().zip(histories) {
            task.history = history;
        }
        for (key, attempts) in failed {
            let why = BlockError::Failed("failed in an earlier start of the run".to_owned());
            ledger.fail(key, attempts, why);
        }
        let (start, end, fault) = (Instant::now(), None, None);
        let has_checks = |(_, task): (_, &crate::Task)| task.0.checks.after.is_some();
        let wants_settled = !is_inside && pipeline.tasks().any(has_checks);
        Self {
            standing: Standing::of(&coordinator),
            broken: None,
            coordinator,
            ledger,
            sender,
            notifier,
            phase: Phase::default(),
            journal,
            is_inside,
            wants_settled,
            start,
            end,
            fault,
            planted: Planted::default(),
        }
    }

    /// This machine panics.
    #[cfg(feature = "planted-faults")]
    pub(super) fn plant(&mut self, fault: Option<super::PlantedFault>) {
        self.planted.fault = fault;
    }

    /// The journal, if there is one.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) const fn journal_mut(&mut self) -> Option<&mut RunJournal> {
        self.journal.as_mut()
    }

    /// The journal of a broken run is closed as it is.
    pub(super) fn drop_journal(&mut self) {
        self.journal = None;
    }

    /// The run is over: its journal is to get its last records, and to say whether any block is still lent.
    pub(super) fn end(&mut self) -> Option<(RunJournal, bool)> {
        let is_done = self.coordinator.is_done();
        self.standing = Standing::of(&self.coordinator);
        if !is_done {
            self.standing.settle();
        }
        let is_whole = !self.has_fault() && is_done;
        self.journal.take().map(|journal| (journal, is_whole))
    }

    /// Nothing more can be done.
    pub(super) fn stop(&mut self, error: Error) {
        self.fault.get_or_insert(error);
    }

    /// Everything recorded so far goes to the journal's file.
    #[inline]
    pub(super) fn commit(&mut self) {
        match self.journal.as_mut().map_or(Ok(None), RunJournal::commit) {
            Ok(None) => {}
            Ok(Some(notice)) => self.notice(notice),
            Err(error) => self.stop(error),
        }
        self.standing.follow(&self.coordinator);
    }

    /// It panicked: what is known of it is what was known when everything was last written down.
    pub(super) fn break_off(&mut self, panic: Panic) {
        if self.broken.is_some() {
            return;
        }
        self.broken = Some(panic);
        self.standing.settle();
        for (ledger, report) in self.ledger.tasks.iter_mut().zip(self.standing.tasks()) {
            let known = usize::try_from(report.counts.failed).unwrap_or(usize::MAX);
            ledger.failures.truncate(known);
        }
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The panic that ended it, if one did.
    pub(super) const fn panic(&self) -> Option<&Panic> {
        self.broken.as_ref()
    }

    /// How the tasks stood when everything was last written down.
    pub(crate) const fn standing(&self) -> &Standing {
        &self.standing
    }

    #[inline]
    fn record(&mut self, output: &Output) {
        let Some(journal) = &mut self.journal else { return };
        let is_inside = self.is_inside
            || matches!(output, Output::Grant(lease)
                if self.coordinator.kind_of(lease.worker) == Some(WorkerKind::Thread));
        if let Err(error) = journal.record(output, is_inside) {
            self.fault.get_or_insert(error);
        }
    }

    /// The present, as the machine counts it.
    pub(super) fn now(&self) -> Moment {
        self.moment_of(Instant::now())
    }

    /// A point in time as the machine counts it.
    pub(super) fn moment_of(&self, instant: Instant) -> Moment {
        moment(self.start, instant)
    }

    /// A moment as the operating system counts it; None if it never comes.
    pub(super) fn instant_of(&self, moment: Moment) -> Option<Instant> {
        self.start.checked_add(moment.since(Moment::ZERO))
    }

    /// How long it took until nothing was left to do.
    pub(crate) fn wall_time(&self) -> Duration {
        self.end.unwrap_or_else(Instant::now).saturating_duration_since(self.start)
    }

    /// Takes in one thing that happened.
    #[inline]
    pub(super) fn handle(&mut self, now: Moment, input: Input) {
        if let Err(error) = self.take_in(now, input) {
            self.fault.get_or_insert(Error::Coordinator(error));
        }
    }

    /// As [`handle`](Self::handle), for inputs that may be refused: the machine goes on.
    #[inline]
    pub(super) fn take_in(&mut self, now: Moment, input: Input) -> Result<(), CoordinatorError> {
        self.planted.pass();
        self.coordinator.handle(now, input)
    }

    /// Takes in what a mask said: blocks that it leaves out come to their end without more ado.
    pub(super) fn take_answer(&mut self, now: Moment, question: Box<Question>, verdict: Verdict) {
        self.standing.touch(question.task);
        self.handle(now, Input::Answered { question, verdict });
    }

    /// Takes in how an attempt at a check or a block went wrong.
    pub(super) fn keep(&mut self, error: BlockError) -> daisy_sched::Cause {
        self.ledger.keep(error)
    }

    /// The next thing to do; everything else that came out is written down and made known. Nothing after a fault.
    #[inline]
    pub(super) fn poll(&mut self) -> Option<Todo> {
        while !self.has_fault() {
            let output = self.coordinator.poll_output()?;
            self.record(&output);
            match output {
                Output::Grant(lease) => {
                    self.tell_granted(&lease);
                    return Some(Todo::Grant(lease));
                }
                Output::Settled { key, worker, lease, result } => {
                    self.note_settled(key, result);
                    if self.wants_settled {
                        return Some(Todo::Settled(worker, lease));
                    }
                }
                Output::Check { check, key, stage } => return Some(Todo::Check(check, key, stage)),
                Output::StartWorker { worker, task } => return Some(Todo::Start(worker, task)),
                Output::Ask(question) => return Some(Todo::Ask(question)),
                Output::Dismiss { worker } => return Some(Todo::Dismiss(worker)),
                Output::Kill { worker, reason } => return Some(Todo::Kill(worker, reason)),
                Output::Recall { worker, leases } => return Some(Todo::Recall(worker, leases)),
                Output::GivenUp { worker } => return Some(Todo::GiveUp(worker)),
                other => self.note(other),
            }
        }
        None
    }

    /// What is only to be written down and made known.
    fn note(&mut self, output: Output) {
        match output {
            Output::Skipped { key } => {
                self.standing.touch(key.task);
                self.tell_block(|| Event::Skipped { key });
            }
            Output::Overdue { key, .. } => self.tell_block(|| Event::Overdue { key }),
            Output::Orphaned { task, cells } => {
                self.standing.touch(task);
                self.ledger.orphan(task, cells);
            }
            Output::Done => self.end = Some(Instant::now()),
            Output::TaskEnded { task, ending } => {
                self.ledger.task(task).ending = Some(ending);
                self.tell(|| Event::TaskEnded { task });
            }
            _ => {}
        }
    }

    #[inline]
    fn note_settled(&mut self, key: BlockKey, result: Settlement) {
        self.standing.touch(key.task);
        match result {
            Settlement::Completed => self.tell_block(|| Event::Completed { key }),
            Settlement::Retry { attempts, why, .. } => {
                let why = self.ledger.take(why);
                self.tell_failed(|| Event::Retry { key, attempts, why });
            }
            Settlement::Failed { attempts, why } => self.note_failed(key, attempts, why),
            Settlement::PutBack(_) => self.tell_block(|| Event::PutBack { key }),
        }
    }

    fn note_failed(&mut self, key: BlockKey, attempts: u32, why: FailureCause) {
        let why = self.ledger.take(why);
        self.tell_failed(|| Event::Failed { key, attempts, why: why.clone() });
        self.ledger.fail(key, attempts, why);
    }

    #[inline]
    fn tell_granted(&mut self, lease: &Lease) {
        let task = self.ledger.task(lease.key.task);
        if !task.has_started {
            task.has_started = true;
            self.tell(|| Event::TaskStarted { task: lease.key.task });
        }
        self.tell_block(|| Event::Granted { key: lease.key, attempt: lease.attempt });
    }

    /// Tells observers something about a block, if any of them wants to know.
    #[inline]
    fn tell_block(&mut self, event: impl FnOnce() -> Event) {
        self.tell_if(Sender::wants_blocks, event);
    }

    /// Tells observers of an attempt that failed, if any of them wants to know.
    fn tell_failed(&mut self, event: impl FnOnce() -> Event) {
        self.tell_if(Sender::wants_failures, event);
    }

    fn tell(&mut self, event: impl FnOnce() -> Event) {
        self.tell_if(|_| true, event);
    }

    #[inline]
    fn tell_if(&mut self, is_wanted: impl FnOnce(&Sender) -> bool, event: impl FnOnce() -> Event) {
        if let Some(sender) = self.sender.as_mut().filter(|sender| is_wanted(sender)) {
            sender.send(event());
        }
    }

    /// The counts of all tasks.
    pub(super) fn counts(&self) -> Vec<Counts> {
        let ids = self.coordinator.scheduler().graph().tasks().ids();
        ids.map(|task| self.coordinator.counts(task).unwrap_or_default()).collect()
    }

    /// Whether nothing more is to be done: the run is over, or the machine refused an input.
    pub(super) fn is_over(&mut self) -> bool {
        let (start, has_fault) = (self.start, self.has_fault());
        self.phase.look(|| moment(start, Instant::now()), &self.coordinator, has_fault)
    }

    /// What is to be done while workers leave.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) fn take_leave(&mut self, has_processes: bool, has_workers: bool) -> Farewell {
        let has_fault = self.has_fault();
        self.phase.take_leave(self.now(), Left { has_processes, has_workers, has_fault })
    }

    /// Hands out nothing more.
    pub(super) fn drain(&mut self, now: Moment) {
        self.phase.drain(now);
        self.handle(now, Input::Drain);
    }

    /// The parts of it that hear of workers outside.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) const fn listeners(&mut self) -> (&mut Coordinator, Kept<'_>) {
        let Self { coordinator, ledger, planted, .. } = self;
        (coordinator, Kept { ledger, planted })
    }

    /// Has something of the run as a whole said.
    pub(super) fn notice(&self, notice: Notice) {
        self.notifier.tell_aside(notice);
    }

    /// Whether the run has to stop: what is not written down must not be told to anybody.
    pub(super) const fn has_fault(&self) -> bool {
        self.fault.is_some() || self.broken.is_some()
    }

    /// What the machine refused, if anything.
    pub(super) const fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }

    /// The way to observers who want to hear what workers write.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) fn output_queue(&self) -> Option<SyncSender<Event>> {
        self.sender.as_ref().and_then(Sender::for_output)
    }

    /// The way to the observers; they hear no more from here.
    pub(super) fn take_sender(&mut self) -> Option<Sender> {
        self.sender.take()
    }

    /// The init callback of a task failed: nothing of the task is run.
    pub(super) fn give_up_task(&mut self, task: TaskId, error: String) {
        let ledger = self.ledger.task(task);
        if ledger.init_error.is_none() {
            ledger.init_error = Some(plain_text(error));
            let now = self.now();
            self.handle(now, Input::Abandon { task });
        }
    }
}

fn moment(start: Instant, instant: Instant) -> Moment {
    let since = instant.saturating_duration_since(start);
    Moment::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
