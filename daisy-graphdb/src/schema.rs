//! What a store holds: axes, attributes and their types, the total ROI, the grid of its index.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use daisy_block::Layout;
use daisy_geometry::{Coordinate, Roi};

#[cfg(feature = "sqlite")]
use crate::cell::Stretch;
use crate::position::MAX_DIMS;
use crate::{AttrType, CellGrid, GraphError, SubGraph, Value};

/// The longest name of an attribute, in bytes.
const MAX_NAME_BYTES: usize = 100;

/// Whose attribute something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Nodes.
    Nodes,
    /// Edges.
    Edges,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nodes => "nodes",
            Self::Edges => "edges",
        })
    }
}

/// An attribute of all nodes, or of all edges. Any node may lack it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// The name: any text of 1 to 100 bytes without NUL.
    pub name: Arc<str>,
    /// The type of its values.
    pub attr_type: AttrType,
}

impl Attribute {
    pub(crate) fn new(name: &str, attr_type: AttrType) -> Self {
        Self { name: name.into(), attr_type }
    }

    /// The attribute of a name.
    pub(crate) fn find<'a>(
        attributes: &'a [Self],
        name: &str,
        owner: Owner,
    ) -> Result<&'a Self, GraphError> {
        let place = attributes.binary_search_by(|attribute| (*attribute.name).cmp(name)).ok();
        let found = place.and_then(|place| attributes.get(place));
        found.ok_or_else(|| GraphError::UnknownAttribute { name: name.into(), owner })
    }

    /// Whether a value can be one of this attribute.
    pub(crate) fn check(&self, value: &Value) -> Result<(), GraphError> {
        let found = value.attr_type();
        if found != self.attr_type {
            let expected = self.attr_type;
            return Err(GraphError::AttributeType { name: (*self.name).into(), expected, found });
        }
        match value.unstorable() {
            Some(what) => Err(GraphError::Unstorable { name: (*self.name).into(), what }),
            None => Ok(()),
        }
    }
}

/// What a store holds. Two schemas are equal if all of it is.
///
/// ```
/// use daisy_geometry::{Coordinate, Roi};
/// use daisy_graphdb::{AttrType, Schema};
///
/// let schema = Schema::new(Coordinate::new([1_000, 1_000, 1_000]))?
///     .undirected()
///     .total_roi(Roi::new([0, 0, 0], [50_000, 80_000, 80_000])?)?
///     .node_attr("size", AttrType::U64)?
///     .edge_attr("affinity", AttrType::F64)?;
/// assert_eq!(schema.dims(), 3);
/// # Ok::<(), daisy_graphdb::GraphError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    is_directed: bool,
    total_roi: Roi,
    cell_origin: Coordinate,
    cell_size: Coordinate,
    node_attrs: Vec<Attribute>,
    edge_attrs: Vec<Attribute>,
    has_any_attrs: bool,
}

impl Schema {
    /// A directed graph without attributes and with an unbounded total ROI, of as many axes as the
    /// cell size has. Take the shape of the blocks that are written for the cell size: a block is
    /// one cell of the index then.
    ///
    /// # Errors
    ///
    /// [`GraphError::PositionDims`] for no axes or more than six, [`GraphError::CellSize`] for a
    /// size below 1.
    pub fn new(cell_size: Coordinate) -> Result<Self, GraphError> {
        let dims = cell_size.dims();
        if dims == 0 || dims > MAX_DIMS {
            return Err(GraphError::PositionDims { expected: MAX_DIMS, found: dims });
        }
        if let Some((axis, found)) = cell_size.iter().enumerate().find(|(_, size)| *size < 1) {
            return Err(GraphError::CellSize { axis, found });
        }
        Ok(Self {
            is_directed: true,
            total_roi: Roi::unbounded(dims),
            cell_origin: Coordinate::zeros(dims),
            cell_size,
            node_attrs: Vec::new(),
            edge_attrs: Vec::new(),
            has_any_attrs: false,
        })
    }

    /// A directed graph for the blocks of a task: its total ROI, and each block a cell.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn for_layout(layout: &Layout) -> Result<Self, GraphError> {
        let origin = layout.total_write_roi().begin();
        let schema = Self::new(layout.write_shape())?.total_roi(layout.total_roi().clone())?;
        match origin {
            Some(origin) => schema.cell_origin(origin),
            None => Ok(schema),
        }
    }

    /// The same, directed: `(u, v)` and `(v, u)` are two edges.
    #[must_use]
    pub fn directed(mut self) -> Self {
        self.is_directed = true;
        self
    }

    /// The same, undirected: `(u, v)` and `(v, u)` are the same edge.
    #[must_use]
    pub fn undirected(mut self) -> Self {
        self.is_directed = false;
        self
    }

    /// The same with a total ROI; nodes outside of it are refused. Axes may be unbounded.
    ///
    /// # Errors
    ///
    /// [`GraphError::PositionDims`] if it has another number of axes.
    pub fn total_roi(mut self, roi: Roi) -> Result<Self, GraphError> {
        self.check_dims(roi.dims())?;
        self.total_roi = roi;
        Ok(self)
    }

    /// The same with a cell of the index that begins here (at 0 otherwise).
    ///
    /// # Errors
    ///
    /// [`GraphError::PositionDims`] if it has another number of axes.
    pub fn cell_origin(mut self, origin: Coordinate) -> Result<Self, GraphError> {
        self.check_dims(origin.dims())?;
        self.cell_origin = origin;
        Ok(self)
    }

    /// The same with one more attribute of nodes.
    ///
    /// # Errors
    ///
    /// [`GraphError::AttributeName`] for a name that is empty, given twice, longer than 100 bytes
    /// or holds NUL, [`GraphError::NotDeclarable`] for [`AttrType::Nested`].
    pub fn node_attr(mut self, name: &str, attr_type: AttrType) -> Result<Self, GraphError> {
        insert(&mut self.node_attrs, name, attr_type, Owner::Nodes)?;
        Ok(self)
    }

    /// The same with one more attribute of edges.
    ///
    /// # Errors
    ///
    /// As for [`node_attr`](Self::node_attr).
    pub fn edge_attr(mut self, name: &str, attr_type: AttrType) -> Result<Self, GraphError> {
        insert(&mut self.edge_attrs, name, attr_type, Owner::Edges)?;
        Ok(self)
    }

    /// The same for a graph whose attributes are taken as they come: of any name, and of another
    /// type in each node if need be. Those that were declared are so no more. Only the collections
    /// of daisy 0.2 can be such a graph.
    #[must_use]
    pub fn any_attrs(mut self) -> Self {
        self.has_any_attrs = true;
        self.node_attrs.clear();
        self.edge_attrs.clear();
        self
    }

    /// Whether attributes are taken as they come; none is declared then.
    #[must_use]
    pub fn has_any_attrs(&self) -> bool {
        self.has_any_attrs
    }

    /// Whether `(u, v)` and `(v, u)` are two edges.
    #[must_use]
    pub fn is_directed(&self) -> bool {
        self.is_directed
    }

    /// The number of axes of positions.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.cell_size.dims()
    }

    /// Where nodes may lie.
    #[must_use]
    pub fn roi(&self) -> &Roi {
        &self.total_roi
    }

    /// The grid of the index.
    #[must_use]
    pub fn grid(&self) -> CellGrid {
        CellGrid::new(self.cell_origin.clone(), self.cell_size.clone())
    }

    /// The attributes of nodes, by name.
    #[must_use]
    pub fn node_attrs(&self) -> &[Attribute] {
        &self.node_attrs
    }

    /// The attributes of edges, by name.
    #[must_use]
    pub fn edge_attrs(&self) -> &[Attribute] {
        &self.edge_attrs
    }

    /// The attributes of nodes or of edges, by name.
    #[must_use]
    pub fn attrs(&self, owner: Owner) -> &[Attribute] {
        match owner {
            Owner::Nodes => &self.node_attrs,
            Owner::Edges => &self.edge_attrs,
        }
    }

    /// An empty graph to be written into a store of this schema.
    #[must_use]
    pub fn sub_graph(&self) -> SubGraph {
        SubGraph::new(self.is_directed)
    }

    /// All that differs in an existing schema from this one, which is wanted.
    #[must_use]
    pub fn differences(&self, existing: &Self) -> Vec<Difference> {
        let (there, here) = (existing.fields(), self.fields());
        let mut differences = Vec::new();
        for field in FIELDS.into_iter().chain([Field::NodeAttrs, Field::EdgeAttrs]) {
            let (existing, wanted) = (there.text(field), here.text(field));
            if existing != wanted {
                differences.push(Difference { field, existing, wanted });
            }
        }
        differences
    }

    /// Whether all attributes are declared, as back ends of our own need it.
    pub(crate) fn check_declared(&self) -> Result<(), GraphError> {
        let what = "attributes that are not declared";
        if self.has_any_attrs { Err(GraphError::NotInThisLayout { what }) } else { Ok(()) }
    }

    /// Whether something has as many axes as positions have.
    pub(crate) fn check_dims(&self, found: usize) -> Result<(), GraphError> {
        let expected = self.dims();
        if found == expected { Ok(()) } else { Err(GraphError::PositionDims { expected, found }) }
    }

    /// The part of a ROI where there are nodes; everywhere if its axes are not ours, which
    /// [`check_dims`](Self::check_dims) has refused before.
    fn within(&self, roi: &Roi) -> Roi {
        roi.intersect(&self.total_roi).unwrap_or_else(|_| self.total_roi.clone())
    }

    /// The ranges of cells in which nodes of a ROI can be: all nodes lie in the total ROI, so a ROI
    /// that is unbounded along an axis has the cells of that.
    pub(crate) fn ranges(&self, roi: &Roi, most: usize) -> Vec<RangeInclusive<i64>> {
        self.grid().ranges(&self.within(roi), most)
    }

    /// As [`ranges`](Self::ranges), with what need not be compared in each.
    #[cfg(feature = "sqlite")]
    pub(crate) fn stretches(&self, roi: &Roi, most: usize) -> Vec<Stretch> {
        self.grid().stretches(&self.within(roi), most)
    }

    /// The cells in which nodes of a ROI can be, if they are few.
    #[cfg(any(feature = "postgres", feature = "mongodb"))]
    pub(crate) fn few_cells(&self, roi: &Roi, most: usize) -> Option<Vec<i64>> {
        self.grid().cells(&self.within(roi), most)
    }

    /// The sizes of the cells and where one of them begins.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
    pub(crate) fn cells(&self) -> (&Coordinate, &Coordinate) {
        (&self.cell_size, &self.cell_origin)
    }

    fn fields(&self) -> Fields<'_> {
        Fields(self)
    }
}

/// A part of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Whether the graph is directed.
    Directed,
    /// The number of axes.
    Dims,
    /// The total ROI.
    TotalRoi,
    /// The cell size of the index.
    CellSize,
    /// Where a cell of the index begins.
    CellOrigin,
    /// The attributes of nodes.
    NodeAttrs,
    /// The attributes of edges.
    EdgeAttrs,
}

const FIELDS: [Field; 5] =
    [Field::Directed, Field::Dims, Field::TotalRoi, Field::CellSize, Field::CellOrigin];

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directed => "directed",
            Self::Dims => "number of axes",
            Self::TotalRoi => "total ROI",
            Self::CellSize => "cell size",
            Self::CellOrigin => "cell origin",
            Self::NodeAttrs => "node attributes",
            Self::EdgeAttrs => "edge attributes",
        })
    }
}

/// A field in which an existing schema differs from the one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: Field,
    /// What it is in the existing schema.
    pub existing: String,
    /// What it is in the schema that is wanted.
    pub wanted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, wanted {}", self.field, self.existing, self.wanted)
    }
}

struct Fields<'a>(&'a Schema);

impl Fields<'_> {
    fn text(&self, field: Field) -> String {
        let Self(schema) = self;
        let list = |attributes: &[Attribute]| {
            let each = attributes.iter().map(|a| format!("{:?}: {}", a.name, a.attr_type));
            format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
        };
        match field {
            Field::Directed => schema.is_directed.to_string(),
            Field::Dims => schema.dims().to_string(),
            Field::TotalRoi => schema.total_roi.to_string(),
            Field::CellSize => schema.cell_size.to_string(),
            Field::CellOrigin => schema.cell_origin.to_string(),
            Field::NodeAttrs => list(&schema.node_attrs),
            Field::EdgeAttrs => list(&schema.edge_attrs),
        }
    }
}

/// Inserts an attribute where it belongs.
fn insert(
    attributes: &mut Vec<Attribute>,
    name: &str,
    attr_type: AttrType,
    owner: Owner,
) -> Result<(), GraphError> {
    if attr_type == AttrType::Nested {
        return Err(GraphError::NotDeclarable { name: name.into(), found: attr_type });
    }
    let is_possible = !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains('\0');
    match attributes.binary_search_by(|attribute| (*attribute.name).cmp(name)) {
        Err(place) if is_possible => {
            attributes.insert(place, Attribute::new(name, attr_type));
            Ok(())
        }
        _ => Err(GraphError::AttributeName { name: name.into(), owner }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::new(Coordinate::new([10, 10])).unwrap()
    }

    #[test]
    fn every_difference_is_named() {
        let other = Schema::new(Coordinate::new([10, 20]))
            .unwrap()
            .undirected()
            .node_attr("it's", AttrType::Text)
            .unwrap();
        let texts: Vec<_> = schema().differences(&other).iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "directed is false, wanted true",
                "cell size is (10, 20), wanted (10, 10)",
                "node attributes is {\"it's\": text}, wanted {}",
            ]
        );
        assert_eq!(schema().differences(&schema()), []);
    }

    #[test]
    fn the_order_in_which_attributes_are_given_does_not_matter() {
        let ab = schema().node_attr("a", AttrType::I64).unwrap().node_attr("b", AttrType::F64);
        let ba = schema().node_attr("b", AttrType::F64).unwrap().node_attr("a", AttrType::I64);
        assert_eq!(ab.unwrap(), ba.unwrap());
    }

    #[test]
    fn a_roi_unbounded_on_the_first_axis_has_the_cells_of_the_total_roi() {
        let total = Roi::new([0, 0], [500, 500]).unwrap();
        let schema = schema().total_roi(total).unwrap();
        let slab = Roi::from_axes([None, Some((20, 30))]).unwrap();
        let ranges = schema.ranges(&slab, 100);
        assert_eq!(ranges.len(), 50);
        assert!(ranges.iter().all(|range| range.end() - range.start() == 2));
        assert!(schema.ranges(&(slab + 1_000), 100).is_empty());
    }

    #[test]
    fn impossible_schemas_are_refused() {
        assert!(matches!(
            Schema::new(Coordinate::new([1, 0])),
            Err(GraphError::CellSize { axis: 1, found: 0 })
        ));
        assert!(matches!(
            Schema::new(Coordinate::splat(7, 1)),
            Err(GraphError::PositionDims { expected: 6, found: 7 })
        ));
        assert!(schema().total_roi(Roi::unbounded(3)).is_err());
        let twice = schema().node_attr("a", AttrType::I64).unwrap();
        for name in ["a", "", "a\0", &"x".repeat(101)] {
            assert!(twice.clone().node_attr(name, AttrType::I64).is_err(), "{name:?}");
        }
        assert!(twice.clone().edge_attr("a", AttrType::I64).is_ok());
        let nested = twice.edge_attr("b", AttrType::Nested);
        assert!(matches!(nested, Err(GraphError::NotDeclarable { .. })));
    }
}
