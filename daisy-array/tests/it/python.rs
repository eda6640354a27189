//! A Python with the packages that other programs of this field use, for tests that need them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::skipped::skipped;

/// What the tests are about: the reference implementation, the library of the original, a server
/// that speaks S3.
const PACKAGES: [&str; 3] = ["zarr>=3.1,<4", "funlib.persistence==0.7.0", "moto[server]>=5,<6"];

/// A Python with all packages, in a virtual environment that is made once per target folder. None,
/// with the reason on standard error, where it cannot be had: without Python, or without network.
pub(crate) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(make).as_deref();
    if python.is_none() {
        skipped(&format!("no Python 3 with the packages {PACKAGES:?} can be had"));
    }
    python
}

fn make() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(folder).unwrap();
    // Test binaries may run beside each other.
    let lock = File::create(folder.join("python.lock")).unwrap();
    lock.lock().unwrap();
    let venv = folder.join("python");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let is_complete = venv.join("complete");
    if is_complete.exists() {
        return Some(python);
    }
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let path = venv.to_str()?;
    if !run(Path::new("python3"), &["-m", "venv", "--clear", path]) {
        return None;
    }
    let mut arguments = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    arguments.extend(["--retries", "1", "--timeout", "20"]);
    arguments.extend(PACKAGES);
    if !run(&python, &arguments) {
        return None;
    }
    File::create(is_complete).unwrap();
    Some(python)
}

/// Runs a script to its end; it must not fail.
pub(crate) fn run(python: &Path, script: &str, argument: &Path) -> String {
    let output = Command::new(python).args(["-c", script]).arg(argument).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
