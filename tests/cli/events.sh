#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# topn events: what is imported is exported and trained on; repeated imports, deletions, expiry, wrong input.
. "$(dirname "$0")/lib.bash"

# Every line is an event, repeated ones too, and the same file twice changes nothing.
cat >events.csv <<'CSV'
user,item,rating,timestamp
u1,a,5,100
u1,a,3,200
u2,"b,""c""",1,300
é,a,0.1,400
CSV
good events import store.db events.csv --kind click
has stderr 'store.db: 4 events of events.csv'
good events import store.db events.csv --kind click
has stderr ': 0 events of events.csv'
has stderr '4 events were left out'
good events count store.db
has stdout '^sqlite  *4$'
good events count store.db --format json
json stdout 'd == {"store": "sqlite", "events": 4}'
[ "$(stat -c %a store.db)" = 600 ] || fault "the store may be read by others"

good events export store.db -o out.csv
cat >wanted.csv <<'CSV'
user,item,weight,time,kind,context
u1,a,5,100,click,
u1,a,3,200,click,
u2,"b,""c""",1,300,click,
é,a,0.100000001,400,click,
CSV
same out.csv wanted.csv
good events import store.db events.csv --kind click --again
good events count store.db --format csv
has stdout '^sqlite,8$'

# An export goes into another store as it was, and into training.
good events import second.db out.csv
good events export second.db
same stdout wanted.csv
make_events 200 60 12 >made.csv
good events import made.db made.csv
good events export made.db -o exported.csv
good import made.csv -o made.tsv --text
good import exported.csv -o exported.tsv --text
same made.tsv exported.tsv
good train ease exported.csv -o ease.safetensors
good train ease made.csv -o other.safetensors
good recommend ease.safetensors --user u7 -n 5 --format csv
cp stdout from_export
good recommend other.safetensors --user u7 -n 5 --format csv
same stdout from_export
gzip -k out.csv
good events import zipped.db out.csv.gz --context-columns kind,context
good events export zipped.db
same stdout wanted.csv

# Contexts, kinds and deletions.
cat >contexts.csv <<'CSV'
user,item,timestamp,hour,place,kind
u1,a,100,9,home,view
u1,b,200,,,
CSV
good events import contexts.db contexts.csv --context-columns hour,place,kind --kind buy
good events export contexts.db
has stdout '^u1,a,1,100,view,"{""hour"":""9"",""place"":""home""}"$'
has stdout '^u1,b,1,200,buy,$'
cp stdout kept.csv
cat >deleted.csv <<'CSV'
user,item,weight,time,kind,context,deleted
u1,a,1,100,,,
u1,b,1,100,,,
u1,a,0,150,,,1
u1,b,1,200,,,
u2,a,1,250,,,
CSV
good events import deleted.db deleted.csv
good events export deleted.db
printf '%s\n' user,item,weight,time,kind,context u1,b,1,100,, u1,b,1,200,, u2,a,1,250,, >wanted.csv
same stdout wanted.csv
good events export deleted.db --all
same stdout deleted.csv

# Times that are not in the file; expiry by time and age.
printf 'u\ta\nu\tb\n' >plain.tsv
good events import times.db plain.tsv --time 2001-02-03T04:05:06
good events export times.db
has stdout '^u,a,1,981173106,,$'
before=$(date +%s)
good events import now.db plain.tsv
good events export now.db
time=$(sed -n '2s/^u,a,1,\([0-9]*\),,$/\1/p' stdout)
[ "$time" -ge "$before" ] && [ "$time" -le "$(date +%s)" ] || fault "the time is $time, not now"
good events import now.db plain.tsv --time 2d --again
good events expire now.db --before 1d
has stderr '2 events deleted, 2 left'
good events expire now.db --before 2038-01-01
has stderr '2 events deleted, 0 left'

# A model that was trained on the events: the store says so.
good train ease made.csv -o model.safetensors
good events import trained.db made.csv --trained model.safetensors
[ "$(sqlite3 trained.db "SELECT count(*) FROM note WHERE name LIKE 'trained.%' AND value = (SELECT max(sequence) FROM event)")" = 1 ] ||
    fault "there is no note of the model"

# Wrong input: one line, and nothing is written.
printf 'user,item,rating\nu,a,1\nu,b,many\n' >wrong.csv
refused 1 'wrong.csv:3: ' events import new.db wrong.csv
good events count new.db
has stdout ' 0$'
refused 1 'none.db: there is no such store' events count none.db
refused 1 'none.db: there is no such store' events export none.db
refused 1 'none.db: there is no such store' events expire none.db --before 1d
[ ! -e none.db ] || fault "a store was made"
refused 1 'nowhere/new.db: ' events import nowhere/new.db events.csv
head -c 5000 made.csv >text.db
refused 1 'text.db: ' events count text.db
head -c 5000 made.csv | cmp - text.db || fault "a file that is no store was changed"
refused 2 'option --before is missing' events expire store.db
refused 2 'option --before: "soon"' events expire store.db --before soon
refused 2 'option --before: "2023-02-30"' events expire store.db --before 2023-02-30
refused 2 'option --time: "never"' events import store.db events.csv --time never
refused 2 'option --min-weight: ' events import store.db events.csv --min-weight 2
refused 2 '"upload" is not import, export, count or expire' events upload store.db
refused 2 'events import takes a store and a file' events import store.db
refused 2 'events count takes a store only' events count store.db events.csv
refused 1 'nowhere/out.csv' events export store.db -o nowhere/out.csv
refused 1 'none.safetensors' events import other.db events.csv --trained none.safetensors
[ ! -e other.db ] || fault "a store was made for a model that is not there"
refused 1 'postgresql: ' events count "postgresql://user:secret@localhost:1/none"
lacks stderr secret
