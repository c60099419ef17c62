//! Tables by name: where they are, which columns and indexes they have, their rows.

use std::collections::HashMap;

use super::btree;
use super::definition::{self, Column};
use super::error::{ReadError, Result};
use super::page::Record;
use super::record::{self, Value};
use super::snapshot::Snapshot;

/// A table has more rows than any healthy one; stop rather than fill the memory.
const MAX_ROWS: usize = 200_000;

/// `sqlite_schema`: the first page of each table and index, and the text that made it.
#[derive(Debug)]
pub(crate) struct Schema {
    tables: HashMap<String, (u32, String)>,
    /// By table; without a text, SQLite made it for a key of the table.
    indexes: HashMap<String, Vec<(u32, Option<String>)>>,
    /// By table: what is neither.
    others: HashMap<String, Vec<String>>,
}

#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    root: u32,
    columns: Vec<Column>,
    indexes: Vec<Index>,
}

#[derive(Debug)]
struct Index {
    root: u32,
    /// The first columns, as far as they ascend and compare bytes.
    columns: Vec<String>,
}

impl Schema {
    pub(crate) fn read(snapshot: &mut Snapshot) -> Result<Self> {
        let mut schema = Self { tables: HashMap::new(), indexes: HashMap::new(), others: HashMap::new() };
        btree::rows(snapshot, 1, |snapshot, record| {
            let record = record.complete(snapshot)?;
            snapshot.keep(record.len())?;
            // type, name, tbl_name, rootpage, sql
            let mut row = record::columns(&record, &[0, 1, 2, 3, 4])
                .map_err(|record::Malformed| snapshot.corrupt("its schema has a malformed row"))?
                .into_iter();
            let mut text = || match row.next() {
                Some(Some(Value::Text(text))) => Some(text),
                _ => None,
            };
            let (Some(kind), Some(name), Some(table)) = (text(), text(), text()) else { return Ok(()) };
            let Some(Some(Value::Integer(root))) = row.next() else { return Ok(()) };
            let Ok(root) = u32::try_from(root) else { return Ok(()) };
            let sql = match row.next() {
                Some(Some(Value::Text(sql))) => Some(sql),
                _ => None,
            };
            match (kind.as_str(), sql) {
                ("table", Some(sql)) => {
                    schema.tables.insert(name, (root, sql));
                }
                ("index", sql) => schema.indexes.entry(table).or_default().push((root, sql)),
                (_, Some(sql)) => schema.others.entry(table).or_default().push(sql),
                _ => {}
            }
            Ok(())
        })?;
        Ok(schema)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// All that the file says of a table, its indexes and its triggers: their texts, sorted.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        let table = self.tables.get(name).map(|(_, sql)| sql.as_str());
        let indexes = self.indexes.get(name).into_iter().flatten().filter_map(|(_, sql)| sql.as_deref());
        let others = self.others.get(name).into_iter().flatten().map(String::as_str);
        let mut texts: Vec<&str> = table.into_iter().chain(indexes).chain(others).collect();
        texts.sort_unstable();
        texts
    }

    /// `Ok(None)` when there is no such table.
    pub(crate) fn table(&self, snapshot: &Snapshot, name: &str) -> Result<Option<Table>> {
        let Some((root, sql)) = self.tables.get(name) else { return Ok(None) };
        let indexes = self.indexes.get(name).map_or(&[][..], Vec::as_slice);
        let (columns, indexes) = describe(sql, indexes).map_err(|what| unknown(snapshot, name, what))?;
        Ok(Some(Table { name: name.to_owned(), root: *root, columns, indexes }))
    }
}

impl Table {
    /// The rows in which each column of `equal` has that text, or all of them: the values of `required`, then of
    /// `optional` columns. A table without a required column is one that lockdoctor does not know; an absent
    /// optional column reads as NULL.
    pub(crate) fn rows(
        &self,
        snapshot: &mut Snapshot,
        equal: &[(&str, &str)],
        required: &[&str],
        optional: &[&str],
    ) -> Result<Vec<Vec<Value>>> {
        let mut wanted = Vec::new();
        for name in required.iter().chain(equal.iter().map(|(name, _)| name)) {
            let missing = || unknown(snapshot, &self.name, &format!("has no column {name}"));
            wanted.push(Some(self.column(name).ok_or_else(missing)?));
        }
        wanted.splice(required.len()..required.len(), optional.iter().map(|name| self.column(name)));
        let shown = required.len() + optional.len();
        let stored: Vec<usize> =
            wanted.iter().map(|c| c.and_then(|c| c.stored).unwrap_or(usize::MAX)).collect();

        let mut rows = Vec::new();
        let mut take = |snapshot: &mut Snapshot, record: &Record| {
            let malformed =
                |snapshot: &Snapshot| snapshot.corrupt(&format!("table {} has a malformed row", self.name));
            let mut values =
                record::columns(record.local, &stored).map_err(|record::Malformed| malformed(snapshot))?;
            // A session's entry runs through five overflow pages: only who asks for it pays for it.
            if !record.is_local()
                && values.iter().zip(&stored).any(|(value, &at)| value.is_none() && at != usize::MAX)
            {
                let whole = record.complete(snapshot)?;
                values = record::columns(&whole, &stored).map_err(|record::Malformed| malformed(snapshot))?;
            }
            let mut values: Vec<Value> = values
                .into_iter()
                .zip(&wanted)
                .map(|(value, column)| {
                    value.or_else(|| column.map(|c| c.default.clone())).unwrap_or(Value::Null)
                })
                .collect();
            let filter = values.split_off(shown);
            if filter.iter().zip(equal).all(|(value, (_, text))| matches!(value, Value::Text(t) if t == text))
            {
                snapshot.keep(values.iter().map(Value::bytes).sum())?;
                rows.push(values);
            }
            if rows.len() > MAX_ROWS {
                return Err(unknown(snapshot, &self.name, &format!("has more than {MAX_ROWS} rows")));
            }
            Ok(())
        };
        if let Some(index) = self.index_for(equal) {
            let prefix: Vec<&str> = index.columns.iter().filter_map(|name| value_for(equal, name)).collect();
            for rowid in btree::matching(snapshot, index.root, &prefix)? {
                btree::row(snapshot, self.root, rowid, &mut take)?;
            }
        } else {
            btree::rows(snapshot, self.root, take)?;
        }
        Ok(rows)
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// An index that begins with exactly the columns asked for.
    fn index_for(&self, equal: &[(&str, &str)]) -> Option<&Index> {
        let begins = |index: &&Index| {
            index.columns.len() >= equal.len()
                && index.columns[..equal.len()].iter().all(|name| value_for(equal, name).is_some())
        };
        if equal.is_empty() { None } else { self.indexes.iter().find(begins) }
    }
}

fn value_for<'a>(equal: &[(&str, &'a str)], column: &str) -> Option<&'a str> {
    equal.iter().find(|(name, _)| *name == column).map(|&(_, value)| value)
}

/// The columns, and the indexes that may be walked.
fn describe(
    sql: &str,
    indexes: &[(u32, Option<String>)],
) -> std::result::Result<(Vec<Column>, Vec<Index>), &'static str> {
    let definition = definition::table(sql)?;
    let binary =
        |name: &String| definition.columns.iter().any(|column| column.name == *name && column.binary);
    let usable = indexes.iter().filter_map(|(root, text)| {
        let columns = match text {
            Some(text) => definition::index(text)?,
            None => definition.automatic_index.clone()?,
        };
        let columns: Vec<String> = columns.into_iter().take_while(binary).collect();
        (!columns.is_empty()).then_some(Index { root: *root, columns })
    });
    let usable = usable.collect();
    Ok((definition.columns, usable))
}

fn unknown(snapshot: &Snapshot, table: &str, what: &str) -> ReadError {
    ReadError::Schema { path: snapshot.path(), table: table.to_owned(), what: what.to_owned() }
}
