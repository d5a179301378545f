#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Transfer of a sparsity structure (P1 §4.3): the people are cut into halves A and B; models of B with the pattern of a
# factor trained on A beside models of B with a pattern of their own.
#
#   experiments/transfer.sh DATA [L2]
#
# KEEP are the values of k (default "50 100 200"). Settings: experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# = 1 ] || [ $# = 2 ] || usage "DATA [L2]"
l2=${2:-${L2:-500}}
begin transfer
prepare "$1"
# The halves: users of the training data in turn, in the order of their lines.
awk -F'\t' -v a="$out/a.tsv" -v b="$out/b.tsv" '
    NR == 1 { print >a; print >b; next }
    !($1 in half) { half[$1] = ++users % 2 }
    { print >(half[$1] ? a : b) }' "$train"

# one LABEL MODEL K METHOD OPTION…
one() {
    local label=$1 model=$2 k=$3
    shift 3
    fit "$model" "$@" --l2 "$l2" --k "$k" || return 0
    measure "$model" ndcg@100 recall-capped@50 coverage
    row "$label" "$k" "$(digits "${mean[ndcg@100]}")" "$(digits "${low[ndcg@100]}")" "$(digits "${high[ndcg@100]}")" \
        "$(digits "${mean[recall-capped@50]}")" "$(percent "${mean[coverage]}")" "$(megabytes "$bytes")"
}

echo "$1: $items items, l2 $l2, $part users"
table table.tsv model k NDCG@100 low high recall@50 coverage MB
for method in chol inverse-factor; do
    has_method $method || continue
    for k in ${KEEP:-50 100 200}; do
        train=$out/a.tsv
        one "$method on A" a "$k" $method
        train=$out/b.tsv
        one "$method on B" b "$k" $method
        one "$method on B, pattern of A" b "$k" $method --pattern-from "$out/a"
    done
done
forget a b
plot transfer.svg <<'GNUPLOT'
set logscale x
set xlabel "non-zeros kept an item, k"
set ylabel "NDCG\\@100"
plot for [i = 1:words(names)] rows(word(names, i)) using "k":"NDCG@100" \
        with linespoints linestyle i title word(names, i)
GNUPLOT
