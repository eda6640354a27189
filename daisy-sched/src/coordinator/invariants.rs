//! The whole state, checked against itself after each event in debug builds.

use alloc::vec;

use super::{
    Coordinator,
    lease::LeaseState,
    roster::{Phase, Seat},
};

/// States of more things than this are checked only now and then.
const SMALL: usize = 64;
const EVERY: u64 = 1_024;

impl Coordinator {
    /// # Panics
    /// If the state contradicts itself: debug builds only.
    pub(super) fn check_invariants(&mut self) {
        self.num_inputs += 1;
        let things = self.num_out as usize + self.workers.iter().count() + self.parked.len();
        if things > SMALL && !self.num_inputs.is_multiple_of(EVERY) {
            return;
        }
        self.check_tasks();
        self.check_leases();
        self.check_workers();
    }

    fn check_tasks(&self) {
        let mut open = 0;
        for &task in &self.ids {
            let row = &self.tasks[task.index()];
            let Ok(counts) = self.scheduler.counts(task) else { continue };
            assert_eq!(counts.processing, row.out, "blocks of task {task} at work");
            let known = counts.ready + counts.processing + counts.finished() + counts.pending;
            assert_eq!(counts.total, known, "the counts of task {task}");
            let held =
                u64::from(row.open_checks) + (row.held.len() + row.held_suspects.len()) as u64;
            assert!(counts.ready >= held, "{held} blocks held of task {task}: {counts}");
            let parked = self.parked.keys().filter(|key| key.task == task).count() as u64;
            assert_eq!(parked, row.parked, "blocks of task {task} in back-off");
            assert!(counts.pending >= parked, "{parked} blocks parked of task {task}: {counts}");
            if row.ending.is_some() {
                assert_eq!((row.out, held), (0, 0), "task {task} has ended");
            } else {
                open += 1;
            }
        }
        assert_eq!(open, self.open_tasks, "open tasks");
        assert!(!self.is_done || open == 0, "done with open tasks");
    }

    fn check_leases(&self) {
        let mut out = vec![0; self.tasks.len()];
        let mut used = vec![0; self.budget.free.len()];
        for (id, lease) in self.leases.iter() {
            let row = &self.tasks[lease.key.task.index()];
            out[lease.key.task.index()] += 1;
            for &(place, units) in &row.needs {
                used[place] += units;
            }
            let holder = self.workers.get(lease.worker.0);
            let is_there =
                holder.is_some_and(|member| member.leases.iter().any(|held| held.0 == id));
            assert_eq!(is_there, lease.state != LeaseState::Checking, "who has lease {id}");
        }
        for (row, out) in self.tasks.iter().zip(&out) {
            assert_eq!(row.out, *out, "open leases");
        }
        assert_eq!(self.num_out, out.iter().sum::<u64>(), "open leases in all");
        let totals = self.config.resources.values();
        for ((free, used), total) in self.budget.free.iter().zip(&used).zip(totals) {
            assert_eq!(free + used, *total, "units of a resource");
        }
        let before = |open: &super::checks::OpenCheck| open.lease.is_none();
        for (place, row) in self.tasks.iter().enumerate() {
            let checks = self.checks.open.iter().filter(|(_, open)| open.key.task.index() == place);
            let checks = checks.filter(|(_, open)| before(open)).count();
            assert_eq!(checks, row.open_checks as usize, "open checks");
        }
    }

    fn check_workers(&self) {
        let mut joined = vec![0; self.tasks.len()];
        let mut staff = vec![0; self.tasks.len()];
        let mut working = vec![0; self.tasks.len()];
        for (id, member) in self.workers.iter() {
            if member.phase == Phase::Named {
                continue; // Who was only named has no task yet.
            }
            let worker = super::WorkerId(id);
            let row = &self.tasks[member.task.index()];
            let has_joined = member.phase != Phase::Starting;
            joined[member.task.index()] += u32::from(has_joined);
            staff[member.task.index()] += u32::from(member.is_staff);
            working[member.task.index()] += u32::from(!member.leases.is_empty());
            assert_eq!(row.idle.contains(&worker), member.seat == Seat::Idle, "{worker} idle");
            assert_eq!(row.busy.contains(&worker), member.seat == Seat::Busy, "{worker} busy");
            if member.seat != Seat::None {
                assert!(member.wanted > 0 && !member.is_alone, "{worker} waits");
                let is_idle = member.leases.is_empty() && !self.beside(worker).is_busy;
                assert_eq!(member.seat == Seat::Idle, is_idle, "{worker} waits");
            }
            let running = member.leases.iter().filter_map(|lease| self.leases.get(lease.0));
            let running = running.filter(|lease| lease.state == LeaseState::Running).count();
            assert_eq!(running, member.num_timed as usize, "running blocks of {worker}");
            assert!(running == 0 || member.is_timed, "{worker} is not watched");
        }
        for (place, row) in self.tasks.iter().enumerate() {
            assert_eq!((row.joined, row.staff), (joined[place], staff[place]), "workers of a task");
            assert_eq!(row.working, working[place], "workers of a task that have blocks");
            let seats = row.idle.iter().chain(&row.busy);
            for worker in seats {
                assert!(self.workers.get(worker.0).is_some(), "{worker} waits and has ended");
            }
        }
    }
}
