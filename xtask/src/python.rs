//! The Python module and its tests, in a virtual environment under the target folder.

use std::{env, fs, process::Command};

use crate::{Error, check, ci::Tests, programs::has_python, root, target};

/// What `pyproject.toml` says that the module is built with.
const MATURIN: &str = "maturin>=1.9.4,<2";

/// Installs the module as its README says; gives the command that tests it, if there is a Python, with further
/// arguments for pytest.
///
/// The module is built as tests are, in the target folder of the workspace, so that most of it is there already: its
/// feature `as-tests` makes dependencies the same.
/// Environments that tests make themselves, of other versions of daisy, are kept there too.
pub(crate) fn install(tests: &mut Tests, arguments: &[String]) -> Result<Option<Command>, Error> {
    if !has_python() {
        tests.leave_out("daisy-py: no Python 3.10 with venv");
        return Ok(None);
    }
    let folder = target().join("python");
    fs::create_dir_all(&folder)?;
    let venv = folder.join("daisy");
    if !venv.join("bin/maturin").exists() {
        check(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    }
    let python = venv.join("bin/python");
    let mut path = venv.join("bin").into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let pip = |packages: &[&str]| {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        pip.env("PATH", &path).current_dir(root());
        pip
    };
    // The module is built in this environment, which has what builds it.
    if !venv.join("bin/maturin").exists() {
        check(&mut pip(&[MATURIN]))?;
    }
    let mut install = pip(&["--no-build-isolation", "./daisy-py[test]"]);
    install.env("CARGO_TARGET_DIR", target());
    check(install.env("MATURIN_PEP517_ARGS", "--profile dev --features as-tests"))?;
    let mut pytest = Command::new(&python);
    pytest.args(["-m", "pytest", "--quiet", "--color=no", "-rs", "-p", "no:cacheprovider"]);
    pytest.args(["daisy-py"]).args(arguments).env("DAISY_VENVS", &folder).current_dir(root());
    let stand_in = target().join("debug/examples/mongo_stand_in");
    if stand_in.exists() {
        // The tests of daisy-graphdb have built it; else these do.
        pytest.env("DAISY_MONGO_STAND_IN", stand_in);
    }
    Ok(Some(pytest))
}

/// The counts in the last line of pytest, as `1 failed, 41 passed, 2 skipped in 3.21s`.
pub(crate) fn pytest_summary(line: &str) -> Option<&str> {
    let (counts, time) = line.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    let is_time = time.split_once('s').is_some_and(|(time, _)| time.parse::<f64>().is_ok());
    is_time.then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_pytest_is_found_with_and_without_its_frame() {
        let line = "2 failed, 41 passed, 1 skipped, 1 warning in 3.21s";
        let counts = Some("2 failed, 41 passed, 1 skipped, 1 warning");
        assert_eq!(pytest_summary(line), counts);
        assert_eq!(pytest_summary(&format!("===== {line} (0:01:00) =====")), counts);
        assert_eq!(pytest_summary("SKIPPED [1] tests/test_oracle.py:9: not in 1.x"), None);
    }
}
