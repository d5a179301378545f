#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Neighbourhood methods as published and with options chosen on validation data, popularity beside them.
#
#   experiments/neighbors.sh gowalla FOLDER validation|test    the Gowalla split of the LightGCN papers (train.txt, test.txt);
#                                                              validation: a fifth of the training events
#   experiments/neighbors.sh strong DATA validation|test       strong generalisation on any data, 1000 + 1000 held-out users
#
# TOPN names the program (default build/release/topn), OUT the folder to write to. Each row takes seconds.
set -euo pipefail
[ $# = 3 ] || { echo "usage: $0 gowalla FOLDER validation|test  or  $0 strong DATA validation|test" >&2; exit 2; }
kind=$1 data=$2 step=$3
topn=${TOPN:-build/release/topn} out=${OUT:-build/experiments/neighbors-$1}
mkdir -p "$out"
case $kind-$step in
gowalla-test)
    train=$data/train.txt asked=(--seen "$data/train.txt" --hidden "$data/test.txt")
    ;;
gowalla-validation)
    "$topn" split "$data/train.txt" --protocol weak --validation-share 0.2 --test-share 0 --seed 1 -o "$out/split" --quiet >"$out/split.txt"
    train=$out/split/train.tsv asked=(--split "$out/split/validation")
    ;;
strong-validation | strong-test)
    "$topn" split "$data" --protocol strong --test-users 1000 --validation-users 1000 -o "$out/split" --quiet >"$out/split.txt"
    train=$out/split/train.tsv asked=(--split "$out/split/$step")
    ;;
*)
    echo "$0: \"$kind\" and \"$step\" are not gowalla or strong and validation or test" >&2
    exit 2
    ;;
esac
[ "$kind" = gowalla ] && metrics=recall@20,ndcg@20,coverage || metrics=ndcg@100,recall-capped@50,coverage

# row METHOD OPTIONS…: trains, evaluates, prints one line of the table.
row() {
    "$topn" train "$@" "$train" -o "$out/model" >"$out/train.txt" 2>"$out/messages.txt"
    "$topn" evaluate "$out/model" "${asked[@]}" --metrics "$metrics" --format csv --quiet |
        awk -F, -v row="$*" -v seconds="$(awk '$1 == "run.seconds.total" { print $2 }' "$out/train.txt")" -v bytes="$(stat -c %s "$out/model")" '
            NR > 1 { figures = figures sprintf("  %s %.4f (%.4f to %.4f)", $2, $3, $4, $5) }
            END { printf "%-100s%s  %.1f MB  %s s\n", row, figures, bytes / 1e6, seconds }'
    rm -f "$out/model"
}

row popularity
row itemknn
row itemknn --shrinkage 10
row itemknn --user-weight-exponent 0.5
row userknn
row rp3beta
if [ "$kind" = gowalla ]; then
    row itemknn --user-weight-exponent 0.5 --shrinkage 20 --alpha 0.6 --neighbors-of history --normalize sum
    row userknn --item-weight-exponent 0.5 --score-exponent 0.1
    row rp3beta --beta 0.3 --normalize sum
else
    row itemknn --user-weight-exponent 1.5 --alpha 0.6
    row userknn --score-exponent 0.2 --vote-exponent 0.5
    row rp3beta --beta 0.7 --normalize sum
fi
