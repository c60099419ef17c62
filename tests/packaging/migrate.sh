#!/bin/sh
# docs/migrate-from-cron.md on a booted Debian, with the old line in every place: found, taken out as the page says, and
# the timer frees what is stale in its stead. A live lock that the cron job would take stays.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/machine.sh"

new_state /home/node/.openclaw
sessions=$home/.openclaw/agents/main/sessions
gateway /home/node/.openclaw live
live=$(stat -c %i "$sessions/live.jsonl.lock")
gateway /home/node/.openclaw dead
killed "$gateway"
# An editor that takes such lines out, for the steps that open one; crontab(1) tells a change by its second.
printf '#!/bin/sh\nsleep 2\nsed -i /find.*lock.*-delete/d "$@"\n' >"$root/usr/bin/editor"
chmod +x "$root/usr/bin/editor"

line='*/2 * * * * find ~/.openclaw/agents -name "*.lock" -mmin +2 -delete'
keep='5 4 * * * /usr/bin/true'
chroot "$root" useradd --create-home openclaw
for user in node openclaw root; do
    printf '%s\n%s\n' "$keep" "$line" | inside crontab -u $user -
done
echo "*/2 * * * * root ${line#\* \* \* \* }" | sed 's/root .*find/root find/' >>"$root/etc/crontab"
echo '*/5 * * * * root /usr/local/sbin/clear-locks' >"$root/etc/cron.d/clear-openclaw-locks"
printf '#!/bin/sh\nrm -f /home/node/.openclaw/agents/*/sessions/*.lock\n' >"$root/usr/local/sbin/clear-locks"

places='crontab.of.node crontab.of.openclaw crontab.of.root /etc/crontab /etc/cron.d/clear-openclaw-locks.runs'
follow migrate-from-cron find
for place in $places; do said "$place.*deletes locks, live ones"; done
said 'sudo crontab -e -u node$'
said 'sudo systemctl enable --now lockdoctor-reclaim@node.timer$'
passed "the line is found in every place: $places"

follow migrate-from-cron own-crontab
follow migrate-from-cron other-crontab
follow migrate-from-cron root-crontab
follow migrate-from-cron system-files
follow migrate-from-cron gone
said 'no cron job and no unit deletes locks'
for user in node openclaw root; do
    inside crontab -u $user -l | grep -qxF "$keep" || fail "another line of $user's crontab is gone"
done
passed "taken out as the page says, and nothing else"

follow migrate-from-cron timer
eventually 60 is_tombstone "$sessions/dead.jsonl.lock" || { journal_of -u lockdoctor-reclaim@node; fail "the timer freed nothing"; }
same_inode "$sessions/live.jsonl.lock" "$live" || fail "the timer touched a live lock"
passed "the timer rescues the session; the live lock stays"
inside systemctl poweroff --force --force 2>/dev/null || true
