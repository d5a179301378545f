#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What P2 §4 says of sampled training, tried out on any data set.
#
#   experiments/sampled.sh samplers DATA      NDCG@20 after each sweep, by sampler: table, plots by sweeps and by seconds
#   experiments/sampled.sh bias DATA          how far sampled softmax ends from full softmax, by sampler and m
#   experiments/sampled.sh popularity DATA    negatives drawn by popularity^β, from β = 0 (uniform) to 1
#
# DATA is a file of events or a folder with train.txt; a fifth of each user's training events is held back and judged by.
#
#   SWEEPS     sweeps of every training             (30; bias: 60)
#   FACTORS    dimensions of the embeddings         (64; bias: 32)
#   NEGATIVES  m of the softmax rows                (32)
#   MS         values of m that bias compares       ("1 4 16 64 256")
#   SAMPLERS   samplers that bias compares          (all six: "uniform popularity two-pass kernel fourier in-batch")
#   BETAS      values of β                          ("0 0.25 0.5 0.75 1")
#   SAMPLED    options of every row                 ("--l2 0.002 --learning-rate 0.05")
#   TARGET     share of the first row's best NDCG that sweeps and seconds are counted to (0.99)
#
# and TOPN, OUT, READER of experiments/lib.bash. Seconds are those of training, judging apart.
kind=${1:-}
[ -n "${OUT:-}" ] || export OUT=build/experiments/sampled-$kind
. "$(dirname "$0")/lib.bash"
[ $# = 2 ] || usage "samplers|bias|popularity DATA"
case $kind in samplers | bias | popularity) ;; *) usage "samplers|bias|popularity DATA" ;; esac
data=$2
begin "sampled-$kind"
read -ra common <<<"${SAMPLED:---l2 0.002 --learning-rate 0.05}"
divergence=${DIVERGENCE:-$(dirname "$topn")/bench/divergence}
negatives=${NEGATIVES:-32}

# A fifth of each user's events, held back: sets `train` and `judged`.
hold_back() {
    local reader=() events=$data
    read -ra reader <<<"${READER:-}"
    [ ! -f "$data/train.txt" ] || events=$data/train.txt
    "$topn" split "$events" "${reader[@]}" --protocol weak --validation-share 0.2 --test-share 0 --seed 1 \
        -o "$out/split" --quiet >"$out/split.txt"
    train=$out/split/train.tsv judged=$out/split/validation
}

# learn MODEL OPTION…: trains by sgd; sets `seconds` of training, `metrics` (NDCG@20 after each sweep) and `ndcg`, the best.
learn() {
    local model=$1
    shift
    "$topn" train sgd "$train" -o "$out/$model" --factors "$factors" --sweeps "$sweeps" "${common[@]}" "$@" \
        --validate "$judged" --validate-metric ndcg@20 --patience 0 --metrics recall@20,catalogue-coverage@20,novelty@20 \
        >"$out/train.txt" 2>"$out/messages.txt" || {
        complain "topn train sgd $*: $(tail -n 1 "$out/messages.txt")"
        return 1
    }
    seconds=$(training_seconds "$out/train.txt")
    metrics=$(awk '$1 == "train.metrics" { $1 = ""; print }' "$out/train.txt")
    ndcg=$(tr ' ' '\n' <<<"$metrics" | sort -g | tail -n 1) # as it stands among them, so that its sweep is found
}

figure() {
    awk -v key="metric.$1" '$1 == key { print $2 }' "$out/train.txt"
}

compare_samplers() {
    factors=${FACTORS:-64} sweeps=${SWEEPS:-30}
    local target= name options count=0 place value reached
    table table.tsv sampler sweep seconds NDCG@20
    printf 'sampler\tbest NDCG@20\tits sweep\tseconds a sweep\tsweeps to target\tseconds to target\n' >"$out/summary.tsv"
    while IFS='|' read -r name options; do
        name=$(echo $name)
        read -ra options <<<"$options"
        learn model "${options[@]}" || continue
        place=0 reached=
        for value in $metrics; do
            place=$((place + 1))
            row "$name" "$place" "$(product "$place" "$(ratio "$seconds" "$sweeps")")" "$(digits "$value")"
        done
        [ -n "$target" ] || target=$(product "$ndcg" "${TARGET:-0.99}")
        reached=$(first_at_least "$target" $metrics)
        printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$(digits "$ndcg")" "$(first_at_least "$ndcg" $metrics)" \
            "$(digits "$(ratio "$seconds" "$sweeps")")" "${reached:--}" \
            "$([ -z "$reached" ] && echo - || product "$reached" "$(ratio "$seconds" "$sweeps")")" >>"$out/summary.tsv"
        count=$((count + 1))
    done <<ROWS
pairwise, uniform     | --loss pairwise --sampler uniform
pairwise, popularity  | --loss pairwise --sampler popularity --popularity-exponent 0.75
pairwise, warp        | --loss pairwise --surrogate hinge --sampler warp --rank-weight reciprocal
pairwise, adaptive    | --loss pairwise --sampler adaptive
pairwise, two-pass    | --loss pairwise --sampler two-pass
softmax, uniform      | --loss softmax --negatives $negatives --sampler uniform
softmax, popularity   | --loss softmax --negatives $negatives --sampler popularity --popularity-exponent 0.75
softmax, in-batch     | --loss softmax --sampler in-batch
softmax, two-pass     | --loss softmax --negatives $negatives --sampler two-pass --candidates $((4 * negatives))
softmax, kernel       | --loss softmax --negatives $negatives --sampler kernel
softmax, all items    | --loss softmax --sampler all
ROWS
    [ $count -gt 0 ] || exit 1
    echo
    echo "target: NDCG@20 of $(digits "$target"), ${TARGET:-0.99} of the first row's best"
    column -t -s "$(printf '\t')" "$out/summary.tsv"
    local by
    for by in sweep seconds; do
        plot "by_$by.svg" <<GNUPLOT
$([ $by = sweep ] || echo 'set logscale x')
set xlabel "$([ $by = sweep ] && echo sweeps || echo 'seconds of training')"
set ylabel "NDCG\\\\@20"
plot for [i = 1:words(names)] rows(word(names, i)) using "$by":"NDCG\\@20" \
        with lines linestyle (i - 1) % 8 + 1 dashtype 1 + (i > 5) title word(names, i)
GNUPLOT
    done
}

# Trainings with a rate that falls to 0 end near the optimum of their own loss, so what remains between them is bias.
compare_bias() {
    factors=${FACTORS:-32} sweeps=${SWEEPS:-60}
    common+=(--schedule linear)
    [ -x "$divergence" ] || complain "no program $divergence (target bench_divergence): no distances"
    local sampler m options distances
    learn truth --loss softmax --sampler all || exit 1
    table table.tsv sampler m KL variation overlap@20 NDCG@20 seconds
    row all - 0 0 1 "$(digits "$ndcg")" "$(digits "$seconds")"
    for sampler in ${SAMPLERS:-uniform popularity two-pass kernel fourier in-batch}; do
        for m in ${MS:-1 4 16 64 256}; do
            case $sampler in
            two-pass) options=(--sampler two-pass --candidates $((4 * m)) --negatives "$m") ;;
            in-batch) options=(--sampler in-batch --batch $((m + 1))) ;;
            popularity) options=(--sampler popularity --popularity-exponent 1 --negatives "$m") ;;
            *) options=(--sampler "$sampler" --negatives "$m") ;;
            esac
            learn sampled --loss softmax "${options[@]}" || continue
            distances='- - -'
            [ ! -x "$divergence" ] || distances=$("$divergence" "$out/truth" "$out/sampled")
            read -r kl variation overlap _ <<<"$distances"
            row "$sampler" "$m" "$kl" "$variation" "$overlap" "$(digits "$ndcg")" "$(digits "$seconds")"
        done
    done
    forget truth sampled
    plot bias.svg <<'GNUPLOT'
set logscale xy
set xlabel "m, negatives of a positive"
set ylabel "Kullback–Leibler divergence from full softmax"
plot for [i = 2:words(names)] rows(word(names, i)) using "m":"KL" \
        with linespoints linestyle i - 1 title word(names, i)
GNUPLOT
}

compare_popularity() {
    factors=${FACTORS:-64} sweeps=${SWEEPS:-30}
    local name options beta
    table table.tsv loss beta NDCG@20 recall@20 catalogue novelty seconds
    while IFS='|' read -r name options; do
        name=$(echo $name)
        read -ra options <<<"$options"
        for beta in ${BETAS:-0 0.25 0.5 0.75 1}; do
            learn model "${options[@]}" --sampler popularity --popularity-exponent "$beta" || continue
            row "$name" "$beta" "$(digits "$ndcg")" "$(digits "$(figure recall@20)")" \
                "$(percent "$(figure catalogue-coverage@20)")" "$(digits "$(figure novelty@20)")" "$(digits "$seconds")"
        done
    done <<ROWS
pairwise              | --loss pairwise
pointwise, m = 4      | --loss pointwise --negatives 4
softmax, m = $negatives | --loss softmax --negatives $negatives
softmax, uncorrected  | --loss softmax --negatives $negatives --correction none
ROWS
    plot popularity.svg <<'GNUPLOT'
set xlabel "β: negatives are drawn by popularity^β"
set ylabel "NDCG\\@20"
plot for [i = 1:words(names)] rows(word(names, i)) using "beta":"NDCG\@20" \
        with linespoints linestyle i title word(names, i)
GNUPLOT
}

hold_back
echo "$data: $(item_count "$train") items, validation events"
case $kind in
samplers) compare_samplers ;;
bias) compare_bias ;;
popularity) compare_popularity ;;
esac
forget model
