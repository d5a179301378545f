#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Items that nobody, or hardly anybody, has taken yet, by models of sampled training over features: two towers, and
# factorisation machines; least squares, popularity and chance beside them.
#
#   experiments/cold_start_sampled.sh items EVENTS FEATURES[,FEATURES…]    a fifth of the items hidden whole, ranked among
#                                                                         each other: as experiments/cold_start.sh
#   experiments/cold_start_sampled.sh citeulike FOLDER p1|p10             papers by words and tags, on the given split
#
# as in: cold_start_sampled.sh items ml-1m/pairs.tsv ml-1m/movies.dat. The popularity row of p10 must be the published
# one, .0578 .0862 .1568, up to the order of the many equally popular papers; the script ends where it is not.
#
#   ROWS      file of lines "NAME | METHOD OPTION…" in place of those below
#   OPTIONS   options of every row
#
# and TOPN and OUT of experiments/lib.bash.
kind=${1:-}
[ -n "${OUT:-}" ] || export OUT=build/experiments/cold_start_sampled-$kind
. "$(dirname "$0")/lib.bash"
[ $# = 3 ] || usage "items EVENTS FEATURES | citeulike FOLDER p1|p10"
begin cold_start_sampled

case $kind in
items)
    "$topn" split "$2" --item-features "$3" --protocol cold-items --test-share 0.2 --seed 1 -o "$out/split" --quiet \
        >"$out/split.txt"
    train=$out/split/train.tsv features=(--item-features "$3" --feature-scale unit)
    asked=(--split "$out/split/test" --rank-items hidden)
    metrics=(ndcg@20 recall@20 auc) headings=(NDCG@20 recall@20 AUC)
    ;;
citeulike)
    train=$2/$3-train.tsv features=(--item-features "$2/item-words.tsv,$2/item-tags.tsv" --feature-scale unit)
    asked=(--seen "$train" --hidden "$2/$3-test.tsv")
    metrics=(recall@50 recall@100 recall@300) headings=(recall@50 recall@100 recall@300)
    ;;
*) usage "items EVENTS FEATURES | citeulike FOLDER p1|p10" ;;
esac

rows() {
    if [ -n "${ROWS:-}" ]; then
        cat "$ROWS"
        return
    fi
    cat <<'LIST'
popularity              | popularity
chance                  | sgd --sweeps 1 --learning-rate 1e-12
ials                    | ials --factors 32 --sweeps 6 --unobserved-weight 0.01 --l2 0.01
fm, pairwise            | sgd --model fm --factors 32 --sweeps 30
fm, softmax             | sgd --model fm --factors 32 --sweeps 30 --loss softmax --negatives 256 --shared-negatives
two-tower, no layers    | two-tower --factors 32 --sweeps 30 --no-item-ids --user-layers= --item-layers=
two-tower               | two-tower --factors 32 --sweeps 30 --no-item-ids
two-tower, users' ids   | two-tower --factors 32 --sweeps 30 --no-item-ids --user-ids
two-tower, items' ids   | two-tower --factors 32 --sweeps 30 --item-ids
LIST
}

table table.tsv model "${headings[@]}" seconds
common=()
read -ra common <<<"${OPTIONS:-}"
while IFS='|' read -r name options; do
    name=$(echo $name)
    read -ra words <<<"$options"
    [ ${#words[@]} -gt 0 ] || continue
    "$topn" train "${words[0]}" "$train" "${features[@]}" "${common[@]}" "${words[@]:1}" --seed 1 -o "$out/model" \
        >"$out/train.txt" 2>"$out/messages.txt" || {
        complain "topn train ${words[*]}: $(tail -n 1 "$out/messages.txt")"
        continue
    }
    "$topn" evaluate "$out/model" "${asked[@]}" --metrics "$(IFS=, && echo "${metrics[*]}")" --format csv --quiet \
        >"$out/evaluation.csv"
    cells=()
    for metric in "${metrics[@]}"; do
        cells+=("$(digits "$(awk -F, -v name="$metric" '$2 == name { print $3 }' "$out/evaluation.csv")")")
    done
    row "$name" "${cells[@]}" "$(digits "$(training_seconds "$out/train.txt")")"
    if [ "$kind ${3##*/} $name" = "citeulike p10 popularity" ]; then
        echo "${cells[*]}" | awk '{ exit !($1 > 0.0568 && $1 < 0.0588 && $2 > 0.085 && $2 < 0.088 && $3 > 0.154 && $3 < 0.159) }' ||
            { complain "popularity is not the published .0578 .0862 .1568: other data or another split" && exit 1; }
    fi
done < <(rows)
forget model
