#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# P1 Figure 2: NDCG@100 against density for several λ; EASE pruned over the whole matrix, CHOL per embedding.
#
#   experiments/p1_figure2.sh DATA [L2…]
#
# Each λ trains one dense model of both; KEEP are the values of k (default "25 50 100 200 400"). Settings:
# experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# -ge 1 ] || usage "DATA [L2…]"
data=$1
shift
[ $# -ge 1 ] || set -- 100 200 500 1000
begin p1_figure2
prepare "$data"

echo "$data: $items items, $part users"
table table.tsv model k density NDCG@100 low high recall@50 coverage
for l2 in "$@"; do
    for method in ease chol; do
        mode=row
        [ $method = chol ] || mode=global
        fit dense $method --l2 "$l2" --k 0 || continue
        for k in ${KEEP:-25 50 100 200 400}; do
            [ "$k" -lt "$items" ] || continue
            prune dense pruned "$k" $mode
            measure pruned ndcg@100 recall-capped@50 coverage
            row "$method, l2 $l2" "$k" "$(ratio "$k" "$items")" "$(digits "${mean[ndcg@100]}")" \
                "$(digits "${low[ndcg@100]}")" "$(digits "${high[ndcg@100]}")" "$(digits "${mean[recall-capped@50]}")" \
                "$(percent "${mean[coverage]}")"
        done
    done
done
forget dense pruned
plot figure2.svg <<'GNUPLOT'
set logscale x
set xlabel "density, k / N"
set ylabel "NDCG\\@100"
plot for [i = 1:words(names)] rows(word(names, i)) using "density":"NDCG@100" \
        with linespoints linestyle (i + 1) / 2 dashtype 1 + i % 2 title word(names, i)
GNUPLOT
