#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `topn train` with events held back: of a split or a share of the data, then a refit; and training again as recorded.
. "$(dirname "$0")/lib.bash"

make_events 300 50 12 >events.csv
good split events.csv --protocol weak --test-share 0 --validation-share 0.25 --min-events 2 --seed 5 -o split

# A share held back is what the protocol weak would hold back.
good train ease split/train.tsv -o a --validate split/validation --metrics recall@5 --seed 5
good train ease events.csv -o b --validate-share 0.25 --seed 5 --metrics recall@5
good inspect a
grep '^metric.recall@5 ' stdout >metric-a
grep '^data.events ' stdout >events-a
has stdout '^validation.source *prefix split/validation'
good inspect b
grep '^metric.recall@5 ' stdout >metric-b
grep '^data.events ' stdout >events-b
has stdout '^validation.source *share 0.25'
same metric-a metric-b
same events-a events-b

# What was held back is part of the recorded training.
good train --from b -o c --metrics recall@5
lacks stderr warning
same b c
good train --from a -o c --metrics recall@5
same a c
good train --from b -o c --metrics recall@5 --validate-share 0.5
has stderr 'warning: .*fingerprint'
good inspect c
has stdout '^validation.source *share 0.5'

# A refit trains on everything.
good train ease events.csv -o all --seed 5
good train ease events.csv -o d --validate-share 0.25 --refit --seed 5
good inspect d
has stdout '^data.events *3600$'
has stdout '^validation.source *refit after share 0.25'
good export d -o d.mtx --to mtx --table encoder
good export all -o all.mtx --to mtx --table encoder
same d.mtx all.mtx
good train --from d -o e
lacks stderr warning
good export e -o e.mtx --to mtx --table encoder
same d.mtx e.mtx

mkdir out
refused 2 'exclude each other' train ease events.csv -o out/m --validate split/validation --validate-share 0.1
refused 2 '--refit takes --validate-share' train ease events.csv -o out/m --validate split/validation --refit
refused 2 '"1" is not a number above 0 and below 1' train ease events.csv -o out/m --validate-share 1
refused 2 '"some" is not a number' train ease events.csv -o out/m --validate-share some
refused 1 'no user has so many events' train ease events.csv -o out/m --validate-share 0.05
empty_folder out
