//! Credentials, by their shape or by the word before them.

use super::numbers::is_uuid;

/// `Authorization: Bearer`, after which the next word is the secret.
pub(super) fn announced_by(shown: &str) -> bool {
    let before = shown.trim_end();
    let last = before.rsplit(super::is_break).next().unwrap_or("");
    let gap = shown.len() > before.len();
    gap && ["bearer", "basic", "bot", "token"]
        .contains(&last.rsplit(['=', ':']).next().unwrap_or("").to_ascii_lowercase().as_str())
        && before.to_ascii_lowercase().contains("authorization")
        || gap && last.eq_ignore_ascii_case("bearer")
}

/// `token: `, `x-api-key: `: the next word is the value.
pub(super) fn is_named_before_its_value(name: &str) -> bool {
    let secrets = ["token", "apikey", "api-key", "api_key", "password", "passwd", "secret", "cookie"];
    secrets.iter().any(|secret| name.ends_with(secret))
}

/// `token=`, `botToken=`. `tokenCount=` and `maxTokens=` end differently; `token=12` could be either and is cut.
pub(super) fn is_name_of_one(name: &str) -> bool {
    let secrets = [
        "token",
        "secret",
        "password",
        "passwd",
        "apikey",
        "api_key",
        "api-key",
        "authorization",
        "cookie",
        "pin",
    ];
    secrets.iter().any(|secret| name.ends_with(secret))
}

/// In bytes.
pub(super) const SHORTEST: usize = 12;

/// Shapes of well-known credentials, and anything long and random enough to be one.
pub(super) fn is_secret(token: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "sk-",
        "sk_",
        "pk_",
        "rk_",
        "xox",
        "xapp-",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "AIza",
        "AKIA",
        "ASIA",
        "eyJ",
        "ya29.",
        "hf_",
        "gsk_",
        "npm_",
        "pypi-",
        "xai-",
        "whsec_",
        "SG.",
        "EAA",
        "-----BEGIN",
        "nvapi-",
    ];
    let token = token.trim_end_matches(['.', ':', '!', '?', '=']);
    if token.len() >= SHORTEST && PREFIXES.iter().any(|prefix| token.starts_with(prefix)) {
        return true;
    }
    let bot = token.strip_prefix("bot").unwrap_or(token);
    if let Some((id, secret)) = bot.split_once(':')
        && (6..=12).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && secret.len() >= 20
    {
        return true;
    }
    let opaque = token
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'='));
    let has = |test: fn(&u8) -> bool| token.as_bytes().iter().filter(|byte| test(byte)).count() >= 3;
    opaque
        && token.len() >= 32
        && !is_uuid(token)
        && !token.contains(".js")
        && has(u8::is_ascii_digit)
        && (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
            || token.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
