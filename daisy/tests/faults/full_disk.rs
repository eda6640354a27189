//! A disk that is full, really: a file system of some 100 KiB in a mount namespace of its own.
//!
//! Needs `unshare` of util-linux and the right to mount; where that cannot be had, the test is left out.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use daisy::{Order, Roi, RunOptions, Task, TaskSummary};

use crate::skipped::skipped;

/// Set in the process that has the small disk: to its folder.
const FOLDER: &str = "DAISY_FULL_DISK";
/// What is there and what is taken at first, in bytes: the journal has what is between.
const DISK: usize = 128 << 10;
const BALLAST: usize = 112 << 10;
/// So many blocks have a journal that is longer, in an order in which few of those that lie in a row are done together.
const BLOCKS: u32 = 240_000;
const WORKERS: u32 = 2;
/// What a worker has on its desk at most.
const AHEAD: u32 = 256;
/// Nothing takes so long unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_full_disk_ends_a_run_which_goes_on_when_there_is_room() {
    let Some(own) = ["-m", "-rm"].into_iter().find(|own| is_mountable(own)) else {
        return skipped(
            "no mount namespaces here (unshare and root, or user namespaces, are needed)",
        );
    };
    let folder = tempfile::tempdir().unwrap();
    let mut inside = on_small_disk(own, folder.path());
    inside.arg(env::current_exe().unwrap());
    inside.args(["--exact", "full_disk::inside", "--nocapture"]).env(FOLDER, folder.path());
    let output = in_time(inside);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("done on a full disk"), "{output:?}");
}

/// Runs what is added to it where the folder is a small disk.
fn on_small_disk(own: &str, folder: &Path) -> Command {
    let script = format!("mount -t tmpfs -o size={DISK} tmpfs \"$1\" && shift && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args([own, "sh", "-c", &script, "sh"]).arg(folder);
    command
}

fn is_mountable(own: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let tried = on_small_disk(own, folder.path()).arg("true").output();
    tried.is_ok_and(|output| output.status.success())
}

/// What a process says, which is ended if it hangs.
fn in_time(mut command: Command) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let mut child = command
        .stdout(fs::File::create(folder.path().join("out")).unwrap())
        .stderr(fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let end = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    let status = child.wait().unwrap();
    Output { status, stdout: Vec::new(), stderr: fs::read(said).unwrap() }
}

/// Not a test by itself: what is done on the small disk.
#[test]
fn inside() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; BALLAST]).unwrap();
    let calls: Arc<Vec<AtomicU32>> = Arc::new((0..BLOCKS).map(|_| AtomicU32::new(0)).collect());
    let num_called = || calls.iter().filter(|calls| calls.load(Ordering::SeqCst) > 0).count();
    let journal = folder.join("journal");

    let error = run(&journal, &calls).unwrap_err().to_string();
    eprintln!("{error}");
    assert!(error.contains(&journal.display().to_string()), "{error}");
    assert!(error.contains("No space left on device"), "{error}");
    let num_done = num_called();
    eprintln!("{num_done} of {BLOCKS} blocks, {} bytes", fs::metadata(&journal).unwrap().len());
    assert!(num_done < BLOCKS as usize, "the disk is too large");

    fs::remove_file(ballast).unwrap();
    let task = run(&journal, &calls).unwrap();
    let again = num_done as u64 - task.counts.skipped;
    assert_eq!(task.counts.skipped + task.counts.completed, u64::from(BLOCKS));
    // What is done again was on a worker's desk, or reported when nothing could be written any more.
    assert!(task.counts.skipped > 0 && again <= u64::from(2 * WORKERS * AHEAD));
    let most = calls.iter().map(|calls| calls.load(Ordering::SeqCst)).max();
    let twice = calls.iter().filter(|calls| calls.load(Ordering::SeqCst) == 2).count() as u64;
    assert_eq!((num_called(), most, twice), (BLOCKS as usize, Some(2), again));
    eprintln!("done on a full disk");
}

fn run(journal: &Path, calls: &Arc<Vec<AtomicU32>>) -> Result<TaskSummary, daisy::Error> {
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
    let mut report = RunOptions::new().order(Order::Morton).journal(journal).run(&[task])?;
    assert!(report.is_success(), "{report}");
    Ok(report.tasks.remove(0))
}
