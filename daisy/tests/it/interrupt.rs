//! Ctrl-C, sent to a child process: this test binary again, told to run only [`child`].
//!
//! Parent and child wait for each other's lines, never for time to pass.

use std::{
    io::{BufRead, BufReader, Lines, Write, stdin},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

use daisy::{RunOptions, RunOutcome};

use crate::support::line;

/// Set for the child: to its mode.
const FLAG: &str = "DAISY_TEST_INTERRUPT_CHILD";

/// Not a test by itself: a run whose first block waits for a line on standard input.
#[test]
fn child() {
    let Some(mode) = std::env::var_os(FLAG) else { return };
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
    assert_eq!(report.exit_code(), 130);
    let counts = report.tasks[0].counts;
    assert_eq!((counts.completed, counts.processing), (1, 0));
    eprintln!("run ended in good order");
    stdin().read_line(&mut String::new()).unwrap();
}

struct Process {
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Process {
    fn start(mode: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
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
        let kill = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
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
