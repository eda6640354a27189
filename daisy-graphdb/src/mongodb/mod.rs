//! A graph on a MongoDB server, for workers on many machines.

mod change;
mod fields;
mod filter;
mod join;
mod layout;
mod old;
mod server;
mod session;

use std::fmt;

use mongodb::bson::{Document, doc};

use self::change::{DUPLICATE, change, run, write_error};
use self::layout::Layout;
pub use self::old::{Daisy02, Daisy02Database, Daisy02Meta};
use self::server::Server;
use self::session::{BLOCKS, MongoSession};
use crate::engine::{Backend, Run, graph_store};
use crate::{GraphError, Open, Owner, Schema, schema_text};

/// The collection of marks, and that of the schema with the id of its document.
const META: (&str, &str) = ("meta", "daisy");

/// A graph in a MongoDB database.
///
/// Threads, processes and machines may have it open at once. **There are no transactions** on a
/// stand-alone server, so none are used: a writer that is killed leaves a part of its write, and
/// the result of a block is written *at least* once. Its mark comes last, so a block that is marked
/// as done is whole; one that is not is written again with
/// [`Write::replace`](crate::Write::replace), which removes what is left of the first time. For
/// results that count exactly once, use SQLite or PostgreSQL. A read sees parts of writes that go
/// on meanwhile; two writers who write an undirected edge in both orders at the same moment may
/// leave both, of which a read gives one.
///
/// The address says how (`tls=true` for an encrypted connection) and what an acknowledged write
/// has survived (`w=majority&journal=true`). Reads go to the primary, and writes are always
/// acknowledged, whatever it says. Addresses that begin with `mongodb+srv` are not supported.
///
/// **No real server has been run with this so far**, only a stand-in of its tests which follows
/// the manual of MongoDB; see the README of the crate.
///
/// ```no_run
/// use daisy_geometry::Coordinate;
/// use daisy_graphdb::{MongoStore, Open, Schema};
///
/// let schema = Schema::new(Coordinate::new([1_000, 1_000, 1_000]))?;
/// let store = MongoStore::open("mongodb://localhost", "synapses", Open::Create(schema))?;
/// # Ok::<(), daisy_graphdb::GraphError>(())
/// ```
pub struct MongoStore {
    server: Server,
    schema: Schema,
    layout: Layout,
    is_writable: bool,
}

impl MongoStore {
    /// Opens the graph of a database.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotFound`], [`GraphError::NotAGraph`] for the collections of daisy 0.2 (see
    /// [`open_daisy_0_2`](Self::open_daisy_0_2)), [`GraphError::SchemaDiffers`],
    /// [`GraphError::Database`].
    pub fn open(uri: &str, name: &str, open: Open) -> Result<Self, GraphError> {
        let server = Server::connect(uri, name)?;
        let place = format!("the MongoDB database {name:?}");
        if let Open::Create(wanted) = &open {
            wanted.check_declared()?;
            create(&server, wanted)?;
        }
        let existing = read_schema(&server, &place)?;
        if let Open::Create(wanted) = &open {
            let differences = wanted.differences(&existing);
            if !differences.is_empty() {
                return Err(GraphError::SchemaDiffers { place, differences });
            }
        }
        let layout = Layout::own(&existing);
        Ok(Self { server, schema: existing, layout, is_writable: open != Open::Read })
    }

    /// Opens collections that `MongoDbGraphProvider` of daisy 0.2 made, for reading and writing;
    /// [`Daisy02Database`] can do so for reading only, and make them.
    ///
    /// # Errors
    ///
    /// As [`Daisy02Database::store`].
    pub fn open_daisy_0_2(
        uri: &str,
        name: &str,
        collections: &Daisy02,
        schema: Schema,
    ) -> Result<Self, GraphError> {
        Daisy02Database::connect(uri, name, collections.clone())?.store(schema, true)
    }

    fn session(&self, run: Run<'_>) -> Result<(), GraphError> {
        let Self { server, layout, schema, .. } = self;
        run(&mut MongoSession { server, layout, schema })
    }
}

graph_store!(MongoStore, atomic: false);

impl Backend for MongoStore {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn refuses(&self, owner: Owner, name: &str) -> bool {
        match owner {
            Owner::Nodes => self.layout.node_fields.refuses(name),
            Owner::Edges => self.layout.edge_fields.refuses(name),
        }
    }

    fn reading(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.session(run)
    }

    fn writing(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.session(run)
    }
}

impl fmt::Debug for MongoStore {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("database", &self.server.name())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// An error of the driver or the server, with what was being done.
fn failed(doing: &'static str) -> impl FnOnce(mongodb::error::Error) -> GraphError {
    move |error| GraphError::database(doing, error)
}

/// Makes indexes and writes the schema, unless there is one. Any number may do so at once.
fn create(server: &Server, schema: &Schema) -> Result<(), GraphError> {
    let (meta, id) = META;
    if read_meta(server)?.is_some() {
        return Ok(());
    }
    let unique = |name: &str, key: Document| doc! { "key": key, "name": name, "unique": true };
    let indexes = [
        (
            "nodes",
            vec![unique("node", doc! { "id": 1 }), doc! { "key": { "cell": 1 }, "name": "cell" }],
        ),
        (
            "edges",
            vec![
                unique("edge", doc! { "u": 1, "v": 1 }),
                doc! { "key": { "v": 1 }, "name": "second end" },
            ],
        ),
        (BLOCKS, vec![doc! { "key": { "_id.task": 1, "_id.block": 1 }, "name": "task" }]),
    ];
    for (collection, indexes) in indexes {
        let command = doc! { "createIndexes": collection, "indexes": indexes };
        run(server, "make indexes", command)?;
    }
    let set = doc! { "$setOnInsert": { "schema": schema_text::write(schema) } };
    let update = doc! { "q": { "_id": id }, "u": set, "upsert": true };
    let command = doc! { "update": meta, "updates": [update] };
    let reply = change(server, "write the schema", command)?;
    match write_error(&reply) {
        // Of two that do so at once, one may be told that the id exists: then it does.
        Some(error) if !matches!(error.get_i32("code"), Ok(DUPLICATE)) => {
            Err(GraphError::database("write the schema", error.to_string()))
        }
        _ => Ok(()),
    }
}

fn read_meta(server: &Server) -> Result<Option<Document>, GraphError> {
    let (meta, id) = META;
    let found = server.first(meta, doc! { "_id": id });
    found.map_err(failed("read the schema"))
}

fn read_schema(server: &Server, place: &str) -> Result<Schema, GraphError> {
    if let Some(meta) = read_meta(server)? {
        return schema_text::read(meta.get_str("schema").unwrap_or_default(), place);
    }
    let any = server.first(META.0, doc! {});
    if any.map_err(failed("read the schema"))?.is_none() {
        return Err(GraphError::NotFound { place: place.into() });
    }
    let problem = "its metadata are those of daisy 0.2; open it with open_daisy_0_2".into();
    Err(GraphError::NotAGraph { place: place.into(), problem })
}
