//! The columns of a table, from the `CREATE TABLE` text that its file keeps.
//!
//! The text is another program's, and may be anybody's: it is read, never run. What is not a plain
//! `CREATE TABLE name (columns, constraints)` is refused, and so is everything that would make a row's values lie
//! elsewhere than in the order of the columns. SQLite itself is the oracle of the tests.

use std::iter::Peekable;
use std::str::CharIndices;

use super::record::Value;

/// What a table's text says. The error is the rest of the sentence "table T …".
#[derive(Debug, PartialEq)]
pub(crate) struct Definition {
    pub(crate) columns: Vec<Column>,
    /// The columns of its primary key where that, and nothing else, has an index that SQLite made by itself.
    pub(crate) automatic_index: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its place in the records. A virtual column has none, and nor has a row's number.
    pub(crate) stored: Option<usize>,
    /// What a record that is older than the column means by leaving it out.
    pub(crate) default: Value,
    /// Texts in it compare byte by byte.
    pub(crate) binary: bool,
}

type Result<T> = std::result::Result<T, &'static str>;

const NOT_PLAIN: &str = "is not a plain table";

/// Reads a `CREATE TABLE` text.
pub(crate) fn table(sql: &str) -> Result<Definition> {
    let mut words = Words::of(sql)?;
    if !(words.take("CREATE") && words.take("TABLE") && words.name().is_some() && words.take("(")) {
        return Err(NOT_PLAIN);
    }
    let (parts, rest) = words.parts()?;
    match rest {
        [] => {}
        [only] if only.is("STRICT") => {}
        rest if rest.iter().any(|word| word.is("ROWID")) => return Err("is a WITHOUT ROWID table"),
        _ => return Err(NOT_PLAIN),
    }
    let mut table = Definition { columns: Vec::new(), automatic_index: None };
    let mut places = 0..;
    let (mut uniques, mut primary) = (0, None);
    for part in parts {
        if let Some(key) = constraint(part)? {
            uniques += usize::from(key.is_some());
            primary = key.flatten().or(primary);
            continue;
        }
        let parsed = column(part, &mut places)?;
        uniques += usize::from(parsed.unique);
        if parsed.primary {
            primary = Some(vec![parsed.column.name.clone()]);
        }
        table.columns.push(parsed.column);
    }
    // With more than one, which index is whose depends on how SQLite merges them.
    table.automatic_index = primary.filter(|_| uniques == 1);
    if table.columns.is_empty() { Err(NOT_PLAIN) } else { Ok(table) }
}

/// The leading columns of an index that ascend and compare bytes, if every row with a text in the first of them
/// is in it: a partial one only where it leaves out nothing but NULLs.
pub(crate) fn index(sql: &str) -> Option<Vec<String>> {
    let mut words = Words::of(sql).ok()?;
    if !words.take("CREATE") {
        return None;
    }
    words.take("UNIQUE");
    let begins = words.take("INDEX") && words.name().is_some() && words.take("ON") && words.name().is_some();
    if !(begins && words.take("(")) {
        return None;
    }
    let (parts, rest) = words.parts().ok()?;
    let columns: Vec<String> = parts
        .iter()
        .map_while(|part| match part {
            [name] => name.as_name(),
            [name, ascending] if ascending.is("ASC") => name.as_name(),
            _ => None,
        })
        .collect();
    let whole = match rest {
        [] => true,
        [r#where, name, is, not, null] => {
            r#where.is("WHERE")
                && is.is("IS")
                && not.is("NOT")
                && null.is("NULL")
                && name.as_name() == columns.first().cloned()
        }
        _ => false,
    };
    (whole && !columns.is_empty()).then_some(columns)
}

struct Parsed {
    column: Column,
    unique: bool,
    primary: bool,
}

fn column(part: &[Word], places: &mut impl Iterator<Item = usize>) -> Result<Parsed> {
    let name = part.first().and_then(Word::as_name).ok_or(NOT_PLAIN)?;
    let part = outermost(&part[1..]);
    let at = |word: &str| part.iter().position(|w| w.is(word));
    let generated = at("AS").is_some();
    let primary = at("PRIMARY").is_some();
    // `INTEGER PRIMARY KEY` is another name of the row's number, which is not in the record.
    let row_number = primary && part.first().is_some_and(|kind| kind.is("INTEGER")) && at("DESC").is_none();
    let stored = if generated && at("STORED").is_none() { None } else { places.next() };
    let default = match at("DEFAULT") {
        Some(at) => literal(&part[at + 1..]),
        None => Value::Null,
    };
    let collation = at("COLLATE").and_then(|at| part.get(at + 1));
    Ok(Parsed {
        column: Column {
            name,
            stored: stored.filter(|_| !row_number),
            default,
            binary: collation.is_none_or(|collation| collation.is("BINARY")),
        },
        unique: at("UNIQUE").is_some() || primary && !row_number,
        primary: primary && !row_number,
    })
}

/// Without what stands in parentheses.
fn outermost(part: &[Word]) -> Vec<&Word> {
    let mut depth = 0_usize;
    part.iter()
        .filter(|word| {
            let inside = depth > 0;
            match word {
                Word::Mark('(') => depth += 1,
                Word::Mark(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            !inside
        })
        .collect()
}

/// `None`: a column. `Some(None)`: a constraint without an index. `Some(Some(key))`: one that has an index, and the
/// columns of a primary key.
#[expect(clippy::option_option, reason = "three cases of one grammar rule")]
fn constraint(part: &[Word]) -> Result<Option<Option<Option<Vec<String>>>>> {
    let mut part = part;
    if part.first().is_some_and(|word| word.is("CONSTRAINT")) {
        part = part.get(2..).ok_or(NOT_PLAIN)?;
    }
    let Some(first) = part.first() else { return Err(NOT_PLAIN) };
    if first.is("CHECK") || first.is("FOREIGN") {
        return Ok(Some(None));
    }
    if first.is("UNIQUE") {
        return Ok(Some(Some(None)));
    }
    if !first.is("PRIMARY") {
        return Ok(None);
    }
    let mut inside = part.iter().skip_while(|word| !word.is("(")).skip(1).take_while(|word| !word.is(")"));
    let (mut columns, mut plain) = (Vec::new(), true);
    while let Some(word) = inside.next() {
        columns.extend(word.as_name());
        // An order or a collation of its own: SQLite sorts this index in another way than bytes.
        plain &= inside.next().is_none_or(|comma| comma.is(","));
    }
    let columns = plain.then_some(columns);
    Ok(Some(Some(columns)))
}

fn literal(words: &[&Word]) -> Value {
    match words {
        [Word::Text(text), ..] => Value::Text(text.clone()),
        [Word::Plain(number), ..] => number.parse().map_or(Value::Null, Value::Integer),
        [Word::Mark(sign), Word::Plain(number), ..] if *sign == '-' || *sign == '+' => {
            format!("{sign}{number}").parse().map_or(Value::Null, Value::Integer)
        }
        _ => Value::Null,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    /// A keyword, a name, a number.
    Plain(String),
    /// A name in quotes.
    Name(String),
    Text(String),
    Mark(char),
}

impl Word {
    fn is(&self, word: &str) -> bool {
        match self {
            Self::Plain(plain) => plain.eq_ignore_ascii_case(word),
            Self::Mark(mark) => word.len() == 1 && word.starts_with(*mark),
            Self::Name(_) | Self::Text(_) => false,
        }
    }

    fn as_name(&self) -> Option<String> {
        match self {
            // SQLite takes 'a' for a name where one must stand.
            Self::Plain(name) | Self::Name(name) | Self::Text(name) => Some(name.clone()),
            Self::Mark(_) => None,
        }
    }
}

struct Words {
    words: Vec<Word>,
    at: usize,
}

/// The longest known text has 3 kB.
const MAX_SQL: usize = 64 << 10;

impl Words {
    fn of(sql: &str) -> Result<Self> {
        if sql.len() > MAX_SQL {
            return Err("has a definition that is longer than any of OpenClaw's");
        }
        let mut words = Vec::new();
        let mut chars = sql.char_indices().peekable();
        while let Some((start, c)) = chars.next() {
            match c {
                c if c.is_ascii_whitespace() => {}
                '-' if chars.peek().is_some_and(|&(_, next)| next == '-') => {
                    while chars.next_if(|&(_, c)| c != '\n').is_some() {}
                }
                '/' if chars.peek().is_some_and(|&(_, next)| next == '*') => comment(&mut chars)?,
                '\'' => words.push(Word::Text(quoted(&mut chars, '\'')?)),
                '"' | '`' => words.push(Word::Name(quoted(&mut chars, c)?)),
                '[' => words.push(Word::Name(quoted(&mut chars, ']')?)),
                c if part_of_word(c) => {
                    let mut end = start + c.len_utf8();
                    while let Some((at, c)) = chars.next_if(|&(_, c)| part_of_word(c)) {
                        end = at + c.len_utf8();
                    }
                    words.push(Word::Plain(sql[start..end].to_owned()));
                }
                mark => words.push(Word::Mark(mark)),
            }
        }
        Ok(Self { words, at: 0 })
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|next| next.is(word));
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Option<String> {
        let name = self.words.get(self.at)?.as_name()?;
        self.at += 1;
        Some(name)
    }

    /// From behind an opening parenthesis: what commas divide up to its end, and what comes after it.
    fn parts(&self) -> Result<(Vec<&[Word]>, &[Word])> {
        let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, self.at);
        for (at, word) in self.words.iter().enumerate().skip(self.at) {
            let Word::Mark(mark) = word else { continue };
            match (mark, depth) {
                ('(', _) => depth += 1,
                (',', 0) => {
                    parts.push(&self.words[from..at]);
                    from = at + 1;
                }
                (')', 0) => {
                    parts.push(&self.words[from..at]);
                    return Ok((parts, &self.words[at + 1..]));
                }
                (')', _) => depth -= 1,
                _ => {}
            }
        }
        Err(NOT_PLAIN)
    }
}

fn part_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.') || !c.is_ascii()
}

fn comment(chars: &mut Peekable<CharIndices<'_>>) -> Result<()> {
    chars.next();
    let mut before = ' ';
    for (_, c) in chars {
        if before == '*' && c == '/' {
            return Ok(());
        }
        before = c;
    }
    Err(NOT_PLAIN)
}

/// Up to the closing quote, which stands for itself when it is doubled.
fn quoted(chars: &mut Peekable<CharIndices<'_>>, end: char) -> Result<String> {
    let mut text = String::new();
    while let Some((_, c)) = chars.next() {
        if c != end {
            text.push(c);
        } else if end != ']' && chars.next_if(|&(_, next)| next == end).is_some() {
            text.push(end);
        } else {
            return Ok(text);
        }
    }
    Err(NOT_PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(sql: &str) -> Vec<(String, Option<usize>)> {
        let table = table(sql).unwrap_or_else(|what| panic!("{sql} {what}"));
        table.columns.into_iter().map(|column| (column.name, column.stored)).collect()
    }

    #[test]
    fn columns_in_the_order_of_the_records() {
        let sql = "CREATE TABLE t (\n  id TEXT NOT NULL PRIMARY KEY, -- a comment, with (\n
            v TEXT GENERATED ALWAYS AS (id || 'AS') VIRTUAL, s AS (1) STORED,
            \"quoted, name\" INTEGER CHECK (x IN ('a', 'b') AND CAST(y AS TEXT) IS NULL) DEFAULT 'it''s',
            n DEFAULT -5, FOREIGN KEY (id) REFERENCES u(id) ON DELETE SET DEFAULT) STRICT";
        let names: Vec<(String, Option<usize>)> =
            [("id", Some(0)), ("v", None), ("s", Some(1)), ("quoted, name", Some(2)), ("n", Some(3))]
                .map(|(name, stored)| (name.to_owned(), stored))
                .into();
        assert_eq!(columns(sql), names);
        let table = table(sql).expect("read above");
        assert_eq!(table.columns[3].default, Value::Text("it's".to_owned()));
        assert_eq!(table.columns[4].default, Value::Integer(-5));
        assert_eq!(table.automatic_index, Some(vec!["id".to_owned()]));
    }

    #[test]
    fn what_is_no_plain_table_is_refused() {
        for sql in [
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE t AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c",
            "CREATE VIRTUAL TABLE t USING fts5(a)",
            "CREATE TABLE t (a",
            "CREATE TABLE t (a TEXT 'open",
            "CREATE TABLE t ()",
            "CREATE TABLE t (a) WITHOUT ROWID",
            "CREATE TABLE t (a); DROP TABLE t",
            "CREATE TABLE t (a) /* open",
            "INSERT INTO t VALUES (1)",
            "",
        ] {
            assert!(table(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn an_index_counts_as_far_as_it_sorts_bytes_and_leaves_nothing_out() {
        let usable = |sql| index(sql).map(|columns| columns.join(" "));
        assert_eq!(usable("CREATE INDEX i ON t(a, b ASC, c DESC, d)").as_deref(), Some("a b"));
        assert_eq!(usable("CREATE UNIQUE INDEX i\n ON t(a)\n WHERE a IS NOT NULL").as_deref(), Some("a"));
        for sql in [
            "CREATE INDEX i ON t(a) WHERE b IS NOT NULL",
            "CREATE INDEX i ON t(a COLLATE NOCASE)",
            "CREATE INDEX i ON t(lower(a))",
            "CREATE INDEX i ON t(a) WHERE a = 1",
        ] {
            assert_eq!(usable(sql), None, "{sql}");
        }
        let keyed = |sql| table(sql).expect("plain").automatic_index;
        assert_eq!(keyed("CREATE TABLE t (a, b, PRIMARY KEY (a, b))"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(keyed("CREATE TABLE t (a, b, PRIMARY KEY (a DESC, b))"), None);
        assert_eq!(keyed("CREATE TABLE t (a UNIQUE, b PRIMARY KEY)"), None, "one of two");
        assert_eq!(keyed("CREATE TABLE t (a INTEGER PRIMARY KEY, b)"), None, "the row's number");
    }
}
