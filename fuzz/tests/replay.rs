//! Replays the committed corpora: inputs that once reached something new, or failed.

use std::{fs, path::Path};

fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut inputs: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    for input in &inputs {
        println!("{}", input.display());
        property(&fs::read(input).unwrap());
    }
}

#[test]
fn roi() {
    replay("roi", daisy_fuzz::roi);
}

#[test]
fn graph() {
    replay("graph", daisy_fuzz::graph);
}

#[test]
fn scheduler() {
    replay("scheduler", daisy_fuzz::scheduler);
}

#[test]
fn operations() {
    replay("operations", daisy_fuzz::operations);
}

#[test]
fn coordinator() {
    replay("coordinator", daisy_fuzz::coordinator);
}

#[test]
fn journal() {
    replay("journal", daisy_fuzz::journal);
}

#[test]
fn frame() {
    replay("frame", daisy_fuzz::frame);
}

#[test]
fn session() {
    replay("session", daisy_fuzz::session);
}

#[test]
fn api() {
    replay("api", daisy_fuzz::api);
}
