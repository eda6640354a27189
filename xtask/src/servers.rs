//! What tests need beyond Rust, installed where it can be: PostgreSQL, which those of `daisy-graphdb` start, and the
//! tools with which the fault tests make hosts of their own.

use std::{env, fs, process::Command};

/// A package of Debian and its kin.
struct Package {
    name: &'static str,
    is_installed: fn() -> bool,
    /// What is not tested without it.
    use_of_it: &'static str,
}

const PACKAGES: [Package; 3] = [
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
];

/// Installs what is missing if this is root on Debian; else says what is not tested.
/// Nothing is started: each test process starts servers of its own.
pub(crate) fn ensure() {
    let missing = || PACKAGES.iter().filter(|package| !(package.is_installed)());
    let names: Vec<&str> = missing().map(|package| package.name).collect();
    if names.is_empty() {
        return;
    }
    let install = format!(
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {}",
        names.join(" ")
    );
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if is_root {
        // What came of it is looked at below.
        let _ = Command::new("sh").args(["-c", &install]).status();
    }
    for Package { name, use_of_it, .. } in missing() {
        println!(
            "SKIPPED: {name} is not installed, so this is not tested: {use_of_it}; run\n  {install}"
        );
    }
}

fn has_program(name: &str) -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let postgres = versions.map(|version| version.path().join("bin"));
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    let paths = env::var_os("PATH").unwrap_or_default();
    let mut folders = postgres.chain(system).chain(env::split_paths(&paths));
    folders.any(|folder| folder.join(name).exists())
}
