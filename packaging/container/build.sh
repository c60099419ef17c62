#!/bin/sh
# Builds the image as an OCI archive, with podman, docker or umoci, whichever is there; umoci needs no daemon.
#
#   packaging/container/build.sh "$(packaging/build-static.sh)" lockdoctor-oci.tar
#   podman load < lockdoctor-oci.tar
set -eu
binary=$(realpath "$1")
archive=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml" | head -n 1)
engine=${ENGINE:-$(for each in umoci podman docker; do command -v $each && break; done)}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

case ${engine##*/} in
    umoci)
        created=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
        layout=$context/oci
        cp "$binary" "$context/lockdoctor"
        touch -d "$created" "$context/lockdoctor"
        umoci init --layout "$layout"
        umoci new --image "$layout:$version"
        umoci insert --rootless --history.created "$created" --image "$layout:$version" "$context/lockdoctor" /lockdoctor
        umoci config --image "$layout:$version" --no-history --created "$created" \
            --config.user 1000:1000 --config.entrypoint /lockdoctor --config.cmd watch --config.cmd --reclaim \
            --config.label org.opencontainers.image.title=lockdoctor \
            --config.label org.opencontainers.image.licenses=MIT \
            --config.label "org.opencontainers.image.version=$version"
        umoci gc --layout "$layout"
        tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="$created" -C "$layout" -cf "$archive" .
        ;;
    podman | docker)
        cp "$binary" "$here/Containerfile" "$context/"
        [ "${binary##*/}" = lockdoctor ] || mv "$context/${binary##*/}" "$context/lockdoctor"
        # podman's own format has no health check.
        format=
        [ "${engine##*/}" = docker ] || format=--format=docker
        # shellcheck disable=SC2086
        "$engine" build $format --build-arg "VERSION=$version" -t "lockdoctor:$version" -f "$context/Containerfile" "$context" >&2
        rm -f "$archive"
        "$engine" save -o "$archive" "lockdoctor:$version" >&2
        ;;
    *) echo "none of umoci, podman and docker is installed" >&2; exit 1 ;;
esac
echo "$archive"
