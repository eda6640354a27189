//! The stand-in for a MongoDB server of this crate's tests, for tests in other languages: says where
//! it listens (one line), and ends when its input does.

#![allow(clippy::unwrap_used, reason = "a helper of tests")]

use std::io::{Read as _, Write as _};

#[path = "../tests/it/mongo_fake/mod.rs"]
#[allow(dead_code, reason = "the tests of this crate need more of it")]
mod mongo_fake;

fn main() -> std::io::Result<()> {
    let server = mongo_fake::Fake::start();
    writeln!(std::io::stdout(), "{}", server.uri())?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
