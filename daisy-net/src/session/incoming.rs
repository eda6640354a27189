//! What the server says, message by message.

use daisy_sched::{LookAhead, Moment};

use super::{ClientError, ClientEvent, ClientSession};
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
            Self::OutOfOrder => f.write_str("the server sent blocks before it said welcome"),
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
        let is_online = self.offline_since.is_none();
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
            if self.repeats > 0 && self.has(grant.lease) {
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
            || self.outbox.has(lease)
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
            ToWorker::End { reason } => self.events.push_back(ClientEvent::End(reason)),
            ToWorker::Refused { reason, text } => {
                self.events.push_back(ClientEvent::Refused(reason, text));
            }
            ToWorker::Heartbeat | ToWorker::Grants { .. } | ToWorker::Recall { .. } => {}
        }
        Ok(())
    }

    fn welcomed(&mut self, now: Moment, welcome: Welcome) -> Result<(), ClientError> {
        if welcome.layout.to_layout().is_none() {
            return Err(ClientError::Layout);
        }
        let is_other = self.welcome.as_ref().is_some_and(|known| known.worker != welcome.worker);
        if is_other && self.begun.len() + self.queue.len() > 0 {
            // It would work on blocks that are nobody's.
            self.events.push_back(ClientEvent::End(EndReason::Unknown));
        }
        if self.welcome.is_some() {
            self.repeats = welcome.max_ahead;
        }
        if self.welcome.is_none() {
            self.ahead = LookAhead::new(welcome.max_ahead.clamp(1, LookAhead::MAX_BLOCKS));
        }
        self.welcome = Some(welcome);
        self.offline_since = None;
        self.was_refused = false;
        self.greeting_since = None;
        self.is_dismissed = false;
        self.last_heard = now;
        self.outbox.renew(now);
        self.events.push_back(ClientEvent::Welcome);
        Ok(())
    }
}
