//! A graph on a PostgreSQL server, for workers on many machines.

mod channel;
mod database;
mod given;
mod rows;
mod session;
mod tables;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use postgres::error::SqlState;
use postgres::{Client, Config, IsolationLevel, Statement};

use self::channel::Channel;
use self::database::{connect, connect_if_there, connect_or_create};
use self::session::PostgresSession;
use self::tables::Tables;
use crate::engine::{Backend, Run, graph_store};
use crate::sql::quoted;
use crate::{GraphError, Open, Schema, schema_text};

/// Connections that are kept for later; more are opened when more threads need one.
const MAX_IDLE: usize = 16;

/// Statements that a connection keeps prepared; beyond that it forgets all.
const STATEMENTS: usize = 128;

/// How often a transaction is run that the server ends because of another one.
const ATTEMPTS: usize = 20;

/// A graph in a schema (a namespace) of a PostgreSQL database.
///
/// Threads, processes and machines may have it open at once. Reads are snapshots; writers of the
/// same nodes wait for each other, and a transaction that the server ends because two writers
/// would wait for each other is run again.
///
/// **Connections are not encrypted**, and there is no feature for it yet: a server that insists on
/// TLS refuses them, and `sslmode=require` is an error. Use a Unix socket, a tunnel or a network
/// that is yours.
///
/// ```no_run
/// use daisy_geometry::Coordinate;
/// use daisy_graphdb::{Open, PostgresStore, Schema};
///
/// let schema = Schema::new(Coordinate::new([1_000, 1_000, 1_000]))?;
/// let config = "host=/run/postgresql user=daisy dbname=volumes";
/// let store = PostgresStore::open(config, "synapses", Open::Create(schema))?;
/// # Ok::<(), daisy_graphdb::GraphError>(())
/// ```
pub struct PostgresStore {
    config: Config,
    schema: Schema,
    tables: Tables,
    is_writable: bool,
    idle: Mutex<Vec<Connection>>,
}

/// A connection and what it has prepared.
pub(crate) struct Connection {
    client: Client,
    prepared: BTreeMap<String, Statement>,
}

impl PostgresStore {
    /// Opens the graph of a namespace, which may have any name. `config` is a connection string,
    /// as of `psql`, or an URL. With [`Open::Create`], the database is made too if there is none and
    /// the user may do so.
    ///
    /// # Errors
    ///
    /// [`GraphError::NotFound`], [`GraphError::NotAGraph`], [`GraphError::SchemaDiffers`],
    /// [`GraphError::Database`].
    pub fn open(config: &str, name: &str, open: Open) -> Result<Self, GraphError> {
        if let Open::Create(wanted) = &open {
            wanted.check_declared()?;
        }
        let config: Config = config.parse().map_err(failed("understand the connection string"))?;
        let place = format!("the namespace {name:?}");
        let mut connection = if let Open::Create(wanted) = &open {
            let mut connection = connect_or_create(&config)?;
            create(&mut connection.client, name, wanted)?;
            connection
        } else {
            let place = format!("the database {:?}", database::name(&config));
            connect_if_there(&config)?.ok_or(GraphError::NotFound { place })?
        };
        let schema = read_schema(&mut connection.client, name, &place)?;
        if let Open::Create(wanted) = &open {
            let differences = wanted.differences(&schema);
            if !differences.is_empty() {
                return Err(GraphError::SchemaDiffers { place, differences });
            }
        }
        let tables = Tables::new(name, &schema);
        let is_writable = open != Open::Read;
        Ok(Self { config, schema, tables, is_writable, idle: Mutex::new(vec![connection]) })
    }

    /// Removes the graph of a namespace, which stays; nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`GraphError::Database`].
    pub fn remove(config: &str, name: &str) -> Result<(), GraphError> {
        let config: Config = config.parse().map_err(failed("understand the connection string"))?;
        let Some(mut connection) = connect_if_there(&config)? else { return Ok(()) };
        let client = &mut connection.client;
        if client.query_opt(IS_GRAPH, &[&name]).map_err(failed("look for the graph"))?.is_none() {
            return Ok(());
        }
        let namespace = quoted(name);
        let tables = ["nodes", "edges", "daisy_blocks", "daisy_graph"];
        let tables = tables.map(|table| format!("{namespace}.{table}")).join(", ");
        let drop = format!("DROP TABLE IF EXISTS {tables} CASCADE");
        client.batch_execute(&drop).map_err(failed("remove the tables"))
    }

    /// Runs a transaction, again if the server ends it because of another one.
    fn transaction(&self, kind: Kind, run: Run<'_>) -> Result<(), GraphError> {
        let mut connection = self.connection()?;
        let mut outcome = self.attempt(&mut connection, kind, run);
        for _ in 1..ATTEMPTS {
            if !outcome.as_ref().is_err_and(may_try_again) {
                break;
            }
            outcome = self.attempt(&mut connection, kind, run);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && !connection.client.is_closed() {
            idle.push(connection);
        }
        outcome
    }

    fn attempt(
        &self,
        connection: &mut Connection,
        kind: Kind,
        run: Run<'_>,
    ) -> Result<(), GraphError> {
        let Connection { client, prepared } = connection;
        if prepared.len() > STATEMENTS {
            prepared.clear();
        }
        let level = match kind {
            Kind::Ask => None,
            Kind::Read => Some(IsolationLevel::RepeatableRead),
            Kind::Write | Kind::Load => Some(IsolationLevel::ReadCommitted),
        };
        let channel = match level {
            None => Channel::Open(client),
            Some(level) => {
                let builder = client.build_transaction().isolation_level(level);
                let transaction = builder.read_only(kind == Kind::Read).start();
                Channel::Transaction(transaction.map_err(failed("begin a transaction"))?)
            }
        };
        let (tables, schema, copies) = (&self.tables, &self.schema, kind == Kind::Load);
        let mut session = PostgresSession { channel, prepared, tables, schema, copies };
        run(&mut session)?; // Rolled back if it fails.
        match session.channel {
            Channel::Open(_) => Ok(()),
            Channel::Transaction(transaction) => transaction.commit().map_err(failed("commit")),
        }
    }

    /// A connection that nobody else uses: one that is kept and still open, or a new one.
    fn connection(&self) -> Result<Connection, GraphError> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                Some(connection) if connection.client.is_closed() => {}
                Some(connection) => return Ok(connection),
                None => return connect(&self.config),
            }
        }
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One statement, without a transaction around it: two round trips less.
    Ask,
    Read,
    Write,
    /// Writing by `COPY`.
    Load,
}

graph_store!(PostgresStore, atomic: true);

impl Backend for PostgresStore {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn reading(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.transaction(Kind::Read, run)
    }

    fn asking(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.transaction(Kind::Ask, run)
    }

    fn writing(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.transaction(Kind::Write, run)
    }

    fn loading(&self, run: Run<'_>) -> Result<(), GraphError> {
        self.transaction(Kind::Load, run)
    }
}

impl fmt::Debug for PostgresStore {
    /// Without the password that the configuration may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("namespace", &self.tables.namespace)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// An error of the driver or the server, with what was being done.
fn failed(doing: &'static str) -> impl FnOnce(postgres::Error) -> GraphError {
    move |error| GraphError::database(doing, error)
}

/// Whether a transaction failed only because of another one.
fn may_try_again(error: &GraphError) -> bool {
    let GraphError::Database { source, .. } = error else { return false };
    let code = source.downcast_ref::<postgres::Error>().and_then(postgres::Error::code);
    code.is_some_and(|code| {
        [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code)
    })
}

/// Creates namespace and tables, unless somebody has.
fn create(client: &mut Client, name: &str, schema: &Schema) -> Result<(), GraphError> {
    let mut create = || {
        let mut transaction = client.transaction()?;
        // One at a time: CREATE ... IF NOT EXISTS fails if two do it at once.
        transaction.execute("SELECT pg_advisory_xact_lock(hashtext($1))", &[&name])?;
        if transaction.query_opt(IS_GRAPH, &[&name])?.is_none() {
            transaction.batch_execute(&Tables::new(name, schema).create(schema))?;
            let insert = format!("INSERT INTO {}.daisy_graph (schema) VALUES ($1)", quoted(name));
            transaction.execute(&insert, &[&schema_text::write(schema)])?;
        }
        transaction.commit()
    };
    create().map_err(failed("create the tables"))
}

/// Whether a namespace holds a graph.
const IS_GRAPH: &str =
    "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'daisy_graph'";

fn read_schema(client: &mut Client, name: &str, place: &str) -> Result<Schema, GraphError> {
    let found = client.query_opt(IS_GRAPH, &[&name]).map_err(failed("look for the graph"))?;
    if found.is_none() {
        return Err(GraphError::NotFound { place: place.into() });
    }
    let select = format!("SELECT schema FROM {}.daisy_graph", quoted(name));
    let row = client.query_one(&select, &[]).map_err(failed("read the schema"))?;
    schema_text::read(row.try_get(0).map_err(failed("read the schema"))?, place)
}
