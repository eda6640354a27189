//! Progress bars, or plain lines where standard error is no terminal.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use daisy_block::TaskId;
use daisy_sched::Counts;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{ObservedTask, Observer, RunReport, Said, WorkerLine};

/// How often plain lines are written.
const LINES_EVERY: Duration = Duration::from_secs(5);

const BAR: &str = "{prefix} {bar:30} {pos}/{len} {percent:>3} % {msg}";

/// An [`Observer`] that shows one bar for each task on standard error: blocks done, rate, time left,
/// and what failed. Where standard error is no terminal it writes a line for each task that goes on,
/// every five seconds. What worker processes write is shown above the bars, or between the lines.
#[derive(Debug, Default)]
pub struct Progress {
    bars: MultiProgress,
    tasks: Vec<Row>,
    last_lines: Option<Instant>,
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
        let is_due = self.last_lines.is_none_or(|last| last.elapsed() >= LINES_EVERY);
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
}

impl Observer for Progress {
    fn wants_blocks(&self) -> bool {
        false
    }

    fn run_started(&mut self, tasks: &[ObservedTask]) {
        let target = if self.is_plain {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(10)
        };
        self.bars = MultiProgress::with_draw_target(target);
        let width = tasks.iter().map(|task| task.name.chars().count()).max().unwrap_or(0);
        for task in tasks {
            let bar = self.bars.add(ProgressBar::new(task.num_blocks));
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(format!("{:<width$}", task.name));
            let name = task.name.clone();
            self.tasks.push(Row { id: task.id, name, bar, last: Counts::default(), began: None });
        }
    }

    fn progress(&mut self, counts: &[Counts]) {
        for (row, counts) in self.tasks.iter_mut().zip(counts) {
            row.update(counts);
        }
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
        let said = format!("[{task} {worker}] {said}");
        // Where standard error cannot be written to, there is nobody to be told.
        let _is_shown =
            if self.is_plain { writeln!(io::stderr(), "{said}") } else { self.bars.println(said) };
    }

    fn run_ended(&mut self, _report: &RunReport) {
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
            let _ = write!(notes, "{left} s left ");
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

    /// Seconds, as the average so far has it.
    fn time_left(&self) -> Option<u64> {
        let left = self.last.total.saturating_sub(self.last.finished());
        let rate = self.rate().filter(|rate| *rate > 0.0 && left > 0)?;
        Some((left as f64 / rate).ceil() as u64)
    }

    fn line(&self) -> String {
        let (done, total) = (self.last.finished(), self.last.total);
        let percent = if total > 0 { 100.0 * done as f64 / total as f64 } else { 100.0 };
        let notes = self.notes();
        let notes = notes.trim();
        format!("{}: {done}/{total} blocks ({percent:.1} %), {notes}", self.name)
    }
}
