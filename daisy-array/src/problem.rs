//! What errors say about things that were found: at a path, in attributes, in an existing array.

use std::fmt;
use std::path::PathBuf;

/// What lies at a path where an array was expected, or should be created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Occupant {
    /// A Zarr group.
    Group,
    /// A file.
    File,
    /// A folder that holds this entry, among others perhaps, and no Zarr metadata.
    Folder {
        /// The name of the entry; none if the folder is empty.
        entry: Option<PathBuf>,
    },
    /// A Zarr array, but with an entry among its chunks that is none of them.
    ArrayWith {
        /// The name of the entry.
        entry: PathBuf,
    },
}

/// A field in which an existing array differs from its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name of the field.
    pub field: &'static str,
    /// Its value in the existing array.
    pub existing: String,
    /// Its value in the description.
    pub wanted: String,
}

/// What is wrong with an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeProblem {
    /// It is not a list.
    NotAList,
    /// An entry of it is not a whole number that fits an `i64`.
    NotAnInteger {
        /// The index of the entry.
        index: usize,
        /// The entry as JSON.
        found: String,
    },
    /// An entry of it is not text.
    NotText {
        /// The index of the entry.
        index: usize,
        /// The entry as JSON.
        found: String,
    },
    /// It has too many or too few entries.
    Length {
        /// The number of entries that fits the rest of the metadata.
        expected: usize,
        /// The number of entries it has.
        found: usize,
    },
    /// An entry of it must be positive and is not.
    NotPositive {
        /// The index of the entry.
        index: usize,
        /// The entry.
        found: i64,
    },
    /// It says something else than another attribute of the same meaning.
    Contradicts {
        /// The other attribute.
        other: String,
    },
    /// It names a kind of axis that is not known.
    UnknownType {
        /// The index of the entry.
        index: usize,
        /// The entry.
        found: String,
    },
    /// It was asked for by its name and is not there.
    Missing,
    /// It cannot be written under its path: something else is there, or an earlier entry of a list
    /// is not.
    NoSuchPath,
}

impl Occupant {
    /// What to do about something that is not an array.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Group => ": open one of the arrays in it",
            _ => ": check the path",
        }
    }
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group => f.write_str("a Zarr group"),
            Self::File => f.write_str("a file"),
            Self::Folder { entry: None } => f.write_str("an empty folder"),
            Self::Folder { entry: Some(entry) } => {
                write!(f, "a folder with {:?} in it", entry.display().to_string())
            }
            Self::ArrayWith { entry } => {
                write!(f, "an array with something else in it, {:?}", entry.display().to_string())
            }
        }
    }
}

impl fmt::Display for AttributeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAList => f.write_str("it is not a list: give one entry per axis"),
            Self::NotAnInteger { index, found } => write!(
                f,
                "entry {index} is {found}: give whole numbers, in a finer unit if need be"
            ),
            Self::NotText { index, found } => write!(f, "entry {index} is {found}: give text"),
            Self::Length { expected, found } => {
                write!(f, "it has {found} entries: give {expected}")
            }
            Self::NotPositive { index, found } => {
                write!(f, "entry {index} is {found}: give at least 1")
            }
            Self::Contradicts { other } => {
                write!(f, "it says something else than {other:?}: remove one of the two")
            }
            Self::UnknownType { index, found } => {
                write!(f, "entry {index} is {found:?}: give space, time or channel")
            }
            Self::Missing => f.write_str("it is not there: check the path, or add it"),
            Self::NoSuchPath => f.write_str("there is no room for it: choose another path"),
        }
    }
}
