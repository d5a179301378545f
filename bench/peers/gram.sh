#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The Gram matrix against SciPy's XᵀX followed by toarray(), in single precision on the same data, and the ratio.
#
#   bench/peers/gram.sh [ml20m|netflix|msd [SCALE]]      (ml20m 1)
#
# TOPN and GRAM name the programs (default build/release/topn, build/release/bench/gram), PYTHON the interpreter.
set -euo pipefail
shape=${1:-ml20m} scale=${2:-1}
topn=${TOPN:-build/release/topn} gram=${GRAM:-build/release/bench/gram} python=${PYTHON:-/usr/bin/python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$topn" generate --like "$shape" --scale "$scale" -o "$folder/data.safetensors" --quiet
"$gram" "$folder/data.safetensors" | tee "$folder/ours"
"$python" "$(dirname "${BASH_SOURCE[0]}")/dense.py" "$folder/data.safetensors" gram >"$folder/theirs"
awk '
    $1 == "gram-seconds" { ours = $2 }
    $1 == "seconds.gram" { theirs = $2 }
    $1 == "peak-bytes" { peak = $2 }
    END { printf "SciPy %.3f s, peak %.2f GB; %.1f times the best of ours with items in the given order\n", theirs,
          peak / 1e9, theirs / ours }' "$folder/ours" "$folder/theirs"
