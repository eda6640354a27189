//! A PostgreSQL server of one's own: a cluster in a temporary folder, reached through a Unix
//! socket only, run by an unprivileged user, gone when this process is.

#![allow(clippy::expect_used, reason = "a helper of tests")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::skipped::skipped;

/// A server; it ends when its input is closed, at the latest with this process.
pub(crate) struct Cluster {
    folder: String,
    _server: Child,
    _input: ChildStdin,
}

/// Makes a cluster, starts its server, says where it is, and waits for the end of the input.
const SCRIPT: &str = r#"
    set -e
    cd /
    folder=$(mktemp -d "${TMPDIR:-/tmp}/daisy-pg-XXXXXX")
    trap 'rm -rf "$folder"' EXIT
    "$1/initdb" -D "$folder/cluster" -U daisy -A trust -E UTF8 --locale=C >"$folder/log" 2>&1 ||
        { cat "$folder/log" >&2; exit 1; }
    "$1/postgres" -D "$folder/cluster" -k "$folder" -c listen_addresses= -c max_connections=200 \
        >"$folder/log" 2>&1 </dev/null &
    server=$!
    until "$1/pg_isready" -q -h "$folder"; do
        kill -0 $server || { cat "$folder/log" >&2; exit 1; }
        sleep 0.1
    done
    echo "$folder"
    read -r line || true
    kill -INT $server
    wait $server || true
"#;

/// The one server of this process; none where PostgreSQL is not installed: then the test that asks is left out.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(Cluster::start).as_ref();
    if cluster.is_none() {
        skipped("PostgreSQL is not installed");
    }
    cluster
}

impl Cluster {
    fn start() -> Option<Self> {
        let programs = programs()?;
        let mut command = unprivileged();
        command.args(["sh", "-c", SCRIPT, "cluster"]).arg(programs);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = pipes.spawn().expect("the script of the server should start");
        let output = server.stdout.take().expect("its output is a pipe");
        let mut folder = String::new();
        BufReader::new(output).read_line(&mut folder).expect("it should say where it is");
        let folder = folder.trim().to_owned();
        assert!(!folder.is_empty(), "the server did not start");
        let input = server.stdin.take().expect("its input is a pipe");
        Some(Self { folder, _server: server, _input: input })
    }

    /// How it is reached.
    pub(crate) fn config(&self) -> String {
        format!("host={} user=daisy dbname=postgres", self.folder)
    }

    /// A name that no other test of this process uses.
    pub(crate) fn fresh_name() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("it's \"graph\" {}", NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The folder with `initdb` and `postgres`: the newest that Debian has, or that of the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let newest = versions.map(|entry| entry.path()).max_by_key(|path| number(path));
    let folders = newest.map(|path| path.join("bin")).into_iter();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = folders.chain(std::env::split_paths(&paths));
    folders.find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// What runs a command as somebody else, if this is root: PostgreSQL refuses to be run by root.
fn unprivileged() -> Command {
    let output = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if output("id", &["-u"]).as_deref() != Some("0") {
        return Command::new("env");
    }
    let user = if output("id", &["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]);
    command
}
