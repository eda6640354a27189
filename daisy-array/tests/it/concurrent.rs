//! Writers beside each other, and writers that are killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;

use daisy_array::{
    Array, ArrayError, ArraySpec, Dtype, IfExists, Location, MemoryStore, ZarrVersion,
};
use daisy_geometry::Roi;
use ndarray::{Array3, ArrayD};

/// Where the killed writer writes; unset in all other processes.
const WRITER_PATH: &str = "DAISY_ARRAY_TEST_WRITER_PATH";

/// The name of an array with shards where others have chunks.
const SHARDED: &str = "sharded";

fn create(path: &Path) -> Array {
    let spec = ArraySpec::new([32, 32, 32], Dtype::U64)
        .chunk_shape([8, 16, 16])
        .voxel_size([2, 2, 2])
        .offset([-10, 0, 4]);
    let spec = match path.ends_with(SHARDED) {
        true => spec.chunk_shape([4, 8, 16]).shard_shape([8, 16, 16]),
        false => spec,
    };
    Array::create(path, &spec, IfExists::ReuseIfCompatible).unwrap()
}

/// The ROIs of all chunks.
fn chunks(array: &Array) -> Vec<Roi> {
    let step = array.write_unit_world();
    let counts = [4, 2, 2];
    let mut chunks = Vec::new();
    for z in 0..counts[0] {
        for y in 0..counts[1] {
            for x in 0..counts[2] {
                let begin = array.offset() + &(step * [z, y, x]);
                chunks.push(Roi::new(begin, step).unwrap());
            }
        }
    }
    chunks
}

#[test]
fn an_array_that_is_the_same_keeps_its_voxels_and_one_that_differs_is_replaced() {
    let (folder, store) = (tempfile::tempdir().unwrap(), MemoryStore::new());
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let path = folder.path().join(format!("{version:?}"));
        for place in [Location::from(&path), store.at(&format!("{version:?}"))] {
            let spec = ArraySpec::new([9], Dtype::U8).version(version);
            let create = |spec| Array::create(&place, spec, IfExists::ReplaceIfDifferent).unwrap();
            create(&spec).fill(&Roi::new([0], [9]).unwrap(), 3u8).unwrap();
            assert_eq!(create(&spec).read::<u8>(&Roi::new([0], [9]).unwrap()).unwrap().sum(), 27);
            let other = spec.clone().voxel_size([2]);
            assert_eq!(create(&other).read::<u8>(&Roi::new([0], [18]).unwrap()).unwrap().sum(), 0);
        }
        // What makes no sense differs, too.
        let metadata = if version == ZarrVersion::V2 { ".zarray" } else { "zarr.json" };
        fs::write(path.join(metadata), r#"{"zarr_format": 3, "node_type": "array"}"#).unwrap();
        let spec = ArraySpec::new([9], Dtype::U8).version(version);
        Array::create(&path, &spec, IfExists::ReplaceIfDifferent).unwrap();
        Array::open(&path).unwrap();
    }
}

#[test]
fn many_may_replace_one_array_at_once_and_write_at_once() {
    for version in [ZarrVersion::V2, ZarrVersion::V3].into_iter().cycle().take(40) {
        let folder = tempfile::tempdir().unwrap();
        let places = [Location::from(folder.path().join("a")), MemoryStore::new().at("a")];
        for place in &places {
            let spec = ArraySpec::new([8], Dtype::U16).chunk_shape([1]).version(version);
            let old = ArraySpec::new([8], Dtype::U8).chunk_shape([1]).version(version);
            let old = Array::create(place, &old, IfExists::Error).unwrap();
            old.fill(old.roi(), 1u8).unwrap();
            let barrier = Barrier::new(8);
            std::thread::scope(|scope| {
                for writer in 0..8u16 {
                    let (barrier, spec) = (&barrier, &spec);
                    scope.spawn(move || {
                        barrier.wait();
                        let array = Array::create(place, spec, IfExists::ReplaceIfDifferent);
                        let own = Roi::new([i64::from(writer)], [1]).unwrap();
                        array.unwrap().fill(&own, writer + 1).unwrap();
                    });
                }
            });
            let array = Array::open(place).unwrap();
            let voxels = array.read::<u16>(array.roi()).unwrap();
            assert_eq!(voxels.as_slice().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8], "{place:?}");
        }
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "nothing stays beside the array");
    }
}

#[test]
fn many_may_create_one_array_at_once() {
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a");
            let specs = [1, 2]
                .map(|voxel| ArraySpec::new([9], Dtype::U8).voxel_size([voxel]).version(version));
            let results: Vec<(usize, Result<Array, ArrayError>)> = std::thread::scope(|scope| {
                let creators: Vec<_> = (0..4)
                    .map(|n| {
                        let (path, spec) = (&path, &specs[n % 2]);
                        scope.spawn(move || {
                            let array = Array::create(path, spec, IfExists::ReuseIfCompatible)?;
                            // Chunks appear while others still look.
                            array.fill(array.roi(), 1u8)?;
                            Ok(array)
                        })
                    })
                    .collect();
                creators.into_iter().map(|c| c.join().unwrap()).enumerate().collect()
            });
            // One of the two descriptions wins; those who came with it succeed, all others learn.
            let voxel_size = Array::open(&path).unwrap().voxel_size()[0];
            for (n, result) in results {
                match result {
                    Ok(_) => assert_eq!(voxel_size, n as i64 % 2 + 1),
                    Err(ArrayError::Incompatible { .. }) => {
                        assert_ne!(voxel_size, n as i64 % 2 + 1)
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

#[test]
fn writers_of_different_chunks_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let path = &path;
            // Every worker creates the array itself, as processes do.
            scope.spawn(move || {
                let array = create(path);
                for (index, chunk) in chunks(&array).iter().enumerate() {
                    if index % 4 == worker {
                        array
                            .write(chunk, Array3::from_elem([8, 16, 16], index as u64).view())
                            .unwrap();
                    }
                }
            });
        }
    });
    let array = Array::open(&path).unwrap();
    for (index, chunk) in chunks(&array).iter().enumerate() {
        let expected = ArrayD::from_elem(vec![8, 16, 16], index as u64);
        assert_eq!(array.read::<u64>(chunk).unwrap(), expected);
    }
}

/// The other process of the test below: writes the whole array again and again, with the number of
/// the round in every voxel. Does nothing as a test of its own.
#[test]
fn writer_that_gets_killed() {
    let Ok(path) = std::env::var(WRITER_PATH) else { return };
    let array = create(Path::new(&path));
    for round in 1u64.. {
        for (index, chunk) in chunks(&array).iter().enumerate() {
            // Voxels that do not compress to nothing, the same for all rounds but for the first.
            let values = Array3::from_shape_fn([8, 16, 16], |(z, y, x)| {
                let noise =
                    ((z * 256 + y * 16 + x + index) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                if (z, y, x) == (0, 0, 0) { round } else { noise ^ round }
            });
            array.write(chunk, values.view()).unwrap();
        }
        println!("round {round}");
    }
}

#[test]
fn a_killed_writer_leaves_whole_chunks() {
    kill_writers("chunks");
}

#[test]
fn a_killed_writer_leaves_whole_shards() {
    kill_writers(SHARDED);
}

fn kill_writers(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    for kill in 1..=5 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "concurrent::writer_that_gets_killed", "--nocapture"])
            .env(WRITER_PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let rounds = lines.map_while(Result::ok).filter(|line| line.contains("round ")).take(kill);
        assert_eq!(rounds.count(), kill, "the writer ended by itself");
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What a kill between writing and renaming leaves; no read may ever look at it.
        fs::write(path.join("c/0/0/.daisy-tmp-1-1"), "half a chunk").unwrap();

        let array = Array::open(&path).unwrap();
        for (index, chunk) in chunks(&array).iter().enumerate() {
            let values = array.read::<u64>(chunk).unwrap();
            let round = values[[0, 0, 0]];
            assert!(round >= 1, "chunk {index} was written in the first round");
            for ((z, y, x), value) in
                values.into_dimensionality::<ndarray::Ix3>().unwrap().indexed_iter()
            {
                let noise =
                    ((z * 256 + y * 16 + x + index) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                assert!((z, y, x) == (0, 0, 0) || *value == noise ^ round, "a torn chunk");
            }
        }
    }
    // The next run overwrites everything, leftovers included.
    let spec = ArraySpec::new([4], Dtype::U8);
    let array = Array::create(&path, &spec, IfExists::Overwrite).unwrap();
    assert_eq!(array.read::<u8>(array.roi()).unwrap().sum(), 0);
}
