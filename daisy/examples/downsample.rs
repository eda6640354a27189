//! How many fine voxels a second become coarse ones, in one thread and in memory.
//!
//! `cargo run --release -p daisy --features arrays --example downsample`

use std::{error::Error, time::Instant};

use daisy::{
    Reduce,
    arrays::{Array, ArraySpec, Compression, Dtype, IfExists, MemoryStore},
    coarse_spec, downsample_roi,
};
use ndarray::ArrayD;

const LENGTH: i64 = 256;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryStore::new();
    let spec = ArraySpec::new([LENGTH; 3], Dtype::U8)
        .chunk_shape([LENGTH / 2; 3])
        .compression(Compression::None);
    let fine = Array::create(store.at("fine"), &spec, IfExists::Error)?;
    let mut state = 1_u32;
    let voxels = ArrayD::from_shape_simple_fn(vec![LENGTH as usize; 3], || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    });
    fine.write(fine.roi(), voxels.view())?;
    let spec = coarse_spec(&fine, [2, 2, 2]).compression(Compression::None);
    let coarse = Array::create(store.at("coarse"), &spec, IfExists::Error)?;
    for reduce in [Reduce::Mean, Reduce::Mode] {
        let mut seconds = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            downsample_roi(&fine, &coarse, coarse.roi().clone(), reduce)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(ROUNDS / 2).copied().unwrap_or(f64::NAN);
        println!("{reduce:?}: {:.0} million voxels/s", LENGTH.pow(3) as f64 / median / 1e6);
    }
    Ok(())
}
