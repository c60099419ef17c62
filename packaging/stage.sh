#!/bin/sh
# Lays out what a distribution package holds, below a directory:
#
#   packaging/stage.sh BINARY DIRECTORY
#
# Completions come from the binary itself, or from RUNNABLE, one of the same version that this machine can run.
set -eu
binary=$(realpath "$1")
mkdir -p "$2"
root=$(realpath "$2")
cd "$(dirname "$0")/.."

install -D -m 755 "$binary" "$root/usr/bin/lockdoctor"

for page in man/*.[15]; do
    section=${page##*.}
    install -D -m 644 "$page" "$root/usr/share/man/man$section/${page#man/}"
done
find "$root/usr/share/man" -type f -name '*.[15]' -exec gzip -9n {} +

for manager in system user; do
    for unit in packaging/systemd/"$manager"/*; do
        install -D -m 644 "$unit" "$root/usr/lib/systemd/$manager/${unit##*/}"
    done
done

completions() {
    install -d "$root/usr/share/$2"
    "${RUNNABLE:-$binary}" completions "$1" >"$root/usr/share/$2/$3"
}
completions bash bash-completion/completions lockdoctor
completions zsh zsh/vendor-completions _lockdoctor
completions fish fish/vendor_completions.d lockdoctor.fish

examples="$root/usr/share/doc/lockdoctor/examples"
install -d "$examples"
for directory in packaging/prometheus packaging/grafana; do
    if [ -d "$directory" ]; then
        find "$directory" -maxdepth 1 -type f ! -name '*test*' -exec install -m 644 -t "$examples" {} +
    fi
done
