//! The processes that a run has started, and the workers in them.
//!
//! A process *is* a worker if a client in it has joined under its number. Others are launchers (`srun`, `ssh`), whose
//! workers are elsewhere.
//!
//! ```text
//!              a client joins from within it
//!  launcher --------------------------------> home of workers
//!     | ended with 0                             | ended: all its workers had said goodbye
//!     |--------------> Launched                  |--------------> Left
//!     | ended otherwise                          | ended: some had not
//!     '--------------> Failed                    '--------------> Died
//! ```

use std::collections::{BTreeMap, BTreeSet};

use daisy_block::TaskId;
use daisy_net::wire::Hello;
use daisy_sched::{Cause, Coordinator, Ending, KillReason, WorkerId};

/// The exit code of a worker that ended because its run is lost to it, or it was told or asked to: nobody's
/// fault, whether its goodbye arrived or not.
pub const EXIT_LOST: i32 = 75;

/// The processes that a run has started and that have not ended.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    /// The name of this machine: a client elsewhere may have the same process id.
    host: String,
    running: BTreeMap<WorkerId, Process>,
}

#[derive(Clone, Debug)]
struct Process {
    task: TaskId,
    pid: u32,
    /// The workers that joined from within it and have not left.
    clients: BTreeSet<WorkerId>,
    /// A worker has joined from within it.
    had_clients: bool,
    /// The worker as which it was started has joined from within it.
    is_worker: bool,
}

/// How a process is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The worker as which the process was started.
    pub process: WorkerId,
    /// It is asked to end and has some time for it, so that a launcher can end what it launched; else it is killed.
    pub is_polite: bool,
}

/// A process that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The task for which it was started.
    pub task: TaskId,
    /// What that means.
    pub end: ProcessEnd,
}

/// What the end of a process means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessEnd {
    /// Its workers had said goodbye, or lost their run.
    Left,
    /// Some of its workers had not.
    Died,
    /// No worker joined from within it, and it says that all is well.
    Launched,
    /// No worker joined from within it.
    Failed,
}

impl ProcessEnd {
    /// Whether the end says something of the worker as which the process was started. A launcher's end is none of a
    /// worker that has joined from elsewhere.
    #[must_use]
    pub fn concerns(self, process: WorkerId, coordinator: &Coordinator) -> bool {
        let is_launcher = matches!(self, Self::Launched | Self::Failed);
        !is_launcher || coordinator.is_starting(process)
    }

    /// What the coordinator is told; `cause` gives what the process said.
    #[must_use]
    pub fn ending(self, cause: impl FnOnce() -> Cause) -> Ending {
        match self {
            Self::Left => Ending::Left,
            Self::Launched => Ending::HandedOn,
            Self::Died | Self::Failed => Ending::Died(cause()),
        }
    }
}

impl Processes {
    /// None yet, on the machine of that name.
    #[must_use]
    pub const fn new(host: String) -> Self {
        Self { host, running: BTreeMap::new() }
    }

    /// A process was started as a worker of a task.
    pub fn started(&mut self, worker: WorkerId, task: TaskId, pid: u32) {
        let (clients, had_clients, is_worker) = (BTreeSet::new(), false, false);
        self.running.insert(worker, Process { task, pid, clients, had_clients, is_worker });
    }

    /// The process that a hello comes from, if it is one of these: host and process id are its own.
    #[must_use]
    pub fn process_of(&self, hello: &Hello) -> Option<WorkerId> {
        let worker = WorkerId(hello.worker?);
        let process = self.home_of(worker).unwrap_or(worker);
        let running = self.running.get(&process)?;
        (running.pid == hello.pid && self.host == hello.host).then_some(process)
    }

    /// A worker has joined from within a process.
    pub fn joined(&mut self, process: WorkerId, worker: WorkerId) {
        if let Some(running) = self.running.get_mut(&process) {
            running.clients.insert(worker);
            running.had_clients = true;
            running.is_worker |= process == worker;
        }
    }

    /// A worker has said goodbye; the end of its process is no death of it. False if its process is not here, or is
    /// not its own alone.
    pub fn left(&mut self, worker: WorkerId) -> bool {
        let Some(process) = self.home_of(worker) else { return false };
        if let Some(running) = self.running.get_mut(&process) {
            running.clients.remove(&worker);
        }
        process == worker
    }

    /// Whether a worker that is to end is told so on its connection, which ends it at once: a child that is asked to go
    /// has some time to finish its block.
    #[must_use]
    pub fn is_told(&self, worker: WorkerId, reason: KillReason) -> bool {
        reason != KillReason::Drained || self.home_of(worker).is_none()
    }

    /// The process to be stopped for a worker that is to end, if there is one: the one it is in, or the one that
    /// launches it; not one that it has said goodbye to and that others are in.
    #[must_use]
    pub fn to_stop(&self, worker: WorkerId, reason: KillReason) -> Option<Stop> {
        let is_own = |running: &Process| running.is_worker || !running.had_clients;
        let is_here = || self.running.get(&worker).is_some_and(is_own);
        let process = self.home_of(worker).or_else(|| is_here().then_some(worker))?;
        let is_launcher = !self.running.get(&process)?.had_clients;
        Some(Stop { process, is_polite: is_launcher || reason == KillReason::Drained })
    }

    /// A process has ended with an exit code, or by a signal; None if it is none of these.
    pub fn ended(&mut self, process: WorkerId, exit_code: Option<i32>) -> Option<Ended> {
        let Process { task, clients, had_clients, .. } = self.running.remove(&process)?;
        let has_left = clients.is_empty() || exit_code == Some(EXIT_LOST);
        let end = match (had_clients, exit_code) {
            (true, _) if has_left => ProcessEnd::Left,
            (true, _) => ProcessEnd::Died,
            (false, Some(0)) => ProcessEnd::Launched,
            (false, _) => ProcessEnd::Failed,
        };
        Some(Ended { task, end })
    }

    /// The workers as which processes were started that have not ended, with their process ids.
    pub fn running(&self) -> impl Iterator<Item = (WorkerId, u32)> {
        self.running.iter().map(|(&worker, process)| (worker, process.pid))
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The process that a worker joined from, if it is one of these.
    fn home_of(&self, worker: WorkerId) -> Option<WorkerId> {
        let is_in = |running: &Process| running.clients.contains(&worker);
        if self.running.get(&worker).is_some_and(is_in) {
            return Some(worker);
        }
        let mut all = self.running.iter();
        all.find(|(_, running)| is_in(running)).map(|(&process, _)| process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId::new(0);

    fn hello(worker: u64, pid: u32, host: &str) -> Hello {
        let host = host.to_owned();
        Hello { worker: Some(worker), pid, host, ..Hello::default() }
    }

    fn one() -> Processes {
        let mut processes = Processes::new("here".to_owned());
        processes.started(WorkerId(1), TASK, 100);
        processes
    }

    #[test]
    fn only_the_same_process_on_the_same_host_is_a_child() {
        let processes = one();
        assert_eq!(processes.process_of(&hello(1, 100, "here")), Some(WorkerId(1)));
        assert_eq!(processes.process_of(&hello(1, 101, "here")), None);
        assert_eq!(processes.process_of(&hello(1, 100, "there")), None);
        assert_eq!(processes.process_of(&hello(2, 100, "here")), None);
    }

    #[test]
    fn a_launcher_is_asked_and_a_worker_killed() {
        let mut processes = one();
        let stop = |processes: &Processes, worker, reason| {
            processes.to_stop(WorkerId(worker), reason).map(|stop| (stop.process.0, stop.is_polite))
        };
        assert_eq!(stop(&processes, 1, KillReason::Silent), Some((1, true)));
        processes.joined(WorkerId(1), WorkerId(1));
        processes.joined(WorkerId(1), WorkerId(7));
        assert_eq!(stop(&processes, 1, KillReason::Silent), Some((1, false)));
        assert_eq!(stop(&processes, 7, KillReason::Drained), Some((1, true)));
        assert_eq!(stop(&processes, 8, KillReason::Silent), None);
        let is_told = |worker, reason| processes.is_told(WorkerId(worker), reason);
        assert!(is_told(7, KillReason::Silent) && is_told(8, KillReason::Drained));
        assert!(!is_told(7, KillReason::Drained));
        // One that has left, in a process that it was started in.
        assert!(processes.left(WorkerId(1)) && !processes.left(WorkerId(1)));
        assert_eq!(stop(&processes, 1, KillReason::Silent), Some((1, false)));
    }

    #[test]
    fn what_the_end_of_a_process_means() {
        let ended = |clients: &[u64], left: &[u64], code| {
            let mut processes = one();
            clients.iter().for_each(|&worker| processes.joined(WorkerId(1), WorkerId(worker)));
            left.iter().for_each(|&worker| {
                processes.left(WorkerId(worker));
            });
            let ended = processes.ended(WorkerId(1), code).unwrap();
            assert!(processes.is_empty() && processes.ended(WorkerId(1), code).is_none());
            (ended.task, ended.end)
        };
        assert_eq!(ended(&[], &[], Some(0)), (TASK, ProcessEnd::Launched));
        assert_eq!(ended(&[], &[], Some(1)), (TASK, ProcessEnd::Failed));
        assert_eq!(ended(&[], &[], None), (TASK, ProcessEnd::Failed));
        assert_eq!(ended(&[1, 7], &[1], Some(0)), (TASK, ProcessEnd::Died));
        assert_eq!(ended(&[1, 7], &[1, 7], Some(3)), (TASK, ProcessEnd::Left));
        assert_eq!(ended(&[1], &[], Some(EXIT_LOST)), (TASK, ProcessEnd::Left));
        assert_eq!(ended(&[1], &[], None), (TASK, ProcessEnd::Died));
    }
}
