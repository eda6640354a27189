//! What goes wrong, when, and for how long; and how everything is mended once faults stop.

use super::{Event, World};
use crate::{
    check::Death,
    net::{Item, Way},
    options::Kind,
    process::Life,
    server::CrashPoint,
    timing,
};

/// Kinds that happen, in contrast to those that are there from the start.
const HAPPENING: [Kind; 15] = [
    Kind::Cut,
    Kind::HalfOpen,
    Kind::Partition,
    Kind::OneWay,
    Kind::Wall,
    Kind::ServerCrash,
    Kind::CrashInTurn,
    Kind::PowerLoss,
    Kind::FullDisk,
    Kind::WorkerDeath,
    Kind::Stop,
    Kind::Leave,
    Kind::Twice,
    Kind::ServerStop,
    Kind::Interrupt,
];

impl World {
    /// The next fault happens, and one after it is planned.
    pub(super) fn next_fault(&mut self) {
        if self.is_calm {
            return;
        }
        let every = 2_000 * self.options.fault_every_ms;
        let wait = self.dice.between(1_000, every);
        self.schedule_us(wait, Event::Fault);
        if self.options.has(Kind::Stranger) && self.dice.one_in(3) {
            return self.stranger();
        }
        let kinds: Vec<Kind> =
            HAPPENING.into_iter().filter(|&kind| self.options.has(kind)).collect();
        let Some(kind) = self.dice.pick(&kinds) else { return };
        let there = (0..self.processes.len()).filter(|&pid| !self.processes[pid].is_dead());
        let there: Vec<usize> = there.collect();
        let now = self.now;
        self.trace.tell(now, || format!("fault: {kind:?}"));
        if matches!(
            kind,
            Kind::ServerCrash
                | Kind::PowerLoss
                | Kind::CrashInTurn
                | Kind::ServerStop
                | Kind::Interrupt
        ) {
            self.checks.disturb(None);
        }
        match kind {
            Kind::ServerCrash => return self.crash(false),
            Kind::PowerLoss => return self.crash(true),
            Kind::CrashInTurn => return self.crash_in_turn(),
            Kind::ServerStop => return self.stop_server(),
            Kind::Interrupt => return self.interrupt(),
            Kind::FullDisk => {
                let room = self.dice.place(200);
                if let Some(server) = &mut self.server {
                    server.disk_mut().set_room(Some(room));
                }
                return;
            }
            _ => {}
        }
        if let Some(pid) = self.dice.pick(&there) {
            self.trace.tell(now, || format!("... of p{pid}"));
            self.hit(kind, pid);
        }
    }

    fn crash_in_turn(&mut self) {
        let point = match self.dice.below(3) {
            0 => CrashPoint::BeforeWrite,
            1 => CrashPoint::InWrite(self.dice.place(40)),
            _ => CrashPoint::AfterWrite,
        };
        self.server_turn(Some(point));
    }

    /// Something happens to one process.
    fn hit(&mut self, kind: Kind, pid: usize) {
        self.checks.disturb(Some(pid));
        let conn = self.processes[pid].conn;
        let is_remote = !self.processes[pid].is_local;
        match (kind, conn) {
            (Kind::Cut, Some(conn)) => {
                let keeps = [self.dice.one_in(2), self.dice.one_in(2)];
                let is_relays = self.processes[pid].is_relayed && self.dice.one_in(2);
                let end = if is_relays { Item::Eof } else { Item::Reset };
                self.net.cut(self.now, conn, keeps, &end, &mut self.dice);
            }
            (Kind::HalfOpen, Some(conn)) if is_remote => self.net.forget(conn),
            (Kind::Twice, Some(conn)) => {
                self.net.forget(conn);
                if self.processes[pid].life == Life::Running {
                    self.processes[pid].inbox.push_back(Item::Reset);
                    self.step(pid);
                }
            }
            (Kind::Wall, Some(conn)) if is_remote => self.wall(pid, conn),
            (Kind::Partition, _) if is_remote => {
                let held = self.dice.between(200_000, 12_000_000);
                for way in [Way::Up, Way::Down] {
                    self.net.links[pid].is_blocked[way as usize] = true;
                    // Each side sends again at its own time.
                    let wait = held + self.dice.below(held / 2);
                    self.schedule_us(wait, Event::Unblock(pid, way));
                }
            }
            (Kind::OneWay, _) if is_remote => {
                let way = if self.dice.one_in(2) { Way::Up } else { Way::Down };
                self.net.links[pid].is_blocked[way as usize] = true;
                let now = self.now;
                self.trace.tell(now, || format!("the way {way:?} of p{pid} is blocked"));
                let held = self.dice.between(200_000, 12_000_000);
                self.schedule_us(held, Event::Unblock(pid, way));
            }
            (Kind::WorkerDeath, _) => self.die(pid, Death::Killed),
            (Kind::Leave, _) => self.terminate(pid),
            (Kind::Stop, _) => self.stop(pid),
            _ => {}
        }
    }

    /// Somebody between ends a connection and refuses new ones.
    fn wall(&mut self, pid: usize, conn: usize) {
        self.net.forget(conn);
        self.net.links[pid].is_walled = true;
        let is_relayed = self.processes[pid].is_relayed;
        if is_relayed || self.dice.one_in(2) {
            let end = if is_relayed { Item::Eof } else { Item::Reset };
            if self.processes[pid].conn == Some(conn) {
                self.processes[pid].inbox.push_back(end);
                self.step(pid);
            }
        }
        let most = if self.dice.one_in(4) { 80_000_000 } else { 12_000_000 };
        let held = self.dice.between(200_000, most);
        self.schedule_us(held, Event::TearDown(pid));
    }

    /// Nobody refuses connections any more.
    pub(super) fn tear_down(&mut self, pid: usize) {
        self.net.links[pid].is_walled = false;
    }

    pub(super) fn unblock(&mut self, pid: usize, way: Way) {
        if self.net.links[pid].is_blocked[way as usize] {
            let now = self.now;
            self.trace.tell(now, || format!("the way {way:?} of p{pid} is free again"));
            self.net.unblock(now, pid, way);
        }
    }

    /// Faults stop, and everything is mended.
    pub(super) fn calm(&mut self) {
        if std::mem::replace(&mut self.is_calm, true) {
            return;
        }
        let now = self.now;
        self.trace.tell(now, || "faults stop");
        for pid in 0..self.processes.len() {
            self.unblock(pid, Way::Up);
            self.unblock(pid, Way::Down);
            self.tear_down(pid);
            self.go_on(pid);
        }
        self.dismiss_strangers();
        if let Some(server) = &mut self.server {
            // A disk that is full already has stopped its server.
            server.disk_mut().set_room(None);
        }
        if self.gone.is_none() {
            self.schedule_us(timing::PATIENCE_MS * 1_000, Event::Late);
        }
    }
}
