//! Commands on collections in memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use mongodb::bson::{Bson, Document, doc, oid::ObjectId};

use super::matching::{at, matches, order};

/// Documents in the first answer to a question, if the client does not say.
const FIRST_BATCH: usize = 101;

/// All databases of a server.
#[derive(Default)]
pub(super) struct State {
    collections: BTreeMap<String, Collection>,
    cursors: BTreeMap<i64, (String, Vec<Document>)>,
    next_cursor: i64,
    /// What the next command of a name is answered.
    planted: Vec<(String, Document)>,
    /// The names of commands so far, and the collections they were about.
    log: Vec<String>,
}

#[derive(Default)]
struct Collection {
    documents: Vec<Document>,
    /// The paths of each unique index.
    unique: Vec<Vec<String>>,
}

/// What is wrong with a command, and its code.
type Refused = (i32, String);

const DUPLICATE: i32 = 11_000;

impl State {
    /// Lets the next command of a name fail in part: what is given is added to its reply. With
    /// `writeErrors`, it is all that happens.
    pub(super) fn plant(&mut self, command: &str, reply: Document) {
        self.planted.push((command.into(), reply));
    }

    /// The commands since the last time, but for greetings and the like: `find nodes`.
    pub(super) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Runs a command; the reply says what is wrong with it.
    pub(super) fn run(&mut self, command: &Document) -> Document {
        if let Some((name, Bson::String(collection))) = command.iter().next() {
            self.log.push(format!("{name} {collection}"));
        }
        let is_meant = |(name, _): &(String, Document)| command.contains_key(name);
        let planted = self.planted.iter().position(is_meant);
        let planted = planted.map(|place| self.planted.remove(place).1).unwrap_or_default();
        let outcome = match planted.contains_key("writeErrors") {
            true => Ok(doc! { "n": 0, "nModified": 0 }),
            false => self.dispatch(command),
        };
        match outcome {
            Ok(mut reply) => {
                reply.extend(planted);
                reply.insert("ok", 1.0);
                reply
            }
            Err((code, message)) => doc! { "ok": 0.0, "code": code, "errmsg": message },
        }
    }

    fn dispatch(&mut self, command: &Document) -> Result<Document, Refused> {
        let Some((name, target)) = command.iter().next() else { return Err(bad("no command")) };
        let database = command.get_str("$db").unwrap_or_default();
        let namespace = format!("{database}.{}", target.as_str().unwrap_or_default());
        if let Ok(concern) = command.get_document("writeConcern") {
            if !["insert", "update", "delete", "createIndexes", "drop"].contains(&name.as_str()) {
                return Err((72, "Command does not support writeConcern".into()));
            }
            if number(concern, "w").is_some_and(|w| w > 1) {
                return Err(bad("cannot use 'w' > 1 when a host is not replicated"));
            }
        }
        match name.as_str() {
            "hello" | "isMaster" | "ismaster" => Ok(doc! {
                "ismaster": true, "isWritablePrimary": true, "helloOk": true,
                "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 21,
                "readOnly": false,
            }),
            "ping" | "endSessions" => Ok(doc! {}),
            "find" => self.find(&namespace, command),
            "getMore" => self.get_more(command),
            "killCursors" => Ok(doc! {}),
            "count" => self.count(&namespace, command),
            "insert" => self.write(&namespace, command, "documents", Collection::insert_one),
            "update" => self.write(&namespace, command, "updates", Collection::update),
            "delete" => self.write(&namespace, command, "deletes", Collection::delete),
            "drop" => match self.collections.remove(&namespace) {
                Some(_) => Ok(doc! { "ns": namespace }),
                None => Err((26, "ns not found".into())),
            },
            "createIndexes" => self.create_indexes(&namespace, command),
            "listCollections" => Ok(self.list_collections(database)),
            other => Err((59, format!("no such command: {other}"))),
        }
    }

    fn found(&self, namespace: &str, condition: &Document) -> Result<Vec<&Document>, Refused> {
        let mut found = Vec::new();
        for document in self.collections.get(namespace).iter().flat_map(|c| &c.documents) {
            if matches(document, condition).map_err(bad)? {
                found.push(document);
            }
        }
        Ok(found)
    }

    fn find(&mut self, namespace: &str, command: &Document) -> Result<Document, Refused> {
        let empty = Document::new();
        let condition = command.get_document("filter").unwrap_or(&empty);
        let projection = command.get_document("projection").unwrap_or(&empty);
        let found = self.found(namespace, condition)?;
        let mut found: Vec<_> = found.into_iter().map(|each| project(each, projection)).collect();
        let limit = number(command, "limit").filter(|limit| *limit > 0);
        found.truncate(limit.unwrap_or(usize::MAX));
        let first = number(command, "batchSize").unwrap_or(FIRST_BATCH).min(found.len());
        let rest = found.split_off(first);
        let mut cursor = 0;
        if !rest.is_empty() && command.get_bool("singleBatch").ok() != Some(true) {
            self.next_cursor += 1;
            cursor = self.next_cursor;
            self.cursors.insert(cursor, (namespace.into(), rest));
        }
        Ok(doc! { "cursor": { "firstBatch": found, "id": cursor, "ns": namespace } })
    }

    fn get_more(&mut self, command: &Document) -> Result<Document, Refused> {
        let id = command.get_i64("getMore").map_err(|error| bad(error.to_string()))?;
        let (namespace, rest) =
            self.cursors.remove(&id).ok_or((43, "cursor not found".to_owned()))?;
        Ok(doc! { "cursor": { "nextBatch": rest, "id": 0_i64, "ns": namespace } })
    }

    fn count(&self, namespace: &str, command: &Document) -> Result<Document, Refused> {
        let empty = Document::new();
        let condition = command.get_document("query").unwrap_or(&empty);
        let count = self.found(namespace, condition)?.len();
        let limit = number(command, "limit").filter(|limit| *limit > 0);
        Ok(doc! { "n": count.min(limit.unwrap_or(count)) as i64 })
    }

    /// Does each of a list of changes, up to the first that fails.
    fn write(
        &mut self,
        namespace: &str,
        command: &Document,
        list: &str,
        change: fn(&mut Collection, &Document) -> Result<i64, Refused>,
    ) -> Result<Document, Refused> {
        let changes = command.get_array(list).map_err(|error| bad(error.to_string()))?;
        let collection = self.collections.entry(namespace.into()).or_default();
        let mut n = 0;
        for (index, each) in (0_i32..).zip(changes) {
            match change(collection, each.as_document().ok_or_else(|| bad("not a document"))?) {
                Ok(count) => n += count,
                Err((code, message)) => {
                    let error = doc! { "index": index, "code": code, "errmsg": message };
                    return Ok(doc! { "n": n, "writeErrors": [error] });
                }
            }
        }
        Ok(doc! { "n": n, "nModified": n })
    }

    fn create_indexes(&mut self, namespace: &str, command: &Document) -> Result<Document, Refused> {
        let indexes = command.get_array("indexes").map_err(|error| bad(error.to_string()))?;
        let collection = self.collections.entry(namespace.into()).or_default();
        for index in indexes.iter().filter_map(Bson::as_document) {
            let key = index.get_document("key").map_err(|error| bad(error.to_string()))?;
            let paths: Vec<_> = key.keys().cloned().collect();
            if index.get_bool("unique").unwrap_or(false) && !collection.unique.contains(&paths) {
                collection.unique.push(paths);
            }
        }
        Ok(doc! {})
    }
}

impl State {
    /// The names of the collections of a database, in one batch.
    fn list_collections(&self, database: &str) -> Document {
        let inside = format!("{database}.");
        let names = self.collections.keys().filter_map(|name| name.strip_prefix(&inside));
        let list: Vec<_> = names.map(|name| doc! { "name": name, "type": "collection" }).collect();
        let namespace = format!("{database}.$cmd.listCollections");
        doc! { "cursor": { "firstBatch": list, "id": 0_i64, "ns": namespace } }
    }
}

impl Collection {
    fn insert_one(&mut self, document: &Document) -> Result<i64, Refused> {
        let mut new = Document::new();
        let given = document.get("_id").cloned();
        new.insert("_id", given.unwrap_or_else(|| ObjectId::new().into()));
        new.extend(document.clone());
        self.refuse_duplicate(&new, None)?;
        self.documents.push(new);
        Ok(1)
    }

    fn update(&mut self, update: &Document) -> Result<i64, Refused> {
        let wrong = |error: mongodb::bson::error::Error| bad(error.to_string());
        let (condition, change) =
            (update.get_document("q").map_err(wrong)?, update.get_document("u").map_err(wrong)?);
        let is_operators = change.keys().next().is_some_and(|key| key.starts_with('$'));
        let mut count = 0;
        for place in 0..self.documents.len() {
            if !matches(&self.documents[place], condition).map_err(bad)? {
                continue;
            }
            let old = &self.documents[place];
            let new = if is_operators {
                apply(old.clone(), change, false)?
            } else {
                let mut new = doc! { "_id": old.get("_id").cloned() };
                new.extend(change.clone());
                new
            };
            self.refuse_duplicate(&new, Some(place))?;
            self.documents[place] = new;
            count += 1;
            if !update.get_bool("multi").unwrap_or(false) {
                return Ok(count);
            }
        }
        if count > 0 || !update.get_bool("upsert").unwrap_or(false) {
            return Ok(count);
        }
        let new = if is_operators {
            // The fields that the condition compares for equality.
            let is_plain = |value: &Bson| match value {
                Bson::Document(tests) => tests.keys().all(|key| !key.starts_with('$')),
                _ => true,
            };
            let equal = condition.iter().filter(|(_, value)| is_plain(value));
            let seed = equal.map(|(key, value)| (key.clone(), value.clone())).collect();
            apply(seed, change, true)?
        } else {
            change.clone()
        };
        self.insert_one(&new)
    }

    fn delete(&mut self, delete: &Document) -> Result<i64, Refused> {
        let condition = delete.get_document("q").map_err(|error| bad(error.to_string()))?;
        let most = number(delete, "limit").filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let (mut kept, mut count) = (Vec::new(), 0);
        for document in std::mem::take(&mut self.documents) {
            if count < most && matches(&document, condition).map_err(bad)? {
                count += 1;
            } else {
                kept.push(document);
            }
        }
        self.documents = kept;
        Ok(count as i64)
    }

    /// Whether another document has the same values for a unique index, or the same id.
    fn refuse_duplicate(&self, new: &Document, except: Option<usize>) -> Result<(), Refused> {
        let id = vec!["_id".to_owned()];
        for paths in self.unique.iter().chain([&id]) {
            for (place, document) in self.documents.iter().enumerate() {
                let is_same = |path: &String| {
                    let value = |document| at(document, path).unwrap_or(&Bson::Null);
                    order(value(document), value(new)) == Some(Ordering::Equal)
                };
                if Some(place) != except && paths.iter().all(is_same) {
                    return Err((DUPLICATE, format!("E11000 duplicate key: {paths:?}")));
                }
            }
        }
        Ok(())
    }
}

/// Applies the operators of an update.
fn apply(mut document: Document, change: &Document, is_new: bool) -> Result<Document, Refused> {
    for (operator, fields) in change {
        let fields = fields.as_document().ok_or_else(|| bad("fields are expected"))?;
        match operator.as_str() {
            "$set" => document.extend(fields.clone()),
            "$setOnInsert" if is_new => document.extend(fields.clone()),
            "$setOnInsert" => {}
            "$unset" => fields.keys().for_each(|key| drop(document.remove(key))),
            other => return Err(bad(format!("unknown: {other}"))),
        }
    }
    Ok(document)
}

/// The chosen fields of a document.
fn project(document: &Document, projection: &Document) -> Document {
    let is_chosen = |key: &str| match projection.get(key) {
        Some(choice) => order(choice, &Bson::Int32(0)) != Some(Ordering::Equal),
        // Fields are listed either to be taken or to be left out, but for the id.
        None => key == "_id" || projection.keys().all(|key| key == "_id"),
    };
    let is_only_id = projection.len() == 1 && projection.get_i32("_id").ok() == Some(1);
    let fields = document.iter().filter(|(key, _)| is_chosen(key));
    let fields = fields.filter(|(key, _)| !is_only_id || *key == "_id");
    fields.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn number(document: &Document, key: &str) -> Option<usize> {
    match document.get(key)? {
        Bson::Int32(value) => usize::try_from(*value).ok(),
        Bson::Int64(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn bad(message: impl Into<String>) -> Refused {
    (2, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: &mut State, mut command: Document) -> Document {
        command.insert("$db", "d");
        state.run(&command)
    }

    #[test]
    fn unique_indexes_hold_for_inserts_updates_and_upserts() {
        let mut state = State::default();
        let index = doc! { "key": { "id": 1 }, "name": "id", "unique": true };
        run(&mut state, doc! { "createIndexes": "c", "indexes": [index] });
        let insert =
            doc! { "insert": "c", "documents": [{ "id": 1_i64 }, { "id": 2 }, { "id": 1 }] };
        let reply = run(&mut state, insert);
        let error = reply.get_array("writeErrors").unwrap()[0].as_document().unwrap();
        assert_eq!((error.get_i32("index"), error.get_i32("code")).0.unwrap(), 2);
        assert_eq!(error.get_i32("code").unwrap(), DUPLICATE);
        let turn = doc! { "q": { "id": 2 }, "u": { "id": 1 } };
        let reply = run(&mut state, doc! { "update": "c", "updates": [turn] });
        assert!(reply.contains_key("writeErrors"));
        let again = doc! { "q": { "_id": 5, "done": { "$ne": true } }, "u": { "$set": { "done": true } }, "upsert": true };
        let command = doc! { "update": "m", "updates": [again] };
        assert!(!run(&mut state, command.clone()).contains_key("writeErrors"));
        assert!(run(&mut state, command).contains_key("writeErrors"));
    }

    #[test]
    fn a_cursor_gives_the_rest() {
        let mut state = State::default();
        let documents: Vec<_> = (0..150).map(|id| doc! { "id": id }).collect();
        run(&mut state, doc! { "insert": "c", "documents": documents });
        let reply = run(&mut state, doc! { "find": "c", "projection": { "_id": 0 } });
        let cursor = reply.get_document("cursor").unwrap();
        assert_eq!(cursor.get_array("firstBatch").unwrap().len(), FIRST_BATCH);
        let id = cursor.get_i64("id").unwrap();
        let reply = run(&mut state, doc! { "getMore": id, "collection": "c" });
        let rest = reply.get_document("cursor").unwrap().get_array("nextBatch").unwrap();
        assert_eq!(rest.len(), 150 - FIRST_BATCH);
        assert_eq!(rest[0].as_document().unwrap(), &doc! { "id": 101 });
        let reply = run(&mut state, doc! { "count": "c", "query": { "id": { "$lt": 3 } } });
        assert_eq!(reply.get_i64("n").unwrap(), 3);
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        let mut state = State::default();
        let reply = run(&mut state, doc! { "aggregate": "c", "pipeline": [] });
        assert_eq!((reply.get_f64("ok").unwrap(), reply.get_i32("code").unwrap()), (0.0, 59));
    }
}
