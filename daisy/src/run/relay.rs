//! From the machine to the observers: a bounded queue and one thread.

use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use daisy_sched::Counts;

use super::{Error, stop::Stopper};
use crate::{
    BlockEvent, Notice, RunReport,
    observer::{EVENT_QUEUE, Event, ObservedTask, Observer},
};

/// How often observers are told the counts.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// How often the end of a run looks for room in the queue.
const ROOM_EVERY: Duration = Duration::from_millis(5);

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

/// By which threads of a run, and those who prepare it, say something of it as a whole.
#[derive(Clone)]
pub(super) struct Notifier(Option<SyncSender<Event>>);

impl Notifier {
    pub(super) fn new(relay: Option<&Relay>) -> Self {
        Self(relay.map(|relay| relay.queue.clone()))
    }

    /// Not to be called with the lock held: standard error may take its time.
    pub(super) fn tell(&self, notice: Notice) {
        match &self.0 {
            Some(queue) => {
                if let Err(TrySendError::Full(Event::Noticed(notice))) =
                    queue.try_send(Event::Noticed(notice))
                {
                    say(&notice);
                }
            }
            None => say(&notice),
        }
    }

    /// As [`tell`](Self::tell), from behind the lock.
    pub(super) fn tell_aside(&self, notice: Notice) {
        let own = self.clone();
        // Without a thread there is nothing that could say so.
        let _is_started =
            Builder::new().name("daisy notice".to_owned()).spawn(move || own.tell(notice));
    }
}

/// Where no observer wants to hear of it: standard error, which may be closed.
fn say(notice: &Notice) {
    let _is_heard = writeln!(io::stderr(), "\ndaisy: {notice}");
}

/// The thread that calls the observers, from the first moment of a run on.
pub(super) struct Relay {
    queue: SyncSender<Event>,
    thread: JoinHandle<()>,
    stopper: Arc<Stopper>,
}

impl Relay {
    /// Starts the thread, and makes the machine's end of the queue; None if nobody watches. A panic in it
    /// ends the run that `stopper` knows.
    pub(super) fn start(
        observers: Vec<Box<dyn Observer>>,
        stopper: &Arc<Stopper>,
    ) -> Result<Option<(Sender, Self)>, Error> {
        if observers.is_empty() {
            return Ok(None);
        }
        let (queue, events) = sync_channel(EVENT_QUEUE);
        let wants_blocks = observers.iter().any(|observer| observer.wants_blocks());
        let wants_failures = observers.iter().any(|observer| observer.wants_failures());
        let wants_output = observers.iter().any(|observer| observer.wants_output());
        let own = Arc::clone(stopper);
        let watch = move || {
            own.watch(|| Watch { observers, counts: None }.run(&events));
            own.note_observed();
        };
        let thread = Builder::new().name("daisy observers".to_owned()).spawn(watch);
        let thread = thread.map_err(Error::Thread)?;
        let relay = Self { queue: queue.clone(), thread, stopper: Arc::clone(stopper) };
        Ok(Some((Sender { queue, wants_blocks, wants_failures, wants_output, dropped: 0 }, relay)))
    }

    /// The run begins.
    pub(super) fn begin(&self, tasks: Vec<ObservedTask>, counts: CountsFn) {
        // Waits until there is room, since this event must not get lost; fails if the thread is gone.
        let _is_heard = self.queue.send(Event::Started { tasks, counts });
    }

    /// Ends the thread: the last thing observers hear is the report. Not waited for by whoever leaves the run.
    pub(super) fn finish(
        self,
        others: (Option<Sender>, Notifier),
        report: &RunReport,
        counts: Vec<Counts>,
    ) {
        drop(others);
        let mut ended = Event::Ended { report: Box::new(report.clone()), counts };
        let Self { queue, thread, stopper } = self;
        // It fails, too, if the thread is gone.
        while let Err(TrySendError::Full(event)) = queue.try_send(ended) {
            if stopper.is_left_within(ROOM_EVERY) {
                return;
            }
            ended = event;
        }
        drop(queue);
        if stopper.wait_for_observers() {
            let _is_over = thread.join();
        }
    }
}

/// Asks the machine for its counts.
type CountsFn = Box<dyn Fn() -> Vec<Counts> + Send>;

/// What that thread does.
struct Watch {
    observers: Vec<Box<dyn Observer>>,
    /// None before the run has begun.
    counts: Option<CountsFn>,
}

impl Watch {
    fn run(mut self, queue: &Receiver<Event>) {
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
                if let Some(counts) = self.counts.as_ref().map(|counts| counts()) {
                    self.each(|observer| observer.progress(&counts));
                }
                next = Instant::now() + PROGRESS_EVERY;
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let (key, event) = match event {
            Event::Started { tasks, counts } => {
                self.counts = Some(counts);
                return self.each(|observer| observer.run_started(&tasks));
            }
            Event::Noticed(notice) => {
                if !self.observers.iter().any(|observer| observer.wants_notices()) {
                    return say(&notice);
                }
                return self.each(|each| each.noticed(&notice));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;
    impl Observer for Deaf {}

    #[test]
    fn a_thread_of_observers_that_panics_ends_its_run() {
        let stopper = Arc::new(Stopper::default());
        let (sender, relay) = Relay::start(vec![Box::new(Deaf)], &stopper).unwrap().unwrap();
        relay.begin(Vec::new(), Box::new(|| panic!("the counts are lost")));
        // The queue is open until then: a thread that finds it closed ends before it asks for counts.
        relay.thread.join().unwrap();
        drop((sender, relay.queue));
        // Told as soon as there is a run.
        let hub = crate::run::held::tests::hub();
        stopper.attach(&hub);
        assert_eq!(hub.lock().written().panic().unwrap().message, "the counts are lost");
    }
}
