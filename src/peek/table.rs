//! Tables by name: where they are, which columns and indexes they have, their rows.
//!
//! Columns and indexes come from SQLite itself: it is given the table's own `CREATE` texts, in an empty database
//! in memory, and asked for `table_xinfo` and `index_xinfo`. Parsing SQL by hand would be guessing.

use std::collections::HashMap;

use rusqlite::Connection;

use super::btree;
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
    indexes: HashMap<String, Vec<(String, u32, Option<String>)>>,
}

#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    root: u32,
    columns: Vec<Column>,
    indexes: Vec<Index>,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// Its place in the records; virtual generated columns have none.
    stored: Option<usize>,
    default: Value,
}

#[derive(Debug)]
struct Index {
    root: u32,
    /// The first columns, as far as they ascend and compare bytes.
    columns: Vec<String>,
}

impl Schema {
    pub(crate) fn read(snapshot: &mut Snapshot) -> Result<Self> {
        let mut schema = Self { tables: HashMap::new(), indexes: HashMap::new() };
        btree::rows(snapshot, 1, |snapshot, record| {
            let record = record.complete(snapshot)?;
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
                ("index", sql) => schema.indexes.entry(table).or_default().push((name, root, sql)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(schema)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// `Ok(None)` when there is no such table.
    pub(crate) fn table(&self, snapshot: &Snapshot, name: &str) -> Result<Option<Table>> {
        let Some((root, sql)) = self.tables.get(name) else { return Ok(None) };
        let indexes = self.indexes.get(name).map_or(&[][..], Vec::as_slice);
        let (columns, indexes) =
            describe(name, sql, indexes).map_err(|what| unknown(snapshot, name, &what))?;
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

fn describe(
    name: &str,
    sql: &str,
    indexes: &[(String, u32, Option<String>)],
) -> std::result::Result<(Vec<Column>, Vec<Index>), String> {
    // SQLite stores the texts normalised up to here; anything else is not for us to run.
    if !sql.starts_with("CREATE TABLE ") {
        return Err("is not an ordinary table".into());
    }
    let ask = || -> rusqlite::Result<(Vec<Column>, Vec<Index>, bool)> {
        let memory = Connection::open_in_memory()?;
        memory.execute(sql, [])?;
        let without_rowid =
            memory.query_row("SELECT wr FROM pragma_table_list(?1)", [name], |row| row.get(0))?;
        let mut usable = Vec::new();
        for (index, root, text) in indexes {
            if text.as_ref().is_none_or(|text| plain(text) && memory.execute(text, []).is_ok()) {
                let columns = index_columns(&memory, index)?;
                usable.push((text.as_deref(), Index { root: *root, columns }));
            }
        }
        let indexes =
            usable.into_iter().filter(|(text, index)| is_whole(*text, index)).map(|(_, index)| index);
        Ok((columns_of(&memory, name)?, indexes.collect(), without_rowid))
    };
    let (columns, indexes, without_rowid) =
        ask().map_err(|error| format!("has a definition that SQLite does not accept ({error})"))?;
    if without_rowid { Err("is a WITHOUT ROWID table".into()) } else { Ok((columns, indexes)) }
}

fn columns_of(memory: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    const VIRTUAL_GENERATED: i64 = 2;
    let mut places = 0..;
    let mut statement = memory.prepare("SELECT name, hidden, dflt_value FROM pragma_table_xinfo(?1)")?;
    let columns = statement.query_map([table], |row| {
        let stored = if row.get::<_, i64>(1)? == VIRTUAL_GENERATED { None } else { places.next() };
        let default = row.get::<_, Option<String>>(2)?;
        Ok(Column { name: row.get(0)?, stored, default: literal(default.as_deref()) })
    })?;
    columns.collect()
}

fn index_columns(memory: &Connection, index: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = memory
        .prepare("SELECT name, \"desc\" = 0 AND coll = 'BINARY' AND \"key\" FROM pragma_index_xinfo(?1)")?;
    let columns = statement.query_map([index], |row| Ok((row.get::<_, Option<String>>(0)?, row.get(1)?)))?;
    let columns: Vec<(Option<String>, bool)> = columns.collect::<rusqlite::Result<_>>()?;
    Ok(columns.into_iter().map_while(|(name, usable)| name.filter(|_| usable)).collect())
}

fn plain(index: &str) -> bool {
    index.starts_with("CREATE INDEX ") || index.starts_with("CREATE UNIQUE INDEX ")
}

/// Whether every row with a text in the first column is in the index. A partial one has them all only when it
/// leaves out nothing but NULLs.
fn is_whole(text: Option<&str>, index: &Index) -> bool {
    let Some(first) = index.columns.first() else { return false };
    let words =
        |text: &str| text.split_whitespace().map(str::to_ascii_uppercase).collect::<Vec<_>>().join(" ");
    match text.map(words) {
        Some(text) if text.contains(" WHERE ") => {
            text.ends_with(&format!(" WHERE {} IS NOT NULL", first.to_ascii_uppercase()))
        }
        _ => true,
    }
}

/// What a record that is older than its column means by leaving it out. Only literals can stand there.
fn literal(default: Option<&str>) -> Value {
    let Some(text) = default else { return Value::Null };
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    match text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        Some(inner) => Value::Text(inner.replace("''", "'")),
        None => Value::Null,
    }
}

fn unknown(snapshot: &Snapshot, table: &str, what: &str) -> ReadError {
    ReadError::Schema { path: snapshot.path(), table: table.to_owned(), what: what.to_owned() }
}
