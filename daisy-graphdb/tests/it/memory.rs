//! The store in memory.

use daisy_graphdb::testkit::Database;
use daisy_graphdb::{GraphError, GraphStore, MemoryDatabase, MemoryStore, Open};

pub(crate) struct Memory(MemoryDatabase);

impl Database for Memory {
    fn open(&self, open: Open) -> Result<Box<dyn GraphStore>, GraphError> {
        Ok(Box::new(MemoryStore::open(&self.0, open)?))
    }
}

daisy_graphdb::conformance!(|| Some(Memory(MemoryDatabase::new())));
