#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How the inverse factor is best ordered and pruned, beside CHOL and EASE with as many numbers an item. Strong
# generalisation; judged on the validation users, so the test users stay unseen.
#
#   experiments/inverse_factor.sh DATA [OUTPUT-FOLDER [METHOD-OPTIONS…]]
#
# TOPN names the program (default build/release/topn); READER its options for the data, such as "--min-item-events 20";
# TEST_USERS the held-out users of each kind (default 1000); KEEP the values of k.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 DATA [OUTPUT-FOLDER [METHOD-OPTIONS...]]" >&2; exit 2; }
data=$1 out=${2:-build/experiments/inverse-factor}
shift $(($# < 2 ? $# : 2))
options=("$@")
[ $# -gt 0 ] || options=(--l2 500)
read -ra reader <<< "${READER:-}"
topn=${TOPN:-build/release/topn} users=${TEST_USERS:-1000}
metrics=ndcg@100,recall@20,ndcg@20,coverage
mkdir -p "$out"
"$topn" split "$data" ${reader[@]+"${reader[@]}"} --protocol strong --test-users "$users" --validation-users "$users" \
    -o "$out/split" --quiet > "$out/split.txt"

# row LABEL K METHOD OPTIONS…: trains, evaluates, prints one line of the table.
row() {
    local label=$1 k=$2 method=$3
    shift 3
    "$topn" train "$method" "$out/split/train.tsv" -o "$out/model" --quiet "${options[@]}" --k "$k" "$@" > "$out/train.txt"
    "$topn" evaluate "$out/model" --split "$out/split/validation" --metrics "$metrics" --format csv --quiet |
        awk -F, -v label="$label" -v k="$k" '
            NR > 1 { mean[$2] = $3 }
            END { printf "%-44s %5s  %.4f  %.4f  %.4f  %6.2f %%\n", label, k ? k : "N", mean["ndcg@100"],
                  mean["recall@20"], mean["ndcg@20"], 100 * mean["coverage"] }'
}

echo "$data: strong generalisation, $users validation users, ${options[*]}"
printf '%-44s %5s  %s  %s  %s  %s\n' model k NDCG@100 R@20 NDCG@20 coverage
row "ease" 0 ease
for k in ${KEEP:-50 100 200}; do
    row "ease, global" "$k" ease
    row "chol, popular first" "$k" chol
    row "popular last, item" "$k" inverse-factor --prune item --popular-share 0
    row "popular last, item, popular share 0.25" "$k" inverse-factor --prune item --popular-share 0.25
    row "popular last, global" "$k" inverse-factor --popular-share 0
    for share in 0.125 0.25 0.5; do
        row "popular last, global, popular share $share" "$k" inverse-factor --popular-share "$share"
    done
    row "popular first, row" "$k" inverse-factor --order popular-first --prune row
    row "popular first, global" "$k" inverse-factor --order popular-first --popular-share 0
done
rm -f "$out/model"
