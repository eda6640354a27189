//! Workers in other processes over loopback TCP, encrypted.
//!
//! ```text
//! workers:P          no-op blocks, P worker processes, look-ahead as in every run
//! connections:C      no-op blocks, C connections from one process, from the moment all are there
//! roundtrip          one worker, one block at a time: outcome and next block in one round trip
//! pingpong           as many bytes to and fro over plain sockets, two processes
//! sleep:P            blocks that take 10 ms, P worker processes; the rate is that of the ideal run
//! ```
//! Each with `+journal` behind it keeps a journal.

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
    net_load,
};

/// What runs without being named.
const WORKLOADS: [&str; 13] = [
    "workers:1",
    "workers:2",
    "workers:4",
    "workers:1+journal",
    "workers:2+journal",
    "workers:4+journal",
    "connections:10",
    "connections:100",
    "connections:1000",
    "pingpong",
    "roundtrip",
    "roundtrip+journal",
    "sleep:2",
];

/// Blocks of a run of no-op blocks.
const BLOCKS: i64 = 2_000_000;
/// Round trips that are measured one by one.
const ROUND_TRIPS: usize = 20_000;
/// Bytes of a message of the ping-pong.
const MESSAGE: usize = 256;
/// How long a block of `sleep` takes.
const NAP: Duration = Duration::from_millis(10);
const NAPS: i64 = 1_000;

/// One measured run.
pub(crate) struct NetOutcome {
    workload: String,
    workers: usize,
    connections: usize,
    blocks: u64,
    seconds: f64,
    /// Sorted.
    latencies: Vec<Duration>,
    /// Of the server.
    rss_peak_kb: u64,
}

impl NetOutcome {
    fn to_json(&self) -> String {
        let Self { workload, workers, connections, blocks, seconds, rss_peak_kb, .. } = self;
        let quantile = |percent: usize| {
            let place = self.latencies.len() * percent / 100;
            self.latencies.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        format!(
            "{{\"workload\":\"{workload}\",\"workers\":{workers},\"connections\":{connections},\
             \"blocks\":{blocks},\"blocks_per_s\":{:.0},\"latency_us_p50\":{:.1},\
             \"latency_us_p99\":{:.1},\"rss_peak_kb\":{rss_peak_kb}}}",
            *blocks as f64 / seconds,
            quantile(50),
            quantile(99),
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
    let (kind, has_journal) = match workload.strip_suffix("+journal") {
        Some(kind) => (kind, true),
        None => (workload, false),
    };
    let (kind, size) = kind.split_once(':').unwrap_or((kind, "1"));
    let size: usize = size.parse()?;
    let outcome = match kind {
        "pingpong" => pingpong(workload)?,
        "workers" => run(workload, &["loop"], size, (BLOCKS, has_journal))?,
        "connections" => {
            let load = ["load".to_owned(), size.to_string()];
            let load: Vec<&str> = load.iter().map(String::as_str).collect();
            let outcome = run(workload, &load, 1, (10 * BLOCKS, has_journal))?;
            NetOutcome { connections: size, ..outcome }
        }
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
    let mut seconds = report.wall_time.as_secs_f64();
    if !report.is_success() {
        return Err(report.to_string().into());
    }
    let mut latencies = Vec::new();
    for child in children {
        let output = child.wait_with_output()?;
        let nanos = String::from_utf8_lossy(&output.stdout);
        if let Some(elapsed) = nanos.trim().strip_prefix("elapsed ") {
            seconds = elapsed.parse::<f64>()? * 1e-9;
        }
        latencies
            .extend(nanos.lines().filter_map(|line| line.parse().ok()).map(Duration::from_nanos));
    }
    std::fs::remove_dir_all(&folder)?;
    latencies.sort_unstable();
    let blocks = report.tasks.first().map_or(0, |task| task.counts.completed);
    let (workload, rss_peak_kb) = (workload.to_owned(), rss_peak_kb());
    let connections = processes;
    Ok(NetOutcome {
        workload,
        workers: processes,
        connections,
        blocks,
        seconds,
        latencies,
        rss_peak_kb,
    })
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
            while let Some(block) = client.acquire_block()? {
                std::thread::park_timeout(NAP);
                block.complete();
            }
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
        ["echo"] => echo()?,
        _ => return Err("unknown role".into()),
    }
    Ok(())
}

fn print_times(times: &[Duration]) {
    let text: String = times.iter().map(|time| format!("{}\n", time.as_nanos())).collect();
    print!("{text}");
}

/// Plain sockets: what a round trip costs at least.
fn pingpong(workload: &str) -> Result<NetOutcome, Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut child = Command::new(env::current_exe()?)
        .args(["net-worker", "echo"])
        .env("DAISY_BENCH_ECHO", listener.local_addr()?.to_string())
        .spawn()?;
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut message = [7; MESSAGE];
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
    let (workload, blocks) = (workload.to_owned(), ROUND_TRIPS as u64);
    Ok(NetOutcome {
        workload,
        workers: 1,
        connections: 1,
        blocks,
        seconds,
        latencies,
        rss_peak_kb: rss_peak_kb(),
    })
}

fn echo() -> Result<(), Error> {
    let mut stream = TcpStream::connect(env::var("DAISY_BENCH_ECHO")?)?;
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE];
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message)?;
    }
    Ok(())
}
