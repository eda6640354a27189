//! Filters as conditions of MongoDB: documents, never text. Where attributes are in several
//! collections, a condition is about one of them, so a filter is taken apart.

use mongodb::bson::{Bson, Document, doc};

use super::fields::{Fields, bson};
use super::layout::Layout;
use crate::filter::lowered;
use crate::{AttrType, Attrs, Compare, Filter, Owner, Value};

/// The collection that something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// That of nodes or edges.
    Main,
    /// One of attributes, by its place in the layout.
    Aside(usize),
}

/// A filter, taken apart into conditions that are each about one collection, as few as possible.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sieve {
    One { part: Part, condition: Document, holds_without: bool },
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

impl Sieve {
    /// The condition on the documents of nodes or edges themselves, and the others: all must hold.
    pub(super) fn of(filter: &Filter, owner: Owner, layout: &Layout) -> (Document, Vec<Self>) {
        let mut rest = match Self::new(filter, owner, layout) {
            Self::And(sieves) => sieves,
            sieve => vec![sieve],
        };
        let is_main = |sieve: &Self| matches!(sieve, Self::One { part: Part::Main, .. });
        let main = rest.iter().position(is_main).map(|place| rest.remove(place));
        // What asks one collection alone leaves fewer for the others.
        rest.sort_by_key(|sieve| !matches!(sieve, Self::One { holds_without: false, .. }));
        match main {
            Some(Self::One { condition, .. }) => (condition, rest),
            _ => (doc! {}, rest),
        }
    }

    fn new(filter: &Filter, owner: Owner, layout: &Layout) -> Self {
        let (_, main) = layout.main(owner);
        let each = |filters: &[Filter]| -> Vec<Self> {
            filters.iter().map(|filter| Self::new(filter, owner, layout)).collect()
        };
        match filter {
            Filter::And(filters) if !filters.is_empty() => Self::all(each(filters), true),
            Filter::Or(filters) if !filters.is_empty() => Self::all(each(filters), false),
            Filter::Not(inner) => match Self::new(inner, owner, layout) {
                Self::One { part, condition, holds_without } => Self::One {
                    part,
                    condition: doc! { "$nor": [condition] },
                    holds_without: !holds_without,
                },
                other => Self::Not(Box::new(other)),
            },
            Filter::All | Filter::And(_) | Filter::Or(_) => Self::One {
                part: Part::Main,
                condition: condition(filter, main),
                holds_without: filter.matches(&Attrs::new()),
            },
            Filter::Compare { name, .. } | Filter::In { name, .. } | Filter::Present { name } => {
                let aside = layout.aside(owner);
                let place = aside.iter().position(|aside| aside.fields.of(name).is_some());
                let fields = place.and_then(|place| aside.get(place)).map(|aside| &aside.fields);
                Self::One {
                    part: place.map_or(Part::Main, Part::Aside),
                    condition: condition(filter, fields.unwrap_or(main)),
                    holds_without: filter.matches(&Attrs::new()),
                }
            }
        }
    }

    /// All of these, or any; those about the same collection become one.
    fn all(sieves: Vec<Self>, is_and: bool) -> Self {
        let mut joined: Vec<(Part, Vec<Document>, bool)> = Vec::new();
        let mut others = Vec::new();
        let flat = sieves.into_iter().flat_map(|sieve| match sieve {
            Self::And(inner) if is_and => inner,
            Self::Or(inner) if !is_and => inner,
            other => vec![other],
        });
        for sieve in flat {
            match sieve {
                Self::One { part, condition, holds_without } => {
                    match joined.iter_mut().find(|(other, ..)| *other == part) {
                        Some((_, conditions, holds)) => {
                            conditions.push(condition);
                            *holds = if is_and {
                                *holds && holds_without
                            } else {
                                *holds || holds_without
                            };
                        }
                        None => joined.push((part, vec![condition], holds_without)),
                    }
                }
                other => others.push(other),
            }
        }
        let operator = if is_and { "$and" } else { "$or" };
        let joined = joined.into_iter().map(|(part, mut conditions, holds_without)| {
            let condition = match (conditions.pop(), conditions.is_empty()) {
                (Some(only), true) => only,
                (last, _) => {
                    conditions.extend(last);
                    doc! { operator: conditions }
                }
            };
            Self::One { part, condition, holds_without }
        });
        let mut sieves: Vec<_> = joined.chain(others).collect();
        match (sieves.pop(), sieves.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                sieves.extend(last);
                if is_and { Self::And(sieves) } else { Self::Or(sieves) }
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use daisy_geometry::Coordinate;

    use super::*;
    use crate::{Daisy02, Schema};

    #[test]
    fn a_filter_becomes_one_condition_for_each_collection() {
        let collections = [("a".to_owned(), vec!["x".to_owned(), "y".to_owned()])].into();
        let names = Daisy02 { node_attr_collections: collections, ..Daisy02::default() };
        let schema = Schema::new(Coordinate::new([1])).unwrap().any_attrs();
        let layout = Layout::daisy_0_2(&names, &schema).unwrap();
        let has = Filter::present;
        let of = |filter: Filter| Sieve::of(&filter, Owner::Nodes, &layout);
        let some = |name: &str| doc! { name: { "$ne": Bson::Null } };
        let aside = |condition, holds_without| {
            vec![Sieve::One { part: Part::Aside(0), condition, holds_without }]
        };
        let both = (has("x") & has("other")) & (has("y") & Filter::All);
        let condition = doc! { "$and": [some("x"), some("y")] };
        let main = doc! { "$and": [some("other"), {}] };
        assert_eq!(of(both), (main, aside(condition, false)));
        let neither = !(has("x") | has("y"));
        let condition = doc! { "$nor": [{ "$or": [some("x"), some("y")] }] };
        assert_eq!(of(neither), (doc! {}, aside(condition, true)));
        let (main, sieves) = of(has("x") | has("other") | has("y"));
        assert!(main.is_empty());
        assert!(matches!(&*sieves, [Sieve::Or(either)] if either.len() == 2), "{sieves:?}");
        assert_eq!(of(Filter::All), (doc! {}, vec![]));
    }
}
