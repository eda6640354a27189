//! What workers say, message by message.

use daisy_sched::{Input, LeaseId, Moment, WorkerId};

use super::{CloseReason, Host, Switchboard, line::Desk};
use crate::wire::{OutcomesReader, RefusalReason, ToServer, ToWorker, kind};

/// A whole frame, not yet looked into.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
}

impl Switchboard {
    /// Takes in a frame. Of what is against the protocol its sender hears before the line ends; if that is a worker,
    /// it is trusted no more.
    #[inline]
    pub(super) fn frame<H: Host>(
        &mut self,
        now: Moment,
        desk: &mut Desk,
        host: &mut H,
        frame: Frame<'_>,
    ) -> Result<(), CloseReason> {
        if desk.farewell.is_some() {
            return Ok(());
        }
        self.take_frame(now, desk, host, frame).or_else(|reason| {
            breach(now, desk, host, reason);
            Ok(())
        })
    }

    #[inline]
    fn take_frame<H: Host>(
        &mut self,
        now: Moment,
        desk: &mut Desk,
        host: &mut H,
        frame: Frame<'_>,
    ) -> Result<(), CloseReason> {
        match desk.worker {
            Some(_) if !desk.is_welcome => Err(CloseReason::OutOfOrder),
            Some(worker) if frame.kind == kind::OUTCOMES => {
                outcomes(now, desk, host, (worker, frame.payload))?;
                if let Some(through) = desk.settled_through() {
                    self.unreleased.push_back((self.turn, desk.key, through));
                }
                Ok(())
            }
            _ => {
                let message = ToServer::decode(frame.kind, frame.payload)?;
                self.message(now, desk, host, message)
            }
        }
    }

    fn message<H: Host>(
        &mut self,
        now: Moment,
        desk: &mut Desk,
        host: &mut H,
        message: ToServer,
    ) -> Result<(), CloseReason> {
        let message = match message {
            ToServer::Hello(hello) => return self.hello(now, desk, host, &hello),
            message => message,
        };
        let worker = desk.worker.ok_or(CloseReason::OutOfOrder)?;
        match message {
            ToServer::Want { blocks } => {
                let load = host.coordinator().load_of(worker).saturating_add(u64::from(blocks));
                if load > Self::MAX_LOAD {
                    return Err(CloseReason::Greedy);
                }
                host.handle(now, Input::Want { worker, blocks })?;
            }
            ToServer::Heartbeat { clock, peak_memory_kb, cpu_ms } => {
                desk.clock = clock;
                desk.owes_beat = true;
                host.used(worker, peak_memory_kb, cpu_ms);
            }
            ToServer::Ask { lease } => {
                let open = host.coordinator().lease(LeaseId(lease));
                let is_open = open.is_some_and(|(_, holder)| holder == worker);
                desk.say(&ToWorker::Answer { lease, is_open });
            }
            ToServer::Leave => {
                if !std::mem::replace(&mut desk.has_left, true) {
                    self.leaving.push_back((now, desk.key));
                }
                self.lines_of.remove(&worker);
                host.left(now, worker);
            }
            // Hellos and outcomes were dealt with.
            ToServer::Hello(_) | ToServer::Outcomes { .. } => {}
        }
        Ok(())
    }
}

/// Says that something was against the protocol; if a worker did it, that is trusted no more.
#[cold]
pub(super) fn breach<H: Host>(now: Moment, desk: &mut Desk, host: &mut H, reason: CloseReason) {
    let text = reason.to_string();
    desk.say(&ToWorker::Refused { reason: RefusalReason::Malformed, text });
    desk.farewell = Some(reason);
    if let Some(worker) = desk.worker {
        // It may have been given up already.
        let _is_known = host.handle(now, Input::Revoke { worker });
    }
}

/// Settles the outcomes of a frame.
#[inline]
fn outcomes<H: Host>(
    now: Moment,
    desk: &mut Desk,
    host: &mut H,
    (worker, payload): (WorkerId, &[u8]),
) -> Result<(), CloseReason> {
    let outcomes = OutcomesReader::new(payload)?;
    if !desk.may_go_on_with(outcomes.first()) {
        return Err(CloseReason::Gap);
    }
    for (number, outcome) in (outcomes.first()..).zip(outcomes) {
        let outcome = outcome?;
        let is_over = host.settle(now, worker, &outcome)?;
        desk.note_outcome(number, LeaseId(outcome.lease), is_over);
    }
    Ok(())
}
