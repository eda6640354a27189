//! Random writes and reads against an array in memory.

use daisy_array::{Array, ArraySpec, Compression, Dtype, IfExists, ZarrVersion};
use daisy_geometry::{Coordinate, Roi};
use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;

/// A box in voxels, counted from the first voxel of the array.
type Box = Vec<(i64, i64)>;

#[derive(Clone, Debug)]
enum Op {
    Write(Box, u16),
    Fill(Box, u16),
    Read(Box),
    ReadOrFill(Box, u16),
}

#[derive(Clone, Debug)]
struct Case {
    shape: Vec<i64>,
    chunk_shape: Vec<i64>,
    voxel_size: Vec<i64>,
    offset: Vec<i64>,
    version: ZarrVersion,
    compression: Compression,
    ops: Vec<Op>,
}

fn inside(shape: &[i64]) -> impl Strategy<Value = Box> + use<> {
    let axis = |length: i64| (0..=length, 0..=length).prop_map(|(a, b)| (a.min(b), a.max(b)));
    shape.iter().map(|length| axis(*length)).collect::<Vec<_>>()
}

fn anywhere(shape: &[i64]) -> impl Strategy<Value = Box> + use<> {
    let axis = |length: i64| (-4..length + 4, 0..8i64).prop_map(|(a, n)| (a, a + n));
    shape.iter().map(|length| axis(*length)).collect::<Vec<_>>()
}

fn op(shape: &[i64]) -> impl Strategy<Value = Op> + use<> {
    prop_oneof![
        3 => (inside(shape), any::<u16>()).prop_map(|(at, seed)| Op::Write(at, seed)),
        1 => (inside(shape), 0..3u16).prop_map(|(at, value)| Op::Fill(at, value)),
        2 => inside(shape).prop_map(Op::Read),
        2 => (anywhere(shape), any::<u16>()).prop_map(|(at, fill)| Op::ReadOrFill(at, fill)),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let axis = (1..14i64, 1..7i64, 1..12i64, -40..40i64);
    let format = prop_oneof![Just(ZarrVersion::V2), Just(ZarrVersion::V3)];
    let compression = prop_oneof![
        Just(Compression::None),
        Just(Compression::Zstd { level: 1 }),
        Just(Compression::Gzip { level: 1 }),
    ];
    (proptest::collection::vec(axis, 1..4), format, compression).prop_flat_map(
        |(axes, version, compression)| {
            let shape: Vec<i64> = axes.iter().map(|axis| axis.0).collect();
            proptest::collection::vec(op(&shape), 1..12).prop_map(move |ops| Case {
                shape: axes.iter().map(|axis| axis.0).collect(),
                chunk_shape: axes.iter().map(|axis| axis.1).collect(),
                voxel_size: axes.iter().map(|axis| axis.2).collect(),
                offset: axes.iter().map(|axis| axis.3).collect(),
                version,
                compression,
                ops,
            })
        },
    )
}

impl Case {
    fn world(&self, at: &Box) -> Roi {
        let scaled = |axis: usize, voxel: i64| self.offset[axis] + voxel * self.voxel_size[axis];
        let begin: Coordinate = (0..at.len()).map(|axis| scaled(axis, at[axis].0)).collect();
        let end: Coordinate = (0..at.len()).map(|axis| scaled(axis, at[axis].1)).collect();
        Roi::from_begin_end(begin, end).unwrap()
    }
}

fn lengths(at: &Box) -> Vec<usize> {
    at.iter().map(|(begin, end)| (end - begin) as usize).collect()
}

/// The index in the whole array of an index in a box.
fn shifted(at: &Box, index: &IxDyn) -> Vec<i64> {
    at.iter().enumerate().map(|(axis, (begin, _))| begin + index[axis] as i64).collect()
}

fn lookup(oracle: &ArrayD<u16>, index: &[i64]) -> Option<u16> {
    let index: Option<Vec<usize>> = index.iter().map(|i| usize::try_from(*i).ok()).collect();
    oracle.get(IxDyn(&index?)).copied()
}

fn assign(oracle: &mut ArrayD<u16>, at: &Box, values: &ArrayD<u16>) {
    for (index, value) in values.indexed_iter() {
        let index: Vec<usize> = shifted(at, &index).iter().map(|i| *i as usize).collect();
        oracle[IxDyn(&index)] = *value;
    }
}

proptest! {

    #[test]
    fn an_array_on_disk_is_an_array_in_memory(case in case()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zarr");
        let spec = ArraySpec::new(case.shape.clone(), Dtype::U16)
            .chunk_shape(case.chunk_shape.clone())
            .voxel_size(case.voxel_size.clone())
            .offset(case.offset.clone())
            .fill_value(1u16)
            .version(case.version)
            .compression(case.compression);
        let array = Array::create(&path, &spec, IfExists::Error).unwrap();
        let whole: Box = case.shape.iter().map(|length| (0, *length)).collect();
        prop_assert_eq!(array.roi(), &case.world(&whole));
        let mut oracle = ArrayD::from_elem(lengths(&whole), 1u16);
        for op in &case.ops {
            match op {
                Op::Write(at, seed) => {
                    let mut next = *seed;
                    let values = ArrayD::from_shape_simple_fn(lengths(at), || {
                        next = next.wrapping_mul(25_173).wrapping_add(13_849);
                        next
                    });
                    array.write(&case.world(at), values.view()).unwrap();
                    assign(&mut oracle, at, &values);
                }
                Op::Fill(at, value) => {
                    array.fill(&case.world(at), *value).unwrap();
                    assign(&mut oracle, at, &ArrayD::from_elem(lengths(at), *value));
                }
                Op::Read(at) => {
                    let expected = ArrayD::from_shape_fn(lengths(at), |index| {
                        lookup(&oracle, &shifted(at, &index)).unwrap()
                    });
                    prop_assert_eq!(array.read::<u16>(&case.world(at)).unwrap(), expected);
                }
                Op::ReadOrFill(at, fill) => {
                    let expected = ArrayD::from_shape_fn(lengths(at), |index| {
                        lookup(&oracle, &shifted(at, &index)).unwrap_or(*fill)
                    });
                    let read = array.read_or_fill::<u16>(&case.world(at), *fill).unwrap();
                    prop_assert_eq!(read, expected);
                }
            }
        }
        // What was written is there for whoever opens the array next.
        let again = Array::open(&path).unwrap();
        prop_assert_eq!(again.read::<u16>(again.roi()).unwrap(), oracle);
    }
}
