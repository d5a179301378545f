#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `topn tune`: what it finds, that it goes on after kills without loss or double counting, and what it refuses.
. "$(dirname "$0")/lib.bash"

make_events 300 60 14 >events.csv

# journal FILE: all that decides a trial and all that came of it but for times and memory, as text.
journal() {
    /usr/bin/python3 - "$1" <<'PYTHON'
import json, sqlite3, sys
base = sqlite3.connect(sys.argv[1])
for row in base.execute("SELECT series, number, seed, fidelity, settings, point, status, message, value, facts FROM trial "
                        "ORDER BY rowid"):
    facts = json.loads(row[-1])
    print(*row[:-1], facts.get("best_sweep"), facts.get("model_bytes"))
PYTHON
}

# ---- The same trials with the same seed, and a model of the best
good tune ease events.csv -o a --trials 14 --budget none --metric ndcg@10
has stdout '^chosen: ease with '
[ "$(journal a.trials | wc -l)" = 14 ] || fault "not 14 trials"
good tune ease events.csv -o b --trials 14 --budget none --metric ndcg@10 --threads 1
journal a.trials >a.txt
journal b.trials >b.txt
same a.txt b.txt
same a b
json a.tuning.json 'd["chosen"]["validation"] == max(t["value"] for t in d["trials"])'
json a.tuning.json 'd["chosen"]["validation"] >= d["methods"][0]["defaults"]'
json a.tuning.json 'd["machine"]["threads"] >= 1 and d["asked"]["data"] and d["version"]'
good inspect a
has stdout '^data.events *4200$'
good tune ease events.csv -o c --trials 14 --budget none --metric ndcg@10 --seed 2
journal c.trials >c.txt
! cmp -s a.txt c.txt || fault "another seed, the same trials"

# Options of the command line stay as they are; ranges of one's own are searched.
good tune itemknn events.csv -o d --trials 8 --budget none --metric ndcg@10 --similarity jaccard --search-space 'k=5..40 log; values=binary|weight'
journal d.trials >d.txt
lacks d.txt '"similarity"'
has d.txt '"values": *"weight"'
good inspect d
has stdout '^option.similarity *jaccard$'

# More trials go on from those that are there.
good tune ease events.csv -o a --trials 16 --budget none --metric ndcg@10
has stderr '14 trials are done'
[ "$(journal a.trials | wc -l)" = 16 ] || fault "not 16 trials"

# Successive halving: nine trials with a ninth, three with a third, one with all.
good tune ials events.csv -o h --trials 14 --budget none --metric ndcg@10 --factors 4 --search halving
/usr/bin/python3 -c '
import sqlite3
rows = [r[0] for r in sqlite3.connect("h.trials").execute("SELECT round(1 / fidelity) FROM trial ORDER BY number")]
assert rows == [1] + [9] * 9 + [3] * 3 + [1], rows' || fault "the shares of halving"
good tune itemknn events.csv -o h2 --trials 14 --budget none --metric ndcg@10 --search halving --share-of users
good tune rp3beta events.csv -o r --trials 5 --budget none --metric ndcg@10 --search random

# Several methods, one of which does not fit into memory: it is left out with a reason, and the others go on.
make_events 300 60000 30 >wide.csv
good tune auto wide.csv -o m --methods popularity,ease,itemknn --trials 8 --budget none --metric ndcg@10 --memory 120M
has stdout '^left out: ease: predicted to take .* GiB of memory where .* are available'
has stdout '^popularity  *1 '
[ "$(journal m.trials | wc -l)" = 8 ] || fault "not 8 trials"

# Data options are tuned like others, and must not change what is held back.
good tune ease events.csv -o w --trials 4 --budget none --metric ndcg@10 --values weight --search-space 'reader.half-life=1d..30d log'
has stdout 'reader.half-life'
good inspect w
has stdout '^reader.half-life *[0-9.]*d$'
refused 1 'held back' tune ease events.csv -o x --trials 4 --budget none --metric ndcg@10 --search-space 'reader.min-weight=1..5'

# ---- Kills at ten random moments, then to the end: the journal and the model of an undisturbed run
tuning=(tune auto events.csv --methods ials,ease,itemknn --trials 40 --budget none --metric ndcg@10)
good "${tuning[@]}" -o undisturbed
RANDOM=20
killed=0
for _ in $(seq 200); do
    [ $killed -lt 10 ] || break
    "$TOPN_PROGRAM" "${tuning[@]}" -o killed >/dev/null 2>&1 &
    child=$!
    sleep "0.$(printf %03d $((20 + RANDOM % 250)))"
    if kill -KILL $child 2>/dev/null; then
        killed=$((killed + 1))
    else
        rm -f killed killed.trials # it came to its end before: once more from the beginning
    fi
    wait $child 2>/dev/null || true
done
[ $killed = 10 ] || fault "killed $killed times only"
good "${tuning[@]}" -o killed
journal undisturbed.trials >undisturbed.txt
journal killed.trials >killed.txt
same undisturbed.txt killed.txt
same undisturbed killed
[ "$(cut -d' ' -f1,2 killed.txt | sort | uniq -d | wc -l)" = 0 ] || fault "a trial is there twice"

# ---- The budget is kept: 3 s and the end of what runs
start=$(date +%s%N)
good tune auto events.csv -o t --budget 3s --metric ndcg@10
took=$((($(date +%s%N) - start) / 1000000))
[ $took -lt 20000 ] || fault "3 s took $took ms"
json t.tuning.json 'd["seconds"] < 10'

# ---- What is refused, in one line, and leaves nothing behind
mkdir out
refused 2 'unknown\|no method' tune eese events.csv -o out/m
refused 2 'no search "grid"; there are parzen, random, halving' tune ease events.csv -o out/m --search grid
refused 2 'option --budget: "soon"' tune ease events.csv -o out/m --budget soon
refused 2 '--budget none needs --trials' tune ease events.csv -o out/m --budget none
refused 2 'option --trials' tune ease events.csv -o out/m --trials 0
refused 2 'range of l2: "many"' tune ease events.csv -o out/m --trials 2 --search-space 'l2=many'
refused 2 '"l2" is not NAME=RANGE' tune ease events.csv -o out/m --trials 2 --search-space l2
refused 2 'did you mean --l2' tune ease events.csv -o out/m --trials 2 --search-space 'l3=1..2'
refused 2 '--l2 of ease: "-1"' tune ease events.csv -o out/m --trials 2 --search-space 'l2=-1..5'
refused 2 'option --l2' tune ease events.csv -o out/m --l2 many
refused 2 'a file is needed, not standard input' tune ease - -o out/m
refused 2 'makes no test part' tune ease events.csv -o out/m --test-share 0.2
refused 2 'protocol fixed' tune ease events.csv -o out/m --protocol fixed
refused 2 '--checkpoint is one of a single training' tune ials events.csv -o out/m --checkpoint c
refused 2 '--methods is for' tune ease events.csv -o out/m --methods ease,chol
refused 1 'cannot open no-such' tune ease no-such.csv -o out/m
empty_folder out
refused 1 'is the journal of something else: metric is "ndcg@10" there and "ndcg@20" now' \
    tune ease events.csv -o a --trials 20 --budget none --metric ndcg@20
echo text >not-a-journal
refused 1 'not-a-journal' tune ease events.csv -o a --trials 2 --metric ndcg@10 --journal not-a-journal
