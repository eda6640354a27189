//! Many rows as one statement: each column is one parameter, an array.

use postgres::types::ToSql;

use super::rows::{gather, gathered};
use crate::Attrs;
use crate::sql::Column;

/// Columns of many rows, each as one parameter.
#[derive(Default)]
pub(super) struct Given {
    names: Vec<String>,
    types: Vec<(&'static str, &'static str)>,
    arrays: Vec<Box<dyn ToSql + Sync>>,
}

impl Given {
    pub(super) fn push(
        &mut self,
        name: &str,
        kind: (&'static str, &'static str),
        array: Box<dyn ToSql + Sync>,
    ) {
        self.names.push(name.into());
        self.types.push(kind);
        self.arrays.push(array);
    }

    pub(super) fn attribute<'a>(&mut self, column: &Column, rows: impl Iterator<Item = &'a Attrs>) {
        let attr_type = column.attribute.attr_type;
        let array = gather(attr_type, rows, &column.attribute.name);
        let name = column.names.first().map_or("", String::as_str);
        self.push(name, gathered(attr_type), array);
    }

    /// The rows.
    pub(super) fn select(&self) -> String {
        let wanted = self.names.iter().zip(&self.types);
        let wanted: Vec<_> =
            wanted.map(|(name, (_, cast))| format!("{name}{cast} AS {name}")).collect();
        let arrays = (1..).zip(&self.types).map(|(n, (kind, _))| format!("${n}::{kind}[]"));
        format!(
            "SELECT {} FROM unnest({}) AS given({})",
            wanted.join(", "),
            arrays.collect::<Vec<_>>().join(", "),
            self.names.join(", ")
        )
    }

    /// Their insertion.
    pub(super) fn insert(&self, table: &str) -> String {
        format!("INSERT INTO {table} ({}) {}", self.names.join(", "), self.select())
    }

    /// The parameters of either.
    pub(super) fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.arrays.iter().map(|array| &**array).collect()
    }
}
