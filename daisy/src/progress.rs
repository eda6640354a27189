//! Progress bars, or plain lines where standard error is no terminal.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use daisy_block::{BlockKey, TaskId};
use daisy_sched::Counts;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    BlockEvent, Notice, ObservedTask, Observer, RunReport, Said, WorkerLine, report::short,
    run::plain_name,
};

/// How often plain lines are written at first; later it is once more for every twentieth that a run gets older.
const LINES_EVERY: Duration = Duration::from_secs(5);
const LINES_AT_LEAST_EVERY: Duration = Duration::from_secs(600);

/// How many failed attempts are shown in five seconds, and how many lines of each.
const SHOWN_FAILURES: u64 = 5;
const FAILURE_LINES: usize = 12;

const BAR: &str = "{prefix} {bar:30} {pos}/{len} {percent:>3} % {msg}";

/// An [`Observer`] that shows one bar for each task on standard error: blocks done, rate, time left,
/// and what failed. Where standard error is no terminal it writes a line for each task that goes on,
/// every five seconds, later less often. Attempts that fail are shown above the bars, or between the lines, and so
/// is what worker processes write.
#[derive(Debug, Default)]
pub struct Progress {
    bars: MultiProgress,
    tasks: Vec<Row>,
    start: Option<Instant>,
    last_lines: Option<Instant>,
    failures: Failures,
    is_plain: bool,
    is_silent_on_workers: bool,
}

#[derive(Debug)]
struct Row {
    id: TaskId,
    name: String,
    bar: ProgressBar,
    last: Counts,
    /// When its first block was seen to be under way.
    began: Option<Instant>,
}

impl Progress {
    /// Bars on a terminal, lines elsewhere.
    #[must_use]
    pub fn new() -> Self {
        Self { is_plain: !io::stderr().is_terminal(), ..Self::default() }
    }

    /// Whether what worker processes write is shown; true by default. It stands in their files in any case.
    #[must_use]
    pub const fn worker_output(mut self, show: bool) -> Self {
        self.is_silent_on_workers = !show;
        self
    }

    fn write_lines(&mut self) {
        let age = self.start.map_or(Duration::ZERO, |start| start.elapsed());
        let every = (age / 20).clamp(LINES_EVERY, LINES_AT_LEAST_EVERY);
        let is_due = self.last_lines.is_none_or(|last| last.elapsed() >= every);
        if !self.is_plain || !is_due {
            return;
        }
        // The first five seconds are silent: most runs of tests are over by then.
        if self.last_lines.replace(Instant::now()).is_none() {
            return;
        }
        for row in &self.tasks {
            if row.began.is_some() && row.last.finished() < row.last.total {
                let _ = writeln!(io::stderr(), "{}", row.line());
            }
        }
    }

    fn say_what_is_hidden(&mut self, is_end: bool) {
        if let Some(hidden) = self.failures.settle(is_end) {
            self.say(&format!("... {hidden} more failed attempts are not shown"));
        }
    }

    /// Above the bars, or on a line of its own.
    fn say(&self, text: &str) {
        // Where standard error cannot be written to, there is nobody to be told.
        let _is_shown =
            if self.is_plain { writeln!(io::stderr(), "{text}") } else { self.bars.println(text) };
    }
}

/// Which failed attempts are shown: not all of those that come one after the other.
#[derive(Debug, Default)]
struct Failures {
    since: Option<Instant>,
    num_shown: u64,
    num_hidden: u64,
}

impl Failures {
    /// Whether one more is shown.
    fn admit(&mut self) -> bool {
        let is_shown = self.num_shown < SHOWN_FAILURES;
        self.since.get_or_insert_with(Instant::now);
        *(if is_shown { &mut self.num_shown } else { &mut self.num_hidden }) += 1;
        is_shown
    }

    /// After five seconds, or at the end of the run: how many were not shown.
    fn settle(&mut self, is_end: bool) -> Option<u64> {
        if !is_end && self.since.is_none_or(|since| since.elapsed() < LINES_EVERY) {
            return None;
        }
        let settled = std::mem::take(self);
        (settled.num_hidden > 0).then_some(settled.num_hidden)
    }
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(FAILURE_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}

impl Observer for Progress {
    fn wants_blocks(&self) -> bool {
        false
    }

    fn wants_failures(&self) -> bool {
        true
    }

    fn block_settled(&mut self, block: BlockKey, event: &BlockEvent) {
        let (BlockEvent::Retry { attempts, why } | BlockEvent::Failed { attempts, why }) = event
        else {
            return;
        };
        if !self.failures.admit() {
            return;
        }
        let task = self.tasks.iter().find(|row| row.id == block.task);
        let (task, why) = (task.map_or("", |row| &row.name), why.to_string());
        let is_last = if matches!(event, BlockEvent::Failed { .. }) { ", the last" } else { "" };
        self.say(&format!(
            "[{task}] block {block} failed, attempt {attempts}{is_last}: {}",
            tail(&why)
        ));
    }

    fn wants_notices(&self) -> bool {
        true
    }

    fn noticed(&mut self, notice: &Notice) {
        self.say(&format!("daisy: {notice}"));
    }

    fn run_started(&mut self, tasks: &[ObservedTask]) {
        self.start = Some(Instant::now());
        let target = if self.is_plain {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(10)
        };
        self.bars = MultiProgress::with_draw_target(target);
        let names = tasks.iter().map(|task| plain_name(&task.name)).collect::<Vec<_>>();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (task, name) in tasks.iter().zip(names) {
            let bar = self.bars.add(ProgressBar::new(task.num_blocks));
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(format!("{name:<width$}"));
            self.tasks.push(Row { id: task.id, name, bar, last: Counts::default(), began: None });
        }
    }

    fn progress(&mut self, counts: &[Counts]) {
        for (row, counts) in self.tasks.iter_mut().zip(counts) {
            row.update(counts);
        }
        self.say_what_is_hidden(false);
        self.write_lines();
    }

    fn wants_output(&self) -> bool {
        !self.is_silent_on_workers
    }

    fn worker_said(&mut self, line: &WorkerLine) {
        let task = self.tasks.iter().find(|row| row.id == line.task);
        let (task, worker) = (task.map_or("", |row| &row.name), line.worker);
        let said = match &line.said {
            Said::Line(text) => text.clone(),
            Said::LeftOut { bytes, log } => {
                format!("... {bytes} bytes are not shown; all of it: {}", log.display())
            }
        };
        self.say(&format!("[{task} {worker}] {said}"));
    }

    fn run_ended(&mut self, _report: &RunReport) {
        self.say_what_is_hidden(true);
        for row in &self.tasks {
            row.bar.abandon();
        }
    }
}

impl Row {
    fn update(&mut self, counts: &Counts) {
        if self.began.is_none() && counts.processing + counts.finished() > 0 {
            self.began = Some(Instant::now());
            self.bar.reset_elapsed();
        }
        if *counts != self.last {
            self.last = *counts;
            self.bar.set_length(counts.total);
            self.bar.set_position(counts.finished());
            self.bar.set_message(self.notes());
        } else if self.began.is_some() && counts.finished() < counts.total {
            self.bar.tick();
        }
    }

    /// Rate, time left, and whatever is not plainly done.
    fn notes(&self) -> String {
        let Counts { processing, skipped, failed, orphaned, .. } = self.last;
        let mut notes = String::new();
        if let Some(rate) = self.rate() {
            let decimals = usize::from(rate < 10.0);
            let _ = write!(notes, "{rate:>6.decimals$}/s ");
        }
        if let Some(left) = self.time_left() {
            let _ = write!(notes, "{} left ", short(left));
        }
        let parts = [
            (processing, "running"),
            (skipped, "skipped"),
            (failed, "FAILED"),
            (orphaned, "orphaned"),
        ];
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(notes, "{count} {what} ");
        }
        notes
    }

    /// Blocks a second since the first.
    fn rate(&self) -> Option<f64> {
        let elapsed = self.began?.elapsed().as_secs_f64();
        (elapsed > 0.0).then(|| self.last.finished() as f64 / elapsed)
    }

    /// As the average so far has it.
    fn time_left(&self) -> Option<Duration> {
        let left = self.last.total.saturating_sub(self.last.finished());
        let rate = self.rate().filter(|rate| *rate > 0.0 && left > 0)?;
        Duration::try_from_secs_f64((left as f64 / rate).ceil()).ok()
    }

    fn line(&self) -> String {
        let (done, total) = (self.last.finished(), self.last.total);
        let percent = if total > 0 { 100.0 * done as f64 / total as f64 } else { 100.0 };
        let notes = self.notes();
        let notes = notes.trim();
        format!("{}: {done}/{total} blocks ({percent:.1} %), {notes}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_failures_that_come_fast_some_are_shown_and_the_others_counted() {
        let mut failures = Failures::default();
        assert_eq!(failures.settle(true), None);
        let shown = (0..12).filter(|_| failures.admit()).count();
        assert_eq!(shown as u64, SHOWN_FAILURES);
        assert_eq!(failures.settle(false), None, "not yet");
        failures.since = Instant::now().checked_sub(LINES_EVERY);
        assert_eq!(failures.settle(false), Some(12 - SHOWN_FAILURES));
        assert!(failures.admit());
        assert_eq!(failures.settle(true), None);
    }

    #[test]
    fn of_long_texts_the_end_is_shown() {
        let text: String = (0..20).map(|line| format!("{line}\n")).collect();
        assert_eq!(tail(&text).lines().collect::<Vec<_>>().first(), Some(&"8"));
        assert_eq!(tail(&text).lines().last(), Some("19"));
        assert_eq!(tail("one"), "one");
    }
}
