//! The collections of daisy 0.2: what they are called, what their metadata say, how they are made.

use std::collections::{BTreeMap, BTreeSet};

use daisy_geometry::Roi;
use mongodb::bson::{Bson, Document, doc};

use super::change::{DUPLICATE, change, run, write_error};
use super::fields::{is_odd, whole};
use super::layout::Layout;
use super::server::Server;
use super::session::BLOCKS;
use super::{MongoStore, failed};
use crate::{GraphError, MAX_DIMS, Owner, Schema};

/// The names that a `MongoDbGraphProvider` of daisy 0.2 was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daisy02 {
    /// The collection of nodes.
    pub nodes: String,
    /// The collection of edges.
    pub edges: String,
    /// The collection of metadata.
    pub meta: String,
    /// One attribute that is an array, or one for each axis.
    pub position: Vec<String>,
    /// The attributes of edges that are their ends.
    pub endpoints: [String; 2],
    /// The attributes of nodes that are in collections of their own, by the names of these: those of
    /// `"sizes"` are in the collection `"nodes_sizes"`, whatever [`nodes`](Self::nodes) is. Reads
    /// that need none of its attributes do not look at a collection. All other attributes are in
    /// the documents of nodes.
    pub node_attr_collections: BTreeMap<String, Vec<String>>,
    /// The same of edges: the attributes of `"sizes"` are in `"edges_sizes"`.
    pub edge_attr_collections: BTreeMap<String, Vec<String>>,
}

impl Default for Daisy02 {
    /// The defaults of daisy 0.2.
    fn default() -> Self {
        Self {
            nodes: "nodes".into(),
            edges: "edges".into(),
            meta: "meta".into(),
            position: vec!["position".into()],
            endpoints: ["u".into(), "v".into()],
            node_attr_collections: BTreeMap::new(),
            edge_attr_collections: BTreeMap::new(),
        }
    }
}

impl Daisy02 {
    /// The attributes of nodes or edges that are in collections of their own.
    pub(super) fn aside(&self, owner: Owner) -> &BTreeMap<String, Vec<String>> {
        match owner {
            Owner::Nodes => &self.node_attr_collections,
            Owner::Edges => &self.edge_attr_collections,
        }
    }

    /// The collections of attributes in the database.
    fn attr_collections(&self, owner: Owner) -> Vec<String> {
        self.aside(owner).keys().map(|name| attr_collection(owner, name)).collect()
    }

    /// Whether every collection is one thing only, and every attribute in one place only.
    fn check(&self) -> Result<(), GraphError> {
        let main = [&*self.nodes, &self.edges, &self.meta, BLOCKS];
        for owner in [Owner::Nodes, Owner::Edges] {
            for collection in self.attr_collections(owner) {
                if main.contains(&&*collection) || collection.contains(['$', '\0']) {
                    return Err(GraphError::CollectionName { collection });
                }
            }
            let mut places: BTreeMap<&str, &str> = BTreeMap::new();
            for (collection, attrs) in self.aside(owner) {
                for name in attrs.iter().collect::<BTreeSet<_>>() {
                    let other = places.insert(name, collection).map(str::to_owned);
                    if other.is_some() || is_odd(name) || self.is_key(owner, name) {
                        let (name, collection) = (name.clone(), collection.clone());
                        return Err(GraphError::AttributePlace { name, owner, collection, other });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether something that is no attribute has this name.
    fn is_key(&self, owner: Owner, name: &String) -> bool {
        let is_key = match owner {
            Owner::Nodes => name == "id" || self.position.contains(name),
            Owner::Edges => self.endpoints.contains(name),
        };
        is_key || name == "_id"
    }
}

/// What the metadata of daisy 0.2 say. Neither the attributes nor the number of axes are in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daisy02Meta {
    /// Whether the graph is directed.
    pub is_directed: bool,
    /// Where nodes may lie; everywhere, if there is none.
    pub total_roi: Option<Roi>,
}

/// A database that holds, or will hold, the collections of daisy 0.2; one connection for all that is
/// done with them.
///
/// ```no_run
/// use daisy_geometry::Coordinate;
/// use daisy_graphdb::{Daisy02, Daisy02Database, Daisy02Meta, Schema};
///
/// let database = Daisy02Database::connect("mongodb://localhost", "synapses", Daisy02::default())?;
/// let meta = database.create(&Daisy02Meta { is_directed: false, total_roi: None })?;
/// let schema = Schema::new(Coordinate::ones(3))?.any_attrs();
/// let store = database.store(if meta.is_directed { schema } else { schema.undirected() }, true)?;
/// # Ok::<(), daisy_graphdb::GraphError>(())
/// ```
#[derive(Clone)]
pub struct Daisy02Database {
    server: Server,
    names: Daisy02,
}

impl Daisy02Database {
    /// The collections of these names in a database, which need not be there yet.
    ///
    /// # Errors
    ///
    /// [`GraphError::CollectionName`] and [`GraphError::AttributePlace`] for collections of
    /// attributes that cannot be, [`GraphError::Database`] for an address that makes no sense; the
    /// server is asked later.
    pub fn connect(uri: &str, name: &str, names: Daisy02) -> Result<Self, GraphError> {
        names.check()?;
        Ok(Self { server: Server::connect(uri, name)?, names })
    }

    /// Removes nodes, edges, their attributes, metadata, and the marks of blocks; nothing if there
    /// are none.
    ///
    /// # Errors
    ///
    /// [`GraphError::Database`].
    pub fn remove(&self) -> Result<(), GraphError> {
        let Daisy02 { nodes, edges, meta, .. } = &self.names;
        let drop_one =
            |name: &str| self.server.drop_collection(name).map_err(failed("remove a collection"));
        [nodes, edges, meta, BLOCKS].into_iter().try_for_each(drop_one)?;
        for owner in [Owner::Nodes, Owner::Edges] {
            self.names.attr_collections(owner).iter().try_for_each(|name| drop_one(name))?;
        }
        Ok(())
    }

    /// Makes the indexes of daisy 0.2, and metadata if there are none; returns those that are there.
    /// Any number may do so at once.
    ///
    /// # Errors
    ///
    /// [`GraphError::Database`].
    pub fn create(&self, meta: &Daisy02Meta) -> Result<Daisy02Meta, GraphError> {
        let Daisy02 { nodes, edges, endpoints: [u, v], position, .. } = &self.names;
        let place = position.iter().map(|axis| (axis.clone(), Bson::Int32(1)));
        let position = doc! { "key": place.collect::<Document>(), "name": "position" };
        let id = doc! { "key": { "id": 1 }, "name": "id", "unique": true };
        let incident = doc! { "key": { u: 1, v: 1 }, "name": "incident", "unique": true };
        let aside = |owner, index: &Document| {
            let collections = self.names.attr_collections(owner).into_iter();
            collections.map(|name| (name, vec![index.clone()])).collect::<Vec<_>>()
        };
        let mut indexes = aside(Owner::Nodes, &id);
        indexes.extend(aside(Owner::Edges, &incident));
        indexes.extend([(nodes.clone(), vec![position, id]), (edges.clone(), vec![incident])]);
        for (collection, indexes) in indexes {
            let command = doc! { "createIndexes": collection, "indexes": indexes };
            run(&self.server, "make indexes", command)?;
        }
        if let Some(existing) = self.meta()? {
            return Ok(existing);
        }
        let mut document = doc! { "directed": meta.is_directed };
        if let Some(roi) = &meta.total_roi {
            let axes = 0..roi.dims();
            let offset: Vec<_> = axes.clone().map(|axis| roi.begin_at(axis)).collect();
            document.insert("total_roi_offset", offset);
            document
                .insert("total_roi_shape", axes.map(|axis| roi.shape_at(axis)).collect::<Vec<_>>());
        }
        // Under one name, so that of two who do so at once only one makes them.
        let update =
            doc! { "q": { "_id": "daisy 0.2" }, "u": { "$setOnInsert": document }, "upsert": true };
        let command = doc! { "update": &self.names.meta, "updates": [update] };
        let reply = change(&self.server, "write the metadata", command)?;
        if let Some(error) = write_error(&reply)
            && !matches!(error.get_i32("code"), Ok(DUPLICATE))
        {
            return Err(GraphError::database("write the metadata", error.to_string()));
        }
        self.meta()?.ok_or_else(|| GraphError::NotFound { place: self.place() })
    }

    /// What the metadata say; none if there are none.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotAGraph`] if they make no sense, [`GraphError::Database`].
    pub fn meta(&self) -> Result<Option<Daisy02Meta>, GraphError> {
        let meta = self.server.first(&self.names.meta, doc! {});
        let meta = meta.map_err(failed("read the metadata"))?;
        meta.map(|meta| understood(&meta, &self.place())).transpose()
    }

    /// The number of axes, as far as it is known: from the names of positions, the total ROI, or a
    /// node that is stored.
    ///
    /// # Errors
    ///
    /// As [`meta`](Self::meta).
    pub fn dims(&self) -> Result<Option<usize>, GraphError> {
        if self.names.position.len() > 1 {
            return Ok(Some(self.names.position.len()));
        }
        if let Some(roi) = self.meta()?.and_then(|meta| meta.total_roi) {
            return Ok(Some(roi.dims()));
        }
        let Some(position) = self.names.position.first() else { return Ok(None) };
        let first = format!("{position}.0");
        let node = self.server.first(&self.names.nodes, doc! { first: { "$ne": Bson::Null } });
        let node = node.map_err(failed("look at a node"))?;
        let axes = node.and_then(|node| Some(node.get_array(position).ok()?.len()));
        Ok(axes.filter(|axes| (1..=MAX_DIMS).contains(axes)))
    }

    /// The store of these collections. They do not say which attributes there are, so the schema is
    /// given: with those that are declared, or with [any](Schema::any_attrs); the cell size in it
    /// does not matter. Where the store is writable, an index for ROIs is made if that is possible,
    /// which 0.2 does not look at: without it, reads look at all nodes.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotFound`], [`GraphError::SchemaDiffers`] if the metadata say otherwise,
    /// [`GraphError::NotInThisLayout`] for names of attributes that fields cannot have,
    /// [`GraphError::Database`].
    pub fn store(&self, schema: Schema, is_writable: bool) -> Result<MongoStore, GraphError> {
        let place = self.place();
        let Some(meta) = self.meta()? else { return Err(GraphError::NotFound { place }) };
        let layout = Layout::daisy_0_2(&self.names, &schema)?;
        let mut existing =
            if meta.is_directed { schema.clone().directed() } else { schema.clone().undirected() };
        if let Some(roi) = meta.total_roi {
            existing = existing.total_roi(roi)?;
        }
        let differences = schema.differences(&existing);
        if !differences.is_empty() {
            return Err(GraphError::SchemaDiffers { place, differences });
        }
        if is_writable && self.names.position.len() == 1 {
            let axes = layout.axes(&schema).into_iter().map(|axis| (axis, Bson::Int32(1)));
            let index = doc! { "key": axes.collect::<Document>(), "name": "daisy_axes" };
            let command = doc! { "createIndexes": &layout.nodes, "indexes": [index] };
            // Nodes of another program, or rights, may stand against it; reads only take longer then.
            let _is_made = run(&self.server, "make indexes", command).is_ok();
        }
        Ok(MongoStore { server: self.server.clone(), schema, layout, is_writable })
    }

    fn place(&self) -> String {
        format!("the MongoDB database {:?}", self.server.name())
    }
}

impl std::fmt::Debug for Daisy02Database {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daisy02Database")
            .field("database", &self.server.name())
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// What a collection of attributes is called in the database; 0.2 does not look at its other names.
pub(super) fn attr_collection(owner: Owner, name: &str) -> String {
    match owner {
        Owner::Nodes => format!("nodes_{name}"),
        Owner::Edges => format!("edges_{name}"),
    }
}

fn understood(meta: &Document, place: &str) -> Result<Daisy02Meta, GraphError> {
    let list = |key: &str| -> Option<Vec<Option<i64>>> {
        let entry = |entry: &Bson| match entry {
            Bson::Null => Ok(None),
            entry => whole(entry).map(Some),
        };
        meta.get_array(key).ok()?.iter().map(entry).collect::<Result<_, _>>().ok()
    };
    let wrong =
        |problem: &str| GraphError::NotAGraph { place: place.into(), problem: problem.into() };
    let is_directed = meta.get_bool("directed");
    let is_directed =
        is_directed.map_err(|_| wrong("its metadata do not say whether it is directed"))?;
    let total_roi = match (list("total_roi_offset"), list("total_roi_shape")) {
        (Some(offset), Some(shape)) => {
            let roi = Roi::from_entries(offset, shape);
            Some(roi.map_err(|_| wrong("its total ROI makes no sense"))?)
        }
        _ => None,
    };
    Ok(Daisy02Meta { is_directed, total_roi })
}
