#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Kind hnsw against hnswlib on the same made table, the same users and the same machine, at the same numbers of links
# and widths. hnswlib is built here (header only: libhnswlib-dev) for this processor, as its users do.
#
#   bench/peers/hnswlib.sh [ITEMS [M [EF-CONSTRUCTION [EF …]]]]      (20108 16 200 100 200 400)
#
# BENCH names the folder of the bench programs (default build/release/bench), CXX the compiler, THREADS how many build.
set -euo pipefail
items=${1:-20108} m=${2:-16} width=${3:-200}
widths=("${@:4}")
((${#widths[@]})) || widths=(100 200 400)
bench=${BENCH:-build/release/bench} threads=${THREADS:-$(nproc)}
here=$(dirname "${BASH_SOURCE[0]}")
export OMP_NUM_THREADS=$threads
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"${CXX:-c++}" -O3 -march=native -std=c++17 -pthread -o "$folder/hnswlib" "$here/hnswlib.cpp"
kinds=()
for ef in "${widths[@]}"; do
    kinds+=("hnsw:m=$m,ef-construction=$width,ef=$ef")
done
TABLES=$folder "$bench/index" "$items" "${kinds[@]}"
for ef in "${widths[@]}"; do
    "$folder/hnswlib" "$folder" 128 "$m" "$width" "$ef" "$threads"
done
