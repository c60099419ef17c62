#!/bin/sh
# Refuses a release that would not be true: the owner is still a placeholder, or tag, Cargo.toml and changelog disagree.
#
#   packaging/release-check.sh v0.1.0
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=packaging/about.sh
. packaging/about.sh
wrong=0
complain() {
    echo "release-check: $*" >&2
    wrong=1
}
placeholders=$(grep -rlI --exclude-dir=target --exclude-dir=.git --exclude=owner.sh --exclude=release-check.sh 'OWNER/lockdoctor' . || true)
[ -z "$placeholders" ] || complain "OWNER stands for the owner still (packaging/owner.sh NAME) in:" $placeholders
[ "${1:-}" = "v$version" ] || complain "the tag is '${1:-}', Cargo.toml has $version"
grep -q "^## \[$version\]" CHANGELOG.md || complain "CHANGELOG.md has no section [$version]"
for page in README.md docs/*.md packaging/container/compose.yaml; do
    others=$(grep -oE 'lockdoctor[:_-][0-9]+\.[0-9]+\.[0-9]+' "$page" | grep -vE "[:_-]$version\$" | sort -u || true)
    [ -z "$others" ] || complain "$page names another version: $others"
done
exit $wrong
