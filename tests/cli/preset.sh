#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Presets of published data sets, on small files in the original formats: the split is the one that the notebook of Liang
# et al. makes (tests/golden/notebook_split.py), event by event; counts that differ are an error that names both.
. "$(dirname "$0")/lib.bash"
notebook=$TOPN_SOURCE/tests/golden/notebook_split.py

# events KIND: user TAB item TAB weight; some items have one user, so held-out events are dropped.
events() {
    awk -v kind="$1" '
        function random() { state = (state * 16807) % 2147483647; return state / 2147483647 }
        BEGIN {
            state = 4321
            for (u = 1; u <= 230; u++)
                for (i = 1; i <= 260; i++) {
                    if (random() > 0.015 + 8 / (i + 30) * (0.3 + random())) continue
                    if (kind == "msd") printf "%08x\tSO%05d\t%d\n", (u * 2654435761) % 4294967296, (i * 7919) % 99991, 1 + int(9 * random())
                    else printf "%d\t%d\t%.1f\n", u * 3, i * 2, (1 + int(10 * random())) / 2
                }
        }'
}

# same_split NAME: the folder split and the notebook's parts agree.
same_split() {
    for part in train validation-seen validation-hidden test-seen test-hidden; do
        tail -n +2 split/$part.tsv | cut -f 1,2 | LC_ALL=C sort >ours
        LC_ALL=C sort notebook/$part >theirs
        [ -s ours ] || fault "$1: $part is empty"
        cmp -s ours theirs || fault "$1: $part is not the notebook's: $(diff ours theirs | head -3)"
    done
}

# counts N: the N-th line that the notebook printed, as --expect takes it
counts() {
    sed -n "$1p" printed | tr ' ' ','
}

# compare NAME PATH MIN_WEIGHT MIN_USER MIN_ITEM OPTIONS…: 40 + 40 users held out
compare() {
    local name=$1 path=$2
    mkdir -p notebook
    /usr/bin/python3 "$notebook" events.tsv "$3" "$4" "$5" 40 notebook >printed
    shift 5
    local users=(--test-users 40 --validation-users 40)
    good split "$path" --preset "$name" "${users[@]}" "$@" --expect "$(counts 1)" --expect-split "$(counts 2)" -o split
    same_split "$name"
    has stderr "^preset $name: "
    json split/split.json 'd["seed"] == 98765 and d["option.draw"] == "numpy"'
    # One event more or less is noticed, before and after the split, and nothing is written.
    refused 1 "expected any users, any items and 7 events.*found $(sed -n 1p printed | sed 's/ /, /; s/ \([0-9]*\)$/ and \1/')" \
        split "$path" --preset "$name" "${users[@]}" "$@" --expect '*,*,7' -o none
    refused 1 "expected 7 users, any items and any events.*found $(sed -n 2p printed | sed 's/ /, /; s/ \([0-9]*\)$/ and \1/')" \
        split "$path" --preset "$name" "${users[@]}" "$@" --expect "$(counts 1)" --expect-split '7,*,*' -o none
    [ ! -e none ] || fault "a split with wrong counts was written"
    good describe "$path" --preset "$name" "$@" --expect "$(counts 1)"
    good import "$path" --preset "$name" "$@" --expect "$(counts 1)" -o imported.safetensors
}

# MovieLens 20M
events ml20m >events.tsv
{ echo userId,movieId,rating,timestamp && tr '\t' , <events.tsv | sed 's/$/,1112486027/'; } >ratings.csv
compare ml20m ratings.csv 4 5 0
[ "$(sed -n 1p printed)" != "$(sed -n 2p printed)" ] || fault "no item was left without a training event"
refused 1 'expected 136677 users, 20720 items and 9990682 events after the filters, found' describe ratings.csv --preset ml20m
refused 1 'expected 136677 users, 20720 items and 9990682' import ratings.csv --preset ml20m -o none
refused 1 'expected 136677 users, 20108 items and 9990030 events on items of the training part, found' \
    split ratings.csv --preset ml20m --expect '*,*,*' --test-users 40 --validation-users 40 -o none
# Flags win, an options file does, too.
good split ratings.csv --preset ml20m --expect '*,*,*' --expect-split '*,*,*' --test-users 30 --validation-users 0 -o flags
json flags/split.json 'd["test-hidden.users"] <= 30 and "validation-hidden.users" not in d'
good split ratings.csv --preset ml20m --protocol weak --expect '*,*,*' --expect-split '*,*,*' -o other
json other/split.json 'd["protocol"] == "weak" and d["input.events"] == '"$(sed -n 1p printed | cut -d ' ' -f 3)"
refused 2 'test-users is one of strong' split ratings.csv --preset ml20m --protocol weak --test-users 3 -o none
printf 'min-weight: 1\nexpect: "*,*,*"\n' >options.yaml
good describe ratings.csv --preset ml20m --options options.yaml --format json
json stdout "d['events'] > $(sed -n 1p printed | cut -d ' ' -f 3)"

# Netflix: a file per film
mkdir training_set
awk -F '\t' '{ file = sprintf("training_set/mv_%07d.txt", $2); if (!seen[file]++) print $2 ":" >file; print $1 "," int($3 + 0.5) ",2005-09-06" >file }' events.tsv
awk -F '\t' 'BEGIN { OFS = FS } { $3 = int($3 + 0.5); print }' events.tsv >rounded && mv rounded events.tsv
compare netflix training_set 4 5 0
refused 1 'expected 463435 users, any items and any events' describe training_set --preset netflix

# Million Song Dataset: songs first, then users, once; the published bounds are too high for a small file
events msd >events.tsv
cp events.tsv train_triplets.txt
compare msd train_triplets.txt 0 12 9 --min-item-events 9 --min-user-events 12
good describe train_triplets.txt --preset msd --min-item-events 9 --min-user-events 12 --expect '*,*,*' --format json
cp stdout once.json
good describe train_triplets.txt --preset msd --min-item-events 9 --min-user-events 12 --expect '*,*,*' --filter-order repeat --format json
json stdout 'd["events"] < json.load(open("once.json"))["events"]'
refused 1 'no events are left\|expected 571355 users' import train_triplets.txt --preset msd -o none

# Wrong use
refused 2 'ml20m|netflix|msd' describe ratings.csv --preset ml25m
refused 2 'USERS,ITEMS,EVENTS' describe ratings.csv --expect 3,4
refused 2 'USERS,ITEMS,EVENTS' describe ratings.csv --expect 3,4,-5
refused 2 'USERS,ITEMS,EVENTS' split ratings.csv --expect-split 3,4,5x -o none
refused 2 'option --seed: 5000000000' split ratings.csv --draw numpy --seed 5000000000 -o none
