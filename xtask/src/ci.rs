//! The one definition of green.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use crate::{Error, cargo, check, programs, python, readme, root, target, tidy};

/// How a test says that it was left out.
const LEFT_OUT: &str = "SKIPPED: ";

/// Most tests that take long wait for processes.
const THREADS_PER_CORE: usize = 4;

/// The same cases each time; others by hand.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "28");

const DENY: (&str, &str) = ("RUSTDOCFLAGS", "-D warnings");

/// Crates that must not need the standard library, and their feature combinations.
const FEATURES: [(&str, &[&str]); 10] = [
    ("daisy-geometry", &["", "serde"]),
    ("daisy-block", &["", "serde"]),
    ("daisy-graph", &[""]),
    ("daisy-sched", &[""]),
    ("daisy-journal", &[""]),
    ("daisy-net", &["", "driver"]),
    ("daisy-run", &["", "journal", "net"]),
    ("daisy-array", &["", "blosc", "ome", "n5", "remote"]),
    ("daisy-graphdb", &["", "sqlite", "postgres", "mongodb", "testkit"]),
    // Its other features only turn on those of lower crates, which are checked there.
    ("daisy", &["", "progress", "arrays", "graphs", "workers", "ome"]),
];

/// What a contributor runs: the tests alone, an eighth of the property cases.
pub(crate) fn run_tests() -> Result<(), Error> {
    let mut tests = Tests::default();
    step("tidy", || tidy::run(&root()))?;
    step("format", || check(&mut cargo(&["fmt", "--all", "--check"])))?;
    test_all(&mut tests, Some("32"))?;
    tests.report()
}

/// Runs every check; the last line sums up all tests. What is missing is only installed if that is wanted.
pub(crate) fn run(installs: bool) -> Result<(), Error> {
    let mut tests = Tests::default();
    step("tidy", || tidy::run(&root()))?;
    step("format", || check(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", || {
        // The faults are not among the targets that cargo takes for all.
        for targets in ["--all-targets", "--test=faults"] {
            let common = [targets, "--all-features", "--", "-D", "warnings"];
            check(cargo(&["clippy", "--workspace"]).args(common))?;
        }
        Ok(())
    })?;
    step("programs for tests", || {
        programs::ensure(installs);
        Ok(())
    })?;
    test_all(&mut tests, None)?;
    let mut pytest = None;
    step("Python module", || {
        pytest = python::install(&mut tests, &[])?;
        Ok(())
    })?;
    // Tests that mostly wait run beside checks that mostly compile; what they say is shown after it.
    let (waiting, checked) = thread::scope(|scope| {
        let waiting = scope.spawn(|| run_waiting(pytest));
        let checked = run_compiling();
        (waiting.join(), checked)
    });
    tests.take_in(waiting.map_err(|_| "the tests that wait panicked")?)?;
    checked?;
    tests.report()
}

/// Tests of which a processor sees little.
fn run_waiting(pytest: Option<Command>) -> Tests {
    let mut tests = Tests { kept: Some(String::new()), ..Tests::default() };
    let mut faults = cargo(&["test", "--workspace", "--all-features", "--test", "faults"]);
    tests.run("faults on real processes", &mut faults, cargo_summary);
    if let Some(mut pytest) = pytest {
        tests.run("Python", &mut pytest, python::pytest_summary);
    }
    tests
}

/// Checks that keep a processor busy; those that build in the folder of the tests come last.
fn run_compiling() -> Result<(), Error> {
    step("simulated clusters", || {
        // Built by the tests, with their assertions.
        check(Command::new(target().join("debug/daisy-sim")).args(["--seeds", "10000"]))
    })?;
    step("commands of the README", || readme::run(&root()))?;
    step("documentation", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
        check(doc.env(DENY.0, DENY.1))
    })?;
    step("no_std", || check(&mut cargo(&["check", "--manifest-path", "no-std-check/Cargo.toml"])))?;
    step("feature combinations", || {
        // One by one: crates that are checked together lend each other the features of what they depend on.
        for (package, combinations) in FEATURES {
            for features in combinations {
                let common = ["--no-default-features", "--features", features];
                check(cargo(&["check", "--package", package]).args(common))?;
            }
        }
        Ok(())
    })
}

/// The tests of all crates, fuzz corpora replayed among them; `cases` are those of a property that has as many as
/// proptest gives it.
fn test_all(tests: &mut Tests, cases: Option<&str>) -> Result<(), Error> {
    let all = ["test", "--workspace", "--all-features", "--no-fail-fast"];
    let threads = THREADS_PER_CORE * thread::available_parallelism().map_or(1, usize::from);
    let mut run = |kind| {
        let mut test = cargo(&all);
        if env::var_os("RUST_TEST_THREADS").is_none() {
            test.env("RUST_TEST_THREADS", threads.to_string());
        }
        test.arg(kind).envs(cases.map(|cases| ("PROPTEST_CASES", cases)));
        if env::var_os(SEED.0).is_none() {
            test.env(SEED.0, SEED.1);
        }
        tests.add(&mut test, cargo_summary)
    };
    step("tests", || run("--tests"))?;
    step("doctests", || run("--doc"))
}

/// Runs the tests of the Python module only.
pub(crate) fn run_python(arguments: &[String]) -> Result<(), Error> {
    let mut tests = Tests::default();
    if let Some(mut pytest) = python::install(&mut tests, arguments)? {
        tests.add(&mut pytest, python::pytest_summary)?;
    }
    tests.report()
}

fn step(name: &str, action: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    println!("\n== {name}");
    let start = Instant::now();
    action().map_err(|error| format!("{name}: {error}"))?;
    println!("== {name}: ok after {} s", start.elapsed().as_secs());
    Ok(())
}

/// The counts in the last line of a test binary, as `ok. 4 passed; 0 failed; 1 ignored`.
fn cargo_summary(line: &str) -> Option<&str> {
    line.strip_prefix("test result: ")
}

/// The sums over all test binaries, and over pytest.
#[derive(Default)]
pub(crate) struct Tests {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// What tests that were left out said, which their harness takes for passed.
    left_out: BTreeSet<String>,
    /// What tests say is kept here instead of being shown at once.
    kept: Option<String>,
    /// What could not be run to its end.
    broken: Vec<String>,
}

impl Tests {
    /// Runs tests, passing their output on and adding up the counts in the lines that are summaries.
    fn add(
        &mut self,
        command: &mut Command,
        summary: fn(&str) -> Option<&str>,
    ) -> Result<(), Error> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let errors = child.stderr.take().ok_or("no error output")?;
        let (sender, lines) = mpsc::channel();
        let error_sender = sender.clone();
        thread::spawn(move || send_lines(output, &sender));
        thread::spawn(move || send_lines(errors, &error_sender));
        for line in lines {
            match &mut self.kept {
                Some(kept) => kept.extend([&line, "\n"]),
                None => println!("{line}"),
            }
            self.left_out.extend(line.strip_prefix(LEFT_OUT).map(str::to_owned));
            if let Some(summary) = summary(&line) {
                self.passed += count(summary, "passed");
                self.failed += count(summary, "failed") + count(summary, "error");
                self.skipped += count(summary, "ignored") + count(summary, "skipped");
            }
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    }

    /// Runs tests as a step that does not keep what follows from being run.
    fn run(&mut self, name: &str, command: &mut Command, summary: fn(&str) -> Option<&str>) {
        let start = Instant::now();
        let result = self.add(command, summary);
        let seconds = start.elapsed().as_secs();
        let end = match &result {
            Ok(()) => format!("\n== {name}: ok after {seconds} s\n"),
            Err(error) => format!("\n== {name}: {error}\n"),
        };
        self.kept.get_or_insert_default().push_str(&end);
        self.broken.extend(result.err().map(|error| format!("{name}: {error}")));
    }

    /// Shows what others kept, and adds their counts to these.
    fn take_in(&mut self, others: Self) -> Result<(), Error> {
        print!("{}", others.kept.unwrap_or_default());
        self.passed += others.passed;
        self.failed += others.failed;
        self.skipped += others.skipped;
        self.left_out.extend(others.left_out);
        if others.broken.is_empty() { Ok(()) } else { Err(others.broken.join("; ").into()) }
    }

    /// Something is not tested.
    pub(crate) fn leave_out(&mut self, what: &str) {
        self.left_out.insert(what.to_owned());
    }

    /// The line that sums up all tests.
    fn report(&self) -> Result<(), Error> {
        println!();
        self.left_out.iter().for_each(|test| println!("left out: {test}"));
        let left_out = self.left_out.len() as u64;
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed.saturating_sub(left_out),
            self.failed,
            self.skipped + left_out
        );
        if self.failed > 0 { Err("tests failed".into()) } else { Ok(()) }
    }
}

fn send_lines(stream: impl Read, lines: &mpsc::Sender<String>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// The number before a word in a summary, 0 if it is not there.
fn count(summary: &str, what: &str) -> u64 {
    let mut parts = summary.split([';', '.', ',']).map(|part| part.trim().trim_end_matches('s'));
    let found = parts.find_map(|part| part.strip_suffix(what));
    found.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_cargo_and_of_pytest_are_counted() {
        let cargo = cargo_summary("test result: FAILED. 4 passed; 1 failed; 2 ignored; 0 measured");
        let counts =
            |summary| ["passed", "failed", "ignored", "skipped"].map(|what| count(summary, what));
        assert_eq!(cargo.map(counts), Some([4, 1, 2, 0]));
        assert_eq!(counts("2 failed, 41 passed, 3 skipped, 1 warning"), [41, 2, 0, 3]);
        assert_eq!(count("2 errors", "error"), 2);
    }
}
