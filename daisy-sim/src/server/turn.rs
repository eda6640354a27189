//! One turn of a server, in the order of the facade: `Network::wait`, the loop of the pool, `end_turn`.

use daisy_block::TaskId;
use daisy_journal::JournalError;
use daisy_run::{Ended, Farewell, Left, Stop};
use daisy_sched::{
    Cause, Ending, Input, KillReason, Moment, Outcome, Output, Reason, Record, Settlement, WorkerId,
};

use super::{Arrived, Desk, Effect, Server, Syncing};
use crate::{
    bug::Bug,
    check::{Checks, Promise},
    trace::Trace,
};

/// Where in a turn a server is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "before, in and after one and the same thing")]
pub(crate) enum CrashPoint {
    /// Before the records are written.
    BeforeWrite,
    /// When so many bytes of them are.
    InWrite(usize),
    /// When they are, and nothing was sent.
    AfterWrite,
}

/// What a turn works with.
pub(crate) struct Turn<'a> {
    pub(crate) now: Moment,
    pub(crate) checks: &'a mut Checks,
    pub(crate) trace: &'a mut Trace,
    pub(crate) crash: Option<CrashPoint>,
    /// It was stopped between two turns: time passes before anything is read.
    pub(crate) is_late: bool,
    pub(crate) effects: Vec<Effect>,
    /// It was killed at the crash point.
    pub(crate) has_crashed: bool,
}

impl Server {
    /// Takes in what came, and lets out what follows.
    pub(crate) fn turn(&mut self, turn: &mut Turn<'_>) {
        let now = self.clock(turn.now);
        self.seen = now;
        if self.has_bug(Bug::AckBeforeWrite) {
            self.write(turn);
        }
        if turn.is_late {
            self.pass_time(now, turn);
        }
        for arrived in std::mem::take(&mut self.inbox) {
            self.take_in(now, arrived, turn);
        }
        self.board.handle_timeout(now);
        self.pass_time(now, turn);
        self.end_turn(now, turn);
        self.move_on(now, turn);
        for task in 0..turn.checks.plan.tasks.len() {
            let counts = self.desk.coordinator.counts(TaskId::new(task as u32));
            let compared = counts.map_err(|error| error.to_string()).and_then(|counts| {
                turn.checks.counted.compare(&turn.checks.plan, (task, now), &counts)
            });
            if self.phase.is_at_work() && !turn.has_crashed {
                turn.checks.hold(Promise::Counts, compared);
            }
        }
    }

    fn pass_time(&mut self, now: Moment, turn: &mut Turn<'_>) {
        while self.phase.is_at_work()
            && let Some((at, reason)) = self.desk.coordinator.next_deadline()
            && at <= now
        {
            self.tell(now, Input::Timeout);
            self.carry_out(now, turn);
            if reason == Reason::Backlog {
                // What has come meanwhile goes first.
                return;
            }
        }
    }

    fn tell(&mut self, now: Moment, input: Input) {
        if let Err(error) = self.desk.coordinator.handle(now, input) {
            self.fault.get_or_insert(error.to_string());
        }
    }

    fn take_in(&mut self, now: Moment, arrived: Arrived, turn: &mut Turn<'_>) {
        match arrived {
            Arrived::Opened(key, conn, from, randomness) => {
                self.lines.insert(key, conn);
                self.board.open(now, key, from, randomness);
            }
            Arrived::Bytes(key, bytes) => {
                self.desk.at(&mut self.board, |board, host| board.receive(now, key, &bytes, host));
                turn.checks.pids.extend(self.desk.notes.joined.drain(..));
            }
            Arrived::Closed(key) => {
                self.desk.at(&mut self.board, |board, host| board.closed(now, key, host));
                if let Some(conn) = self.lines.remove(&key) {
                    turn.effects.push(Effect::Close(conn, true));
                }
            }
            Arrived::Gone(process, exit_code) => {
                let Desk { processes, coordinator, .. } = &mut self.desk;
                let Some(Ended { end, .. }) = processes.ended(process, exit_code) else { return };
                let concerns = end.concerns(process, coordinator);
                let ending = end.ending(Cause::default);
                // A worker that was given up is not known any more.
                if concerns {
                    let _is_known =
                        coordinator.handle(now, Input::ProcessEnded { process, ending });
                } else if self.has_bug(Bug::LauncherIsWorker) {
                    let ended = Input::Ended { worker: process, ending };
                    let _is_known = self.desk.coordinator.handle(now, ended);
                }
            }
            Arrived::Checked(check, finding) => self.tell(now, Input::Checked { check, finding }),
            Arrived::Synced => self.synced(turn),
            Arrived::Stopped => {
                self.phase.drain(now);
                self.tell(now, Input::Drain);
            }
        }
        self.carry_out(now, turn);
    }

    /// Carries out everything that the coordinator wants done; each record goes to the journal first.
    fn carry_out(&mut self, now: Moment, turn: &mut Turn<'_>) {
        while let Some(output) = self.desk.coordinator.poll_output() {
            turn.trace.tell(turn.now, || format!("server: {output:?}"));
            let is_recorded = self.record(&output);
            mix(turn.trace, &output);
            if self.must_stop() {
                // Of what a run that has to stop still makes up, nobody hears.
                continue;
            }
            turn.checks.observe(&output, is_recorded);
            match output {
                Output::Grant(lease) => {
                    let _is_on_a_line = self.board.grant(&lease);
                }
                // Nobody is started during a farewell.
                Output::StartWorker { worker, task } if self.phase.is_at_work() => {
                    turn.effects.push(Effect::Start(worker, task));
                }
                Output::Check { check, key, stage } => {
                    turn.effects.push(Effect::Check(check, key, stage));
                }
                Output::Dismiss { worker } => self.board.dismiss(worker),
                Output::Kill { worker, reason } => self.kill(now, worker, reason, turn),
                Output::Recall { worker, leases } => {
                    self.board.recall(worker, &leases);
                    if self.has_bug(Bug::RecallUnconfirmed) {
                        for lease in leases {
                            let outcome = Outcome::Returned;
                            self.tell(now, Input::Settle { worker, lease, outcome });
                        }
                    }
                }
                Output::GivenUp { worker } => {
                    turn.checks.lost(worker);
                    self.board.give_up(worker);
                }
                Output::Settled { worker, lease, .. } => self.board.settled(worker, lease),
                _ => {}
            }
        }
    }

    fn kill(&mut self, now: Moment, worker: WorkerId, reason: KillReason, turn: &mut Turn<'_>) {
        if reason == KillReason::Silent {
            turn.checks.lost(worker);
        }
        turn.checks.killed.insert(worker);
        if self.desk.processes.is_told(worker, reason) {
            self.board.kill(worker, reason);
        }
        let Some(Stop { process, is_polite }) = self.desk.processes.to_stop(worker, reason) else {
            return;
        };
        turn.effects.push(Effect::Kill { process, is_polite });
        if self.has_bug(Bug::ReapTooEarly) {
            let ending = Ending::Died(Cause::default());
            self.tell(now, Input::ProcessEnded { process, ending });
        }
    }

    /// Whether the journal has taken the record of an output.
    fn record(&mut self, output: &Output) -> bool {
        let Some(record) = Record::of(output) else { return true };
        match self.journal.append(&record) {
            Ok(()) => true,
            Err(error) => {
                self.fault.get_or_insert(error.to_string());
                false
            }
        }
    }

    /// What is not written down must not be told to anybody.
    fn must_stop(&self) -> bool {
        self.fault.is_some() && !self.has_bug(Bug::GoOnWithoutJournal)
    }

    fn commit(&mut self, turn: &mut Turn<'_>) {
        match turn.crash {
            Some(CrashPoint::BeforeWrite) => {
                turn.has_crashed = true;
                return;
            }
            Some(CrashPoint::InWrite(bytes)) => self.disk_mut().set_room(Some(bytes)),
            _ => {}
        }
        if !self.has_bug(Bug::AckBeforeWrite) {
            self.write(turn);
        }
        turn.has_crashed |= turn.crash.is_some();
    }

    fn write(&mut self, turn: &mut Turn<'_>) {
        let before = self.journal.len_bytes();
        let written = self.journal.commit();
        let wants_compaction =
            written.is_ok() && self.journal.len_bytes() > before && self.journal.wants_compaction();
        let written = if wants_compaction {
            let compacted = self.journal.compact();
            if compacted.is_ok() {
                turn.checks.ledger.commit();
                let records = turn.checks.ledger.written();
                turn.checks.ledger.sync(records);
                self.synced_len = self.journal.disk().bytes().len();
                // A sync on its way is about the file that was replaced.
                self.syncing = self.syncing.map(|syncing| Syncing { len: 0, ..syncing });
            }
            compacted
        } else {
            written
        };
        match written {
            Ok(()) => turn.checks.ledger.commit(),
            Err(error) => {
                self.is_disk_full |=
                    matches!(error, JournalError::Disk(_) | JournalError::Poisoned);
                self.fault.get_or_insert(error.to_string());
            }
        }
    }

    fn end_turn(&mut self, now: Moment, turn: &mut Turn<'_>) {
        self.carry_out(now, turn);
        self.commit(turn);
        if turn.has_crashed || self.must_stop() {
            return;
        }
        let number = self.board.end_turn();
        if !self.is_power || self.has_bug(Bug::AckBeforeSync) {
            self.board.release(number);
        } else {
            if let Some(last) = self.last_synced {
                self.board.release(last);
            }
            if self.board.has_unreleased() {
                self.wanted = Some(number);
            }
            self.begin_sync(turn);
        }
        let (lines, effects) = (&self.lines, &mut turn.effects);
        let mut closed = Vec::new();
        self.board.flush(|key, bytes, closing| {
            let Some(&conn) = lines.get(&key) else { return };
            if !bytes.is_empty() {
                effects.push(Effect::Send(conn, std::mem::take(bytes)));
            }
            if let Some(reason) = closing {
                closed.push((key, conn, reason.is_said()));
            }
        });
        for (key, conn, is_said) in closed {
            self.lines.remove(&key);
            turn.effects.push(Effect::Close(conn, is_said));
            self.desk.at(&mut self.board, |board, host| board.closed(now, key, host));
        }
        self.carry_out(now, turn);
        self.commit(turn);
    }

    // ---- syncs, as the facade's `Syncer` ----

    fn begin_sync(&mut self, turn: &mut Turn<'_>) {
        if self.syncing.is_some() {
            return;
        }
        let Some(number) = self.wanted.take() else { return };
        let records = turn.checks.ledger.written();
        let len = self.journal.disk().bytes().len();
        self.syncing = Some(Syncing { turn: number, records, len });
        turn.effects.push(Effect::Sync);
    }

    fn synced(&mut self, turn: &mut Turn<'_>) {
        let Some(Syncing { turn: number, records, len }) = self.syncing.take() else { return };
        self.last_synced = Some(number);
        self.synced_len = self.synced_len.max(len);
        turn.checks.ledger.sync(records);
        self.begin_sync(turn);
    }

    // ---- the end ----

    /// From running over farewell to the end.
    fn move_on(&mut self, now: Moment, turn: &mut Turn<'_>) {
        if turn.has_crashed {
            return;
        }
        let has_fault = self.must_stop();
        if !self.phase.look(|| now, &self.desk.coordinator, has_fault) {
            return;
        }
        let has_processes = !self.desk.processes.is_empty();
        let left = Left { has_processes, has_workers: self.board.num_workers() > 0, has_fault };
        match self.phase.take_leave(now, left) {
            Farewell::Wait => {}
            Farewell::EndAll => {
                let running = self.desk.processes.running();
                let kill = |(process, _)| Effect::Kill { process, is_polite: true };
                turn.effects.extend(running.map(kill));
            }
            Farewell::Over => {
                let finished = self.journal.commit().and_then(|()| self.journal.sync());
                if self.fault.is_none() && finished.is_err() {
                    self.is_disk_full = true;
                    self.fault = Some("the journal could not be finished".to_owned());
                }
                // It is good without, only longer.
                let _is_short = self.journal.compact();
            }
        }
    }
}

/// Takes an output into the hash of everything.
fn mix(trace: &mut Trace, output: &Output) {
    let words = match output {
        Output::Grant(lease) => [1, lease.id.0, lease.key.cell],
        Output::Settled { lease, key, result, .. } => {
            let kind = match result {
                Settlement::Completed => 2,
                Settlement::Retry { .. } => 3,
                Settlement::Failed { .. } => 4,
                Settlement::PutBack(_) => 5,
            };
            [kind, lease.0, key.cell]
        }
        Output::StartWorker { worker, .. } => [6, worker.0, 0],
        Output::Kill { worker, .. } => [7, worker.0, 0],
        Output::GivenUp { worker } => [8, worker.0, 0],
        Output::Dismiss { worker } => [9, worker.0, 0],
        Output::Late { lease } => [10, lease.0, 0],
        _ => [11, 0, 0],
    };
    words.into_iter().for_each(|word| trace.mix_word(word));
}
