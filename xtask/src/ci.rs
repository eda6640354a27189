//! The one definition of green.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{Error, cargo, check, readme, root, servers, tidy};

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
    (
        "daisy",
        &[
            "", "progress", "arrays", "graphs", "workers", "ome", "n5", "remote", "postgres",
            "mongodb",
        ],
    ),
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
        tests.add(&mut cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]))
    })?;
    step("faults on real processes", || {
        tests.add(&mut cargo(&["test", "--workspace", "--all-features", "--test", "faults"]))
    })?;
    step("simulated clusters", || {
        check(&mut cargo(&["run", "--release", "-p", "daisy-sim", "--", "--seeds", "10000"]))
    })?;
    step("fuzz corpora, replayed", || {
        tests.add(&mut cargo(&["test", "--manifest-path", "fuzz/Cargo.toml"]))
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
    println!("\n{} passed, {} failed, {} skipped", tests.passed, tests.failed, tests.skipped);
    if tests.failed > 0 { Err("tests failed".into()) } else { Ok(()) }
}

fn step(name: &str, action: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    println!("\n== {name}");
    let start = Instant::now();
    action().map_err(|error| format!("{name}: {error}"))?;
    println!("== {name}: ok after {} s", start.elapsed().as_secs());
    Ok(())
}

/// The sums over all test binaries.
#[derive(Default)]
struct Tests {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tests {
    /// Runs `cargo test`, passing its output on and adding up its summaries.
    fn add(&mut self, command: &mut Command) -> Result<(), Error> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            if let Some(summary) = line.strip_prefix("test result: ") {
                let count = |what: &str| -> u64 {
                    let found =
                        summary.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
                    found.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
                };
                self.passed += count("passed");
                self.failed += count("failed");
                self.skipped += count("ignored");
            }
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    }
}
