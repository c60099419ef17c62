#!/bin/sh
# docs/install-container.md followed with docker, Compose and podman: beside a supervised gateway that holds two locks, one
# gateway process is killed, and its session is rescued. (container.sh has OpenClaw's own lock code, and more uids.)
. "$(dirname "$0")/lib.sh"
needs_root
find_binary
fresh_debian "$work/debian"
checkout

gateway_files "$work/debian"
mkdir -p "$work/site" "$work/bin"
export OPENCLAW_CONFIG_DIR="$work/state" GATEWAY="$work/gateway"
sessions=$OPENCLAW_CONFIG_DIR/agents/main/sessions
cat >"$work/site/docker-compose.yml" <<'END'
services:
  openclaw-gateway:
    container_name: openclaw-gateway
    image: openclaw:test
    user: "1000:1000"
    command: ["sh", "/gateway/supervisor"]
    network_mode: none
    environment: { OPENCLAW_STATE_DIR: /home/node/.openclaw }
    volumes: ["${OPENCLAW_CONFIG_DIR}:/home/node/.openclaw", "${GATEWAY}:/gateway:ro"]
END

new_state() {
    rm -rf "$OPENCLAW_CONFIG_DIR"
    mkdir -p "$sessions"
    echo '{ "meta": { "lastTouchedVersion": "2026.3.13" } }' >"$OPENCLAW_CONFIG_DIR/openclaw.json"
    chown -R 1000:1000 "$OPENCLAW_CONFIG_DIR"
    chmod 700 "$OPENCLAW_CONFIG_DIR"
}
held() { grep -q pid "$sessions/live.jsonl.lock" && grep -q pid "$sessions/dead.jsonl.lock"; }
# run_gateway ENGINE: as the compose file does.
run_gateway() {
    new_state
    "$1" run --detach --name openclaw-gateway --network none --user 1000:1000 --env OPENCLAW_STATE_DIR=/home/node/.openclaw \
        --volume "$OPENCLAW_CONFIG_DIR:/home/node/.openclaw" --volume "$GATEWAY:/gateway:ro" openclaw:test \
        sh /gateway/supervisor >/dev/null
}
# kill_one ENGINE: the process that holds the lock called dead.
kill_one() {
    eventually 20 held || fail "$1: no gateway holds its lock"
    live=$(stat -c %i "$sessions/live.jsonl.lock")
    "$1" exec openclaw-gateway kill -9 "$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$sessions/dead.jsonl.lock")"
}
rescued() {
    eventually 30 is_tombstone "$sessions/dead.jsonl.lock" || { "$1" logs lockdoctor >&2; fail "$1: nothing was freed"; }
    same_inode "$sessions/live.jsonl.lock" "$live" || fail "$1: a live lock was touched"
}
where=$work/site
# An image's name is in lower case; packaging/owner.sh sees to it.
play() { sed s/OWNER/owner/g "$1" >"$work/play" && (cd "$where" && sh -ex "$work/play" </dev/null); }

with_docker() {
    # The daemon of this test alone, without a network.
    dockerd --host "unix://$work/docker.sock" --data-root "$work/docker" --exec-root "$work/docker-run" \
        --pidfile "$work/docker.pid" --iptables=false --bridge=none >"$work/dockerd.log" 2>&1 &
    daemon=$!
    at_exit "kill $daemon; wait $daemon; umount -l '$work/docker-run/netns/default'"
    export DOCKER_HOST="unix://$work/docker.sock" DOCKER_BUILDKIT=0
    eventually 30 /usr/bin/docker info || { echo "SKIPPED: engines: dockerd does not start here: $(tail -n 1 "$work/dockerd.log")" >&2; return; }
    at_exit "/usr/bin/docker rm -f \$(/usr/bin/docker ps -aq)"
    if ! docker compose version >/dev/null 2>&1; then
        printf '#!/bin/sh\n[ "$1" != compose ] || { shift; exec docker-compose "$@"; }\nexec /usr/bin/docker "$@"\n' >"$work/bin/docker"
        chmod +x "$work/bin/docker"
        PATH=$work/bin:$PATH
    fi
    docker import "$archive" openclaw:test >/dev/null

    where=$work/checkout
    follow install-container image-docker
    where=$work/site
    size=$(docker image inspect --format '{{.Size}}' ghcr.io/owner/lockdoctor:0.1.0)
    passed "docker builds the image: $size bytes"

    sed s/OWNER/owner/ "$work/checkout/packaging/container/compose.yaml" >"$work/site/compose.lockdoctor.yaml"
    new_state
    follow install-container compose
    for good in 'gateway  *running' uid writable lease swap 'pid-namespace  *shared with the gateway' hidepid; do
        said "\[✓\] $good"
    done
    kill_one docker
    container=$(docker ps --filter name=lockdoctor --format '{{.Names}}')
    eventually 30 is_tombstone "$sessions/dead.jsonl.lock" || { docker logs "$container" >&2; fail "compose: nothing was freed"; }
    same_inode "$sessions/live.jsonl.lock" "$live" || fail "compose: a live lock was touched"
    passed "Compose: $(docker compose version | head -n 1): rescued"
    docker rm -f "$container" openclaw-gateway >/dev/null

    run_gateway docker
    eventually 20 held
    follow install-container docker
    kill_one docker
    rescued docker
    follow install-container health
    said 'starting\|healthy'
    passed "docker run: rescued"
    docker rm -f lockdoctor openclaw-gateway >/dev/null

    run_gateway docker
    eventually 20 held
    follow README look
    follow install-container look
    said '/home/node/.openclaw .*gateway up'
    said '2 locks: 2 in use'
    passed "docker run: a look at a gateway in a container, with nothing said of it but its name"
    kill_one docker
    follow install-container once
    rescued docker
    passed "once, by hand: rescued"
    docker run --rm --pid container:openclaw-gateway --user 1000:1000 --network none ghcr.io/owner/lockdoctor:0.1.0 setup \
        >"$work/steps.log" 2>&1 && fail "setup sets up a service in a container"
    said 'pid: "service:openclaw-gateway"'
    passed "setup in a container changes nothing, and prints the lines for the compose file"
    docker tag openclaw:test openclaw:latest
    follow install-container inside
    said '^lockdoctor 0'
    passed "the binary goes into the gateway's own image by one line"
    docker rm -f openclaw-gateway >/dev/null
}

with_podman() {
    podman_here "$work/podman"
    podman import "$archive" openclaw:test >/dev/null 2>&1
    where=$work/checkout
    follow install-container image-podman
    where=$work/site
    run_gateway podman
    eventually 20 held
    follow install-container podman
    kill_one podman
    rescued podman
    passed "podman: rescued"
}

for engine in docker podman; do
    program=$engine
    [ $engine = podman ] || program=dockerd
    if ! command -v $program >/dev/null; then
        echo "SKIPPED: engines: $program is not installed" >&2
    elif [ $program = dockerd ] && ! docker compose version >/dev/null 2>&1 && ! command -v docker-compose >/dev/null; then
        echo "SKIPPED: engines: neither docker compose nor docker-compose is installed" >&2
    else
        with_$engine
    fi
done
