//! What the hot operations cost, in nanoseconds each, on 3-D ROIs.
//!
//! `cargo bench -p daisy-geometry` prints a table; with `-- --json` one JSON object a line.
//! Each figure is the median of several rounds, each over operands that change from call to call.

use std::hint::black_box;
use std::time::Instant;

use daisy_geometry::{Coordinate, GeometryError, Roi, Snap};

const ROUNDS: usize = 21;
const SWEEPS: usize = 4_000;

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let rois = rois();
    let reach = Coordinate::new([5, 5, 5]);
    let voxel = Coordinate::new([40, 4, 4]);
    let half = rois.len() / 2;
    // Results are looked at where they are: moving them would cost as much as making them.
    let workloads = [
        ("intersect", time(&rois, |roi, i| see(&roi.intersect(&rois[i ^ half])))),
        ("intersects", time(&rois, |roi, i| see(&roi.intersects(&rois[i ^ half])))),
        ("contains", time(&rois, |roi, i| see(&roi.contains(&rois[i ^ half])))),
        ("union", time(&rois, |roi, i| see(&roi.union(&rois[i ^ half])))),
        ("grow", time(&rois, |roi, _| see(&roi.grow(black_box(&reach), &reach)))),
        ("shift", time(&rois, |roi, _| see(&roi.shift(black_box(&reach))))),
        ("snap_to_grid", time(&rois, |roi, _| see(&snapped(roi, &voxel)))),
        ("clone", time(&rois, |roi, _| see(&roi.clone()))),
        ("clone_coordinate", time(&rois, |_, _| see(&black_box(&reach).clone()))),
    ];
    for (workload, ns) in workloads {
        if json {
            println!("{{\"workload\":\"{workload}\",\"ns\":{ns:.2}}}");
        } else {
            println!("{workload:<18}{ns:>8.2} ns");
        }
    }
}

fn see<V>(value: &V) {
    black_box(value);
}

fn snapped(roi: &Roi, voxel: &Coordinate) -> Result<Roi, GeometryError> {
    roi.snap_to_grid(black_box(voxel), black_box(Snap::Grow))
}

/// Overlapping, disjoint and nested boxes, mixed.
fn rois() -> Vec<Roi> {
    (0..64_i64)
        .filter_map(|i| {
            let offset = [i * 7 % 23, i * 5 % 31 - 10, i * 3 % 17];
            Roi::new(offset, [10 + i % 9, 20 + i % 5, 30]).ok()
        })
        .collect()
}

/// The median time of one call, in nanoseconds.
fn time(rois: &[Roi], mut call: impl FnMut(&Roi, usize)) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..SWEEPS {
                for (i, roi) in rois.iter().enumerate() {
                    call(black_box(roi), i);
                }
            }
            start.elapsed().as_secs_f64() * 1e9 / (SWEEPS * rois.len()) as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
