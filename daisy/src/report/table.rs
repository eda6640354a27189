//! The report as a table for people.

use std::{fmt, time::Duration};

use super::{Ending, RunOutcome, RunReport, TaskSummary, made_by_others};
use crate::run::plain_name;

/// How many failures are shown; the report has more.
const SHOWN_FAILURES: usize = 5;

const HEAD: [&str; 10] =
    ["task", "blocks", "done", "skipped", "failed", "orphaned", "left", "median", "95 %", "busy"];

impl fmt::Display for RunReport {
    /// A table with a line for each task, and the first failures below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.tasks.iter().map(row));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..HEAD.len()).filter_map(width).collect();
        for row in &rows {
            write_row(f, row, &widths)?;
        }
        self.tasks.iter().try_for_each(|task| write_troubles(f, task))?;
        let outcome = match self.outcome {
            RunOutcome::Success => "success",
            RunOutcome::Failed => "FAILED",
            RunOutcome::Interrupted => "INTERRUPTED",
        };
        let (wall, busy) = (short(self.wall_time), short(self.busy_time()));
        write!(f, "{outcome} in {wall}, all blocks together {busy}")?;
        if self.dropped_events > 0 {
            write!(f, "; {} events came too fast for the observers", self.dropped_events)?;
        }
        Ok(())
    }
}

fn row(task: &TaskSummary) -> [String; 10] {
    let counts = &task.counts;
    let left = counts.total - counts.finished();
    let time = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), short);
    [
        plain_name(&task.name),
        counts.total.to_string(),
        counts.completed.to_string(),
        counts.skipped.to_string(),
        counts.failed.to_string(),
        counts.orphaned.to_string(),
        left.to_string(),
        time(task.median_time),
        time(task.p95_time),
        short(task.busy_time),
    ]
}

/// The name to the left, numbers to the right.
fn write_row(f: &mut fmt::Formatter<'_>, row: &[String], widths: &[usize]) -> fmt::Result {
    let mut cells = row.iter().zip(widths);
    if let Some((name, width)) = cells.next() {
        write!(f, "{name:<width$}")?;
    }
    for (cell, width) in cells {
        write!(f, "  {cell:>width$}")?;
    }
    writeln!(f)
}

/// What went wrong in a task, if anything.
fn write_troubles(f: &mut fmt::Formatter<'_>, task: &TaskSummary) -> fmt::Result {
    let name = &plain_name(&task.name);
    match &task.ending {
        Ending::Finished => {}
        Ending::TooManyFailedBlocks => writeln!(f, "{name}: ended, too many blocks failed")?,
        Ending::InitFailed(error) => writeln!(f, "{name}: the init callback failed: {error}")?,
        Ending::NoWorkers(error) => writeln!(f, "{name}: no worker got to work: {error}")?,
        Ending::Interrupted => writeln!(f, "{name}: interrupted")?,
        Ending::Abandoned => writeln!(f, "{name}: abandoned")?,
    }
    if let Some(workers) = &task.workers {
        let (joined, processes) = (workers.joined, workers.processes);
        let (memory, cpu) = (workers.peak_memory_kb / 1_024, short(workers.cpu_time));
        let shared =
            if joined == processes { String::new() } else { format!(" with {joined} workers") };
        writeln!(
            f,
            "{name}: {processes} worker processes{shared}, at most {memory} MiB each, {cpu} of processor time"
        )?;
    }
    if !task.earlier.is_empty() {
        let made = made_by_others(task.version.as_deref(), &task.earlier);
        writeln!(f, "{name}: not all was {made}")?;
    }
    if task.outdated_workers > 0 {
        let workers = task.outdated_workers;
        writeln!(
            f,
            "{name}: {workers} worker processes of an earlier start had other code, and were ended"
        )?;
    }
    for failed in task.failures.iter().take(SHOWN_FAILURES) {
        let (roi, attempts) = (&failed.write_roi, failed.attempts);
        let block = failed.block_id.map_or_else(|| failed.block.to_string(), |id| id.to_string());
        writeln!(f, "{name}: block {block} writing {roi} failed {attempts} times: {}", failed.why)?;
    }
    let num_more = task.counts.failed - task.failures.len().min(SHOWN_FAILURES) as u64;
    if num_more > 0 {
        writeln!(f, "{name}: {num_more} more blocks failed")?;
    }
    if task.failed_checks > 0 {
        let first = task.first_check_error.as_deref().unwrap_or("took too long");
        writeln!(f, "{name}: {} checks failed; the first: {first}", task.failed_checks)?;
    }
    Ok(())
}

/// Three digits and a unit.
pub(crate) fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0 => "0 s".to_owned(),
        ..1e-6 => format!("{:.0} ns", seconds * 1e9),
        ..1e-3 => format!("{:.3} us", Digits(seconds * 1e6)),
        ..1.0 => format!("{:.3} ms", Digits(seconds * 1e3)),
        ..120.0 => format!("{:.3} s", Digits(seconds)),
        ..7200.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// A number of at least 1 and below 1000, with as many digits in all as the precision says.
struct Digits(f64);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before_point = match self.0 {
            ..10.0 => 1,
            ..100.0 => 2,
            _ => 3,
        };
        let decimals = f.precision().unwrap_or(3).saturating_sub(before_point);
        write!(f, "{:.decimals$}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let of = |nanos| short(Duration::from_nanos(nanos));
        assert_eq!(of(0), "0 s");
        assert_eq!(of(123), "123 ns");
        assert_eq!(of(1_234), "1.23 us");
        assert_eq!(of(12_345_678), "12.3 ms");
        assert_eq!(of(1_500_000_000), "1.50 s");
        assert_eq!(of(600_000_000_000), "10.0 min");
        assert_eq!(of(36_000_000_000_000), "10.0 h");
    }
}
