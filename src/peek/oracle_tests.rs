//! SQLite writes, we read: whatever it has put into a database must come out the same.

use proptest::prelude::*;
use rusqlite::{Connection, types::Value as Sql};

use super::definition;
use super::place::Place;
use super::record::Value;
use super::snapshot;
use super::table::Schema;

fn ours(value: Sql) -> Value {
    match value {
        Sql::Null => Value::Null,
        Sql::Integer(number) => Value::Integer(number),
        Sql::Real(number) => Value::Real(number),
        Sql::Text(text) => Value::Text(text),
        Sql::Blob(bytes) => Value::Blob(bytes),
    }
}

fn any_value() -> impl Strategy<Value = Sql> {
    prop_oneof![
        1 => Just(Sql::Null),
        3 => any::<i64>().prop_map(Sql::Integer),
        2 => (-300_i64..300).prop_map(Sql::Integer),
        1 => any::<f64>().prop_filter("SQLite stores NaN as NULL", |f| !f.is_nan()).prop_map(Sql::Real),
        3 => "\\PC{0,40}".prop_map(Sql::Text),
        // Around the sizes at which a record leaves its page, and well beyond.
        2 => (0_usize..9000).prop_map(|n| Sql::Text("é".repeat(n / 2))),
        1 => proptest::collection::vec(any::<u8>(), 0..5000).prop_map(Sql::Blob),
    ]
}

#[derive(Debug, Clone)]
struct Setup {
    page_size: u32,
    wal: bool,
    checkpoint: bool,
    vacuum: bool,
    drop_every: usize,
    rows: Vec<(String, Sql, Sql)>,
}

prop_compose! {
    fn setup()(
        page_size in prop_oneof![Just(512), Just(1024), Just(4096), Just(65536)],
        wal in any::<bool>(),
        checkpoint in any::<bool>(),
        vacuum in any::<bool>(),
        drop_every in 2_usize..9,
        rows in proptest::collection::vec(("[abc]{1,2}", any_value(), any_value()), 0..120),
    ) -> Setup {
        Setup { page_size, wal, checkpoint, vacuum, drop_every, rows }
    }
}

fn made(setup: &Setup, path: &std::path::Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "page_size", setup.page_size)?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "journal_mode", if setup.wal { "WAL" } else { "DELETE" })?;
    db.execute_batch(
        "CREATE TABLE other (x); CREATE TABLE t (name TEXT NOT NULL, a, v AS (name || 'x') VIRTUAL, b);
         CREATE INDEX by_name ON t (name, a);",
    )?;
    for (i, (name, a, b)) in setup.rows.iter().enumerate() {
        db.execute("INSERT INTO t (name, a, b) VALUES (?1, ?2, ?3)", (name, a, b))?;
        if i == setup.rows.len() / 2 {
            db.execute_batch("ALTER TABLE t ADD COLUMN late TEXT DEFAULT 'it''s late'")?;
            if setup.wal && setup.checkpoint {
                db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
            }
        }
    }
    db.execute(&format!("DELETE FROM t WHERE rowid % {} = 0", setup.drop_every), [])?;
    if setup.vacuum {
        db.execute_batch("VACUUM")?;
    }
    Ok(db)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_sqlite_writes_we_read(setup in setup()) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let db = made(&setup, &dir.path().join("x.sqlite")).expect("SQLite accepts it");
        let place = Place::root(dir.path()).expect("there");
        let late = if setup.rows.is_empty() { "b" } else { "late" };

        for name in [None, Some("a"), Some("bc"), Some("none")] {
            let wanted = format!("SELECT name, a, b, {late} FROM t WHERE ?1 IS NULL OR name = ?1 ORDER BY rowid");
            let mut statement = db.prepare(&wanted).expect("prepared");
            let expected: Vec<Vec<Value>> = statement
                .query_map([name], |row| (0..4).map(|i| row.get(i).map(ours)).collect())
                .expect("queried")
                .collect::<rusqlite::Result<_>>()
                .expect("read");

            let equal: Vec<_> = name.iter().map(|name| ("name", *name)).collect();
            let mut seen = snapshot::read(&place, "x.sqlite", |snapshot| {
                let table = Schema::read(snapshot)?.table(snapshot, "t")?.expect("there");
                table.rows(snapshot, &equal, &["name", "a", "b", late], &["no such column"])
            })
            .expect("readable");
            for row in &mut seen {
                prop_assert_eq!(row.pop(), Some(Value::Null));
            }
            if name.is_some() {
                // Through the index they come in its order.
                let order = |row: &Vec<Value>| format!("{row:?}");
                seen.sort_by_key(order);
                let mut expected = expected;
                expected.sort_by_key(order);
                prop_assert_eq!(seen, expected);
            } else {
                prop_assert_eq!(seen, expected);
            }
        }
    }
}

/// Names, kinds and constraints as OpenClaw and SQLite spell them, and words that mean something elsewhere.
fn any_column() -> impl Strategy<Value = String> {
    let kind =
        prop_oneof![Just(""), Just("TEXT"), Just("INTEGER"), Just("VARCHAR(10, 2)"), Just("\"odd, type\"")];
    let constraint = prop_oneof![
        Just(""),
        Just("NOT NULL"),
        Just("DEFAULT 'a, b)'"),
        Just("DEFAULT -7"),
        Just("DEFAULT (1 + 2)"),
        Just("CHECK (length('AS, DEFAULT') > 0 AND CAST(1 AS TEXT) IS NOT NULL)"),
        Just("COLLATE NOCASE"),
        Just("UNIQUE"),
        Just("AS (1 + 1)"),
        Just("GENERATED ALWAYS AS (2) STORED"),
        Just("/* , */ NULL -- )\n"),
        Just("REFERENCES other (x) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"),
    ];
    (kind, constraint).prop_map(|(kind, constraint)| format!("{kind} {constraint}"))
}

proptest! {
    #[test]
    fn columns_are_those_that_sqlite_sees(columns in proptest::collection::vec(any_column(), 1..8), strange in any::<bool>()) {
        let name = |at: usize| if strange { format!("\"c, {at}\"") } else { format!("c{at}") };
        let columns: Vec<String> =
            columns.iter().enumerate().map(|(at, rest)| format!("{} {rest}", name(at))).collect();
        let db = Connection::open_in_memory().expect("opened");
        // Without one stored column SQLite refuses the table.
        let sql = format!("CREATE TABLE t (first, {}, CHECK (first <> ','))", columns.join(", "));
        prop_assume!(db.execute(&sql, []).is_ok());
        let kept: String =
            db.query_row("SELECT sql FROM sqlite_schema WHERE name = 't'", [], |row| row.get(0)).expect("kept");
        let mut places = 0..;
        let mut statement = db.prepare("SELECT name, hidden FROM pragma_table_xinfo('t')").expect("prepared");
        let expected: Vec<(String, Option<usize>)> = statement
            .query_map([], |row| Ok((row.get(0)?, (row.get::<_, i64>(1)? != 2).then(|| places.next()).flatten())))
            .expect("queried")
            .collect::<rusqlite::Result<_>>()
            .expect("read");
        let seen = definition::table(&kept).expect("a plain table");
        let seen: Vec<(String, Option<usize>)> = seen.columns.into_iter().map(|c| (c.name, c.stored)).collect();
        prop_assert_eq!(seen, expected, "{}", kept);
    }
}
