# SPDX-License-Identifier: Apache-2.0
# Training anew on the events of a store: what is refused, what decides, what the new model keeps of the old one.
source "$TOPN_SOURCE/tests/cli/lib.bash"

# events USERS FIRST_TIME SEED: user,item,time,place; the first items more often
events() {
    /usr/bin/python3 - "$@" <<'PYTHON'
import random, sys
users, time, seed = map(int, sys.argv[1:])
draw = random.Random(seed)
print("user,item,time,place")
for at in range(users * 12):
    print(f"u{draw.randrange(users)},i{min(int(draw.expovariate(0.1)), 39)},{time + at},{draw.choice(['home', 'work', ''])}")
PYTHON
}

events 60 1600000000 1 >old.csv
events 60 1650000000 2 >new.csv
{ echo "id,title" && for i in $(seq 0 39); do echo "i$i,\"Title, $i\""; done; } >titles.csv
{ echo "id,genre,year" && for i in $(seq 0 39); do echo "i$i,g$((i % 4)),$((1990 + i % 7))"; done; } >features.csv
good train ease old.csv --titles titles.csv -o model -q

refused 2 "option --store is missing" retrain model -o next
refused 2 "option --output is missing" retrain model --store events
refused 2 '"2" is not a number from 0 to 1' retrain model --store events -o next --margin 2
refused 2 "standard output takes the figures" retrain model --store events -o -
refused 1 "no such store" retrain model --store events -o next
refused 1 "cannot write" retrain model --store events -o nowhere/next

# The log that the model was trained on is not there yet.
head -100 new.csv >few.csv
good events import events few.csv
refused 1 "events import events old.csv --trained model" retrain model --store events -o next
good events import events old.csv --trained model
[ ! -e next ] || fault "a model was written"

# Only old events: nothing to judge by. Figures all the same, and exit code 3.
rm events* && good events import events old.csv --trained model
code=0
topn retrain model --store events -o next >stdout 2>stderr || code=$?
[ "$code" = 3 ] || fault "too few events ended with $code"
has stderr "at least 20 are asked for"
json stdout 'd["written"] is False and d["before"] is None and d["fresh"] == 0 and d["events"] == 720'
[ ! -e next ] || fault "a model was written"

# With new ones: judged, written, noted; titles stay.
good events import events new.csv
good retrain model --store events -o next --margin 0.9
json stdout 'd["written"] and d["before"] > 0 and d["after"] >= 0.1 * d["before"] and 20 <= d["held_back"] <= d["fresh"] / 2'
json stdout 'd["through"] == 1440 and d["version"].startswith("ease-")'
good inspect next
has stdout "metric.ndcg@20"
has stdout "data.source  *events"
good recommend next --user u1 --format json
has stdout "Title, "
[ ! -e next.part ] || fault "next.part was left behind"
good retrain next --store events -o again --force
json stdout 'd["fresh"] == 0 and d["written"]'
refused 2 "not one metric" retrain model --store events -o next --metric ndcg@20,recall@20

# The same file in its own place; deletions are applied; a rule of the reader holds.
good train popularity old.csv --min-item-events 5 -o rule -q
good retrain rule --store events -o rule --force
good inspect rule
has stdout "reader.min-item-events  *5"

# Options, contexts, features and indexes as they were.
good train fm old.csv --factors 4 --sweeps 3 --context-columns place --item-features features.csv --seed 7 -o fields -q
good retrain fields --store events -o fields2 --margin 1
json stdout 'd["written"]'
good inspect fields2
has stdout "option.factors  *4"
has stdout "seed  *7"
for kept in reader.context-columns reader.item-features; do has stdout "$kept"; done
good inspect fields
grep '^attributes' stdout >kept
good inspect fields2
grep '^attributes' stdout >new
[ -s kept ] && same kept new
rm features.csv
good retrain fields --store events -o fields3 --margin 1
same fields2 fields3

good train ials old.csv --factors 4 --sweeps 3 -o dense -q
good index dense --retriever hnsw -q
good retrain dense --store events -o dense --margin 1
good index dense --list
has stdout "hnsw"
good recommend dense --user u1 --retriever hnsw
