#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same seed gives the same bytes at any thread count, through the whole job.
. "$(dirname "$0")/lib.bash"

make_events 500 120 10 >events.csv
for threads in 1 2 3; do
    mkdir run$threads
    (
        cd run$threads
        topn split ../events.csv --protocol strong --seed 3 --threads $threads -o split -q >counts
        train() {
            topn train "$1" split/train.tsv --seed 3 --threads $threads -o "$1.safetensors" -q "${@:2}"
        }
        train popularity
        train ease
        train chol --k 20 --order random
        topn evaluate ease.safetensors chol.safetensors --split split/test --metrics recall@5,ndcg@10,auc \
            --threads $threads --format csv -q >metrics.csv
        topn recommend chol.safetensors --users all -n 7 --threads $threads --format csv -q >lists.csv
    )
done 2>stderr
for threads in 2 3; do
    diff -r run1 run$threads >&2 || fault "1 and $threads threads differ"
done
[ ! -s stderr ] || fault "messages"
