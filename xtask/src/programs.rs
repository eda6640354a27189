//! What tests need beyond Rust: PostgreSQL, which those of `daisy-graphdb` start, the tools with which the fault
//! tests make hosts of their own, Python.

use std::{env, fs, process::Command};

/// Succeeds with a Python that will do.
const IS_FIT: &str = "import ensurepip, sys; sys.exit(sys.version_info < (3, 10))";

/// A package of Debian and its kin.
struct Package {
    name: &'static str,
    is_installed: fn() -> bool,
    /// What is not tested without it.
    use_of_it: &'static str,
}

const PACKAGES: [Package; 4] = [
    Package {
        name: "postgresql",
        is_installed: || has_program("initdb"),
        use_of_it: "graphs in PostgreSQL",
    },
    Package {
        name: "iproute2",
        is_installed: || has_program("ip"),
        use_of_it: "hosts that are cut off",
    },
    Package {
        name: "nftables",
        is_installed: || has_program("nft"),
        use_of_it: "walls between hosts",
    },
    Package {
        name: "python3 python3-venv",
        is_installed: has_python,
        use_of_it: "the Python module, and what other programs read and write",
    },
];

/// Says what is missing, and so not tested; if that is wanted and this is root on Debian, installs it.
/// Nothing is started: each test process starts servers of its own.
pub(crate) fn ensure(installs: bool) {
    let missing = || PACKAGES.iter().filter(|package| !(package.is_installed)());
    let names: Vec<&str> = missing().map(|package| package.name).collect();
    if names.is_empty() {
        return;
    }
    let install = format!(
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {}",
        names.join(" ")
    );
    if installs {
        // What came of it is looked at below.
        let _ = Command::new("sh").args(["-c", &install]).status();
    }
    for Package { name, use_of_it, .. } in missing() {
        println!("{name} is not installed, so this is not tested: {use_of_it}; run\n  {install}");
    }
}

/// Whether there is a Python that is new enough and can make virtual environments.
pub(crate) fn has_python() -> bool {
    let check = Command::new("python3").args(["-c", IS_FIT]).status();
    check.is_ok_and(|status| status.success())
}

fn has_program(name: &str) -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let postgres = versions.map(|version| version.path().join("bin"));
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    let paths = env::var_os("PATH").unwrap_or_default();
    let mut folders = postgres.chain(system).chain(env::split_paths(&paths));
    folders.any(|folder| folder.join(name).exists())
}
