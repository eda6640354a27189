//! The benchmarks, one workload in a fresh process each: `cargo xtask bench` runs them.
//!
//! ```text
//! daisy-bench scheduler [--json] [--window W] [WORKLOAD...]
//! daisy-bench geometry [--json]
//! daisy-bench net [--json] [--repeat R] [WORKLOAD...]
//! ```

mod geometry;
mod measure;
mod net;
mod net_idle;
mod net_load;
mod pipeline;
mod resume;
mod run;
mod scheduler;
mod takeover;
mod turns;

use std::{env, process::ExitCode};

use measure::{Options, Outcome};

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("daisy-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let (command, rest) =
        arguments.split_first().ok_or("give a suite: scheduler, geometry or net")?;
    if command == "net-worker" {
        return net::worker(rest);
    }
    let options = Options::parse(rest)?;
    match command.as_str() {
        "scheduler" => scheduler::suite(&options),
        "geometry" => geometry::suite(&options),
        "net" => net::suite(&options),
        "net-one" => net::one(options.workloads.first().ok_or("give a workload")?),
        // The child's side: one workload, one line of JSON.
        "one" => {
            let workload = options.workloads.first().ok_or("give a workload")?;
            let outcome: Outcome = scheduler::one(workload, options.window)?;
            println!("{}", outcome.to_json());
            Ok(())
        }
        other => Err(format!("unknown suite '{other}'; use scheduler, geometry or net").into()),
    }
}
