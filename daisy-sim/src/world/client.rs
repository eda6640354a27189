//! A worker's connection: `Core` of the driver, step by step.

use daisy_net::{
    session::{ClientEvent, Fate, OwnEnd},
    switchboard::LineKey,
    wire::{OutcomeItem, RefusalReason, ToServer, Verdict},
};
use daisy_sched::Moment;

use super::{World, house};
use crate::{
    bug::Bug,
    net::{Item, Way},
    process::{Attempt, Ended},
    timing::{self, CONNECT_MS, PAUSES_US},
};

/// Why a pump stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// An attempt to connect has begun, and the lock is taken until it is over.
    Locked,
    /// The worker has to end.
    Ended(Ended),
}

impl World {
    /// Everything that can be done without waiting: what is due, connecting, writing, reading.
    pub(super) fn pump(&mut self, pid: usize, with_outcomes: bool) -> Result<(), Halt> {
        if let Some(ended) = self.processes[pid].ended {
            return Err(Halt::Ended(ended));
        }
        self.keep_time(pid)?;
        if self.processes[pid].conn.is_none() && self.now >= self.processes[pid].next_try {
            self.begin_connect(pid);
            return Err(Halt::Locked);
        }
        self.exchange(pid, with_outcomes)
    }

    fn exchange(&mut self, pid: usize, with_outcomes: bool) -> Result<(), Halt> {
        self.write(pid, with_outcomes)?;
        self.read(pid)?;
        self.write(pid, with_outcomes)
    }

    fn keep_time(&mut self, pid: usize) -> Result<(), Halt> {
        let now = self.now;
        self.may_go_on(pid)?;
        let process = &mut self.processes[pid];
        process.session.handle_timeout(now, || (0, 0));
        // What was given back has an outcome, too.
        process.follow_outbox();
        Ok(())
    }

    /// Whether a worker may go on: it may have been stopped since it looked last.
    pub(super) fn may_go_on(&mut self, pid: usize) -> Result<(), Halt> {
        match self.processes[pid].session.look_after(self.now) {
            Fate::GoOn => {}
            Fate::Rejoin => self.close(pid),
            Fate::Gone => return Err(self.end(pid, Ended::Gone)),
            Fate::MustEnd => return Err(self.end(pid, Ended::Lost)),
        }
        Ok(())
    }

    // ---- connecting ----

    fn begin_connect(&mut self, pid: usize) {
        let link = self.net.links[pid];
        let addresses = self.options.addresses;
        let is_server_up = self.server.is_some();
        let (micros, attempt) = if !link.is_free() || !self.net.is_host_up {
            // All of its addresses are tried, one after the other.
            (CONNECT_MS * 1_000 * addresses, Attempt::NoAnswer)
        } else if link.is_walled {
            (link.round_trip_us() * addresses, Attempt::Refused)
        } else if self.net.is_waiting {
            (CONNECT_MS * 1_000 * addresses, Attempt::NoAnswer)
        } else if is_server_up {
            (link.round_trip_us(), Attempt::Connected)
        } else {
            (link.round_trip_us() * addresses, Attempt::Refused)
        };
        // No attempt lasts longer than the worker may.
        let end = self.processes[pid].session.must_end_at().unwrap_or(Moment::MAX);
        let until = timing::after_us(self.now, micros).min(end);
        let until = until.max(timing::after_us(self.now, 1));
        self.processes[pid].connecting = Some((until, attempt));
    }

    /// The attempt to connect is over: goes on with the pump that made it.
    pub(super) fn finish_connect(&mut self, pid: usize, attempt: Attempt) -> Result<(), Halt> {
        let now = self.now;
        let process = &mut self.processes[pid];
        process.connecting = None;
        process.pause_us = (process.pause_us * 2).min(PAUSES_US.1);
        process.next_try = timing::after_us(now, process.pause_us);
        let attempt = match attempt {
            // It went down meanwhile.
            Attempt::Connected if self.server.is_none() => Attempt::Refused,
            attempt => attempt,
        };
        match attempt {
            Attempt::NoAnswer => {}
            Attempt::Refused => process.session.note_refused(),
            Attempt::Connected => {
                let randomness = self.dice.bytes();
                let key = self.next_key();
                let conn = self.net.open(Some(pid), key, self.life - 1);
                let process = &mut self.processes[pid];
                let is_local = process.is_local || self.options.bug == Some(Bug::TrustRefusals);
                let own_end = OwnEnd { name: house::name_of(conn), is_local };
                if process.session.connect(now, own_end, randomness).is_err() {
                    return Err(self.end(pid, Ended::Session));
                }
                self.processes[pid].conn = Some(conn);
                self.processes[pid].inbox.clear();
                self.send(conn, Way::Up, Item::Open);
            }
        }
        self.exchange(pid, true)
    }

    /// The name of a new connection: slots are used again, as soon as they are free.
    pub(super) fn next_key(&mut self) -> LineKey {
        let (uses, free) = &mut self.slots;
        let slot = free.pop().unwrap_or(uses.len());
        if slot == uses.len() {
            uses.push(0);
        }
        uses[slot] += 1;
        LineKey(uses[slot] << 32 | slot as u64)
    }

    // ---- bytes ----

    fn write(&mut self, pid: usize, with_outcomes: bool) -> Result<(), Halt> {
        let process = &mut self.processes[pid];
        let is_mute = self.options.bug == Some(Bug::NoResend) && process.has_reconnected;
        let mut bytes = Vec::new();
        let flushed = process.session.flush(with_outcomes && !is_mute, &mut bytes);
        if flushed.is_err() {
            return Err(self.end(pid, Ended::Session));
        }
        let Some(conn) = process.conn.filter(|_| !bytes.is_empty()) else { return Ok(()) };
        if process.is_liar && process.session.is_online() && self.dice.one_in(12) {
            self.lie(pid, &mut bytes);
        }
        self.send(conn, Way::Up, Item::Bytes(bytes));
        Ok(())
    }

    /// Appends a record to what a worker says, in the clear: what it should never say.
    fn lie(&mut self, pid: usize, bytes: &mut Vec<u8>) {
        let mut frames = Vec::new();
        let loans: Vec<u64> = self.checks.loans.keys().map(|lease| lease.0).collect();
        let is_harmless = |lease: &&u64| {
            let loan = self.checks.loans.get(&daisy_sched::LeaseId(**lease));
            // A worker that says it has completed what it is at cannot be seen through.
            let is_own = |worker| self.checks.pids.get(&worker) == Some(&pid);
            loan.is_some_and(|loan| !is_own(loan.worker) || loan.is_over)
        };
        let others: Vec<u64> = loans.iter().filter(is_harmless).copied().collect();
        let outcome = |lease, verdict| {
            let items = vec![OutcomeItem { lease, verdict, micros: 1 }];
            ToServer::Outcomes { first: 0, items }
        };
        // The server would acknowledge the forged outcome in the place of an honest one.
        let process = &self.processes[pid];
        let may_forge = process.has_dropped && process.session.num_unacknowledged() == 0;
        let kind = if may_forge { self.dice.below(6) } else { self.dice.between(3, 5) };
        let message = match (kind, self.dice.pick(&others)) {
            (0, Some(lease)) => outcome(lease, Verdict::Completed),
            (1, Some(lease)) => outcome(lease, Verdict::Returned),
            (2, _) => outcome(self.dice.below(1 << 42), Verdict::Completed),
            (3, _) => ToServer::Ask { lease: self.dice.below(1 << 42) },
            (4, _) => ToServer::Hello(daisy_net::wire::Hello::default()),
            _ => {
                // No message has that kind.
                frames.push(0xee);
                frames.extend_from_slice(&self.dice.bytes());
                ToServer::Heartbeat { clock: 1, peak_memory_kb: 1, cpu_ms: 1 }
            }
        };
        if message.encode_into(&mut frames).is_ok() {
            bytes.extend((frames.len() as u16).to_be_bytes());
            bytes.append(&mut frames);
        }
        let now = self.now;
        self.trace.tell(now, || format!("p{pid} lies: {message:?}"));
    }

    fn read(&mut self, pid: usize) -> Result<(), Halt> {
        while let Some(item) = self.processes[pid].inbox.pop_front() {
            let process = &mut self.processes[pid];
            let number = process.session.welcome().map(|welcome| welcome.worker);
            let received = match item {
                Item::Open => Ok(()),
                Item::Eof => {
                    process.session.note_end();
                    self.close(pid);
                    Ok(())
                }
                Item::Reset => {
                    self.close(pid);
                    Ok(())
                }
                Item::Bytes(bytes) => process.session.receive(self.now, &bytes),
            };
            let process = &mut self.processes[pid];
            let is_other = number.is_some()
                && number != process.session.welcome().map(|welcome| welcome.worker);
            if is_other {
                // It has joined as another one, which has no outcomes.
                process.outbox.clear();
                process.has_dropped = false;
            }
            for lease in self.processes[pid].follow_outbox() {
                self.checks.acknowledged(lease);
            }
            self.take_events(pid)?;
            if received.is_err() {
                return Err(self.end(pid, Ended::Session));
            }
        }
        Ok(())
    }

    fn take_events(&mut self, pid: usize) -> Result<(), Halt> {
        while let Some(event) = self.processes[pid].session.poll_event() {
            let now = self.now;
            self.trace.tell(now, || format!("p{pid} hears {event:?}"));
            let process = &mut self.processes[pid];
            match event {
                ClientEvent::Welcome => {
                    process.welcome_at = Some(now);
                    process.has_reconnected |= process.is_welcome;
                    process.is_welcome = true;
                    process.is_fresh = true;
                }
                ClientEvent::Stale => self.close(pid),
                ClientEvent::End(reason) => return Err(self.end(pid, Ended::Told(reason))),
                ClientEvent::Refused(reason, _) => {
                    let is_polite = matches!(reason, RefusalReason::Full | RefusalReason::Ended);
                    return Err(self.end(pid, Ended::Refused(is_polite)));
                }
                ClientEvent::Granted | ClientEvent::Dismissed | ClientEvent::Answer { .. } => {}
            }
        }
        Ok(())
    }

    /// The connection is over.
    pub(super) fn close(&mut self, pid: usize) {
        let now = self.now;
        let process = &mut self.processes[pid];
        process.inbox.clear();
        if let Some(conn) = process.conn.take() {
            process.session.disconnect(now);
            let welcome_at = process.welcome_at.take();
            if welcome_at.is_some_and(|at| now >= timing::after_us(at, PAUSES_US.1)) {
                process.pause_us = PAUSES_US.0;
                process.next_try = now;
            }
            self.send(conn, Way::Up, Item::Eof);
        }
    }

    pub(super) fn end(&mut self, pid: usize, ended: Ended) -> Halt {
        self.close(pid);
        Halt::Ended(*self.processes[pid].ended.get_or_insert(ended))
    }

    /// When a pump has something to do although nothing comes.
    pub(super) fn next_pump(&self, pid: usize) -> Option<Moment> {
        let process = &self.processes[pid];
        let due = process.session.next_deadline().map(|(at, _)| at);
        let again = process.conn.is_none().then_some(process.next_try);
        due.into_iter().chain(again).min()
    }
}
