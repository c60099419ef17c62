#!/bin/sh
# Puts the name of the repository's owner wherever OWNER stands for it: once, by whoever gets the repository.
#
#   packaging/owner.sh NAME
set -eu
cd "$(dirname "$0")/.."
# An image's name is in lower case, and GitHub takes any case.
name=$(echo "$1" | tr A-Z a-z)
case $name in
    '' | -* | *[!a-z0-9-]*) echo "'$1' is not a name on GitHub" >&2; exit 2 ;;
esac
grep -rlI --exclude-dir=target --exclude-dir=.git --exclude=owner.sh --exclude=release-check.sh 'OWNER/lockdoctor' . | while read -r file; do
    sed -i "s|OWNER/lockdoctor|$name/lockdoctor|g" "$file"
    echo "$file"
done
