//! Random operations, nonsense included, beside the naive model of the world.

use daisy_sched::Paths;
use proptest::{prelude::*, test_runner::TestRunner};

use super::world::{Ways, World};
use crate::{
    oracle::pipelines,
    runs::{are_few, seeded},
};

/// Dice from a seed.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |sides| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = state;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ x >> 31) % sides.max(1) as u64) as usize
    }
}

/// Kinds of outputs, with their reasons, and of reasons to wake up; and leases that were adopted.
const NUM_EVENTS: usize = 46;

#[test]
fn random_operations_agree_with_the_model_and_take_every_way() {
    let mut taken = Ways::new();
    let ways = std::cell::RefCell::new(&mut taken);
    let mut runner = TestRunner::new(seeded(12, file!()));
    let result =
        runner.run(&(pipelines(), any::<u64>(), 0_usize..400), |(pipeline, seed, steps)| {
            prop_assume!(pipeline.blocks().len() < 300);
            let mut dice = dice(seed);
            let mut world = World::new(pipeline.graph(), &mut dice);
            for _ in 0..steps {
                world.step(&mut dice);
            }
            for (way, count) in world.finish() {
                *ways.borrow_mut().entry(way).or_default() += count;
            }
            Ok(())
        });
    if let Err(error) = result {
        panic!("{error}\n{runner}");
    }
    if are_few() {
        return;
    }
    // What needs more blocks or workers than a world has: `wide.rs` has some.
    let elsewhere =
        ["busy_left_out", "displaced", "doubled", "interrupted", "long_waits", "put_off"];
    let elsewhere = elsewhere.into_iter().chain([
        "recounted",
        "scanned_again",
        "shed",
        "skipped_as_box",
        "well_fed",
    ]);
    let elsewhere: Vec<String> = elsewhere.map(|way| format!("{way}, shipped")).collect();
    taken.retain(|way, _| !elsewhere.contains(way) && way != "long_waits, tiny");
    let not_taken: Vec<&String> = taken.iter().filter(|way| *way.1 == 0).map(|way| way.0).collect();
    assert_eq!(not_taken, Vec::<&String>::new(), "of {taken:#?}");
    // What the coordinator says and why it wakes up, with sizes that are tiny and shipped.
    assert_eq!(
        taken.len(),
        NUM_EVENTS + 2 * (Paths::default().named().len() + 3) - 12,
        "{taken:#?}"
    );
}
