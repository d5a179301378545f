#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Matrix factorisation by least squares on two published protocols: the fixed Gowalla split (all items ranked) and
# MovieLens 1M, leave one out with 99 given negatives ("NCF").
#
#   experiments/ials.sh gowalla|ncf FOLDER validation [METHOD OPTION…]    one setting judged on held-back training events
#   experiments/ials.sh gowalla|ncf FOLDER test [METHOD OPTION…]          the same, on the test events
#
# Without METHOD the settings of docs/measurements.md are run. FOLDER holds train.txt and test.txt; or ncf-train.tsv,
# ncf-test.rating and ncf-test.negative. The validation part of Gowalla is a fifth of the training events; that of NCF is
# one random training event of every user, ranked among 99 items that he has no event with. TOPN names the program.
set -euo pipefail
usage="usage: $0 gowalla|ncf FOLDER validation|test [METHOD OPTION…]"
[ $# -ge 3 ] || { echo "$usage" >&2; exit 2; }
protocol=$1 folder=$2 step=$3
shift 3
topn=${TOPN:-build/release/topn} out=${OUT:-build/experiments/ials/$protocol-$step}
case $protocol-$step in
gowalla-validation | gowalla-test) metrics=recall@20,ndcg@20 ;;
ncf-validation | ncf-test) metrics=hit@10,ndcg@10 ;;
*) echo "$usage" >&2 && exit 2 ;;
esac
mkdir -p "$out"
candidates=()

# The events of ncf-train.tsv less one of each user; that one; and 99 items of his none. Drawn by awk's generator, seed 1.
hold_back_one() {
    awk -F'\t' -v out="$out" 'BEGIN { srand(1) }
        { n[$1]++; item[$1, n[$1]] = $2; has[$1, $2] = 1; if (!($2 in known)) { known[$2] = 1; all[++items] = $2 } }
        END {
            for (user in n) {
                held = int(rand() * n[user]) + 1
                for (i = 1; i <= n[user]; i++)
                    print user "\t" item[user, i] > (out (i == held ? "/hidden.tsv" : "/train.tsv"))
                split("", drawn)
                for (left = n[user] + 99 <= items ? 99 : 0; left > 0;) {
                    other = all[int(rand() * items) + 1]
                    if ((user, other) in has || other in drawn) continue
                    drawn[other] = 1
                    print user "\t" other > (out "/candidates.tsv")
                    left--
                }
            }
        }' "$folder/ncf-train.tsv"
}

case $protocol-$step in
gowalla-validation)
    [ -f "$out/split/train.tsv" ] || "$topn" split "$folder/train.txt" --protocol weak --validation-share 0.2 \
        --test-share 0 --seed 1 -o "$out/split" --quiet >"$out/split.txt"
    train=$out/split/train.tsv seen=$out/split/validation-seen.tsv hidden=$out/split/validation-hidden.tsv
    ;;
gowalla-test) train=$folder/train.txt seen=$train hidden=$folder/test.txt ;;
ncf-validation)
    [ -f "$out/candidates.tsv" ] || hold_back_one
    train=$out/train.tsv seen=$train hidden=$out/hidden.tsv candidates=(--candidates "$out/candidates.tsv")
    ;;
ncf-test)
    train=$folder/ncf-train.tsv seen=$train hidden=$folder/ncf-test.rating
    candidates=(--candidates "$folder/ncf-test.negative" --candidates-format ncf-negatives)
    ;;
esac

# run METHOD OPTIONS…: one line with the seconds, the loss and the metrics.
run() {
    local model=$out/model.$$
    "$topn" train "$@" "$train" -o "$model" >"$out/train.txt" 2>"$out/messages.txt" || {
        tail -n 1 "$out/messages.txt" >&2
        return 1
    }
    "$topn" evaluate "$model" --seen "$seen" --hidden "$hidden" "${candidates[@]}" --metrics "$metrics" --format csv \
        --quiet >"$out/evaluation.csv"
    printf '%s: %s s, loss %s' "$*" "$(awk '$1 == "run.seconds.total" { print $2 }' "$out/train.txt")" \
        "$(awk '$1 == "train.loss" { print $2 }' "$out/train.txt")"
    awk -F, 'NR > 1 && $4 != "" { printf ", %s %.4f (%.4f to %.4f)", $2, $3, $4, $5 } END { print "" }' "$out/evaluation.csv"
    rm -f "$model"
}

if [ $# -gt 0 ]; then
    run "$@"
    exit
fi
