//! Serial mode: the same machine, all functions called on the calling thread, one at a time.

use std::{collections::BTreeSet, time::Instant};

use daisy_block::TaskId;
use daisy_sched::{Ending, Input, Lease, Outcome, WorkerId, WorkerKind};

use super::{
    call,
    hub::Hub,
    machine::{Machine, Todo},
};
use crate::{BlockError, Loan};

/// Runs everything; returns when there is nothing more to do.
pub(super) fn run(hub: &Hub) {
    let mut granted: Vec<Lease> = Vec::new();
    let mut workers: BTreeSet<WorkerId> = BTreeSet::new();
    loop {
        let todo = hub.lock().turn(|state| {
            let todo = state.machine.poll();
            if todo.is_none() {
                state.machine.commit();
            }
            (!state.machine.has_fault()).then_some(todo)
        });
        let Some(todo) = todo.flatten() else { return };
        if let Some(todo) = todo {
            carry_out(hub, todo, &mut granted, &mut workers);
            continue;
        }
        // Of the task furthest downstream: tasks are numbered from upstream.
        let next = granted.iter().enumerate().max_by_key(|(_, lease)| lease.key.task);
        if let Some(place) = next.map(|(place, _)| place) {
            run_block(hub, &granted.remove(place));
            continue;
        }
        if !wait(hub) {
            return;
        }
    }
}

fn carry_out(hub: &Hub, todo: Todo, granted: &mut Vec<Lease>, workers: &mut BTreeSet<WorkerId>) {
    match todo {
        Todo::Grant(lease) => granted.push(lease),
        Todo::Start(worker, task) => {
            hub.init(task);
            join(hub, worker, task);
            workers.insert(worker);
        }
        Todo::Check(check, key, stage) => {
            hub.init(key.task);
            let answer = hub.check(check, key, stage);
            hub.lock().turn(|state| state.answer(answer));
        }
        Todo::Ask(question) => {
            hub.init(question.task);
            let answer = hub.mask(question);
            hub.lock().turn(|state| state.answer(answer));
        }
        // A worker may be told twice: before and after it joined.
        Todo::Dismiss(worker) => {
            if !workers.remove(&worker) {
                return;
            }
            hub.lock().turn(|state| {
                let now = state.machine.now();
                state.machine.handle(now, Input::Ended { worker, ending: Ending::Left });
            });
        }
        // There are no other workers than this thread.
        Todo::Kill(..) | Todo::Recall(..) | Todo::GiveUp(_) | Todo::Settled(..) => {}
    }
}

fn join(hub: &Hub, worker: WorkerId, task: TaskId) {
    hub.lock().turn(|state| {
        let now = state.machine.now();
        state.machine.handle(now, Input::Joined { worker, task, kind: WorkerKind::Thread });
        state.machine.handle(now, Input::Want { worker, blocks: 1 });
    });
}

/// Runs a block, or gives it back after Ctrl-C.
fn run_block(hub: &Hub, lease: &Lease) {
    let begin = Instant::now();
    let is_begun = hub.lock().turn(|state| {
        let is_begun = !state.machine.coordinator.is_draining();
        if is_begun {
            state.serial_since = Some(begin);
        } else {
            settle(&mut state.machine, lease, Outcome::Returned);
        }
        is_begun
    });
    if is_begun != Some(true) {
        return;
    }
    let task = hub.pipeline.task(lease.key.task);
    let result = match (hub.pipeline.block(lease.key), &task.0.process) {
        (Some(block), Some(process)) => call::process(process, &block, Loan::of(lease)),
        _ => Err(BlockError::Failed(format!("there is no block {}, or no function", lease.key))),
    };
    let time = begin.elapsed();
    hub.lock().turn(|state| {
        state.serial_since = None;
        let machine = &mut state.machine;
        machine.ledger.task(lease.key.task).times.record(lease.key, time);
        let outcome = match result {
            Ok(()) => Outcome::Completed,
            Err(error) => Outcome::Failed(machine.keep(error)),
        };
        settle(machine, lease, outcome);
    });
}

fn settle(machine: &mut Machine, lease: &Lease, outcome: Outcome) {
    let (now, worker) = (machine.now(), lease.worker);
    machine.handle(now, Input::Settle { worker, lease: lease.id, outcome });
    machine.handle(now, Input::Want { worker, blocks: 1 });
}

/// Waits for the end of a back-off, or for Ctrl-C; false if the run is over.
fn wait(hub: &Hub) -> bool {
    let mut held = hub.lock();
    let time = held.turn(|state| {
        if state.machine.is_over() {
            return None;
        }
        let now = state.machine.now();
        // Nothing is under way and nothing will be: the machine would have said that it is over.
        let (due, _) = state.machine.coordinator.next_deadline()?;
        if due <= now {
            state.machine.handle(now, Input::Timeout);
        }
        Some(due.since(now))
    });
    let Some(time) = time.flatten() else { return false };
    // What was left is gone on with at once.
    drop(if time.is_zero() { held.step_aside() } else { held.wait(&hub.driver, Some(time)) });
    true
}
