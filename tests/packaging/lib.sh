# shellcheck shell=sh disable=SC2016,SC2034
# Shared by the scripts beside it; sourced, not run.
#
# A test that cannot run here says SKIPPED and why, and ends with 0; with MUST_RUN=1 that is a failure.
# LOCKDOCTOR names the static binary under test; without it, packaging/build-static.sh makes one.
set -eu

project=$(cd "$(dirname "$0")/../.." && pwd)
self=$(basename "$0" .sh)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lockdoctor-tests
work=$(mktemp -d "${TMPDIR:-/tmp}/lockdoctor-$self.XXXXXX")
cleanups=

say() { echo "$self: $*"; }
passed() { echo "ok: $self: $*"; }
fail() { echo "FAILED: $self: $*" >&2; exit 1; }
skip() {
    echo "SKIPPED: $self: $*" >&2
    [ "${MUST_RUN:-0}" = 0 ] || exit 1
    exit 0
}

# Later ones run first.
at_exit() { cleanups="$* ; $cleanups"; }
finish() {
    status=$?
    trap - EXIT INT TERM
    set +e
    eval "$cleanups" >/dev/null 2>&1
    rm -rf --one-file-system "$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

needs_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
needs() {
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# Sets $binary.
find_binary() {
    binary=${LOCKDOCTOR:-}
    [ -n "$binary" ] || binary=$("$project/packaging/build-static.sh" 2>"$work/build.log") || {
        cat "$work/build.log" >&2
        fail "the static binary does not build"
    }
    binary=$(realpath "$binary")
}

# eventually SECONDS COMMAND…: until it succeeds.
eventually() {
    left=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.1
    done
}

# A fresh Debian below DIRECTORY, writable and thrown away afterwards; made once, with what systemd needs.
fresh_debian() {
    needs mmdebstrap
    packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,procps,sudo,cron,adduser
    archive=$cache/debian-bookworm-$(echo "$packages" | cksum | cut -d ' ' -f 1).tar
    if [ ! -s "$archive" ]; then
        say "making a Debian root file system (once, about a minute)"
        mkdir -p "$cache"
        # The ending decides what mmdebstrap makes.
        mmdebstrap --quiet --variant=minbase --include=$packages bookworm "$work/debian.tar" >"$work/mmdebstrap.log" 2>&1 || {
            tail -n 3 "$work/mmdebstrap.log" >&2
            skip "no Debian root file system could be made"
        }
        mv "$work/debian.tar" "$archive"
    fi
    mkdir -p "$1"
    mount -t tmpfs -o size=1g none "$1" || skip "mount(2) is not permitted"
    at_exit "umount -R -l '$1'"
    tar -C "$1" -xf "$archive"
}

# boot ROOT: starts its systemd; `inside COMMAND…` then runs in it.
boot() {
    needs systemd-nspawn nsenter
    rm -f "$1/etc/machine-id"
    touch "$1/etc/machine-id"
    setsid systemd-nspawn --directory="$1" --boot --register=no --keep-unit --private-network \
        --machine="lockdoctor-$$" --console=pipe </dev/null >"$work/console.log" 2>&1 &
    nspawn=$!
    at_exit "kill -9 \$(pgrep -P $nspawn) $nspawn; wait $nspawn"
    eventually 20 pgrep -P $nspawn || skip "systemd-nspawn does not start here: $(tail -n 1 "$work/console.log")"
    leader=$(pgrep -P $nspawn | head -n 1)
    eventually 60 inside systemctl is-system-running --wait || true
    state=$(inside systemctl is-system-running || true)
    case $state in
        running | degraded) say "systemd is up ($state)" ;;
        *) tail -n 20 "$work/console.log" >&2; skip "systemd does not come up in a container here ($state)" ;;
    esac
}
inside() { nsenter -t "$leader" -m -u -i -n -p -C env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"; }

# follow PAGE NAME: runs the commands that stand under `<!-- test: NAME -->` in README.md or docs/PAGE.md, as the page
# has them, by `play FILE` of the script that asks; what they say is in $work/steps.log. tests/suite/docs.rs looks for this line.
follow() {
    page=docs/$1.md
    [ "$1" != README ] || page=README.md
    awk -v name="$2" '
        $0 == "<!-- test: " name " -->" { wanted = 1; next }
        wanted && /^```/ { if (inside) exit; inside = 1; next }
        inside { print }' "$project/$page" >"$work/steps"
    [ -s "$work/steps" ] || fail "$page has no steps called $2"
    play "$work/steps" >"$work/steps.log" 2>&1 || { cat "$work/steps.log" >&2; fail "$page: $2"; }
}
# said TEXT: the last steps printed it.
said() { grep -q -e "$1" "$work/steps.log" || { cat "$work/steps.log" >&2; fail "$page does not lead to: $1"; }; }

# A gateway-like process for shells: holds LOCK open and named, as OpenClaw does, until it is killed.
# Started as a copy of the shell under the name openclaw-gateway.
holder_script='
lock=$1
exec 3>"$lock"
ticks=$(sed "s/.*) //" "/proc/$$/stat" | cut -d " " -f 20)
printf "{\n  \"pid\": %s,\n  \"createdAt\": \"%s\",\n  \"starttime\": %s\n}" \
    $$ "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" "$ticks" >&3
while :; do sleep 1000 3>&-; done'

# gateway_files DEBIAN: what a container mounts as /gateway. Its process 1 is a supervisor, as tini or a wrapper is: it
# outlives the gateways, one of which holds the lock called live, the other the one called dead.
gateway_files() {
    mkdir -p "$work/gateway"
    cp "$1/bin/bash" "$work/gateway/openclaw-gateway"
    printf '%s\n' "$holder_script" >"$work/gateway/holder"
    cat >"$work/gateway/supervisor" <<'END'
for session in live dead; do
    /gateway/openclaw-gateway /gateway/holder "$OPENCLAW_STATE_DIR/agents/main/sessions/$session.jsonl.lock" &
done
while :; do sleep 1; done
END
}

is_tombstone() { grep -q '"pid": *4[0-9]\{6,\}' "$1" && grep -q lockdoctor "$1"; }
same_inode() { [ "$(stat -c %i "$1")" = "$2" ]; }

# What the pages' commands need of a source tree, in $work/checkout; its build-static.sh gives the binary under test.
checkout() {
    mkdir "$work/checkout"
    (cd "$project" && cp -r packaging man schemas Cargo.toml Cargo.lock CHANGELOG.md README.md LICENSE "$work/checkout")
    printf '#!/bin/sh\necho "%s"\n' "$binary" >"$work/checkout/packaging/build-static.sh"
}

# podman_here DIRECTORY: a podman whose images and containers are below it; runc and no raised limits run anywhere.
podman_here() {
    mkdir -p "$1"
    cat >"$1/containers.conf" <<END
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
    cat >"$1/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$1/graph"
runroot = "$1/run"
END
    export CONTAINERS_CONF="$1/containers.conf" CONTAINERS_STORAGE_CONF="$1/storage.conf" BUILDAH_ISOLATION=chroot
    # Twice: a container whose PID namespace another one uses outlives the first call.
    at_exit "podman pod rm -fa -t 0; podman rm -fa -t 0 --depend; podman rm -fa -t 0; umount -l '$1/graph/overlay' '$1/run'"
}
