//! What OpenClaw calls its things, under every name it has had.

/// The state directory in a home directory, the current name first; a profile adds `-<name>`.
pub const STATE_DIRECTORIES: [&str; 4] = [".openclaw", ".clawdbot", ".moltbot", ".moldbot"];

/// The configuration in a state directory, the current name first.
pub const CONFIGURATIONS: [&str; 4] = ["openclaw.json", "clawdbot.json", "moltbot.json", "moldbot.json"];

/// The session store in a sessions directory, unless `session.store` gives it another name.
pub const STORE: &str = "sessions.json";
