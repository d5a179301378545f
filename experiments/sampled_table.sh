#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Methods of sampled training in one table: recall@20 and NDCG@20 on test events, sweeps and seconds, with options and
# sweeps chosen on validation events alone.
#
#   experiments/sampled_table.sh DATA [METHOD…]
#
# DATA is a folder with train.txt and test.txt (Gowalla's fixed split), or a file of events (ml-1m/pairs.tsv), of which a
# fifth of each user's is hidden as test events (weak generalisation, seed 1). The candidates of each method stand below,
# {a,b} being alternatives: all are trained on four fifths of each user's training events and judged by NDCG@20 on the
# fifth; the best one is trained again on all training events, for as many sweeps as were best, and only this model
# sees the test events. validation.tsv keeps the figures of all candidates, which are not trained again where they stand
# there.
#
#   SWEEPS, PATIENCE   most sweeps, and judgements without a better one that end a training   (200 5)
#   FACTORS            dimensions of the embeddings                                            (64)
#   CANDIDATES         file of lines "NAME | METHOD OPTION…" in place of the list below
#
# and TOPN, OUT, READER of experiments/lib.bash.
. "$(dirname "$0")/lib.bash"
[ $# -ge 1 ] || usage "DATA [METHOD…]"
data=$1
shift
begin "sampled_table"
sweeps=${SWEEPS:-200} patience=${PATIENCE:-5} factors=${FACTORS:-64}
only=" $* "

candidates() {
    if [ -n "${CANDIDATES:-}" ]; then
        cat "$CANDIDATES"
        return
    fi
    cat <<LIST
popularity      | popularity
ials            | ials --factors $factors --unobserved-weight {0.01,0.1} --l2 {0.001,0.003}
logistic-mf     | logistic-mf --factors $factors --l2 {0.002,0.01} --learning-rate {0.02,0.05}
bpr             | bpr --factors $factors --l2 {0.002,0.005,0.01} --learning-rate {0.02,0.05}
warp            | warp --factors $factors --l2 {0.002,0.005,0.01} --learning-rate {0.02,0.05}
lambdafm        | lambdafm --factors $factors --l2 {0.002,0.005,0.01} --learning-rate {0.02,0.05}
adaptive-bpr    | adaptive-bpr --factors $factors --l2 {0.002,0.005,0.01} --rank-scale {0.05,0.1}
sampled-softmax | sampled-softmax --factors $factors --temperature {0.08,0.1,0.15,0.2}
kernel-softmax  | kernel-softmax --factors $factors --l2 {0.0005,0.002} --temperature {0.3,1}
softmax         | softmax --factors $factors --l2 {0.0005,0.002} --temperature {0.3,1}
fism            | fism --factors $factors --l2 {0.0005,0.002}
two-tower       | two-tower --factors $factors --temperature {0.1,0.3}
LIST
}

# expand WORDS: each choice of {a,b}, one a line.
expand() {
    local before after value
    case $1 in
    *{*}*)
        before=${1%%\{*} after=${1#*\}}
        value=${1#*\{}
        for value in $(echo "${value%%\}*}" | tr ',' ' '); do
            expand "$before$value$after"
        done
        ;;
    *) echo "$1" ;;
    esac
}

# The training events as a file, and what the final models are asked.
prepare_fixed() {
    local reader=()
    read -ra reader <<<"${READER:-}"
    if [ -f "$data/train.txt" ]; then
        events=$data/train.txt asked=(--seen "$data/train.txt" --hidden "$data/test.txt")
        return
    fi
    "$topn" split "$data" "${reader[@]}" --protocol weak --test-share 0.2 --validation-share 0 --seed 1 \
        -o "$out/split" --quiet >"$out/split.txt"
    events=$out/split/train.tsv asked=(--split "$out/split/test")
}

# run MODEL OPTION…: topn train on the training events; says why when it fails.
run() {
    local model=$1
    shift
    "$topn" train "$@" -o "$out/$model" >"$out/train.txt" 2>"$out/messages.txt" && return
    complain "topn train $*: $(tail -n 1 "$out/messages.txt")"
    return 1
}

of_training() {
    awk -v key="$1" -v at="${2:-2}" '$1 == key { print $at }' "$out/train.txt"
}

# judge NAME "METHOD OPTION…": one line of validation.tsv.
judge() {
    local words iterated=() best
    grep -qF "$1	$2	" "$out/validation.tsv" && return
    read -ra words <<<"$2"
    ! "$topn" methods "${words[0]}" --format csv | grep -q '^--sweeps,' ||
        iterated=(--sweeps "$sweeps" --patience "$patience")
    run candidate "${words[0]}" "$events" "${iterated[@]}" "${words[@]:1}" --seed 1 --validate-share 0.2 \
        --validate-metric ndcg@20 --metrics recall@20,ndcg@20 || return 0
    best=$(of_training train.best-sweep)
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$(of_training metric.ndcg@20)" "$(of_training metric.recall@20)" \
        "${best:--}" "$(training_seconds "$out/train.txt")" | tee -a "$out/validation.tsv"
}

# final NAME: the best candidate, on all training events.
final() {
    local options validated best words trained=()
    IFS=$'\t' read -r options validated best < <(awk -F'\t' -v name="$1" '$1 == name && $3 > most {
        most = $3; line = $2 "\t" $3 "\t" $5 } END { print line }' "$out/validation.tsv")
    [ -n "$options" ] || return 0
    read -ra words <<<"$options"
    [ "$best" = - ] || trained=(--sweeps "$best")
    run final "${words[0]}" "$events" "${words[@]:1}" --seed 1 "${trained[@]}" || return 0
    "$topn" evaluate "$out/final" "${asked[@]}" --metrics recall@20,ndcg@20,hit@20 --format csv --quiet >"$out/evaluation.csv"
    row "$1" "$(of_metric recall@20 3)" "$(of_metric ndcg@20 3)" "$(of_metric ndcg@20 4)" "$(of_metric ndcg@20 5)" \
        "$(digits "$validated")" "$best" "$(digits "$(training_seconds "$out/train.txt")")" "$options"
}

of_metric() {
    digits "$(awk -F, -v name="$1" -v at="$2" '$2 == name { print $at }' "$out/evaluation.csv")"
}

prepare_fixed
touch "$out/validation.tsv"
names=()
echo "validation: method, options, NDCG@20, recall@20, sweeps, seconds"
while IFS='|' read -r name options; do
    name=$(echo $name) options=$(echo $options)
    [ -n "$name" ] || continue
    [ "$only" = "  " ] || [[ "$only" == *" $name "* ]] || continue
    names+=("$name")
    while read -r choice; do
        judge "$name" "$choice"
    done < <(expand "$options")
done < <(candidates)
echo
table table.tsv method recall@20 NDCG@20 low high validation sweeps seconds options
for name in "${names[@]}"; do
    final "$name"
done
forget candidate final
