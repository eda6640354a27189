//! Attributes as fields of documents: those that a schema declares, or whatever there is.

use std::sync::Arc;

use mongodb::bson::{Binary, Bson, Document, spec::BinarySubtype};

use crate::engine::Chosen;
use crate::value::whole_number;
use crate::{AttrType, Attribute, Attrs, GraphError, Nested, Value};

/// The attributes of nodes or of edges that are in one collection, and the fields that hold them.
#[derive(Clone, Debug)]
pub(super) enum Fields {
    /// Those of the schema, in its order; none at the places of those that are elsewhere.
    Declared(Vec<Option<(Attribute, String)>>),
    /// Whatever documents have, under its own name.
    Any {
        /// Fields that are something else.
        taken: Vec<String>,
        /// Attributes that are in collections of their own.
        elsewhere: Vec<String>,
    },
    /// Of whatever there is, what has one of these names.
    Named(Vec<String>),
}

impl Fields {
    fn declared(&self) -> impl Iterator<Item = &(Attribute, String)> {
        let fields = if let Self::Declared(fields) = self { fields.as_slice() } else { &[] };
        fields.iter().flatten()
    }

    fn at<'a>(&'a self, chosen: &'a Chosen) -> impl Iterator<Item = &'a (Attribute, String)> {
        let fields = if let Self::Declared(fields) = self { fields.as_slice() } else { &[] };
        chosen.places().iter().filter_map(|place| fields.get(*place)?.as_ref())
    }

    /// The field that a filter means by a name; none if it is not in this collection.
    pub(super) fn of<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        match self {
            Self::Declared(_) => {
                let found = self.declared().find(|(attribute, _)| &*attribute.name == name);
                found.map(|(_, field)| field.as_str())
            }
            Self::Any { elsewhere, .. } => Some(name).filter(|_| !is_one_of(name, elsewhere)),
            Self::Named(names) => Some(name).filter(|_| is_one_of(name, names)),
        }
    }

    /// Whether there can be an attribute of this name in this collection.
    fn has(&self, name: &str) -> bool {
        let is_taken = matches!(self, Self::Any { taken, .. } if is_one_of(name, taken));
        !is_taken && self.of(name).is_some()
    }

    /// The declared type of an attribute.
    pub(super) fn attr_type(&self, name: &str) -> Option<AttrType> {
        let found = self.declared().find(|(attribute, _)| &*attribute.name == name);
        found.map(|(attribute, _)| attribute.attr_type)
    }

    /// Whether an attribute cannot have this name.
    pub(super) fn refuses(&self, name: &str) -> bool {
        is_odd(name) || matches!(self, Self::Any { taken, .. } if is_one_of(name, taken))
    }

    /// The names of chosen attributes and their fields; none if all are chosen, whatever they are.
    pub(super) fn chosen<'a>(&'a self, chosen: &'a Chosen) -> Option<Vec<(&'a str, &'a str)>> {
        let same = |name: &'a String| (name.as_str(), name.as_str());
        match (self, chosen) {
            (Self::Declared(_), chosen) => {
                Some(self.at(chosen).map(|(a, field)| (&*a.name, field.as_str())).collect())
            }
            (Self::Any { .. }, Chosen::All) => None,
            (Self::Named(names), Chosen::All) => Some(names.iter().map(same).collect()),
            (Self::Any { .. } | Self::Named(_), Chosen::Names(names)) => {
                Some(names.iter().filter(|name| self.has(name)).map(same).collect())
            }
            (Self::Any { .. } | Self::Named(_), Chosen::Places(_)) => Some(Vec::new()),
        }
    }

    /// The fields of attributes that have a value.
    pub(super) fn write(&self, attrs: &Attrs) -> Document {
        match self {
            Self::Declared(_) => self
                .declared()
                .filter_map(|(a, field)| Some((field.clone(), bson(attrs.value(&a.name)?))))
                .collect(),
            Self::Any { .. } | Self::Named(_) => {
                let here = attrs.iter().filter(|(name, _)| self.has(name));
                here.map(|(name, value)| (name.into(), bson(value))).collect()
            }
        }
    }

    /// The chosen attributes of a document.
    pub(super) fn read(&self, chosen: &Chosen, document: &Document) -> Result<Attrs, GraphError> {
        let mut attrs = Attrs::new();
        for (attribute, field) in self.at(chosen) {
            match document.get(field) {
                None | Some(Bson::Null) => {}
                Some(stored) => {
                    let value = value(attribute.attr_type, stored);
                    attrs.push(&attribute.name, value.map_err(naming(&attribute.name))?);
                }
            }
        }
        if matches!(self, Self::Declared(_)) {
            return Ok(attrs);
        }
        for (name, stored) in document {
            let is_chosen = match chosen {
                Chosen::All => true,
                Chosen::Names(names) => names.contains(name),
                Chosen::Places(_) => false,
            };
            if is_chosen && *stored != Bson::Null && self.has(name) {
                let value = any_value(stored).map_err(naming(name))?;
                attrs.set_shared(&Arc::from(name.as_str()), value);
            }
        }
        Ok(attrs)
    }
}

fn is_one_of(name: &str, names: &[String]) -> bool {
    names.iter().any(|other| other == name)
}

/// Whether no field can have this name.
pub(super) fn is_odd(name: &str) -> bool {
    name.is_empty() || name.starts_with('$') || name.contains(['.', '\0'])
}

/// A value as it is stored.
pub(super) fn bson(value: &Value) -> Bson {
    let list = |values: Vec<Bson>| Bson::Array(values);
    match value {
        Value::Bool(value) => Bson::Boolean(*value),
        Value::I64(value) => Bson::Int64(*value),
        Value::U64(value) => Bson::Int64(value.cast_signed()),
        Value::F64(value) => Bson::Double(*value),
        Value::Text(text) => Bson::String(text.clone()),
        Value::Bytes(bytes) => {
            Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.clone() })
        }
        Value::I64s(values) => list(values.iter().map(|value| Bson::Int64(*value)).collect()),
        Value::U64s(values) => {
            list(values.iter().map(|value| Bson::Int64(value.cast_signed())).collect())
        }
        Value::F64s(values) => list(values.iter().map(|value| Bson::Double(*value)).collect()),
        Value::Nested(nested) => nested_bson(nested),
    }
}

fn nested_bson(nested: &Nested) -> Bson {
    match nested {
        Nested::Null => Bson::Null,
        Nested::Value(value) => bson(value),
        Nested::List(list) => Bson::Array(list.iter().map(nested_bson).collect()),
        Nested::Map(map) => {
            let fields = map.iter().map(|(name, value)| (name.clone(), nested_bson(value)));
            Bson::Document(fields.collect())
        }
    }
}

/// A value of a declared type.
fn value(attr_type: AttrType, stored: &Bson) -> Result<Value, GraphError> {
    let unsigned = |stored: &Bson| whole(stored).map(i64::cast_unsigned);
    Ok(match (attr_type, stored) {
        (AttrType::Bool, Bson::Boolean(value)) => Value::Bool(*value),
        (AttrType::I64, stored) => Value::I64(whole(stored)?),
        (AttrType::U64, stored) => Value::U64(unsigned(stored)?),
        (AttrType::F64, stored) => Value::F64(number(stored)?),
        (AttrType::Text, Bson::String(text)) => Value::Text(text.clone()),
        (AttrType::Bytes, Bson::Binary(binary)) => Value::Bytes(binary.bytes.clone()),
        (AttrType::I64s(len), Bson::Array(list)) if list.len() == len as usize => {
            Value::I64s(list.iter().map(whole).collect::<Result<_, _>>()?)
        }
        (AttrType::U64s(len), Bson::Array(list)) if list.len() == len as usize => {
            Value::U64s(list.iter().map(unsigned).collect::<Result<_, _>>()?)
        }
        (AttrType::F64s(len), Bson::Array(list)) if list.len() == len as usize => {
            Value::F64s(list.iter().map(number).collect::<Result<_, _>>()?)
        }
        (_, stored) => return Err(corrupt(stored)),
    })
}

/// A value of whatever type it is stored with.
fn any_value(stored: &Bson) -> Result<Value, GraphError> {
    Ok(match stored {
        Bson::Boolean(value) => Value::Bool(*value),
        Bson::Int32(value) => Value::I64((*value).into()),
        Bson::Int64(value) => Value::I64(*value),
        Bson::Double(value) => Value::F64(*value),
        Bson::String(text) => Value::Text(text.clone()),
        Bson::Binary(binary) => Value::Bytes(binary.bytes.clone()),
        Bson::Array(list) if list.iter().all(is_whole) && !list.is_empty() => {
            Value::I64s(list.iter().map(whole).collect::<Result<_, _>>()?)
        }
        Bson::Array(list) if list.iter().all(|e| matches!(e, Bson::Double(_))) => {
            Value::F64s(list.iter().map(number).collect::<Result<_, _>>()?)
        }
        Bson::Array(_) | Bson::Document(_) => Value::Nested(nested(stored)?),
        other => return Err(corrupt(other)),
    })
}

fn nested(stored: &Bson) -> Result<Nested, GraphError> {
    Ok(match stored {
        Bson::Null => Nested::Null,
        Bson::Array(list) => Nested::List(list.iter().map(nested).collect::<Result<_, _>>()?),
        Bson::Document(document) => {
            let fields = document.iter().map(|(name, value)| Ok((name.clone(), nested(value)?)));
            Nested::Map(fields.collect::<Result<_, GraphError>>()?)
        }
        plain => Nested::Value(Box::new(any_value(plain)?)),
    })
}

fn is_whole(stored: &Bson) -> bool {
    matches!(stored, Bson::Int32(_) | Bson::Int64(_))
}

/// A whole number; drivers of other languages store small ones as `Int32`, and Python's `2.0` as
/// such.
pub(super) fn whole(stored: &Bson) -> Result<i64, GraphError> {
    match stored {
        Bson::Int64(value) => Ok(*value),
        Bson::Int32(value) => Ok((*value).into()),
        Bson::Double(value) => whole_number(*value).ok_or_else(|| corrupt(stored)),
        other => Err(corrupt(other)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers that other programs stored")]
pub(super) fn number(stored: &Bson) -> Result<f64, GraphError> {
    match stored {
        Bson::Double(value) => Ok(*value),
        other => whole(other).map(|value| value as f64),
    }
}

fn corrupt(stored: &Bson) -> GraphError {
    let kind = stored.element_type();
    GraphError::Corrupt { what: format!("a value of type {kind:?} that does not fit") }
}

/// Says which attribute has the value that does not fit.
fn naming(name: &str) -> impl FnOnce(GraphError) -> GraphError {
    move |error| match error {
        GraphError::Corrupt { what } => {
            GraphError::Corrupt { what: format!("{what} the attribute {name:?}") }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn attributes_that_are_not_declared_come_back_as_they_are_stored() {
        let taken = vec!["id".into(), "position".into()];
        let fields = Fields::Any { taken, elsewhere: vec![] };
        let stored = doc! {
            "id": 1_i64, "position": [0.5], "size": 3, "name": "a", "ok": true, "gone": Bson::Null,
            "axis": [1.5, 2.5], "labels": [1, 2_i64], "mixed": [1, "b", Bson::Null],
            "empty": [], "tree": { "b": [1], "a": { "x": 1.0 } },
        };
        let attrs = fields.read(&Chosen::All, &stored).unwrap();
        assert_eq!(attrs.value("size"), Some(&Value::I64(3)));
        assert_eq!(attrs.value("axis"), Some(&Value::F64s(vec![1.5, 2.5])));
        assert_eq!(attrs.value("labels"), Some(&Value::I64s(vec![1, 2])));
        assert_eq!(
            (attrs.value("id"), attrs.value("position"), attrs.value("gone")),
            Default::default()
        );
        let again = fields.write(&attrs);
        for name in ["name", "ok", "axis", "mixed", "tree"] {
            let (before, after) = (stored.get(name).cloned(), again.get(name).cloned());
            let small = |value: &Bson| matches!(value, Bson::Int32(_));
            if before.as_ref().is_some_and(|b| !format!("{b:?}").contains("Int32") && !small(b)) {
                assert_eq!(before, after, "{name}");
            }
        }
        assert_eq!(fields.read(&Chosen::All, &again).unwrap(), attrs);
        let some = Chosen::Names(vec!["name".into(), "none".into()]);
        assert_eq!(fields.read(&some, &stored).unwrap(), Attrs::new().with("name", "a"));
    }

    #[test]
    fn what_is_no_value_here_is_an_error_that_names_the_attribute() {
        let fields = Fields::Any { taken: vec![], elsewhere: vec![] };
        let stored = doc! { "when": mongodb::bson::DateTime::MIN };
        let error = fields.read(&Chosen::All, &stored).unwrap_err();
        assert!(error.to_string().contains("\"when\""), "{error}");
        assert!(fields.read(&Chosen::Names(vec![]), &stored).unwrap().is_empty());
    }

    #[test]
    fn names_that_a_document_cannot_have_are_refused() {
        let fields = Fields::Any { taken: vec!["id".into()], elsewhere: vec![] };
        for name in ["", "$gt", "a.b", "id", "a\0"] {
            assert!(fields.refuses(name), "{name:?}");
        }
        assert!(!fields.refuses("it's \"ä\""));
    }

    #[test]
    fn attributes_are_in_one_collection_and_keys_are_none() {
        let all = doc! { "id": 1, "size": 2, "name": "a" };
        let main = Fields::Any { taken: vec!["id".into()], elsewhere: vec!["size".into()] };
        let aside = Fields::Named(vec!["size".into()]);
        let read = |fields: &Fields| fields.read(&Chosen::All, &all).unwrap();
        assert_eq!(read(&main), Attrs::new().with("name", "a"));
        assert_eq!(read(&aside), Attrs::new().with("size", 2_i64));
        let both = Attrs::new().with("name", "a").with("size", 2_i64);
        assert_eq!(
            (main.write(&both), aside.write(&both)),
            (doc! { "name": "a" }, doc! { "size": 2_i64 })
        );
        let names = Chosen::Names(vec!["id".into(), "size".into()]);
        assert_eq!(main.chosen(&names), Some(vec![]));
        assert_eq!(aside.chosen(&names), Some(vec![("size", "size")]));
    }
}
