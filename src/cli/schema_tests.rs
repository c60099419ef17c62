//! The schemas of the JSON documents are made of the types that are written, and what no type can say is said here.
//! `UPDATE_DOCS=1 cargo test --lib schema_tests` makes `schemas/` anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::check::assess;
use super::{explain, quarantine};
use crate::report::status::document::{self as status, Nothing};
use crate::report::{diagnosed, json as scan, reclaimed};
use crate::verdict::Verdict;
use crate::watch::notify::event;

const TIME: &str = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$";
const FORM: &str =
    "Keys are only ever added. Times are RFC 3339 in UTC, durations integer milliseconds ending in _ms.";

/// One file of `schemas/`.
struct Document {
    name: &'static str,
    command: &'static str,
    about: &'static str,
    /// Where in the schema, and what is put there.
    promises: Vec<(&'static str, Value)>,
    schema: Value,
}

fn of<T: JsonSchema>(id: &'static str, command: &'static str, about: &'static str) -> Document {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let name = id.split('/').nth(1).expect("lockdoctor/NAME/v1");
    let promises = vec![("/properties/schema", json!({ "const": id }))];
    Document { name, command, about, promises, schema: schema.to_value() }
}

impl Document {
    fn promise(mut self, at: &'static str, what: Value) -> Self {
        self.promises.push((at, what));
        self
    }

    fn text(self) -> String {
        let mut schema = self.schema;
        for (pointer, what) in self.promises {
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            let parent = schema.pointer_mut(parent).and_then(Value::as_object_mut);
            parent.unwrap_or_else(|| panic!("{}: no {pointer}", self.name)).insert(key.to_owned(), what);
        }
        dated(&mut schema);
        let head = [
            ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
            ("$id", json!(format!("https://lockdoctor.invalid/schemas/{}.schema.json", self.name))),
            ("title", json!(format!("lockdoctor {}", self.command))),
            ("description", json!(format!("{} {FORM}", self.about))),
        ];
        let mut whole: Map<String, Value> =
            head.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        for (key, value) in schema.as_object().expect("an object") {
            whole.entry(key).or_insert_with(|| value.clone());
        }
        let mut text = serde_json::to_string_pretty(&whole).expect("JSON");
        text.push('\n');
        text
    }
}

/// Validators take `format` for a remark; a pattern they hold to.
fn dated(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            match fields.get("format").and_then(Value::as_str) {
                Some("date-time") => drop(fields.insert("pattern".to_owned(), json!(TIME))),
                // How wide Rust's integers are is nobody's business.
                Some(width) if width.contains("int") => drop(fields.remove("format")),
                _ => {}
            }
            fields.values_mut().for_each(dated);
        }
        Value::Array(items) => items.iter_mut().for_each(dated),
        _ => {}
    }
}

/// If the one holds, so does the other.
fn when(key: &str, is: Value, then: Value) -> Value {
    json!({ "if": { "properties": { key: is }, "required": [key] }, "then": { "properties": then } })
}

/// What holds of every lock.
fn of_a_lock() -> Value {
    json!([
        when(
            "action",
            json!({ "const": "reclaim" }),
            json!({
                "verdict": { "enum": ["stale", "leaked"] },
                "kind": { "enum": ["session", "store"] },
                "reasons": { "minItems": 1 },
            }),
        ),
        when("verdict", json!({ "const": "refused" }), json!({ "action": { "enum": ["none", "report"] } })),
    ])
}

fn of_an_attempt() -> Value {
    let only_with = |result: &str, key: &str| {
        let mut rule =
            when("result", json!({ "const": result }), json!({ key: { "type": "string", "minLength": 1 } }));
        rule["else"] = json!({ "properties": { key: { "type": "null" } } });
        rule
    };
    json!([
        only_with("reclaimed", "quarantine_id"),
        only_with("failed", "error"),
        when(
            "result",
            json!({ "enum": ["planned", "reclaimed"] }),
            json!({ "verdict": { "enum": ["stale", "leaked", "overdue"] } }),
        ),
    ])
}

/// One count for each word, and their sum.
fn counts<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    let names: Vec<&str> = ["total"].into_iter().chain(words).collect();
    json!({ "type": "object", "required": names, "additionalProperties": { "type": "integer", "minimum": 0 } })
}

fn documents() -> [Document; 10] {
    const FINGERPRINT: &str = "^([0-9a-f]{16})?$";
    let verdicts = Verdict::ALL.iter().map(|verdict| verdict.as_str());
    [
        of::<status::Document<Vec<scan::Lock>, Nothing>>(
            status::SCHEMA,
            "status --json, /status.json",
            "The answer; the daemon adds keys of its own.",
        )
        // The daemon keeps less of a lock in mind.
        .promise("/$defs/Lock/required", json!(["path", "kind", "verdict", "reasons", "action"]))
        .promise("/$defs/OwnerRow/required", json!(["pid", "alive", "command"])),
        of::<scan::Scan>(
            scan::SCAN_SCHEMA,
            "scan --json",
            "Every lock and lease, with what its verdict rests on.",
        )
        .promise("/properties/locks/items", json!({ "$ref": "#/$defs/Lock" }))
        .promise("/$defs/Lock/properties/fingerprint/pattern", json!(FINGERPRINT))
        .promise("/$defs/Lock/allOf", of_a_lock())
        .promise("/properties/summary", counts(verdicts)),
        of::<diagnosed::Document>(
            diagnosed::DIAGNOSIS_SCHEMA,
            "diagnose --json",
            "What logs and locks tell, the most serious first.",
        ),
        of::<reclaimed::Document>(
            reclaimed::RECLAIM_SCHEMA,
            "reclaim --json",
            "What a reclaim planned or did.",
        )
        .promise("/$defs/ReclaimedLock/allOf", of_an_attempt())
        .promise("/$defs/ReclaimedLock/properties/result/enum", json!(reclaimed::RESULTS))
        .promise("/properties/summary", counts(reclaimed::RESULTS)),
        of::<explain::Explained>(
            explain::SCHEMA,
            "explain --json",
            "One lock, or one lease, as scan has it.",
        )
        .promise("/allOf", of_a_lock()),
        of::<explain::ExplainedHolder>(
            explain::HOLDER_SCHEMA,
            "explain PID --json",
            "One process that holds something of OpenClaw's (2026.8.1 and later), as scan has it.",
        ),
        of::<quarantine::Document>(
            quarantine::SCHEMA,
            "quarantine --json",
            "What is kept (locks), was put back (restored) or dropped (purged).",
        ),
        of::<assess::Document>(
            assess::SCHEMA,
            "check --json",
            "One check, after the convention of the monitoring plugins.",
        ),
        of::<crate::doctor::report::Document>(
            crate::doctor::report::SCHEMA,
            "doctor --json",
            "Checks of the environment, those that have something to say.",
        ),
        of::<event::Message>(
            event::SCHEMA,
            "watch --on-finding, --webhook",
            "What a command reads on its standard input, and a web hook gets as its body: one line.",
        ),
    ]
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut made = BTreeSet::new();
    for document in documents() {
        let name = format!("{}.schema.json", document.name);
        let (path, text) = (directory.join(&name), document.text());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &text).expect("the schema is written");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "{name} is another; UPDATE_DOCS=1 makes it anew");
        jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a schema");
        made.insert(name);
    }
    let kept = fs::read_dir(&directory).expect("schemas").map(|file| file.expect("a file").file_name());
    assert_eq!(kept.map(|name| name.into_string().expect("UTF-8")).collect::<BTreeSet<_>>(), made);
}
