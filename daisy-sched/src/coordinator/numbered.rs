//! Things with numbers that are never used again, found in O(1) by number.
//!
//! A ring indexed by the low bits of the counter: the newest owner of a place has it, and the few
//! older ones that are still there (a block of an hour among blocks of a millisecond) move to a map.
//! The ring doubles when the map grows, so memory follows the number of things that exist at once,
//! not the number of things there ever were.

use alloc::{collections::BTreeMap, vec::Vec};

/// Bits of an id below its epoch.
const COUNTER_BITS: u32 = 40;

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Numbered<T> {
    next: u64,
    ring: Vec<Option<(u64, T)>>,
    rest: BTreeMap<u64, T>,
    num_displaced: u64,
    num_doubled: u64,
}

impl<T> Numbered<T> {
    /// The largest epoch.
    pub(super) const MAX_EPOCH: u32 = (1 << (u64::BITS - COUNTER_BITS)) - 1;

    /// Nothing yet; the first id is `epoch << 40`. There are `2^place_bits` places at first.
    pub(super) fn new(epoch: u32, place_bits: u32) -> Self {
        let mut ring = Vec::new();
        ring.resize_with(1 << place_bits.min(16), || None);
        let (next, rest) = (u64::from(epoch) << COUNTER_BITS, BTreeMap::new());
        Self { next, ring, rest, num_displaced: 0, num_doubled: 0 }
    }

    /// How many things a newer one took the place of, and how often there were too few places.
    pub(super) const fn paths(&self) -> (u64, u64) {
        (self.num_displaced, self.num_doubled)
    }

    /// Whether a thing ever had that id, here or in an earlier epoch.
    pub(super) const fn was_issued(&self, id: u64) -> bool {
        id < self.next
    }

    #[inline]
    pub(super) fn insert(&mut self, thing: T) -> u64 {
        let id = self.next;
        self.next += 1;
        let place = self.place(id);
        if let Some((old, thing)) = self.ring[place].replace((id, thing)) {
            self.num_displaced += 1;
            self.rest.insert(old, thing);
            if self.rest.len() * 4 > self.ring.len() {
                self.grow();
            }
        }
        id
    }

    /// Puts in a thing of an earlier epoch.
    pub(super) fn insert_old(&mut self, id: u64, thing: T) {
        self.rest.insert(id, thing);
    }

    #[inline]
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        match &self.ring[self.place(id)] {
            Some((owner, thing)) if *owner == id => Some(thing),
            _ => self.rest.get(&id),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let place = self.place(id);
        match &mut self.ring[place] {
            Some((owner, thing)) if *owner == id => Some(thing),
            _ => self.rest.get_mut(&id),
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, id: u64) -> Option<T> {
        let place = self.place(id);
        match &self.ring[place] {
            Some((owner, _)) if *owner == id => self.ring[place].take().map(|(_, thing)| thing),
            _ => self.rest.remove(&id),
        }
    }

    /// Everything that there is, in no particular order: for counting and checking only.
    #[cfg(debug_assertions)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let ring = self.ring.iter().flatten().map(|(id, thing)| (*id, thing));
        ring.chain(self.rest.iter().map(|(&id, thing)| (id, thing)))
    }

    const fn place(&self, id: u64) -> usize {
        // The length is a power of two.
        (id as usize) & (self.ring.len() - 1)
    }

    #[cold]
    fn grow(&mut self) {
        self.num_doubled += 1;
        let mut things = core::mem::take(&mut self.rest);
        things.extend(self.ring.iter_mut().filter_map(Option::take));
        let places = self.ring.len() * 2;
        self.ring.resize_with(places, || None);
        for (id, thing) in things {
            let place = self.place(id);
            if let Some((old, thing)) = self.ring[place].replace((id, thing)) {
                self.rest.insert(old, thing);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_things_stay_where_newer_ones_need_their_place() {
        let mut things = Numbered::new(3, 6);
        let old: Vec<u64> = (0..10).map(|thing| things.insert(thing)).collect();
        assert_eq!(old[0], 3 << 40);
        for thing in 10..10_000 {
            let id = things.insert(thing);
            assert_eq!(things.remove(id), Some(thing));
            assert_eq!(things.remove(id), None);
        }
        assert!(things.ring.len() <= 128);
        assert_eq!(things.iter().count(), 10);
        for (thing, &id) in old.iter().enumerate() {
            assert_eq!(things.get(id), Some(&(thing as i32)));
        }
        assert!(things.was_issued(7) && !things.was_issued(things.next));
    }

    #[test]
    fn many_things_at_once_make_the_ring_grow() {
        for place_bits in [0, 6] {
            let mut things = Numbered::new(0, place_bits);
            let ids: Vec<u64> = (0..5_000_u64).map(|thing| things.insert(thing)).collect();
            assert!(things.ring.len() >= 4_096);
            assert!(ids.iter().all(|&id| things.remove(id) == Some(id)));
            assert_eq!(things.iter().count(), 0);
        }
    }
}
