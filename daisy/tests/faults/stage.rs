//! One run with all its processes: started, signalled, watched, and ended with it.
//!
//! The processes of a stage are found by its folder, which stands in their environment: also those whose
//! server is gone. Every wait ends with the time of the stage, and dropping the stage kills whatever is
//! left; so a test that fails, or takes too long, leaves nobody behind.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use daisy::{
    Context,
    journal::{self, Contents},
};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    history::Event,
    plan::{FOLDER, GO, Plan},
};

/// How often a stage looks whether what it waits for has happened.
const LOOK: Duration = Duration::from_millis(5);

/// Waits; nothing wakes it.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        thread::park_timeout(left);
    }
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// See the module's text.
pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) plan: Plan,
    server: Option<Child>,
    /// Workers that came by themselves.
    remote: Vec<Child>,
    deadline: Instant,
    /// What was read of the history, and how far.
    events: Vec<Event>,
    read: u64,
}

impl Stage {
    /// A stage that must be over within `limit`.
    pub(crate) fn new(plan: Plan, limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let deadline = Instant::now() + limit;
        Self {
            folder,
            plan,
            server: None,
            remote: Vec::new(),
            deadline,
            events: Vec::new(),
            read: 0,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    // ---- the server ----

    pub(crate) fn start_server(&mut self) {
        assert!(self.server.is_none(), "a stage has one server");
        self.note("start", 0);
        let out = OpenOptions::new().create(true).append(true).open(self.path("server")).unwrap();
        let command = self.plan.command(self.folder(), "server_entry");
        let server = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .process_group(0)
            .spawn();
        self.server = Some(server.unwrap());
    }

    pub(crate) fn server_pid(&self) -> i32 {
        i32::try_from(self.server.as_ref().expect("there is a server").id()).unwrap()
    }

    /// SIGKILL, and it is gone.
    pub(crate) fn kill_server(&mut self) {
        let pid = self.server_pid();
        self.note("crash", pid);
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Whether the server has ended by itself, and its exit code.
    pub(crate) fn server_code(&mut self) -> Option<i32> {
        let status = self.server.as_mut().expect("there is a server").try_wait().unwrap()?;
        self.server = None;
        Some(status.code().unwrap_or(-1))
    }

    /// Waits until the server has ended by itself; its exit code.
    pub(crate) fn wait_server(&mut self) -> i32 {
        loop {
            if let Some(code) = self.server_code() {
                return code;
            }
            self.look("the server ends");
        }
    }

    /// What the last server that ended by itself said of the run.
    pub(crate) fn report(&self) -> Value {
        let text = fs::read_to_string(self.path("report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn journal(&self) -> Contents {
        journal::inspect(self.path("journal")).unwrap()
    }

    /// The context for workers of a task that nobody starts, once the server listens.
    pub(crate) fn context(&self, task: &str) -> String {
        loop {
            if let Ok(context) = Context::from_file(self.path("connection"), Some(task)) {
                return context.to_string();
            }
            self.look("the server listens");
        }
    }

    // ---- what happened ----

    /// Adds a line about a process to the history.
    pub(crate) fn note(&self, what: &str, pid: i32) {
        let path = self.path("history");
        let mut history = OpenOptions::new().create(true).append(true).open(path).unwrap();
        history.write_all(format!("{what} - 0 0 0 {pid}\n").as_bytes()).unwrap();
    }

    /// Everything that has happened so far.
    pub(crate) fn events(&mut self) -> &[Event] {
        if let Ok(mut file) = File::open(self.path("history")) {
            file.seek(SeekFrom::Start(self.read)).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            self.read += whole as u64;
            self.events.extend(text[..whole].lines().map(Event::parse));
        }
        &self.events
    }

    /// Waits until something has happened.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut seen: impl FnMut(&[Event]) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = seen(self.events()) {
                return found;
            }
            if let Some(Ok(Some(status))) = self.server.as_mut().map(Child::try_wait) {
                // What it did last may be what is waited for.
                if let Some(found) = seen(self.events()) {
                    return found;
                }
                panic!("the server has ended ({status}), but not: {what}\n{}", self.words());
            }
            self.look(what);
        }
    }

    /// Waits until something is so.
    pub(crate) fn until_true(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        while !is_so(self) {
            self.look(what);
        }
    }

    fn look(&self, what: &str) {
        assert!(Instant::now() < self.deadline, "never, in time: {what}\n{}", self.words());
        pause(LOOK);
    }

    /// What everybody said last.
    pub(crate) fn words(&self) -> String {
        let tail = |path: &Path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(20)..].join("\n")
        };
        let names = ["server", "history", "remote"];
        names.map(|name| format!("---- {name}\n{}", tail(&self.path(name)))).join("\n")
    }

    // ---- workers ----

    /// Worker processes that live, children of a server or not.
    pub(crate) fn workers(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = processes_of(self.folder())
            .into_iter()
            .filter(|(_, environment)| contains(environment, b"\0DAISY_CONTEXT="))
            .map(|(pid, _)| pid)
            .collect();
        pids.sort_unstable();
        pids
    }

    /// Lets the block end that the plan holds.
    pub(crate) fn let_go(&self) {
        fs::write(self.path(GO), "").unwrap();
    }

    /// Starts a worker that no server knows of, by a command that runs what follows it (where it is empty,
    /// on this machine). Once it has begun its first block its process is known.
    pub(crate) fn start_worker(&mut self, task: &str, within: Command) {
        let out = OpenOptions::new().create(true).append(true).open(self.path("remote")).unwrap();
        let mut command = within;
        let worker = command
            .args(self.plan.command(self.folder(), "worker_entry"))
            .env("DAISY_CONTEXT", self.context(task))
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .process_group(0)
            .spawn();
        self.remote.push(worker.unwrap());
    }

    /// How many worker processes were started by servers: each has a file of its own.
    pub(crate) fn num_started(&self, task: &str) -> usize {
        fs::read_dir(self.path("logs").join(task)).map_or(0, Iterator::count)
    }

    /// Notes a signal and sends it.
    pub(crate) fn signal(&self, what: &str, pid: i32, signal: Signal) {
        self.note(what, pid);
        // It may have ended meanwhile.
        let _is_there = signal::kill(Pid::from_raw(pid), signal);
    }

    /// Waits until no worker of this stage lives.
    pub(crate) fn until_no_workers(&self) {
        self.until_true("no worker lives", |stage| stage.workers().is_empty());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _was_there = server.kill();
            let _is_reaped = server.wait();
        }
        for worker in &mut self.remote {
            let _was_there = worker.kill();
            let _is_reaped = worker.wait();
        }
        let end = Instant::now() + Duration::from_secs(5);
        // One that was being started may show only now.
        while Instant::now() < end {
            let left = processes_of(self.folder.path());
            if left.is_empty() {
                break;
            }
            for (pid, _) in left {
                let _is_there = signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            pause(LOOK);
        }
        if thread::panicking() && std::env::var_os("DAISY_FAULTS_KEEP").is_some() {
            let kept = std::env::temp_dir().join(format!("faults-{}", std::process::id()));
            let _is_kept = Command::new("cp").arg("-r").arg(self.folder.path()).arg(&kept).status();
            eprintln!("kept: {}", kept.display());
        }
    }
}

/// Processes in whose environment a folder stands, with that environment. The dead have none.
fn processes_of(folder: &Path) -> Vec<(i32, Vec<u8>)> {
    let mark = format!("{FOLDER}={}\0", folder.display()).into_bytes();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let with_environment = pids.filter_map(|pid| {
        let mut environment = vec![0];
        File::open(format!("/proc/{pid}/environ")).ok()?.read_to_end(&mut environment).ok()?;
        Some((pid, environment))
    });
    with_environment.filter(|(_, environment)| contains(environment, &mark)).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Whether a process lives; one that is dead and not reaped does not.
pub(crate) fn lives(pid: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = state.rsplit(") ").next().unwrap_or_default();
    !after_name.is_empty() && !after_name.starts_with(['Z', 'X'])
}
