#!/bin/sh
# torture.sh [ROUNDS]: the long torture, against the real lock code (ROUNDS, 100 000 unless told otherwise)
# and against native contenders (ten times as many). A tenth of that again runs as the control.
set -eu
export LOCKDOCTOR_TORTURE_ROUNDS="${1:-100000}"
cd "$(dirname "$0")/../.."
LOCKDOCTOR_LONG=1
export LOCKDOCTOR_LONG
exec cargo test --test long torture -- --nocapture --test-threads=1
