//! Whether a document meets a condition.

use std::cmp::Ordering;

use mongodb::bson::{Bson, Document};

/// Whether a document meets a condition; an error for an operator that is not known.
pub(super) fn matches(document: &Document, condition: &Document) -> Result<bool, String> {
    for (path, wanted) in condition {
        let holds = match path.as_str() {
            "$and" => each(document, wanted)?.into_iter().all(|holds| holds),
            "$or" => each(document, wanted)?.into_iter().any(|holds| holds),
            "$nor" => !each(document, wanted)?.into_iter().any(|holds| holds),
            operator if operator.starts_with('$') => return Err(format!("unknown: {operator}")),
            path => {
                let found = at(document, path);
                match wanted {
                    Bson::Document(tests) if is_operators(tests) => meets(found, tests)?,
                    value => equals(found, value),
                }
            }
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What lies at a path: fields of documents, places of arrays.
pub(super) fn at<'a>(document: &'a Document, path: &str) -> Option<&'a Bson> {
    let mut steps = path.split('.');
    let mut found = document.get(steps.next()?)?;
    for step in steps {
        found = match found {
            Bson::Document(document) => document.get(step)?,
            Bson::Array(list) => list.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(found)
}

fn each(document: &Document, conditions: &Bson) -> Result<Vec<bool>, String> {
    let conditions = conditions.as_array().ok_or("a list of conditions is expected")?;
    let one = |condition: &Bson| {
        matches(document, condition.as_document().ok_or("a condition is a document")?)
    };
    conditions.iter().map(one).collect()
}

fn is_operators(tests: &Document) -> bool {
    tests.keys().next().is_some_and(|key| key.starts_with('$'))
}

fn meets(found: Option<&Bson>, tests: &Document) -> Result<bool, String> {
    for (operator, wanted) in tests {
        let list = || wanted.as_array().ok_or("a list of values is expected".to_owned());
        let holds = match operator.as_str() {
            "$eq" => equals(found, wanted),
            "$ne" => !equals(found, wanted),
            "$in" => list()?.iter().any(|value| equals(found, value)),
            "$nin" => !list()?.iter().any(|value| equals(found, value)),
            "$lt" => compares(found, wanted, Ordering::is_lt),
            "$lte" => compares(found, wanted, Ordering::is_le),
            "$gt" => compares(found, wanted, Ordering::is_gt),
            "$gte" => compares(found, wanted, Ordering::is_ge),
            other => return Err(format!("unknown: {other}")),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A value, and if it is an array, each of its elements.
fn candidates(found: &Bson) -> impl Iterator<Item = &Bson> {
    let elements = found.as_array().into_iter().flatten();
    std::iter::once(found).chain(elements)
}

/// What is not there equals null.
fn equals(found: Option<&Bson>, wanted: &Bson) -> bool {
    match found {
        None => *wanted == Bson::Null,
        Some(found) => candidates(found).any(|value| order(value, wanted) == Some(Ordering::Equal)),
    }
}

fn compares(found: Option<&Bson>, wanted: &Bson, holds: fn(Ordering) -> bool) -> bool {
    let found = found.into_iter().flat_map(candidates);
    found.filter_map(|value| order(value, wanted)).any(holds)
}

/// The order of two values of one kind; only equality for arrays and documents.
pub(super) fn order(a: &Bson, b: &Bson) -> Option<Ordering> {
    match (a, b) {
        (Bson::String(a), Bson::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Bson::Boolean(a), Bson::Boolean(b)) => Some(a.cmp(b)),
        (Bson::Double(a), b) => a.partial_cmp(&float(b)?),
        (a, Bson::Double(b)) => float(a)?.partial_cmp(b),
        (Bson::Array(x), Bson::Array(y)) => {
            let same = |(x, y)| order(x, y) == Some(Ordering::Equal);
            (x.len() == y.len() && x.iter().zip(y).all(same)).then_some(Ordering::Equal)
        }
        (a, b) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => (a == b).then_some(Ordering::Equal),
        },
    }
}

fn whole(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(value) => Some((*value).into()),
        Bson::Int64(value) => Some(*value),
        _ => None,
    }
}

fn float(value: &Bson) -> Option<f64> {
    match value {
        Bson::Double(value) => Some(*value),
        other => whole(other).map(|value| value as f64),
    }
}

#[test]
fn conditions_mean_what_the_manual_says() {
    use mongodb::bson::doc;

    let document = doc! {
        "id": 7_i64, "position": [1.5, -2.0], "name": "O'Brien", "null": Bson::Null,
        "_id": { "task": "t", "block": 3_i64 },
    };
    let holds = |condition: Document| matches(&document, &condition).unwrap();
    assert!(holds(doc! { "id": 7 }) && holds(doc! { "id": 7.0 }) && !holds(doc! { "id": "7" }));
    assert!(holds(doc! { "position.1": { "$gte": -2.0, "$lt": 0 } }));
    assert!(!holds(doc! { "position.2": { "$gte": -2.0 } }));
    assert!(holds(doc! { "position": 1.5 }) && holds(doc! { "position": [1.5, -2.0] }));
    assert!(holds(doc! { "_id.task": "t", "_id.block": { "$in": [3] } }));
    assert!(holds(doc! { "_id": { "task": "t", "block": 3_i64 } }));
    // What is not there is null, and compares with nothing.
    assert!(holds(doc! { "none": Bson::Null }) && !holds(doc! { "none": { "$ne": Bson::Null } }));
    assert!(holds(doc! { "none": { "$nin": [1] } }) && !holds(doc! { "none": { "$lt": 1 } }));
    assert!(!holds(doc! { "name": { "$lt": 1 } }) && holds(doc! { "name": { "$lt": "P" } }));
    assert!(holds(doc! { "$nor": [{ "id": 8 }], "$or": [{ "id": 8 }, { "id": 7 }] }));
    assert!(!holds(doc! { "$nor": [{}] }) && holds(doc! { "$and": [{}] }));
    assert!(matches(&document, &doc! { "id": { "$near": 1 } }).is_err());
    assert!(matches(&document, &doc! { "$where": "true" }).is_err());
}
