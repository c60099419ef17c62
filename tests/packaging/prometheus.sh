#!/bin/sh
# Prometheus' rules, the Alertmanager example and the Grafana dashboard, against what a real `lockdoctor watch --listen`
# serves to a real Prometheus: each query answers, and a blocked session rings through to the Alertmanager.
. "$(dirname "$0")/lib.sh"
needs promtool prometheus python3
rules=$project/packaging/prometheus

play() { (cd "$project" && sh -ex "$1"); }
if command -v amtool >/dev/null; then
    follow install-kubernetes rules
    passed "rules and Alertmanager example are well formed, and the rules fire when they should"
else
    echo "SKIPPED: prometheus: rules and Alertmanager example: amtool is not installed" >&2
fi
promtool check config "$rules/prometheus.yaml" >"$work/log" 2>&1 || { cat "$work/log"; fail "promtool check config"; }

# A state directory with a blocked session, and nobody who frees it.
find_binary
mkdir -p "$work/state/agents/main/sessions"
echo '{ "meta": { "lastTouchedVersion": "2026.3.13" } }' >"$work/state/openclaw.json"
echo '{ "pid": 4000000, "createdAt": "2026-01-01T00:00:00.000Z" }' >"$work/state/agents/main/sessions/s.jsonl.lock"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
metrics=127.0.0.1:$(free_port) prometheus=127.0.0.1:$(free_port)
"$binary" watch --state-dir "$work/state" --listen "$metrics" >"$work/watch.log" 2>&1 &
at_exit "kill $!"
ask() { python3 -c 'import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1]).read().decode())' "$1"; }
blocked() { ask "http://$metrics/metrics" >"$work/metrics" && grep -q 'lockdoctor_locks{kind="session",verdict="stale"} 1' "$work/metrics"; }
eventually 30 blocked || { cat "$work/watch.log" >&2; fail "watch does not serve a stale lock"; }
promtool check metrics <"$work/metrics" >"$work/log" 2>&1 || { cat "$work/log"; fail "promtool check metrics"; }
passed "the metrics are well formed"

cp "$rules/lockdoctor.rules.yaml" "$work/rules.yaml"
sed -i 's/for: 2m/for: 1s/' "$work/rules.yaml"
cat >"$work/prometheus.yaml" <<END
global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs: [{ job_name: lockdoctor, static_configs: [{ targets: ["$metrics"] }] }]
rule_files: [rules.yaml]
END
prometheus --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/tsdb" --web.listen-address="$prometheus" \
    >"$work/prometheus.log" 2>&1 &
server=$!
at_exit "kill $server"
firing() { promtool query instant "http://$prometheus" 'ALERTS{alertname="LockdoctorSessionBlocked", alertstate="firing"}' | grep -q firing; }
eventually 60 firing || { tail -n 3 "$work/prometheus.log" >&2; fail "a blocked session raises no alert"; }
passed "Prometheus takes it in, and a blocked session raises the alert"

# Each query of the dashboard and each rule has an answer; no two panels lie on each other.
python3 - "$project/packaging/grafana/lockdoctor.json" "$rules/lockdoctor.rules.yaml" >"$work/queries" <<'PYTHON' || fail "the dashboard"
import itertools, json, re, sys
dashboard = json.load(open(sys.argv[1]))
panels = dashboard["panels"]
assert len({p["id"] for p in panels}) == len(panels), "two panels with the same id"
for a, b in itertools.combinations([p["gridPos"] for p in panels], 2):
    apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    assert apart, f"panels overlap: {a} {b}"
queries = [t["expr"] for p in panels for t in p.get("targets", [])]
queries += [re.sub(r" > 0$", "", a["expr"]) for a in dashboard["annotations"]["list"]]
for query in queries:
    query = query.replace("$job", ".*").replace("$instance", ".*").replace("$__rate_interval", "1m")
    assert "$" not in query, query
    print(query)
for record in re.findall(r"record: (\S+)", open(sys.argv[2]).read()):
    print(record)
PYTHON
answers() { promtool query instant "http://$prometheus" "$1" | grep -q '=>'; }
while read -r query; do
    eventually 20 answers "$query" || fail "no answer to: $query"
done <"$work/queries"
passed "$(wc -l <"$work/queries") queries of dashboard and rules, and each has an answer"

# Every name in a rule is one that is served.
served=$(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$work/metrics")
for name in $(grep -o 'lockdoctor_[a-z_]*' "$rules/lockdoctor.rules.yaml" | sort -u); do
    echo "$served" | grep -qx "${name%_bucket}" || echo "$served" | grep -qx "${name%_total}" || fail "$name is not served"
done
passed "the rules name metrics that are served"

command -v prometheus-alertmanager >/dev/null || { echo "SKIPPED: prometheus: the Alertmanager is not installed" >&2; exit 0; }
manager=127.0.0.1:$(free_port)
prometheus-alertmanager --config.file="$rules/alertmanager.yaml" --storage.path="$work/am" --cluster.listen-address= \
    --web.listen-address="$manager" >"$work/am.log" 2>&1 &
at_exit "kill $!"
echo "alerting: { alertmanagers: [{ static_configs: [{ targets: [\"$manager\"] }] }] }" >>"$work/prometheus.yaml"
kill -HUP $server
rings() { amtool --alertmanager.url="http://$manager" alert query severity=critical | grep -q LockdoctorSessionBlocked; }
eventually 60 rings || { tail -n 3 "$work/am.log" >&2; fail "the alert does not reach the Alertmanager"; }
passed "the alert reaches the Alertmanager"
