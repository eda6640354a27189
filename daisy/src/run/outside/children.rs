//! Worker processes that this run started: started, killed and reaped here and nowhere else.
//!
//! Each is the leader of a process group of its own, writes to a file of its own (never to a pipe of
//! the server, whose death would break it), and is reaped under the hub's lock, where it is killed too, and only
//! when nothing is left of its group: so a signal never reaches a process or a group that only has the same number.
//!
//! ```text
//!            asked to end (SIGTERM)              after the grace (SIGKILL)
//!  running ------------------------> asked -------------------------------.
//!     |  '------------- killed (the leader by SIGKILL, the others asked) --+--> leader ended --> reaped
//!     '---------------------------- ends by itself -----------------------'    (others asked, killed after the grace)
//! ```
//!
//! Which workers are in them, and what the end of one means, [`Processes`] knows.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

use daisy_block::TaskId;
use daisy_run::{Ended, ProcessEnd, Processes};
use daisy_sched::{KillReason, WorkerId};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{group, output::Heard};
use crate::{Context, Task, run::plain::plain, task::WorkerCommand, workers::worker::host_name};

/// After SIGTERM a worker has so long to end.
const TERM_GRACE: Duration = Duration::from_millis(500);
/// How much of the end of a worker's output goes into the report.
const TAIL_BYTES: u64 = 2_048;
const TAIL_LINES: usize = 12;
/// How much of a task's name names its folder: file systems know 255 bytes, some fewer.
const NAME_BYTES: usize = 100;

/// All worker processes of a run.
pub(in crate::run) struct Children {
    context: Context,
    logs: PathBuf,
    pub(super) processes: Processes,
    running: BTreeMap<WorkerId, Running>,
    /// Who reads what they write, if anybody does.
    ear: Option<Sender<Heard>>,
    /// No process is to be killed before.
    next_kill: Option<Instant>,
}

struct Running {
    child: Child,
    log: PathBuf,
    /// What is left of it then is killed.
    kill_at: Option<Instant>,
    /// The leader has ended; others of its group have not.
    has_ended: bool,
}

/// A process that has ended.
pub(in crate::run) struct Gone {
    pub(in crate::run) worker: WorkerId,
    pub(in crate::run) task: TaskId,
    pub(in crate::run) end: ProcessEnd,
    /// How it ended and what it said last, if that is of interest.
    pub(in crate::run) text: String,
}

impl Children {
    pub(super) fn new(context: Context, logs: PathBuf) -> Self {
        let (processes, running) = (Processes::new(host_name()), BTreeMap::new());
        Self { context, logs, processes, running, ear: None, next_kill: None }
    }

    pub(super) const fn context(&self) -> &Context {
        &self.context
    }

    /// From now on `ear` hears of processes that start and end; of None nobody does.
    pub(super) fn set_ear(&mut self, ear: Option<Sender<Heard>>) {
        self.ear = ear;
    }

    /// Starts a worker process of a task.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::run) fn start(
        &mut self,
        worker: WorkerId,
        id: TaskId,
        task: &Task,
        command: &WorkerCommand,
    ) -> io::Result<()> {
        let log = self.logs.join(log_path(task.name(), worker));
        log.parent().map_or(Ok(()), fs::create_dir_all)?;
        let out = OpenOptions::new().create(true).append(true).open(&log)?;
        let is_for_leader = matches!(command, WorkerCommand::Itself);
        let context = self.context.for_task(task.name());
        let context = Context { worker: Some(worker.0), is_for_leader, ..context };
        let mut command = match command {
            WorkerCommand::Itself => {
                let mut command = Command::new(this_program()?);
                let mut words = std::env::args_os();
                words.next().into_iter().for_each(|name| {
                    command.arg0(name);
                });
                command.args(words);
                command
            }
            WorkerCommand::Program(words) => {
                let (program, arguments) = words
                    .split_first()
                    .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
        };
        let from = out.metadata()?.len();
        let child = command
            .env(Context::VARIABLE, context.to_string())
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()?;
        self.tell(|| Heard::Started { worker, task: id, log: log.clone(), from });
        self.processes.started(worker, id, child.id());
        self.running.insert(worker, Running { child, log, kill_at: None, has_ended: false });
        Ok(())
    }

    fn tell(&self, heard: impl FnOnce() -> Heard) {
        if let Some(ear) = &self.ear {
            // It listens for as long as there is a sender.
            let _is_heard = ear.send(heard());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Ends the process of a worker, if there is one.
    pub(super) fn kill(&mut self, worker: WorkerId, reason: KillReason) {
        if let Some(stop) = self.processes.to_stop(worker, reason) {
            self.end(stop.process, stop.is_polite);
        }
    }

    fn end(&mut self, process: WorkerId, is_polite: bool) {
        let Some(running) = self.running.get_mut(&process) else { return };
        running.signal(Signal::SIGTERM);
        if !is_polite {
            running.kill_leader();
        }
        let at = *running.kill_at.get_or_insert_with(|| Instant::now() + TERM_GRACE);
        self.next_kill = Some(self.next_kill.map_or(at, |next| next.min(at)));
    }

    /// Ends all processes: politely at first.
    pub(super) fn kill_all(&mut self) {
        let workers: Vec<WorkerId> = self.running.keys().copied().collect();
        workers.into_iter().for_each(|process| self.end(process, true));
    }

    /// Ends all processes without asking: this one is about to leave.
    pub(in crate::run) fn end_all(&mut self) {
        self.running.values().for_each(|running| running.signal(Signal::SIGKILL));
    }

    /// When those are to be killed that were asked to end and do not: [`look_after`](Self::look_after)
    /// is wanted then.
    pub(super) const fn next_kill(&self) -> Option<Instant> {
        self.next_kill
    }

    /// Kills those that did not end when they were asked to.
    pub(super) fn look_after(&mut self, now: Instant) {
        if self.next_kill.is_none_or(|at| now < at) {
            return;
        }
        for running in self.running.values_mut() {
            if running.kill_at.is_some_and(|at| at <= now) {
                running.kill_at = None;
                running.signal(Signal::SIGKILL);
            }
        }
        self.next_kill = self.running.values().filter_map(|running| running.kill_at).min();
    }

    /// Takes away the processes that have ended, and what they started with them: nothing else knows of that.
    pub(in crate::run) fn reap(&mut self) -> Vec<Gone> {
        let mut gone = Vec::new();
        let (mut next_kill, processes) = (self.next_kill, &mut self.processes);
        self.running.retain(|&worker, running| {
            let is_there =
                if running.has_ended { Some(true) } else { group::ended(&mut running.child) };
            let Some(is_there) = is_there else { return true };
            let is_killed = running.has_ended && running.kill_at.is_none();
            if is_there && !is_killed && group::has_others(running.child.id()) {
                if !std::mem::replace(&mut running.has_ended, true) {
                    running.signal(Signal::SIGTERM);
                    let at = *running.kill_at.get_or_insert_with(|| Instant::now() + TERM_GRACE);
                    next_kill = Some(next_kill.map_or(at, |next| next.min(at)));
                }
                return true;
            }
            if is_there {
                running.signal(Signal::SIGKILL);
            }
            let status = running.child.try_wait().ok().flatten();
            let ended = processes.ended(worker, status.and_then(|status| status.code()));
            gone.extend(ended.map(|ended| running.gone(worker, status, ended)));
            false
        });
        self.next_kill = next_kill;
        gone.iter().for_each(|gone| self.tell(|| Heard::Gone(gone.worker)));
        gone
    }
}

impl Running {
    /// Signals the whole group. An error means that there is nobody left.
    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _is_there = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// Ends the process itself; it is not reaped yet, so that its number is its own.
    fn kill_leader(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _is_there = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn gone(&self, worker: WorkerId, status: Option<ExitStatus>, ended: Ended) -> Gone {
        let Ended { task, end } = ended;
        let text = match end {
            ProcessEnd::Left | ProcessEnd::Launched => String::new(),
            ProcessEnd::Died | ProcessEnd::Failed => obituary(worker, status, &self.log),
        };
        Gone { worker, task, end, text }
    }
}

/// The program that runs here, also where another one has its name by now.
fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// How a worker ended and what it said last.
fn obituary(worker: WorkerId, status: Option<ExitStatus>, log: &Path) -> String {
    let how = match status {
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => {
                let name = Signal::try_from(signal).map_or("", Signal::as_str);
                format!("signal {signal} {name}").trim_end().to_owned()
            }
            (None, None) => "an unknown status".to_owned(),
        },
        None => "an unknown status".to_owned(),
    };
    let tail = tail(log).unwrap_or_default();
    let said = if tail.is_empty() {
        "it said nothing".to_owned()
    } else {
        format!("it said last:\n{tail}")
    };
    format!("worker process {worker} ended with {how}; {said}\n(all of it: {})", log.display())
}

/// The last lines of a file.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> = text.lines().map(|line| plain(line.as_bytes(), bytes.len())).collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    Ok(lines.get(first..).unwrap_or_default().join("\n").trim().to_owned())
}

/// Where what a worker prints is kept, in the folder of logs. As messages say it, `w5@1` is the fifth worker that was
/// started or came in the second start of a run.
#[doc(hidden)]
#[must_use]
pub fn log_path(task: &str, worker: WorkerId) -> PathBuf {
    let number = worker.to_string();
    Path::new(&file_name(task)).join(format!("worker_{}.log", number.trim_start_matches('w')))
}

/// A task's name as the name of a folder; of one that is cut, a number made of all of it is left.
fn file_name(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' };
    let mut kept: String = name.chars().map(keep).collect();
    if kept.len() > NAME_BYTES {
        let end = (0..=NAME_BYTES).rev().find(|&end| kept.is_char_boundary(end));
        kept.truncate(end.unwrap_or(0));
        // FNV-1a.
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        kept.push_str(&format!("-{hash:016x}"));
    }
    if kept.trim_matches('.').is_empty() { "_".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn what_a_worker_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let context = "address=127.0.0.1%3A9:task=:key=none".parse().unwrap();
        let mut children = Children::new(context, folder.path().to_path_buf());
        let block = daisy_geometry::Roi::new([0], [10]).unwrap();
        let task = Task::builder("task", block.clone(), block.clone(), block).num_workers(0);
        let task = task.build().unwrap();
        let words = ["sh", "-c", "sleep 600 & echo $!"].map(Into::into);
        let command = WorkerCommand::Program(words.to_vec().into());
        children.start(WorkerId(1), TaskId::new(0), &task, &command).unwrap();
        while children.reap().is_empty() {
            std::thread::yield_now();
        }
        let pid = fs::read_to_string(folder.path().join("task/worker_1.log")).unwrap();
        let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        while !state().is_empty() && !state().contains(") Z") {
            std::thread::yield_now();
        }
    }

    #[test]
    fn names_of_tasks_never_leave_the_folder() {
        assert_eq!(file_name("smooth 1.5"), "smooth 1.5");
        assert_eq!(file_name("../etc/x"), ".._etc_x");
        assert_eq!(file_name(".."), "_");
        assert_eq!(file_name(&"a".repeat(100)), "a".repeat(100));
    }

    #[test]
    fn long_names_of_tasks_are_cut_by_bytes_and_differ() {
        let names = [("名", 86, 99), ("名", 87, 99), ("a", 101, 100), ("ä", 500, 100)];
        let cut = names.map(|(char, count, kept)| {
            let name = file_name(&char.repeat(count));
            assert_eq!(name.len(), kept + 17, "{name}");
            name
        });
        assert_ne!(cut[0], cut[1]);
    }
}
