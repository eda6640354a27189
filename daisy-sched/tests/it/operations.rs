//! Random sequences of calls, nonsense included, beside the naive model: every call does what the
//! model says or is refused, and a refused call changes nothing.

use daisy_block::{BlockKey, CellBox, Order, TaskId};
use daisy_sched::{
    Failure, Request, Scheduler, SchedulerBuilder, SchedulerError, SchedulerOptions, Tuning,
    Verdict,
};
use proptest::prelude::*;

use crate::{
    oracle::{Pipeline, pipelines},
    runs::{Model, Script, State, tunings},
};

/// One call; numbers pick a block or a task, existing or not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Acquire,
    AcquireFrom(u8),
    Hold(u8),
    Start(u16),
    Complete(u16),
    Skip(u16),
    PutBack(u16),
    Fail(u16),
    FailAndPark(u16),
    FailForGood(u16),
    /// Like [`Call::NoteAttempts`] and [`Call::Named`], only before the scheduler is made: all of them come first.
    TakeOver(u16),
    NoteAttempts(u16),
    Named(u16),
    Answer(u8),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        4 => Just(Call::Acquire),
        2 => any::<u8>().prop_map(Call::AcquireFrom),
        3 => any::<u8>().prop_map(Call::Hold),
        3 => any::<u16>().prop_map(Call::Start),
        5 => any::<u16>().prop_map(Call::Complete),
        2 => any::<u16>().prop_map(Call::Skip),
        2 => any::<u16>().prop_map(Call::PutBack),
        2 => any::<u16>().prop_map(Call::Fail),
        2 => any::<u16>().prop_map(Call::FailAndPark),
        1 => any::<u16>().prop_map(Call::FailForGood),
        1 => any::<u16>().prop_map(Call::TakeOver),
        1 => any::<u16>().prop_map(Call::NoteAttempts),
        1 => any::<u16>().prop_map(Call::Named),
        1 => any::<u8>().prop_map(Call::Answer),
    ];
    prop::collection::vec(call, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn every_call_does_what_the_model_says(
        pipeline in pipelines(),
        calls in calls(),
        tuning in tunings(),
    ) {
        apply(&pipeline, &calls, tuning)?;
    }
}

/// How often a block may be tried again here.
const MAX_RETRIES: u32 = 1;

pub(crate) fn apply(
    pipeline: &Pipeline,
    calls: &[Call],
    tuning: Tuning,
) -> Result<(), TestCaseError> {
    let options = SchedulerOptions {
        request: Request::Everything,
        max_retries: vec![MAX_RETRIES; pipeline.tasks.len()],
        tuning,
        ..SchedulerOptions::default()
    };
    let script = Script {
        seed: 0,
        order: Order::Sweep,
        everything: true,
        roi_request: false,
        fails_of_16: 0,
        finished_of_16: 0,
        masked: false,
        in_flight: 1,
        max_retries: MAX_RETRIES,
        count_all_orphans: true,
        named: false,
        tuning,
    };
    let builder = Scheduler::builder(pipeline.graph(), options).unwrap();
    let tasks = builder.graph().tasks().clone();
    let mut model = Model::new(pipeline, &script, &tasks, &Request::Everything);
    let mut player = Player { attempts: vec![0; model.blocks.len()] };
    let mut scheduler = player.take_up(builder, &mut model, calls)?;
    let is_fresh =
        |call: &Call| !matches!(call, Call::TakeOver(_) | Call::NoteAttempts(_) | Call::Named(_));
    // Where nothing was closed beforehand or put off, exactly what may run is known to be ready.
    let all_known =
        calls.iter().all(|call| is_fresh(call) || matches!(call, Call::NoteAttempts(_)));
    for &call in calls {
        player.play(&mut scheduler, &mut model, call)?;
        model.compare(&scheduler, false)?;
        if all_known && scheduler.paths().put_off == 0 {
            for task in 0..pipeline.tasks.len() {
                let is_ready = |&place: &usize| {
                    model.blocks[place].task == task
                        && (model.may_run(place) || model.state[place] == State::Held)
                };
                let ready = (0..model.blocks.len()).filter(is_ready).count() as u64;
                prop_assert_eq!(scheduler.counts(TaskId::new(task as u32)).unwrap().ready, ready);
            }
        }
        let may_go_on = (0..model.blocks.len()).any(|place| {
            let out = [State::Held, State::Out, State::Parked];
            model.may_run(place) || out.contains(&model.state[place])
        });
        prop_assert!(!may_go_on || !scheduler.is_done());
        let is_all_finished = !model.state.contains(&State::Waiting);
        prop_assert!(may_go_on || !is_all_finished || scheduler.is_done());
    }
    Ok(())
}

struct Player {
    attempts: Vec<u32>,
}

impl Player {
    /// Everything that is said of an earlier run.
    fn take_up(
        &mut self,
        mut builder: SchedulerBuilder,
        model: &mut Model,
        calls: &[Call],
    ) -> Result<Scheduler, TestCaseError> {
        for &call in calls {
            match call {
                Call::TakeOver(number) => {
                    let (key, place) = pick(model, number);
                    let end = key.cell.saturating_add(1);
                    let result = builder.take_over(key.task, key.cell..end);
                    if let Some(place) = place {
                        let is_new = model.state[place] == State::Waiting;
                        prop_assert_eq!(result, Ok(u64::from(is_new)));
                        model.state[place] = State::Skipped;
                    } else {
                        prop_assert!(matches!(result, Ok(0) | Err(_)));
                    }
                }
                Call::NoteAttempts(number) => {
                    let (key, place) = pick(model, number);
                    let attempts = [1, u32::MAX][usize::from(number) / 16 % 2];
                    let result = builder.note_attempts(key, attempts);
                    prop_assert_eq!(result.is_ok(), place.is_some());
                    place.into_iter().for_each(|place| self.attempts[place] = attempts);
                }
                _ => {}
            }
        }
        let mut taken_up = builder.take_up();
        for &call in calls {
            if let Call::Named(number) = call {
                let (key, place) = pick(model, number);
                let place = place.filter(|&place| model.may_run(place));
                prop_assert_eq!(taken_up.acquire_block(key).is_ok(), place.is_some());
                place.into_iter().for_each(|place| model.state[place] = State::Out);
            }
        }
        Ok(taken_up.build())
    }

    fn play(
        &mut self,
        scheduler: &mut Scheduler,
        model: &mut Model,
        call: Call,
    ) -> Result<(), TestCaseError> {
        match call {
            Call::Acquire => {
                let key = scheduler.acquire();
                taken(model, key, None, State::Out)
            }
            Call::AcquireFrom(task) => {
                let task = TaskId::new(u32::from(task % 6));
                let key = scheduler.acquire_from(task);
                taken(model, key, Some(task), State::Out)
            }
            Call::Hold(task) => {
                let task = TaskId::new(u32::from(task % 6));
                let key = scheduler.hold_from(task);
                taken(model, key, Some(task), State::Held)
            }
            Call::TakeOver(_) | Call::NoteAttempts(_) | Call::Named(_) => Ok(()),
            Call::Answer(task) => {
                let task = TaskId::new(u32::from(task % 6));
                let answer = scheduler.answer(task, &CellBox::empty(1), Verdict::All);
                prop_assert!(answer.is_err());
                Ok(())
            }
            Call::Start(number) => {
                one(model, number, &[State::Held], State::Out, |key| scheduler.start(key))
            }
            Call::Complete(number) => {
                one(model, number, &[State::Out], State::Completed, |key| scheduler.complete(key))
            }
            Call::Skip(number) => {
                one(model, number, &[State::Held, State::Out], State::Skipped, |key| {
                    scheduler.skip(key)
                })
            }
            Call::PutBack(number) => {
                let from = [State::Held, State::Out, State::Parked];
                one(model, number, &from, State::Waiting, |key| scheduler.put_back(key))
            }
            Call::FailForGood(number) => {
                one(model, number, &[State::Out], State::Failed, |key| {
                    scheduler.fail_for_good(key)
                })?;
                model.orphan();
                Ok(())
            }
            Call::Fail(number) => {
                self.fail(model, number, State::Waiting, |key| scheduler.fail(key))
            }
            Call::FailAndPark(number) => {
                self.fail(model, number, State::Parked, |key| scheduler.fail_and_park(key))
            }
        }
    }

    fn fail(
        &mut self,
        model: &mut Model,
        number: u16,
        retried: State,
        call: impl FnOnce(BlockKey) -> Result<Failure, SchedulerError>,
    ) -> Result<(), TestCaseError> {
        let (key, place) = pick(model, number);
        let result = call(key);
        let Some(place) = place.filter(|&place| model.state[place] == State::Out) else {
            prop_assert!(result.is_err());
            return Ok(());
        };
        self.attempts[place] = self.attempts[place].saturating_add(1);
        let attempts = self.attempts[place];
        if attempts <= MAX_RETRIES {
            prop_assert_eq!(result, Ok(Failure::Retry { attempts }));
            model.state[place] = retried;
        } else {
            prop_assert_eq!(result, Ok(Failure::Final { attempts }));
            model.state[place] = State::Failed;
            model.orphan();
        }
        Ok(())
    }
}

/// A block was given out or not; a task with a block that may run never gives none.
fn taken(
    model: &mut Model,
    key: Option<BlockKey>,
    task: Option<TaskId>,
    state: State,
) -> Result<(), TestCaseError> {
    let is_candidate = |place: usize| {
        task.is_none_or(|task| model.keys[place].task == task) && model.may_run(place)
    };
    match key {
        Some(key) => {
            let place = model.place[&key];
            prop_assert!(is_candidate(place), "{} may not run", key);
            model.state[place] = state;
        }
        None => {
            let missed = (0..model.blocks.len()).find(|&place| is_candidate(place));
            prop_assert_eq!(missed, None);
        }
    }
    Ok(())
}

/// A call about one block that is allowed from some states only.
fn one(
    model: &mut Model,
    number: u16,
    from: &[State],
    to: State,
    call: impl FnOnce(BlockKey) -> Result<(), SchedulerError>,
) -> Result<(), TestCaseError> {
    let (key, place) = pick(model, number);
    let result = call(key);
    match place.filter(|&place| from.contains(&model.state[place])) {
        Some(place) => {
            prop_assert_eq!(result, Ok(()));
            model.state[place] = to;
        }
        None => prop_assert!(result.is_err()),
    }
    Ok(())
}

/// A block by number: mostly one that is out, at times any other, or one that does not exist.
fn pick(model: &Model, number: u16) -> (BlockKey, Option<usize>) {
    let number = usize::from(number);
    let away = [State::Held, State::Out, State::Parked];
    let out: Vec<usize> =
        (0..model.blocks.len()).filter(|&place| away.contains(&model.state[place])).collect();
    match number % 16 {
        0 => (BlockKey::new(TaskId::new(number as u32 / 16 % 7), u64::MAX - number as u64), None),
        1..=3 if !model.keys.is_empty() => {
            let place = number / 16 % model.keys.len();
            (model.keys[place], Some(place))
        }
        _ if !out.is_empty() => {
            let place = out[number / 16 % out.len()];
            (model.keys[place], Some(place))
        }
        _ => (BlockKey::new(TaskId::new(9), 0), None),
    }
}
