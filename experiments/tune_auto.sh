#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What `topn tune auto` makes of a data set in a given time, against every method's defaults, on test users or events that
# neither has seen.
#
#   experiments/tune_auto.sh DATA [BUDGET] [METRIC]      (10m ndcg@100)
#
#   LONGEST    seconds after which the training of a method's defaults is given up (600)
#   PROTOCOL   how the test part is put away                                       (weak)
#
# and TOPN, OUT, READER of experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# -ge 1 ] || usage "DATA [BUDGET] [METRIC]"
data=$1 budget=${2:-10m} metric=${3:-ndcg@100} protocol=${PROTOCOL:-weak}
begin "tune_auto-$(basename "$data" | tr -c 'a-zA-Z0-9\n' -)"

# shellcheck disable=SC2086 # READER is words
"$topn" split "$data" ${READER:-} --protocol "$protocol" -o "$out/split" -q >"$out/split.txt"
"$topn" tune auto "$out/split/train.tsv" -o "$out/tuned" --budget "$budget" --metric "$metric" | tee "$out/tuned.txt"

printf 'method\t%s\tseconds\n' "$metric" >"$out/table.tsv"
row() { # NAME MODEL SECONDS
    printf '%s\t%s\t%s\n' "$1" "$("$topn" evaluate "$2" --split "$out/split/test" --metrics "$metric" --format csv -q |
        awk -F, 'NR == 2 {print $3}')" "$3" >>"$out/table.tsv"
}
row "tuned: $(awk '/^chosen:/ {print $2}' "$out/tuned.txt")" "$out/tuned" "$budget"
for method in $("$topn" methods --format csv | tail -n +2 | cut -d, -f1); do
    start=$(date +%s.%N)
    if timeout "${LONGEST:-600}" "$topn" train "$method" "$out/split/train.tsv" -o "$out/model" -q 2>"$out/$method.txt"; then
        row "$method" "$out/model" "$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}')"
    else
        printf '%s\t-\t%s\n' "$method" "$(head -c 60 "$out/$method.txt" | tr '\n\t' '  ')" >>"$out/table.tsv"
    fi
done
rm -f "$out/model"
{
    head -n 1 "$out/table.tsv"
    tail -n +2 "$out/table.tsv" | sort -t"$(printf '\t')" -k2,2 -gr
} | column -t -s"$(printf '\t')"
