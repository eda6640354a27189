//! Coordinators of anything, that are told anything by anybody at any time.

use daisy_block::{BlockKey, TaskId};
use daisy_sched::{
    Adopted, Adoption, Cause, CheckId, Coordinator, CoordinatorConfig, CoordinatorTuning, Counts,
    Ending, Finding, Input, LeaseId, Moment, Outcome, Output, Question, Record, Scheduler,
    TaskConfig, TaskEnding, Verdict, WorkerId, WorkerKind,
};

use super::{
    call,
    scheduler::{Start, counts, taken_up},
    text::{debug, ok, print},
    values::Values,
};

const STEPS: usize = 160;
const LONGEST_WAIT_MS: u64 = 1 << 40;
/// Rounds in which a small run comes to its end if all do what they should.
const MAX_ROUNDS: usize = 20_000;
const RESOURCES: [&str; 3] = ["gpu", "disk", ""];

pub fn run(values: &mut Values<'_>) {
    let Some(Start { scheduler, size, named }) = taken_up(values) else { return };
    let config = config(&scheduler, &named, values);
    let fits = adopts(&scheduler, &config);
    let workers = config.adopted.iter().map(|one| one.worker).collect();
    let Some(coordinator) = ok(call!(Coordinator::new(scheduler, config))) else { return };
    assert!(fits, "a lease was adopted that does not fit");
    let num_tasks = coordinator.scheduler().graph().tasks().num_tasks();
    let mut session = Session {
        coordinator,
        num_tasks,
        may_skip_all: size.has_few_blocks,
        was_abandoned: false,
        now: 0,
        workers,
        starting: Vec::new(),
        leases: Vec::new(),
        checks: Vec::new(),
        asked: Vec::new(),
    };
    session.drain();
    for _ in 0..STEPS {
        if !values.goes_on() {
            break;
        }
        session.step(values);
    }
    // Waits that never end keep a run from its end.
    let config = session.coordinator.config();
    let is_endless = config.max_backoff_ms.min(config.backoff_ms) > LONGEST_WAIT_MS
        || session.coordinator.now() > Moment::from_millis(LONGEST_WAIT_MS);
    if size.is_small() && !is_endless {
        session.finish();
    }
}

fn limit_ms(values: &mut Values<'_>) -> u64 {
    if values.yes() { u64::from(values.byte()) } else { values.natural() }
}

fn config(scheduler: &Scheduler, named: &[BlockKey], values: &mut Values<'_>) -> CoordinatorConfig {
    let num_tasks = scheduler.graph().tasks().num_tasks();
    let epoch = if values.yes() { 1 } else { values.natural_32() % (2 * Coordinator::MAX_EPOCH) };
    let mut adopted: Vec<Adopted> = Vec::new();
    for &key in named {
        let place = adopted.len() as u64;
        let worker = WorkerId(u64::from(values.byte() & 3));
        adopted.push(Adopted { lease: LeaseId(place), worker, key, is_outdated: values.rarely() });
    }
    for _ in 0..values.pick(3) {
        let (lease, worker) = (LeaseId(values.natural()), WorkerId(values.natural()));
        let one =
            Adopted { lease, worker, key: values.key(num_tasks), is_outdated: values.rarely() };
        if values.rarely() {
            adopted.push(one);
        }
    }
    if values.rarely() {
        adopted.pop();
    }
    let reconnect_ms = limit_ms(values);
    let num_configs = if values.rarely() { values.pick(9) } else { num_tasks };
    CoordinatorConfig {
        epoch,
        tasks: (0..num_configs).map(|_| task_config(values)).collect(),
        resources: RESOURCES[..2]
            .iter()
            .map(|name| ((*name).to_owned(), values.natural()))
            .collect(),
        backoff_ms: limit_ms(values),
        max_backoff_ms: limit_ms(values),
        silence_ms: limit_ms(values),
        heartbeat_ms: limit_ms(values),
        check_timeout_ms: limit_ms(values),
        adopted,
        expect_ms: reconnect_ms,
        reconnect_ms,
        tuning: CoordinatorTuning {
            busy_workers_per_turn: values.natural_32() as usize,
            // A ring of places that large takes as much memory.
            place_bits: values.natural_32().min(12),
        },
    }
}

fn task_config(values: &mut Values<'_>) -> TaskConfig {
    let config = TaskConfig {
        num_workers: values.small(0..6) as u32,
        timeout_ms: values.yes().then(|| limit_ms(values)),
        check_before: values.rarely(),
        check_after: values.rarely(),
        checks_ahead: if values.rarely() { values.byte().into() } else { 4 },
        needs: (0..values.pick(9) / 3)
            .map(|_| (values.one_of(&RESOURCES).to_owned(), values.natural() % 300))
            .collect(),
        max_failed_blocks: values.rarely().then(|| values.natural()),
        max_early_ends: values.rarely().then(|| values.natural_32()),
    };
    let unlikely = TaskConfig { num_workers: values.natural_32(), ..config.clone() };
    assert!(call!(TaskConfig::early_end_bound(&unlikely)) > 0);
    config
}

/// Whether all leases of the configuration can be taken up, one after the other.
fn adopts(scheduler: &Scheduler, config: &CoordinatorConfig) -> bool {
    let Some(mut adoption) = ok(call!(Adoption::new(scheduler, config))) else { return false };
    debug(&adoption);
    config.adopted.iter().all(|&one| ok(call!(Adoption::admit(&mut adoption, one))).is_some())
}

struct Session {
    coordinator: Coordinator,
    num_tasks: usize,
    may_skip_all: bool,
    was_abandoned: bool,
    now: u64,
    workers: Vec<WorkerId>,
    starting: Vec<(WorkerId, TaskId)>,
    leases: Vec<(LeaseId, WorkerId)>,
    checks: Vec<CheckId>,
    asked: Vec<Question>,
}

impl Session {
    fn step(&mut self, values: &mut Values<'_>) {
        let now = self.moment(values);
        let input = self.input(values);
        let before = self.state();
        let result = call!(Coordinator::handle(&mut self.coordinator, now, input.clone()));
        let state = self.state();
        if let Err(error) = result {
            print(&error);
            assert_eq!(state, before, "{input:?} is refused and changes something: {error}");
            assert!(
                self.coordinator.poll_output().is_none(),
                "{input:?} is refused and does something"
            );
        }
        assert!(call!(Coordinator::now(&self.coordinator)) >= now);
        let _paths = call!(Coordinator::paths(&self.coordinator));
        self.drain();
        if values.rarely() {
            self.look(values);
        }
    }

    /// The counts of all tasks, open leases and late outcomes.
    fn state(&self) -> (Vec<Counts>, u64, u64) {
        let coordinator = &self.coordinator;
        let all = counts(call!(Coordinator::scheduler(coordinator)));
        let num_out = call!(Coordinator::num_out(coordinator));
        assert_eq!(all.iter().map(|counts| counts.processing).sum::<u64>(), num_out);
        (all, num_out, call!(Coordinator::num_late(coordinator)))
    }

    fn moment(&mut self, values: &mut Values<'_>) -> Moment {
        self.now = match values.pick(10) {
            0 => {
                let deadline = call!(Coordinator::next_deadline(&mut self.coordinator));
                deadline.map_or(self.now, |(at, _)| at.as_micros())
            }
            1 => values.natural(),
            2 => self.now.saturating_sub(values.natural()),
            _ => self.now.saturating_add(u64::from(values.byte()) * 10_000),
        };
        let now = Moment::from_micros(self.now);
        if values.rarely() { self.coordinator.now() } else { now }
    }

    fn worker(&mut self, values: &mut Values<'_>) -> WorkerId {
        if values.rarely() {
            return WorkerId(values.natural());
        }
        let place = values.pick(self.workers.len());
        self.workers.get(place).copied().unwrap_or(WorkerId(0))
    }

    fn lease(&mut self, values: &mut Values<'_>) -> (LeaseId, WorkerId) {
        let place = values.pick(self.leases.len());
        let (lease, worker) = self.leases.get(place).copied().unwrap_or((LeaseId(0), WorkerId(0)));
        match values.pick(20) {
            0 => (LeaseId(values.natural()), worker),
            1 => (lease, self.worker(values)),
            2 => (lease, worker),
            _ => {
                self.leases.retain(|open| open.0 != lease);
                (lease, worker)
            }
        }
    }

    fn input(&mut self, values: &mut Values<'_>) -> Input {
        let cause = Cause(values.byte().into());
        match values.pick(24) {
            0 | 1 => Input::Timeout,
            2..5 => {
                let worker = self.worker(values);
                Input::Joined { worker, task: values.task(self.num_tasks), kind: kind(values) }
            }
            5 => {
                let worker = call!(Coordinator::name_worker(&mut self.coordinator));
                self.workers.push(worker);
                Input::Joined { worker, task: values.task(self.num_tasks), kind: kind(values) }
            }
            6..11 => {
                let worker = self.worker(values);
                let blocks =
                    if values.rarely() { values.natural_32() } else { values.byte().into() };
                Input::Want { worker, blocks }
            }
            11 => {
                let (lease, worker) = self.lease(values);
                Input::Started { worker, lease }
            }
            12..16 => {
                let (lease, worker) = self.lease(values);
                let all = [Outcome::Completed, Outcome::Failed(cause), Outcome::Returned];
                Input::Settle { worker, lease, outcome: values.one_of(&all) }
            }
            16 => {
                let ending = values.one_of(&[Ending::Died(cause), Ending::Left, Ending::HandedOn]);
                let worker = self.worker(values);
                if values.yes() {
                    Input::ProcessEnded { process: worker, ending }
                } else {
                    Input::Ended { worker, ending }
                }
            }
            17 if values.rarely() => Input::Left { worker: self.worker(values) },
            17 if values.rarely() => {
                Input::Shares { worker: self.worker(values), process: self.worker(values) }
            }
            17 => Input::Disconnected { worker: self.worker(values) },
            18 => Input::Reconnected { worker: self.worker(values), heartbeats: values.yes() },
            19 => Input::Heard { worker: self.worker(values) },
            20 if values.rarely() => Input::Revoke { worker: self.worker(values) },
            20 | 21 => {
                let check = self.checks.pop().unwrap_or(CheckId(values.natural()));
                let all = [Finding::Done, Finding::NotDone, Finding::Raised(cause)];
                Input::Checked { check, finding: values.one_of(&all) }
            }
            22 => self.answer(values),
            _ if values.rarely() => Input::Drain,
            _ if values.rarely() => Input::Abandon { task: values.task(self.num_tasks) },
            _ => Input::Timeout,
        }
    }

    fn answer(&mut self, values: &mut Values<'_>) -> Input {
        let dims = values.dims();
        let question = self.asked.pop().unwrap_or_else(|| Question {
            task: values.task(self.num_tasks),
            cells: values.cell_box(dims),
            roi: values.roi(dims),
        });
        let mut verdict = values.one_of(&[Verdict::None, Verdict::All, Verdict::Part]);
        if !self.may_skip_all && verdict == Verdict::All {
            verdict = Verdict::None;
        }
        Input::Answered { question: Box::new(question), verdict }
    }

    /// Takes all outputs, and remembers what can be answered.
    fn drain(&mut self) {
        while let Some(output) = call!(Coordinator::poll_output(&mut self.coordinator)) {
            debug(&(call!(Record::of(&output)), &output));
            match output {
                Output::StartWorker { worker, task } => {
                    self.workers.push(worker);
                    self.starting.push((worker, task));
                }
                Output::Grant(lease) => {
                    let granted = call!(Coordinator::lease(&self.coordinator, lease.id));
                    assert!(granted.is_none_or(|open| open == (lease.key, lease.worker)));
                    print(&lease.id);
                    self.leases.push((lease.id, lease.worker));
                }
                Output::Check { check, .. } => {
                    print(&check);
                    self.checks.push(check);
                }
                Output::Ask(question) => self.asked.push(*question),
                Output::TaskEnded { ending, .. } => {
                    self.was_abandoned |= ending != TaskEnding::Finished;
                }
                Output::Orphaned { cells, .. } => assert!(cells.start < cells.end),
                _ => {}
            }
        }
        self.workers.truncate(200);
        self.leases.truncate(2_000);
    }

    /// All do what they should: the run comes to its end, with every block accounted for.
    fn finish(&mut self) {
        for round in 0..MAX_ROUNDS {
            self.drain();
            if self.coordinator.is_done() {
                let (all, num_out, _) = self.state();
                let is_over = |counts: &Counts| counts.ready + counts.processing == 0;
                let is_stopped = self.coordinator.is_draining() || self.was_abandoned;
                assert!(num_out == 0 && (is_stopped || all.iter().all(is_over)), "{all:?}");
                return;
            }
            // Workers are started in the place of those that end, so some come by themselves all the same.
            if round % 16 == 0 {
                self.hire();
            }
            self.answer_all();
            // Time passes only where all have said what they have to say.
            if let Some((at, _)) = self.coordinator.next_deadline() {
                let now = at.max(self.coordinator.now());
                ok(self.coordinator.handle(now, Input::Timeout));
            }
        }
        let next = self.coordinator.next_deadline();
        panic!(
            "this run does not end: {:?}, next {next:?}, {:?}",
            self.state(),
            self.coordinator.scheduler().options()
        );
    }

    /// Everybody has a turn: all workers end, and each question is answered.
    fn answer_all(&mut self) {
        while let Some((worker, task)) = self.starting.pop() {
            self.begin(worker, task);
        }
        for worker in core::mem::take(&mut self.workers) {
            self.behave(worker);
        }
        self.drain();
        while let Some(check) = self.checks.pop() {
            self.tell(Input::Checked { check, finding: Finding::Done });
        }
        while let Some(question) = self.asked.pop() {
            let question = Box::new(question);
            self.tell(Input::Answered { question, verdict: Verdict::None });
        }
    }

    /// A worker returns what it has, and ends; the coordinator need not know it.
    fn behave(&mut self, worker: WorkerId) {
        self.tell(Input::Reconnected { worker, heartbeats: false });
        let leases: Vec<LeaseId> = self.coordinator.leases_of(worker).map(|one| one.id).collect();
        for lease in leases {
            self.tell(Input::Settle { worker, lease, outcome: Outcome::Completed });
        }
        self.tell(Input::Ended { worker, ending: Ending::Left });
    }

    /// A new worker for each task.
    fn hire(&mut self) {
        for task in (0..self.num_tasks as u32).map(TaskId::new) {
            let worker = self.coordinator.name_worker();
            self.begin(worker, task);
            self.workers.push(worker);
        }
    }

    fn begin(&mut self, worker: WorkerId, task: TaskId) {
        let kind = WorkerKind::LocalProcess { heartbeats: false };
        self.tell(Input::Joined { worker, task, kind });
        self.tell(Input::Want { worker, blocks: 100 });
    }

    /// Says something, which may be refused.
    fn tell(&mut self, input: Input) {
        ok(self.coordinator.handle(self.coordinator.now(), input));
    }

    fn look(&mut self, values: &mut Values<'_>) {
        let (worker, task) = (self.worker(values), values.task(self.num_tasks));
        print(&worker);
        let coordinator = &self.coordinator;
        let counts = ok(call!(Coordinator::counts(coordinator, task)));
        let report = ok(call!(Coordinator::report(coordinator, task)));
        assert_eq!(report.map(|report| report.counts), counts);
        debug(&(
            call!(Coordinator::config(coordinator)),
            call!(Coordinator::is_draining(coordinator)),
        ));
        debug(&(
            call!(Coordinator::is_starting(coordinator, worker)),
            call!(Coordinator::is_staffed(coordinator, task)),
            call!(Coordinator::has_ended(coordinator, task)),
            call!(Coordinator::awaits(coordinator, LeaseId(worker.0))),
        ));
        let is_there = call!(Coordinator::task_of(coordinator, worker)).is_some();
        let kind = call!(Coordinator::kind_of(coordinator, worker));
        debug(&call!(Coordinator::load_of(coordinator, worker)));
        assert_eq!(kind.is_some(), is_there);
        debug(&kind.map(|kind| call!(WorkerKind::promises_heartbeats(kind))));
        for lease in call!(Coordinator::leases_of(coordinator, worker)).take(9) {
            assert_eq!(lease.worker, worker);
        }
        debug(&call!(Coordinator::at_work_outside(coordinator)));
        debug(&call!(Coordinator::num_workers(coordinator, values.task(2))));
        debug(&call!(Coordinator::expected(coordinator)));
        debug(&call!(Coordinator::out_elsewhere(coordinator, values.rarely())));
        if call!(Coordinator::is_done(coordinator)) {
            assert_eq!(coordinator.num_out(), 0);
        }
        debug(&self.coordinator.next_deadline());
    }
}

fn kind(values: &mut Values<'_>) -> WorkerKind {
    let heartbeats = values.yes();
    let all = [
        WorkerKind::Thread,
        WorkerKind::LocalProcess { heartbeats },
        WorkerKind::Remote { heartbeats },
    ];
    values.one_of(&all)
}
