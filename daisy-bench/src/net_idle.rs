//! What connected workers that wait cost the server in memory.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use daisy::{Context, Roi, RunOptions, Server, Task};

use crate::{
    Error,
    measure::{rss_kb, rss_peak_kb},
    net::NetOutcome,
};

/// So many workers of one process connect and wait, then work off a block each.
///
/// The first one is there before memory is looked at, so that what a run needs once is not counted.
pub(crate) fn run(workload: &str, connections: usize) -> Result<NetOutcome, Error> {
    let blocks = connections as i64;
    let (total, block) = (Roi::new([0], [blocks * 10])?, Roi::new([0], [10])?);
    let task = Task::builder("empty", total, block.clone(), block)
        .read_write_conflict(false)
        .num_workers(0)
        .build()?;
    let server = Server::bind(RunOptions::new())?;
    let mut child = Command::new(env::current_exe()?)
        .args(["net-worker", "idle", &connections.to_string()])
        .env(Context::VARIABLE, server.context("empty").to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut go_on = child.stdin.take().ok_or("no pipe to the workers")?;
    let mut said = BufReader::new(child.stdout.take().ok_or("no pipe from the workers")?);
    let run = thread::spawn(move || server.run(&[task]));
    let mut resident_kb = Vec::new();
    let mut all_there = Instant::now();
    for _ in 0..2 {
        let mut line = String::new();
        said.read_line(&mut line)?;
        if line.trim() != "there" {
            return Err("the workers did not connect".into());
        }
        resident_kb.push(rss_kb());
        all_there = Instant::now();
        writeln!(go_on)?;
    }
    let report = run.join().map_err(|_| "the run panicked")??;
    if !report.is_success() {
        return Err(report.to_string().into());
    }
    let seconds = all_there.elapsed().as_secs_f64();
    child.wait()?;
    let grown_kb = match resident_kb[..] {
        [before, after] => after.saturating_sub(before),
        _ => 0,
    };
    Ok(NetOutcome {
        workload: workload.to_owned(),
        workers: 1,
        connections,
        blocks: blocks.unsigned_abs(),
        seconds,
        rss_peak_kb: rss_peak_kb(),
        bytes_per_connection: grown_kb * 1024 / (connections as u64).saturating_sub(1).max(1),
        ..NetOutcome::default()
    })
}
