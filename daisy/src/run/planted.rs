//! A run whose machine panics: for the tests of this project, with the feature `planted-faults`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// From a certain input on, the machine of a run panics whenever it is called.
///
/// Clones are the same fault.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct PlantedFault(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    /// Inputs that go well.
    left: AtomicU64,
    strikes: AtomicU64,
}

impl PlantedFault {
    /// The machine panics after so many inputs.
    #[must_use]
    pub fn after(inputs: u64) -> Self {
        Self(Arc::new(Counters { left: AtomicU64::new(inputs), strikes: AtomicU64::new(0) }))
    }

    /// How often the machine has panicked.
    #[must_use]
    pub fn strikes(&self) -> u64 {
        self.0.strikes.load(Ordering::SeqCst)
    }

    /// The machine takes in an input.
    ///
    /// # Panics
    /// If it is time.
    pub(super) fn pass(&self) {
        let less = |left: u64| left.checked_sub(1);
        if self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            self.0.strikes.fetch_add(1, Ordering::SeqCst);
            panic!("a planted fault");
        }
    }
}
