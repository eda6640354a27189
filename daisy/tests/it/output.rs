//! What worker processes write is told while they are at work.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
};

use daisy::{Observer, Said, TaskId, WorkerLine};

use crate::outside::{options, outside};

/// Keeps what workers say, and leaves a file `heard` when something was.
#[derive(Clone)]
struct Listener {
    folder: PathBuf,
    wants: bool,
    lines: Arc<Mutex<Vec<WorkerLine>>>,
}

impl Listener {
    fn new(folder: &Path, wants: bool) -> Self {
        Self { folder: folder.to_path_buf(), wants, lines: Arc::default() }
    }

    fn texts(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let text = |line: &WorkerLine| match &line.said {
            Said::Line(text) => Some(text.clone()),
            _ => None,
        };
        lines.iter().filter_map(text).collect()
    }
}

impl Observer for Listener {
    fn wants_blocks(&self) -> bool {
        false
    }

    fn wants_output(&self) -> bool {
        self.wants
    }

    fn worker_said(&mut self, line: &WorkerLine) {
        self.lines.lock().unwrap().push(line.clone());
        if matches!(&line.said, Said::Line(text) if text.starts_with("hello")) {
            fs::write(self.folder.join("heard"), "").unwrap();
        }
    }
}

#[test]
fn what_workers_write_is_told_while_they_are_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("say", 1, folder.path()).build().unwrap();
    let listener = Listener::new(folder.path(), true);
    // The block waits until it was heard.
    let report = options(folder.path()).observer(listener.clone()).run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
    let lines = listener.lines.lock().unwrap();
    let hello = lines.iter().find(|line| line.said == Said::Line("hello from 0".to_owned()));
    let hello = hello.unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!((hello.task, hello.worker.to_string().as_str()), (TaskId::new(0), "w0"));
}

#[test]
fn the_last_words_of_a_worker_are_told_to_those_who_listen() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("gasp", 1, folder.path()).max_retries(0).build().unwrap();
    let (listener, deaf) =
        (Listener::new(folder.path(), true), Listener::new(folder.path(), false));
    let options = options(folder.path()).observer(listener.clone()).observer(deaf.clone());
    assert!(!options.run(&[task]).unwrap().is_success());
    let texts = listener.texts();
    assert!(texts.iter().any(|text| text.ends_with("last words")), "{texts:?}");
    assert!(deaf.lines.lock().unwrap().is_empty());
}

#[test]
fn of_a_flood_of_lines_the_newest_are_told_and_where_all_of_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let task = outside("flood", 1, folder.path()).build().unwrap();
    let listener = Listener::new(folder.path(), true);
    let report = options(folder.path()).observer(listener.clone()).run(&[task]).unwrap();
    assert!(report.is_success(), "{report}");
    let texts = listener.texts();
    assert!(texts.iter().any(|text| text == "the last line"), "{texts:?}");
    let lines = listener.lines.lock().unwrap();
    let mut left_out = lines.iter().filter_map(|line| match &line.said {
        Said::LeftOut { bytes, log } => Some((*bytes, log.clone())),
        _ => None,
    });
    let (bytes, log) = left_out.next().expect("something is left out");
    assert!(bytes > 1_000 && fs::read_to_string(log).unwrap().contains("line 17\n"));
}

/// Set for the child of the next test: to its folder.
#[cfg(feature = "progress")]
const VIEW: &str = "DAISY_TEST_VIEW_FOLDER";

/// Not a test by itself: a run that shows its progress.
#[test]
#[cfg(feature = "progress")]
fn view_entry() {
    let Some(folder) = env::var_os(VIEW).map(PathBuf::from) else { return };
    let task = outside("say", 1, &folder).build().unwrap();
    let listener = Listener::new(&folder, true);
    options(&folder).progress(true).observer(listener).run(&[task]).unwrap();
}

#[test]
#[cfg(feature = "progress")]
fn what_workers_write_is_shown_with_their_task_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let run = process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "output::view_entry", "--nocapture"])
        .env(VIEW, folder.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(run.stderr).unwrap();
    assert!(shown.lines().any(|line| line == "[say w0] hello from 0"), "{shown}");
}
