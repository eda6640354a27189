//! Blocks that share chunks: refused, locked, or left to the user; and which array a handle is of.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use daisy_array::{Array, ArrayError, ArraySpec, ChunkSharing, Dtype, IfExists, MemoryStore};
use daisy_block::{Fit, Layout, Stencil, Tiling};
use daisy_geometry::Roi;
use ndarray::Array1;

/// Where the other process of a test writes, and which part; unset in all other processes.
const HAMMER: &str = "DAISY_ARRAY_TEST_HAMMER";

const LENGTH: i64 = 64;
const ROUNDS: u64 = 150;

/// Two chunks, or one shard of two.
fn spec(sharded: bool) -> ArraySpec {
    let spec = ArraySpec::new([LENGTH], Dtype::U64).chunk_shape([LENGTH / 2]);
    if sharded { spec.shard_shape([LENGTH]) } else { spec }
}

/// Adds one to every fourth voxel, `part` being the first of them, again and again: reading and
/// writing chunks that others write too.
fn hammer(array: &Array, part: i64) {
    for round in 1..=ROUNDS {
        for voxel in (part..LENGTH).step_by(4) {
            array
                .write(&Roi::new([voxel], [1]).unwrap(), Array1::from_elem(1, round).view())
                .unwrap();
        }
    }
}

fn expect_all(array: &Array) {
    let voxels = array.read::<u64>(array.roi()).unwrap();
    assert!(voxels.iter().all(|voxel| *voxel == ROUNDS), "writes were lost: {voxels}");
}

/// The other process of the test below. Does nothing as a test of its own.
#[test]
fn process_that_hammers() {
    let Ok(hammered) = std::env::var(HAMMER) else { return };
    let (part, path) = hammered.split_once(':').unwrap();
    let array = Array::open(path).unwrap().with_sharing(ChunkSharing::Lock);
    hammer(&array, part.parse().unwrap());
}

fn start_hammering(path: &Path, part: i64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sharing::process_that_hammers"])
        .env(HAMMER, format!("{part}:{}", path.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn locked_chunks_lose_nothing_between_threads_and_processes() {
    for sharded in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let array = Array::create(&path, &spec(sharded), IfExists::Error).unwrap();
        let array = array.with_sharing(ChunkSharing::Lock);
        let processes: Vec<Child> = (0..2).map(|part| start_hammering(&path, part)).collect();
        std::thread::scope(|scope| {
            for part in 2..4 {
                let array = &array;
                scope.spawn(move || hammer(array, part));
            }
        });
        for mut process in processes {
            assert!(process.wait().unwrap().success());
        }
        expect_all(&array);
        // Locks are a part of the array, and go with it.
        assert!(path.join(".daisy-locks").is_dir());
        Array::create(&path, &spec(sharded), IfExists::Overwrite).unwrap();
        assert!(!path.join(".daisy-locks").exists());
    }
}

#[test]
fn locked_chunks_in_memory_lose_nothing() {
    let array = Array::create(MemoryStore::new().at("a"), &spec(true), IfExists::Error).unwrap();
    let array = array.with_sharing(ChunkSharing::Lock);
    std::thread::scope(|scope| {
        for part in 0..4 {
            let array = &array;
            scope.spawn(move || hammer(array, part));
        }
    });
    expect_all(&array);
}

#[test]
fn a_lock_does_not_outlive_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let array = Array::create(&path, &spec(false), IfExists::Error).unwrap();
    let array = array.with_sharing(ChunkSharing::Lock);
    let locks = path.join(".daisy-locks");
    for _ in 0..3 {
        let mut process = start_hammering(&path, 0);
        // It is among its writes once it has made the locks.
        while !locks.exists() {
            std::thread::yield_now();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        array.fill(array.roi(), 1u64).unwrap();
        std::fs::remove_dir_all(&locks).unwrap();
    }
}

#[test]
fn large_writes_and_fills_under_locks_are_those_without() {
    for sharded in [false, true] {
        let voxels = Array1::from_iter(0..LENGTH as u64 - 7);
        let roi = Roi::new([3], [LENGTH - 7]).unwrap();
        let results = [ChunkSharing::Lock, ChunkSharing::Unchecked].map(|sharing| {
            let store = MemoryStore::new();
            let array = Array::create(store.at("a"), &spec(sharded), IfExists::Error).unwrap();
            let array = array.with_sharing(sharing);
            assert_eq!(array.sharing(), sharing);
            array.write(&roi, voxels.view()).unwrap();
            array.fill(&Roi::new([30], [4]).unwrap(), 9u64).unwrap();
            array.read::<u64>(array.roi()).unwrap()
        });
        assert_eq!(results[0], results[1]);
        assert_eq!((results[0][3], results[0][29], results[0][33], results[0][34]), (0, 26, 9, 31));
    }
}

#[test]
fn the_proof_is_about_shards_where_there_are_some() {
    let tiling = |write: i64| {
        let block = Roi::new([0], [write]).unwrap();
        let total = Roi::new([0], [LENGTH]).unwrap();
        Tiling::new(&Layout::new(total, block.clone(), block, Fit::Shrink).unwrap())
    };
    let array = |sharded| {
        Array::create(MemoryStore::new().at("a"), &spec(sharded), IfExists::Error).unwrap()
    };
    assert_eq!(array(false).sharing(), ChunkSharing::Refuse);
    array(false).check_writes(&tiling(32), None).unwrap();
    match array(true).check_writes(&tiling(32), None).unwrap_err() {
        ArrayError::SharedChunk { shared, .. } => {
            assert_eq!((shared.axis, shared.chunk_shape), (0, 64));
            assert_eq!(shared.good_write_shapes, (None, 64));
        }
        error => panic!("{error}"),
    }
    array(true).check_writes(&tiling(64), None).unwrap();
    for sharing in [ChunkSharing::Lock, ChunkSharing::Unchecked] {
        array(true).with_sharing(sharing).check_writes(&tiling(20), None).unwrap();
    }
    // Blocks that keep out of each other's way may share.
    let (read, write) = (Roi::new([-8], [48]).unwrap(), Roi::new([0], [32]).unwrap());
    let total = Roi::new([-8], [LENGTH + 16]).unwrap();
    let layout = Layout::new(total, read, write, Fit::Shrink).unwrap();
    let (tiling, stencil) = (Tiling::new(&layout), Stencil::new(&Tiling::new(&layout)));
    assert!(array(true).check_writes(&tiling, None).is_err());
    array(true).check_writes(&tiling, Some(&stencil)).unwrap();
}

#[test]
fn blocks_of_other_dimensions_are_an_error_of_any_array() {
    let block = Roi::new([0, 0], [8, 8]).unwrap();
    let layout = Layout::new(block.clone(), block.clone(), block, Fit::Valid).unwrap();
    for sharing in [ChunkSharing::Refuse, ChunkSharing::Unchecked] {
        let array = Array::create(MemoryStore::new().at("a"), &spec(false), IfExists::Error);
        let array = array.unwrap().with_sharing(sharing);
        let error = array.check_writes(&Tiling::new(&layout), None).unwrap_err();
        assert!(matches!(error, ArrayError::Layout { .. }), "{error}");
    }
}

#[test]
fn handles_of_one_array_have_one_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let array = Array::create(&path, &spec(false), IfExists::Error).unwrap();
    let id = array.id();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    assert_eq!(Array::open(folder.path().join("./b/../a")).unwrap().id(), id);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        assert_eq!(Array::open(folder.path().join("link")).unwrap().id(), id);
    }
    let other = Array::create(folder.path().join("c"), &spec(false), IfExists::Error).unwrap();
    assert_ne!(other.id(), id);

    let store = MemoryStore::new();
    let array = Array::create(store.at("a/b"), &spec(false), IfExists::Error).unwrap();
    assert_eq!(Array::open(store.clone().at("/a/./b/")).unwrap().id(), array.id());
    let other = Array::create(MemoryStore::new().at("a/b"), &spec(false), IfExists::Error).unwrap();
    assert_ne!(other.id(), array.id());
}
