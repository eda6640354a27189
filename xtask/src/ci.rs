//! The one definition of green.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{Error, cargo, check, python, readme, root, servers, tidy};

const DENY: (&str, &str) = ("RUSTDOCFLAGS", "-D warnings");

/// Crates that must not need the standard library, and their feature combinations.
const FEATURES: [(&str, &[&str]); 9] = [
    ("daisy-geometry", &["", "serde"]),
    ("daisy-block", &["", "serde"]),
    ("daisy-graph", &[""]),
    ("daisy-sched", &[""]),
    ("daisy-journal", &[""]),
    ("daisy-net", &["", "driver"]),
    ("daisy-array", &["", "ome", "n5", "remote"]),
    ("daisy-graphdb", &["", "sqlite", "postgres", "mongodb", "testkit"]),
    // Its other features only turn on those of lower crates, which are checked there.
    ("daisy", &["", "progress", "arrays", "graphs", "workers", "ome"]),
];

/// Runs every check in order; the last line sums up all tests.
pub(crate) fn run() -> Result<(), Error> {
    let mut tests = Tests::default();
    step("tidy", || tidy::run(&root()))?;
    step("format", || check(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", || {
        let common = ["--all-targets", "--all-features", "--", "-D", "warnings"];
        check(cargo(&["clippy", "--workspace"]).args(common))?;
        check(
            cargo(&["clippy", "--manifest-path", "fuzz/Cargo.toml", "--"]).args(["-D", "warnings"]),
        )
    })?;
    step("servers for tests", || {
        servers::ensure();
        Ok(())
    })?;
    step("tests and doctests", || {
        tests.add(
            &mut cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]),
            cargo_summary,
        )
    })?;
    step("faults on real processes", || {
        tests.add(
            &mut cargo(&["test", "--workspace", "--all-features", "--test", "faults"]),
            cargo_summary,
        )
    })?;
    step("Python", || python::run(&mut tests, &[]))?;
    step("simulated clusters", || {
        check(&mut cargo(&["run", "--release", "-p", "daisy-sim", "--", "--seeds", "10000"]))
    })?;
    step("fuzz corpora, replayed", || {
        tests.add(&mut cargo(&["test", "--manifest-path", "fuzz/Cargo.toml"]), cargo_summary)
    })?;
    step("documentation", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
        check(doc.env(DENY.0, DENY.1))
    })?;
    step("no_std", || check(&mut cargo(&["check", "--manifest-path", "no-std-check/Cargo.toml"])))?;
    step("feature combinations", || {
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
}

impl Tests {
    /// Runs tests, passing their output on and adding up the counts in the lines that are summaries.
    pub(crate) fn add(
        &mut self,
        command: &mut Command,
        summary: fn(&str) -> Option<&str>,
    ) -> Result<(), Error> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            if let Some(summary) = summary(&line) {
                self.passed += count(summary, "passed");
                self.failed += count(summary, "failed") + count(summary, "error");
                self.skipped += count(summary, "ignored") + count(summary, "skipped");
            }
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    }

    /// The line that sums up all tests.
    fn report(&self) -> Result<(), Error> {
        println!("\n{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
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
