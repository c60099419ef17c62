//! Walking b-trees: every row of a table, the rows with given keys, and the keys that an index has for a value.
//!
//! The index matters: real state databases reach hundreds of megabytes (openclaw#132317: 165 MB), and the few rows
//! that say something about leases must not cost a walk through all of it at each look.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::error::Result;
use super::page::{Kind, Page, Record};
use super::record::{self, Value};
use super::snapshot::Snapshot;

/// Deeper than any tree of 2^32 pages: beyond it, the walk goes in a circle.
const MAX_DEPTH: usize = 40;

/// Calls `visit` with each record of the table rooted at page `root`, in key order.
pub(crate) fn rows(
    snapshot: &mut Snapshot,
    root: u32,
    mut visit: impl FnMut(&mut Snapshot, &Record) -> Result<()>,
) -> Result<()> {
    let mut seen = HashSet::new();
    let mut todo = vec![root];
    while let Some(number) = todo.pop() {
        if !seen.insert(number) {
            return Err(snapshot.corrupt(&format!("page {number} is in a table twice")));
        }
        let page = Page::read(snapshot, number)?;
        match page.kind {
            Kind::InteriorTable => {
                snapshot.keep(size_of::<u32>() * (page.cells + 1))?;
                for index in (0..=page.cells).rev() {
                    todo.push(page.child(index, snapshot)?);
                }
            }
            Kind::LeafTable => {
                for index in 0..page.cells {
                    let record = page.record(index, snapshot)?;
                    visit(snapshot, &record)?;
                }
            }
            Kind::InteriorIndex | Kind::LeafIndex => return Err(wrong_kind(snapshot, number, "an index")),
        }
    }
    Ok(())
}

/// Calls `visit` with the record of the row `rowid`, if there is one.
pub(crate) fn row(
    snapshot: &mut Snapshot,
    root: u32,
    rowid: i64,
    visit: impl FnOnce(&mut Snapshot, &Record) -> Result<()>,
) -> Result<()> {
    let mut number = root;
    for _ in 0..MAX_DEPTH {
        let page = Page::read(snapshot, number)?;
        // The left child of a cell holds keys up to and including the cell's own.
        let mut index = 0;
        while index < page.cells && page.key(index, snapshot)? < rowid {
            index += 1;
        }
        match page.kind {
            Kind::InteriorTable => number = page.child(index, snapshot)?,
            Kind::LeafTable if index < page.cells && page.key(index, snapshot)? == rowid => {
                let record = page.record(index, snapshot)?;
                return visit(snapshot, &record);
            }
            Kind::LeafTable => return Ok(()),
            Kind::InteriorIndex | Kind::LeafIndex => return Err(wrong_kind(snapshot, number, "an index")),
        }
    }
    Err(snapshot.corrupt("a table is too deep"))
}

/// The rowids of the index entries whose first columns are the texts of `prefix`. The index must be ascending,
/// and compare bytes.
pub(crate) fn matching(snapshot: &mut Snapshot, root: u32, prefix: &[&str]) -> Result<Vec<i64>> {
    let mut rowids = Vec::new();
    descend(snapshot, root, prefix, MAX_DEPTH, &mut rowids)?;
    Ok(rowids)
}

fn descend(
    snapshot: &mut Snapshot,
    number: u32,
    prefix: &[&str],
    depth: usize,
    rowids: &mut Vec<i64>,
) -> Result<()> {
    if depth == 0 {
        return Err(snapshot.corrupt("an index is too deep"));
    }
    let page = Page::read(snapshot, number)?;
    let interior = match page.kind {
        Kind::InteriorIndex => true,
        Kind::LeafIndex => false,
        Kind::InteriorTable | Kind::LeafTable => return Err(wrong_kind(snapshot, number, "a table")),
    };
    for index in 0..page.cells {
        let entry = page.record(index, snapshot)?.complete(snapshot)?;
        let (order, rowid) =
            compare(&entry, prefix).ok_or_else(|| snapshot.corrupt("an index entry is malformed"))?;
        if order == Ordering::Less {
            continue;
        }
        if interior {
            descend(snapshot, page.child(index, snapshot)?, prefix, depth - 1, rowids)?;
        }
        if order == Ordering::Greater {
            return Ok(());
        }
        snapshot.keep(size_of::<i64>())?;
        rowids.push(rowid);
    }
    if interior {
        descend(snapshot, page.child(page.cells, snapshot)?, prefix, depth - 1, rowids)?;
    }
    Ok(())
}

/// How an index entry stands to `prefix`, and the rowid at its end.
fn compare(entry: &[u8], prefix: &[&str]) -> Option<(Ordering, i64)> {
    let columns = record::count(entry)?;
    let wanted: Vec<usize> = (0..prefix.len()).chain([columns.checked_sub(1)?]).collect();
    let mut values = record::columns(entry, &wanted).ok()?;
    let Some(Some(Value::Integer(rowid))) = values.pop() else { return None };
    let order = values.iter().zip(prefix).map(|(value, wanted)| match value {
        Some(Value::Text(text)) => text.as_bytes().cmp(wanted.as_bytes()),
        Some(Value::Blob(_)) => Ordering::Greater,
        // NULL and numbers sort before every text.
        _ => Ordering::Less,
    });
    Some((order.fold(Ordering::Equal, Ordering::then), rowid))
}

fn wrong_kind(snapshot: &Snapshot, number: u32, what: &str) -> super::ReadError {
    snapshot.corrupt(&format!("page {number} belongs to {what}"))
}
