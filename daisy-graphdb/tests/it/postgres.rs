//! The store on a real server.

use daisy_graphdb::testkit::Database;
use daisy_graphdb::{GraphError, GraphStore, Open, PostgresStore};

use crate::cluster::{Cluster, cluster};
use crate::processes;

/// A namespace of its own on the server of this process.
struct Namespace {
    config: String,
    name: String,
}

impl Namespace {
    fn new() -> Option<Self> {
        let config = cluster()?.config();
        Some(Self { config, name: Cluster::fresh_name() })
    }

    /// What another process needs to open it.
    fn place(&self) -> String {
        format!("{}|{}", self.config, self.name)
    }
}

impl Database for Namespace {
    fn open(&self, open: Open) -> Result<Box<dyn GraphStore>, GraphError> {
        Ok(Box::new(PostgresStore::open(&self.config, &self.name, open)?))
    }
}

daisy_graphdb::conformance!(Namespace::new);

#[test]
fn a_graph_is_removed_and_another_can_take_its_place() {
    let Some(namespace) = Namespace::new() else { return };
    PostgresStore::remove(&namespace.config, &namespace.name).unwrap(); // nothing there
    let schema = processes::schema();
    drop(namespace.open(Open::Create(schema.clone())).unwrap());
    PostgresStore::remove(&namespace.config, &namespace.name).unwrap();
    assert!(matches!(namespace.open(Open::ReadWrite), Err(GraphError::NotFound { .. })));
    let other = schema.total_roi(daisy_geometry::Roi::new([0, 0], [900, 900]).unwrap()).unwrap();
    assert!(namespace.open(Open::Create(other)).is_ok());
}

#[test]
fn a_database_that_is_not_there_is_made_with_the_graph_by_several_at_once() {
    let Some(cluster) = cluster() else { return };
    let name = "a \"new\" one";
    let config = cluster.config().replace("dbname=postgres", &format!("dbname='{name}'"));
    let open = |open| PostgresStore::open(&config, "graph", open);
    PostgresStore::remove(&config, "graph").unwrap(); // nothing there
    let missing = open(Open::ReadWrite).unwrap_err();
    assert!(
        matches!(&missing, GraphError::NotFound { place } if place.contains("new")),
        "{missing}"
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| open(Open::Create(processes::schema())).unwrap());
        }
    });
    assert!(open(Open::Read).is_ok());
    // Who may make none is told so.
    let nobody = config.replace("user=daisy", "user=nobody_at_all");
    assert!(matches!(
        PostgresStore::open(&nobody, "graph", Open::Create(processes::schema())),
        Err(GraphError::Database { .. })
    ));
}

#[test]
fn as_another_process() {
    processes::play(|place| {
        let (config, name) = place.split_once('|').unwrap();
        Box::new(PostgresStore::open(config, name, Open::ReadWrite).unwrap())
    });
}

#[test]
fn four_processes_lose_nothing() {
    let Some(namespace) = Namespace::new() else { return };
    let store = namespace.open(Open::Create(processes::schema())).unwrap();
    let test = "postgres::as_another_process";
    processes::four_processes_commit(&*store, test, &namespace.place());
}

#[test]
fn a_writer_that_is_killed_in_the_middle_leaves_nothing() {
    let Some(namespace) = Namespace::new() else { return };
    let store = namespace.open(Open::Create(processes::schema())).unwrap();
    // The server has taken rows in if the table of the uncommitted nodes has grown.
    let mut client = postgres::Client::connect(&namespace.config, postgres::NoTls).unwrap();
    let size = "SELECT pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n
                ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'nodes'";
    let client = std::cell::RefCell::new(&mut client);
    let has_begun = || {
        let row = client.borrow_mut().query_one(size, &[&namespace.name]).unwrap();
        row.get::<_, i64>(0) > 4 << 20
    };
    let test = "postgres::as_another_process";
    processes::a_process_is_killed(&*store, test, &namespace.place(), has_begun);
}

#[test]
fn a_server_that_is_not_there_is_an_error_with_its_cause() {
    let error = PostgresStore::open("host=/nowhere user=x", "graph", Open::Read).unwrap_err();
    assert!(matches!(error, GraphError::Database { .. }));
    assert!(error.to_string().starts_with("cannot connect to the server: "), "{error}");
}

#[test]
fn a_connection_that_must_be_encrypted_is_refused_and_not_made_in_the_clear() {
    let Some(namespace) = Namespace::new() else { return };
    let config = format!("{} sslmode=require", namespace.config);
    let error = PostgresStore::open(&config, &namespace.name, Open::Read).unwrap_err();
    assert!(error.to_string().starts_with("cannot connect to the server: "), "{error}");
}
