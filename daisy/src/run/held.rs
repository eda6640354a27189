//! The lock on what the threads of a run share, and the one place where a panic behind it is caught.
//!
//! A panic there is a mistake in daisy: from then on what is behind the lock may contradict itself. The
//! first one ends the run: nothing that decides anything is called again, nothing is written or handed
//! out, everybody who waits is woken and leaves.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{Condvar, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

#[cfg(all(unix, feature = "workers"))]
use super::outside::Children;
use super::{
    call,
    hub::{Hub, State},
    machine::Machine,
};

/// For how long at most a thread that goes on at once lets others have the lock.
const LONGEST_ASIDE: Duration = Duration::from_millis(10);

/// A panic that was caught.
#[derive(Clone, Debug)]
pub(super) struct Panic {
    pub(super) message: String,
    /// File, line and column.
    pub(super) at: Option<String>,
}

/// The lock, while a thread has it.
pub(in crate::run) struct Held<'a> {
    hub: &'a Hub,
    state: MutexGuard<'a, State>,
}

impl<'a> Held<'a> {
    pub(super) const fn new(hub: &'a Hub, state: MutexGuard<'a, State>) -> Self {
        Self { hub, state }
    }

    /// Does something behind the lock; None once anything there, or this, has panicked.
    #[inline]
    pub(super) fn turn<T>(&mut self, work: impl FnOnce(&mut State) -> T) -> Option<T> {
        if self.state.machine.is_broken() {
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| work(&mut self.state))) {
            Ok(done) => Some(done),
            Err(panic) => {
                self.break_off(panic);
                None
            }
        }
    }

    /// Lets go of the lock until somebody wakes this thread, or the time is over.
    pub(super) fn wait(self, wake: &Condvar, time: Option<Duration>) -> Self {
        let Self { hub, state } = self;
        let state = match time {
            Some(time) => wake.wait_timeout(state, time).map(|(state, _)| state).map_err(|error| {
                let (state, _) = error.into_inner();
                state
            }),
            None => wake.wait(state).map_err(PoisonError::into_inner),
        };
        Self { hub, state: state.unwrap_or_else(|state| state) }
    }

    /// Lets those have the lock who wait for it: else the thread that lets go of it is the quickest to have it again.
    pub(super) fn step_aside(mut self) -> Self {
        let begin = Instant::now();
        while self.hub.is_wanted(&self.state) && begin.elapsed() < LONGEST_ASIDE {
            let hub = self.hub;
            drop(self);
            thread::yield_now();
            self = hub.lock();
        }
        self
    }

    /// The processes of the run, which are to be ended and reaped also after a panic.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) fn children(&mut self) -> Option<&mut Children> {
        self.state.outside.as_mut().map(|outside| &mut outside.children)
    }

    /// Ends all processes of the run without asking them.
    pub(super) fn end_children(&mut self) {
        #[cfg(all(unix, feature = "workers"))]
        self.children().into_iter().for_each(Children::end_all);
    }

    /// What was written down, also after a panic: its coordinator and its journal are not to be called here.
    pub(super) fn written(&mut self) -> &mut Machine {
        &mut self.state.machine
    }

    /// A thread of the run panicked: nobody begins anything any more.
    #[cold]
    pub(super) fn break_off(&mut self, panic: Box<dyn Any + Send>) {
        let panic = Panic { message: call::message_of(panic), at: PLACE.take() };
        self.state.machine.break_off(panic);
        self.state.is_closing = true;
        self.hub.close(&self.state);
    }
}

thread_local! {
    /// Where this thread panicked last.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Has the place of every panic noted, beside what is done about it anyway: who catches one is not told.
pub(super) fn note_places() {
    static NOTED: Once = Once::new();
    // A thread that panics cannot change what is done about it.
    if thread::panicking() {
        return;
    }
    NOTED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A thread that ends has no place for it any more.
            let place = info.location().map(ToString::to_string);
            let _is_noted = PLACE.try_with(|last| last.set(place));
            before(info);
        }));
    });
}

#[cfg(test)]
pub(super) mod tests {
    use std::{sync::Arc, thread};

    use daisy_block::TaskId;

    use super::*;
    use crate::{
        Roi, RunOptions, Task,
        run::{Pipeline, outside, relay::Notifier},
    };

    /// A run of ten blocks that was not begun.
    pub(in crate::run) fn hub() -> Arc<Hub> {
        let block = Roi::new([0], [10]).unwrap();
        let task = Task::builder("task", Roi::new([0], [100]).unwrap(), block.clone(), block)
            .process(|_| ())
            .build()
            .unwrap();
        hub_of(task)
    }

    /// A run of a task that was not begun.
    pub(in crate::run) fn hub_of(task: Task) -> Arc<Hub> {
        let (pipeline, options) = (Arc::new(Pipeline::new(&[task])), RunOptions::new());
        let earlier = pipeline.earlier(&options).unwrap();
        let config = pipeline.config(&options);
        let prepared = outside::prepare(&pipeline, earlier, config, &options, None).unwrap();
        let machine = Machine::new(&pipeline, prepared, (None, Notifier::new(None)), true);
        Arc::new(Hub::new(pipeline, machine, None, false))
    }

    #[test]
    fn the_first_panic_is_kept_and_nothing_is_called_after_it() {
        let hub = hub();
        assert_eq!(hub.lock().turn(|state| state.machine.counts()[0].total), Some(10));
        assert_eq!(hub.watch(|| 1), Some(1));
        assert_eq!(hub.watch(|| panic!("the first")), None::<()>);
        let mut held = hub.lock();
        assert_eq!(held.turn(|_| panic!("never called")), None::<()>);
        drop(held);
        hub.watch(|| panic!("the second"));
        let mut held = hub.lock();
        let Panic { message, at } = held.written().panic().unwrap();
        assert_eq!(message, "the first");
        assert!(at.as_ref().unwrap().contains("held.rs:"), "{at:?}");
        assert_eq!(held.written().standing().counts()[0].pending, 10);
    }

    #[test]
    fn those_who_wait_are_woken() {
        let hub = hub();
        let own = Arc::clone(&hub);
        let (waits, is_waiting) = std::sync::mpsc::channel();
        let waiter = thread::spawn(move || {
            let mut held = own.lock();
            waits.send(()).unwrap();
            while held.turn(|_| ()).is_some() {
                held = held.wait(own.inquiries(TaskId::new(0)), None);
            }
        });
        is_waiting.recv().unwrap();
        assert_eq!(hub.lock().turn(|_| panic!("a panic")), None::<()>);
        waiter.join().unwrap();
    }
}
