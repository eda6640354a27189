//! Workers that share a process: several clients in its threads. They end together.

use alloc::vec::Vec;

use super::{
    Coordinator, CoordinatorError, Ending, WorkerId, WorkerKind,
    lease::LeaseState,
    roster::{Death, Phase},
};

/// What of the workers beside one in its process matters for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside {
    /// Some of them have blocks.
    pub(super) is_busy: bool,
    /// One has a suspect, and nobody gets anything beside it.
    pub(super) is_suspect: bool,
}

impl Coordinator {
    /// A worker that has just joined lives in the process that was started as another one.
    pub(super) fn share_process(
        &mut self,
        worker: WorkerId,
        process: WorkerId,
    ) -> Result<(), CoordinatorError> {
        let is_local = matches!(self.present(worker)?.kind, WorkerKind::LocalProcess { .. });
        if !is_local || worker == process {
            let expected = "a local process beside the one that it was started as";
            return Err(CoordinatorError::WorkerState { worker, expected });
        }
        for one in [process, worker] {
            let kind = self.workers.get(one.0).map(|member| member.kind);
            if matches!(kind, Some(WorkerKind::LocalProcess { .. })) {
                self.process_of.insert(one, process);
                self.processes.entry(process).or_default().insert(one);
            }
        }
        self.reseat(worker);
        Ok(())
    }

    /// The workers beside one in its process.
    fn mates(&self, worker: WorkerId) -> impl Iterator<Item = WorkerId> + '_ {
        let process = self.process_of.get(&worker);
        let all = process.and_then(|process| self.processes.get(process));
        all.into_iter().flatten().copied().filter(move |&mate| mate != worker)
    }

    pub(super) fn has_mates(&self, worker: WorkerId) -> bool {
        self.mates(worker).next().is_some()
    }

    /// How the workers beside one stand.
    #[inline]
    pub(super) fn beside(&self, worker: WorkerId) -> Beside {
        if self.processes.is_empty() {
            return Beside::default();
        }
        let task = self.workers.get(worker.0).map(|member| member.task);
        let mates = self.mates(worker).filter_map(|mate| self.workers.get(mate.0));
        // Those of other tasks wait in other lists.
        let mates = mates.filter(|mate| Some(mate.task) == task);
        mates.fold(Beside::default(), |beside, mate| Beside {
            is_busy: beside.is_busy || !mate.leases.is_empty(),
            is_suspect: beside.is_suspect || mate.is_alone,
        })
    }

    /// A worker got its first block, or has none any more: those beside it wait somewhere else.
    #[inline]
    pub(super) fn reseat_mates(&mut self, worker: WorkerId) {
        if self.processes.is_empty() {
            return;
        }
        let mates: Vec<WorkerId> = self.mates(worker).collect();
        mates.into_iter().for_each(|mate| self.reseat(mate));
    }

    /// A worker is not in its process any more: others there may have waited for it.
    pub(super) fn leave_process(&mut self, worker: WorkerId) {
        let Some(process) = self.process_of.remove(&worker) else { return };
        let Some(all) = self.processes.get_mut(&process) else { return };
        all.remove(&worker);
        let others: Vec<WorkerId> = all.iter().copied().collect();
        if others.is_empty() {
            self.processes.remove(&process);
        }
        others.into_iter().for_each(|mate| self.reseat(mate));
    }

    /// A process has ended, and all workers in it with it. Where several had blocks, none is blamed but a suspect that
    /// was tried again.
    pub(super) fn process_ended(
        &mut self,
        process: WorkerId,
        ending: Ending,
    ) -> Result<(), CoordinatorError> {
        let all: Vec<WorkerId> =
            self.processes.get(&process).into_iter().flatten().copied().collect();
        if all.len() <= 1 {
            let worker = all.first().copied().unwrap_or(process);
            // Who has joined from elsewhere by its number is not in it.
            let is_elsewhere = matches!(self.kind_of(worker), Some(WorkerKind::Remote { .. }));
            return if is_elsewhere { Ok(()) } else { self.ended(worker, ending) };
        }
        let members = || all.iter().filter_map(|worker| self.workers.get(worker.0));
        let mut leases = members().flat_map(|member| &member.leases);
        let is_overdue = leases.clone().any(|lease| {
            let lease = self.leases.get(lease.0);
            lease.is_some_and(|lease| lease.state == LeaseState::Overdue)
        });
        let is_explained =
            is_overdue || members().any(|member| matches!(member.phase, Phase::Stopping(_)));
        let is_only_one = leases.next().is_some() && leases.next().is_none();
        let has_taken = members().any(|member| member.has_taken);
        let death = match ending {
            Ending::Left | Ending::HandedOn => Death::Left,
            Ending::Died(_) if is_explained => Death::Explained,
            Ending::Died(cause) if is_only_one => Death::Died(cause),
            Ending::Died(cause) => Death::DiedTogether(cause),
        };
        for &worker in &all {
            // None of them gets what the one before it had.
            self.unseat(worker);
            if let Some(member) = self.workers.get_mut(worker.0) {
                member.has_taken |= has_taken;
                member.wanted = 0;
            }
        }
        all.into_iter().try_for_each(|worker| self.bury(worker, death))
    }
}
