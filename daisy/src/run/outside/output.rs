//! What worker processes write, shown while they are at work: a thread of its own reads their files and
//! tells the observers, if any of them wants to know.
//!
//! ```text
//!   children --- started, gone ---> thread --- lines ---> queue of the observers
//!                                     |  reads, five times a second
//!                                  files of the workers
//! ```
//!
//! It never holds the hub's lock and nobody waits for it: where a worker writes more than is shown, or the
//! observers are slow, it goes on at the end of the file, and says what it left out.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    mem,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use daisy_block::TaskId;
use daisy_sched::WorkerId;

use crate::{
    Error,
    observer::{Event, Said, WorkerLine},
    run::{hub::Hub, plain::plain},
};

/// How often the files are looked at.
const TICK: Duration = Duration::from_millis(200);
/// What is read of one file at a time, and shown of it.
const TICK_BYTES: u64 = 16_384;
const TICK_LINES: usize = 20;
/// A longer line is cut.
const LINE_BYTES: usize = 1_024;

/// What the thread has to know.
pub(super) enum Heard {
    /// A process was started; what it writes stands in a file from a place on.
    Started { worker: WorkerId, task: TaskId, log: PathBuf, from: u64 },
    /// It has ended, and writes no more.
    Gone(WorkerId),
}

/// Starts the thread, which ends with the last sender.
pub(super) fn listen(
    hub: &Arc<Hub>,
    queue: SyncSender<Event>,
) -> Result<(Sender<Heard>, JoinHandle<Option<()>>), Error> {
    // One entry for each process that starts or ends, and nobody may wait who sends it.
    let (sender, heard) = mpsc::channel();
    let own = Arc::clone(hub);
    let listen = move || own.watch(|| Ear { tails: BTreeMap::new(), queue }.listen(&heard));
    let thread = Builder::new().name("daisy output".to_owned()).spawn(listen);
    Ok((sender, thread.map_err(Error::Thread)?))
}

/// The thread.
struct Ear {
    tails: BTreeMap<WorkerId, Tail>,
    queue: SyncSender<Event>,
}

impl Ear {
    fn listen(mut self, heard: &Receiver<Heard>) {
        let mut next = Instant::now() + TICK;
        loop {
            match heard.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Heard::Started { worker, task, log, from }) => {
                    self.tails.insert(worker, Tail::new(task, worker, log, from));
                }
                Ok(Heard::Gone(worker)) => {
                    if let Some(mut tail) = self.tails.remove(&worker) {
                        self.tell(tail.read_on(true));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.look(false);
                    next = Instant::now() + TICK;
                }
                Err(RecvTimeoutError::Disconnected) => return self.look(true),
            }
        }
    }

    fn look(&mut self, is_last: bool) {
        let mut tails = mem::take(&mut self.tails);
        tails.values_mut().for_each(|tail| self.tell(tail.read_on(is_last)));
        self.tails = tails;
    }

    /// Waits until there is room: what comes meanwhile stays in the files.
    fn tell(&self, lines: Vec<WorkerLine>) {
        for line in lines {
            // Where nobody listens any more, the run is over.
            let _is_heard = self.queue.send(Event::Said(line));
        }
    }
}

/// What one worker writes.
struct Tail {
    task: TaskId,
    worker: WorkerId,
    log: PathBuf,
    /// How far its file was read.
    read: u64,
    /// The beginning of a line whose end was not there yet.
    begun: Vec<u8>,
    /// What comes up to the end of the line is not shown.
    is_skipping: bool,
}

impl Tail {
    const fn new(task: TaskId, worker: WorkerId, log: PathBuf, read: u64) -> Self {
        Self { task, worker, log, read, begun: Vec::new(), is_skipping: false }
    }

    /// What is new, and is to be shown; at the last time a line needs no end.
    fn read_on(&mut self, is_last: bool) -> Vec<WorkerLine> {
        // What cannot be read is shown when it can be, if ever.
        let (mut left_out, bytes) = self.read_bytes().unwrap_or_default();
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (piece, has_end) = match piece.split_last() {
                Some((b'\n', piece)) => (piece, true),
                _ => (piece, false),
            };
            if self.is_skipping {
                left_out += piece.len() as u64;
                self.is_skipping = !has_end;
                continue;
            }
            self.begun.extend_from_slice(piece);
            let is_long = self.begun.len() > LINE_BYTES;
            if has_end || is_long {
                lines.push(mem::take(&mut self.begun));
                self.is_skipping = !has_end;
            }
        }
        if is_last && !self.begun.is_empty() {
            lines.push(mem::take(&mut self.begun));
        }
        let older = lines.len().saturating_sub(TICK_LINES);
        left_out += lines.drain(..older).map(|line| line.len() as u64 + 1).sum::<u64>();
        let before =
            (left_out > 0).then(|| Said::LeftOut { bytes: left_out, log: self.log.clone() });
        let lines = lines.iter().map(|line| Said::Line(plain(line, LINE_BYTES)));
        let line = |said| WorkerLine { task: self.task, worker: self.worker, said };
        before.into_iter().chain(lines).map(line).collect()
    }

    /// The newest bytes, and how many before them are left out.
    fn read_bytes(&mut self) -> io::Result<(u64, Vec<u8>)> {
        let end = fs::metadata(&self.log)?.len();
        if end <= self.read {
            // Somebody may have emptied it.
            self.read = end;
            return Ok((0, Vec::new()));
        }
        let from = self.read.max(end.saturating_sub(TICK_BYTES));
        let mut left_out = from - self.read;
        if left_out > 0 {
            left_out += mem::take(&mut self.begun).len() as u64;
            self.is_skipping = true;
        }
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(end - from).read_to_end(&mut bytes)?;
        self.read = from + bytes.len() as u64;
        Ok((left_out, bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write, path::Path};

    use super::*;

    fn tail(log: &Path) -> Tail {
        Tail::new(TaskId::new(0), WorkerId(3), log.to_path_buf(), 0)
    }

    fn write(log: &Path, bytes: &[u8]) {
        let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn texts(lines: Vec<WorkerLine>) -> Vec<String> {
        let text = |line: WorkerLine| match line.said {
            Said::Line(text) => text,
            Said::LeftOut { bytes, .. } => format!("{bytes} left out"),
        };
        lines.into_iter().map(text).collect()
    }

    #[test]
    fn lines_are_shown_once_and_wait_for_their_ends() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut tail = tail(&log);
        assert!(tail.read_on(false).is_empty(), "there is no file");
        write(&log, b"one\n\ntw");
        assert_eq!(texts(tail.read_on(false)), ["one", ""]);
        assert!(tail.read_on(false).is_empty());
        write(&log, b"o\nthr\xff");
        assert_eq!(texts(tail.read_on(false)), ["two"]);
        assert_eq!(texts(tail.read_on(true)), ["thr\u{fffd}"]);
        assert!(tail.read_on(true).is_empty());
    }

    #[test]
    fn a_long_line_does_not_wait_and_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut tail = tail(&log);
        write(&log, &[b'a'; LINE_BYTES]);
        assert!(tail.read_on(false).is_empty());
        write(&log, b"b");
        let expected = format!("{}...", "a".repeat(LINE_BYTES));
        assert_eq!(texts(tail.read_on(false)), [expected]);
        write(&log, b"more of it\nnext\n");
        assert_eq!(texts(tail.read_on(false)), ["10 left out", "next"]);
    }

    #[test]
    fn of_much_the_newest_is_shown_and_what_is_left_out_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut tail = tail(&log);
        let lines = |count: usize| (0..count).map(|n| format!("{n:07}\n")).collect::<String>();
        write(&log, lines(TICK_LINES).as_bytes());
        assert_eq!(tail.read_on(false).len(), TICK_LINES);
        write(&log, lines(TICK_LINES + 2).as_bytes());
        let shown = texts(tail.read_on(false));
        assert_eq!((shown.len(), shown[0].as_str()), (TICK_LINES + 1, "16 left out"));
        assert_eq!(shown[TICK_LINES], format!("{:07}", TICK_LINES + 1));
        let many = 3 * TICK_BYTES as usize / 8;
        write(&log, b"begun ");
        assert!(tail.read_on(false).is_empty());
        write(&log, lines(many).as_bytes());
        let shown = texts(tail.read_on(false));
        assert_eq!(shown.len(), TICK_LINES + 1);
        assert_eq!(shown[TICK_LINES], format!("{:07}", many - 1));
        let left: usize = shown[0].split(' ').next().unwrap().parse().unwrap();
        // The end of the line that was cut through is shown by nobody either.
        assert!(left.abs_diff(6 + 8 * (many - TICK_LINES)) <= 1, "{left}");
        fs::write(&log, "").unwrap();
        assert!(tail.read_on(false).is_empty());
        write(&log, b"anew\n");
        assert_eq!(texts(tail.read_on(false)), ["anew"]);
    }
}
