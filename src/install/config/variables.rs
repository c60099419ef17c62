//! `${UPPER_CASE}` in the values that are read; `$${X}` is an escape. Values stay strings.

use serde_json::Value;

use crate::install::environment::Environment;

/// No path is longer, whatever its variables hold.
const MAX_BYTES: usize = 4096;

/// The configuration's own `env`: variables that nothing else sets.
pub(super) fn of_configuration(root: &Value, environment: &mut Environment) {
    let Some(env) = root.get("env") else { return };
    for source in [env.get("vars"), Some(env)].into_iter().flatten() {
        for (name, value) in source.as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                environment.or_set(name, value);
            }
        }
    }
}

/// Why a value with variables in it cannot be used, as the end of a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("needs the variable {0}, which is not set here; run lockdoctor with it")]
    NotSet(String),
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// `text` with its variables.
pub(super) fn substituted(text: &str, environment: &Environment) -> Result<String, Unusable> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let name = from[2..].split('}').next().unwrap_or_default();
        let is_name = !name.is_empty()
            && from.len() > name.len() + 2
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !is_name {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        let whole = &from[..name.len() + 3];
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str(whole);
        } else {
            out.push_str(before);
            out.push_str(environment.get(name).ok_or_else(|| Unusable::NotSet(name.to_owned()))?);
        }
        if out.len() > MAX_BYTES {
            return Err(Unusable::TooLong);
        }
        rest = &from[whole.len()..];
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_variables_stay_and_missing_ones_are_named() {
        let env = Environment::from([("A", "1")]);
        assert_eq!(substituted("$${A} ${A} ${b} ${", &env).as_deref(), Ok("${A} 1 ${b} ${"));
        assert_eq!(substituted("${A}/${B}", &env), Err(Unusable::NotSet("B".to_owned())));
        assert_eq!(substituted(&"${A}".repeat(5000), &env), Err(Unusable::TooLong));
    }
}
