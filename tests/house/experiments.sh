#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every experiment runs on small data: a table with the rows and figures it promises, and a plot where gnuplot is there.
set -euo pipefail
: "${TOPN_PROGRAM:?the path of the program}"
[ -x "$TOPN_PROGRAM" ] || { echo "skipped: no program in this build" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TOPN=$TOPN_PROGRAM TEST_USERS=30

# Two hundred people with a taste for fifteen of 140 items.
awk 'BEGIN {
    state = 12345
    print "user,item"
    for (u = 1; u <= 200; u++) {
        split("", taken)
        for (n = 0; n < 15;) {
            state = (state * 16807) % 2147483647
            i = 1 + int(140 * (state / 2147483647) ^ 2)
            i = i % 2 == u % 2 || n % 3 == 0 ? i : i % 140 + 1
            if (i in taken) continue
            taken[i] = 1
            n++
            printf "u%d,i%d\n", u, i
        }
    }
}' >"$work/events.csv"

fail() {
    echo "failed: $*"
    [ ! -f "$log" ] || cat "$log"
    exit 1
}

# try SCRIPT ROWS PLOT ARGUMENT…: at least so many rows, every share and METRIC a number of LEAST or more, the plot (- for
# none) drawn.
try() {
    local script=$1 rows=$2 plot=$3
    shift 3
    export OUT=$work/$script
    log=$work/$script.log
    "experiments/$script.sh" "$@" >"$log" 2>&1 </dev/null || fail "$script ended with $?"
    [ "$(tail -n +2 "$OUT/table.tsv" | wc -l)" -ge "$rows" ] || fail "$script has fewer than $rows rows"
    awk -F'\t' -v metric="${METRIC:-NDCG@100}" -v least="${LEAST:-0.05}" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == metric) at = i; cells = NF; next }
        NF != cells || $at !~ /^0\.[0-9]+$/ || $at < least { exit 1 }' "$OUT/table.tsv" || fail "$script: a row is wrong"
    command -v gnuplot >/dev/null && [ "$plot" != - ] || return 0
    grep -q '</svg>' "$OUT/$plot" || fail "$script drew no plot"
    ! grep -q 'warning' "$log" || fail "$script: gnuplot warns"
}

events=$work/events.csv
SHARES="1 0.3 0.1" try p1_table2 6 table2.svg "$events" 50
# The paper's point: pruned hard, ssvd has lost more than chol.
awk -F'\t' '$3 < 0.15 { ndcg[$1] = $4 } END { exit !(ndcg["chol"] > ndcg["ssvd"]) }' "$work/p1_table2/table.tsv" ||
    fail "pruned ssvd is as good as chol"
KEEP="4 8 16" try p1_figure2 12 figure2.svg "$events" 20 100
K=10 try p1_figure3 4 figure3.svg "$events" "$events=50"
KEEP="8 16" SHARES=0.25 try inverse_factor 15 inverse_factor.svg "$events" 50
KEEP="8 16" try sparse_path 6 sparse_path.svg "$events" 50
KEEP="8 16" try transfer 12 transfer.svg "$events" 50
# Table 3: with the preset's counts set aside, all rows and one, λ chosen and given; other counts end it.
awk -F, 'NR > 1 { print substr($1, 2) "," substr($2, 2) ",5" }' "$events" | sed '1i userId,movieId,rating' >"$work/ratings.csv"
SPLIT_OPTIONS="--expect *,*,* --expect-split *,*,* --test-users 30 --validation-users 30"
SPLIT_OPTIONS=$SPLIT_OPTIONS try p1_table3 5 table3.svg ml20m "$work/ratings.csv"
SPLIT_OPTIONS=$SPLIT_OPTIONS GRID="2 200" try p1_table3 1 table3.svg ml20m "$work/ratings.csv" chol --k 8
grep -q '^chol --k 8 --l2 200	' "$work/p1_table3/table.tsv" || fail "λ was not chosen"
code=0
OUT=$work/none experiments/p1_table3.sh ml20m "$work/ratings.csv" >"$log" 2>&1 || code=$?
[ $code = 1 ] && grep -q 'expected 136677 users' "$log" || fail "Table 3 on other data: $code"

# Sampled training: every sampler, every m, every β has its rows; distances from full softmax where the program is built.
export METRIC=NDCG@20
SWEEPS=3 FACTORS=8 NEGATIVES=4 try sampled 33 by_sweep.svg samplers "$events"
[ "$(cut -f1 "$work/sampled/summary.tsv" | sort -u | wc -l)" = 12 ] || fail "a sampler is missing: $(cat "$work/sampled/summary.tsv")"
SWEEPS=3 FACTORS=8 MS="1 8" try sampled 13 bias.svg bias "$events"
if [ -x "$(dirname "$TOPN")/bench/divergence" ]; then
    awk -F'\t' '$1 == "uniform" { kl[$2] = $3 } END { exit !(kl[8] > 0 && kl[8] < kl[1]) }' "$work/sampled/table.tsv" ||
        fail "eight negatives end no nearer to full softmax than one: $(cat "$work/sampled/table.tsv")"
fi
SWEEPS=3 FACTORS=8 NEGATIVES=4 BETAS="0 1" try sampled 8 popularity.svg popularity "$events"
printf 'popularity | popularity\nbpr | bpr --factors 4 --l2 {0.001,0.1}\n' >"$work/candidates"
SWEEPS=3 CANDIDATES=$work/candidates try sampled_table 2 - "$events"
[ "$(wc -l <"$work/sampled_table/validation.tsv")" = 3 ] || fail "candidates: $(cat "$work/sampled_table/validation.tsv")"
awk 'BEGIN { print "item,class"; for (i = 1; i <= 140; i++) print "i" i "," (i % 2 ? "odd" : "even") }' >"$work/classes.csv"
printf 'popularity | popularity\nchance | sgd --sweeps 1 --learning-rate 1e-12\nfm | sgd --model fm --factors 4 --sweeps 3\n' >"$work/rows"
ROWS=$work/rows LEAST=0.001 try cold_start_sampled 3 - items "$events" "$work/classes.csv"
unset METRIC

# Without gnuplot the table is all there is, and it is said.
mkdir "$work/bin"
for program in bash env awk cat cut basename dirname mkdir rm stat tail; do
    ln -s "$(command -v $program)" "$work/bin/$program"
done
OUT=$work/bare PATH=$work/bin KEEP=8 bash experiments/p1_figure2.sh "$events" 50 >"$work/bare.log" 2>&1 ||
    fail "without gnuplot: $(cat "$work/bare.log")"
grep -q 'gnuplot is not installed (script/setup experiments)' "$work/bare.log" || fail "does not say that gnuplot is missing"
[ ! -e "$work/bare/figure2.svg" ] || fail "a plot without gnuplot"

# A folder with train.txt and test.txt is a fixed split; a program that is not there and a wrong PART are said.
mkdir "$work/fixed"
awk -F, 'NR > 1 { list[$1] = list[$1] " " substr($2, 2) } END { for (u in list) print substr(u, 2) list[u] }' "$events" |
    sort -n >"$work/all.txt"
awk -v folder="$work/fixed" '{
    line = $1; hidden = $1
    for (i = 2; i <= NF; i++) if (i % 4) line = line " " $i; else hidden = hidden " " $i
    print line >(folder "/train.txt"); print hidden >(folder "/test.txt")
}' "$work/all.txt"
K=10 PART=test try p1_figure3 2 figure3.svg "$work/fixed=50"
K=10 try p1_figure3 2 figure3.svg "$work/fixed=50"
code=0
PART=train OUT=$work/none experiments/p1_figure3.sh "$events" >"$log" 2>&1 || code=$?
[ $code = 2 ] && grep -q 'PART is "train"' "$log" || fail "PART=train: $code"
code=0
TOPN=$work/missing OUT=$work/none experiments/p1_figure3.sh "$events" >"$log" 2>&1 || code=$?
[ $code = 1 ] && grep -q 'no program' "$log" || fail "no program: $code"
