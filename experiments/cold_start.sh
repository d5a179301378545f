#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Items that nobody has taken yet: a fifth of the items is hidden whole, and ranked by their features alone, among each
# other. Popularity cannot tell them apart: its list is in the order of ids, its AUC that of chance.
#
#   experiments/cold_start.sh EVENTS FEATURES[,FEATURES…] [METHOD OPTION…]
#
# as in: experiments/cold_start.sh ml-1m/pairs.tsv ml-1m/movies.dat. TOPN names the program, OUT the folder to write to.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 EVENTS FEATURES [METHOD OPTION…]" >&2; exit 2; }
events=$1 features=$2
shift 2
topn=${TOPN:-build/release/topn} out=${OUT:-build/experiments/cold_start}
mkdir -p "$out"
"$topn" split "$events" --item-features "$features" --protocol cold-items --test-share 0.2 --seed 1 -o "$out/split" \
    --quiet >"$out/split.txt"
[ $# -gt 0 ] || set -- fm --factors 32 --sweeps 4 --unobserved-weight 0.1 --l2 0.003
"$topn" train "$@" "$out/split/train.tsv" --item-features "$features" -o "$out/model" --quiet >"$out/train.txt"
"$topn" train popularity "$out/split/train.tsv" --item-features "$features" -o "$out/popularity" --quiet >"$out/train.txt"
"$topn" evaluate "$out/popularity" "$out/model" --split "$out/split/test" --rank-items hidden \
    --metrics ndcg@20,recall@20,auc --quiet
