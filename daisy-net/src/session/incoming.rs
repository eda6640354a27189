//! What the server says, message by message.

use daisy_sched::{LookAhead, Moment};

use super::{ClientError, ClientEvent, ClientSession, most_of};
use crate::{
    channel::ChannelError,
    wire::{EndReason, GrantsReader, RecallReader, ToWorker, Verdict, Welcome, WireError, kind},
};

impl From<ChannelError> for ClientError {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<WireError> for ClientError {
    fn from(error: WireError) -> Self {
        Self::Message(error)
    }
}

impl core::fmt::Display for ClientError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::Layout => {
                f.write_str("the server's layout is none; install the same daisy on both sides")
            }
            Self::Unasked => f.write_str("the server sent more blocks than were asked for"),
            Self::OutOfOrder => f.write_str(
                "the server sent a message out of order: before its welcome, or a second one",
            ),
        }
    }
}

impl core::error::Error for ClientError {}

impl ClientSession {
    #[inline]
    pub(super) fn frame(
        &mut self,
        now: Moment,
        kind: u8,
        payload: &[u8],
    ) -> Result<(), ClientError> {
        let is_online = self.life.is_online();
        match kind {
            kind::GRANTS if is_online => self.granted(payload),
            kind::RECALL if is_online => self.recalled(now, payload),
            kind::GRANTS | kind::RECALL => Err(ClientError::OutOfOrder),
            _ => {
                let message = ToWorker::decode(kind, payload)?;
                self.message(now, message)
            }
        }
    }

    #[inline]
    fn granted(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        for grant in GrantsReader::new(payload) {
            let grant = grant?;
            if grant.lease < self.known_below && self.has(grant.lease) {
                continue;
            }
            // More than was asked for would fill the memory in the end.
            let credit = if self.wanted > 0 { &mut self.wanted } else { &mut self.repeats };
            *credit = credit.checked_sub(1).ok_or(ClientError::Unasked)?;
            self.queue.push_back(grant);
        }
        self.events.push_back(ClientEvent::Granted);
        Ok(())
    }

    /// Whether a lease is known here: waiting, begun, or not acknowledged.
    fn has(&self, lease: u64) -> bool {
        self.begun.contains(&lease)
            || self.queue.iter().any(|grant| grant.lease == lease)
            || self.outbox.leases().any(|known| known == lease)
    }

    /// One more than the largest lease known here.
    fn known_below(&self) -> u64 {
        let queued = self.queue.iter().map(|grant| grant.lease);
        let all = self.begun.iter().copied().chain(queued).chain(self.outbox.leases());
        all.max().map_or(0, |lease| lease.saturating_add(1))
    }

    fn recalled(&mut self, now: Moment, payload: &[u8]) -> Result<(), ClientError> {
        for lease in RecallReader::new(payload) {
            let lease = lease?;
            if let Some(place) = self.queue.iter().position(|grant| grant.lease == lease) {
                self.queue.remove(place);
                self.outbox.push(now, lease, Verdict::Returned, 0);
            }
        }
        Ok(())
    }

    fn message(&mut self, now: Moment, message: ToWorker) -> Result<(), ClientError> {
        match message {
            ToWorker::Welcome(welcome) => self.welcomed(now, welcome)?,
            ToWorker::Ack { through } => self.outbox.acknowledge(through),
            ToWorker::Answer { lease, is_open } => {
                self.events.push_back(ClientEvent::Answer { lease, is_open });
            }
            ToWorker::Dismiss => {
                self.is_dismissed = true;
                self.events.push_back(ClientEvent::Dismissed);
            }
            ToWorker::End { reason: EndReason::GivenUp | EndReason::Unknown }
                if self.begun.is_empty() =>
            {
                self.is_given_up = true;
                self.events.push_back(ClientEvent::Stale);
            }
            ToWorker::End { reason } => self.events.push_back(ClientEvent::End(reason)),
            ToWorker::Refused { reason, text } => {
                self.events.push_back(ClientEvent::Refused(reason, text));
            }
            ToWorker::Heartbeat { heard } => self.life.answered(Moment::from_micros(heard)),
            ToWorker::Grants { .. } | ToWorker::Recall { .. } => {}
        }
        Ok(())
    }

    fn welcomed(&mut self, now: Moment, welcome: Welcome) -> Result<(), ClientError> {
        if self.life.is_online() {
            return Err(ClientError::OutOfOrder);
        }
        if welcome.layout.to_layout().is_none() {
            return Err(ClientError::Layout);
        }
        if self.life.is_stale(now, &welcome) && self.begun.is_empty() {
            self.events.push_back(ClientEvent::Stale);
            return Ok(());
        }
        let is_other = self.welcome.as_ref().is_some_and(|known| known.worker != welcome.worker);
        if is_other && !self.begun.is_empty() {
            // It would work on blocks that are nobody's.
            self.events.push_back(ClientEvent::End(EndReason::Unknown));
        } else if is_other {
            self.queue.clear();
            self.outbox.restart();
        }
        self.is_given_up = false;
        let most = most_of(&welcome);
        if self.welcome.is_some() {
            // Blocks held and wanted together are at most so many: what is not here may have been lost.
            let held = self.begun.len() + self.queue.len();
            self.repeats = most.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
            self.known_below = self.known_below();
        } else {
            self.ahead = LookAhead::new(most);
        }
        self.life.welcomed(now, &self.own_end, &welcome.seen_as);
        self.welcome = Some(welcome);
        self.is_dismissed = false;
        self.outbox.renew(now);
        self.events.push_back(ClientEvent::Welcome);
        Ok(())
    }
}
