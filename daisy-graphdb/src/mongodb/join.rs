//! Attributes that are in collections of their own: asked for by the ids of nodes or the ends of
//! edges, in one question for each collection and some thousand ids.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use mongodb::bson::{Bson, Document, doc};

use super::fields::whole;
use super::filter::{Part, Sieve};
use super::layout::{Aside, Layout};
use super::session::MongoSession;
use crate::engine::Chosen;
use crate::{Attrs, GraphError, NodeId, Owner};

/// Nodes or edges that one question is about. Their ids take 16 bytes at most, and two of them 32:
/// far below the limit of a document, 2^24 bytes.
pub(super) const JOINED: usize = 10_000;

/// What names a node or an edge in every collection.
pub(super) trait Key: Copy + Eq + Hash {
    const OWNER: Owner;

    /// The fields that hold it.
    fn fields(layout: &Layout) -> Vec<&str>;

    /// The condition that some of these meet; others may, too.
    fn among(keys: &[Self], layout: &Layout) -> Document;

    fn read(document: &Document, layout: &Layout) -> Result<Self, GraphError>;

    /// The condition that only this one meets, and the beginning of its documents.
    fn document(self, layout: &Layout) -> Document;

    /// Conditions that these meet and no others.
    fn exactly(keys: &[Self], layout: &Layout) -> Vec<Document>;
}

impl Key for NodeId {
    const OWNER: Owner = Owner::Nodes;

    fn fields(_: &Layout) -> Vec<&str> {
        vec!["id"]
    }

    fn among(keys: &[Self], _: &Layout) -> Document {
        doc! { "id": { "$in": bits(keys.iter().copied()) } }
    }

    fn read(document: &Document, _: &Layout) -> Result<Self, GraphError> {
        id(document, "id")
    }

    fn document(self, _: &Layout) -> Document {
        doc! { "id": self.to_bits() }
    }

    fn exactly(keys: &[Self], layout: &Layout) -> Vec<Document> {
        if keys.is_empty() { Vec::new() } else { vec![Self::among(keys, layout)] }
    }
}

impl Key for (NodeId, NodeId) {
    const OWNER: Owner = Owner::Edges;

    fn fields(layout: &Layout) -> Vec<&str> {
        vec![&layout.u, &layout.v]
    }

    fn among(keys: &[Self], layout: &Layout) -> Document {
        let firsts: BTreeSet<_> = keys.iter().map(|(u, _)| *u).collect();
        let seconds: BTreeSet<_> = keys.iter().map(|(_, v)| *v).collect();
        doc! { &layout.u: { "$in": bits(firsts) }, &layout.v: { "$in": bits(seconds) } }
    }

    fn read(document: &Document, layout: &Layout) -> Result<Self, GraphError> {
        Ok((id(document, &layout.u)?, id(document, &layout.v)?))
    }

    fn document(self, layout: &Layout) -> Document {
        let (u, v) = self;
        doc! { &layout.u: u.to_bits(), &layout.v: v.to_bits() }
    }

    fn exactly(keys: &[Self], layout: &Layout) -> Vec<Document> {
        keys.iter().map(|key| key.document(layout)).collect()
    }
}

pub(super) fn bits(ids: impl IntoIterator<Item = NodeId>) -> Vec<i64> {
    ids.into_iter().map(NodeId::to_bits).collect()
}

fn id(document: &Document, field: &str) -> Result<NodeId, GraphError> {
    whole(document.get(field).unwrap_or(&Bson::Null)).map(NodeId::from_bits)
}

/// What is asked of the collections of attributes.
pub(super) struct Join<'a> {
    /// What must hold beside the condition on nodes or edges themselves.
    pub(super) sieves: Vec<Sieve>,
    pub(super) chosen: &'a Chosen,
}

impl MongoSession<'_> {
    /// Whether anything is asked of the collections of attributes.
    pub(super) fn joins<K: Key>(&self, join: &Join<'_>) -> bool {
        let is_read = |aside: &Aside| !fields_of(aside, join.chosen).is_empty();
        !join.sieves.is_empty() || self.layout.aside(K::OWNER).iter().any(is_read)
    }

    /// Those of some nodes or edges that pass, and their attributes that are aside.
    pub(super) fn gather<K: Key>(
        &self,
        keys: &[K],
        join: &Join<'_>,
    ) -> Result<HashMap<K, Attrs>, GraphError> {
        let mut gathered = HashMap::with_capacity(keys.len());
        for keys in keys.chunks(JOINED) {
            self.gather_some(keys.to_vec(), join, &mut gathered)?;
        }
        Ok(gathered)
    }

    /// Leaves out those nodes or edges that do not pass.
    pub(super) fn sift<K: Key>(
        &self,
        keys: &mut Vec<K>,
        join: &Join<'_>,
    ) -> Result<(), GraphError> {
        if !join.sieves.is_empty() {
            let passed = self.gather(keys, join)?;
            keys.retain(|key| passed.contains_key(key));
        }
        Ok(())
    }

    fn gather_some<K: Key>(
        &self,
        mut keys: Vec<K>,
        join: &Join<'_>,
        gathered: &mut HashMap<K, Attrs>,
    ) -> Result<(), GraphError> {
        let asides = self.layout.aside(K::OWNER);
        let mut found: Vec<Option<HashMap<K, Attrs>>> = vec![None; asides.len()];
        for sieve in &join.sieves {
            match sieve {
                // One question tells who passes, and the attributes.
                Sieve::One { part: Part::Aside(place), condition, holds_without: false } => {
                    let Some(aside) = asides.get(*place) else { continue };
                    let passed = self.attrs_aside(aside, &keys, condition, join.chosen)?;
                    keys.retain(|key| passed.contains_key(key));
                    if let Some(found) = found.get_mut(*place) {
                        *found = Some(passed);
                    }
                }
                sieve => {
                    let passed = self.passing(sieve, &keys)?;
                    keys.retain(|key| passed.contains(key));
                }
            }
        }
        for (aside, found) in asides.iter().zip(&mut found) {
            if found.is_none() && !fields_of(aside, join.chosen).is_empty() {
                *found = Some(self.attrs_aside(aside, &keys, &doc! {}, join.chosen)?);
            }
        }
        for key in keys {
            let attrs: &mut Attrs = gathered.entry(key).or_default();
            for found in found.iter_mut().flatten().filter_map(|found| found.remove(&key)) {
                attrs.append(found);
            }
        }
        Ok(())
    }

    /// The chosen attributes of those who have a document in a collection that meets a condition.
    fn attrs_aside<K: Key>(
        &self,
        aside: &Aside,
        keys: &[K],
        condition: &Document,
        chosen: &Chosen,
    ) -> Result<HashMap<K, Attrs>, GraphError> {
        let mut found = HashMap::new();
        let wanted = (aside.collection.as_str(), &*fields_of(aside, chosen));
        self.find_among(wanted, keys, condition, |document| {
            found.insert(K::read(document, self.layout)?, aside.fields.read(chosen, document)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Those of some nodes or edges that pass.
    fn passing<K: Key>(&self, sieve: &Sieve, keys: &[K]) -> Result<HashSet<K>, GraphError> {
        let mut left: Vec<K> = keys.to_vec();
        match sieve {
            Sieve::One { part, condition, holds_without } => {
                let collection = match part {
                    Part::Main => self.layout.main(K::OWNER).0,
                    Part::Aside(place) => {
                        self.layout.aside(K::OWNER).get(*place).map_or("", |a| &a.collection)
                    }
                };
                // Those without a document are not found, so the others are asked for.
                let turned = doc! { "$nor": [condition] };
                let asked = if *holds_without { &turned } else { condition };
                let mut found = HashSet::new();
                self.find_among((collection, &[]), keys, asked, |document| {
                    found.insert(K::read(document, self.layout)?);
                    Ok(())
                })?;
                left.retain(|key| found.contains(key) != *holds_without);
            }
            Sieve::And(sieves) => {
                for sieve in sieves {
                    let passed = self.passing(sieve, &left)?;
                    left.retain(|key| passed.contains(key));
                }
            }
            Sieve::Or(sieves) => {
                let mut failed = left.clone();
                for sieve in sieves {
                    let passed = self.passing(sieve, &failed)?;
                    failed.retain(|key| !passed.contains(key));
                }
                let failed: HashSet<_> = failed.into_iter().collect();
                left.retain(|key| !failed.contains(key));
            }
            Sieve::Not(inner) => {
                let passed = self.passing(inner, &left)?;
                left.retain(|key| !passed.contains(key));
            }
        }
        Ok(left.into_iter().collect())
    }

    /// Fields of the documents of some nodes or edges that meet a condition, and perhaps of others.
    fn find_among<K: Key>(
        &self,
        (collection, fields): (&str, &[&str]),
        keys: &[K],
        condition: &Document,
        mut each: impl FnMut(&Document) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut projection = doc! { "_id": 0 };
        for field in K::fields(self.layout).iter().chain(fields) {
            projection.insert(*field, 1);
        }
        let among = K::among(keys, self.layout);
        let filter = if condition.is_empty() {
            among
        } else {
            doc! { "$and": [among, condition] }
        };
        self.find(collection, filter, projection, |document| each(&document))
    }
}

/// The fields of the chosen attributes that are in a collection.
fn fields_of<'a>(aside: &'a Aside, chosen: &'a Chosen) -> Vec<&'a str> {
    let fields = aside.fields.chosen(chosen).unwrap_or_default();
    fields.into_iter().map(|(_, field)| field).collect()
}
