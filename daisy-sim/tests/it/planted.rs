//! The simulator is itself tested: each planted bug is found within a few seeds.

use daisy_sim::{Bug, Options, Promise, Telling, play, shrink};

/// A failing world with a bug, and the promise that it breaks: the one that is known, or else the first of so many.
fn find(bug: Bug, known: u64, seeds: u64) -> Option<(Options, Promise)> {
    std::iter::once(known).chain(0..seeds).find_map(|seed| {
        let options = Options::of(seed).with_bug(bug);
        let failure = play(&options, Telling::Nothing).failure?;
        Some((options, failure.promise))
    })
}

fn promise(bug: Bug, known: u64, seeds: u64) -> Promise {
    find(bug, known, seeds).unwrap_or_else(|| panic!("{bug:?} is not found within {seeds} seeds")).1
}

#[test]
fn an_acknowledgement_before_the_record_is_written_is_found() {
    assert_eq!(promise(Bug::AckBeforeWrite, 0, 5), Promise::Durable);
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    assert_eq!(promise(Bug::AckBeforeSync, 5, 10), Promise::Durable);
}

#[test]
fn blocks_of_lost_workers_that_are_lent_too_early_are_found() {
    let found = promise(Bug::ShortSilence, 32, 300);
    assert!(matches!(found, Promise::AtWork | Promise::Blame), "{found:?}");
}

#[test]
fn outcomes_that_are_not_sent_again_are_found() {
    assert_eq!(promise(Bug::NoResend, 0, 5), Promise::Ends);
}

#[test]
fn forgotten_leases_are_found() {
    assert_eq!(promise(Bug::ForgetLeases, 0, 5), Promise::Alive);
}

#[test]
fn an_epoch_that_is_used_again_is_found() {
    assert_eq!(promise(Bug::SameEpoch, 0, 5), Promise::Alive);
}

#[test]
fn recalled_blocks_that_are_lent_without_being_given_back_are_found() {
    let found = promise(Bug::RecallUnconfirmed, 324, 1_500);
    assert!(matches!(found, Promise::Once | Promise::AtWork), "{found:?}");
}

#[test]
fn blame_for_a_closed_connection_is_found() {
    let found = promise(Bug::BlameConnection, 0, 5);
    assert!(matches!(found, Promise::Blame | Promise::AtWork), "{found:?}");
}

#[test]
fn children_that_count_as_ended_before_they_are_reaped_are_found() {
    assert_eq!(promise(Bug::ReapTooEarly, 24, 60), Promise::AtWork);
}

#[test]
fn a_worker_that_trusts_refusals_is_found() {
    let found = promise(Bug::TrustRefusals, 495, 1_500);
    assert!(matches!(found, Promise::AtWork | Promise::Blame), "{found:?}");
}

#[test]
fn a_worker_that_is_silent_when_it_is_idle_is_found() {
    assert_eq!(promise(Bug::SilentWhenIdle, 21, 60), Promise::Blame);
}

#[test]
fn an_outcome_that_waits_for_the_next_request_is_found() {
    assert_eq!(promise(Bug::OutcomeWithNext, 8, 60), Promise::Ends);
}

#[test]
fn a_launcher_that_is_taken_for_its_worker_is_found() {
    let found = promise(Bug::LauncherIsWorker, 0, 300);
    assert!(matches!(found, Promise::AtWork | Promise::Blame), "{found:?}");
}

#[test]
fn a_worker_from_elsewhere_that_is_taken_for_a_child_is_found() {
    let found = promise(Bug::AnybodyIsChild, 0, 60);
    assert!(matches!(found, Promise::AtWork | Promise::Blame), "{found:?}");
}

#[test]
fn older_code_that_goes_on_is_found() {
    let found = promise(Bug::TrustOldCode, 0, 60);
    assert!(matches!(found, Promise::Once | Promise::Blame), "{found:?}");
}

#[test]
fn a_stopped_run_that_takes_its_workers_for_ended_is_found() {
    let found = promise(Bug::StoppedIsEnded, 3, 60);
    assert!(matches!(found, Promise::Alive | Promise::AtWork), "{found:?}");
}

#[test]
fn a_server_that_goes_on_without_its_journal_is_found() {
    let found = promise(Bug::GoOnWithoutJournal, 12, 60);
    assert!(matches!(found, Promise::Durable | Promise::Ends), "{found:?}");
}

#[test]
fn a_failing_world_is_made_smaller_and_still_fails() {
    let (options, promise) = find(Bug::ReapTooEarly, 24, 60).unwrap();
    let small = shrink(&options, promise);
    let report = play(&small, Telling::Tail);
    assert_eq!(report.failure.unwrap().promise, promise);
    assert!(small.blocks <= options.blocks && small.faults_ms <= options.faults_ms);
    assert_ne!(small, options);
    assert!(!report.story.is_empty());
}
