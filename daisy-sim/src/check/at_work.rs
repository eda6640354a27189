//! Never two conflicting blocks at work at the same time, whatever the server believes.
//!
//! A worker is at a block from the moment its function starts until it returns, or the process is dead.
//! The one documented exception: a process that was stopped and must have ended itself by now ends in the
//! instant it is woken, before it touches any data; it counts as gone from that deadline on.

use std::collections::{BTreeMap, BTreeSet};

use daisy_sched::LeaseId;

use crate::plan::Plan;

/// Who is at work where.
#[derive(Default)]
pub(crate) struct AtWork {
    /// By process: the block and its lease.
    working: BTreeMap<usize, (usize, LeaseId)>,
    excused: BTreeSet<usize>,
}

impl AtWork {
    /// A function starts.
    pub(crate) fn begin(
        &mut self,
        plan: &Plan,
        pid: usize,
        (block, lease): (usize, LeaseId),
    ) -> Result<(), String> {
        let others = self.working.iter().filter(|(other, _)| !self.excused.contains(other));
        for (other, &(its, its_lease)) in others {
            if plan.conflict(block, its) {
                return Err(format!(
                    "p{pid} begins block {block} ({lease}) while p{other} is at block {its} ({its_lease})"
                ));
            }
        }
        self.working.insert(pid, (block, lease));
        Ok(())
    }

    /// A function has returned, or its process is dead.
    pub(crate) fn rest(&mut self, pid: usize) {
        self.working.remove(&pid);
        self.excused.remove(&pid);
    }

    /// A stopped process must have ended itself by now, and will when it is woken.
    pub(crate) fn excuse(&mut self, pid: usize) {
        self.excused.insert(pid);
    }

    /// Whether a process is stopped beyond its deadline.
    pub(crate) fn is_excused(&self, pid: usize) -> bool {
        self.excused.contains(&pid)
    }

    /// A lease ends without its worker's outcome: nobody may be at it.
    pub(crate) fn free(&self, lease: LeaseId) -> Result<(), String> {
        let is_there = |(pid, (_, its)): &(&usize, &(usize, LeaseId))| {
            *its == lease && !self.excused.contains(pid)
        };
        match self.working.iter().find(is_there) {
            Some((pid, (block, _))) => {
                Err(format!("block {block} ({lease}) is free again while p{pid} is still at it"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn plan() -> Plan {
        let plans = (0..).map(|seed| Plan::new(&Options::of(seed)));
        let is_tight =
            |plan: &Plan| plan.num_blocks() > 2 && plan.conflict(0, 1) && !plan.conflict(0, 2);
        plans.into_iter().find(is_tight).unwrap()
    }

    #[test]
    fn two_conflicting_blocks_at_work_are_seen() {
        let (plan, mut at_work) = (plan(), AtWork::default());
        at_work.begin(&plan, 0, (0, LeaseId(0))).unwrap();
        assert!(at_work.begin(&plan, 1, (1, LeaseId(1))).is_err(), "conflicting");
        assert!(at_work.begin(&plan, 1, (0, LeaseId(2))).is_err(), "the same");
        at_work.begin(&plan, 1, (2, LeaseId(3))).unwrap();
        at_work.rest(0);
        at_work.begin(&plan, 2, (1, LeaseId(4))).unwrap_or_else(|text| {
            assert!(plan.conflict(1, 2), "{text}");
        });
    }

    #[test]
    fn a_block_that_is_freed_under_its_worker_is_seen_unless_that_is_excused() {
        let (plan, mut at_work) = (plan(), AtWork::default());
        at_work.begin(&plan, 0, (0, LeaseId(0))).unwrap();
        assert!(at_work.free(LeaseId(0)).is_err());
        at_work.free(LeaseId(1)).unwrap();
        at_work.excuse(0);
        at_work.free(LeaseId(0)).unwrap();
        at_work.begin(&plan, 1, (1, LeaseId(1))).unwrap();
        assert!(at_work.is_excused(0) && !at_work.is_excused(1));
    }
}
