#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `topn train` does after training: priors from a file, and metrics that travel in the model.
. "$(dirname "$0")/lib.bash"

make_events 400 60 10 >events.csv
good split events.csv --protocol strong --seed 2 -o split

# The metrics recorded are those that evaluate prints.
good train chol split/train.tsv --k 10 -o m --validate split/validation --metrics recall@5,catalogue-coverage@5
has stdout '^metric.recall@5 '
good evaluate m --split split/validation --metrics recall@5 --format json
mean=$(/usr/bin/python3 -c 'import json; print("%.6f" % json.load(open("stdout"))["recall@5"]["mean"])')
good inspect m
has stdout "^metric.recall@5 *$mean ("
has stdout '^metric.catalogue-coverage@5 '

# A prior of 0 takes an item's score away, others keep theirs; evaluation sees the new priors.
item=$(sed -n 2p split/train.tsv | cut -f 2)
other=$(sed -n 3p split/train.tsv | cut -f 2)
[ "$item" != "$other" ]
good score m --history "$other" --items "$item,$other" --format csv
before=$(grep ",$other," stdout || grep "$other" stdout)
printf '%s\t0\nnobody,3\n' "$item" >priors.tsv
good train chol split/train.tsv --k 10 -o p --priors-from priors.tsv --validate split/validation --metrics recall@5
has stderr 'priors of 1 items from priors.tsv, 1 unknown'
good score p --history "$other" --items "$item,$other" --format csv
has stdout "$item.*,-\?0$"
after=$(grep ",$other," stdout || grep "$other" stdout)
[ "$before" = "$after" ] || fault "the other item's score changed: $before, then $after"

mkdir out
refused 1 'no.tsv' train chol split/train.tsv --k 10 -o out/m --priors-from no.tsv
printf 'a b c\n' >bad.tsv
refused 1 'bad.tsv: entry 1 "a b c" is not "item TAB number"' train chol split/train.tsv --k 10 -o out/m --priors-from bad.tsv
printf '%s\tnan\n' "$item" >bad.tsv
refused 1 'bad.tsv: entry 1' train chol split/train.tsv --k 10 -o out/m --priors-from bad.tsv
printf 'nobody\t1\n' >bad.tsv
refused 1 'none of its 1 items is known' train chol split/train.tsv --k 10 -o out/m --priors-from bad.tsv
refused 1 'biases alone' train popularity split/train.tsv -o out/m --priors-from priors.tsv
refused 1 'no-seen.tsv' train chol split/train.tsv --k 10 -o out/m --validate no
empty_folder out
