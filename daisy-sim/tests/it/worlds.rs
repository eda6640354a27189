//! Worlds without planted bugs.

use daisy_sim::{Kind, Kinds, Options, Telling, play};

#[test]
fn a_few_hundred_worlds_keep_all_promises() {
    for seed in 0..400 {
        let options = Options::of(seed);
        let report = play(&options, Telling::Nothing);
        assert_eq!(report.failure, None, "{options}");
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in 1_000..1_040 {
        let options = Options::of(seed);
        let (once, twice) = (play(&options, Telling::Nothing), play(&options, Telling::Tail));
        assert_eq!(
            (once.hash, once.events, once.virtual_time),
            (twice.hash, twice.events, twice.virtual_time),
            "{options}"
        );
    }
    let hash = |seed| play(&Options::of(seed), Telling::Nothing).hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_world_without_faults_has_one_server_and_charges_nobody() {
    for seed in 0..50 {
        let options = Options { kinds: Kinds::default(), ..Options::of(seed) };
        let report = play(&options, Telling::Nothing);
        assert_eq!(report.failure, None, "{options}");
        assert_eq!((report.lives, report.innocent), (1, 0), "{options}");
    }
}

#[test]
fn encrypted_worlds_hold_too() {
    for seed in 0..20 {
        let options = Options { is_encrypted: true, ..Options::of(seed) };
        assert_eq!(play(&options, Telling::Nothing).failure, None, "{options}");
    }
}

#[test]
fn a_loss_of_power_is_only_promised_to_be_survived_where_the_run_is_told_to() {
    for seed in 0..200 {
        let options = Options::of(seed);
        assert!(options.is_power || !options.kinds.has(Kind::PowerLoss), "{options}");
    }
}
