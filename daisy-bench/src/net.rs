//! Workers in other processes over loopback TCP, encrypted.
//!
//! ```text
//! workers:P          no-op blocks, P worker processes, look-ahead as in every run
//! connections:C      no-op blocks, C connections from one process, from the moment all are there
//! idle:C             C connected workers that wait: what each costs the server in memory
//! roundtrip          one worker, one block at a time: outcome and next block in one round trip
//! pingpong           as many bytes to and fro over plain sockets, two processes
//! pingpong:N         the same with N bytes
//! sleep:P            blocks that take 10 ms, P worker processes
//! resume:stretch     10^7 finished blocks in one stretch, read again from a journal
//! resume:stretches   5 * 10^6 finished blocks, each a stretch of its own
//! ```
//! Each with `+journal` behind it keeps a journal.
//!
//! # What is compared
//! A message of `roundtrip` has 26 to 32 bytes each way, encryption included (an outcome and the wish for a block; an
//! acknowledgement and a block), so one of `pingpong` has 32.
//!
//! The rate of `sleep` is the sum of its workers' rates, each from its first block to its dismissal, so that starting a
//! process does not count. No system wakes a thread after 10 ms to the microsecond: `ideal_blocks_per_s` is the rate at
//! which the naps alone would have been through, by each worker's own clock.
//!
//! The time of `resume` is that from the start of the run to its first block; with `+snapshot` the journal was compacted
//! before, as the end of a run does it.
//!
//! `bytes_per_connection` is how much the server's resident memory grew between the first connected worker and the last,
//! divided by their number; what the kernel keeps of a socket is not in it.

use std::{
    env,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use daisy::{Client, Context, Roi, RunOptions, Server, Task};

use crate::{
    Error,
    measure::{Options, number, rss_peak_kb},
    net_idle, net_load, resume,
};

/// What runs without being named.
const WORKLOADS: [&str; 18] = [
    "workers:1",
    "workers:2",
    "workers:4",
    "workers:1+journal",
    "workers:2+journal",
    "workers:4+journal",
    "connections:10",
    "connections:100",
    "connections:1000",
    "idle:1000",
    "pingpong",
    "roundtrip",
    "roundtrip+journal",
    "sleep:2",
    "resume:stretch",
    "resume:stretch+snapshot",
    "resume:stretches",
    "resume:stretches+snapshot",
];

/// Blocks of a run of no-op blocks.
const BLOCKS: i64 = 2_000_000;
/// Round trips that are measured one by one.
const ROUND_TRIPS: usize = 20_000;
/// Bytes of a message of the ping-pong: as many as a message of `roundtrip` has.
const MESSAGE: usize = 32;
/// How long a block of `sleep` takes.
const NAP: Duration = Duration::from_millis(10);
const NAPS: i64 = 1_000;

/// One measured run.
#[derive(Default)]
pub(crate) struct NetOutcome {
    pub(crate) workload: String,
    pub(crate) workers: usize,
    pub(crate) connections: usize,
    pub(crate) blocks: u64,
    pub(crate) seconds: f64,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Of the server.
    pub(crate) rss_peak_kb: u64,
    /// What a connection costs the server; 0 where that is not measured.
    pub(crate) bytes_per_connection: u64,
    /// The length of the journal that was read; 0 where there was none.
    pub(crate) journal_bytes: u64,
    /// How long the blocks alone would have taken; 0 where that is not measured.
    pub(crate) ideal_seconds: f64,
}

impl NetOutcome {
    fn to_json(&self) -> String {
        let Self { workload, workers, connections, blocks, seconds, rss_peak_kb, .. } = self;
        let Self { bytes_per_connection, journal_bytes, ideal_seconds, .. } = self;
        let rate = |seconds: f64| if seconds > 0.0 { *blocks as f64 / seconds } else { 0.0 };
        let quantile = |percent: usize| {
            let place = self.latencies.len() * percent / 100;
            self.latencies.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        format!(
            "{{\"workload\":\"{workload}\",\"workers\":{workers},\"connections\":{connections},\
             \"blocks\":{blocks},\"blocks_per_s\":{:.1},\"latency_us_p50\":{:.1},\
             \"latency_us_p99\":{:.1},\"rss_peak_kb\":{rss_peak_kb},\
             \"bytes_per_connection\":{bytes_per_connection},\"journal_bytes\":{journal_bytes},\
             \"ideal_blocks_per_s\":{:.1}}}",
            rate(*seconds),
            quantile(50),
            quantile(99),
            rate(*ideal_seconds),
        )
    }
}

/// Runs the workloads in fresh processes and prints a table, or one JSON object a line.
pub(crate) fn suite(options: &Options) -> Result<(), Error> {
    let named: Vec<String> = match &options.workloads[..] {
        [] => WORKLOADS.iter().map(|name| (*name).to_owned()).collect(),
        named => named.to_vec(),
    };
    if !options.json {
        println!("| workload | blocks | blocks/s | median, us | 99 %, us | peak, MiB |");
        println!("|---|--:|--:|--:|--:|--:|");
    }
    for workload in named {
        let line = median_run(&workload, options.repeat)?;
        if options.json {
            println!("{line}");
            continue;
        }
        let value = |key| number(&line, key);
        println!(
            "| `{workload}` | {} | {:.0} | {:.1} | {:.1} | {:.1} |",
            value("blocks"),
            value("blocks_per_s"),
            value("latency_us_p50"),
            value("latency_us_p99"),
            value("rss_peak_kb") / 1024.0,
        );
    }
    Ok(())
}

fn median_run(workload: &str, repeat: usize) -> Result<String, Error> {
    let mut lines = Vec::new();
    for _ in 0..repeat {
        let output = Command::new(env::current_exe()?).args(["net-one", workload]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        lines.push(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    lines.sort_by(|a, b| number(a, "blocks_per_s").total_cmp(&number(b, "blocks_per_s")));
    lines.get(lines.len() / 2).cloned().ok_or_else(|| "no run".into())
}

/// The server's side of one workload; prints a line of JSON.
pub(crate) fn one(workload: &str) -> Result<(), Error> {
    if let Some(kind) = workload.strip_prefix("resume:") {
        let (kind, is_compact) = match kind.strip_suffix("+snapshot") {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        println!("{}", resume::run(workload, kind, is_compact)?.to_json());
        return Ok(());
    }
    let (kind, has_journal) = match workload.strip_suffix("+journal") {
        Some(kind) => (kind, true),
        None => (workload, false),
    };
    let (kind, size) = kind.split_once(':').unwrap_or((kind, "1"));
    let size: usize = size.parse()?;
    let outcome = match kind {
        "pingpong" => pingpong(workload, if size > 1 { size } else { MESSAGE })?,
        "workers" => run(workload, &["loop"], size, (BLOCKS, has_journal))?,
        "connections" => {
            let load = ["load".to_owned(), size.to_string()];
            let load: Vec<&str> = load.iter().map(String::as_str).collect();
            let outcome = run(workload, &load, 1, (10 * BLOCKS, has_journal))?;
            NetOutcome { connections: size, ..outcome }
        }
        "idle" => net_idle::run(workload, size)?,
        "roundtrip" => run(workload, &["singly"], 1, (ROUND_TRIPS as i64, has_journal))?,
        "sleep" => run(workload, &["nap"], size, (NAPS, has_journal))?,
        _ => return Err(format!("unknown workload {workload}").into()),
    };
    println!("{}", outcome.to_json());
    Ok(())
}

/// A server of so many blocks; `role` is what each of so many processes does.
fn run(
    workload: &str,
    role: &[&str],
    processes: usize,
    (blocks, has_journal): (i64, bool),
) -> Result<NetOutcome, Error> {
    let folder = env::temp_dir().join(format!("daisy-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (total, block) = (Roi::new([0], [blocks * 10])?, Roi::new([0], [10])?);
    let task = Task::builder("empty", total, block.clone(), block)
        .read_write_conflict(false)
        .num_workers(0)
        .build()?;
    let mut options = RunOptions::new();
    if has_journal {
        options = options.journal(folder.join("journal"));
    }
    let server = Server::bind(options)?;
    let context = server.context("empty").to_string();
    let children: Vec<Child> = (0..processes)
        .map(|_| {
            Command::new(env::current_exe()?)
                .arg("net-worker")
                .args(role)
                .env(Context::VARIABLE, &context)
                .stdout(Stdio::piped())
                .spawn()
        })
        .collect::<Result<_, _>>()?;
    let report = server.run(&[task])?;
    if !report.is_success() {
        return Err(report.to_string().into());
    }
    let mut said = Said::default();
    for child in children {
        said.note(&String::from_utf8_lossy(&child.wait_with_output()?.stdout))?;
    }
    std::fs::remove_dir_all(&folder)?;
    said.latencies.sort_unstable();
    let blocks = report.tasks.first().map_or(0, |task| task.counts.completed);
    let of_rate = |rate: f64| if rate > 0.0 { blocks as f64 / rate } else { 0.0 };
    let seconds = match (said.elapsed, of_rate(said.rate)) {
        (Some(elapsed), _) => elapsed,
        (None, 0.0) => report.wall_time.as_secs_f64(),
        (None, seconds) => seconds,
    };
    Ok(NetOutcome {
        workload: workload.to_owned(),
        workers: processes,
        connections: processes,
        blocks,
        seconds,
        latencies: said.latencies,
        rss_peak_kb: rss_peak_kb(),
        ideal_seconds: of_rate(said.ideal_rate),
        ..NetOutcome::default()
    })
}

/// What the worker processes of a run said on their standard output.
#[derive(Default)]
struct Said {
    /// `elapsed NANOS`: for how long it was measured.
    elapsed: Option<f64>,
    /// `worked BLOCKS NANOS IDEAL`: blocks a second, of all workers together, as it was and as it could have been.
    rate: f64,
    ideal_rate: f64,
    /// A number alone in its line: the nanoseconds of a round trip.
    latencies: Vec<Duration>,
}

impl Said {
    fn note(&mut self, text: &str) -> Result<(), Error> {
        for line in text.lines() {
            match &line.split(' ').collect::<Vec<_>>()[..] {
                ["elapsed", nanos] => self.elapsed = Some(nanos.parse::<f64>()? * 1e-9),
                ["worked", blocks, nanos, ideal] => {
                    let blocks: f64 = blocks.parse()?;
                    self.rate += blocks / nanos.parse::<f64>()? * 1e9;
                    self.ideal_rate += blocks / ideal.parse::<f64>()? * 1e9;
                }
                [nanos] => self.latencies.push(Duration::from_nanos(nanos.parse()?)),
                _ => return Err(format!("a worker said: {line}").into()),
            }
        }
        Ok(())
    }
}

/// A worker's side.
pub(crate) fn worker(arguments: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &words[..] {
        ["loop"] => {
            let client = Client::new()?;
            while let Some(block) = client.acquire_block()? {
                block.complete();
            }
        }
        ["nap"] => {
            let client = Client::new()?;
            let (mut blocks, mut first, mut asleep) = (0_u64, None, Duration::ZERO);
            while let Some(block) = client.acquire_block()? {
                let start = Instant::now();
                first.get_or_insert(start);
                std::thread::park_timeout(NAP);
                asleep += start.elapsed();
                block.complete();
                blocks += 1;
            }
            let elapsed = first.map_or(Duration::ZERO, |first: Instant| first.elapsed());
            println!("worked {blocks} {} {}", elapsed.as_nanos(), asleep.as_nanos());
        }
        ["singly"] => {
            let client = Client::new()?;
            let mut times = Vec::with_capacity(ROUND_TRIPS);
            let mut start = Instant::now();
            while let Some(block) = client.acquire_blocks(1)?.pop() {
                times.push(start.elapsed());
                start = Instant::now();
                block.complete();
            }
            print_times(&times);
        }
        ["load", connections] => net_load::run(&Context::from_env()?, connections.parse()?)?,
        ["idle", connections] => {
            net_load::sit(&Context::from_env()?, connections.parse()?)?;
        }
        ["echo", bytes] => echo(bytes.parse()?)?,
        _ => return Err("unknown role".into()),
    }
    Ok(())
}

fn print_times(times: &[Duration]) {
    let text: String = times.iter().map(|time| format!("{}\n", time.as_nanos())).collect();
    print!("{text}");
}

/// Plain sockets: what a round trip costs at least.
fn pingpong(workload: &str, bytes: usize) -> Result<NetOutcome, Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut child = Command::new(env::current_exe()?)
        .args(["net-worker", "echo", &bytes.to_string()])
        .env("DAISY_BENCH_ECHO", listener.local_addr()?.to_string())
        .spawn()?;
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut message = vec![7; bytes];
    let mut latencies = Vec::with_capacity(ROUND_TRIPS);
    let begin = Instant::now();
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        latencies.push(start.elapsed());
    }
    let seconds = begin.elapsed().as_secs_f64();
    drop(stream);
    child.wait()?;
    latencies.sort_unstable();
    Ok(NetOutcome {
        workload: workload.to_owned(),
        workers: 1,
        connections: 1,
        blocks: ROUND_TRIPS as u64,
        seconds,
        latencies,
        rss_peak_kb: rss_peak_kb(),
        ..NetOutcome::default()
    })
}

fn echo(bytes: usize) -> Result<(), Error> {
    let mut stream = TcpStream::connect(env::var("DAISY_BENCH_ECHO")?)?;
    stream.set_nodelay(true)?;
    let mut message = vec![0; bytes];
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message)?;
    }
    Ok(())
}
