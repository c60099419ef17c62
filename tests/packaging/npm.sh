#!/bin/sh
# The npm packages, as an unprivileged user with Node and nothing else, from a registry on loopback: `npx` and
# `npm install -g` as README.md has them, on each version of Node; what the launcher passes on, and what it refuses.
. "$(dirname "$0")/lib.sh"
needs node npm setpriv
find_binary

"$project/packaging/npm/build.sh" "$work/registry" "$binary" >/dev/null || fail "the packages are not built"
"$project/packaging/npm/build.sh" "$work/again" "$binary" >/dev/null
diff -r "$work/registry" "$work/again" || fail "the same binary gives another package the second time"
tar -xzOf "$work/registry/lockdoctor-0.1.0.tgz" package/package.json >"$work/manifest.json"
grep -q '"scripts"' "$work/manifest.json" && fail "a package with scripts"
case $(uname -m) in x86_64) cpu=x64 ;; aarch64) cpu=arm64 ;; esac
passed "built twice, the same bytes ($(stat -c %s "$work/registry/lockdoctor-linux-$cpu-0.1.0.tgz"), launcher and manual $(stat -c %s "$work/registry/lockdoctor-0.1.0.tgz"))"

node "$project/tests/packaging/registry.mjs" "$work/registry" "$work/port" &
registry=$!
at_exit "kill $registry"
eventually 10 test -s "$work/port" || fail "no registry"

# node_of VERSION: the directory of its binary, from npm once, or nothing.
node_of() {
    kept=$cache/node-$1
    [ -x "$kept/node_modules/node-linux-$cpu/bin/node" ] ||
        npm install --silent --no-audit --no-fund --prefix "$kept" "node-linux-$cpu@$1" >/dev/null 2>&1 || return 1
    echo "$kept/node_modules/node-linux-$cpu/bin"
}

# A home of its own, a state directory with a lock of a dead owner, and an npm that knows this registry alone.
chmod 755 "$work"
become_user() {
    cd "$home/project"
    [ "$(id -u)" != 0 ] || set -- setpriv --reuid 61016 --regid 61016 --clear-groups "$@"
    exec env -i HOME="$home" PATH="$home/.npm-global/bin:$node_bin:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 \
        npm_config_registry="http://127.0.0.1:$(cat "$work/port")" npm_config_prefix="$home/.npm-global" \
        npm_config_yes=true npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false "$@"
}
as_user() { (become_user "$@"); }
play() { cp "$1" "$home/steps" && chmod 644 "$home/steps" && as_user sh -ex "$home/steps"; }
# exits STATUS COMMAND…: as the user; what it says is in $work/said.
exits() {
    wanted=$1
    shift
    status=0
    as_user "$@" >"$work/said" 2>&1 || status=$?
    [ $status = "$wanted" ] || { cat "$work/said" >&2; fail "$version: exit status $status, not $wanted: $*"; }
}
says() { grep -qF -e "$1" "$work/said" || { cat "$work/said" >&2; fail "$version: nothing says: $1"; }; }
# The one process of the user's that runs the binary itself.
running() { pgrep -u "$(stat -c %u "$home")" -x lockdoctor; }
gone() { ! running; }
at_exit 'kill $(running)'

for version in $(node --version | sed 's/^v\([0-9]*\).*/\1/') 22 24; do
    node_bin=$(dirname "$(command -v node)")
    if [ "$("$node_bin/node" --version | sed 's/^v\([0-9]*\).*/\1/')" != "$version" ]; then
        node_bin=$(node_of "$version") || { echo "SKIPPED: npm: Node $version cannot be had" >&2; continue; }
        # Where the user may look.
        cp -r "$node_bin" "$work/node-$version" && node_bin=$work/node-$version && chmod -R a+rX "$node_bin"
    fi
    home=$work/home-$version
    mkdir -p "$home/project" "$home/.openclaw/agents/main/sessions"
    echo '{ "meta": { "lastTouchedVersion": "2026.3.13" } }' >"$home/.openclaw/openclaw.json"
    echo '{ "pid": 4000000, "createdAt": "2026-01-01T00:00:00.000Z" }' >"$home/.openclaw/agents/main/sessions/s.jsonl.lock"
    [ "$(id -u)" != 0 ] || chown -R 61016:61016 "$home"
    [ "$(as_user node --version | cut -d . -f 1)" = "v$version" ] || fail "not Node $version"

    follow README npx
    said 'locks freed'
    follow README npm
    [ -d "$home/.npm-global/lib/node_modules/lockdoctor/node_modules/lockdoctor-linux-$cpu" ] || fail "no binary"
    [ ! -e "$home/.npm-global/lib/node_modules/lockdoctor/node_modules/lockdoctor-linux-arm64" ] || [ $cpu = arm64 ] ||
        fail "the binary of another machine was installed"
    [ -L "$home/.npm-global/share/man/man1/lockdoctor.1" ] || fail "no manual"
    passed "Node $version: npx runs the demo; npm install -g installs program and manual"

    exits 0 lockdoctor --version
    says 'lockdoctor 0.1.0'
    exits 1 lockdoctor scan
    says 4000000
    says 'The gateway is down'
    exits 1 lockdoctor check --warning stale=0
    exits 2 lockdoctor scan --no-such-option
    exits 3 lockdoctor check --state-dir /nonexistent/place
    as_user sh -c 'lockdoctor man | head -n 1 >/dev/null' || fail "a closed pipe"
    for signal in TERM INT HUP; do
        eventually 10 gone || fail "an earlier process of the user's is still there"
        : >"$work/watch.log" # Or the lines of the round before count.
        become_user lockdoctor watch --log-format json >"$work/watch.log" 2>&1 &
        launcher=$!
        eventually 20 grep -q '"watching"' "$work/watch.log" || fail "watch does not start"
        [ "$version" = 20 ] || [ "$(ps -o comm= -p $launcher)" = lockdoctor ] || fail "Node stays beside the program"
        kill -$signal $launcher
        if [ $signal = HUP ]; then
            sleep 0.5
            running >/dev/null || fail "SIGHUP ends watch, which should read its settings anew"
            kill -KILL "$(running)"
            wanted=137
        else
            wanted=0
        fi
        status=0
        wait $launcher || status=$?
        [ $status = $wanted ] || { cat "$work/watch.log"; fail "SIG$signal: exit status $status, not $wanted"; }
        eventually 5 gone || fail "SIG$signal: the program outlives its launcher"
    done
    passed "Node $version: exit statuses and signals pass through"

    # Elsewhere, and when npm was told to leave the binary out.
    launcher=$home/.npm-global/lib/node_modules/lockdoctor/lockdoctor.js
    elsewhere() {
        wanted=$1
        pretend="Object.defineProperties(process, { platform: { value: '$2' }, arch: { value: '$3' } });"
        shift 3
        exits "$wanted" node -e "$pretend process.argv.splice(1, 0, 'lockdoctor'); require('$launcher')" -- "$@"
    }
    elsewhere 2 darwin arm64 scan
    says 'there is no lockdoctor for darwin-arm64'
    says 'docker run'
    elsewhere 2 win32 x64 scan
    says 'WSL 2'
    elsewhere 3 win32 x64 check
    elsewhere 2 linux riscv64 scan
    says 'cargo install lockdoctor'
    elsewhere 2 linux "$([ $cpu = x64 ] && echo arm64 || echo x64)" scan
    says 'npm install --include=optional lockdoctor'
    exits 0 npm install --omit=optional lockdoctor
    exits 2 ./node_modules/.bin/lockdoctor scan
    says "the package lockdoctor-linux-$cpu is missing"
    passed "Node $version: macOS, Windows, other machines and a missing binary are told what to do instead"
done
