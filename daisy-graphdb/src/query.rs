//! What is asked of a store.

use daisy_geometry::Roi;

use crate::engine::Chosen;
use crate::{Filter, GraphError, Owner, Schema};

/// Which edges come with the nodes that a query selects. An end is inside if its node is selected,
/// by ROI and filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EdgesBy {
    /// None.
    Nothing,
    /// Those whose first endpoint is inside: each edge is found by exactly one of several ROIs
    /// that tile the volume.
    #[default]
    FirstEnd,
    /// Those of which at least one end is inside.
    EitherEnd,
    /// Those of which both ends are inside.
    BothEnds,
}

/// A question to a store: a ROI, filters, attributes, edges.
///
/// ```
/// use daisy_geometry::Roi;
/// use daisy_graphdb::{EdgesBy, Filter, Query};
///
/// let query = Query::new(Roi::from_axes([Some((-100, 100)), None])?) // unbounded on axis 1
///     .nodes(Filter::gt("size", 1_000_u64))
///     .node_attrs(["size"])
///     .edges_by(EdgesBy::BothEnds);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub(crate) roi: Roi,
    pub(crate) nodes: Filter,
    pub(crate) edges: Filter,
    pub(crate) edges_by: EdgesBy,
    pub(crate) node_attrs: Option<Vec<String>>,
    pub(crate) edge_attrs: Option<Vec<String>>,
}

impl Query {
    /// All nodes in the half-open ROI, all edges that they own, with all attributes.
    #[must_use]
    pub fn new(roi: Roi) -> Self {
        Self {
            roi,
            nodes: Filter::All,
            edges: Filter::All,
            edges_by: EdgesBy::default(),
            node_attrs: None,
            edge_attrs: None,
        }
    }

    /// Of the nodes, only those that meet a filter.
    #[must_use]
    pub fn nodes(mut self, filter: Filter) -> Self {
        self.nodes = filter;
        self
    }

    /// Of the edges, only those that meet a filter.
    #[must_use]
    pub fn edges(mut self, filter: Filter) -> Self {
        self.edges = filter;
        self
    }

    /// By which ends edges are selected.
    #[must_use]
    pub fn edges_by(mut self, ends: EdgesBy) -> Self {
        self.edges_by = ends;
        self
    }

    /// Only these attributes of nodes are read; none of them for an empty list.
    #[must_use]
    pub fn node_attrs<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.node_attrs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Only these attributes of edges are read; none of them for an empty list.
    #[must_use]
    pub fn edge_attrs<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.edge_attrs = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Whether the query makes sense for a schema.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), GraphError> {
        schema.check_dims(self.roi.dims())?;
        self.nodes.check(schema, Owner::Nodes)?;
        self.edges.check(schema, Owner::Edges)
    }
}

/// The attributes that are read.
pub(crate) fn chosen(
    schema: &Schema,
    owner: Owner,
    names: Option<&[String]>,
) -> Result<Chosen, GraphError> {
    let attributes = schema.attrs(owner);
    let Some(names) = names else {
        let all = || Chosen::Places((0..attributes.len()).collect());
        return Ok(if schema.has_any_attrs() { Chosen::All } else { all() });
    };
    if schema.has_any_attrs() {
        return Ok(Chosen::Names(names.to_vec()));
    }
    let place = |name: &String| {
        let unknown = GraphError::UnknownAttribute { name: name.clone(), owner };
        attributes.binary_search_by(|a| (*a.name).cmp(name)).map_err(|_| unknown)
    };
    let mut places = names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(Chosen::Places(places))
}
