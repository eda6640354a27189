//! Each block is completed at most once as long as the journal remembers it, and what was acknowledged is
//! remembered.
//!
//! ```text
//!  recorded --- commit ---> written --- sync ---> synced
//!     survives nothing       the server's death    a loss of power
//! ```

use std::collections::BTreeSet;

/// What the journal must know.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The journal must survive a loss of power.
    pub(crate) is_power: bool,
    /// Completed blocks in the order of their records.
    records: Vec<usize>,
    written: usize,
    synced: usize,
    acknowledged: BTreeSet<usize>,
}

impl Ledger {
    /// A block is lent.
    pub(crate) fn grant(&self, block: usize) -> Result<(), String> {
        if self.records.contains(&block) {
            return Err(format!("block {block} is lent although its outcome was recorded"));
        }
        Ok(())
    }

    /// A block is completed, says the server.
    pub(crate) fn record(&mut self, block: usize) -> Result<(), String> {
        if self.records.contains(&block) {
            return Err(format!("block {block} is completed twice"));
        }
        self.records.push(block);
        Ok(())
    }

    /// Everything recorded was written.
    pub(crate) const fn commit(&mut self) {
        self.written = self.records.len();
    }

    /// How many records are written: a sync that starts now makes so many durable.
    pub(crate) const fn written(&self) -> usize {
        self.written
    }

    /// The first so many records are durable.
    pub(crate) fn sync(&mut self, records: usize) {
        self.synced = self.synced.max(records);
    }

    /// A worker has dropped a good outcome that was not too late.
    pub(crate) fn acknowledge(&mut self, block: usize) -> Result<(), String> {
        let durable = if self.is_power { self.synced } else { self.written };
        self.acknowledged.insert(block);
        match self.records.iter().position(|&known| known == block) {
            Some(place) if place < durable => Ok(()),
            Some(_) => Err(format!("block {block} is acknowledged before its record is safe")),
            None => Err(format!("the outcome of block {block} is acknowledged but not recorded")),
        }
    }

    /// The server was started again and knows these blocks to be done.
    pub(crate) fn resume(
        &mut self,
        done: &BTreeSet<usize>,
        lost_power: bool,
    ) -> Result<(), String> {
        let kept = if lost_power { self.synced } else { self.written };
        let lost = self.records.iter().take(kept).find(|block| !done.contains(block));
        let forgotten = self.acknowledged.iter().find(|block| !done.contains(block));
        let made_up = done.iter().find(|block| !self.records.contains(block));
        let result = match (forgotten, lost, made_up) {
            (Some(block), ..) => Err(format!("block {block} was acknowledged and is forgotten")),
            (_, Some(block), _) => Err(format!("the record of block {block} is lost")),
            (_, _, Some(block)) => Err(format!("block {block} is done though nobody said so")),
            _ => Ok(()),
        };
        self.records = done.iter().copied().collect();
        self.written = self.records.len();
        self.synced = self.records.len();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_lent_or_completed_again_is_seen() {
        let mut ledger = Ledger::default();
        ledger.grant(3).unwrap();
        ledger.record(3).unwrap();
        assert!(ledger.grant(3).is_err());
        assert!(ledger.record(3).is_err());
    }

    #[test]
    fn an_acknowledgement_of_what_is_not_safe_is_seen() {
        let mut ledger = Ledger::default();
        assert!(ledger.acknowledge(1).is_err(), "nobody knows of it");
        ledger.record(1).unwrap();
        assert!(ledger.acknowledge(1).is_err(), "not written");
        ledger.commit();
        ledger.acknowledge(1).unwrap();
        ledger.is_power = true;
        assert!(ledger.acknowledge(1).is_err(), "not synced");
        ledger.sync(1);
        ledger.acknowledge(1).unwrap();
    }

    #[test]
    fn what_a_restart_forgets_or_makes_up_is_seen() {
        let ledger = || {
            let mut ledger = Ledger::default();
            for block in 0..3 {
                ledger.record(block).unwrap();
                ledger.commit();
            }
            ledger.sync(1);
            ledger
        };
        let done = |blocks: &[usize]| blocks.iter().copied().collect::<BTreeSet<_>>();
        ledger().resume(&done(&[0, 1, 2]), false).unwrap();
        assert!(ledger().resume(&done(&[0, 1]), false).is_err());
        ledger().resume(&done(&[0]), true).unwrap();
        assert!(ledger().resume(&done(&[1]), true).is_err());
        assert!(ledger().resume(&done(&[0, 1, 2, 3]), false).is_err());
        let mut with_acknowledgement = ledger();
        with_acknowledgement.acknowledge(2).unwrap();
        assert!(with_acknowledgement.resume(&done(&[0, 1]), true).is_err());
    }
}
