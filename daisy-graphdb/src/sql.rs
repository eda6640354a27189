//! What the two SQL databases share: columns for attributes, and statements that are put together
//! from fixed text, names of columns and numbered parameters. Values are always parameters.

use crate::filter::lowered;
use crate::names::field;
use crate::position::Bounds;
use crate::{AttrType, Attribute, Compare, Filter, Value};

/// Where an attribute is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) attribute: Attribute,
    /// Quoted: one, or one for each element of a vector.
    pub(crate) names: Vec<String>,
}

impl Column {
    /// The columns of attributes in tables of our own. Names that are plain are kept, so that
    /// people can read the tables; others are replaced by their number.
    pub(crate) fn of(attributes: &[Attribute]) -> Vec<Self> {
        let column = |(place, attribute): (usize, &Attribute)| Self {
            attribute: attribute.clone(),
            names: vec![quoted(&field(place, attribute))],
        };
        attributes.iter().enumerate().map(column).collect()
    }

    /// Its first name: of a vector that is spread over columns, all are null or none is.
    fn first(&self) -> &str {
        self.names.first().map_or("NULL", String::as_str)
    }
}

/// The columns of the attributes at some places of the schema.
pub(crate) fn chosen<'a>(columns: &'a [Column], places: &[usize]) -> Vec<&'a Column> {
    places.iter().filter_map(|place| columns.get(*place)).collect()
}

/// What is selected: the columns that come first, and those of attributes.
pub(crate) fn wanted<'a>(
    first: impl IntoIterator<Item = &'a str>,
    attributes: &[&'a Column],
) -> String {
    let names = attributes.iter().flat_map(|column| &column.names).map(String::as_str);
    first.into_iter().chain(names).collect::<Vec<_>>().join(", ")
}

/// A name between quotes, whatever it holds.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A statement and its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    /// Without `U64` and `U64s`: those are stored as the signed numbers of the same bits.
    pub(crate) params: Vec<Value>,
    mark: char,
}

impl Statement {
    /// A statement that begins so; parameters are marked with `mark` and their number.
    pub(crate) fn new(mark: char, text: impl Into<String>) -> Self {
        Self { text: text.into(), params: Vec::new(), mark }
    }

    /// Appends fixed text or names of columns.
    pub(crate) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Appends a parameter.
    pub(crate) fn bind(mut self, value: Value) -> Self {
        self.params.push(stored(value));
        self.text.push(self.mark);
        self.text.push_str(&self.params.len().to_string());
        self
    }

    /// Appends a list of things, each made by a function.
    pub(crate) fn list<T>(
        mut self,
        items: impl IntoIterator<Item = T>,
        between: &str,
        mut each: impl FnMut(Self, T) -> Self,
    ) -> Self {
        for (place, item) in items.into_iter().enumerate() {
            if place > 0 {
                self.text.push_str(between);
            }
            self = each(self, item);
        }
        self
    }

    /// Appends the test whether a position lies in a ROI.
    pub(crate) fn inside(self, positions: &[String], bounds: &Bounds) -> Self {
        self.list(
            positions.iter().zip(bounds.axes()),
            " AND ",
            |statement, (name, (begin, end))| {
                let statement = statement.push(name).push(" >= ").bind(Value::F64(begin));
                statement.push(" AND ").push(name).push(" < ").bind(Value::F64(end))
            },
        )
    }

    /// Appends a filter, which was checked. It is true or false, never null.
    pub(crate) fn filter(self, filter: &Filter, columns: &[Column]) -> Self {
        match filter {
            Filter::All => self.push("(1 = 1)"),
            Filter::And(all) if all.is_empty() => self.push("(1 = 1)"),
            Filter::Or(any) if any.is_empty() => self.push("(1 = 0)"),
            Filter::And(all) => {
                self.push("(").list(all, " AND ", |s, each| s.filter(each, columns)).push(")")
            }
            Filter::Or(any) => {
                self.push("(").list(any, " OR ", |s, each| s.filter(each, columns)).push(")")
            }
            Filter::Not(inner) => self.push("(NOT ").filter(inner, columns).push(")"),
            Filter::Present { name } => {
                self.on(columns, name, |s, column| s.push(column.first()).push(" IS NOT NULL"))
            }
            Filter::In { name, values } if values.is_empty() => {
                self.on(columns, name, |s, _| s.push("1 = 0"))
            }
            Filter::In { name, values } => self.present_and(columns, name, |s, column| {
                if let [only] = &*column.names {
                    let s = s.push(only).push(" IN (");
                    return s.list(values, ", ", |s, value| s.bind(value.clone())).push(")");
                }
                s.push("(").list(values, " OR ", |s, value| s.equal(column, value)).push(")")
            }),
            Filter::Compare { name, op, value } => self.compare(columns, name, *op, value),
        }
    }

    fn compare(self, columns: &[Column], name: &str, op: Compare, value: &Value) -> Self {
        if let Value::U64(bound) = value {
            let is_lowered = columns.iter().any(|column| {
                &*column.attribute.name == name && column.attribute.attr_type == AttrType::U64
            });
            if is_lowered && !matches!(op, Compare::Eq | Compare::Ne) {
                return self.filter(&lowered::unsigned(name, op, *bound), columns);
            }
        }
        self.present_and(columns, name, |s, column| match op {
            Compare::Eq => s.equal(column, value),
            Compare::Ne => s.push("NOT (").equal(column, value).push(")"),
            _ => s.push(column.first()).push(symbol(op)).bind(value.clone()),
        })
    }

    /// Appends the test for equality of all elements.
    fn equal(self, column: &Column, value: &Value) -> Self {
        let elements = if column.names.len() == 1 { vec![value.clone()] } else { elements(value) };
        self.list(column.names.iter().zip(elements), " AND ", |s, (name, element)| {
            s.push(name).push(" = ").bind(element)
        })
    }

    fn present_and(
        self,
        columns: &[Column],
        name: &str,
        test: impl FnOnce(Self, &Column) -> Self,
    ) -> Self {
        self.on(columns, name, |s, column| {
            test(s.push(column.first()).push(" IS NOT NULL AND "), column)
        })
    }

    /// Appends a test of one column, between brackets.
    fn on(self, columns: &[Column], name: &str, test: impl FnOnce(Self, &Column) -> Self) -> Self {
        match columns.iter().find(|column| &*column.attribute.name == name) {
            Some(column) => test(self.push("("), column).push(")"),
            None => self.push("(1 = 0)"), // Not for a filter that was checked.
        }
    }
}

fn symbol(op: Compare) -> &'static str {
    match op {
        Compare::Eq => " = ",
        Compare::Ne => " <> ",
        Compare::Lt => " < ",
        Compare::Le => " <= ",
        Compare::Gt => " > ",
        Compare::Ge => " >= ",
    }
}

/// A value as it is stored.
pub(crate) fn stored(value: Value) -> Value {
    match value {
        Value::U64(value) => Value::I64(value.cast_signed()),
        Value::U64s(values) => Value::I64s(values.into_iter().map(u64::cast_signed).collect()),
        value => value,
    }
}

/// The elements of a vector; any other value is its own.
pub(crate) fn elements(value: &Value) -> Vec<Value> {
    match value {
        Value::I64s(values) => values.iter().copied().map(Value::I64).collect(),
        Value::U64s(values) => values.iter().copied().map(Value::U64).collect(),
        Value::F64s(values) => values.iter().copied().map(Value::F64).collect(),
        value => vec![value.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_odd_names_never_become_text_of_a_statement() {
        let odd = Attribute::new("x\"; DROP TABLE nodes; --", AttrType::Text);
        let columns = Column::of(&[Attribute::new("name", AttrType::Text), odd]);
        let filter = Filter::eq("name", "' OR 1=1") & Filter::ne("x\"; DROP TABLE nodes; --", "y");
        let statement = Statement::new('?', "").filter(&filter, &columns);
        assert_eq!(
            statement.text,
            "((\"name\" IS NOT NULL AND \"name\" = ?1) AND \
             (\"attr_1\" IS NOT NULL AND NOT (\"attr_1\" = ?2)))"
        );
        assert_eq!(statement.params, [Value::from("' OR 1=1"), Value::from("y")]);
    }
}
