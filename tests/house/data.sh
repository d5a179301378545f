#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The example data are whole, with the counts that their README states, and with their licence.
set -euo pipefail
fail() {
    echo "failed: $*"
    exit 1
}
cd examples/data
grep -q "Copyright (c) Simon Dooms" LICENSE || fail "licence"
zstd -qt ratings.dat.zst movies.dat.zst
[ "$(zstd -dqc ratings.dat.zst | wc -l)" = 100000 ] || fail "ratings"
[ "$(zstd -dqc ratings.dat.zst | awk -F:: 'NF != 4' | wc -l)" = 0 ] || fail "columns of ratings"
[ "$(zstd -dqc ratings.dat.zst | awk -F:: '{print $1}' | sort -u | wc -l)" = 16554 ] || fail "users"
[ "$(zstd -dqc ratings.dat.zst | awk -F:: '{print $2}' | sort -u | wc -l)" = 10506 ] || fail "films"
[ "$(zstd -dqc movies.dat.zst | awk -F:: 'NF == 3' | wc -l)" = 10506 ] || fail "titles"
