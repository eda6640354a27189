//! What tells an array from one that is made anew in its place.

use std::{fs, thread};

use daisy_array::{Array, ArrayError, ArraySpec, Dtype, IfExists, MemoryStore, ZarrVersion};
use serde_json::Value;
use tempfile::tempdir;

fn spec(version: ZarrVersion) -> ArraySpec {
    ArraySpec::new([64, 64], Dtype::F64).fill_value(0.1).version(version)
}

#[test]
fn it_stays_with_the_array_wherever_that_is() {
    for version in [ZarrVersion::V2, ZarrVersion::V3] {
        let folder = tempdir().unwrap();
        let (path, moved) = (folder.path().join("a.zarr"), folder.path().join("b.zarr"));
        let identity =
            Array::create(&path, &spec(version), IfExists::Error).unwrap().identity().unwrap();
        fs::rename(&path, &moved).unwrap();
        assert_eq!(Array::open(&moved).unwrap().identity().unwrap(), identity);
        let anew = Array::create(&path, &spec(version), IfExists::Error).unwrap();
        assert_ne!(anew.identity().unwrap(), identity);
        // Whoever has the old one open learns what is there now, or that it is gone.
        let open = Array::open(&moved).unwrap();
        fs::remove_dir_all(&moved).unwrap();
        let gone = open.identity();
        assert!(matches!(gone, Err(ArrayError::NotFound { .. })), "{gone:?}");
    }
}

#[test]
fn nothing_else_changes_in_what_others_wrote() {
    for (version, file) in [(ZarrVersion::V2, ".zattrs"), (ZarrVersion::V3, "zarr.json")] {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a.zarr");
        Array::create(&path, &spec(version), IfExists::Error).unwrap();
        let file = path.join(file);
        let read = || serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()).unwrap();
        let mut before = read();
        let attributes =
            if version == ZarrVersion::V2 { &mut before } else { &mut before["attributes"] };
        attributes["theirs"] = serde_json::json!({"z": [1e-7, 0.1, -3, u64::MAX], "a": null});
        fs::write(&file, before.to_string()).unwrap();
        let identity = Array::open(&path).unwrap().identity().unwrap();
        let mut after = read();
        let attributes =
            if version == ZarrVersion::V2 { &mut after } else { &mut after["attributes"] };
        let text = attributes.as_object_mut().unwrap().remove("daisy_id").unwrap();
        assert_eq!(text, format!("{identity:032x}"));
        assert_eq!(after.to_string(), before.to_string());
    }
}

#[test]
fn all_who_ask_at_once_hear_the_same() {
    let folder = tempdir().unwrap();
    let memory = MemoryStore::new();
    for round in 0..10 {
        let path = folder.path().join(round.to_string());
        let places = [(&path).into(), memory.at(&round.to_string())];
        for place in places {
            Array::create(&place, &spec(ZarrVersion::V3), IfExists::Error).unwrap();
            let heard: Vec<u128> = thread::scope(|scope| {
                let ask = || Array::open(&place).unwrap().identity().unwrap();
                let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert!(heard.iter().all(|one| *one == heard[0]), "{heard:x?}");
        }
    }
}

#[test]
fn arrays_of_version_2_may_have_no_attributes() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.zarr");
    Array::create(&path, &spec(ZarrVersion::V2), IfExists::Error).unwrap();
    fs::remove_file(path.join(".zattrs")).unwrap();
    let array = Array::open(&path).unwrap();
    assert_eq!(array.identity().unwrap(), array.identity().unwrap());
}
