//! Filters as conditions of MongoDB: documents, never text.

use mongodb::bson::{Bson, Document, doc};

use super::fields::{Fields, bson};
use crate::filter::lowered;
use crate::{AttrType, Compare, Filter, Value};

/// The condition of a filter, which was checked.
pub(super) fn condition(filter: &Filter, fields: &Fields) -> Document {
    let all = |filters: &[Filter]| -> Vec<Document> {
        filters.iter().map(|filter| condition(filter, fields)).collect()
    };
    match filter {
        Filter::All => doc! {},
        Filter::And(filters) if filters.is_empty() => doc! {},
        Filter::Or(filters) if filters.is_empty() => doc! { "$nor": [{}] },
        Filter::And(filters) => doc! { "$and": all(filters) },
        Filter::Or(filters) => doc! { "$or": all(filters) },
        Filter::Not(inner) => doc! { "$nor": [condition(inner, fields)] },
        // What is not there counts as null.
        Filter::Present { name } => on(fields, name, || doc! { "$ne": Bson::Null }),
        Filter::In { name, values } => {
            let values: Vec<_> = values.iter().map(bson).collect();
            on(fields, name, || doc! { "$in": values })
        }
        Filter::Compare { name, op, value } => compare(fields, name, *op, value),
    }
}

fn compare(fields: &Fields, name: &str, op: Compare, value: &Value) -> Document {
    if let Value::U64(bound) = value
        && !matches!(op, Compare::Eq | Compare::Ne)
        && fields.attr_type(name) == Some(AttrType::U64)
    {
        return condition(&lowered::unsigned(name, op, *bound), fields);
    }
    let bound = bson(value);
    on(fields, name, || match op {
        Compare::Eq => doc! { "$eq": bound },
        Compare::Ne => doc! { "$nin": [Bson::Null, bound] },
        Compare::Lt => doc! { "$lt": bound },
        Compare::Le => doc! { "$lte": bound },
        Compare::Gt => doc! { "$gt": bound },
        Compare::Ge => doc! { "$gte": bound },
    })
}

fn on(fields: &Fields, name: &str, test: impl FnOnce() -> Document) -> Document {
    match fields.of(name) {
        Some(field) => doc! { field: test() },
        None => doc! { "$nor": [{}] }, // Not for a filter that was checked.
    }
}
