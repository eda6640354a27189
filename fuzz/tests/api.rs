//! The target `api` reaches every public function of the five lower crates, and calls nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const CRATES: [&str; 5] =
    ["daisy-geometry", "daisy-block", "daisy-graph", "daisy-sched", "daisy-journal"];

/// Inputs of random bytes, and how long each is.
const SEEDS: u64 = 1_500;
const BYTES: usize = 1_200;

#[test]
fn every_public_function_is_called() {
    for seed in 0..SEEDS {
        daisy_fuzz::api(&random_bytes(seed));
    }
    let calls = daisy_fuzz::api_calls();
    let public: BTreeMap<String, PathBuf> =
        CRATES.into_iter().flat_map(|name| public_functions(&crate_folder(name))).collect();
    assert!(public.len() > 200, "the scan found only {}", public.len());
    let missing: Vec<_> =
        public.iter().filter(|(name, _)| !calls.contains_key(name.as_str())).collect();
    assert!(missing.is_empty(), "the target `api` does not call {missing:#?}");
    let unknown: BTreeSet<_> = calls.keys().filter(|name| !public.contains_key(**name)).collect();
    assert!(unknown.is_empty(), "the scan does not find {unknown:?}");
}

#[test]
fn the_scan_finds_functions_methods_and_those_of_traits_and_nothing_hidden() {
    let text = "\
pub fn free<T: Into<u8>>(t: T) {}
fn private() {}
pub(crate) fn inner() {}
impl<T: Scalar> Name<T> {
    /// Text.
    pub const fn method(&self) {}
    #[doc(hidden)]
    #[inline]
    pub fn hidden(&self) {}
    pub fn after(&self) {}
    fn private(&self) {}
}
pub trait Grid {
    fn origin(&self);
}
impl Grid for (Coordinate, Coordinate) {
    fn origin(&self) {}
}
impl<'a, D: Disk> Later<'a, D> {
    pub fn new() {}
}
#[cfg(test)]
mod tests {
    pub fn helper() {}
}
";
    let found: Vec<String> = functions_in(text).collect();
    assert_eq!(found, ["free", "Name::method", "Name::after", "Grid::origin", "Later::new"]);
}

fn crate_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")
}

/// The same bytes for the same seed (G. Marsaglia, "Xorshift RNGs", 2003).
fn random_bytes(seed: u64) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(BYTES).collect()
}

/// `Type::function` or `function` of all that is public in a folder of sources, and where it is.
fn public_functions(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(public_functions(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(functions_in(&text).map(|name| (name, path.clone())));
        }
    }
    found
}

/// Those of one file as `rustfmt` writes it, up to its tests.
fn functions_in(text: &str) -> impl Iterator<Item = String> {
    let (mut owner, mut is_trait, mut is_hidden) = (String::new(), false, false);
    let mut found = Vec::new();
    for line in text.lines().take_while(|line| *line != "#[cfg(test)]") {
        let code = line.trim_start();
        if line.starts_with("impl") || line.starts_with("pub trait") {
            (owner, is_trait) = (owner_of(line), line.starts_with("pub trait"));
        }
        let is_free = line.starts_with("pub");
        let signature = code.strip_prefix("pub ").or(is_trait.then_some(code));
        let signature = signature.map(|code| code.strip_prefix("const ").unwrap_or(code));
        if let Some(name) = signature.and_then(|code| code.strip_prefix("fn ")) {
            let name = name.split(['(', '<']).next().unwrap_or(name);
            if !is_hidden {
                found.push(if is_free { name.to_owned() } else { format!("{owner}::{name}") });
            }
        }
        if !code.starts_with('#') {
            is_hidden = false;
        }
        is_hidden |= code == "#[doc(hidden)]";
        is_trait &= line != "}";
    }
    found.into_iter()
}

/// The name of the type or trait of a line that opens a block.
fn owner_of(line: &str) -> String {
    let line = line.trim_start_matches("pub trait ").trim_start_matches("impl");
    let line = line.rsplit(" for ").next().unwrap_or(line);
    // Behind generic parameters, which may be nested.
    let mut depth = 0;
    let start = line.find(|letter| {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        depth == 0 && letter.is_ascii_alphabetic()
    });
    let name = &line[start.unwrap_or(0)..];
    name.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or(name).to_owned()
}
