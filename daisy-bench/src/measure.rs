//! What is measured, how it is asked for and how it is printed.

use std::{env, fs, process::Command, time::Instant};

use crate::Error;

/// The command line after the name of the suite.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) window: usize,
    pub(crate) repeat: usize,
    pub(crate) workloads: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let mut options = Self { json: false, window: 1, repeat: 1, workloads: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut number = || -> Result<usize, Error> {
                let value = rest.next().ok_or_else(|| format!("{argument} needs a number"))?;
                Ok(value.parse()?)
            };
            match argument.as_str() {
                "--json" => options.json = true,
                "--window" => options.window = number()?.max(1),
                "--repeat" => options.repeat = number()?.max(1),
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown option {flag}").into());
                }
                workload => options.workloads.push(workload.into()),
            }
        }
        Ok(options)
    }
}

/// One measured run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) workload: String,
    pub(crate) window: usize,
    pub(crate) blocks: u64,
    pub(crate) blocks_per_s: f64,
    pub(crate) first_block_s: f64,
    /// Of the workloads that measure turns.
    pub(crate) longest_turn_s: f64,
    pub(crate) rss_peak_kb: u64,
}

impl Outcome {
    /// The outcome of `blocks` blocks that took from `start` to now.
    pub(crate) fn since(start: Instant, workload: &str, window: usize, blocks: u64) -> Self {
        let seconds = start.elapsed().as_secs_f64();
        Self {
            workload: workload.into(),
            window,
            blocks,
            blocks_per_s: blocks as f64 / seconds,
            first_block_s: 0.0,
            longest_turn_s: 0.0,
            rss_peak_kb: rss_peak_kb(),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let Self { workload, window, blocks, .. } = self;
        let Self { blocks_per_s, first_block_s, longest_turn_s, rss_peak_kb, .. } = self;
        format!(
            "{{\"workload\":\"{workload}\",\"window\":{window},\"blocks\":{blocks},\
             \"blocks_per_s\":{blocks_per_s:.0},\"first_block_s\":{first_block_s:.9},\
             \"longest_turn_s\":{longest_turn_s:.9},\"rss_peak_kb\":{rss_peak_kb}}}"
        )
    }
}

/// Runs one workload in a process of its own, `repeat` times, and gives the line of the median run.
pub(crate) fn in_fresh_process(workload: &str, options: &Options) -> Result<String, Error> {
    let mut lines = Vec::new();
    for _ in 0..options.repeat {
        let output = Command::new(env::current_exe()?)
            .args(["one", workload, "--window", &options.window.to_string()])
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        lines.push(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    lines.sort_by(|a, b| number(a, "blocks_per_s").total_cmp(&number(b, "blocks_per_s")));
    lines.get(lines.len() / 2).cloned().ok_or_else(|| "no run".into())
}

/// A number out of a line of JSON that this program wrote.
pub(crate) fn number(line: &str, key: &str) -> f64 {
    let found = line
        .split_once(&format!("\"{key}\":"))
        .and_then(|(_, rest)| rest.split([',', '}']).next().and_then(|value| value.parse().ok()));
    found.unwrap_or(f64::NAN)
}

/// The largest resident size of this process so far; 0 where the system does not tell.
pub(crate) fn rss_peak_kb() -> u64 {
    status_kb("VmHWM:")
}

/// The resident size of this process now; 0 where the system does not tell.
pub(crate) fn rss_kb() -> u64 {
    status_kb("VmRSS:")
}

fn status_kb(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
