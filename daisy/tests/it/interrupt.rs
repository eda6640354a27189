//! Ctrl-C, sent to a child process: this test binary again, told to run only [`child`].
//!
//! Parent and child wait for each other's lines, never for time to pass.

use std::{
    io::{BufRead, BufReader, Lines, Write, stdin},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    time::Duration,
};

use daisy::{RunOptions, RunOutcome, StopHandle};

use crate::{outside::break_off, support::line};

/// Set for the child: to its mode.
const FLAG: &str = "DAISY_TEST_INTERRUPT_CHILD";

/// Not a test by itself: a run whose first block waits for a line on standard input.
#[test]
fn child() {
    let Some(mode) = std::env::var_os(FLAG) else { return };
    #[cfg(feature = "workers")]
    if mode == "earlier" {
        return earlier();
    }
    let task = line("waits", 50)
        .process(|_| {
            eprintln!("block at work");
            stdin().read_line(&mut String::new())?;
            Ok::<(), std::io::Error>(())
        })
        .build()
        .unwrap();
    let report =
        RunOptions::new().serial(mode == "serial").handle_interrupt(true).run(&[task]).unwrap();
    assert_eq!(report.outcome, RunOutcome::Interrupted);
    eprintln!("run ended with {}", report.exit_code());
    let counts = report.tasks[0].counts;
    assert_eq!((counts.completed, counts.processing), (1, 0));
    eprintln!("run ended in good order");
    stdin().read_line(&mut String::new()).unwrap();
}

/// A run whose last start was cut off by a restart of the machine.
#[cfg(feature = "workers")]
fn earlier() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    let task = line("far", 2).num_workers(0).build().unwrap();
    let options = || RunOptions::new().journal(&journal).reconnect_for(Duration::from_secs(3_600));
    let stop = StopHandle::new();
    stop.stop();
    let first = options().stop_handle(&stop).run(std::slice::from_ref(&task)).unwrap();
    assert_eq!(first.outcome, RunOutcome::Interrupted);
    break_off(&journal, Some("of-another-day"));
    let options = options().handle_interrupt(true);
    let report = options.run(&[task]).unwrap();
    assert_eq!(report.outcome, RunOutcome::Interrupted);
    let counts = report.tasks[0].counts;
    assert_eq!((counts.completed, counts.processing), (0, 0), "{report}");
    // The next start waits, too.
    let text = std::fs::read_to_string(journal.with_extension("run")).unwrap();
    assert!(text.contains("boot=of-another-day") && text.contains("state=running"), "{text}");
    eprintln!("run ended in good order");
}

struct Process {
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Process {
    fn start(mode: &str) -> Self {
        Self::start_by(&["env"], mode)
    }

    fn start_by(program: &[&str], mode: &str) -> Self {
        let mut child = Command::new(program[0])
            .args(&program[1..])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "interrupt::child", "--nocapture"])
            .env(FLAG, mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stderr }
    }

    /// Reads the child's standard error up to a line that contains `text`.
    fn wait_for(&mut self, text: &str) {
        let mut all = String::new();
        for line in self.stderr.by_ref() {
            let line = line.unwrap();
            if line.contains(text) {
                return;
            }
            all.push_str(&line);
            all.push('\n');
        }
        panic!("the child ended without {text:?}:\n{all}");
    }

    fn interrupt(&self) {
        self.signal("INT");
    }

    fn signal(&self, name: &str) {
        let name = format!("-{name}");
        let kill = Command::new("kill").args([&name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    fn send_line(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn end(mut self) -> ExitStatus {
        // Waiting would close it first, and the block of the child would go on.
        let _stdin = self.child.stdin.take();
        self.child.wait().unwrap()
    }
}

#[test]
fn the_first_ctrl_c_lets_blocks_finish_and_afterwards_it_kills_again() {
    for mode in ["threads", "serial"] {
        let mut process = Process::start(mode);
        process.wait_for("block at work");
        process.interrupt();
        process.wait_for("interrupted: nothing more is started; waiting for 1 block at work");
        process.send_line();
        process.wait_for("run ended with 130");
        process.wait_for("run ended in good order");
        process.interrupt();
        assert_eq!(process.end().signal(), Some(2));
    }
}

#[test]
fn the_second_ctrl_c_leaves_at_once() {
    let mut process = Process::start("threads");
    process.wait_for("block at work");
    process.interrupt();
    process.wait_for("interrupted");
    process.interrupt();
    assert_eq!(process.end().code(), Some(130));
}

#[test]
fn a_system_that_ends_the_run_and_a_terminal_that_goes_are_heard_like_ctrl_c() {
    for (name, number) in [("TERM", 15), ("HUP", 1)] {
        if name == "HUP" && ignores_hup() {
            return crate::skipped::skipped("this process was started by nohup");
        }
        let mut process = Process::start("threads");
        process.wait_for("block at work");
        process.signal(name);
        process.wait_for("interrupted: nothing more is started; waiting for 1 block at work");
        process.send_line();
        process.wait_for("run ended with 143");
        process.wait_for("run ended in good order");
        process.signal(name);
        assert_eq!(process.end().signal(), Some(number));
    }
}

#[test]
fn the_second_of_any_signals_leaves_at_once() {
    for (first, second, code) in [("TERM", "TERM", 143), ("INT", "TERM", 143), ("TERM", "INT", 130)]
    {
        let mut process = Process::start("threads");
        process.wait_for("block at work");
        process.signal(first);
        process.wait_for("interrupted");
        process.signal(second);
        assert_eq!(process.end().code(), Some(code));
    }
}

/// Whether this process, and so its children, ignore SIGHUP.
fn ignores_hup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t"));
    ignored.is_some_and(|bits| u64::from_str_radix(bits, 16).unwrap() & 1 == 1)
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_that_is_ignored_stays_so() {
    let mut process = Process::start_by(&["nohup"], "threads");
    process.wait_for("block at work");
    process.signal("HUP");
    process.signal("INT");
    process.wait_for("interrupted: nothing more is started; waiting for 1 block at work");
    process.send_line();
    process.wait_for("run ended in good order");
    process.signal("INT");
    assert_eq!(process.end().signal(), Some(2));
}

/// After a restart of the machine nothing is lent for as long as workers may be at it elsewhere.
#[test]
#[cfg(all(target_os = "linux", feature = "workers"))]
fn a_run_that_waits_for_workers_of_an_earlier_start_hears_signals() {
    for name in ["INT", "TERM"] {
        let mut process = Process::start("earlier");
        process.wait_for("waiting 3600 s until their workers must have ended");
        process.signal(name);
        process.wait_for("run ended in good order");
        assert!(process.end().success());
    }
}
