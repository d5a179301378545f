#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Which order of items, and how many non-zeros, CHOL needs (P1 §3.4): every order × k, with EASE pruned to as many
# weights beside it. Strong generalisation; judged on the validation users, so the test users stay unseen.
#
#   experiments/orders.sh DATA [L2] [OUTPUT-FOLDER]
#
# TOPN names the program (default build/release/topn); TEST_USERS the held-out users of each kind (default 1000);
# KEEP the values of k (0 = all).
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 DATA [L2] [OUTPUT-FOLDER]" >&2; exit 2; }
data=$1 l2=${2:-500} out=${3:-build/experiments/orders}
topn=${TOPN:-build/release/topn} users=${TEST_USERS:-1000}
metrics=ndcg@100,recall-capped@50,coverage
mkdir -p "$out"
"$topn" split "$data" --protocol strong --test-users "$users" --validation-users "$users" -o "$out/split" --quiet > "$out/split.txt"

# row LABEL K METHOD OPTIONS…: trains, evaluates, prints one line of the table.
row() {
    local label=$1 k=$2 method=$3
    shift 3
    "$topn" train "$method" "$out/split/train.tsv" -o "$out/model" --quiet --l2 "$l2" --k "$k" "$@" > "$out/train.txt"
    "$topn" evaluate "$out/model" --split "$out/split/validation" --metrics "$metrics" --format csv --quiet |
        awk -F, -v label="$label" -v k="$k" '
            NR > 1 { mean[$2] = $3; low[$2] = $4; high[$2] = $5 }
            END { printf "%-22s %5s  %.4f (%.4f to %.4f)  %.4f  %6.2f %%\n", label, k ? k : "N", mean["ndcg@100"],
                  low["ndcg@100"], high["ndcg@100"], mean["recall-capped@50"], 100 * mean["coverage"] }'
}

echo "$data: strong generalisation, $users validation users, l2 $l2"
printf '%-22s %5s  %-26s  %-6s  %s\n' model k 'NDCG@100 (95 % interval)' R@50 coverage
for k in ${KEEP:-50 100 200 600 0}; do
    for order in popular-first popular-last co-count-first co-count-last random given; do
        row "chol, $order" "$k" chol --order "$order"
    done
    row "ease, global" "$k" ease --prune global
    row "ease, per item" "$k" ease --prune item
done
rm -f "$out/model"
