#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# P1 Table 2: embeddings by eigendecomposition (ssvd) against those by Cholesky factorisation (chol), pruned to k non-zeros
# an item. Each is trained once, dense, and pruned for the rest.
#
#   experiments/p1_table2.sh DATA [L2]
#
# SHARES are the values of k / N (default "1 0.3 0.1 0.03 0.01", the paper's). The paper's figures, on MovieLens 20M with
# λ = 100, NDCG@100: ssvd .416 .415 .408 .360 .224, chol .416 .416 .417 .417 .416. Settings: experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# = 1 ] || [ $# = 2 ] || usage "DATA [L2]"
l2=${2:-${L2:-100}}
begin p1_table2
prepare "$1"

echo "$1: $items items, l2 $l2, $part users"
table table.tsv method k density NDCG@100 low high recall@50 coverage
for method in ssvd chol; do
    has_method $method || continue
    fit $method.dense $method --l2 "$l2" --k 0 || continue
    echo "# $method: trained in $seconds s" >&2
    for share in ${SHARES:-1 0.3 0.1 0.03 0.01}; do
        k=$(awk -v n="$items" -v share="$share" 'BEGIN { k = int(n * share + 0.5); print (k < 1 ? 1 : k) }')
        model=$method.dense
        if [ "$k" -lt "$items" ]; then
            model=$method.pruned
            prune $method.dense $model "$k"
        fi
        measure $model ndcg@100 recall-capped@50 coverage
        row $method "$k" "$(ratio "$k" "$items")" "$(digits "${mean[ndcg@100]}")" "$(digits "${low[ndcg@100]}")" \
            "$(digits "${high[ndcg@100]}")" "$(digits "${mean[recall-capped@50]}")" "$(percent "${mean[coverage]}")"
    done
    forget $method.dense $method.pruned
done
plot table2.svg <<'GNUPLOT'
set logscale x
set xlabel "share of entries kept, k / N"
set ylabel "NDCG\\@100"
set yrange [0:*]
plot for [i = 1:words(names)] rows(word(names, i)) using "density":"NDCG@100":"low":"high" \
        with yerrorlines linestyle i title word(names, i)
GNUPLOT
