//! Memory that all lines share, since each needs it only while its bytes are taken in or sent.
//!
//! Of a thousand lines few are at work at a time. What they use passes from one to the next, so that it stays in the
//! processor's cache, and a line that is idle holds next to nothing.

use crate::wire::Grant;

/// See the module's text.
#[derive(Default)]
pub(super) struct Spare {
    /// Where records are decrypted.
    pub(super) plaintext: Vec<u8>,
    /// Where frames are gathered.
    pub(super) frames: Vec<u8>,
    /// Empty lists of blocks.
    grants: Vec<Vec<Grant>>,
}

impl Spare {
    /// The most empty lists that are kept: as many lines as one turn feeds, as a rule.
    const LISTS: usize = 128;

    /// An empty list, the one used last if there is any.
    pub(super) fn take_list(&mut self) -> Vec<Grant> {
        self.grants.pop().unwrap_or_default()
    }

    /// Takes back an empty list.
    pub(super) fn put_list(&mut self, list: Vec<Grant>) {
        if list.capacity() > 0 && self.grants.len() < Self::LISTS {
            self.grants.push(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_lists_are_kept_than_one_turn_needs() {
        let mut spare = Spare::default();
        spare.put_list(Vec::new());
        (0..2 * Spare::LISTS).for_each(|_| spare.put_list(Vec::with_capacity(1)));
        assert_eq!(spare.grants.len(), Spare::LISTS);
        assert!(spare.take_list().capacity() > 0);
        spare.grants.clear();
        assert_eq!(spare.take_list().capacity(), 0);
    }
}
