//! The one definition of green.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use crate::{Error, cargo, check, programs, python, readme, root, target, tidy};

/// How a test says that it was left out.
const LEFT_OUT: &str = "SKIPPED: ";

/// The same cases each time; others by hand.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "28");

const DENY: (&str, &str) = ("RUSTDOCFLAGS", "-D warnings");

/// Crates that must not need the standard library, and their feature combinations.
const FEATURES: [(&str, &[&str]); 9] = [
    ("daisy-geometry", &["", "serde"]),
    ("daisy-block", &["", "serde"]),
    ("daisy-graph", &[""]),
    ("daisy-sched", &[""]),
    ("daisy-journal", &[""]),
    ("daisy-net", &["", "driver"]),
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

/// Runs every check in order; the last line sums up all tests. What is missing is only installed if that is wanted.
pub(crate) fn run(installs: bool) -> Result<(), Error> {
    let mut tests = Tests::default();
    step("tidy", || tidy::run(&root()))?;
    step("format", || check(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", || {
        let common = ["--all-targets", "--all-features", "--", "-D", "warnings"];
        check(cargo(&["clippy", "--workspace"]).args(common))
    })?;
    step("programs for tests", || {
        programs::ensure(installs);
        Ok(())
    })?;
    test_all(&mut tests, None)?;
    step("faults on real processes", || {
        tests.add(
            &mut cargo(&["test", "--workspace", "--all-features", "--test", "faults"]),
            cargo_summary,
        )
    })?;
    step("Python", || python::run(&mut tests, &[]))?;
    step("simulated clusters", || {
        // Built by the tests, with their assertions.
        check(Command::new(target().join("debug/daisy-sim")).args(["--seeds", "10000"]))
    })?;
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
    })?;
    step("commands of the README", || readme::run(&root()))?;
    tests.report()
}

/// The tests of all crates, fuzz corpora replayed among them; `cases` are those of a property that has as many as
/// proptest gives it.
fn test_all(tests: &mut Tests, cases: Option<&str>) -> Result<(), Error> {
    let all = ["test", "--workspace", "--all-features", "--no-fail-fast"];
    let mut run = |kinds: &[&str]| {
        let mut test = cargo(&all);
        test.args(kinds).envs(cases.map(|cases| ("PROPTEST_CASES", cases)));
        if env::var_os(SEED.0).is_none() {
            test.env(SEED.0, SEED.1);
        }
        tests.add(&mut test, cargo_summary)
    };
    step("tests", || run(&["--lib", "--bins", "--tests"]))?;
    step("doctests", || run(&["--doc"]))
}

/// Runs the tests of the Python module only.
pub(crate) fn run_python(arguments: &[String]) -> Result<(), Error> {
    let mut tests = Tests::default();
    python::run(&mut tests, arguments)?;
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
}

impl Tests {
    /// Runs tests, passing their output on and adding up the counts in the lines that are summaries.
    pub(crate) fn add(
        &mut self,
        command: &mut Command,
        summary: fn(&str) -> Option<&str>,
    ) -> Result<(), Error> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let errors = child.stderr.take().ok_or("no error output")?;
        let left_out = thread::spawn(move || {
            let mut left_out = BTreeSet::new();
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                eprintln!("{line}");
                left_out.extend(line.strip_prefix(LEFT_OUT).map(str::to_owned));
            }
            left_out
        });
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            if let Some(summary) = summary(&line) {
                self.passed += count(summary, "passed");
                self.failed += count(summary, "failed") + count(summary, "error");
                self.skipped += count(summary, "ignored") + count(summary, "skipped");
            }
        }
        self.left_out.extend(left_out.join().unwrap_or_default());
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
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
