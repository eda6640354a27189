//! Outcomes from the moment they are known until the server has them for good.

use std::collections::VecDeque;

use daisy_sched::Moment;

use crate::wire::{OutcomeItem, OutcomesWriter, Verdict};

/// Outcomes that were not acknowledged, numbered without gaps.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: VecDeque<OutcomeItem>,
    /// The number of the first one here.
    first: u64,
    /// How many of those here were sent on the present connection.
    sent: usize,
    first_unsent: Option<Moment>,
}

impl Outbox {
    #[inline]
    pub(super) fn push(&mut self, now: Moment, lease: u64, verdict: Verdict, micros: u64) {
        self.items.push_back(OutcomeItem { lease, verdict, micros });
        self.first_unsent.get_or_insert(now);
    }

    /// Since when the oldest unsent outcome waits.
    pub(super) const fn first_unsent(&self) -> Option<Moment> {
        self.first_unsent
    }

    /// The leases whose outcomes are here.
    pub(super) fn leases(&self) -> impl Iterator<Item = u64> {
        self.items.iter().map(|item| item.lease)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Appends what was not sent on the present connection.
    pub(super) fn send(&mut self, out: &mut Vec<u8>) {
        if self.first_unsent.take().is_none() {
            return;
        }
        let mut writer = OutcomesWriter::new(out, self.first.saturating_add(self.sent as u64));
        self.items.iter().skip(self.sent).for_each(|item| writer.push(item));
        self.sent = self.items.len();
    }

    /// The connection is gone: everything that was not acknowledged has to be sent again.
    pub(super) const fn forget_sent(&mut self) {
        self.sent = 0;
    }

    /// A new connection: what is here waits to be sent.
    pub(super) fn renew(&mut self, now: Moment) {
        self.sent = 0;
        self.first_unsent = (!self.items.is_empty()).then_some(now);
    }

    /// Another worker begins here: it has no outcomes, and counts from 0.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// The server has all outcomes up to this number; numbers that were never sent mean nothing.
    pub(super) fn acknowledge(&mut self, through: u64) {
        let Some(ahead) = through.checked_sub(self.first) else { return };
        let known = usize::try_from(ahead).unwrap_or(usize::MAX).saturating_add(1).min(self.sent);
        self.items.drain(..known);
        self.first += known as u64;
        self.sent -= known;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(outcomes: u64) -> Outbox {
        let mut outbox = Outbox::default();
        (0..outcomes).for_each(|lease| outbox.push(Moment::ZERO, lease, Verdict::Completed, 1));
        outbox
    }

    #[test]
    fn what_was_not_acknowledged_is_sent_again() {
        let mut outbox = outbox(3);
        let mut first = Vec::new();
        outbox.send(&mut first);
        assert!(!first.is_empty() && outbox.first_unsent().is_none());
        outbox.acknowledge(0);
        assert_eq!(outbox.len(), 2);
        outbox.forget_sent();
        outbox.renew(Moment::ZERO);
        let mut again = Vec::new();
        outbox.send(&mut again);
        let reader = crate::wire::OutcomesReader::new(&again[2..]).unwrap();
        assert_eq!(reader.first(), 1);
        let leases: Vec<u64> = reader.map(|item| item.unwrap().lease).collect();
        assert_eq!(leases, [1, 2]);
    }

    #[test]
    fn acknowledgements_of_what_was_never_sent_change_nothing() {
        let mut outbox = outbox(2);
        outbox.acknowledge(u64::MAX);
        assert_eq!(outbox.len(), 2);
        outbox.send(&mut Vec::new());
        outbox.acknowledge(u64::MAX);
        assert_eq!(outbox.len(), 0);
        outbox.acknowledge(0);
    }
}
