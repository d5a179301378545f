#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A training that is killed and resumed gives the file of one that was not; Ctrl-C says how to go on.
. "$(dirname "$0")/lib.bash"

make_events 1200 400 20 >events.csv
sweeps=12
options=(--factors 32 --sweeps $sweeps --validate-share 0.2 --patience 4 --validate-metric recall@10 --metrics recall@10)

# Starts the training $1 and ends it by signal $2 once it has said that sweep $3 is done, or lets it finish.
end_at() {
    local signal=$2 sweep=$3 code=0
    rm -f stderr
    "$TOPN_PROGRAM" train "$1" events.csv -o interrupted "${options[@]}" --checkpoint state --resume >stdout 2>stderr </dev/null &
    local child=$!
    while kill -0 $child 2>/dev/null; do
        if [ -e state ] && [ "$(/usr/bin/python3 -c '
import json, struct, sys
with open("state", "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
print(header["losses"]["shape"][0])')" -ge "$sweep" ]; then
            kill -"$signal" $child 2>/dev/null || true
            break
        fi
        sleep 0.01
    done
    wait $child || code=$?
    echo "$code"
}

for method in ials; do
    good train $method events.csv -o whole "${options[@]}"
    rm -f state interrupted
    for sweep in 1 $((2 + RANDOM % 3)) $((5 + RANDOM % 3)); do
        code=$(end_at $method KILL "$sweep")
        [ "$code" = 137 ] || [ "$code" = 0 ] || fault "killed in sweep $sweep or later: $code"
    done
    good train $method events.csv -o interrupted "${options[@]}" --checkpoint state --resume
    same whole interrupted

    rm -f state interrupted
    code=$(end_at $method INT 1)
    if [ "$code" != 0 ]; then
        [ "$code" = 130 ] || fault "SIGINT: $code"
        grep -q 'cancelled during "\(evaluate\|bootstrap\)"' stderr || # had been trained already
            has stderr '^topn: cancelled; state holds what was reached.*--resume'
        [ ! -e interrupted ] || fault "a model was written"
    fi
    good train $method events.csv -o interrupted "${options[@]}" --checkpoint state --resume
    same whole interrupted

    # More sweeps go on where fewer ended; other options, data and damaged files are refused.
    good train $method events.csv -o longer --factors 8 --sweeps 5
    good train $method events.csv -o shorter --factors 8 --sweeps 2 --checkpoint state
    good train $method events.csv -o resumed --factors 8 --sweeps 5 --checkpoint state --resume
    same longer resumed
    mkdir -p out
    refused 2 'state: checkpoint of another training: --factors was "8", not "9"' \
        train $method events.csv -o out/m --factors 9 --sweeps 5 --checkpoint state --resume --quiet
    refused 2 'state: .* --sweeps 3' train $method events.csv -o out/m --factors 8 --sweeps 3 --checkpoint state --resume --quiet
    head -n 5000 events.csv >fewer.csv
    refused 1 'state: checkpoint of other data' \
        train $method fewer.csv -o out/m --factors 8 --sweeps 5 --checkpoint state --resume --quiet
    head -c 5000 state >cut
    refused 1 '^topn: cut: ' train $method events.csv -o out/m --factors 8 --sweeps 5 --checkpoint cut --resume --quiet
    refused 1 'cannot write no/state: ' train $method events.csv -o out/m --sweeps 1 --checkpoint no/state --quiet
    refused 2 '--resume needs --checkpoint' train $method events.csv -o out/m --sweeps 1 --resume --quiet
    refused 1 'state: holds the checkpoint of a training, not a model' inspect state
    empty_folder out

    # A refit trains on all events for as many sweeps as were best, and keeps a checkpoint of its own.
    good train $method events.csv -o refit "${options[@]}" --checkpoint state --refit
    [ -e state.refit ] || fault "no checkpoint of the refit"
    good inspect whole
    best=$(sed -n 's/^train.best-sweep *//p' stdout)
    good train $method events.csv -o plain --factors 32 --sweeps "$best" --patience 4
    good inspect refit
    has stdout "^option.sweeps *$best\$"
    has stdout '^data.events *24000$'
    good export refit -o refit.mtx --to mtx
    good export plain -o plain.mtx --to mtx
    same refit.mtx plain.mtx

    # What is recorded repeats the training, validation and all.
    good train --from whole -o repeated --metrics recall@10
    lacks stderr warning
    same whole repeated
    good train --from refit -o repeated
    lacks stderr warning
    has stderr '^sweep 1 of '
    good export repeated -o repeated.mtx --to mtx
    same refit.mtx repeated.mtx
done
