#!/bin/sh
# `lockdoctor setup` on a booted Debian without the package: from an archive as root, for two users; from npm's place in a
# home as its user. The plan changes nothing; then sessions are rescued, the cron lines are comments, and all is undone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/machine.sh"
chroot "$root" dpkg --purge lockdoctor >/dev/null 2>&1
install -m 755 "$binary" "$root/usr/local/bin/lockdoctor"
chroot "$root" useradd --create-home --uid 1001 bot
ln -s /usr/bin/true "$root/usr/local/bin/openclaw"

new_state /home/node/.openclaw
# An install of somebody else's, in a place that no unit knows.
inside mkdir -p /srv/chat/bots/agents/main/sessions
inside sh -c "echo '{ \"meta\": { \"lastTouchedVersion\": \"2026.3.13\" } }' > /srv/chat/bots/openclaw.json"
inside chown -R bot:bot /srv/chat/bots
line='*/2 * * * * find ~/.openclaw/agents -name "*.lock" -mmin +2 -delete'
keep='5 4 * * * /usr/bin/true'
printf '%s\n%s\n' "$keep" "$line" | inside crontab -u node -
printf '# locks\n*/5 * * * * bot find /srv/chat/bots/agents -name "*.lock" -delete\n' >"$root/etc/cron.d/locks"
chmod 600 "$root/etc/cron.d/locks"
inside crontab -u node -l >"$work/crontab"
cp -p "$root/etc/cron.d/locks" "$work/locks"
everything() { (cd "$root" && find etc home srv var/spool/cron -type f -exec md5sum {} + | sort -k 2); }

# 1. As root.
gateway /home/node/.openclaw live
live=$(stat -c %i "$home/.openclaw/agents/main/sessions/live.jsonl.lock")
everything >"$work/before"
two="--state-dir /home/node/.openclaw --state-dir /srv/chat/bots"
# shellcheck disable=SC2086
inside lockdoctor setup $two >"$work/plan" || { cat "$work/plan"; fail "the plan"; }
everything | diff "$work/before" - || fail "the plan changed something"
for text in 'lockdoctor@node.service looks after /home/node/.openclaw, as node' 'lockdoctor@bot.service looks after /srv/chat/bots' \
    'ReadWritePaths=/srv/chat/bots' 'comment out, in the crontab of node' 'comment out, in /etc/cron.d/locks' \
    'Nothing is changed yet' 'lockdoctor setup --state-dir /home/node/.openclaw --state-dir /srv/chat/bots --yes'; do
    grep -qF -e "$text" "$work/plan" || { cat "$work/plan"; fail "the plan does not say: $text"; }
done
passed "the plan says what it would do, and changes nothing"

# shellcheck disable=SC2086
inside lockdoctor setup $two --yes >"$work/log" 2>&1 || { cat "$work/log"; fail "setup --yes"; }
grep -q 'lockdoctor setup --remove --yes' "$work/log" || fail "it does not say how to undo it"
for user in node bot; do
    inside systemctl is-active --quiet lockdoctor@$user.service || { journal_of -u lockdoctor@$user; fail "lockdoctor@$user does not run"; }
done
inside crontab -u node -l | grep -qxF "# retired by lockdoctor setup: $line" || fail "the cron line is not a comment"
inside crontab -u node -l | grep -qxF "$keep" || fail "another line of the crontab is gone"
grep -q '^# retired by lockdoctor setup: .*find /srv' "$root/etc/cron.d/locks" || fail "the line in cron.d is not a comment"
[ "$(stat -c '%a %u' "$root/etc/cron.d/locks")" = '600 0' ] || fail "the file in cron.d has other rights now"
inside lockdoctor doctor cron --state-dir /home/node/.openclaw | grep -q 'no cron job' || fail "doctor still finds the cron job"
passed "set up for two users; the lines that delete locks are comments"

gateway /home/node/.openclaw dead
killed "$gateway"
eventually 20 is_tombstone "$home/.openclaw/agents/main/sessions/dead.jsonl.lock" || { journal_of -u lockdoctor@node; fail "nothing was freed for node"; }
echo '{ "pid": 4000000, "createdAt": "2026-01-01T00:00:00.000Z" }' | inside tee /srv/chat/bots/agents/main/sessions/s.jsonl.lock >/dev/null
inside chown bot:bot /srv/chat/bots/agents/main/sessions/s.jsonl.lock
eventually 20 is_tombstone "$root/srv/chat/bots/agents/main/sessions/s.jsonl.lock" || { journal_of -u lockdoctor@bot; fail "nothing was freed for bot"; }
same_inode "$home/.openclaw/agents/main/sessions/live.jsonl.lock" "$live" || fail "a live lock was touched"
passed "sessions of both are rescued"

# Again, as a timer: one takes the other's place.
inside lockdoctor setup --timer --yes --state-dir /home/node/.openclaw >"$work/log" 2>&1 || { cat "$work/log"; fail "setup --timer"; }
inside systemctl is-active --quiet lockdoctor-reclaim@node.timer || fail "the timer is not active"
inside systemctl is-active --quiet lockdoctor@node.service && fail "the daemon runs beside the timer"
passed "the timer takes the daemon's place"

inside lockdoctor setup --remove >"$work/plan"
inside systemctl is-active --quiet lockdoctor-reclaim@node.timer || fail "the plan of a removal removed something"
play() { cp "$1" "$root/var/steps" && inside bash -ex /var/steps; }
follow install-systemd remove
said '1 line as a comment'
[ -z "$(find "$root/etc/systemd" -name '*lockdoctor*')" ] || { find "$root/etc/systemd" -name '*lockdoctor*'; fail "files are left"; }
[ -z "$(inside systemctl list-units --all --no-legend 'lockdoctor*')" ] || { inside systemctl list-units --all 'lockdoctor*'; fail "units are left"; }
inside lockdoctor setup --remove --restore-cron --yes >"$work/log" || fail "--restore-cron"
inside crontab -u node -l | diff "$work/crontab" - || fail "the crontab is not what it was"
cmp "$root/etc/cron.d/locks" "$work/locks" || fail "the file in cron.d is not what it was"
passed "removed, and the crontabs are what they were"

# 2. As the page has it, and as a user.
follow install-systemd setup
said 'lockdoctor@node.service looks after /home/node/.openclaw'
inside lockdoctor setup --remove --yes >/dev/null
inside install -D -o node -g node -m 755 /usr/local/bin/lockdoctor /home/node/.npm/lib/lockdoctor
inside chown -R node:node /home/node/.npm
rm "$root/usr/local/bin/lockdoctor"
npm=/home/node/.npm/lib/lockdoctor
inside loginctl enable-linger node 2>/dev/null || inside systemctl start user@1000.service
if eventually 20 as_node systemctl --user is-system-running; then
    as_node $npm setup >"$work/plan" || { cat "$work/plan"; fail "the plan of a user"; }
    grep -q "$npm setup --yes" "$work/plan" || { cat "$work/plan"; fail "a program that is not on the path is not named by its path"; }
    as_node $npm setup --yes >"$work/log" 2>&1 || { cat "$work/log"; fail "setup as a user"; }
    gateway /home/node/.openclaw mine
    killed "$gateway"
    eventually 20 is_tombstone "$home/.openclaw/agents/main/sessions/mine.jsonl.lock" || { as_node systemctl --user status lockdoctor --no-pager; fail "the user's daemon freed nothing"; }
    as_node $npm setup --remove --yes >"$work/log" || { cat "$work/log"; fail "remove as a user"; }
    as_node systemctl --user is-active --quiet lockdoctor.service && fail "the user's daemon runs on"
    [ ! -e "$home/.config/systemd/user/lockdoctor.service" ] || fail "the user's unit is left"
    passed "a user sets up and removes a service of the user's own"
else
    echo "SKIPPED: setup: no user manager comes up in the container" >&2
fi

# 3. What it refuses.
refuses() {
    wanted=$1
    shift
    inside "$@" >"$work/log" 2>&1 && fail "taken: $*"
    grep -qF -e "$wanted" "$work/log" || { cat "$work/log"; fail "$* does not say: $wanted"; }
}
refuses 'belongs to neither root nor bot' $npm setup --state-dir /srv/chat/bots
inside mkdir -p /root/.npm/_npx/1
inside cp $npm /root/.npm/_npx/1/lockdoctor
refuses 'npm install --global lockdoctor' /root/.npm/_npx/1/lockdoctor setup --state-dir /srv/chat/bots
same_inode "$home/.openclaw/agents/main/sessions/live.jsonl.lock" "$live" || fail "a live lock was touched"
inside systemctl poweroff --force --force 2>/dev/null || true
passed "what could be changed by others, or will be gone tomorrow, does not become a service"
