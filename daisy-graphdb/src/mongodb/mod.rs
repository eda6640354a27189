//! A graph on a MongoDB server, for workers on many machines.

mod filter;
mod layout;
mod session;

use std::fmt;

use mongodb::bson::{Document, doc};
use mongodb::options::{DatabaseOptions, ReadPreference, SelectionCriteria};
use mongodb::sync::{Client, Database};

pub use self::layout::Daisy02;
use self::layout::Layout;
use self::session::{DUPLICATE, MongoSession, change, run, write_error};
use crate::engine::{Backend, Run, graph_store};
use crate::{GraphError, Open, Schema, schema_text};

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
    database: Database,
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
        let database = connect(uri, name)?;
        let place = format!("the MongoDB database {name:?}");
        if let Open::Create(wanted) = &open {
            create(&database, wanted)?;
        }
        let existing = read_schema(&database, &place)?;
        if let Open::Create(wanted) = &open {
            let differences = wanted.differences(&existing);
            if !differences.is_empty() {
                return Err(GraphError::SchemaDiffers { place, differences });
            }
        }
        let layout = Layout::own(&existing);
        Ok(Self { database, schema: existing, layout, is_writable: open != Open::Read })
    }

    /// Opens collections that `MongoDbGraphProvider` of daisy 0.2 made, for reading and writing.
    /// They do not say which attributes there are, so the schema is given; the cell size in it does
    /// not matter. Reads look at all nodes, as those of daisy 0.2 do: there is no index that
    /// serves.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotFound`], [`GraphError::SchemaDiffers`] if the metadata say otherwise,
    /// [`GraphError::Database`].
    pub fn open_daisy_0_2(
        uri: &str,
        name: &str,
        collections: &Daisy02,
        schema: Schema,
    ) -> Result<Self, GraphError> {
        let database = connect(uri, name)?;
        let place = format!("the MongoDB database {name:?}");
        let meta = database.collection::<Document>(&collections.meta).find_one(doc! {}).run();
        let meta = meta.map_err(failed("read the metadata"))?;
        let Some(meta) = meta else { return Err(GraphError::NotFound { place }) };
        let layout = Layout::daisy_0_2(collections, &schema)?;
        let differences = schema.differences(&layout::with_meta(&schema, &meta, &place)?);
        if !differences.is_empty() {
            return Err(GraphError::SchemaDiffers { place, differences });
        }
        Ok(Self { database, schema, layout, is_writable: true })
    }

    fn session(&self, run: Run<'_>) -> Result<(), GraphError> {
        let Self { database, layout, schema, .. } = self;
        run(&mut MongoSession { database, layout, schema })
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
            .field("database", &self.database.name())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// An error of the driver or the server, with what was being done.
fn failed(doing: &'static str) -> impl FnOnce(mongodb::error::Error) -> GraphError {
    move |error| GraphError::database(doing, error)
}

fn connect(uri: &str, name: &str) -> Result<Database, GraphError> {
    let client = Client::with_uri_str(uri).map_err(failed("understand the address"))?;
    // Writes look at what is stored, so reads must see what was written, whatever the address says.
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let options = DatabaseOptions::builder().selection_criteria(primary).build();
    Ok(client.database_with_options(name, options))
}

/// Makes indexes and writes the schema, unless there is one. Any number may do so at once.
fn create(database: &Database, schema: &Schema) -> Result<(), GraphError> {
    let (meta, id) = META;
    if read_meta(database)?.is_some() {
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
        ("daisy_blocks", vec![doc! { "key": { "_id.task": 1, "_id.block": 1 }, "name": "task" }]),
    ];
    for (collection, indexes) in indexes {
        let command = doc! { "createIndexes": collection, "indexes": indexes };
        run(database, "make indexes", command)?;
    }
    let set = doc! { "$setOnInsert": { "schema": schema_text::write(schema) } };
    let update = doc! { "q": { "_id": id }, "u": set, "upsert": true };
    let command = doc! { "update": meta, "updates": [update] };
    let reply = change(database, "write the schema", command)?;
    match write_error(&reply) {
        // Of two that do so at once, one may be told that the id exists: then it does.
        Some(error) if !matches!(error.get_i32("code"), Ok(DUPLICATE)) => {
            Err(GraphError::database("write the schema", error.to_string()))
        }
        _ => Ok(()),
    }
}

fn read_meta(database: &Database) -> Result<Option<Document>, GraphError> {
    let (meta, id) = META;
    let found = database.collection::<Document>(meta).find_one(doc! { "_id": id }).run();
    found.map_err(failed("read the schema"))
}

fn read_schema(database: &Database, place: &str) -> Result<Schema, GraphError> {
    if let Some(meta) = read_meta(database)? {
        return schema_text::read(meta.get_str("schema").unwrap_or_default(), place);
    }
    let any = database.collection::<Document>(META.0).find_one(doc! {}).run();
    if any.map_err(failed("read the schema"))?.is_none() {
        return Err(GraphError::NotFound { place: place.into() });
    }
    let problem = "its metadata are those of daisy 0.2; open it with open_daisy_0_2".into();
    Err(GraphError::NotAGraph { place: place.into(), problem })
}
