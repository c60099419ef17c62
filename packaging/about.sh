# shellcheck shell=sh disable=SC2034
# What every package says of itself; sourced from the project's root, not run.

about() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" Cargo.toml | head -n 1; }
version=$(about version)
description=$(about description)
licence=$(about license)
repository=$(about repository)
# An image's name is in lower case.
owner=$(echo "$repository" | sed 's|.*github.com/\([^/]*\)/.*|\1|' | tr A-Z a-z)
image=ghcr.io/$owner/lockdoctor
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

# machine_of BINARY: as uname calls the machine that it is for (e_machine of its ELF header).
machine_of() {
    case $(od -An -j18 -N1 -tu1 "$1" | tr -d ' ') in
        62) echo x86_64 ;;
        183) echo aarch64 ;;
        *) echo "$1: not a binary of x86_64 or aarch64" >&2; return 1 ;;
    esac
}
