#!/bin/sh
# Builds the npm packages: `lockdoctor`, which holds the launcher and the manual, and one for the machine of each
# BINARY, of which npm installs the one that fits. Needs npm; reads nothing from the registry. Same input, same bytes.
#
#   packaging/npm/build.sh OUTPUT-DIRECTORY BINARY…
#
# The packages of the machines have to be published first: the other names them by this version.
set -eu
mkdir -p "$1"
output=$(realpath "$1")
shift
for binary in "$@"; do
    set -- "$@" "$(realpath "$binary")"
    shift
done
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/about.sh
. packaging/about.sh
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022

# manifest DIRECTORY NAME, with what else it holds on standard input.
manifest() {
    cat >"$1/package.json" <<JSON
{
  "name": "$2",
  "version": "$version",
  "description": "$description",
  "license": "$licence",
  "repository": { "type": "git", "url": "git+$repository.git" },
  "homepage": "$repository",
$(cat)
}
JSON
    cp LICENSE "$1/"
    (cd "$1" && npm pack --silent --pack-destination "$output" >/dev/null)
    echo "$output/$2-$version.tgz"
}

for binary in "$@"; do
    case $(machine_of "$binary") in
        x86_64) cpu=x64 ;;
        aarch64) cpu=arm64 ;;
    esac
    name=lockdoctor-linux-$cpu
    install -D -m 755 "$binary" "$stage/$name/bin/lockdoctor"
    echo "The $cpu binary of [lockdoctor](https://www.npmjs.com/package/lockdoctor); install that." >"$stage/$name/README.md"
    manifest "$stage/$name" "$name" <<JSON
  "os": ["linux"],
  "cpu": ["$cpu"],
  "files": ["bin"],
  "preferUnplugged": true
JSON
done

install -D -m 755 packaging/npm/lockdoctor.js "$stage/lockdoctor/lockdoctor.js"
install -D -m 644 -t "$stage/lockdoctor/man" man/*.1
install -m 644 packaging/npm/README.md "$stage/lockdoctor/"
pages=$(cd man && printf '"man/%s", ' *.1)
manifest "$stage/lockdoctor" lockdoctor <<JSON
  "keywords": ["openclaw", "session", "lock", "diagnostics", "sidecar"],
  "bin": { "lockdoctor": "lockdoctor.js" },
  "man": [${pages%, }],
  "files": ["lockdoctor.js", "man"],
  "engines": { "node": ">=18" },
  "optionalDependencies": {
    "lockdoctor-linux-x64": "$version",
    "lockdoctor-linux-arm64": "$version"
  }
JSON
