#!/bin/bash
# The image as a sidecar under a real container engine (runc), beside gateways that run OpenClaw's own lock code:
# one gateway is killed and comes back, another one goes on holding its lock. Shared and separate PID namespaces,
# uid 1000, root and a foreign uid, the wrong uid.
. "$(dirname "$0")/lib.sh"
needs_root
needs runc umoci jq python3
find_binary

archive=$(SOURCE_DATE_EPOCH=0 ENGINE=umoci "$project/packaging/container/build.sh" "$binary" "$work/image.tar")
SOURCE_DATE_EPOCH=0 ENGINE=umoci "$project/packaging/container/build.sh" "$binary" "$work/again.tar" >/dev/null
cmp "$archive" "$work/again.tar" || fail "the same binary gives another image the second time"
size=$(stat -c %s "$archive")
[ "$size" -le $((8 * 1024 * 1024)) ] || fail "the image has $size bytes"
passed "the image: $size bytes, the same twice"

mkdir "$work/oci"
tar -C "$work/oci" -xf "$archive"
version=$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$work/oci/index.json")
umoci unpack --image "$work/oci:$version" "$work/sidecar" >/dev/null 2>&1 || fail "umoci unpack"
jq -e '.process.user.uid == 1000 and .process.args == ["/lockdoctor", "watch", "--reclaim"]' "$work/sidecar/config.json" \
    >/dev/null || fail "the image does not run as 1000, or not lockdoctor"

# The gateway's image: this machine's own root, with the real lock code if npm has it.
lab=$work/lab
mkdir "$lab" "$work/tests"
versions=${VERSIONS:-clawdbot-2026.1.24-3 openclaw-2026.5.22}
real=${LOCKDOCTOR_LAB:-$HOME/.cache/lockdoctor-lab}
code=real
if ! command -v node >/dev/null; then
    code=imitated why="node is not installed"
elif ! node "$project/tests/real/fetch.mjs" clawdbot@2026.1.24-3 openclaw@2026.5.22 >"$work/fetch.log" 2>&1; then
    code=imitated why="npm did not give the packages"
fi
if [ $code = real ]; then
    for each in $versions; do cp -r "$real/$each" "$lab/"; done
    cp "$project"/tests/real/*.mjs "$work/tests/"
    chmod -R a+rX "$lab" "$work/tests"
else
    echo "SKIPPED: container: OpenClaw's own lock code ($why); a process that holds its lock the same way stands in" >&2
    versions=imitated
fi
mkdir "$work/upper"
mount -t tmpfs none "$work/upper" || skip "mount(2) is not permitted"
at_exit "umount -l '$work/upper'"
mkdir "$work/upper/u" "$work/upper/w" "$work/upper/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper/u,workdir=$work/upper/w" "$work/upper/root" ||
    skip "overlayfs over / is not permitted"
at_exit "umount -l '$work/upper/root'"
printf '%s\n' "$holder_script" >"$work/tests/holder"

run() { runc --root "$work/runc" "$@"; }
at_exit 'for each in $(run list -q); do run delete --force $each; done'

# bundle NAME ROOTFS UID PID-NAMESPACE COMMAND…: the namespace is `own`, or a process of the one to join.
bundle() {
    local name=$1 rootfs=$2 uid=$3 namespace=$4
    shift 4
    mkdir -p "$work/$name"
    (cd "$work/$name" && rm -f config.json && runc spec)
    python3 - "$work" "$work/$name/config.json" "$rootfs" "$uid" "$namespace" "$@" <<'PYTHON'
import json, sys
work, path, rootfs, uid, namespace, *command = sys.argv[1:]
spec = json.load(open(path))
spec["root"] = {"path": rootfs, "readonly": True}
process = spec["process"]
process.update(terminal=False, args=command, cwd="/", noNewPrivileges=True, capabilities={})
process["user"] = {"uid": int(uid), "gid": int(uid)}
process["env"] = ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/state", "LOCKDOCTOR_LAB=/lab", "LOCKDOCTOR_STATE_DIR=/state",
                  "OPENCLAW_STATE_DIR=/state"]
bind = lambda to, source, mode: {"destination": to, "type": "bind", "source": source, "options": ["rbind", mode]}
spec["mounts"].append(bind("/state", f"{work}/state", "rw"))
if rootfs.endswith("upper/root"):
    spec["mounts"] += [bind("/mnt", f"{work}/tests", "ro"), bind("/media", f"{work}/lab", "ro")]
    process["env"][2] = "LOCKDOCTOR_LAB=/media"
    spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
if namespace != "own":
    for each in spec["linux"]["namespaces"]:
        if each["type"] == "pid":
            each["path"] = f"/proc/{namespace}/ns/pid"
json.dump(spec, open(path, "w"))
PYTHON
}
running() { run state "$1" 2>>"$work/runc.log" | jq 'select(.status == "running" and .pid > 0) | .pid' | grep .; }
# Waits until it runs: `runc state` fails for a moment while cgroups come and go.
pid_of() {
    eventually 20 running "$1" || return 1
    until running "$1"; do sleep 0.1; done
}
gone() { [ "$(run state "$1" 2>/dev/null | jq -r .status)" != running ]; }
# Waits for the runc that runs it: that would else clean up after its successor of the same name.
remove() {
    run delete --force "$1" >/dev/null 2>&1 || true
    [ ! -s "$work/$1.runc" ] || wait "$(cat "$work/$1.runc")" 2>/dev/null || true
    rm -f "$work/$1.runc"
}

# gateway NAME VERSION UID NAMESPACE SESSION: takes the session's lock and holds it; `took NAME` once it has it.
gateway() {
    local name=$1 version=$2 uid=$3 namespace=$4 session=/state/agents/main/sessions/$5.jsonl
    remove "$name"
    rm -f "$work/$name.in" "$work/$name.out"
    mkfifo "$work/$name.in"
    if [ "$version" = imitated ]; then
        bundle "$name" "$work/upper/root" "$uid" "$namespace" bash /mnt/holder "$session.lock"
    else
        bundle "$name" "$work/upper/root" "$uid" "$namespace" node --title=openclaw-gateway /mnt/holder.mjs "$version" "$session"
    fi
    run run --bundle "$work/$name" "$name" <>"$work/$name.in" >"$work/$name.out" 2>&1 &
    echo $! >"$work/$name.runc"
    began=$(date +%s%N)
}
took() {
    if [ "$1" = imitated ]; then sleep 1; else grep -qs '"event":"held"' "$work/$2.out"; fi
}
# sidecar UID NAMESPACE COMMAND…
sidecar() {
    local uid=$1 namespace=$2
    shift 2
    remove sidecar
    bundle sidecar-run "$work/sidecar/rootfs" "$uid" "$namespace" /lockdoctor "$@"
    run run --bundle "$work/sidecar-run" sidecar </dev/null >"$work/sidecar.out" 2>&1
}
new_state() {
    rm -rf "$work/state"
    mkdir -p "$work/state/agents/main/sessions"
    number=${2#*-}
    echo "{ \"meta\": { \"lastTouchedVersion\": \"${number:-2026.3.13}\" } }" >"$work/state/openclaw.json"
    chown -R "$1:$1" "$work/state"
    chmod 700 "$work/state"
    sessions=$work/state/agents/main/sessions
}
ms_since_began() { echo $((($(date +%s%N) - began) / 1000000)); }

# 0. The control: a killed gateway that comes back with the same pid, and nobody to help.
if [ $code = real ]; then
    new_state 1000 2026.1.24
    gateway first clawdbot-2026.1.24-3 1000 own s
    eventually 20 took real first || { cat "$work/first.out"; fail "the gateway does not take its lock"; }
    grep -q '"pid":1\b' "$work/first.out" || fail "the gateway is not pid 1 of its container"
    run kill first KILL
    eventually 10 gone first
    gateway second clawdbot-2026.1.24-3 1000 own s
    eventually 8 took real second && fail "the control gets in without help: the test could not fail"
    remove second
    passed "control: without help, clawdbot 2026.1.24-3 does not get in for 8 s"
fi

# 1. As in the compose file: the gateway is pid 1; the sidecar shares its PID namespace, or does not.
for version in $versions; do
    for uid in 1000 0 568; do
        for sharing in shared apart; do
            what="$version, uid $uid, PID namespace $sharing"
            new_state "$uid" "$version"
            gateway other "$version" "$uid" own live
            gateway first "$version" "$uid" own s
            eventually 30 took "$version" other || fail "$what: no gateway holds its lock"
            eventually 30 took "$version" first || fail "$what: no gateway holds its lock"
            live=$(stat -c %i "$sessions/live.jsonl.lock")
            run kill first KILL
            eventually 10 gone first
            gateway second "$version" "$uid" own s
            namespace=own
            [ $sharing = apart ] || namespace=$(pid_of second)
            sidecar "$uid" "$namespace" reclaim --yes || true
            if [ $sharing = apart ]; then
                # Whether its owner is in the middle of its release cannot be seen: freed only after a long wait.
                # (5.22 frees it itself: its start time tells the new pid 1 from the old one.)
                taken=$(find "$work/state" -path '*/lockdoctor/quarantine/*' 2>/dev/null)
                [ -z "$taken" ] || fail "$what: freed at once, and the owner was not seen"
                same_inode "$sessions/live.jsonl.lock" "$live" || fail "$what: a live lock was touched"
                passed "$what: left alone for now"
                remove other
                remove second
                continue
            elif [ "$version" = imitated ]; then
                is_tombstone "$sessions/s.jsonl.lock" || grep -q '"pid": 1,' "$sessions/s.jsonl.lock" || fail "$what: not freed"
            else
                eventually 20 took "$version" second || { cat "$work/sidecar.out" "$work/second.out"; fail "$what: the session stays blocked"; }
            fi
            same_inode "$sessions/live.jsonl.lock" "$live" || fail "$what: a live lock was touched"
            passed "$what: rescued, $(ms_since_began) ms after the gateway came back"
            remove other
            remove second
        done
    done
done

# 2. The wrong uid ends at once, says which is right, and touches nothing.
new_state 1000 2026.3.13
echo '{ "pid": 4000000, "createdAt": "2026-01-01T00:00:00.000Z" }' >"$sessions/s.jsonl.lock"
chown 1000:1000 "$sessions/s.jsonl.lock"
before=$(stat -c '%i %Y' "$sessions/s.jsonl.lock")
sidecar 65532 own reclaim --yes && fail "the wrong uid is no error"
grep -q 'permission denied' "$work/sidecar.out" || { cat "$work/sidecar.out"; fail "the wrong uid is not named"; }
sidecar 65532 own doctor uid && fail "doctor finds nothing wrong with the wrong uid"
grep -q 'lockdoctor runs as uid 65532; /state belongs to 1000' "$work/sidecar.out" || { cat "$work/sidecar.out"; fail "doctor does not name the right uid"; }
[ "$(stat -c '%i %Y' "$sessions/s.jsonl.lock")" = "$before" ] || fail "the wrong uid changed something"
sidecar 65532 own check && fail "the health check is content with the wrong uid"
grep -q '^LOCKS UNKNOWN' "$work/sidecar.out" || fail "the health check does not say UNKNOWN"
passed "the wrong uid fails and says which is right"

# 3. As in a pod: one PID namespace for both, which outlives the gateway. The daemon rescues while it runs.
if ! "$binary" watch --help >/dev/null 2>&1; then
    echo "SKIPPED: container: this build has no watch" >&2
    exit 0
fi
for version in $versions; do
    new_state 1000 "$version"
    bundle pause "$work/upper/root" 1000 own sleep 3600
    run run --bundle "$work/pause" --detach pause </dev/null >/dev/null 2>&1
    pause=$(pid_of pause)
    gateway other "$version" 1000 "$pause" live
    gateway first "$version" 1000 "$pause" s
    eventually 30 took "$version" other && eventually 30 took "$version" first || fail "no gateway holds its lock"
    live=$(stat -c %i "$sessions/live.jsonl.lock")
    remove sidecar
    bundle sidecar-run "$work/sidecar/rootfs" 1000 "$pause" /lockdoctor watch --reclaim
    run run --bundle "$work/sidecar-run" sidecar </dev/null >"$work/sidecar.out" 2>&1 &
    echo $! >"$work/sidecar.runc"
    eventually 20 running sidecar
    sleep 1
    run kill first KILL
    began=$(date +%s%N)
    eventually 20 is_tombstone "$sessions/s.jsonl.lock" || { cat "$work/sidecar.out"; fail "$version: the daemon freed nothing"; }
    freed=$(ms_since_began)
    gateway second "$version" 1000 "$pause" s
    eventually 20 took "$version" second || fail "$version: the session stays blocked"
    same_inode "$sessions/live.jsonl.lock" "$live" || fail "$version: a live lock was touched"
    passed "$version, as in a pod: freed $freed ms after the kill, and the next gateway gets in"
    for each in sidecar other second pause; do remove $each; done
done
