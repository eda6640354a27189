//! The naive model of a run: a state for each block, from which all counts follow.

use daisy_sched::{Counts, LeaseId, Moment};

use crate::plan::Plan;

/// Where a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Out(LeaseId),
    /// Until a moment of the server's clock.
    Parked(Moment),
    Completed,
    Skipped,
    Failed,
    Orphaned,
}

/// The model.
pub(crate) struct Counted {
    states: Vec<State>,
    /// Attempts that failed.
    pub(crate) attempts: Vec<u32>,
}

impl Counted {
    pub(crate) fn new(plan: &Plan) -> Self {
        let blocks = plan.num_blocks();
        Self { states: vec![State::Waiting; blocks], attempts: vec![0; blocks] }
    }

    pub(crate) fn state(&self, block: usize) -> State {
        self.states[block]
    }

    /// A block goes from one state to another; the checks are those of the life of a block.
    pub(crate) fn set(&mut self, block: usize, state: State) -> Result<(), String> {
        let before = std::mem::replace(&mut self.states[block], state);
        let is_right = match state {
            State::Out(_) => matches!(before, State::Waiting | State::Parked(_)),
            State::Completed | State::Parked(_) | State::Failed => matches!(before, State::Out(_)),
            State::Skipped => before == State::Waiting || matches!(before, State::Parked(_)),
            State::Orphaned => before == State::Waiting,
            State::Waiting => matches!(before, State::Out(_)),
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("block {block} went from {before:?} to {state:?}"))
        }
    }

    /// A run begins anew with what the journal says.
    pub(crate) fn resume(&mut self, states: Vec<State>, attempts: Vec<u32>) {
        (self.states, self.attempts) = (states, attempts);
    }

    /// Compares the counts of a task.
    pub(crate) fn compare(
        &self,
        plan: &Plan,
        (task, now): (usize, Moment),
        found: &Counts,
    ) -> Result<(), String> {
        let expected = self.counts(plan, task, now);
        let sum = found.ready + found.processing + found.completed + found.skipped;
        let sum = sum + found.failed + found.orphaned + found.pending;
        if sum != found.total {
            return Err(format!("the counts of task {task} do not add up: {found}"));
        }
        // Where the run goes on beside finished blocks, ready ones are found as the sweep gets there.
        let known = Counts {
            ready: expected.ready + expected.pending
                - found.pending.min(expected.ready + expected.pending),
            pending: found.pending,
            ..expected
        };
        if expected == *found || (known == *found && found.ready <= expected.ready) {
            return Ok(());
        }
        Err(format!("task {task} counts {found}, and it should be {expected}"))
    }

    fn counts(&self, plan: &Plan, task: usize, now: Moment) -> Counts {
        let row = &plan.tasks[task];
        let mut counts = Counts { total: row.num_cells as u64, ..Counts::default() };
        for block in row.first..row.first + row.num_cells {
            let count = match self.states[block] {
                State::Out(_) => &mut counts.processing,
                State::Completed => &mut counts.completed,
                State::Skipped => &mut counts.skipped,
                State::Failed => &mut counts.failed,
                State::Orphaned => &mut counts.orphaned,
                State::Parked(until) if until > now => &mut counts.pending,
                State::Waiting | State::Parked(_) => {
                    let is_ready = plan.gates[block].iter().all(|&gate| self.is_closed(gate));
                    if is_ready { &mut counts.ready } else { &mut counts.pending }
                }
            };
            *count += 1;
        }
        counts
    }

    fn is_closed(&self, block: usize) -> bool {
        matches!(self.states[block], State::Completed | State::Skipped)
    }

    /// Whether every block is accounted for at the end of a run: those that can be completed are, except
    /// for those that lost all their attempts, and whatever waits for one of the others is orphaned.
    pub(crate) fn end(&self, plan: &Plan) -> Result<(), String> {
        for (block, state) in self.states.iter().enumerate() {
            let waits_in_vain =
                |gate: &&usize| matches!(self.states[**gate], State::Failed | State::Orphaned);
            let is_orphan = plan.gates[block].iter().find(waits_in_vain).is_some();
            let is_right = match state {
                State::Completed | State::Skipped => !is_orphan,
                State::Failed => self.attempts[block] == plan.attempts(block),
                State::Orphaned => is_orphan,
                State::Waiting | State::Out(_) | State::Parked(_) => false,
            };
            if !is_right {
                return Err(format!("block {block} ended as {state:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn plan() -> Plan {
        let plans = (0..).map(|seed| Plan::new(&Options::of(seed)));
        let has_chain = |plan: &Plan| plan.gates.iter().any(|gates| gates.as_slice() == [0]);
        plans.into_iter().find(has_chain).unwrap()
    }

    #[test]
    fn counts_that_do_not_add_up_or_differ_are_seen() {
        let plan = plan();
        let mut model = Counted::new(&plan);
        let right = model.counts(&plan, 0, Moment::ZERO);
        model.compare(&plan, (0, Moment::ZERO), &right).unwrap();
        let wrong = Counts { completed: right.completed + 1, ..right };
        assert!(model.compare(&plan, (0, Moment::ZERO), &wrong).is_err());
        let other = Counts { completed: 1, ready: right.ready - 1, ..right };
        assert!(model.compare(&plan, (0, Moment::ZERO), &other).is_err());
        model.set(0, State::Out(LeaseId(0))).unwrap();
        model.set(0, State::Completed).unwrap();
        assert!(model.set(0, State::Out(LeaseId(1))).is_err());
    }

    #[test]
    fn blocks_that_nobody_accounts_for_are_seen() {
        let plan = plan();
        let mut model = Counted::new(&plan);
        assert!(model.end(&plan).is_err());
        let done = vec![State::Completed; plan.num_blocks()];
        model.resume(done.clone(), vec![0; plan.num_blocks()]);
        model.end(&plan).unwrap();
        let mut failed = done;
        failed[0] = State::Failed;
        model.resume(failed, vec![0; plan.num_blocks()]);
        assert!(model.end(&plan).is_err(), "it failed with attempts left");
    }
}
