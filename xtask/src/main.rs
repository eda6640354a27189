//! The commands of this project ([`USAGE`]); `ci` is the test command of the README and what `.ci/run` calls.

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

const USAGE: &str = "\
cargo xtask COMMAND

  ci [--install]           every check, the one definition of green; --install: what is missing, as root on Debian
  test                     format and the tests alone, with fewer cases: for every change
  tidy                     the rules of this project that no compiler checks
  python [OPTION...]       the Python module and its tests, with these options of pytest
  bench SUITE [OPTION...]  geometry, scheduler or net
  fuzz [SECONDS]           each fuzz target for so long (600), with a nightly toolchain and cargo-fuzz
  help                     this
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    check_checkout().and_then(|()| run(&arguments)).unwrap_or_else(|error| {
        eprintln!("xtask: {error}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &[String]) -> Result<ExitCode, Error> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["ci"] => ci::run(false)?,
        ["ci", "--install"] => ci::run(true)?,
        ["test"] => ci::run_tests()?,
        ["tidy"] => tidy::run(&root())?,
        ["python", ..] => ci::run_python(&arguments[1..])?,
        ["bench", ..] => {
            let mut bench = cargo(&["run", "--profile", "bench", "--package", "daisy-bench"]);
            check(bench.args(["--quiet", "--"]).args(&arguments[1..]))?;
        }
        ["fuzz"] => fuzz("600")?,
        ["fuzz", seconds] => fuzz(seconds)?,
        ["help" | "--help" | "-h"] => print!("{USAGE}"),
        _ => {
            eprint!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
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

/// Fails if this program was built in another checkout. Cargo takes checkouts that share a target folder for one, and
/// builds nothing that another has built later than it was changed here: so the tests would be the other's, too.
fn check_checkout() -> Result<(), Error> {
    let built = env!("CARGO_MANIFEST_DIR");
    match env::var("CARGO_MANIFEST_DIR") {
        Ok(here) if here != built => Err(format!(
            "the target folder has what was built of {built}, not of {here}: give each checkout a CARGO_TARGET_DIR \
             of its own, or run `cargo clean` first"
        )
        .into()),
        _ => Ok(()),
    }
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
