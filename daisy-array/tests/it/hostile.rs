//! Arrays that were made to do harm: files that unpack to gigabytes, files that never end, arrays among chunks.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use daisy_array::{
    Array, ArrayError, ArraySpec, BloscCodec, Compression, Dtype, IfExists, MemoryStore,
    ZarrVersion, ensure_group,
};
use daisy_geometry::Roi;

use crate::skipped::skipped;

/// What comes of something that may wait for ever.
fn in_time<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    // Ends with the test process.
    std::thread::spawn(move || sender.send(ask()));
    receiver.recv_timeout(Duration::from_secs(60)).unwrap()
}

#[test]
fn a_chunk_is_not_unpacked_beyond_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let compressions = [
        Compression::Gzip { level: 9 },
        Compression::Zstd { level: 9 },
        Compression::Blosc { codec: BloscCodec::Lz4, level: 9 },
        Compression::Blosc { codec: BloscCodec::Zstd, level: 9 },
    ];
    for (number, compression) in compressions.into_iter().enumerate() {
        for version in [ZarrVersion::V2, ZarrVersion::V3] {
            let make = |name: &str, length: i64| {
                let spec = ArraySpec::new([length], Dtype::U8).chunk_shape([length]);
                let spec = spec.compression(compression).version(version).fill_value(7u8);
                let path = folder.path().join(format!("{name}-{number}-{version:?}"));
                let array = Array::create(&path, &spec, IfExists::Error).unwrap();
                array.fill(array.roi(), 1u8).unwrap();
                let chunk = if version == ZarrVersion::V2 { "0" } else { "c/0" };
                (array, path.join(chunk))
            };
            let (_, bomb) = make("bomb", 16 << 20);
            let (array, chunk) = make("array", 1 << 10);
            assert_eq!(array.read::<u8>(array.roi()).unwrap().len(), 1 << 10);
            fs::copy(bomb, chunk).unwrap();
            let error = array.read::<u8>(array.roi()).unwrap_err();
            assert!(matches!(error, ArrayError::Read { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("1024 bytes"), "{compression:?}: {text}");
        }
    }
}

#[test]
fn a_header_of_blosc_that_says_more_than_a_chunk_holds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let compression = Compression::Blosc { codec: BloscCodec::Lz4, level: 5 };
        let spec = ArraySpec::new([64], Dtype::U16).chunk_shape([64]).compression(compression);
        let path = folder.path().join(format!("{version:?}"));
        let array = Array::create(&path, &spec.version(version), IfExists::Error).unwrap();
        array.fill(array.roi(), 1u16).unwrap();
        let chunk = path.join(if version == ZarrVersion::V2 { "0" } else { "c/0" });
        let mut bytes = fs::read(&chunk).unwrap();
        // So large are the elements, which are sorted by their bytes; then come the sizes.
        assert_eq!((bytes[3], &bytes[4..8]), (2, &128u32.to_le_bytes()[..]));
        bytes[4..8].copy_from_slice(&0x7fff_ffef_u32.to_le_bytes());
        fs::write(&chunk, bytes).unwrap();
        let error = array.read::<u16>(array.roi()).unwrap_err().to_string();
        assert!(error.contains("more than the 128 bytes"), "{error}");
        // What is covered in part is read first.
        let error = array.fill(&Roi::new([0], [1]).unwrap(), 2u16).unwrap_err().to_string();
        assert!(error.contains("more than the 128 bytes"), "{error}");
        assert_eq!(array.version(), version);
        array.fill(array.roi(), 3u16).unwrap();
        assert_eq!(Array::open(&path).unwrap().read::<u16>(array.roi()).unwrap()[0], 3);
    }
}

/// Makes a pipe, if the system can.
fn make_pipe(path: &Path) -> bool {
    Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
}

#[test]
fn a_pipe_instead_of_a_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let spec = ArraySpec::new([4], Dtype::U8).chunk_shape([2]);
    let array = Array::create(&path, &spec, IfExists::Error).unwrap();
    fs::create_dir(path.join("c")).unwrap();
    if !make_pipe(&path.join("c/0")) {
        return skipped("there is no mkfifo");
    }
    let text = in_time(move || {
        let whole = array.read::<u8>(array.roi()).unwrap_err().to_string();
        // Of a chunk that is covered in part, the rest is read.
        let part = array.fill(&Roi::new([0], [1]).unwrap(), 1u8).unwrap_err().to_string();
        // What is written as a whole takes its place.
        array.fill(&Roi::new([0], [2]).unwrap(), 1u8).unwrap();
        assert_eq!(
            array.read::<u8>(array.roi()).unwrap().into_raw_vec_and_offset().0,
            [1, 1, 0, 0]
        );
        format!("{whole} and {part}")
    });
    assert_eq!(text.matches("no regular file").count(), 2, "{text}");

    for name in ["zarr.json", ".zarray"] {
        let path = folder.path().join(name.trim_start_matches('.'));
        fs::create_dir(&path).unwrap();
        assert!(make_pipe(&path.join(name)));
        let error = in_time(move || Array::open(path).unwrap_err().to_string());
        assert!(error.contains("no regular file"), "{error}");
    }
}

#[test]
fn nothing_is_created_among_the_chunks_of_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ArraySpec::new([4], Dtype::U8).chunk_shape([2]);
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let spec = spec.clone().version(version);
        let outside = folder.path().join(format!("{version:?}"));
        let array = Array::create(outside.join("raw"), &spec, IfExists::Error).unwrap();
        for inside in ["raw/c/0", "raw/0", "raw/labels"] {
            for if_exists in [IfExists::Error, IfExists::ReplaceIfDifferent] {
                let error = Array::create(outside.join(inside), &spec, if_exists).unwrap_err();
                let ArrayError::InsideArray { array, .. } = &error else { panic!("{error}") };
                assert!(array.ends_with("raw"), "{error}");
            }
            let error = ensure_group(outside.join(inside), version).unwrap_err();
            assert!(matches!(error, ArrayError::InsideArray { .. }), "{error}");
            assert!(!outside.join(inside).exists());
        }
        array.fill(array.roi(), 1u8).unwrap();
        // A path that only looks like one inside.
        Array::create(outside.join("raw/../labels"), &spec, IfExists::Error).unwrap();
    }

    let store = MemoryStore::new();
    Array::create(store.at("a/raw"), &spec, IfExists::Error).unwrap();
    let error = Array::create(store.at("a/raw/c/0"), &spec, IfExists::Error).unwrap_err();
    assert!(matches!(error, ArrayError::InsideArray { .. }), "{error}");
    Array::create(store.at("a/raw-2"), &spec, IfExists::Error).unwrap();
}
