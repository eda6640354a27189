//! `cargo xtask ci [--install] | test | tidy | python [OPTION ...] | bench SUITE ... | fuzz [SECONDS]`
//!
//! `ci` is the one definition of green: it is the test command of the README and what `.ci/run` calls.

mod ci;
mod programs;
mod python;
mod readme;
mod tidy;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

type Error = Box<dyn std::error::Error>;

const USAGE: &str = "cargo xtask ci [--install] | test | tidy | python [OPTION...] | bench SUITE [OPTION...] | fuzz [SECONDS]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let (command, rest) = arguments.split_first().ok_or(USAGE)?;
    match command.as_str() {
        "ci" => match rest {
            [] => ci::run(false),
            [only] if only == "--install" => ci::run(true),
            _ => Err(USAGE.into()),
        },
        "test" => ci::run_tests(),
        "tidy" => tidy::run(&root()),
        "python" => ci::run_python(rest),
        "bench" => {
            let mut bench = cargo(&["run", "--profile", "bench", "--package", "daisy-bench"]);
            check(bench.args(["--quiet", "--"]).args(rest))
        }
        "fuzz" => fuzz(rest.first().map_or("600", String::as_str)),
        _ => Err(USAGE.into()),
    }
}

/// Runs each fuzz target for some seconds; needs a nightly toolchain and `cargo install cargo-fuzz`.
fn fuzz(seconds: &str) -> Result<(), Error> {
    for target in fuzz_targets()? {
        println!("== fuzz {target} for {seconds} s");
        let limit = format!("-max_total_time={seconds}");
        let mut fuzz = Command::new("cargo");
        fuzz.args(["+nightly", "fuzz", "run", &target, "--", &limit]);
        check(fuzz.args(["-print_final_stats=1"]).current_dir(root()))?;
    }
    Ok(())
}

/// The names of the fuzz targets.
fn fuzz_targets() -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The target folder of the workspace.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |folder| root().join(Path::new(&folder)))
}

/// The cargo that runs this program, in the folder of the workspace.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command and fails with it.
fn check(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
