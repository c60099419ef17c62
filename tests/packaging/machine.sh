# shellcheck shell=sh
# A fresh Debian that is booted: the package installed, and a user called node with a gateway. Sourced after lib.sh.
needs_root
needs dpkg-deb
find_binary
root=$work/root
home=$root/home/node
fresh_debian "$root"
cp "$("$project/packaging/deb/build.sh" "$binary" "$work" 2>/dev/null)" "$root/lockdoctor.deb"
cp "$root/bin/bash" "$root/usr/local/bin/openclaw-gateway"
printf '%s\n' "$holder_script" >"$root/usr/local/bin/holder"
echo 'node ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/node"
chroot "$root" useradd --create-home --shell /bin/bash --uid 1000 node
chroot "$root" dpkg -i /lockdoctor.deb >/dev/null 2>&1 || fail "dpkg -i"
boot "$root"

as_node() { inside setpriv --reuid 1000 --regid 1000 --init-groups env HOME=/home/node USER=node XDG_RUNTIME_DIR=/run/user/1000 "$@"; }
# Pages are followed as user node.
play() {
    cp "$1" "$root/var/steps"
    as_node bash -ex /var/steps
}
new_state() {
    as_node mkdir -p "$1/agents/main/sessions"
    as_node sh -c "echo '{ \"meta\": { \"lastTouchedVersion\": \"2026.3.13\" } }' > $1/openclaw.json"
}
# gateway STATE LOCK: holds the lock until it is killed; sets $gateway to its pid inside.
gateway() {
    lock=$1/agents/main/sessions/$2.jsonl.lock
    as_node env OPENCLAW_STATE_DIR="$1" openclaw-gateway /usr/local/bin/holder "$lock" 2>/dev/null &
    eventually 10 grep -q pid "$root$lock" || fail "no gateway holds $2"
    gateway=$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$root$lock")
}
killed() { inside kill -9 "$1"; }
journal_of() { inside journalctl --no-pager -o cat "$@"; }
