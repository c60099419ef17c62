//! Session keys and lanes keep their shape: words that say what kind of conversation it is stay, whose it is goes.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};
use std::sync::OnceLock;

use super::CUT;
use super::numbers::is_uuid;

/// Words of a session key that say what kind of conversation it is, not whose.
const KEY_WORDS: &[&str] = &[
    "agent",
    "main",
    "default",
    "global",
    "unknown",
    "session",
    "nested",
    "cron",
    "run",
    "hook",
    "heartbeat",
    "subagent",
    "direct",
    "dm",
    "group",
    "channel",
    "thread",
    "topic",
    "room",
    "guild",
    "account",
    "peer",
    "acp",
    "webchat",
    "web",
    "telegram",
    "discord",
    "whatsapp",
    "slack",
    "signal",
    "imessage",
    "bluebubbles",
    "matrix",
    "msteams",
    "googlechat",
    "mattermost",
    "line",
    "irc",
    "nostr",
    "zalo",
    "feishu",
    "tlon",
    "twitch",
    "nextcloud-talk",
    "synology-chat",
    "rocketchat",
    "wecom",
    "weixin",
    "openclaw-weixin",
    "dingtalk",
    "lark",
    "qq",
    "qqbot",
    "teams",
    "sms",
    "email",
    "zalouser",
    "webhook",
    "dashboard",
    "tui",
    "cli",
    "api",
    "chat",
    "user",
    "spaces",
    "probe",
    "temp",
    "auth-probe",
];

/// Words of it that name a channel: a key may begin with one.
const CHANNELS: &[&str] = &[
    "telegram:",
    "discord:",
    "whatsapp:",
    "slack:",
    "imessage:",
    "bluebubbles:",
    "matrix:",
    "msteams:",
    "googlechat:",
    "mattermost:",
    "zalo:",
    "feishu:",
    "wecom:",
    "dingtalk:",
    "qqbot:",
];

/// Whether agents are called by their names, which people give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agents {
    Named,
    Masked,
}

pub(super) fn session_key(key: &str, agents: Agents) -> String {
    let mut shown = String::with_capacity(key.len());
    for (index, part) in key.split(':').enumerate() {
        if index > 0 {
            shown.push(':');
        }
        // The second part is the agent's id: the name of a directory, and needed to act on anything here.
        let agent = agents == Agents::Named && index == 1 && key.starts_with("agent:");
        if agent || part.is_empty() || KEY_WORDS.contains(&part) || part.starts_with(CUT) {
            shown.push_str(part);
        } else if is_uuid(part) {
            shown.push_str(&part[..8]);
            shown.push_str(CUT);
        } else {
            shown.push_str(&masked(part));
        }
    }
    shown
}

/// `session:<key>`, `nested:<key>`, `main`.
pub(super) fn lane(lane: &str, agents: Agents) -> Cow<'_, str> {
    match lane.find("agent:") {
        Some(at) => {
            Cow::Owned(format!("{}{}", session_key(&lane[..at], agents), session_key(&lane[at..], agents)))
        }
        None if KEY_WORDS.contains(&lane) => Cow::Borrowed(lane),
        None => Cow::Owned(session_key(lane, agents)),
    }
}

/// One word of it.
pub(super) fn word(word: &str) -> Cow<'_, str> {
    if KEY_WORDS.contains(&word) || word.starts_with(CUT) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(masked(word))
    }
}

/// Where a session key begins in a word of a text.
pub(super) fn start(word: &str) -> Option<usize> {
    if !word.contains(':') {
        return None;
    }
    // `telegram: polling` and `[discord:gateway]` name a part of OpenClaw.
    let names_somebody = word.contains(|c: char| c.is_ascii_digit() || c == '@');
    let channels = CHANNELS.iter().filter(|_| names_somebody);
    let at = word.find("agent:").or_else(|| channels.filter_map(|channel| word.find(channel)).min())?;
    (at == 0 || matches!(word.as_bytes()[at - 1], b'=' | b':')).then_some(at)
}

/// What stands for `text` wherever and however it is written.
pub(super) fn masked(text: &str) -> String {
    format!("{CUT}{}", digest(&canonical(text)))
}

/// A number is its digits: `+49 170 1234567`, `491701234567@s.whatsapp.net`; Slack's ids come in both cases.
fn canonical(text: &str) -> Cow<'_, str> {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    let written = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '.' | '(' | ')' | '/');
    if name.chars().all(written) && name.chars().any(|c| c.is_ascii_digit()) {
        return Cow::Owned(name.chars().filter(char::is_ascii_digit).collect());
    }
    let upper = text.to_ascii_uppercase();
    if super::numbers::is_slack_id(&upper) { Cow::Owned(upper) } else { Cow::Borrowed(text) }
}

/// What makes masks of this install unlike those of every other.
static SALT: OnceLock<[u64; 2]> = OnceLock::new();

/// Sets it, once and before the first mask; without it masks are the same everywhere.
pub(super) fn salt_with(secret: &[u8]) {
    let half = |number: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(number);
        hasher.write(secret);
        hasher.finish()
    };
    let _ = SALT.set([half(0), half(1)]);
}

/// Four hex digits: enough to match two rows, far too few to get a phone number back (each stands for a hundred
/// thousand numbers).
fn digest(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(SALT.get().map_or(0, |salt| salt[0]));
    hasher.write(text.as_bytes());
    hasher.write_u64(SALT.get().map_or(0, |salt| salt[1]));
    format!("{:04x}", hasher.finish() & 0xffff)
}
