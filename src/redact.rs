//! What must not leave the machine in a report. Session keys keep their shape, so that two rows about one
//! conversation can still be matched; chat ids, phone numbers and addresses in them are masked.

/// Whether outputs are redacted (`--no-redact` turns it off).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    On,
    Off,
}

impl Redaction {
    /// `agent:main:telegram:direct:+4912345` → `agent:main:telegram:direct:…3f9c`.
    pub fn session_key(self, key: &str) -> String {
        if self == Self::Off {
            return key.to_owned();
        }
        let mut after_peer = false;
        let masked: Vec<String> = key
            .split(':')
            .enumerate()
            .map(|(index, part)| {
                let keep = index < 2 || (!after_peer && is_word(part)) || is_uuid(part);
                after_peer =
                    matches!(part, "direct" | "dm" | "group" | "channel" | "thread" | "topic" | "user");
                if keep { part.to_owned() } else { mask(part) }
            })
            .collect();
        masked.join(":")
    }
}

/// The same text always gets the same mask.
pub fn mask(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("…{:04x}", (hash ^ (hash >> 32)) & 0xffff)
}

fn is_word(part: &str) -> bool {
    part.len() <= 24 && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_')
}

fn is_uuid(part: &str) -> bool {
    part.len() == 36
        && part.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_masked_and_structure_stays() {
        let on = Redaction::On;
        assert_eq!(on.session_key("agent:main:main"), "agent:main:main");
        let key = on.session_key("agent:nina:whatsapp:direct:+55119998877");
        assert!(key.starts_with("agent:nina:whatsapp:direct:…") && !key.contains("999"), "{key}");
        assert_eq!(key, on.session_key("agent:nina:whatsapp:direct:+55119998877"));
        let job = "agent:main:cron:5dd6c97c-7d95-47ad-b732-080840c144ca";
        assert_eq!(on.session_key(job), job);
        assert!(!on.session_key("agent:main:discord:channel:1465000000000000000").contains("1465"));
        assert!(!on.session_key("agent:main:direct:joe").contains("joe"));
        assert_eq!(Redaction::Off.session_key("agent:a:b:direct:joe"), "agent:a:b:direct:joe");
    }
}
