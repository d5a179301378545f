#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Models that never hold N² numbers (fsai, chol-sparse with its ways to a factor, mrf, sansa) against dense EASE and CHOL
# and these two pruned: quality, coverage, seconds, memory.
#
#   experiments/sparse_path.sh DATA [L2]
#
# KEEP are the values of k (default "50 100 200"); DENSE=no leaves EASE and CHOL out where N² does not fit. "MB" is the
# model's file without histories, "peak MB" the program's largest memory while training. Settings: experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# = 1 ] || [ $# = 2 ] || usage "DATA [L2]"
l2=${2:-${L2:-500}}
begin sparse_path
prepare "$1"

# record LABEL K: the row of `model`.
record() {
    measure model ndcg@100 recall-capped@50 recall@20 coverage
    row "$1" "$2" "$(digits "${mean[ndcg@100]}")" "$(digits "${mean[recall-capped@50]}")" \
        "$(digits "${mean[recall@20]}")" "$(percent "${mean[coverage]}")" "$seconds" "$(megabytes "$bytes")" \
        "$(megabytes "$peak")"
}

# one LABEL K METHOD OPTION…
one() {
    local label=$1 k=$2 method=$3
    shift 3
    fit model "$method" --l2 "$l2" --k "$k" "$@" || return 0
    record "$label" "$k"
}

# The ways to a factor that chol-sparse offers, by the option whose choices name the first-order one.
factor_option=
factors=()
if has_method chol-sparse; then
    factor_option=$("$topn" methods chol-sparse --format csv | awk -F, '$3 ~ /first-order/ { print $1; exit }')
    [ -z "$factor_option" ] || mapfile -t factors < <(choices chol-sparse "${factor_option#--}")
fi

echo "$1: $items items, l2 $l2, $part users"
table table.tsv model k NDCG@100 recall-capped@50 recall@20 coverage seconds MB "peak MB"
if [ "${DENSE:-yes}" != no ]; then
    one "ease, dense" 0 ease
    one "chol, dense" 0 chol
fi
for k in ${KEEP:-50 100 200}; do
    [ "$k" -lt "$items" ] || continue
    if [ "${DENSE:-yes}" != no ]; then
        one ease "$k" ease
        one chol "$k" chol
    fi
    for method in fsai mrf sansa; do
        has_method $method && one $method "$k" $method
    done
    if [ ${#factors[@]} -gt 0 ]; then
        for factor in "${factors[@]}"; do
            one "chol-sparse, $factor" "$k" chol-sparse "$factor_option" "$factor"
        done
    elif has_method chol-sparse 2>/dev/null; then
        one chol-sparse "$k" chol-sparse
    fi
done
forget model
plot sparse_path.svg <<'GNUPLOT'
set logscale x
set xlabel "training time in seconds"
set ylabel "NDCG\\@100"
plot for [i = 1:words(names)] rows(word(names, i)) using "seconds":"NDCG@100" \
        with linespoints linestyle i title word(names, i)
GNUPLOT
