//! What a session key says to a person: `agent:main:telegram:direct:12345678` is "Telegram 12345678".

/// Longer ids are shown by their end, which is what people compare.
const LONGEST_ID: usize = 20;
const SHOWN_END: usize = 8;
const LONGEST_AGENT: usize = 32;
/// A key of no known shape.
const LONGEST_KEY: usize = 48;

/// A chat as its people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `telegram`, as it stands in the key.
    pub channel: Option<String>,
    pub agent: Option<String>,
    /// "Telegram group 4711, topic 2"; without the agent.
    pub text: String,
}

impl Name {
    /// From a session key as it may be shown: masked parts stay masked.
    pub fn of_key(key: &str) -> Self {
        let (agent, rest) = match key.strip_prefix("agent:").and_then(|rest| rest.split_once(':')) {
            Some((agent, rest)) => (Some(agent.to_owned()), rest),
            None => (None, key),
        };
        let parts: Vec<&str> = rest.split(':').filter(|part| !part.is_empty()).collect();
        let channel = parts.first().copied().filter(|first| title(first).is_some());
        let text = match (channel, parts.as_slice()) {
            (Some(channel), [_, details @ ..]) => {
                let name = title(channel).unwrap_or(channel);
                [vec![name.to_owned()], details_of(details)].concat().join(" ")
            }
            (_, ["main"]) => "main chat".to_owned(),
            (_, [kind, details @ ..]) if job(kind).is_some() => {
                let mut words = vec![job(kind).unwrap_or(kind).to_owned()];
                words.extend(details.first().map(|id| shortened(id)));
                words.join(" ")
            }
            _ => clipped(rest, LONGEST_KEY),
        };
        Self { channel: channel.map(str::to_owned), agent, text }
    }

    /// With the agent behind it, where there is one.
    pub fn with_agent(&self) -> String {
        match &self.agent {
            Some(agent) => format!("{} ({})", self.text, clipped(agent, LONGEST_AGENT)),
            None => self.text.clone(),
        }
    }
}

/// A chat from whatever is known of it; `None`: nothing is.
pub fn called(key: Option<&str>, id: Option<&str>, agent: Option<&str>) -> Option<String> {
    let name = key.map(Name::of_key);
    let text = match (&name, id) {
        (Some(name), _) => name.text.clone(),
        (None, Some(id)) => format!("session {}", shortened(id)),
        (None, None) => return None,
    };
    let agent = agent.or_else(|| name.as_ref()?.agent.as_deref());
    Some(agent.map_or_else(|| text.clone(), |agent| format!("{text} ({})", clipped(agent, LONGEST_AGENT))))
}

/// A name that somebody made up, as far as a line has room for it.
fn clipped(name: &str, longest: usize) -> String {
    if name.chars().count() <= longest {
        return name.to_owned();
    }
    format!("{}…", name.chars().take(longest - 1).collect::<String>())
}

fn details_of(parts: &[&str]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = parts.iter();
    while let Some(part) = rest.next() {
        match *part {
            // What a chat is unless it is something else.
            "direct" | "dm" | "peer" | "uuid" => {}
            "topic" | "thread" => {
                if let Some(last) = words.last_mut() {
                    let last: &mut String = last;
                    last.push(',');
                }
                words.push((*part).to_owned());
                words.extend(rest.next().map(|id| shortened(id)));
            }
            "group" | "channel" | "room" | "guild" | "account" | "heartbeat" | "main" => {
                words.push((*part).to_owned());
            }
            id => words.push(shortened(id)),
        }
    }
    words
}

/// An id as people compare it: a UUID's beginning, a long one's end.
fn shortened(id: &str) -> String {
    let is_uuid = id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if is_uuid {
        return format!("{}…", &id[..8]);
    }
    // `@g.us` and the like say where an id counts, not whose it is.
    let id = id.split('@').next().filter(|name| !name.is_empty()).unwrap_or(id);
    let length = id.chars().count();
    if length <= LONGEST_ID {
        return id.to_owned();
    }
    format!("…{}", id.chars().skip(length - SHOWN_END).collect::<String>())
}

/// How a channel writes itself.
fn title(channel: &str) -> Option<&'static str> {
    Some(match channel {
        "telegram" => "Telegram",
        "discord" => "Discord",
        "whatsapp" => "WhatsApp",
        "slack" => "Slack",
        "signal" => "Signal",
        "imessage" => "iMessage",
        "bluebubbles" => "BlueBubbles",
        "matrix" => "Matrix",
        "msteams" => "Microsoft Teams",
        "googlechat" => "Google Chat",
        "mattermost" => "Mattermost",
        "line" => "LINE",
        "irc" => "IRC",
        "nostr" => "Nostr",
        "zalo" => "Zalo",
        "feishu" => "Feishu",
        "tlon" => "Tlon",
        "twitch" => "Twitch",
        "webchat" | "web" => "web chat",
        "nextcloud-talk" => "Nextcloud Talk",
        _ => return None,
    })
}

fn job(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "cron" => "cron job",
        "subagent" => "sub-agent",
        "hook" => "hook",
        "acp" => "ACP session",
        "heartbeat" => "heartbeat",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_chats() {
        for (key, said) in [
            ("agent:main:main", "main chat (main)"),
            ("agent:main:telegram:direct:12345678", "Telegram 12345678 (main)"),
            ("agent:main:telegram:direct:…1a2f", "Telegram …1a2f (main)"),
            (
                "agent:ops:telegram:group:-1001234567890:topic:48",
                "Telegram group -1001234567890, topic 48 (ops)",
            ),
            ("agent:fam:whatsapp:group:120363111122223333@g.us", "WhatsApp group 120363111122223333 (fam)"),
            ("agent:main:feishu:direct:ou_0123456789abcdef0123456789", "Feishu …23456789 (main)"),
            ("agent:main:signal:direct:uuid:5dd6c97c-7d95-47ad-b732-080840c144ca", "Signal 5dd6c97c… (main)"),
            ("agent:ops:cron:5dd6c97c-7d95-47ad-b732-080840c144ca:run:x", "cron job 5dd6c97c… (ops)"),
            ("agent:lead:subagent:5dd6c97c…", "sub-agent 5dd6c97c… (lead)"),
            ("agent:main:user:7:chat:51", "user:7:chat:51 (main)"),
            ("global", "global"),
            (
                "agent:the-one-that-answers-on-behalf-of-everybody:main",
                "main chat (the-one-that-answers-on-behalf-…)",
            ),
            ("", ""),
        ] {
            assert_eq!(Name::of_key(key).with_agent(), said, "{key}");
        }
    }
}
