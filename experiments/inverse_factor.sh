#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The inverse factor against CHOL and EASE, dense and pruned, in several orders and ways of pruning: quality, coverage,
# seconds, bytes, and the time that one person waits.
#
#   experiments/inverse_factor.sh DATA [L2]
#
# KEEP are the values of k (default "50 100 200"; DENSE=no leaves the whole models out), SHARES those of --popular-share
# (default "0.125 0.25 0.5"). "seconds" is the training, "µs" the median of topn_recommend for one user's top 100
# (bench/latency). Every row is a training of its own, so that seconds compare. Settings: experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# = 1 ] || [ $# = 2 ] || usage "DATA [L2]"
l2=${2:-${L2:-500}}
begin inverse_factor
prepare "$1"

# one LABEL K METHOD OPTION…
one() {
    local label=$1 k=$2 method=$3
    shift 3
    fit model "$method" --l2 "$l2" --k "$k" "$@" || return 0
    measure model ndcg@100 recall-capped@50 recall@20 coverage
    row "$label" "$([ "$k" = 0 ] && echo "$items" || echo "$k")" "$(digits "${mean[ndcg@100]}")" \
        "$(digits "${mean[recall-capped@50]}")" "$(digits "${mean[recall@20]}")" "$(percent "${mean[coverage]}")" \
        "$seconds" "$(megabytes "$bytes")" "$(answer_time model)"
}

echo "$1: $items items, l2 $l2, $part users"
table table.tsv model k NDCG@100 recall-capped@50 recall@20 coverage seconds MB µs
ks=(${KEEP:-50 100 200})
[ "${DENSE:-yes}" = no ] || ks=(0 "${ks[@]}")
has_method inverse-factor && present=yes || present=no
for k in "${ks[@]}"; do
    [ "$k" -lt "$items" ] || continue
    one ease "$k" ease
    one chol "$k" chol
    [ $present = yes ] || continue
    if [ "$k" = 0 ]; then
        one inverse-factor 0 inverse-factor
        continue
    fi
    one "popular last, item" "$k" inverse-factor --prune item --popular-share 0
    one "popular last, global" "$k" inverse-factor --popular-share 0
    for share in ${SHARES:-0.125 0.25 0.5}; do
        one "popular last, global, share $share" "$k" inverse-factor --popular-share "$share"
    done
    one "popular last, item, share 0.25" "$k" inverse-factor --prune item --popular-share 0.25
    one "popular first, row" "$k" inverse-factor --order popular-first --prune row
    one "popular first, global" "$k" inverse-factor --order popular-first --popular-share 0
done
forget model
plot inverse_factor.svg <<'GNUPLOT'
set logscale x
set xlabel "non-zeros kept an item, k"
set ylabel "NDCG\\@100"
plot for [i = 1:words(names)] rows(word(names, i)) using "k":"NDCG@100" \
        with linespoints linestyle i title word(names, i)
GNUPLOT
