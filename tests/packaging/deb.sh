#!/bin/sh
# The Debian package: built twice alike, lintian clean; installed on a fresh Debian, where a session is rescued as
# docs/my-bot-stopped-answering.md says; upgraded, removed and purged.
. "$(dirname "$0")/lib.sh"
needs dpkg-deb
find_binary

export SOURCE_DATE_EPOCH=1700000000
checkout
play() { (cd "$work/checkout" && sh -ex "$1"); }
follow install-packages build-deb
package=$(echo "$work"/checkout/dist/*.deb)
again=$(umask 077; "$project/packaging/deb/build.sh" "$binary" "$work/2" 2>/dev/null)
cmp "$package" "$again" || fail "the same binary gives another package the second time"
passed "built twice, the same bytes ($(stat -c %s "$package"))"

for path in ./usr/bin/lockdoctor ./usr/share/man/man1/lockdoctor.1.gz ./usr/lib/systemd/system/lockdoctor@.service \
    ./usr/lib/systemd/user/lockdoctor-reclaim.timer ./usr/share/bash-completion/completions/lockdoctor \
    ./usr/share/zsh/vendor-completions/_lockdoctor ./usr/share/fish/vendor_completions.d/lockdoctor.fish; do
    dpkg-deb -c "$package" | awk '{ print $6 }' | grep -qxF "$path" || fail "$path is not in the package"
done
passed "binary, units, manual and completions are in it"

if command -v lintian >/dev/null; then
    complaints=$(lintian --pedantic --tag-display-limit 0 "$package" 2>&1 | grep -v -e 'running with root privileges' || true)
    [ -z "$complaints" ] || fail "lintian: $complaints"
    passed "lintian has nothing to say"
else
    echo "SKIPPED: deb: lintian is not installed" >&2
fi

needs_root
root=$work/root
fresh_debian "$root"
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
cp -r "$work/checkout/dist" "$root/root/dist"
play() {
    cp "$1" "$root/var/steps"
    in_root HOME=/root sh -c 'cd; sh -ex /var/steps'
}
mount -t proc proc "$root/proc"
at_exit "umount '$root/proc'"
follow install-packages install-deb
said '^lockdoctor 0'
follow install-packages works
in_root dpkg --verify lockdoctor | grep . && fail "files differ from those of the package"
passed "installed on a fresh Debian: $(in_root lockdoctor --version)"

# Exit status 1: something needs attention; 2: something, such as a log, could not be looked at.
play() {
    cp "$1" "$root/var/steps"
    in_root HOME=/root sh -c 'cd; sh -x /var/steps' || [ $? -le 2 ]
}
sessions=$root/root/.openclaw/agents/main/sessions
mkdir -p "$sessions"
echo '{ "meta": { "lastTouchedVersion": "2026.3.13" } }' >"$root/root/.openclaw/openclaw.json"
echo '{ "pid": 4000000, "createdAt": "2026-01-01T00:00:00.000Z" }' >"$sessions/SESSION.jsonl.lock"
follow my-bot-stopped-answering scan
said '1 leftover'
follow my-bot-stopped-answering explain
said dead-pid
follow my-bot-stopped-answering reclaim
is_tombstone "$sessions/SESSION.jsonl.lock" || { cat "$work/steps.log" >&2; fail "the session is not rescued"; }
follow my-bot-stopped-answering diagnose
passed "a session is rescued by the page for a bot that stopped answering"

# An upgrade: the same contents under a later version.
mkdir "$work/later"
dpkg-deb -R "$package" "$work/later"
sed -i 's/^Version: .*/&+1/' "$work/later/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/later" "$root/later.deb" >/dev/null
in_root ln -s /usr/lib/systemd/system/lockdoctor@.service /etc/systemd/system/multi-user.target.wants/lockdoctor@node.service
in_root dpkg -i /later.deb >"$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log"; fail "the upgrade"; }
in_root dpkg -s lockdoctor | grep -q '^Version: .*+1$' || fail "not upgraded"
[ -L "$root/etc/systemd/system/multi-user.target.wants/lockdoctor@node.service" ] || fail "the upgrade disabled an instance"
passed "upgraded; what was enabled stays enabled"

in_root dpkg -r lockdoctor >/dev/null 2>&1 || fail "dpkg -r"
in_root dpkg -P lockdoctor >/dev/null 2>&1 || fail "dpkg -P"
left=$(in_root find / -xdev -path /proc -prune -o \( -name '*lockdoctor*' ! -name '*.deb' ! -path '/root/*' \) -print)
[ -z "$left" ] || fail "left after the purge: $left"
passed "purged, and nothing is left"
