//! The prefilter: strings of which at least one stands in every line that [`recognise`](super::recognise) knows.
//! JSON leaves all of them as they are (no quotes, no control characters), and colours never fall inside one.

use super::prefix;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, Span, packed};
use std::sync::LazyLock;

/// At most 64, as many as the vectorised search takes. Kept short and rare: each costs a little on every byte of every log. The tests hold every known message to it.
const ANCHORS: &[&str] = &[
    // lanes
    ": lane=",
    // sessions and runs
    "sessionId=",
    " session:",
    "session recovery",
    "heartbeat: webhooks",
    "embedded run ",
    "fallback decision",
    "orphaned user message",
    "[model-fetch] error",
    // failures, in whatever words
    "ailed",
    "timeout",
    " timed out",
    "ailoverError",
    "dropped",
    "ve up",
    "iving up",
    "or retry",
    "dead-letter",
    " stall",
    "conflicted",
    "turn claim",
    "while starting",
    "nhandled ",
    "ncaught ",
    "Main process ex",
    "another OpenClaw process",
    "not start",
    "Refusing to bind",
    "t blocked",
    "issing config",
    "nvalid",
    "no password is",
    "claw: Node",
    "repeated too quickly",
    "iscarded",
    "ot deliver",
    "be deliver",
    // answers
    "Auto-replied",
    "outbound send ok",
    "Inbound message ",
    "ctive WhatsApp",
    // locks
    "session file ",
    "releasing lock held",
    "session lock",
    " main session",
    // process
    "listening",
    " ready",
    "log file",
    " SIG",
    "completed cleanly",
    "draining",
    "liveness ",
    "memory pressure",
    "pre-warmed in",
    "gateway already running",
    "startup migrations",
    // SQLite
    "slow SQLite",
    "SQLITE_",
    "database is locked",
    "wal_sidecar",
    // RPC
    "\u{21c4} res",
    "Slow listener",
    // journald writes a message with control characters (colours) as an array of bytes
    "\"MESSAGE\":[",
    "\"MESSAGE\" : [",
];

const _: () = assert!(ANCHORS.len() <= 64);

/// How messages begin that nothing but OpenClaw writes: what to look for in a line with an unknown front.
const BEGINNINGS: &[&str] = &[
    "lane wait exceeded: lane=",
    "lane task ",
    "lane enqueue: lane=",
    "lane dequeue: lane=",
    "drainLane blocked: ",
    "stuck session",
    "stalled session: ",
    "long-running session: ",
    "session state: session",
    "message queued: session",
    "message processed: channel=",
    "message dispatch completed: channel=",
    "embedded run ",
    "embedded abort settle ",
    "Embedded agent failed before reply: ",
    "run registered: session",
    "run cleared: session",
    "liveness warning: reasons=",
    "liveness heartbeat delayed",
    "releasing lock held for ",
    "removed stale session lock: ",
    "slow SQLite ",
    "Slow listener detected",
    "Channel ingress claim",
    "Subagent announce ",
    "Subagent completion ",
    "cron: job ",
    "Gateway failed to start",
];

static BEGINNING: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(BEGINNINGS).ok());

/// Whether `text` begins as only OpenClaw's messages do.
pub(super) fn begins(text: &str) -> bool {
    text.starts_with('[') && prefix::bracketed(text).is_some()
        || BEGINNINGS.iter().any(|known| text.starts_with(known))
}

/// Whether `text` begins as a message of many fields does, which people wrap.
pub(super) fn has_fields(text: &str) -> bool {
    ["stuck session", "stalled session", "long-running session", "lane ", "embedded run ", "liveness warning"]
        .iter()
        .any(|known| text.starts_with(known))
}

/// Where the first of its messages, or its `[subsystem]`, begins in `text`.
pub(super) fn beginning(text: &str) -> Option<usize> {
    let message = BEGINNING.as_ref()?.find(text).map(|found| found.start());
    let name =
        memchr::memchr_iter(b'[', text.as_bytes()).find(|at| prefix::bracketed(&text[*at..]).is_some());
    message.into_iter().chain(name).min()
}

enum Searcher {
    /// Vectorised (SSSE3, AVX2, NEON): about 1.6 GB/s with these anchors on the machine it was chosen on.
    Packed(packed::Searcher),
    /// A third of that, everywhere.
    Dfa(AhoCorasick),
}

static SEARCHER: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    if let Some(packed) = packed::Searcher::new(ANCHORS) {
        return Some(Searcher::Packed(packed));
    }
    let dfa = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(ANCHORS);
    dfa.ok().map(Searcher::Dfa)
});

/// Where in `text[from..]` the next anchor begins.
pub(super) fn find(text: &[u8], from: usize) -> Option<usize> {
    let span = Span { start: from, end: text.len() };
    match &*SEARCHER {
        Some(Searcher::Packed(packed)) => packed.find_in(text, span).map(|found| found.start()),
        Some(Searcher::Dfa(dfa)) => {
            dfa.find(aho_corasick::Input::new(text).span(span)).map(|found| found.start())
        }
        // The automaton of a fixed small list cannot fail to build; without it every line would be parsed.
        None => (from < text.len()).then_some(from),
    }
}
