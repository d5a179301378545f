#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The top n of a batch of users against NumPy and SciPy on the same arrays, the same machine and the same threads, one
# run after the other (bench/retrieval, bench/peers/retrieval.py), and how many times as long those take.
#
#   bench/peers/retrieval.sh [sparse|dense] [ITEMS [WIDTH [USERS [N]]]]      (sparse 41140 200 100 100)
#
# BENCH names the program (default build/release/bench/retrieval), PYTHON the interpreter (/usr/bin/python3), INDEXES the
# kinds of indexes to measure besides.
set -euo pipefail
bench=${BENCH:-build/release/bench/retrieval} python=${PYTHON:-/usr/bin/python3}
peer=$(dirname "${BASH_SOURCE[0]}")/retrieval.py
form=${1:-sparse} items=${2:-41140} users=${4:-100} n=${5:-100}
width=${3:-$([[ $form == dense ]] && echo 128 || echo 200)}
unset OPENBLAS_CORETYPE
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
export OPENBLAS_NUM_THREADS=$OMP_NUM_THREADS
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
indexes=()
for kind in ${INDEXES:-}; do
    indexes+=(--index "$kind")
done
"$bench" "$form" "$items" "$width" "$users" "$n" --threads "$OMP_NUM_THREADS" --keep "$folder" "${indexes[@]}" |
    tee "$folder/bench"
"$python" "$peer" "$folder" "$n" | tee "$folder/peer"
awk 'NR == FNR { if ($1 == "batch.ms") batch = $2; next }
     $1 ~ /\.ms$/ { sub(/\.ms$/, "", $1); printf "times.%s %.1f\n", $1, $2 / batch }' "$folder/bench" "$folder/peer"
