//! What this program does when it is entered again: be a server, or one of its workers.
//!
//! A block appends a line when it begins, one every 20 ms while a slow one goes on, and one at its end;
//! each is a single write, which no other process can come between. It also leaves a number in its
//! task's file, made of those it reads, by which the result can be told from a wrong one.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::{fs::FileExt, process::parent_id},
    path::PathBuf,
    process, thread,
    time::Duration,
};

use daisy::{Block, Client, Context, worker};

use crate::{
    plan::{CHAIN, FOLDER, GO, PLAN, Plan},
    stage::pause,
};

/// How often a slow block shows that it goes on.
const TICK: Duration = Duration::from_millis(20);

/// The server: makes the run, leaves its report, exits by it. Nothing where this is an ordinary test.
#[test]
fn server_entry() {
    let Some(bench) = Bench::from_env().filter(|_| !is_worker()) else { return };
    end_with_parent();
    let Bench { folder, plan, .. } = &bench;
    let worker = plan.command(folder, "worker_entry");
    let tasks = plan.tasks(|name, builder| {
        let builder =
            if plan.workers > 0 { builder.worker_command(worker.clone()) } else { builder };
        if !plan.finds_first || name != CHAIN[0] {
            return builder;
        }
        let bench = Bench::from_env().unwrap();
        builder.check(move |block| {
            bench.say("check", name, block, (0, 0));
            bench.folder.join("found").exists()
        })
    });
    let code = match plan.options(folder).run(&tasks[tasks.len() - 1..]) {
        Ok(report) => {
            eprintln!("{report}");
            fs::write(folder.join("report.new"), report.to_json()).unwrap();
            fs::rename(folder.join("report.new"), folder.join("report.json")).unwrap();
            i32::from(report.exit_code())
        }
        Err(error) => {
            eprintln!("server: {error}");
            3
        }
    };
    process::exit(code)
}

/// A worker: runs the blocks it gets, ends. Nothing where this is an ordinary test.
#[test]
fn worker_entry() {
    let Some(bench) = Bench::from_env().filter(|_| is_worker()) else { return };
    if bench.plan.serves {
        let tasks = bench.plan.clone().tasks(|name, builder| {
            let bench = Bench::from_env().unwrap();
            let run = move |block: &Block| bench.run(name, block, 0, 0);
            builder.process(run).in_processes()
        });
        worker::serve(&tasks).unwrap();
        panic!("serve does not return in a worker");
    }
    let client = match Client::new() {
        Ok(client) => client,
        Err(error) => {
            eprintln!("worker: {error}");
            process::exit(worker::EXIT_LOST)
        }
    };
    loop {
        match client.acquire_block() {
            Ok(Some(block)) => {
                bench.run(client.task(), &block, block.attempt(), block.lease());
                block.complete();
            }
            Ok(None) => process::exit(0),
            Err(error) => {
                eprintln!("worker: {error}");
                process::exit(worker::EXIT_LOST)
            }
        }
    }
}

fn is_worker() -> bool {
    env::var_os(Context::VARIABLE).is_some()
}

/// A server whose test is gone has nobody left to end it.
fn end_with_parent() {
    let parent = parent_id();
    thread::spawn(move || {
        while parent_id() == parent {
            pause(Duration::from_millis(500));
        }
        process::abort();
    });
}

/// Where blocks are run.
struct Bench {
    folder: PathBuf,
    plan: Plan,
    history: File,
}

impl Bench {
    fn from_env() -> Option<Self> {
        let folder = PathBuf::from(env::var_os(FOLDER)?);
        let plan = Plan::parse(&env::var(PLAN).ok()?);
        let history =
            OpenOptions::new().create(true).append(true).open(folder.join("history")).unwrap();
        Some(Self { folder, plan, history })
    }

    fn run(&self, task: &str, block: &Block, attempt: u32, lease: u64) {
        let cell = block.key.cell;
        let say = |what: &str| self.say(what, task, block, (attempt, lease));
        say("begin");
        if self.plan.poison == Some(cell) {
            process::abort();
        }
        let number = self.number(task, cell);
        if self.plan.is_slow(cell) {
            for _ in 0..Duration::from_millis(self.plan.slow_ms).as_millis() / TICK.as_millis() {
                pause(TICK);
                say("tick");
            }
        }
        if self.plan.held == Some(cell) {
            while !self.folder.join(GO).exists() {
                pause(TICK);
            }
        }
        if self.plan.is_chain {
            let file = self.numbers(task);
            file.write_all_at(&number.to_le_bytes(), cell * 8).unwrap();
        }
        say("end");
    }

    /// One line of the history; of the loan, the attempt and the lease are known, or 0.
    fn say(&self, what: &str, task: &str, block: &Block, (attempt, lease): (u32, u64)) {
        let (cell, pid) = (block.key.cell, process::id());
        let line = format!("{what} {task} {cell} {attempt} {lease} {pid}\n");
        (&self.history).write_all(line.as_bytes()).unwrap();
    }

    /// The number of a block: of its cell, or of the blocks that it reads.
    fn number(&self, task: &str, cell: u64) -> u64 {
        let read = |task: &str, cell: u64| {
            let mut bytes = [0; 8];
            // What was never written counts as 0, which no block leaves.
            let _is_there = self.numbers(task).read_exact_at(&mut bytes, cell * 8);
            u64::from_le_bytes(bytes)
        };
        match CHAIN.iter().position(|&name| name == task) {
            Some(1) => (cell..cell + 3).map(|cell| read(CHAIN[0], cell)).sum(),
            Some(2) => 3 * read(CHAIN[1], cell),
            _ => first_number(cell),
        }
    }

    fn numbers(&self, task: &str) -> File {
        let path = self.folder.join(format!("numbers_{task}"));
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }
}

const fn first_number(cell: u64) -> u64 {
    cell * cell + 1
}

/// What the block of the last task must have left.
pub(crate) fn last_number(cell: u64) -> u64 {
    3 * (cell..cell + 3).map(first_number).sum::<u64>()
}
