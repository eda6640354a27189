//! Random operations, nonsense included, beside the naive model of the world.

use proptest::prelude::*;

use super::world::World;
use crate::oracle::pipelines;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_agree_with_the_model(
        pipeline in pipelines(),
        seed in any::<u64>(),
        steps in 0_usize..400,
    ) {
        prop_assume!(pipeline.blocks().len() < 300);
        let mut dice = dice(seed);
        let mut world = World::new(pipeline.graph(), &mut dice);
        for _ in 0..steps {
            world.step(&mut dice);
        }
        world.finish();
    }
}
