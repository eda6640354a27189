//! The two threads of a worker process, and how processes begin and end.

use daisy_net::{
    session::{ClientConfig, ClientReason},
    wire::Verdict,
};
use daisy_sched::{LeaseId, Moment, WorkerId};

use super::{Event, World, client::Halt};
use crate::{
    bug::Bug,
    check::{Death, Promise},
    net::{Item, Link, Way},
    options::Kind,
    plan::Nature,
    process::{Ended, Fate, Job, Life, Process},
    server::{HOST, security},
    timing::{self, GOODBYE_MS, TICK_US},
};

impl World {
    /// A worker process begins: a child of the server, or one that comes by itself from elsewhere.
    pub(super) fn spawn(&mut self, task: usize, worker: Option<WorkerId>) -> usize {
        let pid = self.begin(task, worker, None);
        if worker.is_some() {
            if self.options.has(Kind::Launcher) && self.dice.one_in(2) {
                self.processes[pid].is_launcher = true;
                let launched = self.begin(task, worker, Some(pid));
                let death = match self.dice.below(4) {
                    0 => Death::Exit(0),
                    1 => Death::Exit(1),
                    _ => Death::Killed,
                };
                let wait = self.dice.between(1_000, 40_000_000);
                self.schedule_us(wait, Event::Kill(pid, death));
                self.processes[pid].launched = Some(launched);
            }
            if self.options.has(Kind::Clones) && self.dice.one_in(2) {
                self.begin(task, worker, Some(pid));
            }
        }
        pid
    }

    /// A process begins, by the context of a worker if one is given: as a child of the server, or by that of another
    /// process, which is one.
    fn begin(&mut self, task: usize, worker: Option<WorkerId>, of: Option<usize>) -> usize {
        let pid = self.processes.len();
        let is_child = worker.is_some() && of.is_none();
        let told = of.filter(|_| self.options.bug == Some(Bug::AnybodyIsChild)).unwrap_or(pid);
        let config = ClientConfig {
            task: format!("task {task}"),
            worker: worker.map(|worker| worker.0),
            security: security(&self.options),
            heartbeat_ms: Process::promised_ms(),
            pid: told as u32,
            host: HOST.to_owned(),
        };
        let mut process = Process::new(self.now, task, config);
        process.parent = worker.filter(|_| is_child).map(|worker| (self.life, worker));
        process.is_local = is_child;
        process.is_relayed = !process.is_local && self.dice.one_in(4);
        process.is_liar =
            self.options.has(Kind::Liar) && !self.options.is_encrypted && self.dice.one_in(3);
        let is_local = process.is_local;
        self.processes.push(process);
        let mut delay = || {
            let typical = if is_local { (20, 100) } else { (100, 20_000) };
            let most = if !is_local && self.dice.one_in(5) { 150_000 } else { typical.1 };
            (self.dice.between(typical.0, most), self.dice.between(1, 2_000))
        };
        let delay_us = [delay(), delay()];
        let is_slow = self.options.has(Kind::SlowLines) && self.dice.one_in(2);
        let pieces_us = is_slow.then_some(200_000);
        self.net.links.push(Link { is_blocked: [false; 2], delay_us, is_walled: false, pieces_us });
        let now = self.now;
        self.trace.tell(now, || format!("p{pid} begins, for task {task}, as {worker:?}"));
        let wait = self.dice.between(5_000, 300_000);
        self.wake(pid, timing::after_us(now, wait));
        pid
    }

    fn wake(&mut self, pid: usize, at: Moment) {
        let at = at.max(timing::after_us(self.now, 1));
        let process = &mut self.processes[pid];
        if process.wake_at.is_none_or(|known| at < known) {
            process.wake_at = Some(at);
            self.schedule(at, Event::Step(pid));
        }
    }

    /// A worker looks around: whatever its threads can do now is done.
    pub(super) fn step(&mut self, pid: usize) {
        if self.processes[pid].life != Life::Running {
            return;
        }
        if self.processes[pid].is_launcher {
            return;
        }
        if let Some(job) = self.processes[pid].job
            && job.until <= self.now
            && !job.has_returned
            && !self.return_from(pid, job)
        {
            return;
        }
        let result = match self.processes[pid].connecting {
            Some((until, _)) if until > self.now => Err(Halt::Locked),
            Some((_, attempt)) => self.finish_connect(pid, attempt),
            None => Ok(()),
        };
        let result = result.and_then(|()| self.run_threads(pid));
        match result {
            Ok(()) | Err(Halt::Locked) => self.sleep(pid),
            Err(Halt::Ended(ended)) => {
                // While a function runs, the helper ends the process in its own way.
                let process = &self.processes[pid];
                let is_asked = process.is_draining && ended == Ended::Dismissed;
                let is_lost = process.job.is_some() || is_asked;
                let code = if is_lost { timing::EXIT_LOST } else { ended.exit_code() };
                let now = self.now;
                self.trace.tell(now, || format!("p{pid} ends: {ended:?}"));
                self.die(pid, Death::Exit(code));
            }
        }
    }

    /// Sleeps until something is due; bytes that come wake it too.
    fn sleep(&mut self, pid: usize) {
        let process = &self.processes[pid];
        let returns = process.job.filter(|job| !job.has_returned).map(|job| job.until);
        let looks = match process.connecting {
            Some((until, _)) => Some(until),
            None => {
                let own = [
                    process.elsewhere_until,
                    process.goodbye.map(|(deadline, _)| deadline),
                    (!process.is_welcome).then_some(process.first_deadline),
                ];
                let mut next = self.next_pump(pid).filter(|_| !process.is_deaf(self.options.bug));
                if self.options.bug == Some(Bug::OutcomeWithNext) {
                    // What is due and not sent is no reason to look all the time.
                    next = next.map(|at| at.max(self.now.after_ms(100)));
                }
                next.into_iter().chain(own.into_iter().flatten()).min()
            }
        };
        if let Some(at) = returns.into_iter().chain(looks).min().filter(|at| *at < Moment::MAX) {
            self.wake(pid, at);
        }
    }

    fn run_threads(&mut self, pid: usize) -> Result<(), Halt> {
        if let Some(job) = self.processes[pid].job {
            if !job.has_returned {
                return self.help(pid, job);
            }
            self.settle(pid, job);
        }
        if !self.processes[pid].is_welcome {
            return self.greet(pid);
        }
        if let Some(until) = self.processes[pid].elsewhere_until {
            if self.now < until {
                return self.help_elsewhere(pid);
            }
            self.processes[pid].elsewhere_until = None;
        }
        loop {
            let process = &mut self.processes[pid];
            process.is_fresh = false;
            if let Some(ended) = process.ended {
                return Err(Halt::Ended(ended));
            }
            if process.is_draining || process.goodbye.is_some() {
                return self.say_goodbye(pid);
            }
            if process.session.num_waiting() > 0 {
                self.may_go_on(pid)?;
            }
            let process = &mut self.processes[pid];
            if let Some(grant) = process.session.begin_block() {
                self.begin_job(pid, LeaseId(grant.lease));
                return Ok(());
            }
            if process.session.is_dismissed() {
                return self.say_goodbye(pid);
            }
            process.session.want(None);
            self.pump(pid, true)?;
            let process = &self.processes[pid];
            let is_idle = process.session.num_waiting() == 0 && !process.session.is_dismissed();
            if is_idle && !process.is_fresh {
                return Ok(());
            }
        }
    }

    fn greet(&mut self, pid: usize) -> Result<(), Halt> {
        self.pump(pid, false)?;
        if self.processes[pid].is_welcome {
            if self.options.has(Kind::Load) && self.dice.one_in(2) {
                self.go_elsewhere(pid, 30_000_000);
            }
            return self.run_threads(pid);
        }
        if self.now >= self.processes[pid].first_deadline {
            return Err(Halt::Ended(Ended::NoServer));
        }
        Ok(())
    }

    fn say_goodbye(&mut self, pid: usize) -> Result<(), Halt> {
        let now = self.now;
        let is_draining = self.processes[pid].is_draining;
        let ended = if is_draining { Ended::Drained } else { Ended::Dismissed };
        let over = Err(Halt::Ended(ended));
        let process = &mut self.processes[pid];
        if process.goodbye.is_none() {
            process.session.give_back(now);
            process.goodbye = Some((now.after_ms(GOODBYE_MS), false));
        }
        loop {
            let process = &mut self.processes[pid];
            process.follow_outbox();
            let Some((deadline, has_left)) = process.goodbye else { return over };
            if process.session.is_online() && !has_left {
                process.goodbye = Some((deadline, true));
                process.session.beat(now, 0, 0);
                process.session.leave();
            } else if process.session.num_unacknowledged() == 0 || now >= deadline {
                return over;
            }
            let before = process.session.is_online();
            self.pump(pid, true)?;
            let process = &self.processes[pid];
            let has_news = process.session.is_online() && !before;
            if process.session.num_unacknowledged() > 0 && !has_news {
                return Ok(());
            }
        }
    }

    /// The helper's turn while a function runs.
    fn help(&mut self, pid: usize, job: Job) -> Result<(), Halt> {
        if self.now < timing::after_us(job.began, TICK_US) {
            // It looks only whether the block is a long one.
            self.wake(pid, timing::after_us(job.began, TICK_US));
            return Ok(());
        }
        let due = self.processes[pid].session.next_deadline();
        let is_due = due.is_some_and(|(at, why)| why == ClientReason::Outcomes && at <= self.now);
        self.pump(pid, is_due)
    }

    /// The main thread does something else for a while.
    fn go_elsewhere(&mut self, pid: usize, most_us: u64) {
        let micros = self.dice.between(1_000, most_us);
        let until = timing::after_us(self.now, micros);
        self.processes[pid].elsewhere_until = Some(until);
        self.wake(pid, until);
    }

    /// The helper's turn while the main thread is elsewhere, and at work on nothing.
    fn help_elsewhere(&mut self, pid: usize) -> Result<(), Halt> {
        let process = &self.processes[pid];
        if process.is_deaf(self.options.bug) {
            return Ok(());
        }
        let due = process.session.next_deadline();
        let is_due = due.is_some_and(|(at, why)| why == ClientReason::Outcomes && at <= self.now);
        let is_due = is_due && self.options.bug != Some(Bug::OutcomeWithNext);
        let result = match self.pump(pid, is_due) {
            // The main thread learns of it when it is back.
            Err(Halt::Ended(_)) => Ok(()),
            result => result,
        };
        self.check_given(pid);
        result
    }

    /// An outcome that was given reaches a server that is there.
    fn check_given(&mut self, pid: usize) {
        let process = &self.processes[pid];
        let Some((lease, at)) = process.given else { return };
        if self.now < at.after_ms(timing::OUTCOME_MS) || !process.session.is_online() {
            return;
        }
        let is_open =
            self.checks.loans.get(&lease).is_some_and(|loan| !loan.is_over && !loan.is_checked);
        if is_open && !self.checks.is_disturbed(pid) {
            let text = format!("the outcome of {lease}, given at {at}, is not known to the server");
            self.checks.hold(Promise::Ends, Err(text));
        }
        self.processes[pid].given = None;
    }

    // ---- blocks ----

    fn begin_job(&mut self, pid: usize, lease: LeaseId) {
        let now = self.now;
        self.trace.tell(now, || format!("p{pid} begins {lease}"));
        self.checks.began(pid, lease);
        let Some(loan) = self.checks.loans.get(&lease) else { return };
        let block = loan.block;
        let task = &self.plan.tasks[self.plan.task_of(block)];
        let mut micros = self.dice.between(task.pace.0, task.pace.1);
        if task.slow_one_in.is_some_and(|n| self.dice.one_in(n)) {
            micros *= 500;
        }
        let fate = match self.plan.natures[block] {
            Nature::Failing => Fate::Fails,
            Nature::Flaky(times) if self.returns[block] < times => Fate::Fails,
            Nature::Poison => Fate::Kills,
            Nature::Hanging => Fate::Hangs,
            _ => Fate::Succeeds,
        };
        if fate == Fate::Kills {
            micros = self.dice.between(1, micros);
        }
        let until = if fate == Fate::Hangs { Moment::MAX } else { timing::after_us(now, micros) };
        let has_returned = false;
        self.processes[pid].job = Some(Job { lease, block, began: now, until, fate, has_returned });
        self.wake(pid, timing::after_us(now, TICK_US));
    }

    /// A function returns, whatever the other thread does; false if it takes the process with it.
    fn return_from(&mut self, pid: usize, job: Job) -> bool {
        if job.fate == Fate::Kills {
            self.die(pid, Death::Poisoned(job.block));
            return false;
        }
        self.returns[job.block] += 1;
        let is_success = job.fate == Fate::Succeeds;
        self.checks.returned(pid, job.lease, is_success);
        let is_undone = matches!(self.plan.natures[job.block],
            Nature::Undone(times) if self.returns[job.block] <= times);
        if is_success && !is_undone {
            self.checks.order.done(job.block);
        }
        if let Some(job) = &mut self.processes[pid].job {
            job.has_returned = true;
        }
        true
    }

    fn settle(&mut self, pid: usize, job: Job) {
        let now = self.now;
        let is_success = job.fate == Fate::Succeeds;
        let verdict = if is_success {
            Verdict::Completed
        } else {
            Verdict::Failed { panicked: false, text: "it fails".to_owned() }
        };
        let micros = now.since(job.began).as_micros() as u64;
        let process = &mut self.processes[pid];
        process.job = None;
        process.session.settle(now, job.lease.0, verdict, micros);
        process.outbox.push_back(is_success.then_some(job.lease));
        if self.options.has(Kind::Pause) && self.dice.one_in(3) {
            self.processes[pid].given = Some((job.lease, now));
            self.go_elsewhere(pid, 20_000_000);
        }
    }

    // ---- lives ----

    /// SIGTERM: gives back what was not begun, and leaves after the block at work.
    pub(super) fn terminate(&mut self, pid: usize) {
        match self.processes[pid].life {
            Life::Dead => return,
            Life::Stopped(_) => {
                // The signal waits for the process.
                self.schedule_us(100_000, Event::Terminate(pid));
                return;
            }
            Life::Running => {}
        }
        if self.processes[pid].is_launcher {
            return self.die(pid, Death::ByServer);
        }
        if let Some((until, _)) = self.processes[pid].connecting {
            return self.schedule(until, Event::Terminate(pid));
        }
        if !self.processes[pid].is_welcome {
            // Nobody has asked for the signal yet: it ends the process.
            return self.die(pid, Death::Killed);
        }
        let now = self.now;
        self.trace.tell(now, || format!("p{pid} is asked to leave"));
        let process = &mut self.processes[pid];
        process.is_draining = true;
        process.session.give_back(now);
        process.follow_outbox();
        // What is wrong shows when the worker asks for its next block.
        let _is_sent = self.pump(pid, true);
        self.step(pid);
    }

    /// A process ends, in whatever way.
    pub(super) fn die(&mut self, pid: usize, death: Death) {
        if self.processes[pid].is_dead() {
            return;
        }
        if let Some(launched) = self.processes[pid].launched.take()
            && death == Death::ByServer
        {
            // Whatever it is, it passes the signal on, sooner or later, or the job is found to be over by another way.
            let wait = self.dice.between(1_000, 5_000_000);
            self.schedule_us(wait, Event::Terminate(launched));
        }
        let now = self.now;
        self.trace.tell(now, || format!("p{pid} is dead: {death:?}"));
        self.checks.died(pid, death);
        let process = &mut self.processes[pid];
        process.life = Life::Dead;
        process.job = None;
        process.inbox.clear();
        if let Some(conn) = process.conn.take()
            && death != Death::Power
        {
            self.send(conn, Way::Up, Item::Eof);
        }
        if let Some((life, worker)) = self.processes[pid].parent {
            let wait = if self.dice.one_in(8) { 1_000_000 } else { 2_000 };
            let wait = self.dice.below(wait);
            self.schedule_us(wait, Event::Reap(life, worker, death));
        }
    }

    /// SIGSTOP.
    pub(super) fn stop(&mut self, pid: usize) {
        if self.processes[pid].life != Life::Running {
            return;
        }
        let now = self.now;
        self.trace.tell(now, || format!("p{pid} is stopped"));
        self.processes[pid].life = Life::Stopped(now);
        if let Some(at) = self.processes[pid].session.must_end_at() {
            self.schedule(at, Event::Excuse(pid));
        }
        let wait = if self.dice.one_in(3) { 30_000_000 } else { 5_500_000 };
        let wait = self.dice.between(100_000, wait);
        self.schedule_us(wait, Event::Continue(pid));
    }

    /// A stopped process must have ended itself by now: it will, in the instant it goes on.
    pub(super) fn excuse(&mut self, pid: usize) {
        let process = &self.processes[pid];
        let is_due = process.session.must_end_at().is_some_and(|at| at <= self.now);
        if matches!(process.life, Life::Stopped(_)) && is_due {
            self.checks.at_work.excuse(pid);
        }
    }

    /// SIGCONT.
    pub(super) fn go_on(&mut self, pid: usize) {
        let Life::Stopped(since) = self.processes[pid].life else { return };
        let now = self.now;
        self.trace.tell(now, || format!("p{pid} goes on"));
        let process = &mut self.processes[pid];
        process.life = Life::Running;
        let is_late = process.session.must_end_at().is_some_and(|at| at <= now);
        if is_late && process.job.is_some() {
            return self.die(pid, Death::Exit(timing::EXIT_LOST));
        }
        if let Some(job) = process.job.as_mut().filter(|job| !job.has_returned) {
            job.until = job.until.after(now.since(since));
            job.began = job.began.after(now.since(since));
        }
        if let Some((until, _)) = &mut process.connecting {
            *until = now.max(*until);
        }
        process.wake_at = None;
        self.step(pid);
    }
}
