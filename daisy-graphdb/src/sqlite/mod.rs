//! A graph in an SQLite file: the embedded default.

mod funlib;
mod marks;
mod rows;
mod session;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use self::session::{SqliteSession, failed};
use self::tables::Tables;
use crate::engine::{Backend, Run, graph_store};
use crate::{GraphError, Open, Schema, schema_text};

/// Connections that are kept for later; more are opened when more threads need one.
const MAX_IDLE: usize = 16;

/// Statements that a connection keeps compiled.
const STATEMENTS: usize = 64;

/// Attempts to turn the write-ahead log on, each after the lock was waited for.
const WAL_ATTEMPTS: usize = 100;

/// Pages (of 4 KiB) in the log before they are copied into the file. Nodes at random places touch
/// many pages each time, so a larger log copies each page less often.
const WAL_PAGES: u32 = 16_384;

/// What a committed write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The death of any process. After a loss of power the file is sound, but the last commits
    /// may be missing: a block whose worker was told "done" may be undone.
    #[default]
    Process,
    /// A loss of power too: every commit waits for the disk.
    Power,
}

/// How an SQLite file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// What a committed write survives.
    pub durability: Durability,
    /// How long a writer waits for others, in milliseconds, before it gives up.
    pub busy_timeout_ms: u32,
    /// The most memory that one connection uses for pages, in MiB. A thread that is in the store
    /// has a connection, and up to 16 are kept.
    pub cache_mib: u32,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { durability: Durability::default(), busy_timeout_ms: 60_000, cache_mib: 64 }
    }
}

/// A graph in an SQLite file, or in one that funlib.persistence made.
///
/// Threads and processes of one machine may have the file open at once: readers never wait, and
/// writers wait for each other. The write-ahead log needs shared memory, so the file must lie on a
/// local disk; use PostgreSQL for several machines.
///
/// A file of funlib.persistence (`x.db` beside `x-meta.json`) is opened as it is, for reading and
/// writing, and stays one; none is made here. Its index helps along the first axis only, and it has
/// none for second endpoints. What to know when both programs write into one file:
///
/// - funlib never replaces a node or an edge that is there, and keeps undirected edges under the
///   smaller id. Here endpoints are stored as given: funlib reads such an edge like any other, but
///   does not find it if it is to update it.
/// - Ids from 2^63 on are negative numbers there. Whole numbers of NumPy that funlib was given as
///   attributes are bytes in its file, which it gives back as such; here they are an error that
///   names the attribute.
/// - Marks of blocks go to a table of their own, which funlib does not look at, and which stays
///   when funlib makes the graph anew with mode `w`: [`forget`](crate::GraphStore::forget) them
///   then.
///
/// ```
/// use daisy_geometry::{Coordinate, Roi};
/// use daisy_graphdb::{Filter, GraphStore, Node, Open, Position, Schema, SqliteStore, Write};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("graph.db");
/// let schema = Schema::new(Coordinate::new([1_000, 1_000]))?;
/// let store = SqliteStore::open(&path, Open::Create(schema))?;
/// let mut graph = store.schema().sub_graph();
/// graph.insert_node(Node::new(7, Position::new([-0.5, 3.0])?));
/// store.write(&graph, &Write::upsert())?;
///
/// let reader = SqliteStore::open(&path, Open::Read)?;
/// assert_eq!(reader.count_nodes(&Roi::new([-1, 0], [1, 4])?, &Filter::All)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    options: SqliteOptions,
    schema: Schema,
    tables: Tables,
    is_writable: bool,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteStore {
    /// Opens the graph of a file.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotFound`], [`GraphError::NotAGraph`] for any other file,
    /// [`GraphError::SchemaDiffers`], [`GraphError::Database`].
    pub fn open(path: impl AsRef<Path>, open: Open) -> Result<Self, GraphError> {
        Self::open_with(path, open, SqliteOptions::default())
    }

    /// Opens the graph of a file in a way of one's own.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(
        path: impl AsRef<Path>,
        open: Open,
        options: SqliteOptions,
    ) -> Result<Self, GraphError> {
        if let Open::Create(wanted) = &open {
            wanted.check_declared()?;
        }
        let path = path.as_ref().to_path_buf();
        let place = path.display().to_string();
        let is_writable = open != Open::Read;
        let may_create = matches!(open, Open::Create(_));
        if !may_create && !path.exists() {
            return Err(GraphError::NotFound { place });
        }
        if let Some((existing, tables)) = funlib::look(&path)? {
            if let Open::Create(wanted) = &open {
                refuse_other(&funlib::without_cells(wanted), &existing, place)?;
            }
            let idle = Mutex::default();
            return Ok(Self { path, options, schema: existing, tables, is_writable, idle });
        }
        let connection = connect(&path, is_writable, may_create, &options)?;
        if let Open::Create(wanted) = &open {
            write_ahead(&connection)?;
            create_if_empty(&connection, wanted)?;
        }
        let existing = read_schema(&connection, &place)?;
        if let Open::Create(wanted) = &open {
            refuse_other(wanted, &existing, place)?;
        }
        let tables = Tables::own(&existing);
        let idle = Mutex::new(vec![connection]);
        Ok(Self { path, options, schema: existing, tables, is_writable, idle })
    }

    /// Removes the graph of a file, which stays; nothing if there is none. Whoever has it open
    /// sees an error from then on, until somebody makes one of the same schema there.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotAGraph`] for any other file, [`GraphError::NotInThisLayout`] for one of
    /// funlib.persistence, [`GraphError::Database`].
    pub fn remove(path: impl AsRef<Path>) -> Result<(), GraphError> {
        let path = path.as_ref();
        if !path.exists() {
            return Ok(());
        }
        if funlib::look(path)?.is_some() {
            return Err(GraphError::NotInThisLayout { what: "removing it" });
        }
        let connection = connect(path, true, false, &SqliteOptions::default())?;
        match read_schema(&connection, &path.display().to_string()) {
            Ok(_) => {
                let drop = format!("BEGIN IMMEDIATE; {} COMMIT", tables::DROP);
                connection.execute_batch(&drop).map_err(failed("remove the tables"))
            }
            Err(GraphError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Runs something with a connection that nobody else uses meanwhile.
    fn with_connection(
        &self,
        run: impl FnOnce(&Connection) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = lock().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.path, self.is_writable, false, &self.options)?,
        };
        let outcome = run(&connection);
        let mut idle = lock();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
        outcome
    }

    fn transaction(&self, behavior: TransactionBehavior, run: Run<'_>) -> Result<(), GraphError> {
        self.with_connection(|connection| {
            let transaction = Transaction::new_unchecked(connection, behavior)
                .map_err(failed("begin a transaction"))?;
            let (tables, schema) = (&self.tables, &self.schema);
            run(&mut SqliteSession { connection, tables, schema })?; // Rolled back if it fails.
            transaction.commit().map_err(failed("commit"))
        })
    }
}

graph_store!(SqliteStore, atomic: true);

impl Backend for SqliteStore {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn reading(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.transaction(TransactionBehavior::Deferred, run)
    }

    fn writing(&self, run: Run<'_>) -> Result<(), GraphError> {
        // Immediate: a transaction that reads first could not become a writer's in turn.
        self.transaction(TransactionBehavior::Immediate, run)
    }
}

fn connect(
    path: &Path,
    is_writable: bool,
    may_create: bool,
    options: &SqliteOptions,
) -> Result<Connection, GraphError> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= match is_writable {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, may_create);
    let prepare = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_millis(options.busy_timeout_ms.into()))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Else a quoted name that is no column, in a file of another program, would be a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        let synchronous = match options.durability {
            Durability::Process => "NORMAL",
            Durability::Power => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "cache_size", -1_024 * i64::from(options.cache_mib))?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        Ok(connection)
    };
    prepare().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            GraphError::NotAGraph { place: path.display().to_string(), problem: error.to_string() }
        }
        _ => GraphError::database("open the file", error),
    })
}

/// Turns the write-ahead log on. Those who do so at the same time may be refused at once; then
/// they wait for the lock and look again.
fn write_ahead(connection: &Connection) -> Result<(), GraphError> {
    let mut outcome = Ok(());
    for _ in 0..WAL_ATTEMPTS {
        let mode =
            connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => {}
            Err(error) => outcome = Err(error),
        }
        let waited = connection.execute_batch("BEGIN IMMEDIATE; COMMIT");
        waited.map_err(failed("wait for other writers"))?;
    }
    outcome.map_err(failed("turn the write-ahead log on"))
}

/// Creates the tables, unless somebody has.
fn create_if_empty(connection: &Connection, schema: &Schema) -> Result<(), GraphError> {
    let create = || {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let count = "SELECT COUNT(*) FROM sqlite_master";
        if transaction.query_row(count, (), |row| row.get::<_, i64>(0))? == 0 {
            transaction.execute_batch(&Tables::own(schema).create())?;
            let insert = "INSERT INTO daisy_graph (schema) VALUES (?1)";
            transaction.execute(insert, [schema_text::write(schema)])?;
        }
        transaction.commit()
    };
    create().map_err(failed("create the tables"))
}

fn read_schema(connection: &Connection, place: &str) -> Result<Schema, GraphError> {
    let exists = |what: &str| {
        let found = connection.prepare(what).and_then(|mut statement| statement.exists(()));
        found.map_err(|error| GraphError::NotAGraph {
            place: place.into(),
            problem: error.to_string(),
        })
    };
    if !exists("SELECT 1 FROM sqlite_master")? {
        return Err(GraphError::NotFound { place: place.into() });
    }
    if !exists("SELECT 1 FROM sqlite_master WHERE name = 'daisy_graph'")? {
        let problem = "it has no table daisy_graph, and no metadata of funlib beside it".into();
        return Err(GraphError::NotAGraph { place: place.into(), problem });
    }
    let select = "SELECT schema FROM daisy_graph";
    let text = connection.query_row(select, (), |row| row.get::<_, String>(0));
    schema_text::read(&text.map_err(failed("read the schema"))?, place)
}

fn refuse_other(wanted: &Schema, existing: &Schema, place: String) -> Result<(), GraphError> {
    let differences = wanted.differences(existing);
    if differences.is_empty() {
        return Ok(());
    }
    Err(GraphError::SchemaDiffers { place, differences })
}
