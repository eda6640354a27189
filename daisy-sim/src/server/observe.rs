//! What the server says, as the checkers take it in.

use std::rc::Rc;

use daisy_sched::{
    FailureCause, Lease, LeaseId, Output, PutBackReason, Settlement, Stage, WorkerId,
};

use crate::{
    check::{Charge, Checks, Death, Loan, Promise, State},
    timing,
};

impl Checks {
    /// The server has put out something; `is_recorded` says whether the journal took its record, if any.
    pub(super) fn observe(&mut self, output: &Output, is_recorded: bool) {
        match output {
            Output::Grant(lease) => self.granted(lease),
            Output::Settled { lease, worker, result, .. } => {
                self.settled(*lease, *worker, *result, is_recorded);
            }
            Output::Check { key, stage: Stage::After, .. } => {
                if let State::Out(lease) = self.counted.state(self.plan.block(*key))
                    && let Some(loan) = self.loans.get_mut(&lease)
                {
                    loan.is_checked = true;
                }
            }
            Output::Overdue { lease, .. } => {
                if let Some(loan) = self.loans.get_mut(lease) {
                    loan.is_overdue = true;
                }
            }
            Output::Skipped { key } => {
                let block = self.plan.block(*key);
                if !self.order.is_done(block) {
                    self.hold(Promise::Order, Err(format!("block {block} is skipped undone")));
                }
                let set = self.counted.set(block, State::Skipped);
                self.hold(Promise::Counts, set);
            }
            Output::Orphaned { task, cells } => {
                let first = self.plan.tasks[task.index()].first;
                for cell in cells.clone() {
                    let set = self.counted.set(first + cell as usize, State::Orphaned);
                    self.hold(Promise::Counts, set);
                }
            }
            _ => {}
        }
    }

    fn granted(&mut self, lease: &Lease) {
        let block = self.plan.block(lease.key);
        let is_new = self.ledger.grant(block);
        self.hold(Promise::Once, is_new);
        let set = self.counted.set(block, State::Out(lease.id));
        self.hold(Promise::Counts, set);
        let attempts = self.counted.attempts[block];
        if lease.attempt != attempts + 1 {
            let text =
                format!("block {block} is lent as attempt {} after {attempts}", lease.attempt);
            self.hold(Promise::Blame, Err(text));
        }
        let loan = Loan::new(block, lease.worker, (self.now, self.code()));
        if self.loans.insert(lease.id, loan).is_some() {
            self.hold(Promise::Once, Err(format!("lease {} is used twice", lease.id)));
        }
    }

    fn settled(&mut self, lease: LeaseId, worker: WorkerId, result: Settlement, is_recorded: bool) {
        let Some(loan) = self.loans.get(&lease).cloned() else {
            return self.hold(Promise::Once, Err(format!("unknown lease {lease} is settled")));
        };
        let block = loan.block;
        let is_free = self.at_work.free(lease);
        self.hold(Promise::AtWork, is_free);
        let state = match result {
            Settlement::Completed => {
                if self.is_outdated(&loan) {
                    let text = format!("block {block} is completed by older code, by {lease}");
                    self.hold(Promise::Once, Err(text));
                }
                if !loan.has_succeeded {
                    let text =
                        format!("block {block} is completed by {lease}, which did not succeed");
                    self.hold(Promise::Once, Err(text));
                }
                if is_recorded {
                    let is_first = self.ledger.record(block);
                    self.hold(Promise::Once, is_first);
                }
                State::Completed
            }
            Settlement::Retry { attempts, why, until } => {
                self.charge(&loan, (worker, why), attempts);
                State::Parked(until)
            }
            Settlement::Failed { attempts, why } => {
                self.charge(&loan, (worker, why), attempts);
                State::Failed
            }
            Settlement::PutBack(reason) => {
                self.put_back(&loan, reason);
                State::Waiting
            }
        };
        let set = self.counted.set(block, state);
        self.hold(Promise::Counts, set);
        if let Some(loan) = self.loans.get_mut(&lease) {
            loan.is_over = true;
            loan.is_completed = result == Settlement::Completed;
        }
    }

    fn charge(&mut self, loan: &Loan, (worker, why): (WorkerId, FailureCause), attempts: u32) {
        let plan = Rc::clone(&self.plan);
        let block = loan.block;
        if self.is_outdated(loan) {
            let text = format!("block {block} loses an attempt by a worker of older code");
            self.hold(Promise::Blame, Err(text));
        }
        let pid = self.pids.get(&worker);
        let death = pid.and_then(|pid| self.deaths.get(pid)).copied();
        let is_asleep = pid.is_some_and(|&pid| self.at_work.is_excused(pid));
        // It ends in the instant it is woken.
        let death = death.or(is_asleep.then_some(Death::Exit(timing::EXIT_LOST)));
        let charge = Charge {
            why,
            block,
            has_failed: loan.has_failed,
            is_undone: loan.is_undone,
            company: self.open_of(worker),
            death,
            granted: loan.granted,
            timeout_ms: plan.tasks[plan.task_of(block)].config.timeout_ms,
        };
        match charge.judge(self.now) {
            Ok(is_innocent) => self.innocent += u64::from(is_innocent),
            Err(text) => self.hold(Promise::Blame, Err(text)),
        }
        if attempts != self.counted.attempts[block] + 1 || attempts > plan.attempts(block) {
            let text = format!("attempt {attempts} of block {block} is one of another number");
            self.hold(Promise::Blame, Err(text));
        }
        self.counted.attempts[block] = attempts;
    }

    /// A block whose worker is there, connected, and has done it should not be put back.
    fn put_back(&mut self, loan: &Loan, reason: PutBackReason) {
        if reason == PutBackReason::Returned && (loan.has_succeeded || loan.has_failed) {
            let text = format!("block {} is put back as unbegun and was not", loan.block);
            self.hold(Promise::Once, Err(text));
        }
    }
}
