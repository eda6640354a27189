//! What no compiler checks: sizes of files, walls between crates, one version of each dependency.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Error;

/// Lines of a source file without its tests.
const MAX_LINES: usize = 500;

/// Crates from the lowest to the highest, and what each may depend on.
const ARROWS: [(&str, &[&str]); 12] = [
    ("daisy-geometry", &[]),
    ("daisy-block", &["daisy-geometry"]),
    ("daisy-graph", &["daisy-block", "daisy-geometry"]),
    ("daisy-sched", &["daisy-graph", "daisy-block", "daisy-geometry"]),
    ("daisy-journal", &["daisy-sched", "daisy-graph", "daisy-block", "daisy-geometry"]),
    ("daisy-net", &["daisy-sched", "daisy-block", "daisy-geometry"]),
    ("daisy-run", &["daisy-net", "daisy-journal", "daisy-sched", "daisy-block"]),
    ("daisy-array", &["daisy-block", "daisy-geometry"]),
    ("daisy-graphdb", &["daisy-block", "daisy-geometry"]),
    (
        "daisy",
        &[
            "daisy-run",
            "daisy-net",
            "daisy-journal",
            "daisy-sched",
            "daisy-graph",
            "daisy-block",
            "daisy-geometry",
            "daisy-array",
            "daisy-graphdb",
        ],
    ),
    (
        "daisy-py",
        &[
            "daisy",
            "daisy-array",
            "daisy-graphdb",
            "daisy-sched",
            "daisy-graph",
            "daisy-block",
            "daisy-geometry",
        ],
    ),
    (
        "daisy-sim",
        &[
            "daisy-run",
            "daisy-net",
            "daisy-journal",
            "daisy-sched",
            "daisy-graph",
            "daisy-block",
            "daisy-geometry",
        ],
    ),
];

/// Crates without the standard library.
const PURE: [&str; 4] = ["daisy-geometry", "daisy-block", "daisy-graph", "daisy-sched"];

/// Sources that decide and do nothing else, and what of the standard library gets in there by no way.
const SANS_IO: [&str; 3] = ["daisy-journal/src/", "daisy-run/src/", "daisy-net/src/"];
const WITH_IO: &str = "daisy-net/src/driver/";
const IO: [&str; 7] = ["env", "fs", "net", "process", "sync", "thread", "time"];

/// Checks the tree; all complaints at once.
pub(crate) fn run(root: &Path) -> Result<(), Error> {
    let mut complaints = Vec::new();
    for path in sources(root)? {
        let text = fs::read_to_string(&path)?;
        complaints.extend(source(&path.strip_prefix(root)?.to_string_lossy(), &text));
    }
    for (name, allowed) in ARROWS {
        let manifest = root.join(name).join("Cargo.toml");
        complaints.extend(wall(name, allowed, &fs::read_to_string(manifest)?));
    }
    for name in PURE {
        let lib = fs::read_to_string(root.join(name).join("src/lib.rs"))?;
        if !lib.contains("#![no_std]") {
            complaints.push(format!("{name} is not #![no_std]"));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

/// What is wrong with one source file.
fn source(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let is_test = name.contains("/tests/");
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    if lines > MAX_LINES && !is_test {
        complaints.push(format!("{name} has {lines} lines without tests; split it at {MAX_LINES}"));
    }
    if !text.starts_with("//!") && !text.starts_with("#!") {
        complaints.push(format!("{name} does not open with its story (//! ...)"));
    }
    let is_pure = SANS_IO.iter().any(|folder| name.starts_with(folder));
    if is_pure && !name.starts_with(WITH_IO) {
        complaints.extend(io_in(text).map(|module| format!("{name} uses std::{module}")));
    }
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        // Written so that this file does not find itself.
        for unfinished in
            ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "todo".to_owned() + "!("]
        {
            if line.contains(&unfinished) {
                complaints.push(format!("{place}: {unfinished}; finish it or file an issue"));
            }
        }
        if line.ends_with(' ') || line.contains('\t') {
            complaints.push(format!("{place}: a tab, or a blank at the end"));
        }
    }
    complaints
}

/// The modules of the standard library by which the world gets in.
fn io_in(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.scan(false, |is_open, line| {
        let path =
            if *is_open { Some(line) } else { line.split_once("std::").map(|(_, path)| path) };
        *is_open = path.is_some_and(|path| !path.contains([';', '(', ')']));
        Some(path.unwrap_or_default())
    });
    let words = paths.flat_map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.filter(|word| IO.contains(word))
}

/// What is wrong with the dependencies of one crate.
fn wall(name: &str, allowed: &[&str], manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !manifest.contains("[lints]\nworkspace = true") {
        complaints.push(format!("{name} does not take the workspace's lints"));
    }
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let Some((key, value)) = line.split_once(" = ") else { continue };
        if !section.contains("dependencies") {
            continue;
        }
        let dependency = key.trim_end_matches(".workspace");
        if dependency == key && !value.contains("workspace = true") {
            complaints
                .push(format!("{name}: {dependency} names its own version; use the workspace's"));
        }
        let is_ours = dependency == "daisy" || dependency.starts_with("daisy-");
        if section == "[dependencies]" && is_ours && !allowed.contains(&dependency) {
            complaints.push(format!("{name} must not depend on {dependency}: arrows point down"));
        }
    }
    complaints
}

/// All Rust files that belong to the project.
fn sources(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        if let Err(error) = run(&crate::root()) {
            panic!("{error}");
        }
    }

    #[test]
    fn arrows_that_point_up_and_versions_of_ones_own_are_found() {
        let manifest = "[dependencies]\ndaisy-sched = { workspace = true }\nserde = \"1\"\n";
        let complaints = wall("daisy-graph", &["daisy-block"], manifest);
        assert_eq!(complaints.len(), 3, "{complaints:?}");
    }

    #[test]
    fn clocks_and_files_are_found_where_everything_is_decided() {
        let text = "//! std::fs\nuse std::{\n    collections::BTreeMap,\n    time::Instant,\n};\nlet time = 1;\n";
        assert_eq!(io_in(text).collect::<Vec<_>>(), ["time"]);
        assert_eq!(source("daisy-run/src/a.rs", text).len(), 1);
        assert_eq!(source("daisy-net/src/driver/a.rs", text).len(), 0);
    }

    #[test]
    fn long_files_and_loose_ends_are_found() {
        let text = "//! Story.\n".to_owned() + &"x \n".repeat(MAX_LINES);
        assert_eq!(source("a/src/b.rs", &text).len(), MAX_LINES + 1);
        assert_eq!(source("a/tests/b.rs", "//! Story.\n//! TO").len(), 0);
    }
}
