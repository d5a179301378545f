#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# P1 Figure 3: training time and prediction coverage of EASE and CHOL, both pruned to k numbers an item, on several data
# sets.
#
#   experiments/p1_figure3.sh DATA[=L2]…
#
# K is the number kept (default 200). The paper reports 99 to 99.9 % of the items scored by CHOL and 6 to 12 % by EASE.
# Settings: experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# -ge 1 ] || usage "DATA[=L2]…"
k=${K:-200}
begin p1_figure3

table table.tsv data model items seconds coverage NDCG@100 MB
for argument in "$@"; do
    data=${argument%=*} l2=${L2:-500}
    [ "$data" = "$argument" ] || l2=${argument##*=}
    prepare "$data"
    for method in ease chol; do
        fit model $method --l2 "$l2" --k "$k" || continue
        measure model ndcg@100 coverage
        row "$(basename "$data")" $method "$items" "$seconds" "$(percent "${mean[coverage]}")" \
            "$(digits "${mean[ndcg@100]}")" "$(megabytes "$bytes")"
    done
done
forget model
plot figure3.svg <<'GNUPLOT'
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 noborder
set yrange [0:*]
set multiplot layout 1,2
set key inside left top
set xtics rotate by -20
bars(method) = sprintf("< awk -F'\\t' '$2 == \"%s\"' '%s'", method, table)
set title "training time"
set ylabel "seconds"
plot for [method in "ease chol"] bars(method) using 4:xticlabels(1) linestyle (method eq "ease" ? 2 : 1) title method
set title "items with a score, per user"
set ylabel "%"
set yrange [0:130]
plot for [method in "ease chol"] bars(method) using 5:xticlabels(1) linestyle (method eq "ease" ? 2 : 1) title method
unset multiplot
GNUPLOT
