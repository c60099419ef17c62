#!/bin/sh
# README.md's first commands and `cargo install`, in a home with a blocked session. Only the speed of the build differs.
. "$(dirname "$0")/lib.sh"
needs cargo
export CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$project/target}/source" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}"
export RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" CARGO_INSTALL_ROOT="$work/home/.cargo"
export HOME="$work/home" PATH="$work/home/.cargo/bin:$PATH"
sessions=$HOME/.openclaw/agents/main/sessions
mkdir -p "$sessions"
echo '{ "meta": { "lastTouchedVersion": "2026.3.13" } }' >"$HOME/.openclaw/openclaw.json"
echo '{ "pid": 4000000, "createdAt": "2026-01-01T00:00:00.000Z" }' >"$sessions/s.jsonl.lock"

play() { (cd "$project" && sh -ex "$1"); }
follow README demo
passed "the README's demo runs"
# Exit status 1: a lock needs attention.
play() { (cd "$project" && sh -x "$1" || [ $? = 1 ]); }
follow README scan
said stale
passed "the README's scan finds the blocked session"

play() { (cd "$project" && sh -ex "$1"); }
follow install-packages cargo
said '^lockdoctor 0'
follow install-packages manual
[ -s "$HOME/.local/share/man/man1/lockdoctor.1" ] || fail "no manual"
lockdoctor reclaim --yes >"$work/log" 2>&1 || { cat "$work/log"; fail "reclaim"; }
is_tombstone "$sessions/s.jsonl.lock" || fail "the session is not rescued"
passed "cargo install; the session is rescued"
