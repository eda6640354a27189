//! Changes: commands, what they reply, and how a node or an edge is written into its collections.

use mongodb::bson::{self, Bson, Document, doc};
use mongodb::options::Acknowledgment;

use super::failed;
use super::fields::{Fields, bson, whole};
use super::join::Key;
use super::server::Server;
use super::session::{ATTEMPTS, BYTES, MANY, MongoSession};
use crate::engine::{Chosen, Put};
use crate::parts::parts;
use crate::{Attrs, GraphError};

/// The error code of a key that exists.
pub(super) const DUPLICATE: i32 = 11_000;

/// Runs a command that changes something and must succeed as a whole.
pub(super) fn run(
    server: &Server,
    doing: &'static str,
    command: Document,
) -> Result<Document, GraphError> {
    let reply = change(server, doing, command)?;
    match write_error(&reply) {
        None => Ok(reply),
        Some(error) => Err(GraphError::database(doing, error.to_string())),
    }
}

/// Runs a command that changes something; some of it may have failed. The driver neither adds the
/// write concern of the address to a command that it has not made, nor looks for that one's errors.
pub(super) fn change(
    server: &Server,
    doing: &'static str,
    mut command: Document,
) -> Result<Document, GraphError> {
    let concern = server.write_concern();
    // Changes that nobody acknowledges cannot be counted.
    if let Some(concern) = concern.filter(|concern| concern.w != Some(Acknowledgment::Nodes(0))) {
        let concern = bson::serialize_to_bson(concern);
        let concern = concern.map_err(|error| GraphError::database(doing, error))?;
        command.insert("writeConcern", concern);
    }
    let reply = server.command(command).map_err(failed(doing))?;
    match reply.get_document("writeConcernError") {
        Ok(error) => Err(GraphError::database(doing, error.to_string())),
        Err(_) => Ok(reply),
    }
}

/// The first change that failed.
pub(super) fn write_error(reply: &Document) -> Option<&Document> {
    reply.get_array("writeErrors").ok()?.first()?.as_document()
}

/// The change that failed because a key exists, if it is that.
fn duplicate(error: &Document) -> Option<usize> {
    let place = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok());
    place.filter(|_| matches!(error.get_i32("code"), Ok(DUPLICATE)))
}

/// A node or an edge to be written.
pub(super) struct Row<'a, K> {
    pub(super) key: K,
    /// Its document in the collection of nodes or edges.
    pub(super) document: Document,
    /// All its attributes.
    pub(super) attrs: &'a Attrs,
}

impl MongoSession<'_> {
    /// Replaces or inserts nodes or edges, and then what is aside of them, so that what is left
    /// if this is interrupted has an owner; `exists` is the error for one that is there.
    pub(super) fn put<K: Key>(
        &self,
        rows: &[Row<'_, K>],
        put: Put,
        exists: impl Fn(K) -> GraphError,
    ) -> Result<(), GraphError> {
        let (collection, _) = self.layout.main(K::OWNER);
        match put {
            Put::Insert => self.insert(collection, rows, exists)?,
            Put::Upsert => {
                let replace = |Row { key, document, .. }: &Row<'_, K>| {
                    doc! { "q": key.document(self.layout), "u": document, "upsert": true }
                };
                self.update("write", collection, rows.iter().map(replace).collect())?;
            }
        }
        self.put_aside(rows)
    }

    fn insert<K: Key>(
        &self,
        collection: &str,
        rows: &[Row<'_, K>],
        exists: impl Fn(K) -> GraphError,
    ) -> Result<(), GraphError> {
        let documents: Vec<_> = rows.iter().map(|row| row.document.clone()).collect();
        let command = doc! { "insert": collection, "documents": documents };
        let reply = change(self.server, "write", command)?;
        let Some(error) = write_error(&reply) else { return Ok(()) };
        match duplicate(error).and_then(|place| rows.get(place)) {
            Some(row) => Err(exists(row.key)),
            None => Err(GraphError::database("write", error.to_string())),
        }
    }

    /// Replaces whole documents of attributes: who has none of a collection's has no document there,
    /// also if one was left of somebody with the same key.
    fn put_aside<K: Key>(&self, rows: &[Row<'_, K>]) -> Result<(), GraphError> {
        for aside in self.layout.aside(K::OWNER) {
            let (mut updates, mut without) = (Vec::new(), Vec::new());
            for Row { key, attrs, .. } in rows {
                let fields = aside.fields.write(attrs);
                if fields.is_empty() {
                    without.push(*key);
                    continue;
                }
                let name = key.document(self.layout);
                let mut document = name.clone();
                document.extend(fields);
                updates.push(doc! { "q": name, "u": document, "upsert": true });
            }
            self.update("write attributes", &aside.collection, updates)?;
            self.delete(&aside.collection, &K::exactly(&without, self.layout))?;
        }
        Ok(())
    }

    /// Updates that may insert.
    fn update(
        &self,
        doing: &'static str,
        collection: &str,
        mut updates: Vec<Document>,
    ) -> Result<(), GraphError> {
        if updates.is_empty() {
            return Ok(());
        }
        for _ in 0..updates.len() + ATTEMPTS {
            let command = doc! { "update": collection, "updates": updates.clone() };
            let reply = change(self.server, doing, command)?;
            let Some(error) = write_error(&reply) else { return Ok(()) };
            // Of two who upsert the same at once, one may be told that it exists: now it does.
            // Changes are made in order, so those before it are done.
            match duplicate(error) {
                Some(place) if place < updates.len() => drop(updates.drain(..place)),
                _ => return Err(GraphError::database(doing, error.to_string())),
            }
        }
        Err(GraphError::database(doing, "others write the same all the time"))
    }

    /// Sets some attributes of stored nodes or edges, or takes them away.
    pub(super) fn set_attrs<K: Key>(
        &self,
        rows: &[(K, &Attrs)],
        chosen: &Chosen,
    ) -> Result<(), GraphError> {
        let (main, fields) = self.layout.main(K::OWNER);
        self.set_in((main, fields, false), rows, chosen)?;
        for aside in self.layout.aside(K::OWNER) {
            self.set_in((&aside.collection, &aside.fields, true), rows, chosen)?;
        }
        Ok(())
    }

    /// Does so in one collection, where there may be no document so far.
    fn set_in<K: Key>(
        &self,
        (collection, fields, upsert): (&str, &Fields, bool),
        rows: &[(K, &Attrs)],
        chosen: &Chosen,
    ) -> Result<(), GraphError> {
        let chosen = fields.chosen(chosen).unwrap_or_default();
        if chosen.is_empty() {
            return Ok(()); // An update without operators would replace the document.
        }
        let update = |(key, values): &(K, &Attrs)| {
            let (mut set, mut unset) = (Document::new(), Document::new());
            for (name, field) in &chosen {
                match values.value(name) {
                    Some(value) => set.insert(*field, bson(value)),
                    None => unset.insert(*field, ""),
                };
            }
            let upsert = upsert && !set.is_empty();
            let mut change = Document::new();
            for (operator, fields) in [("$set", set), ("$unset", unset)] {
                if !fields.is_empty() {
                    change.insert(operator, fields);
                }
            }
            doc! { "q": key.document(self.layout), "u": change, "upsert": upsert }
        };
        for rows in parts(rows, (MANY, BYTES), |(_, values)| values.bytes()) {
            self.update("update attributes", collection, rows.iter().map(update).collect())?;
        }
        Ok(())
    }

    /// Deletes what meets any of some conditions; how many there were.
    pub(super) fn delete(&self, collection: &str, filters: &[Document]) -> Result<u64, GraphError> {
        let mut count = 0;
        for filters in filters.chunks(MANY) {
            let each = |filter: &Document| doc! { "q": filter.clone(), "limit": 0 };
            let deletes: Vec<_> = filters.iter().map(each).collect();
            let reply =
                run(self.server, "delete", doc! { "delete": collection, "deletes": deletes })?;
            count += whole(reply.get("n").unwrap_or(&Bson::Null))?.cast_unsigned();
        }
        Ok(count)
    }

    /// Deletes what meets any of some conditions in all collections of nodes or of edges. What is
    /// left if this is interrupted still has owners, and goes next time. How many owners there were.
    pub(super) fn delete_with_aside<K: Key>(
        &self,
        filters: &[Document],
    ) -> Result<u64, GraphError> {
        for aside in self.layout.aside(K::OWNER) {
            self.delete(&aside.collection, filters)?;
        }
        self.delete(self.layout.main(K::OWNER).0, filters)
    }
}
