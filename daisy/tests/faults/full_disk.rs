//! A journal that cannot grow, as on a full disk: in a process that may write no longer files.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use daisy::{Order, Roi, RunOptions, Task, TaskSummary};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use signal_hook::consts;

/// Set in the process that has the limit: to its folder.
const FOLDER: &str = "DAISY_FULL_DISK";
/// The longest file, in bytes.
const LIMIT: u64 = 8 << 10;
/// The journal of so many blocks is many times as long, in an order in which few that lie in a row are done together.
const BLOCKS: u32 = 100_000;
const WORKERS: u32 = 2;
/// How many blocks a worker is given at most.
const AHEAD: u32 = 256;

#[test]
fn threads_stop_when_their_journal_cannot_grow_and_go_on_when_there_is_room() {
    on_small_disk("full_disk::in_threads");
}

#[test]
fn a_serial_run_stops_when_its_journal_cannot_grow_and_goes_on_when_there_is_room() {
    on_small_disk("full_disk::in_series");
}

#[test]
fn in_threads() {
    fill_up(false);
}

#[test]
fn in_series() {
    fill_up(true);
}

/// Enters this program again: the limit is one of a whole process.
fn on_small_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("done on a full disk"), "{output:?}");
}

/// Not a test by itself, but what is done in the process that has the limit.
fn fill_up(serial: bool) {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let calls: Arc<Vec<AtomicU32>> = Arc::new((0..BLOCKS).map(|_| AtomicU32::new(0)).collect());
    let num_called = || calls.iter().filter(|calls| calls.load(Ordering::SeqCst) > 0).count();
    let journal = folder.join("journal");

    // Else it would end the process.
    signal_hook::flag::register(consts::SIGXFSZ, Arc::default()).unwrap();
    let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, LIMIT, most).unwrap();
    let error = run(&journal, serial, &calls).unwrap_err().to_string();
    assert!(error.contains(&journal.display().to_string()), "{error}");
    assert!(error.contains("File too large"), "{error}");
    assert!(fs::metadata(&journal).unwrap().len() <= LIMIT);
    let num_done = num_called();
    assert!(num_done < BLOCKS as usize / 2, "{num_done} blocks were run: it goes on");

    setrlimit(Resource::RLIMIT_FSIZE, most, most).unwrap();
    let task = run(&journal, serial, &calls).unwrap();
    assert_eq!(task.counts.skipped + task.counts.completed, u64::from(BLOCKS));
    // What is done again was at a worker, or reported when nothing could be written any more.
    let again = num_done as u64 - task.counts.skipped;
    assert!(task.counts.skipped > 0 && again <= u64::from(2 * WORKERS * AHEAD), "{again} again");
    let most = calls.iter().map(|calls| calls.load(Ordering::SeqCst)).max();
    let twice = calls.iter().filter(|calls| calls.load(Ordering::SeqCst) == 2).count() as u64;
    assert_eq!((num_called(), most, twice), (BLOCKS as usize, Some(2), again));
    eprintln!("done on a full disk");
}

fn run(
    journal: &Path,
    serial: bool,
    calls: &Arc<Vec<AtomicU32>>,
) -> Result<TaskSummary, daisy::Error> {
    let block = Roi::new([0, 0], [1, 1]).unwrap();
    let total = Roi::new([0, 0], [i64::from(BLOCKS / 200), 200]).unwrap();
    let calls = Arc::clone(calls);
    let task = Task::builder("many", total, block.clone(), block)
        .num_workers(WORKERS)
        .process(move |block| {
            calls[usize::try_from(block.key.cell).unwrap()].fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let options = RunOptions::new().order(Order::Morton).serial(serial).journal(journal);
    let mut report = options.run(&[task])?;
    assert!(report.is_success(), "{report}");
    Ok(report.tasks.remove(0))
}
