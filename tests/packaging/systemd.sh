#!/bin/sh
# The units: well-formed, hardened, and then for real. A fresh Debian is booted, the package installed, the steps of
# docs/install-systemd.md followed literally, and sessions rescued in it.
. "$(dirname "$0")/lib.sh"
needs systemd-analyze

# 1. Without booting: verify, and the exposure.
stage=$work/stage
mkdir -p "$stage/usr/bin" "$stage/usr/lib/systemd" "$stage/bin" "$stage/etc/systemd/system"
cp -r "$project/packaging/systemd/system" "$project/packaging/systemd/user" "$stage/usr/lib/systemd/"
printf '#!/bin/sh\n' >"$stage/usr/bin/lockdoctor"
chmod +x "$stage/usr/bin/lockdoctor"
cp "$stage/usr/bin/lockdoctor" "$stage/bin/kill"
for target in basic sysinit shutdown multi-user timers default sockets paths slices; do
    printf '[Unit]\nDescription=%s\n' $target >"$stage/usr/lib/systemd/system/$target.target"
done
for unit in lockdoctor@node.service lockdoctor-reclaim@node.service lockdoctor-reclaim@node.timer; do
    complaints=$(systemd-analyze verify --man=no --root="$stage" "/usr/lib/systemd/system/$unit" 2>&1 | grep lockdoctor || true)
    [ -z "$complaints" ] || fail "systemd-analyze verify $unit: $complaints"
done
passed "systemd-analyze verify has nothing to say"

exposure() {
    cp "$project/packaging/systemd/system/$1@.service" "$work/$1@node.service"
    systemd-analyze security --offline=true --no-pager "$work/$1@node.service" |
        sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p'
}
for limit in lockdoctor:1.0 lockdoctor-reclaim:1.0; do
    unit=${limit%:*}
    found=$(exposure "$unit")
    [ "$(printf '%s\n%s\n' "$found" "${limit#*:}" | sort -n | head -n 1)" = "$found" ] || fail "$unit@.service: exposure $found"
    passed "$unit@.service: exposure $found (at most ${limit#*:})"
done
for blinding in ProtectProc=invisible ProcSubset=pid DynamicUser=yes PrivateTmp=yes PrivatePIDs=yes PrivateUsers=yes; do
    grep -q "^$blinding" "$project"/packaging/systemd/*/*.service && fail "$blinding would make it blind"
done

# 2. Booted.
. "$(dirname "$0")/machine.sh"
new_state /home/node/.openclaw
sessions=$home/.openclaw/agents/main/sessions
gateway /home/node/.openclaw live
live=$(stat -c %i "$sessions/live.jsonl.lock")

follow install-systemd who
said '^node .* openclaw-gatewa'
follow install-systemd daemon
eventually 10 inside systemctl is-active lockdoctor@node.service || { journal_of -u lockdoctor@node; fail "not active"; }
passed "the daemon is ready: $(inside systemctl show -p StatusText --value lockdoctor@node)"

# The hardened unit must see what the bare program sees.
sed -e '/^ExecStart/d' -e '/^Type=/d' -e '/^Restart/d' -e '/^WatchdogSec/d' "$root/usr/lib/systemd/system/lockdoctor@.service" |
    sed 's|^\[Service\]|&\nType=oneshot\nExecStart=/usr/bin/lockdoctor doctor\nSuccessExitStatus=1|' >"$root/etc/systemd/system/probe@.service"
inside systemctl daemon-reload
inside systemctl start probe@node.service || { journal_of -u probe@node; fail "doctor cannot look from within the unit"; }
seen=$(journal_of -u probe@node)
for line in '\[✓\] gateway  *running (pid' '\[✓\] uid' '\[✓\] writable' '\[✓\] lease' '\[✓\] swap' '\[✓\] pid-namespace  *shared' '\[✓\] hidepid'; do
    echo "$seen" | grep -q "$line" || { echo "$seen"; fail "within the unit doctor does not say: $line"; }
done
passed "the hardened unit sees the gateway, and can swap"

gateway /home/node/.openclaw dead
started=$(date +%s%N)
killed "$gateway"
eventually 20 is_tombstone "$sessions/dead.jsonl.lock" || { journal_of -u lockdoctor@node; fail "the killed gateway's lock was not freed"; }
passed "a killed gateway's session is rescued, $((($(date +%s%N) - started) / 1000000)) ms after the kill"
same_inode "$sessions/live.jsonl.lock" "$live" || fail "a live lock was touched"

daemon=$(inside systemctl show -p MainPID --value lockdoctor@node)
inside kill -9 "$daemon"
restarted() { [ "$(inside systemctl show -p NRestarts --value lockdoctor@node)" = 1 ] && inside systemctl is-active lockdoctor@node; }
eventually 30 restarted || fail "killed, and not started again"
passed "killed, it is started again"
follow install-systemd journal

# From exec to READY=1, the best of five: a busy machine says nothing about the program.
best=999999
for _ in 1 2 3 4 5; do
    inside systemctl reset-failed lockdoctor@node.service
    inside systemctl restart lockdoctor@node.service
    of() { inside systemctl show -p "$1TimestampMonotonic" --value lockdoctor@node.service; }
    took=$(($(of ActiveEnter) - $(of ExecMainStart)))
    [ "$took" -ge "$best" ] || best=$took
done
say "from start to ready: $best µs (the aim: under 30000)"
inside systemctl reset-failed lockdoctor@node.service

# 3. The timer, and the daemon's end.
inside systemctl disable --now lockdoctor@node.service 2>/dev/null
gateway /home/node/.openclaw timed
killed "$gateway"
follow install-systemd timer
said lockdoctor-reclaim@node.timer
eventually 60 is_tombstone "$sessions/timed.jsonl.lock" || { journal_of -u lockdoctor-reclaim@node; fail "the timer freed nothing"; }
same_inode "$sessions/live.jsonl.lock" "$live" || fail "the timer touched a live lock"
passed "the timer fires, and frees what is stale"
inside systemctl disable --now lockdoctor-reclaim@node.timer 2>/dev/null

# 4. The wrong user fails, and says so.
echo LOCKDOCTOR_STATE_DIR=/home/node/.openclaw >"$root/etc/default/lockdoctor-daemon"
chmod 700 "$home/.openclaw"
chmod 755 "$home"
inside systemctl start lockdoctor@daemon.service 2>/dev/null && fail "the wrong user is taken"
wrong=$(journal_of -u lockdoctor@daemon)
echo "$wrong" | grep -q 'lockdoctor runs as uid 1 (daemon); /home/node/.openclaw belongs to 1000 (node)' || { echo "$wrong"; fail "the journal does not say what is wrong"; }
inside systemctl start lockdoctor-reclaim@daemon.service 2>/dev/null && fail "the timer's unit takes the wrong user"
inside systemctl start lockdoctor@nobody-of-that-name.service 2>/dev/null && fail "a user who does not exist is taken"
passed "with the wrong user it fails, and the journal names the right one"

# 5. Elsewhere, metrics, and as a user.
new_state /tmp/state
inside mkdir -p /opt/bot
inside cp -a /tmp/state /opt/bot/state
follow install-systemd elsewhere
gateway /opt/bot/state there
killed "$gateway"
eventually 20 is_tombstone "$root/opt/bot/state/agents/main/sessions/there.jsonl.lock" || { journal_of -u lockdoctor@node; fail "not freed in /opt/bot/state"; }
passed "a state directory elsewhere"
follow install-systemd metrics
scraped() { inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/9418; printf "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n" >&3; grep -q ^lockdoctor_locks <&3'; }
eventually 10 scraped || { journal_of -u lockdoctor@node; fail "no metrics"; }
passed "metrics on loopback"
inside systemctl stop lockdoctor@node.service

inside loginctl enable-linger node 2>/dev/null || inside systemctl start user@1000.service
if eventually 20 as_node systemctl --user is-system-running; then
    follow install-systemd user
    gateway /home/node/.openclaw mine
    killed "$gateway"
    eventually 20 is_tombstone "$sessions/mine.jsonl.lock" || { as_node systemctl --user status lockdoctor --no-pager; fail "the user's daemon freed nothing"; }
    passed "the user's own daemon rescues too"
else
    echo "SKIPPED: systemd: no user manager comes up in the container" >&2
fi
same_inode "$sessions/live.jsonl.lock" "$live" || fail "a live lock was touched"
inside systemctl poweroff --force --force 2>/dev/null || true
passed "no live lock was touched"
