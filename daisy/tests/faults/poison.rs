//! A block that kills whoever runs it.

use std::time::Duration;

use crate::{
    history::History,
    plan::{ONLY, Plan},
    stage::Stage,
};

const POISON: u64 = 500;

#[test]
fn a_poison_block_alone_fails() {
    let plan = Plan {
        blocks: 1_000,
        workers: 4,
        poison: Some(POISON),
        retries: 2,
        has_journal: false,
        ..Plan::default()
    };
    let mut stage = Stage::new(plan, Duration::from_secs(60));
    stage.start_server();
    assert_eq!(stage.wait_server(), 1, "{}", stage.words());
    let report = stage.report();
    let counts = &report["tasks"][0]["counts"];
    assert_eq!((&counts["completed"], &counts["failed"]), (&999.into(), &1.into()), "{report}");
    let failed = &report["tasks"][0]["failures"][0];
    assert_eq!((&failed["cell"], &failed["attempts"]), (&POISON.into(), &3.into()), "{report}");
    let history = History::new(stage.events());
    let poisoned: Vec<i32> =
        history.by_block[&(ONLY.to_owned(), POISON)].iter().map(|one| one.pid).collect();
    for ((_, cell), executions) in &history.by_block {
        if *cell == POISON {
            // The first death may be one at several blocks, which is nobody's fault.
            assert!((3..=4).contains(&executions.len()), "{executions:?}");
            continue;
        }
        assert!(executions.iter().all(|one| one.has_ended), "{executions:?}");
        // A block is run again only if the outcome went down with a worker that the poison killed.
        let again = executions.iter().rev().skip(1);
        assert!(again.into_iter().all(|one| poisoned.contains(&one.pid)), "{executions:?}");
        // None but the poison is charged with a death.
        assert!(executions.iter().all(|one| one.attempt == 1), "{executions:?}");
    }
    assert_eq!(history.by_block.len(), 1_000);
    let extra = history.num_executions() - 999 - poisoned.len();
    eprintln!("poison: {} deaths, {extra} blocks run twice", poisoned.len());
    stage.until_no_workers();
}
