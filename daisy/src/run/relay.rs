//! From the machine to the observers: a bounded queue and one thread.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use daisy_sched::Counts;

use super::Error;
use crate::{
    BlockEvent, RunReport,
    observer::{EVENT_QUEUE, Event, ObservedTask, Observer},
};

/// How often observers are told the counts.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The machine's end of the queue.
pub(super) struct Sender {
    queue: SyncSender<Event>,
    wants_blocks: bool,
    wants_failures: bool,
    #[cfg_attr(
        not(all(unix, feature = "workers")),
        allow(dead_code, reason = "there are no worker processes in this build")
    )]
    wants_output: bool,
    dropped: u64,
}

impl Sender {
    #[inline]
    pub(super) const fn wants_blocks(&self) -> bool {
        self.wants_blocks
    }

    pub(super) const fn wants_failures(&self) -> bool {
        self.wants_failures
    }

    /// The queue for those who may wait until there is room, if anybody wants to hear of workers' output.
    #[cfg(all(unix, feature = "workers"))]
    pub(super) fn for_output(&self) -> Option<SyncSender<Event>> {
        self.wants_output.then(|| self.queue.clone())
    }

    /// Queues an event, or counts it as dropped.
    pub(super) fn send(&mut self, event: Event) {
        self.dropped += u64::from(self.queue.try_send(event).is_err());
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Asks the machine for its counts.
pub(super) type CountsFn = Box<dyn Fn() -> Vec<Counts> + Send>;

/// The observers before the run, then the thread that calls them.
pub(super) struct Relay {
    queue: Receiver<Event>,
    observers: Vec<Box<dyn Observer>>,
}

impl Relay {
    /// Both ends of the queue; None if nobody watches.
    pub(super) fn new(observers: Vec<Box<dyn Observer>>) -> Option<(Sender, Self)> {
        if observers.is_empty() {
            return None;
        }
        let (sender, queue) = sync_channel(EVENT_QUEUE);
        let wants_blocks = observers.iter().any(|observer| observer.wants_blocks());
        let wants_failures = observers.iter().any(|observer| observer.wants_failures());
        let wants_output = observers.iter().any(|observer| observer.wants_output());
        let sender =
            Sender { queue: sender, wants_blocks, wants_failures, wants_output, dropped: 0 };
        Some((sender, Self { queue, observers }))
    }

    /// Starts the thread.
    pub(super) fn start(
        self,
        tasks: Vec<ObservedTask>,
        counts: CountsFn,
    ) -> Result<JoinHandle<()>, Error> {
        let watch = move || Watch { observers: self.observers }.run(&self.queue, &tasks, &counts);
        Builder::new().name("daisy observers".to_owned()).spawn(watch).map_err(Error::Thread)
    }
}

/// Ends the thread: the last thing observers hear is the report.
pub(super) fn finish(
    sender: Sender,
    thread: JoinHandle<()>,
    report: &RunReport,
    counts: Vec<Counts>,
) {
    // Waits until there is room, since this event must not get lost; fails if the thread is gone.
    let _ = sender.queue.send(Event::Ended { report: Box::new(report.clone()), counts });
    drop(sender);
    let _ = thread.join();
}

/// The thread that calls the observers.
struct Watch {
    observers: Vec<Box<dyn Observer>>,
}

impl Watch {
    fn run(mut self, queue: &Receiver<Event>, tasks: &[ObservedTask], counts: &CountsFn) {
        self.each(|observer| observer.run_started(tasks));
        let mut next = Instant::now();
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            match queue.recv_timeout(wait) {
                Ok(Event::Ended { report, counts }) => {
                    self.each(|observer| observer.progress(&counts));
                    self.each(|observer| observer.run_ended(&report));
                    return;
                }
                Ok(event) => self.tell(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= next {
                let counts = counts();
                self.each(|observer| observer.progress(&counts));
                next = Instant::now() + PROGRESS_EVERY;
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let (key, event) = match event {
            Event::TaskStarted { task } => return self.each(|each| each.task_started(task)),
            Event::TaskEnded { task } => return self.each(|each| each.task_ended(task)),
            Event::Said(line) => {
                return self.each_who(|each| each.wants_output(), |each| each.worker_said(&line));
            }
            Event::Granted { key, attempt } => {
                return self
                    .each_who(|each| each.wants_blocks(), |each| each.block_granted(key, attempt));
            }
            Event::Completed { key } => (key, BlockEvent::Completed),
            Event::Skipped { key } => (key, BlockEvent::Skipped),
            Event::Overdue { key } => (key, BlockEvent::Overdue),
            Event::Retry { key, attempts, why } => (key, BlockEvent::Retry { attempts, why }),
            Event::Failed { key, attempts, why } => (key, BlockEvent::Failed { attempts, why }),
            Event::PutBack { key } => (key, BlockEvent::PutBack),
            Event::Ended { .. } => return,
        };
        let wants: fn(&dyn Observer) -> bool = match event {
            BlockEvent::Retry { .. } | BlockEvent::Failed { .. } => |each| each.wants_failures(),
            _ => |each| each.wants_blocks(),
        };
        self.each_who(wants, |each| each.block_settled(key, &event));
    }

    fn each_who(
        &mut self,
        wants: fn(&dyn Observer) -> bool,
        mut call: impl FnMut(&mut dyn Observer),
    ) {
        self.each(|observer| {
            if wants(observer) {
                call(observer);
            }
        });
    }

    /// Calls every observer; one that panics is let go.
    fn each(&mut self, mut call: impl FnMut(&mut dyn Observer)) {
        self.observers.retain_mut(|observer| {
            catch_unwind(AssertUnwindSafe(|| call(observer.as_mut()))).is_ok()
        });
    }
}
