//! A document that leaves the machine: each value by the key that it stands at, whoever put it there.

use serde_json::Value;

use super::Redactor;

impl Redactor {
    /// Shows of every string in `document` what may be shown of its kind.
    pub fn document(self, document: &mut Value) {
        if self != Self::Off {
            self.value("", document);
        }
    }

    fn value(self, key: &str, value: &mut Value) {
        match value {
            Value::Object(object) => object.iter_mut().for_each(|(key, value)| self.value(key, value)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(key, item)),
            Value::String(text) => *text = self.string(key, text),
            _ => {}
        }
    }

    fn string(self, key: &str, text: &str) -> String {
        match key {
            "path" | "lock" | "store" | "database" | "directory" | "state_dir" => self.path(text),
            "agent" => self.agent(text),
            "session_id" | "run_id" => self.session(text),
            "session_key" => self.key(text),
            "lane" => self.lane(text),
            "command" if !text.contains(' ') => self.name(text),
            // Words of the contract, times, fingerprints; what people read has blanks in it.
            _ if !text.contains([' ', '/', '@']) => text.into(),
            _ => self.text(text),
        }
        .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_names_somebody_is_left() {
        let lock = "/home/joedoe/.openclaw/agents/joe.doe@example.org/sessions/+4915112345678.jsonl.lock";
        let mut document = json!({
            "schema": "lockdoctor/event/v1", "at": "2026-11-29T12:00:00.000Z", "code": "stale-lock",
            "finding": {"agent": "joe.doe@example.org", "session_id": "+4915112345678", "lock": lock,
                "session_key": "agent:joe.doe@example.org:whatsapp:direct:+4915112345678",
                "actions": [{"command": format!("lockdoctor reclaim {lock} --yes")}],
                "owner": {"command": "joedoe-bot"}},
        });
        let once = {
            Redactor::On.document(&mut document);
            document.to_string()
        };
        for secret in ["joedoe", "joe.doe", "15112345678"] {
            assert!(!once.contains(secret), "{secret}: {once}");
        }
        assert!(once.contains("stale-lock") && once.contains(".openclaw/agents/"), "{once}");
        Redactor::On.document(&mut document);
        assert_eq!(document.to_string(), once);
    }
}
