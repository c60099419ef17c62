//! The prefilter: strings of which at least one stands in every line that [`recognise`](super::recognise) knows.
//! JSON leaves all of them as they are (no quotes, no control characters), and colours never fall inside one.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Span, packed};
use std::sync::LazyLock;

/// Kept short and rare: each costs a little on every byte of every log. The tests hold every known message to it.
const ANCHORS: &[&str] = &[
    // lanes
    ": lane=",
    // sessions and runs
    "sessionId=",
    "active runs: ",
    "heartbeat: webhooks",
    "embedded run agent end",
    "failover decision",
    "fallback decision",
    "orphaned user message",
    " timed out",
    "failed before reply",
    "typing TTL",
    "[model-fetch] error",
    "dle timeout",
    "idle-timeout",
    "outcome=error",
    // locks
    "session file locked",
    "session file lock stale",
    "session file changed",
    "session store lock",
    "releasing lock held",
    "session lock",
    " main session",
    // process
    "listening on ws",
    "server listening",
    "gateway ready",
    "[gateway] ready",
    "mready",
    "log file",
    "queue overflow",
    "signal SIG",
    "received SIG",
    "completed cleanly",
    "closed: ",
    "draining ",
    "liveness ",
    "memory pressure",
    "fetch timeout",
    "pre-warmed in",
    "timeout after ",
    "gateway already running",
    "acquire gateway lock",
    "startup migrations",
    "owner lease is",
    // SQLite
    "slow SQLite",
    "SQLITE_BUSY",
    "database is locked",
    "wal_sidecar",
    // RPC and channels
    "⇄ res",
    "gateway request timeout",
    "handler failed",
    "Slow listener",
    "spooled update",
    "olling stall",
    // errors by themselves
    "changed while starting work",
    "is draining",
    "ENOSPC",
    "equest timed out",
    // journald writes a message with control characters (colours) as an array of bytes
    "\"MESSAGE\":[",
    "\"MESSAGE\" : [",
];

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
