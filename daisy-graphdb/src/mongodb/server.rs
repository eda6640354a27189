//! A database of a server, asked by threads that wait for the answers.
//!
//! The driver works in a runtime of the store's own: that of its blocking interface is one for the
//! whole process, and does not outlive a fork.

use std::sync::Arc;

use mongodb::bson::Document;
use mongodb::options::{DatabaseOptions, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Cursor, Database};
use tokio::runtime::{Builder, Runtime};

use super::failed;
use crate::GraphError;

type Outcome<T> = Result<T, mongodb::error::Error>;

/// A database.
#[derive(Clone)]
pub(super) struct Server {
    // Let go of before the runtime.
    database: Database,
    runtime: Arc<Runtime>,
}

impl Server {
    /// The database of an address; the connections are made when something is asked.
    pub(super) fn connect(uri: &str, name: &str) -> Result<Self, GraphError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|e| GraphError::database("start the driver", e))?;
        let client = runtime.block_on(Client::with_uri_str(uri));
        let client = client.map_err(failed("understand the address"))?;
        // Writes look at what is stored, so reads must see what was written, whatever the address says.
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let options = DatabaseOptions::builder().selection_criteria(primary).build();
        let database = client.database_with_options(name, options);
        Ok(Self { database, runtime: Arc::new(runtime) })
    }

    /// The name of the database.
    pub(super) fn name(&self) -> &str {
        self.database.name()
    }

    /// The write concern of the address.
    pub(super) fn write_concern(&self) -> Option<&WriteConcern> {
        self.database.write_concern()
    }

    /// Runs a command as it is.
    pub(super) fn command(&self, command: Document) -> Outcome<Document> {
        self.runtime.block_on(async { self.database.run_command(command).await })
    }

    /// The first document of a collection that meets a condition.
    pub(super) fn first(&self, collection: &str, condition: Document) -> Outcome<Option<Document>> {
        let collection = self.database.collection(collection);
        self.runtime.block_on(async { collection.find_one(condition).await })
    }

    /// All documents of a collection that meet a condition.
    pub(super) fn find(
        &self,
        collection: &str,
        condition: Document,
        projection: Document,
    ) -> Outcome<Documents<'_>> {
        let collection = self.database.collection(collection);
        let find = async { collection.find(condition).projection(projection).await };
        Ok(Documents { cursor: Some(self.runtime.block_on(find)?), runtime: &self.runtime })
    }

    /// Removes a collection; nothing if there is none.
    pub(super) fn drop_collection(&self, name: &str) -> Outcome<()> {
        let collection = self.database.collection::<Document>(name);
        self.runtime.block_on(async { collection.drop().await })
    }
}

/// The answer to a question, document by document.
pub(super) struct Documents<'a> {
    cursor: Option<Cursor<Document>>,
    runtime: &'a Runtime,
}

impl Drop for Documents<'_> {
    fn drop(&mut self) {
        // A cursor that was not read to its end tells the server so, in the runtime it finds.
        let _inside = self.runtime.enter();
        self.cursor.take();
    }
}

impl Iterator for Documents<'_> {
    type Item = Outcome<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.cursor.as_mut()?;
        match self.runtime.block_on(cursor.advance()) {
            Ok(true) => Some(cursor.deserialize_current()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
