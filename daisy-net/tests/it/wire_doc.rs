//! `PROTOCOL.md` says what the source does: its hash is that of the wire's source, and what it says about cells is what
//! `daisy-block` computes.

use std::{fs, path::Path};

use daisy_block::{Fit, Layout, Tiling};
use daisy_geometry::Roi;
use daisy_net::wire::{AXES_LIMIT, LayoutFrame, RoiFrame};
use proptest::{collection::vec, prelude::*};

/// FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The hash of the names and contents of `src/wire/*.rs`, sorted by name.
fn source_hash() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let hash = files.iter().fold(0xcbf2_9ce4_8422_2325, |hash, path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        fnv1a(fnv1a(hash, name.as_bytes()), &fs::read(path).unwrap())
    });
    format!("{hash:016x}")
}

#[test]
fn the_document_is_as_new_as_the_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../PROTOCOL.md");
    let text = fs::read_to_string(path).unwrap();
    let stated = text.lines().find_map(|line| line.strip_prefix("source-hash: "));
    let found = source_hash();
    assert_eq!(
        stated,
        Some(&*found),
        "daisy-net/src/wire has changed: see that PROTOCOL.md still says what it does, then write `source-hash: {found}` into it"
    );
}

#[test]
fn a_layout_with_the_most_axes_fits_the_wire() {
    assert_eq!(AXES_LIMIT, Layout::MAX_DIMS);
}

/// A box as begin and end, half-open.
type Span = (i64, i64);

/// The read and write box of a cell along each axis, word for word as `PROTOCOL.md` has it; `None` for no such cell.
fn rois(layout: &LayoutFrame, cell: u64) -> Option<(Vec<Span>, Vec<Span>)> {
    let axes = layout.total.begin.len();
    let end = |roi: &RoiFrame, axis: usize| roi.begin[axis] + roi.shape[axis];
    let lo = |axis: usize| layout.write.begin[axis] - layout.read.begin[axis];
    let hi = |axis: usize| end(&layout.read, axis) - end(&layout.write, axis);
    let begin = |axis: usize| layout.total.begin[axis] + lo(axis);
    let limit = |axis: usize| end(&layout.total, axis) - hi(axis);
    let count = |axis: usize| {
        let extent = (limit(axis) - begin(axis)).max(0);
        let step = layout.write.shape[axis];
        if layout.fit == 0 { extent / step } else { (extent + step - 1) / step }
    };
    // The slowest axis: the one with the most cells, the first of several.
    let slowest = (0..axes).rev().max_by_key(|axis| count(*axis)).unwrap();
    let order = [slowest].into_iter().chain((0..axes).filter(|axis| *axis != slowest));
    let mut index = vec![0; axes];
    let mut left = i128::from(cell);
    for axis in order.collect::<Vec<_>>().into_iter().rev() {
        let count = i128::from(count(axis));
        if count == 0 {
            return None;
        }
        index[axis] = (left % count) as i64;
        left /= count;
    }
    if left > 0 {
        return None;
    }
    let write = (0..axes).map(|axis| {
        let at = begin(axis) + index[axis] * layout.write.shape[axis];
        let to = at + layout.write.shape[axis];
        (at, if layout.fit == 2 { to.min(limit(axis)) } else { to })
    });
    let read = (0..axes).map(|axis| {
        let at = begin(axis) + index[axis] * layout.write.shape[axis];
        let to = at + layout.write.shape[axis] + hi(axis);
        (at - lo(axis), if layout.fit == 2 { to.min(end(&layout.total, axis)) } else { to })
    });
    Some((read.collect(), write.collect()))
}

/// Where the total and the read box begin, how long the total is; low context, step, high context.
type AxisOf = (i64, i64, i64, i64, i64, i64);

fn spans(roi: &Roi) -> Vec<Span> {
    let (begin, end) = (roi.begin().unwrap(), roi.end().unwrap());
    begin.as_slice().iter().copied().zip(end.as_slice().iter().copied()).collect()
}

proptest! {
    #[test]
    fn the_documents_maths_gives_every_blocks_rois(
        axes in vec((-20_i64..20, -20_i64..20, 1_i64..40, 0_i64..4, 1_i64..6, 0_i64..4), 1..4),
        fit in 0_u8..3,
    ) {
        let side = |side: fn(&AxisOf) -> i64| axes.iter().map(side).collect::<Vec<_>>();
        let frame = LayoutFrame {
            total: RoiFrame { begin: side(|a| a.0), shape: side(|a| a.2) },
            read: RoiFrame { begin: side(|a| a.1), shape: side(|a| a.3 + a.4 + a.5) },
            write: RoiFrame { begin: side(|a| a.1 + a.3), shape: side(|a| a.4) },
            fit,
        };
        let roi = |roi: &RoiFrame| Roi::new(roi.begin.clone(), roi.shape.clone()).unwrap();
        let fit = [Fit::Valid, Fit::Overhang, Fit::Shrink][usize::from(fit)];
        let layout = Layout::new(roi(&frame.total), roi(&frame.read), roi(&frame.write), fit).unwrap();
        let tiling = Tiling::new(&layout);
        for cell in 0..tiling.num_cells() {
            let read = spans(&tiling.read_roi(cell).unwrap());
            let write = spans(&tiling.write_roi(cell).unwrap());
            prop_assert_eq!(rois(&frame, cell), Some((read, write)), "cell {}", cell);
        }
        prop_assert_eq!(rois(&frame, tiling.num_cells()), None);
    }
}
