#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# App use in context (Frappe: who used which app when, where and in what weather): models of contexts against matrix
# factorisation without them. A list of all apps for each context of the hidden events, apps used before included, since
# people use them again.
#
#   experiments/contexts.sh FOLDER validation [METHOD OPTION…]    one setting judged on held-back training events
#   experiments/contexts.sh FOLDER test [METHOD OPTION…]          the same, on the test events
#
# Without METHOD the settings of docs/measurements.md are run and, on the test events, compared with the first of them.
# FOLDER holds train.tsv and test.tsv with columns user, context1 … context7, item. The validation part is one in twenty of
# the training events. FIELDS are the context columns that a model is trained with (all seven), or "none". TOPN names the
# program, OUT the folder to write to.
set -euo pipefail
usage="usage: $0 FOLDER validation|test [METHOD OPTION…]"
[ $# -ge 2 ] || { echo "$usage" >&2; exit 2; }
folder=$1 step=$2
shift 2
topn=${TOPN:-build/release/topn} out=${OUT:-build/experiments/contexts/$step}
all=context1,context2,context3,context4,context5,context6,context7
mkdir -p "$out"
case $step in
validation)
    awk -v out="$out" 'BEGIN { srand(1) }
        { print > (out (NR > 1 && rand() < 0.05 ? "/hidden.tsv" : "/train.tsv")) }
        NR == 1 { print > (out "/hidden.tsv") }' "$folder/train.tsv"
    train=$out/train.tsv hidden=$out/hidden.tsv
    ;;
test) train=$folder/train.tsv hidden=$folder/test.tsv ;;
*) echo "$usage" >&2 && exit 2 ;;
esac

# fit MODEL COLUMNS METHOD OPTIONS…
fit() {
    local model=$1 columns=()
    [ "$2" = none ] || columns=(--context-columns "$2")
    shift 2
    "$topn" train "$@" "$train" "${columns[@]}" -o "$out/$model" >"$out/train.txt" 2>"$out/messages.txt" || {
        tail -n 1 "$out/messages.txt" >&2
        return 1
    }
}

# measure MODEL…: one table; with several models the difference of each to the first.
measure() {
    "$topn" evaluate "${@/#/$out/}" --seen "$train" --hidden "$hidden" --context-columns "$all" --per-context yes \
        --include-seen --metrics hit@1,hit@10,ndcg@10 --quiet --format csv
}

# run COLUMNS METHOD OPTIONS…: one line with the seconds and the metrics.
run() {
    fit one.model "$@"
    shift
    printf '%s: %s s' "$*" "$(awk '$1 == "run.seconds.total" { print $2 }' "$out/train.txt")"
    measure one.model | awk -F, 'NR > 1 { printf ", %s %.4f (%.4f to %.4f)", $2, $3, $4, $5 } END { print "" }'
    rm -f "$out/one.model"
}

if [ $# -gt 0 ]; then
    run "${FIELDS:-$all}" "$@"
    exit
fi
fit mf.model none ials --factors 64 --l2 0.003 --unobserved-weight 1 --sweeps 12
fit fm.model "$all" fm --factors 64 --l2 0.001 --unobserved-weight 0.1 --sweeps 8
fit parafac.model "$all" parafac --factors 32 --l2 1e-7 --unobserved-weight 0.1 --sweeps 6
fit tucker.model context1,context2,context5 tucker --factors 32 --field-factors 2 --l2 1e-7 --unobserved-weight 0.1 --sweeps 6
measure mf.model fm.model parafac.model tucker.model
