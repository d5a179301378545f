#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# EASE and CHOL on the Gowalla split of the LightGCN papers (29 858 users, 40 981 items), the size of the Million Song
# data: against published figures, pruned against dense, and with the weight exponents.
#
#   experiments/gowalla.sh FOLDER validation    choose l2 and the exponents on a fifth of the training events
#   experiments/gowalla.sh FOLDER test          the final figures, on test.txt
#
# FOLDER holds train.txt and test.txt (lines "user item item …"). Each model takes 4N² = 6.7 GB of address space, and on
# two cores some minutes. TOPN names the program (default build/release/topn), OUT the folder to write to.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 FOLDER validation|test" >&2; exit 2; }
folder=$1 step=$2
topn=${TOPN:-build/release/topn} out=${OUT:-build/experiments/gowalla}
metrics=recall@20,ndcg@20,hit@20,recall@50,ndcg@50,hit@50,coverage
mkdir -p "$out"
train=$folder/train.txt seen=$folder/train.txt hidden=$folder/test.txt
if [ "$step" = validation ]; then
    "$topn" split "$train" --protocol weak --validation-share 0.2 --test-share 0 --seed 1 -o "$out/split" --quiet >"$out/split.txt"
    train=$out/split/train.tsv seen=$out/split/validation-seen.tsv hidden=$out/split/validation-hidden.tsv
fi

# run METHOD OPTIONS…: trains, prints the seconds of each phase and the metrics; the model is removed.
run() {
    local method=$1
    shift
    echo "== topn train $method $* ($(date +%T))"
    "$topn" train "$method" "$train" -o "$out/model" "$@" 2>"$out/messages.txt" | grep -E '^(run|train)\.'
    echo "model bytes $(stat -c %s "$out/model")"
    "$topn" evaluate "$out/model" --seen "$seen" --hidden "$hidden" --metrics "$metrics" --quiet |
        grep -E ' to [0-9.]+$|^seconds '
    rm -f "$out/model"
}

weights=(--user-weight-exponent 0.5 --ridge-exponent 0.5)
case $step in
validation)
    run ease --l2 80
    for l2 in 100 200 400; do
        run ease --l2 $l2 "${weights[@]}"
    done
    run ease --l2 200 --user-weight-exponent 0.5 --ridge-exponent 0.75
    ;;
test)
    run popularity
    run ease --l2 80
    run ease --l2 80 --k 200
    run chol --l2 80 --k 0
    run chol --l2 80 --k 200
    run ease --l2 200 "${weights[@]}"
    run chol --l2 200 "${weights[@]}" --k 200
    ;;
*)
    echo "$0: \"$step\" is neither validation nor test" >&2
    exit 2
    ;;
esac
