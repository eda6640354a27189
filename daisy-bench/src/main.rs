//! The benchmarks, one workload in a fresh process each: `cargo xtask bench` runs them.
//!
//! ```text
//! daisy-bench scheduler [--json] [--window W] [WORKLOAD...]
//! daisy-bench geometry [--json]
//! ```

mod geometry;
mod measure;
mod pipeline;
mod run;
mod scheduler;
mod takeover;

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
    let (command, rest) = arguments.split_first().ok_or("give a suite: scheduler or geometry")?;
    let options = Options::parse(rest)?;
    match command.as_str() {
        "scheduler" => scheduler::suite(&options),
        "geometry" => geometry::suite(&options),
        // The child's side: one workload, one line of JSON.
        "one" => {
            let workload = options.workloads.first().ok_or("give a workload")?;
            let outcome: Outcome = scheduler::one(workload, options.window)?;
            println!("{}", outcome.to_json());
            Ok(())
        }
        other => Err(format!("unknown suite '{other}'; use scheduler or geometry").into()),
    }
}
