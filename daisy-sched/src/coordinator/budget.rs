//! Named resources that blocks hold while they are in flight.
//!
//! No block holds one resource while it waits for another, so nothing can lock up. The task furthest
//! downstream comes first: where it is short of a resource, no task further upstream gets any of
//! that resource, so that a large need is met after the blocks now in flight, and what is finished
//! upstream is used up before more of it is made.

use alloc::{vec, vec::Vec};

use daisy_block::TaskId;

use super::{Coordinator, CoordinatorConfig, CoordinatorError};

/// What is left of each resource.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    pub(super) free: Vec<u64>,
    /// Resources that a task further downstream is short of; used while handing out.
    reserved: Vec<bool>,
    /// The tasks that need any, from downstream to upstream.
    pub(super) needy: Vec<TaskId>,
}

/// What one block of a task holds: places of resources, and units.
pub(super) type Needs = Vec<(usize, u64)>;

impl Budget {
    pub(super) fn new(config: &CoordinatorConfig) -> Self {
        let free: Vec<u64> = config.resources.values().copied().collect();
        Self { reserved: vec![false; free.len()], free, needy: Vec::new() }
    }

    /// Takes the units of one block; false, and the lacking resources are reserved, if there are not
    /// enough or somebody further downstream waits for one of them.
    fn reserve(&mut self, needs: &Needs) -> bool {
        let is_short = |&&(place, units): &&(usize, u64)| self.free[place] < units;
        let mut fits = needs.iter().all(|&(place, _)| !self.reserved[place]);
        let short: smallvec::SmallVec<[usize; 4]> =
            needs.iter().filter(is_short).map(|&(place, _)| place).collect();
        for place in short {
            self.reserved[place] = true;
            fits = false;
        }
        fits
    }

    pub(super) fn take(&mut self, needs: &Needs) {
        for &(place, units) in needs {
            self.free[place] -= units;
        }
    }

    pub(super) fn give(&mut self, needs: &Needs) {
        for &(place, units) in needs {
            self.free[place] += units;
        }
    }
}

/// The needs of a task by the places of the resources, each resource once.
pub(super) fn needs_of(
    config: &CoordinatorConfig,
    task: TaskId,
    needs: &[(alloc::string::String, u64)],
) -> Result<Needs, CoordinatorError> {
    let mut places: alloc::collections::BTreeMap<usize, u64> = alloc::collections::BTreeMap::new();
    for (name, units) in needs {
        let found = config.resources.iter().enumerate().find(|(_, (known, _))| *known == name);
        let Some((place, (_, &total))) = found else {
            return Err(CoordinatorError::UnknownResource { task, resource: name.clone() });
        };
        let needed = places.entry(place).or_insert(0);
        *needed = needed.saturating_add(*units);
        if *needed > total {
            let (resource, needed) = (name.clone(), *needed);
            return Err(CoordinatorError::NeedTooLarge { task, resource, needed, total });
        }
    }
    Ok(places.into_iter().filter(|&(_, units)| units > 0).collect())
}

impl Coordinator {
    /// Whether a block of a task may take its units now.
    #[inline]
    pub(super) fn has_budget(&mut self, task: TaskId) -> bool {
        let needs = &self.tasks[task.index()].needs;
        needs.is_empty() || self.budget.reserve(needs)
    }

    /// Hands out blocks of all tasks with needs, the one furthest downstream first.
    pub(super) fn hand_out_needy(&mut self) -> Result<(), CoordinatorError> {
        self.budget.reserved.fill(false);
        for place in 0..self.budget.needy.len() {
            self.hand_out_of(self.budget.needy[place], None)?;
        }
        Ok(())
    }
}
