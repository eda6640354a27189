//! The server's side of the world: its turns, what they lead to, and its deaths.

use daisy_run::Phase;
use daisy_sched::{CheckId, Finding, Stage, WorkerId};

use super::{Event, World};
use crate::{
    check::{Death, Promise, State},
    net::{Item, Way},
    options::Kind,
    server::{Arrived, CrashPoint, Effect, NoStart, Server, Start, Turn},
    timing,
};

impl World {
    pub(super) fn start_server(&mut self) {
        if self.server.is_some() || self.gone.is_some() {
            return;
        }
        self.net.is_host_up = true;
        self.net.is_waiting = false;
        if self.life > 0 {
            self.checks.disturb(None);
        }
        if self.lost_power && !self.has_waited {
            // Blocks may be lent that the disk knew nothing of.
            return self.wait_for_strangers();
        }
        let start = Start {
            now: self.now,
            options: &self.options,
            plan: &self.plan,
            lost_power: self.lost_power,
            was_stopped: self.was_stopped,
            has_waited: std::mem::take(&mut self.has_waited),
        };
        let (now, life) = (self.now, self.life);
        self.trace.tell(now, || format!("server: start {life}"));
        self.slots = (Vec::new(), Vec::new());
        match Server::start(&start, std::mem::take(&mut self.disk), &mut self.checks) {
            Ok(server) => {
                self.lost_power = false;
                self.server = Some(server);
                self.life += 1;
                self.server_turn(None);
            }
            Err(NoStart::Wait(disk)) => {
                self.disk = disk;
                self.wait_for_strangers();
            }
            Err(NoStart::Broken(error)) => {
                self.fail(Promise::Alive, format!("the server does not start: {error}"))
            }
        }
    }

    /// The server listens and answers nobody, until workers of before must have ended.
    fn wait_for_strangers(&mut self) {
        self.has_waited = true;
        self.net.is_waiting = true;
        self.schedule_us(timing::STRANGERS_MS * 1_000, Event::Restart);
    }

    /// The server looks around soon: several things may have come until then.
    fn call_server(&mut self) {
        let micros = self.dice.below(300);
        self.wake_server(timing::after_us(self.now, micros));
    }

    fn wake_server(&mut self, at: daisy_sched::Moment) {
        let Some(server) = &mut self.server else { return };
        let at = at.max(self.now);
        if server.wake_at.is_none_or(|known| at < known) {
            server.wake_at = Some(at);
            self.schedule(at, Event::Turn);
        }
    }

    pub(super) fn arrive_at_server(&mut self, conn: usize, item: Item) {
        let key = self.net.conns[conn].key;
        if self.net.conns[conn].life + 1 != self.life {
            return;
        }
        let randomness = self.dice.bytes();
        let Some(server) = &mut self.server else { return };
        server.inbox.push(match item {
            Item::Open => {
                let pid = self.net.conns[conn].pid;
                let is_direct = pid.is_some_and(|pid| !self.processes[pid].is_relayed);
                let from = if is_direct { name_of(conn) } else { "relay".to_owned() };
                Arrived::Opened(key, conn, from, randomness)
            }
            Item::Bytes(bytes) => Arrived::Bytes(key, bytes),
            Item::Eof | Item::Reset => Arrived::Closed(key),
        });
        self.call_server();
    }

    /// A turn, if it is time for one.
    pub(super) fn server_turn(&mut self, crash: Option<CrashPoint>) {
        let Some(server) = &mut self.server else { return };
        let mut is_late = false;
        let is_due = server.wake_at.is_none_or(|at| at <= self.now);
        if !is_due && crash.is_none() {
            return;
        }
        server.wake_at = None;
        if let Some(until) = server.stopped_until.filter(|_| crash.is_none()) {
            if until > self.now {
                return self.wake_server(until);
            }
            server.stopped_until = None;
            is_late = self.dice.one_in(2);
        }
        let (now, checks, trace) = (self.now, &mut self.checks, &mut self.trace);
        let (effects, has_crashed) = (Vec::new(), false);
        let mut turn = Turn { now, checks, trace, crash, is_late, effects, has_crashed };
        server.turn(&mut turn);
        let (effects, has_crashed) = (turn.effects, turn.has_crashed);
        let fault = server.fault.clone().filter(|_| !server.is_disk_full && !has_crashed);
        if let Some(fault) = fault {
            return self.fail(Promise::Alive, format!("the server stops: {fault}"));
        }
        if has_crashed {
            return self.crash(false);
        }
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        let Some(server) = &mut self.server else { return };
        if server.phase == Phase::Over {
            return self.end_server();
        }
        if let Some(at) = server.next_deadline() {
            self.wake_server(at);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start(worker, task) => {
                let pid = self.spawn(task.index(), Some(worker));
                if let Some(server) = &mut self.server {
                    server.add_child(worker, task, pid);
                }
            }
            Effect::Kill { process, is_polite } => {
                let Some(pid) = self.server.as_ref().and_then(|server| server.pid_of(process))
                else {
                    return;
                };
                let wait = if self.dice.one_in(10) {
                    self.dice.below(1_500_000)
                } else {
                    self.dice.below(3_000)
                };
                if is_polite {
                    self.schedule_us(wait.min(1_000), Event::Terminate(pid));
                    let grace = timing::TERM_GRACE_MS * 1_000;
                    self.schedule_us(grace + wait, Event::Grace(self.life, pid));
                } else {
                    self.schedule_us(wait, Event::Kill(pid, Death::ByServer));
                }
            }
            Effect::Check(check, key, stage) => {
                let wait = self.dice.between(50, 300_000);
                let block = self.plan.block(key);
                self.schedule_us(wait, Event::Answer(self.life, check, block, stage));
            }
            Effect::Send(conn, bytes) => self.send(conn, Way::Down, Item::Bytes(bytes)),
            Effect::Close(conn, is_said) => {
                let end = if is_said { Item::Eof } else { Item::Reset };
                self.send(conn, Way::Down, end);
                self.strangers.remove(&conn);
                self.slots.1.push(self.net.conns[conn].key.slot());
            }
            Effect::Sync => {
                let wait = self.dice.between(100, 40_000);
                self.schedule_us(wait, Event::Synced(self.life));
            }
        }
    }

    pub(super) fn synced(&mut self, life: u32) {
        self.tell_server(life, Arrived::Synced);
    }

    fn tell_server(&mut self, life: u32, arrived: Arrived) {
        if life == self.life
            && let Some(server) = &mut self.server
        {
            server.inbox.push(arrived);
            self.call_server();
        }
    }

    /// A check function answers by what is there.
    pub(super) fn answer(&mut self, life: u32, check: CheckId, block: usize, stage: Stage) {
        let is_done = self.checks.order.is_done(block);
        if stage == Stage::After
            && !is_done
            && life == self.life
            && let State::Out(lease) = self.checks.counted.state(block)
            && let Some(loan) = self.checks.loans.get_mut(&lease)
        {
            loan.is_undone = true;
        }
        let finding = if is_done { Finding::Done } else { Finding::NotDone };
        self.tell_server(life, Arrived::Checked(check, finding));
    }

    /// Somebody stops the run: it ends in good order, and is started again.
    pub(super) fn interrupt(&mut self) {
        self.tell_server(self.life, Arrived::Stopped);
    }

    /// The server learns that a child has ended.
    pub(super) fn reap(&mut self, life: u32, worker: WorkerId, death: Death) {
        let exit_code = if let Death::Exit(code) = death { Some(code) } else { None };
        self.tell_server(life, Arrived::Gone(worker, exit_code));
    }

    /// The server is stopped for a while.
    pub(super) fn stop_server(&mut self) {
        let most = if self.dice.one_in(3) { 30_000_000 } else { 3_000_000 };
        let until = timing::after_us(self.now, self.dice.between(50_000, most));
        if let Some(server) = &mut self.server {
            server.stopped_until = server.stopped_until.max(Some(until));
        }
    }

    // ---- deaths ----

    /// The server is killed, or its machine loses power.
    pub(super) fn crash(&mut self, is_power: bool) {
        let Some(server) = self.server.take() else { return };
        self.was_stopped = false;
        self.trace
            .tell(self.now, || if is_power { "power is lost" } else { "the server is killed" });
        self.take_disk(server, is_power);
        self.lose_connections(is_power);
        let mut wait = self.dice.below(3_000_000);
        if self.dice.one_in(4) {
            wait += self.dice.below(70_000_000);
        }
        if is_power {
            self.net.is_host_up = false;
            for pid in 0..self.processes.len() {
                if self.processes[pid].is_local {
                    self.die(pid, Death::Power);
                }
            }
            let boot = self.dice.between(500_000, 20_000_000);
            self.schedule_us(boot, Event::Boot);
            wait += boot;
        }
        self.schedule_us(wait, Event::Restart);
    }

    fn take_disk(&mut self, server: Server, is_power: bool) {
        let synced = server.synced_len;
        let mut disk = server.into_disk();
        disk.set_room(None);
        self.trace.mix(disk.bytes());
        if is_power {
            self.lost_power = true;
            let unsynced = disk.bytes().len().saturating_sub(synced);
            let kept = synced + self.dice.place(unsynced + 1);
            let known = disk.synced_len();
            if self.dice.one_in(3) {
                disk.crash_to_zeros(kept - known);
            } else {
                disk.crash(kept - known);
            }
        }
        self.disk = disk;
    }

    /// The ends of all connections at the server are gone.
    fn lose_connections(&mut self, is_power: bool) {
        for conn in 0..self.net.conns.len() {
            if self.net.conns[conn].life + 1 != self.life {
                continue;
            }
            if is_power {
                self.net.forget(conn);
            } else {
                let keeps_down = self.dice.one_in(2);
                // With bytes that nobody has read, the system resets a connection.
                let end = if self.dice.one_in(3) { Item::Reset } else { Item::Eof };
                self.net.cut(self.now, conn, [true, keeps_down], &end, &mut self.dice);
            }
        }
        self.strangers.clear();
    }

    /// The server's process has ended by itself.
    fn end_server(&mut self) {
        let Some(server) = self.server.take() else { return };
        let fault = server.fault.clone();
        let is_stopped = server.desk.coordinator.is_draining();
        self.was_stopped = is_stopped;
        self.trace
            .tell(self.now, || format!("server: the end; fault {fault:?}; stopped: {is_stopped}"));
        if fault.is_none() && !is_stopped {
            let is_right = self.checks.counted.end(&self.plan);
            self.checks.hold(Promise::Ends, is_right);
        }
        self.take_disk(server, false);
        self.lose_connections(false);
        if fault.is_some() || is_stopped {
            // Somebody makes room, if that was missing, and starts it again.
            let wait = self.dice.between(100_000, 20_000_000);
            self.schedule_us(wait, Event::Restart);
            return;
        }
        self.gone = Some(self.now);
        self.calm();
        self.schedule_us((timing::OUTLIVE_MS + 1) * 1_000, Event::Late);
    }

    /// Workers come by themselves to tasks that start none and have none.
    pub(super) fn supply(&mut self) {
        if self.gone.is_some() {
            return;
        }
        for task in 0..self.plan.tasks.len() {
            let is_there = |process: &&crate::process::Process| {
                process.task == task && !process.is_dead() && !process.is_draining
            };
            let num_there = self.processes.iter().filter(is_there).count();
            let is_wanted = self.plan.tasks[task].config.num_workers == 0 && num_there == 0;
            if is_wanted || (self.options.has(Kind::Late) && num_there < 3 && self.dice.one_in(4)) {
                self.spawn(task, None);
            }
        }
        self.schedule_us(5_000_000, Event::Supply);
    }
}

/// What the worker's end of a connection is called.
pub(super) fn name_of(conn: usize) -> String {
    format!("conn {conn}")
}
