# shellcheck shell=sh
# Packages of any Debian suite, unpacked and not installed, by whoever asks; sourced, not run.

# debian_suite SUITE DIRECTORY: from now on apt means this suite, for amd64 and arm64, and keeps its lists in DIRECTORY.
debian_suite() {
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$2/lists/partial" "$2/archives/partial"
    : >"$2/status"
    cat >"$2/sources.list" <<END
deb [signed-by=$keys] http://deb.debian.org/debian $1 main
deb [signed-by=$keys] http://deb.debian.org/debian-security $1-security main
END
    cat >"$2/apt.conf" <<END
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
Dir::State::Lists "$2/lists";
Dir::State::Status "$2/status";
Dir::Cache "$2";
Dir::Etc::SourceList "$2/sources.list";
Dir::Etc::SourceParts "/dev/null";
END
    export APT_CONFIG="$2/apt.conf"
    apt-get update -qq
}

# unpack DIRECTORY PACKAGE:ARCHITECTURE…
unpack() {
    into=$1
    shift
    mkdir -p "$into/debs"
    (cd "$into/debs" && apt-get download -qq "$@")
    for package in "$into"/debs/*.deb; do
        dpkg-deb -x "$package" "$into"
    done
    rm -r "$into/debs"
}

# depends PACKAGE PATTERN: the first of its dependencies with such a name.
depends() { apt-cache depends "$1" | sed -n "s/^ *Depends: \($2\)\$/\1/p" | head -n 1; }
