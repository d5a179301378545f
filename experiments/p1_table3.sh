#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# P1 Table 3 on the original files of a published data set: recall@50 (capped, as Liang et al. 2018 define it) and NDCG@100
# of popularity, EASE and CHOL on the test users, beside the published figures.
#
#   experiments/p1_table3.sh PRESET FILE                    all rows: dense, and with k = 200
#   experiments/p1_table3.sh PRESET FILE METHOD OPTION…     one row, such as: chol --l2 500 --k 200
#
# PRESET and FILE: ml20m ratings.csv, netflix training_set, msd train_triplets.txt. Counts that are not the published ones
# end it. λ is Steck's (2019) for the data set; with GRID="200 500 1000" each row takes the one of these with the best
# NDCG@100 on the validation users. A dense model takes 4N² bytes: 1.6, 1.3 and 6.8 GB. SPLIT_OPTIONS are more options of
# `topn split`, for trials on other files. Settings: experiments/lib.bash.
PART=${PART:-test}
. "$(dirname "$0")/lib.bash"
[ $# -ge 2 ] || usage "PRESET FILE [METHOD OPTION…]"
preset=$1 file=$2
shift 2
case $preset in
ml20m) l2=500 published=(- - .521 .420 .521 .420 .516 .417 .516 .417) ;;
netflix) l2=1000 published=(- - .445 .395 .445 .395 .440 .390 .440 .390) ;;
msd) l2=200 published=(- - .430 .390 .430 .390 .427 .389 .429 .390) ;;
*) complain "\"$preset\" is not ml20m, netflix or msd" && exit 2 ;;
esac
begin p1_table3
# One split serves all rows; another file or other options make another.
made="$(realpath "$file") $(stat -c %s-%Y "$file") ${SPLIT_OPTIONS:-}"
if [ "$(cat "$out/$preset.from" 2>/dev/null)" != "$made" ]; then
    read -ra more <<<"${SPLIT_OPTIONS:-}"
    rm -rf "${out:?}/$preset" "$out/$preset.from"
    "$topn" split "$file" --preset "$preset" "${more[@]}" -o "$out/$preset" --quiet >"$out/split.txt"
    echo "$made" >"$out/$preset.from"
fi
prepare "$out/$preset"

# choose METHOD OPTION…: sets `chosen` to the value of GRID that is best on the validation users.
choose() {
    local best=-1 value seen=$split/validation-seen.tsv hidden=$split/validation-hidden.tsv
    for value in $GRID; do
        fit model "$@" --l2 "$value"
        measure model ndcg@100
        echo "# $*: validation NDCG@100 $(digits "${mean[ndcg@100]}") with l2 $value" >&2
        if awk -v a="${mean[ndcg@100]}" -v b="$best" 'BEGIN { exit !(a > b) }'; then
            best=${mean[ndcg@100]} chosen=$value
        fi
    done
}

# judge RECALL NDCG METHOD OPTION…: one row, with the published figures.
judge() {
    local recall=$1 ndcg=$2
    shift 2
    if [ -n "${GRID:-}" ] && [ "$1" != popularity ]; then
        choose "$@"
        set -- "$@" --l2 "$chosen"
    fi
    fit model "$@"
    measure model recall-capped@50 ndcg@100
    row "$*" "$(digits "${mean[recall-capped@50]}")" "$(digits "${mean[ndcg@100]}")" "$(digits "${low[ndcg@100]}")" \
        "$(digits "${high[ndcg@100]}")" "$recall" "$ndcg" "$(digits "$seconds")" "$(megabytes "$bytes")"
    forget model
}

echo "$preset: $items items, $part users"
table table.tsv model recall@50 NDCG@100 low high "P1 recall" "P1 NDCG" seconds MB
if [ $# -gt 0 ]; then
    judge - - "$@"
    exit
fi
ridge=(--l2 "$l2")
[ -z "${GRID:-}" ] || ridge=()
judge "${published[@]:0:2}" popularity
judge "${published[@]:2:2}" ease --k 0 "${ridge[@]}"
judge "${published[@]:4:2}" chol --k 0 "${ridge[@]}"
judge "${published[@]:6:2}" ease --k 200 "${ridge[@]}"
judge "${published[@]:8:2}" chol --k 200 "${ridge[@]}"
plot table3.svg <<'GNUPLOT'
set datafile missing "-"
set ylabel "NDCG\\@100"
set yrange [0:*]
set xrange [-0.5:*]
set offsets 0.5, 0.5, 0, 0
plot table using 0:"NDCG@100":"low":"high":xticlabels(1) with yerrorbars linestyle 1 title "here", \
     table using 0:"P1 NDCG" with points linestyle 2 title "P1 Table 3"
GNUPLOT
