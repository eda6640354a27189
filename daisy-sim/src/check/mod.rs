//! What must never happen: one checker for each promise, each fed with what really happens and with what
//! the server says.
//!
//! A checker knows nothing of how the product keeps its promise; the first one that is broken ends the
//! simulation.

mod at_work;
mod blame;
mod bounds;
mod counts;
mod ledger;
mod order;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
};

use daisy_sched::{LeaseId, Moment, WorkerId};

pub(crate) use self::{
    at_work::AtWork,
    blame::{Charge, Death},
    bounds::Bounds,
    counts::{Counted, State},
    ledger::Ledger,
    order::Order,
};
use crate::{plan::Plan, timing};

/// A promise of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Never two conflicting blocks, or one block twice, at work; no block is freed under its worker.
    AtWork,
    /// No block starts before everything it reads is done.
    Order,
    /// A completed block is never lent or completed again.
    Once,
    /// What was acknowledged survives.
    Durable,
    /// The counts are those of a naive model.
    Counts,
    /// Only blocks that are to blame lose attempts.
    Blame,
    /// Once faults stop the run ends, and every block is accounted for.
    Ends,
    /// Nothing grows without bounds, and no worker outlives its run.
    Bounds,
    /// The server goes on unless its disk fails.
    Alive,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When, since the beginning of the world.
    pub at: Moment,
    /// Which one.
    pub promise: Promise,
    /// How.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.promise, self.at, self.text)
    }
}

/// What is known of a lease.
#[derive(Clone, Debug)]
pub(crate) struct Loan {
    pub(crate) block: usize,
    pub(crate) worker: WorkerId,
    pub(crate) granted: Moment,
    /// The version of the code then.
    code: u32,
    /// Its worker's function has failed.
    pub(crate) has_failed: bool,
    /// Its worker's function has returned without an error.
    pub(crate) has_succeeded: bool,
    /// A check after it has said that it is not done.
    pub(crate) is_undone: bool,
    /// Its outcome is known, and a check after it is asked.
    pub(crate) is_checked: bool,
    /// It ran out of its time: its outcome comes too late.
    pub(crate) is_overdue: bool,
    pub(crate) is_over: bool,
    /// It ended with a completed block.
    pub(crate) is_completed: bool,
}

impl Loan {
    pub(crate) const fn new(
        block: usize,
        worker: WorkerId,
        (granted, code): (Moment, u32),
    ) -> Self {
        Self {
            block,
            worker,
            granted,
            code,
            has_failed: false,
            has_succeeded: false,
            is_undone: false,
            is_checked: false,
            is_overdue: false,
            is_over: false,
            is_completed: false,
        }
    }
}

/// All checkers, and what they share.
pub(crate) struct Checks {
    pub(crate) plan: Rc<Plan>,
    pub(crate) now: Moment,
    pub(crate) at_work: AtWork,
    pub(crate) order: Order,
    pub(crate) ledger: Ledger,
    pub(crate) counted: Counted,
    pub(crate) loans: BTreeMap<LeaseId, Loan>,
    /// Which process a worker is.
    pub(crate) pids: BTreeMap<WorkerId, usize>,
    /// How processes came to their end.
    pub(crate) deaths: BTreeMap<usize, Death>,
    /// Attempts that blocks lost because the network was away for too long.
    pub(crate) innocent: u64,
    /// Until when a fault may be the reason for what happens to a process, and to all.
    disturbed: BTreeMap<usize, Moment>,
    all_disturbed: Moment,
    /// Workers that were told to end.
    pub(crate) killed: BTreeSet<WorkerId>,
    pub(crate) failure: Option<Failure>,
    /// How often the server was started.
    starts: u32,
    /// Whether every second start has another version of the code.
    has_new_code: bool,
}

impl Checks {
    pub(crate) fn new(plan: &Rc<Plan>) -> Self {
        Self {
            plan: Rc::clone(plan),
            now: Moment::ZERO,
            at_work: AtWork::default(),
            order: Order::new(plan),
            ledger: Ledger::default(),
            counted: Counted::new(plan),
            loans: BTreeMap::new(),
            pids: BTreeMap::new(),
            deaths: BTreeMap::new(),
            innocent: 0,
            disturbed: BTreeMap::new(),
            all_disturbed: Moment::ZERO,
            killed: BTreeSet::new(),
            failure: None,
            starts: 0,
            has_new_code: false,
        }
    }

    /// The server is started again.
    pub(crate) const fn start(&mut self, has_new_code: bool) {
        self.starts += 1;
        self.has_new_code = has_new_code;
    }

    /// The version of the code now.
    pub(crate) const fn code(&self) -> u32 {
        if self.has_new_code { self.starts / 2 } else { 0 }
    }

    /// Whether the worker of a loan has other code than the server has now.
    pub(crate) const fn is_outdated(&self, loan: &Loan) -> bool {
        loan.code != self.code()
    }

    /// A fault hits a process, or all of them.
    pub(crate) fn disturb(&mut self, pid: Option<usize>) {
        let until = self.now.after_ms(timing::DISTURBED_MS);
        match pid {
            Some(pid) => drop(self.disturbed.insert(pid, until)),
            None => self.all_disturbed = until,
        }
    }

    pub(crate) fn is_disturbed(&self, pid: usize) -> bool {
        let until = self.disturbed.get(&pid).copied().unwrap_or_default().max(self.all_disturbed);
        self.now < until
    }

    /// The server takes a worker for lost.
    pub(crate) fn lost(&mut self, worker: WorkerId) {
        // Strangers that say hello have no process.
        let pid = self.pids.get(&worker).filter(|&&pid| pid != u32::MAX as usize);
        let Some(&pid) = pid else { return };
        let is_known = self.deaths.contains_key(&pid) || self.killed.contains(&worker);
        if !is_known && !self.is_disturbed(pid) {
            let text = format!("p{pid} is taken for lost, but lives, and nothing was wrong");
            self.hold(Promise::Blame, Err(text));
        }
    }

    /// Notes a broken promise, unless another one was broken before.
    pub(crate) fn hold(&mut self, promise: Promise, result: Result<(), String>) {
        if let Err(text) = result
            && self.failure.is_none()
        {
            self.failure = Some(Failure { at: self.now, promise, text });
        }
    }

    /// A worker's function starts.
    pub(crate) fn began(&mut self, pid: usize, lease: LeaseId) {
        let Some(loan) = self.loans.get(&lease) else {
            return self.hold(Promise::AtWork, Err(format!("p{pid} begins unknown lease {lease}")));
        };
        let (block, is_over) = (loan.block, loan.is_over);
        if is_over {
            let text = format!("p{pid} begins block {block} by lease {lease}, which is over");
            self.hold(Promise::AtWork, Err(text));
        }
        let plan = Rc::clone(&self.plan);
        let began = self.at_work.begin(&plan, pid, (block, lease));
        self.hold(Promise::AtWork, began);
        let in_order = self.order.begin(&plan, block);
        self.hold(Promise::Order, in_order);
    }

    /// A worker's function has returned.
    pub(crate) fn returned(&mut self, pid: usize, lease: LeaseId, is_success: bool) {
        self.at_work.rest(pid);
        if let Some(loan) = self.loans.get_mut(&lease) {
            loan.has_succeeded |= is_success;
            loan.has_failed |= !is_success;
            if is_success {
                self.order.done(loan.block);
            }
        }
    }

    /// A process has ended.
    pub(crate) fn died(&mut self, pid: usize, death: Death) {
        self.at_work.rest(pid);
        self.deaths.insert(pid, death);
    }

    /// A worker has dropped an outcome, because the server has it for good.
    pub(crate) fn acknowledged(&mut self, lease: LeaseId) {
        let Some(loan) = self.loans.get(&lease) else { return };
        // What comes too late may be forgotten.
        let is_late = loan.is_overdue || (loan.is_over && !loan.is_completed);
        if loan.has_succeeded && !is_late {
            let is_kept = self.ledger.acknowledge(loan.block);
            self.hold(Promise::Durable, is_kept);
        }
    }

    /// The unsettled leases of a worker.
    pub(crate) fn open_of(&self, worker: WorkerId) -> usize {
        self.loans
            .values()
            .filter(|loan| loan.worker == worker && !loan.is_over && !loan.is_checked)
            .count()
    }
}
