#!/bin/sh
# Builds the image as an OCI archive, with podman, docker or umoci, whichever is there; umoci needs no daemon.
#
#   packaging/container/build.sh "$(packaging/build-static.sh)" lockdoctor-oci.tar
#   podman load < lockdoctor-oci.tar
set -eu
binary=$(realpath "$1")
archive=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
# shellcheck source=packaging/about.sh
. packaging/about.sh
case $(machine_of "$binary") in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
esac
engine=${ENGINE:-$(for each in umoci podman docker; do command -v $each && break; done)}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

case ${engine##*/} in
    umoci)
        created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
        layout=$context/oci
        cp "$binary" "$context/lockdoctor"
        touch -d "$created" "$context/lockdoctor"
        umoci init --layout "$layout"
        umoci new --image "$layout:$version"
        umoci insert --rootless --history.created "$created" --image "$layout:$version" "$context/lockdoctor" /lockdoctor
        umoci config --image "$layout:$version" --no-history --created "$created" \
            --architecture "$architecture" \
            --config.user 1000:1000 --config.entrypoint /lockdoctor --config.cmd watch --config.cmd --reclaim \
            --config.label org.opencontainers.image.title=lockdoctor \
            --config.label "org.opencontainers.image.licenses=$licence" \
            --config.label "org.opencontainers.image.source=$repository" \
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
        "$engine" build $format --platform "linux/$architecture" --build-arg "VERSION=$version" --build-arg "SOURCE=$repository" -t "$image:$version" -f "$context/Containerfile" "$context" >&2
        rm -f "$archive"
        "$engine" save -o "$archive" "$image:$version" >&2
        ;;
    *) echo "none of umoci, podman and docker is installed" >&2; exit 1 ;;
esac
echo "$archive"
