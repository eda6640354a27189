//! What happened on a stage, line by line, and what must be so in every history.
//!
//! A line is `what task cell attempt lease pid`. Blocks write `begin`, `tick` and `end`; the test writes
//! what it does to a process *before* it does it: `kill`, `stop` (for so long that its blocks are lent
//! to others), `nap` (a short stop), `wake`, `term`; `crash` and `start` of servers; and `away` where there was no
//! server for so long that its workers ended themselves.
//!
//! The kernel hangs up on a stopped process whose server dies (its process group is orphaned): so a crash
//! kills those that are stopped or napping. A worker that is stopped and woken goes on for an instant before it learns that its blocks are not
//! its own any more: the one case that nobody can see from inside. So what a process does after a `stop`
//! proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{CHAIN, Plan};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) what: String,
    pub(crate) task: String,
    pub(crate) cell: u64,
    pub(crate) attempt: u32,
    pub(crate) lease: u64,
    pub(crate) pid: i32,
}

impl Event {
    pub(crate) fn parse(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, task, cell, attempt, lease, pid] = words[..] else {
            panic!("a line that was torn: {line:?}")
        };
        Self {
            what: what.to_owned(),
            task: task.to_owned(),
            cell: cell.parse().unwrap(),
            attempt: attempt.parse().unwrap(),
            lease: lease.parse().unwrap(),
            pid: pid.parse().unwrap(),
        }
    }

    pub(crate) fn is(&self, what: &str) -> bool {
        self.what == what
    }
}

/// One call of a block function; places are those of lines.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) task: String,
    pub(crate) cell: u64,
    pub(crate) attempt: u32,
    pub(crate) pid: i32,
    pub(crate) begin: usize,
    /// Its last line.
    pub(crate) last: usize,
    pub(crate) has_ended: bool,
}

/// Executions by block, in their order.
pub(crate) struct History {
    pub(crate) by_block: BTreeMap<(String, u64), Vec<Execution>>,
    /// Where each process was first killed, or stopped for long.
    hit: Hits,
}

/// By process: where, and by what.
type Hits = BTreeMap<i32, Vec<(usize, String)>>;

/// Who is hit by what a test does.
fn note_hits(event: &Event, place: usize, asleep: &mut BTreeSet<i32>, hits: &mut Hits) {
    let mut hit = |pid, what: &str| hits.entry(pid).or_default().push((place, what.to_owned()));
    match event.what.as_str() {
        "kill" => hit(event.pid, "kill"),
        "crash" => asleep.iter().for_each(|&pid| hit(pid, "kill")),
        "wake" => {
            asleep.remove(&event.pid);
        }
        _ => {
            asleep.insert(event.pid);
            if event.is("stop") {
                hit(event.pid, "stop");
            }
        }
    }
}

impl History {
    pub(crate) fn new(events: &[Event]) -> Self {
        let mut by_block: BTreeMap<(String, u64), Vec<Execution>> = BTreeMap::new();
        let mut at: BTreeMap<i32, (String, u64, usize)> = BTreeMap::new();
        let mut hit = Hits::new();
        let mut asleep: BTreeSet<i32> = BTreeSet::new();
        for (place, event) in events.iter().enumerate() {
            let key = (event.task.clone(), event.cell);
            match event.what.as_str() {
                "begin" => {
                    let of_block = by_block.entry(key).or_default();
                    at.insert(event.pid, (event.task.clone(), event.cell, of_block.len()));
                    let Event { task, cell, attempt, pid, .. } = event.clone();
                    let (begin, last, has_ended) = (place, place, false);
                    of_block.push(Execution { task, cell, attempt, pid, begin, last, has_ended });
                }
                "tick" | "end" => {
                    let (task, cell, number) = at[&event.pid].clone();
                    assert_eq!((&task, cell), (&event.task, event.cell), "of another block");
                    let execution = &mut by_block.get_mut(&key).unwrap()[number];
                    execution.last = place;
                    execution.has_ended |= event.is("end");
                }
                "away" => {
                    for &pid in at.keys() {
                        hit.entry(pid).or_default().push((place, "kill".to_owned()));
                    }
                }
                "kill" | "stop" | "nap" | "wake" | "crash" => {
                    note_hits(event, place, &mut asleep, &mut hit);
                }
                _ => {}
            }
        }
        Self { by_block, hit }
    }

    /// Whether a process was stopped for long before a place.
    fn was_stopped(&self, pid: i32, before: usize) -> bool {
        let hits = self.hit.get(&pid).into_iter().flatten();
        hits.into_iter().any(|(place, what)| *place < before && what == "stop")
    }

    /// Whether a process was killed or stopped for long before a place.
    fn was_hit(&self, pid: i32, before: usize) -> bool {
        self.hit.get(&pid).is_some_and(|hits| hits.iter().any(|(place, _)| *place < before))
    }

    fn of(&self, task: &str, cell: u64) -> &[Execution] {
        self.by_block.get(&(task.to_owned(), cell)).map_or(&[], Vec::as_slice)
    }

    /// Executions of blocks that go on when, by rights, they must not any more.
    fn at_work<'a>(
        &'a self,
        task: &str,
        cell: u64,
        place: usize,
    ) -> impl Iterator<Item = &'a Execution> {
        let of_block = self.of(task, cell).iter();
        of_block.filter(move |one| {
            one.begin < place && one.last > place && !self.was_stopped(one.pid, place)
        })
    }

    pub(crate) fn num_executions(&self) -> usize {
        self.by_block.values().map(Vec::len).sum()
    }

    // ---- what must be so ----

    /// Every block was run to its end.
    pub(crate) fn check_complete(&self, plan: &Plan) {
        for (task, blocks) in plan.sizes() {
            for cell in 0..blocks {
                let is_done = self.of(task, cell).iter().any(|one| one.has_ended);
                assert!(is_done, "block {cell} of {task} was never run to its end");
            }
        }
    }

    /// No block is begun while anybody is still at it, whatever became of him.
    pub(crate) fn check_one_after_another(&self) {
        for executions in self.by_block.values() {
            for pair in executions.windows(2) {
                assert!(pair[0].last < pair[1].begin, "two at one block: {pair:?}");
            }
        }
    }

    /// No block is run a second time unless the process that had it was killed or stopped, and never
    /// while that is still at it.
    pub(crate) fn check_single(&self) {
        for executions in self.by_block.values() {
            for pair in executions.windows(2) {
                let [before, after] = pair else { continue };
                let has_reason = self.was_hit(before.pid, after.begin);
                assert!(has_reason, "run again without a reason: {before:?}, then {after:?}");
                let overlap = self.at_work(&after.task, after.cell, after.begin).next();
                assert!(overlap.is_none(), "two at one block: {overlap:?} and {after:?}");
            }
        }
    }

    /// No two blocks at work that conflict, none before what it reads is done, and nothing upstream of
    /// it at work any more.
    pub(crate) fn check_chain(&self) {
        let [first, middle, last] = CHAIN;
        for ((task, cell), executions) in &self.by_block {
            let (cell, task) = (*cell, task.as_str());
            let conflicts: &[u64] =
                if task == middle { &[cell.wrapping_sub(1), cell + 1] } else { &[] };
            let upstream = match task {
                _ if task == middle => (first, cell..cell + 3),
                _ if task == last => (middle, cell..cell + 1),
                _ => (first, 0..0),
            };
            for one in executions.iter().filter(|one| !self.was_stopped(one.pid, one.begin)) {
                for &other in conflicts {
                    let other = self.at_work(middle, other, one.begin).next();
                    assert!(other.is_none(), "{one:?} conflicts with {other:?}");
                }
                for read in upstream.1.clone() {
                    let mut all = self.of(upstream.0, read).iter();
                    let is_done = all.any(|up| up.has_ended && up.last < one.begin);
                    assert!(
                        is_done,
                        "{one:?} began before block {read} of {} was done",
                        upstream.0
                    );
                    let late = self.at_work(upstream.0, read, one.begin).next();
                    assert!(late.is_none(), "{one:?} began while {late:?} was at work");
                }
            }
        }
    }

    /// None of `done`, by task, was begun after a place.
    pub(crate) fn check_done_since(&self, place: usize, done: &BTreeSet<(String, u64)>) {
        for key in done {
            let all = self.by_block.get(key).into_iter().flatten();
            let again = all
                .into_iter()
                .find(|one| one.begin > place && !self.was_stopped(one.pid, one.begin));
            assert!(
                again.is_none(),
                "{key:?} was done before line {place}, and begun again: {again:?}"
            );
        }
    }
}
