//! The database server that tests of `daisy-graphdb` start: installed where it can be.

use std::{env, fs, process::Command};

/// What installs PostgreSQL on Debian and its kin.
const INSTALL: &str = "apt-get update -q && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql";

/// Installs PostgreSQL if it is missing and this is root on Debian; else says what is not tested.
/// Nothing is started: each test process starts a cluster of its own.
pub(crate) fn ensure() {
    if is_installed() {
        return;
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if is_root && Command::new("sh").args(["-c", INSTALL]).status().is_ok() && is_installed() {
        return;
    }
    println!(
        "SKIPPED: PostgreSQL is not installed, so nothing about it is tested; run\n  {INSTALL}"
    );
}

fn is_installed() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let paths = env::var_os("PATH").unwrap_or_default();
    folders.chain(env::split_paths(&paths)).any(|folder| folder.join("initdb").exists())
}
