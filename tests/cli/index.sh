#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# topn index: builds, lists, replaces and removes; recommend, similar and evaluate use an index where they are told to.
. "$(dirname "$0")/lib.bash"

make_events 300 400 12 >events.csv
good train ials events.csv -o plain.safetensors --factors 8 --sweeps 2
cp plain.safetensors model.safetensors

# Built in place, and reproducibly; the table says what was measured, the file keeps what does not depend on the machine.
good index model.safetensors --retriever hnsw --m 4 --ef 40
for line in overlap@100 overlap@10 bytes seconds microseconds exact-microseconds 'option.m  *4' 'histories  *200 of users'; do
    has stdout "^$line"
done
has stderr 'topn recommend model.safetensors --retriever hnsw'
good inspect model.safetensors
has stdout '^index.hnsw.overlap@100 '
has stdout '^index.hnsw.links '
lacks stdout 'microseconds'
good index plain.safetensors -o other.safetensors --retriever hnsw --m 4 --ef 40 --threads 1 --format json
json stdout '0.5 < d["overlap@100"] <= 1 and d["bytes"] > 0 and d["option.m"] == 4'
same model.safetensors other.safetensors

# Listed.
good index model.safetensors --list --format csv
has stdout '^retriever,overlap@100,overlap@10,histories,bytes'
has stdout '^hnsw,'
good index plain.safetensors --list --format json
json stdout 'd == []'

# Used where it is asked for and nowhere else.
good recommend model.safetensors --user u5 -n 7 --format csv
mv stdout exact.csv
good recommend plain.safetensors --user u5 -n 7 --format csv
same stdout exact.csv
good recommend model.safetensors --user u5 -n 7 --retriever hnsw --ef 300 --format csv
same stdout exact.csv
good recommend model.safetensors --users all -n 3 --retriever hnsw --format csv
[ "$(wc -l <stdout)" = 901 ] || fault "not three items for each of 300 users"
good similar model.safetensors --item i3 -n 5 --retriever hnsw
good evaluate model.safetensors --seen events.csv --hidden events.csv --include-seen --retriever hnsw
has stdout 'hnsw, approximate'
refused 2 '"auc" looks at the scores of all items' evaluate model.safetensors --seen events.csv --hidden events.csv \
    --retriever hnsw --metrics auc
refused 1 'no index of kind hnsw; `topn index MODEL --retriever hnsw` builds one' recommend plain.safetensors --user u5 \
    --retriever hnsw
refused 2 'option --ef is one of hnsw' recommend model.safetensors --user u5 --ef 100
refused 2 'there is no retriever "hsnw"; did you mean "hnsw"' recommend model.safetensors --user u5 --retriever hsnw
refused 2 'unknown option --retriever' score model.safetensors --user u5 --items i3 --retriever hnsw

# Removed, the file is as it was but for nothing; a refused command changes nothing.
cp model.safetensors before.safetensors
refused 2 'give one of' index model.safetensors
refused 2 'give one of' index model.safetensors --list --remove hnsw
refused 2 'exact needs no index' index model.safetensors --retriever exact
refused 1 'no index of kind int8' index model.safetensors --remove int8
same model.safetensors before.safetensors
good index model.safetensors --remove hnsw
same model.safetensors plain.safetensors
good train popularity events.csv -o popular.safetensors
refused 1 'no item embeddings' index popular.safetensors --retriever hnsw

# A model that is changed comes without its index.
good train chol events.csv -o dense.safetensors --k 0
good index dense.safetensors --retriever hnsw --m 4 --ef 40
good prune dense.safetensors --k 20 -o pruned.safetensors
good index pruned.safetensors --list
lacks stdout hnsw
good inspect pruned.safetensors
lacks stdout '^index'
