//! Everything that can be wrong with a store or a request, as data.

use std::fmt;

use daisy_geometry::GeometryError;

use crate::{AttrType, Difference, NodeId, Owner, Position};

/// The error of a database or of the operating system that lies below another error.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation on a [`GraphStore`](crate::GraphStore) was refused or failed. Whatever it is,
/// nothing of a refused write is in the store (see
/// [`is_atomic`](crate::GraphStore::is_atomic) for the exception).
#[derive(Debug)]
#[non_exhaustive]
pub enum GraphError {
    /// There is no graph where one should be opened.
    NotFound {
        /// Where it was looked for.
        place: String,
    },
    /// There is something else than a graph of a form that is known.
    NotAGraph {
        /// Where it is.
        place: String,
        /// What does not fit.
        problem: String,
    },
    /// The graph that is there has another schema than the one given.
    SchemaDiffers {
        /// Where it is.
        place: String,
        /// All that differs.
        differences: Vec<Difference>,
    },
    /// The store was opened for reading.
    ReadOnly,
    /// What the layout of a file or collection of other origin has no room for.
    NotInThisLayout {
        /// What was asked for.
        what: &'static str,
    },
    /// A position, ROI or cell size has the wrong number of axes.
    PositionDims {
        /// The number of axes expected; the largest one where several are possible.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// A coordinate of a position is infinite or not a number.
    PositionNotFinite {
        /// The axis.
        axis: usize,
    },
    /// The cell size of a schema is not positive.
    CellSize {
        /// The axis.
        axis: usize,
        /// The size given.
        found: i64,
    },
    /// An attribute cannot have this name, or has it twice.
    AttributeName {
        /// The name.
        name: String,
        /// Whose attribute it is.
        owner: Owner,
    },
    /// A collection of attributes has the name of another collection of the graph, or one that no
    /// collection can have.
    CollectionName {
        /// The name in the database.
        collection: String,
    },
    /// An attribute cannot be in a collection of attributes: it is in another one already, is no
    /// attribute but the id, a position or an end, or has a name that no field can have.
    AttributePlace {
        /// The attribute.
        name: String,
        /// Whose attribute it is.
        owner: Owner,
        /// The name that was given for the collection.
        collection: String,
        /// That of the other collection.
        other: Option<String>,
    },
    /// Attributes of this type can be stored where none is declared, and nowhere else.
    NotDeclarable {
        /// The attribute.
        name: String,
        /// Its type.
        found: AttrType,
    },
    /// A node lies outside of the total ROI.
    OutsideTotal {
        /// The node.
        id: NodeId,
        /// Where it lies.
        position: Position,
    },
    /// The schema has no attribute of this name.
    UnknownAttribute {
        /// The name.
        name: String,
        /// Whose attribute it should be.
        owner: Owner,
    },
    /// A value has another type than its attribute.
    AttributeType {
        /// The attribute.
        name: String,
        /// Its type in the schema.
        expected: AttrType,
        /// The type of the value.
        found: AttrType,
    },
    /// A value that not every database could give back as it was.
    Unstorable {
        /// The attribute.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A filter asks for the order of values that have none.
    NotOrdered {
        /// The attribute.
        name: String,
        /// Its type.
        found: AttrType,
    },
    /// A filter is too large or too deep.
    FilterTooLarge {
        /// The limit that is passed.
        limit: usize,
        /// What is limited.
        what: &'static str,
    },
    /// A directed graph was given to an undirected store, or the reverse.
    Directedness {
        /// Whether the store is directed.
        expected: bool,
    },
    /// The first endpoint of an edge is neither stored nor given; so nobody owns the edge.
    UnknownEndpoint {
        /// The first endpoint.
        u: NodeId,
        /// The second endpoint.
        v: NodeId,
    },
    /// A node should be new and is not.
    NodeExists {
        /// The node.
        id: NodeId,
    },
    /// An edge should be new and is not.
    EdgeExists {
        /// The first endpoint as given.
        u: NodeId,
        /// The second endpoint as given.
        v: NodeId,
    },
    /// A node should exist and does not.
    NodeMissing {
        /// The node.
        id: NodeId,
    },
    /// An edge should exist and does not.
    EdgeMissing {
        /// The first endpoint as given.
        u: NodeId,
        /// The second endpoint as given.
        v: NodeId,
    },
    /// Replacing needs a ROI.
    NothingToReplace,
    /// Bounds overflow.
    Geometry(GeometryError),
    /// A stored row cannot be what the schema says.
    Corrupt {
        /// What was read.
        what: String,
    },
    /// The database refused or failed.
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database says.
        source: Source,
    },
    /// The one who reads a stream wants no more of it.
    Stopped,
}

impl GraphError {
    /// An error of the database below.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
    pub(crate) fn database(doing: &'static str, source: impl Into<Source>) -> Self {
        Self::Database { doing, source: source.into() }
    }
}

impl std::error::Error for GraphError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Geometry(source) => Some(source),
            Self::Database { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl From<GeometryError> for GraphError {
    fn from(error: GeometryError) -> Self {
        Self::Geometry(error)
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { place } => write!(f, "there is no graph in {place}: create it first"),
            Self::NotAGraph { place, problem } => {
                write!(f, "{place} is no graph that can be read here: {problem}; check the place")
            }
            Self::SchemaDiffers { place, differences } => {
                write!(f, "the graph in {place} has another schema:")?;
                for difference in differences {
                    write!(f, " {difference};")?;
                }
                f.write_str(" use its schema, or another place")
            }
            Self::ReadOnly => f.write_str("the store was opened for reading: open it for writing"),
            Self::NotInThisLayout { what } => write!(
                f,
                "this graph was made by another program and has no room for {what}: copy it into \
                 a new store"
            ),
            Self::CellSize { axis, found } => {
                write!(f, "the cell size is {found} on axis {axis}: give at least 1")
            }
            Self::Geometry(error) => write!(f, "{error}"),
            Self::Corrupt { what } => {
                write!(f, "the database holds {what}: something else has written into it")
            }
            Self::Database { doing, source } => {
                write!(f, "cannot {doing}: {source}")?;
                // Drivers put what the server says one level deeper.
                let causes = std::iter::successors(source.source(), |cause| cause.source());
                causes.into_iter().try_for_each(|cause| write!(f, ": {cause}"))
            }
            Self::Stopped => f.write_str("the reader of the stream wants no more of it"),
            Self::CollectionName { collection } => write!(
                f,
                "attributes cannot be in the collection {collection:?}: it is another part of the \
                 graph, or no collection can be called so; give it another name"
            ),
            Self::AttributePlace { name, owner, collection, other: Some(other) } => write!(
                f,
                "the attribute {name:?} of {owner} is in the collections {other:?} and \
                 {collection:?}: name it once"
            ),
            Self::AttributePlace { name, owner, collection, other: None } => write!(
                f,
                "{name:?} of {owner} cannot be in the collection {collection:?}: ids, positions and \
                 ends of edges are in the documents of nodes and edges, and names of fields have no \
                 dots, dollars or NUL; leave it out"
            ),
            _ => self.fmt_request(f),
        }
    }
}

impl GraphError {
    /// The texts of what is wrong with a request rather than with a store.
    fn fmt_request(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PositionDims { expected, found } => {
                write!(f, "{found} axes were given: give {expected}")
            }
            Self::PositionNotFinite { axis } => {
                write!(f, "axis {axis} of a position is not finite: give a finite number")
            }
            Self::AttributeName { name, owner } => write!(
                f,
                "{owner} cannot have an attribute {name:?}: names are given once, have 1 to 100 \
                 bytes and no NUL"
            ),
            Self::NotDeclarable { name, found } => write!(
                f,
                "attribute {name:?} cannot be declared as {found}: use text, bytes or numbers"
            ),
            Self::OutsideTotal { id, position } => write!(
                f,
                "node {id} at {position:?} lies outside of the total ROI: leave it out, or create \
                 the store with a larger one"
            ),
            Self::UnknownAttribute { name, owner } => {
                write!(f, "the schema has no attribute {name:?} for {owner}: see Schema")
            }
            Self::AttributeType { name, expected, found } => {
                write!(f, "attribute {name:?} is {expected}, not {found}: convert the value")
            }
            Self::Unstorable { name, what } => {
                write!(f, "attribute {name:?} is {what}: leave it out instead")
            }
            Self::NotOrdered { name, found } => {
                write!(f, "attribute {name:?} is {found}, which has no order: ask for equality")
            }
            Self::FilterTooLarge { limit, what } => {
                write!(f, "a filter may have {limit} {what}: split the query")
            }
            Self::Directedness { expected } => {
                let kind = if *expected { "directed" } else { "undirected" };
                write!(f, "the store is {kind}: write a graph that is {kind}")
            }
            Self::UnknownEndpoint { u, v } => write!(
                f,
                "node {u}, the first endpoint of the edge to {v}, is neither stored nor given: \
                 write it together with the edge or before"
            ),
            _ => self.fmt_existence(f),
        }
    }

    /// The texts of what is there and should not be, or the reverse.
    fn fmt_existence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeExists { id } => {
                write!(f, "node {id} exists: leave it out, or write with Upsert")
            }
            Self::EdgeExists { u, v } => {
                write!(f, "edge ({u}, {v}) exists: leave it out, or write with Upsert")
            }
            Self::NodeMissing { id } => {
                write!(f, "node {id} does not exist: leave it out, or write with Upsert")
            }
            Self::EdgeMissing { u, v } => {
                write!(f, "edge ({u}, {v}) does not exist: leave it out, or write with Upsert")
            }
            Self::NothingToReplace => f.write_str("replacing needs a ROI: use Write::replace"),
            _ => Ok(()),
        }
    }
}
