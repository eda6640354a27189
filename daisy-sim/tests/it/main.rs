//! The simulator as part of every test run: some worlds, the same twice, and the bugs planted in it.

use daisy_sim::{Bug, Options, Telling, play};

#[test]
fn worlds_full_of_faults_keep_every_promise() {
    for seed in 0..400 {
        let report = play(&Options::of(seed), Telling::Tail);
        assert!(report.failure.is_none(), "seed {seed}: {:?}\n{:#?}", report.failure, report.story);
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in 0..50 {
        let hash = play(&Options::of(seed), Telling::Nothing).hash;
        assert_eq!(hash, play(&Options::of(seed), Telling::Tail).hash, "seed {seed}");
    }
}

/// The first seed whose world finds a bug.
fn found_by(bug: Bug) -> Option<u64> {
    (0..1_000)
        .find(|&seed| play(&Options::of(seed).with_bug(bug), Telling::Nothing).failure.is_some())
}

#[test]
fn planted_bugs_are_found() {
    for bug in Bug::ALL {
        let seed = found_by(bug);
        println!("{bug:?}: seed {seed:?}");
        assert!(seed.is_some(), "{bug:?} is not found");
    }
}
