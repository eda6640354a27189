//! Hosts on this machine: network namespaces with addresses of their own (`tests/labs/netns_lab.sh`).
//!
//! ```text
//!   h0 = 10.L.P.1 (this machine, the server) --- bridge --- h1 = 10.L.P.11
//!                                                  '------- h2 = 10.L.P.12
//! ```
//!
//! Needs root, iproute2 and nftables; where a lab cannot be had, its tests are left out.

use std::{
    env,
    fs::File,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::skipped::skipped;

/// See the module's text; everything is taken down when it is dropped.
pub(crate) struct Lab {
    prefix: String,
    net: String,
    state: TempDir,
    /// As long as it is held, no other program has a lab of this number.
    _lock: File,
}

impl Lab {
    /// Two hosts; `letter` tells the labs of this program apart. None where there can be none.
    pub(crate) fn up(letter: char) -> Option<Self> {
        let (number, lock) = own_number(letter);
        let own = 200 + u32::from(letter) - u32::from('a');
        let lab = Self {
            prefix: format!("d{letter}{number:04}"),
            net: format!("10.{own}.{number}"),
            state: tempfile::tempdir().unwrap(),
            _lock: lock,
        };
        let works = |command: &str, word: &str| {
            Command::new(command).arg(word).output().is_ok_and(|output| output.status.success())
        };
        if !works("nft", "--version") {
            skipped("no nft here; apt-get install -y --no-install-recommends nftables");
            return None;
        }
        let output = lab.script(&["up", "2"]);
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            skipped(&format!("no network namespaces here (root and iproute2 are needed): {why}"));
            return None;
        }
        Some(lab)
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> String {
        format!("{}.1:0", self.net)
    }

    /// What the names of its namespaces begin with.
    pub(crate) fn mark(&self) -> String {
        format!("{}-h", self.prefix)
    }

    /// A command that runs what is added to it on a host.
    pub(crate) fn on(&self, host: &str) -> Command {
        let mut command = self.command();
        command.args(["exec", host]);
        command
    }

    /// Does something to a host: `cut`, `heal`, `reset`, ...
    pub(crate) fn does(&self, words: &[&str]) {
        let output = self.script(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
    }

    fn script(&self, words: &[&str]) -> Output {
        self.command().args(words).output().unwrap()
    }

    fn command(&self) -> Command {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/labs");
        let mut command = Command::new("bash");
        command
            .arg(folder.join("netns_lab.sh"))
            .env("NETNS_LAB", &self.prefix)
            .env("NETNS_LAB_NET", &self.net)
            .env("NETNS_LAB_STATE", self.state.path().join("lab"));
        command
    }
}

/// The lowest number that no other program's lab of this letter has.
fn own_number(letter: char) -> (u32, File) {
    let lock = |number: u32| {
        let path = env::temp_dir().join(format!("daisy-lab-{letter}{number}.lock"));
        let file = File::create(path).ok()?;
        file.try_lock().is_ok().then_some((number, file))
    };
    (0..250).find_map(lock).expect("250 labs are there already")
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _is_down = self.script(&["down"]);
    }
}
