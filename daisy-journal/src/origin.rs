//! How blocks were made: by which version of a task's code, into which arrays.

use std::collections::BTreeMap;

use crate::Cells;

/// What a run says of how it makes the blocks of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The version of its code; None where it is not known.
    pub version: Option<String>,
    /// The identities of the arrays that the blocks write, by their names, which are for people.
    pub arrays: BTreeMap<String, u128>,
}

/// Done blocks of one version of a task's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The version; None where it was not known.
    pub version: Option<String>,
    /// The blocks.
    pub cells: Cells,
}

/// How the done blocks of one task were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskOrigin {
    /// How blocks are made now.
    now: Origin,
    /// The epoch in which its version came: leases of earlier epochs are of workers with other code.
    since: u32,
    /// Blocks of other versions, oldest first; disjoint, none empty.
    earlier: Vec<Made>,
}

impl TaskOrigin {
    pub(crate) const fn now(&self) -> &Origin {
        &self.now
    }

    pub(crate) const fn since(&self) -> u32 {
        self.since
    }

    pub(crate) fn earlier(&self) -> &[Made] {
        &self.earlier
    }

    /// Whether nobody ever said anything of its version.
    pub(crate) const fn is_unknown(&self) -> bool {
        self.now.version.is_none() && self.since == 0 && self.earlier.is_empty()
    }

    /// Whether a lease is of a worker with other code than now.
    pub(crate) fn is_outdated(&self, lease: u64) -> bool {
        lease >> 40 < u64::from(self.since)
    }

    /// From an epoch on blocks are made by this version; all of `done` so far by those before.
    pub(crate) fn set_version(&mut self, version: Option<String>, since: u32, done: &Cells) {
        self.since = since;
        if version == self.now.version {
            return;
        }
        let cells = self.made_now(done);
        let before = core::mem::replace(&mut self.now.version, version);
        // Blocks of a version that is back are its own again.
        self.earlier.retain(|made| made.version != self.now.version);
        if !cells.is_empty() {
            self.earlier.push(Made { version: before, cells });
        }
    }

    pub(crate) fn set_arrays(&mut self, arrays: BTreeMap<String, u128>) {
        self.now.arrays = arrays;
    }

    /// The blocks of `done` that the version of now made. O(stretches).
    pub(crate) fn made_now(&self, done: &Cells) -> Cells {
        let mut cells = done.clone();
        for run in self.earlier.iter().flat_map(|made| made.cells.stretches()) {
            cells.remove_all(&run);
        }
        cells
    }

    /// The blocks are done no more.
    pub(crate) fn forget(&mut self, cells: &core::ops::Range<u64>) {
        if self.earlier.is_empty() {
            return;
        }
        for made in &mut self.earlier {
            made.cells.remove_all(cells);
        }
        self.earlier.retain(|made| !made.cells.is_empty());
    }

    /// An array of `now` that the done blocks were not written to, if there is one: none where they say nothing.
    pub(crate) fn new_array<'a>(&self, now: &'a Origin) -> Option<&'a str> {
        if self.now.arrays.is_empty() {
            return None;
        }
        let is_known = |id: &u128| self.now.arrays.values().any(|known| known == id);
        let mut arrays = now.arrays.iter();
        arrays.find(|(_, id)| !is_known(id)).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(version: &str) -> Option<String> {
        Some(version.to_owned())
    }

    #[test]
    fn each_version_has_what_was_done_while_it_was_there() {
        let (mut origin, mut done) = (TaskOrigin::default(), Cells::new());
        origin.set_version(text("a"), 0, &done);
        done.insert_all(0..10);
        origin.set_version(text("b"), 1, &done);
        assert!(origin.is_outdated(7) && !origin.is_outdated(1 << 40));
        done.insert_all(10..12);
        origin.forget(&(0..4));
        done.remove_all(&(0..4));
        assert_eq!(origin.earlier(), [Made { version: text("a"), cells: (4..10).collect() }]);
        assert_eq!(origin.made_now(&done), (10..12).collect());
        origin.set_version(text("a"), 2, &done);
        assert_eq!(origin.earlier(), [Made { version: text("b"), cells: (10..12).collect() }]);
        assert_eq!(origin.made_now(&done), (4..10).collect());
        origin.forget(&(0..20));
        assert!(origin.earlier().is_empty());
    }

    #[test]
    fn code_of_no_version_after_one_of_some_is_told_apart_in_any_epoch() {
        let (mut origin, mut done) = (TaskOrigin::default(), Cells::new());
        assert!(origin.is_unknown());
        origin.set_version(text("a"), 0, &done);
        done.insert_all(0..10);
        origin.set_version(None, 0, &done);
        assert!(!origin.is_unknown(), "else what comes is written down as made by 'a'");
    }

    #[test]
    fn arrays_are_known_by_their_identity_not_by_their_name() {
        let now = |arrays: &[(&str, u128)]| Origin {
            version: None,
            arrays: arrays.iter().map(|&(name, id)| (name.to_owned(), id)).collect(),
        };
        let mut origin = TaskOrigin::default();
        assert_eq!(origin.new_array(&now(&[("raw", 1)])), None);
        origin.set_arrays(now(&[("raw", 1), ("mask", 2)]).arrays);
        assert_eq!(origin.new_array(&now(&[("moved/raw", 1)])), None);
        assert_eq!(origin.new_array(&now(&[("mask", 2), ("raw", 3)])), Some("raw"));
    }
}
