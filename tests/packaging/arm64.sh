#!/bin/sh
# The aarch64 binary: built, packed as deb, rpm and npm, and run under QEMU's user emulation, whose system calls are this
# kernel's: the lease, the swap, pidfds, inotify. Nothing on the machine is changed: the emulator is registered in a user
# namespace of the test's own.
. "$(dirname "$0")/lib.sh"
needs unshare dpkg-deb
triple=aarch64-linux-gnu
command -v $triple-gcc >/dev/null || skip "$triple-gcc is not installed"
[ "$(uname -m)" = x86_64 ] || skip "made for x86_64 machines; on aarch64 the other tests are about this binary"

# openat2 came to the emulator with QEMU 10; Debian 12 has 7.2.
qemu=$cache/qemu-aarch64
if [ ! -x "$qemu" ]; then
    mkdir -p "$cache"
    (
        cd "$project"
        . packaging/debian.sh
        debian_suite trixie "$work/apt" && unpack "$work/qemu" qemu-user:amd64 && mv "$work/qemu/usr/bin/qemu-aarch64" "$qemu"
    ) >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; skip "no QEMU 10 can be had"; }
fi

# emulated COMMAND…: in a user namespace in which the kernel starts programs for aarch64 with the emulator.
cat >"$work/emulated" <<'END'
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' ":lockdoctor-aarch64:M::$MAGIC:$MASK:$QEMU:F" >/proc/sys/fs/binfmt_misc/register
exec "$@"
END
export QEMU="$qemu" \
    MAGIC='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' \
    MASK='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
become_emulated() { exec unshare --user --map-root-user --mount sh -eu "$work/emulated" "$@"; }
emulated() { (become_emulated "$@"); }
emulated true 2>"$work/log" || skip "no emulator can be registered here: $(tail -n 1 "$work/log")"

binary=${LOCKDOCTOR_AARCH64:-}
if [ -z "$binary" ]; then
    started=$(date +%s)
    binary=$(TARGET=aarch64-unknown-linux-gnu "$project/packaging/build-static.sh" 2>"$work/log") || {
        grep -q 'rustc-web\|Unable to fetch' "$work/log" && skip "no toolchain for aarch64 can be had: $(tail -n 1 "$work/log")"
        tail -n 30 "$work/log" >&2
        fail "the binary for aarch64 does not build"
    }
    say "built in $(($(date +%s) - started)) s"
fi
size=$(stat -c %s "$binary")
[ "$size" -lt $((8 << 20)) ] || fail "the binary has $size bytes"
emulated "$binary" --version | grep -q '^lockdoctor ' || fail "it does not start"
passed "a static binary for aarch64, $size bytes"

# Packages.
cd "$work"
[ "$(dpkg-deb --field "$(emulated "$project/packaging/deb/build.sh" "$binary" "$work" 2>/dev/null)" Architecture)" = arm64 ] ||
    fail "the Debian package is not for arm64"
packages=deb
if command -v rpmbuild >/dev/null; then
    package=$(emulated "$project/packaging/rpm/build.sh" "$binary" "$work" 2>/dev/null) || fail "rpm"
    [ "$(rpm -qp --queryformat '%{ARCH}' "$package")" = aarch64 ] || fail "the RPM package is not for aarch64"
    packages="$packages, rpm"
fi
if command -v npm >/dev/null; then
    "$project/packaging/npm/build.sh" "$work" "$binary" >/dev/null
    tar -xzOf lockdoctor-linux-arm64-*.tgz package/package.json | grep -q '"cpu": \["arm64"\]' || fail "npm"
    packages="$packages, npm"
fi
passed "packages for aarch64: $packages"

# Run.
export HOME="$work/home" TMPDIR="$work/tmp"
sessions=$HOME/.openclaw/agents/main/sessions
mkdir -p "$sessions" "$TMPDIR"
echo '{ "meta": { "lastTouchedVersion": "2026.3.13" } }' >"$HOME/.openclaw/openclaw.json"
run() { emulated "$binary" "$@" >"$work/said" 2>&1; }
says() { grep -q -e "$1" "$work/said" || { cat "$work/said" >&2; fail "$2 does not say: $1"; }; }

run demo || { cat "$work/said" >&2; fail "demo"; }
says 'locks freed' demo
# QEMU makes up one thing: a process's own start time (/proc/self/stat). By it the demo's gateway is another process than
# the one that its locks name, so what a living owner leaked is not shown here.
for verdict in 'reasons: zombie-pid' 'reasons: thread-id' ' overdue ' ' held ' 'open for writing'; do
    says "$verdict" demo
done
passed "demo: the verdicts are those of x86_64: the lease, /proc and the swap pass through"

# A live lock of a native process, and one of a dead owner.
printf '%s\n' "$holder_script" >"$work/holder"
sh "$work/holder" "$sessions/live.jsonl.lock" &
holder=$!
at_exit "kill -9 \$(pgrep -P $holder) $holder"
eventually 10 grep -q pid "$sessions/live.jsonl.lock"
live=$(stat -c %i "$sessions/live.jsonl.lock")
echo '{ "pid": 4000000, "createdAt": "2026-01-01T00:00:00.000Z" }' >"$sessions/dead.jsonl.lock"
run scan --json || [ $? = 1 ] || { cat "$work/said" >&2; fail "scan"; }
says '"verdict": *"stale"' scan
says '"verdict": *"held"' scan
run reclaim --yes || [ $? = 1 ] || { cat "$work/said" >&2; fail "reclaim"; }
is_tombstone "$sessions/dead.jsonl.lock" || fail "the stale lock was not freed"
same_inode "$sessions/live.jsonl.lock" "$live" || fail "a live lock was touched"
passed "scan and reclaim: the stale lock is freed, the live one stays"

run watch --once --log-format json || [ $? = 1 ] || { cat "$work/said" >&2; fail "watch --once"; }
become_emulated "$binary" watch --reclaim --settle 300ms --log-format json >"$work/said" 2>&1 &
watch=$!
at_exit "kill $watch"
eventually 20 grep -q '"watching"' "$work/said" || { cat "$work/said" >&2; fail "watch does not watch"; }
kill -9 $holder "$(pgrep -P $holder)"
eventually 20 is_tombstone "$sessions/live.jsonl.lock" || { cat "$work/said" >&2; fail "watch did not free the lock of the killed owner"; }
kill $watch
wait $watch || fail "watch does not end well on SIGTERM"
passed "watch: told of the owner's death, it freed the lock: inotify and pidfds pass through"

run doctor || [ $? = 1 ] || { cat "$work/said" >&2; fail "doctor"; }
for check in lease swap; do says "\[✓\] $check" doctor; done
passed "doctor: lease and swap in order"
