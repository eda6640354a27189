//! ROI arithmetic in three dimensions, in nanoseconds a call.

use std::{hint::black_box, time::Instant};

use daisy_geometry::{Roi, Snap};

use crate::{Error, measure::Options};

const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 15;

/// Prints the median of several rounds for each operation.
pub(crate) fn suite(options: &Options) -> Result<(), Error> {
    let a = Roi::new([0, 10, -20], [100, 200, 300])?;
    let b = Roi::new([50, 0, 5], [100, 150, 90])?;
    let results = [
        ("intersect", median_ns(|| black_box(&a).intersect(black_box(&b)))),
        ("contains", median_ns(|| black_box(&a).contains(black_box(&b)))),
        ("grow", median_ns(|| black_box(&a).grow(black_box(3), black_box(4)))),
        (
            "snap_to_grid",
            median_ns(|| black_box(&a).snap_to_grid(black_box([7, 8, 9]), Snap::Grow)),
        ),
    ];
    if !options.json {
        println!("| operation, 3-D | ns |\n|---|--:|");
    }
    for (name, ns) in results {
        if options.json {
            println!("{{\"workload\":\"{name}\",\"ns\":{ns:.2}}}");
        } else {
            println!("| {name} | {ns:.1} |");
        }
    }
    Ok(())
}

/// The median of several rounds, in nanoseconds a call.
fn median_ns<T>(call: impl Fn() -> T) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                black_box(&call());
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
