#!/bin/sh
# The skill for OpenClaw: a real OpenClaw from npm loads it, offers to install the program where it is missing, and shows it
# to the model where it is there. OPENCLAW names an installed package, as tests/real has them; none is fetched, for its size.
. "$(dirname "$0")/lib.sh"
needs node jq
find_binary
skill=$project/packaging/openclaw/lockdoctor

# What it tells the model to type is a command of this program.
sed -n 's/.*`\(lockdoctor [a-z]*\).*/\1/p' "$skill/SKILL.md" | sort -u | while read -r _ command; do
    "$binary" "$command" --help >/dev/null || fail "SKILL.md: there is no $command"
done
grep -q '^lockdoctor status --json$' "$skill/SKILL.md" || fail "SKILL.md does not look at the status"
passed "each command of the skill is one of the program"

[ -n "${OPENCLAW:-}" ] || skip "OPENCLAW names no installed OpenClaw"
mkdir -p "$work/state/skills" "$work/bin" "$work/home"
cp -r "$skill" "$work/state/skills/"
loads() {
    env -i HOME="$work/home" PATH="$1:/usr/bin:/bin" OPENCLAW_STATE_DIR="$work/state" "${NODE:-node}" "$OPENCLAW/openclaw.mjs" \
        skills info lockdoctor --json 2>"$work/log" >"$work/said" || { cat "$work/log" "$work/said" >&2; fail "OpenClaw does not load it"; }
}
is() { [ "$(jq -r "$1" "$work/said")" = "$2" ] || { cat "$work/said" >&2; fail "$1 is not $2"; }; }
loads "$work/home"
is .eligible false
is '.missing.bins[0]' lockdoctor
is '.install[0].kind' node
cp "$binary" "$work/bin/lockdoctor"
loads "$work/bin"
is .eligible true
is .modelVisible true
passed "OpenClaw $(jq -r .version "$OPENCLAW/package.json") loads it"
