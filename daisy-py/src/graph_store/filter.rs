//! Filters: `{name: value}`, a value or a list of values; or triples `(name, operator, value)`.

use daisy_graphdb::{AttrType, Compare, Filter, Owner, Schema, Value};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple},
};

use super::value::{any, shown, typed};
use crate::convert::type_name;

/// The filter that a Python value means; none is given by None.
pub(super) fn filter(given: &Bound<'_, PyAny>, schema: &Schema, owner: Owner) -> PyResult<Filter> {
    if given.is_none() {
        return Ok(Filter::All);
    }
    let asker = Asker { schema, owner };
    let mut terms = Vec::new();
    if let Ok(dict) = given.cast::<PyDict>() {
        for (name, value) in dict {
            terms.push(asker.equal(name.extract()?, &value)?);
        }
    } else {
        let wrong = || {
            PyTypeError::new_err(format!(
                "a filter is a {}; give a dict {{name: value}}, or a list of (name, operator, value)",
                type_name(given)
            ))
        };
        for term in given.try_iter().map_err(|_| wrong())? {
            let (name, op, value): (String, String, Bound<'_, PyAny>) =
                term?.extract().map_err(|_| wrong())?;
            terms.push(asker.term(name, &op, &value)?);
        }
    }
    Ok(if terms.len() == 1 { terms.remove(0) } else { Filter::And(terms) })
}

struct Asker<'a> {
    schema: &'a Schema,
    owner: Owner,
}

impl Asker<'_> {
    fn term(&self, name: String, op: &str, value: &Bound<'_, PyAny>) -> PyResult<Filter> {
        let op = match op {
            "==" | "in" => return self.equal(name, value),
            "!=" if value.is_none() => return Ok(Filter::Present { name }),
            "!=" => Compare::Ne,
            "<" => Compare::Lt,
            "<=" => Compare::Le,
            ">" => Compare::Gt,
            ">=" => Compare::Ge,
            other => {
                return Err(PyValueError::new_err(format!(
                    "unknown operator {other:?} in a filter; use one of: == != < <= > >= in"
                )));
            }
        };
        let value = self.value(&name, value)?;
        Ok(Filter::Compare { name, op, value })
    }

    /// The attribute has a value, or one of several, or none.
    fn equal(&self, name: String, value: &Bound<'_, PyAny>) -> PyResult<Filter> {
        if value.is_none() {
            return Ok(!Filter::Present { name });
        }
        let is_several = value.is_instance_of::<PyList>()
            || value.is_instance_of::<PyTuple>()
            || value.is_instance_of::<PySet>()
            || value.is_instance_of::<PyFrozenSet>()
            || value.getattr("ndim").is_ok_and(|dims| dims.extract::<usize>().is_ok_and(|n| n > 0));
        let one = |value: &Bound<'_, PyAny>| self.value(&name, value);
        if !is_several || (self.is_vector(&name) && is_flat(value)?) {
            let value = one(value)?;
            return Ok(Filter::Compare { name, op: Compare::Eq, value });
        }
        let values = value.try_iter()?.map(|value| one(&value?)).collect::<PyResult<_>>()?;
        Ok(Filter::In { name, values })
    }

    fn declared(&self, name: &str) -> Option<AttrType> {
        let found = self.schema.attrs(self.owner).iter().find(|a| &*a.name == name);
        found.map(|attribute| attribute.attr_type)
    }

    fn is_vector(&self, name: &str) -> bool {
        let found = self.declared(name);
        matches!(found, Some(AttrType::I64s(_) | AttrType::U64s(_) | AttrType::F64s(_)))
    }

    fn value(&self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
        let (found, wanted) = match self.declared(name) {
            Some(attr_type) => (typed(value, attr_type), attr_type.to_string()),
            // An unknown name is the store's to refuse.
            None => (any(value), "number, text, bytes or list".to_owned()),
        };
        found.ok_or_else(|| {
            PyTypeError::new_err(format!(
                "the filter compares {name:?} with {}, a {}; give a {wanted}",
                shown(value),
                type_name(value)
            ))
        })
    }
}

/// Whether nothing in a sequence is a sequence itself.
fn is_flat(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let first = value.try_iter()?.next().transpose()?;
    Ok(first.is_none_or(|first| first.try_iter().is_err()))
}
