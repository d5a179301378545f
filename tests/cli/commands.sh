#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command does its work on small data, in every output format.
. "$(dirname "$0")/lib.bash"

make_events 200 60 12 >events.csv
make_titles 60 >titles.csv

# describe
good describe events.csv
has stdout '^users  *200$'
has stdout '^events  *2400$'
has stdout '^events per user  *12 '
has stderr 'user'
good describe events.csv --min-weight 3 --format json
json stdout 'd["users"] <= 200 and d["events"] < 2400 and sum(d["dropped"].values()) == 2400 - d["events"]'
json stdout 'd["has_times"] and d["first_time"] >= 1500000000 and d["events_per_user"]["maximum"] <= 12'
good describe events.csv --format csv
has stdout '^users,200$'

# import: the binary form holds the same data
good import events.csv -o events.safetensors --titles titles.csv
good describe events.csv --titles titles.csv --format json
cp stdout text.json
good describe events.safetensors --format json
/usr/bin/python3 -c '
import json, sys
a, b = (json.load(open(f)) for f in ("text.json", "stdout"))
sys.exit(a["fingerprint"] != b["fingerprint"] or a["events"] != b["events"])' || fault "import changed the data"
good import events.csv --text -o events.tsv
[ "$(wc -l <events.tsv)" = 2401 ] || fault "text form has $(wc -l <events.tsv) lines"

# generate: exact counts, the same data in both forms, refusals
good generate --like msd --users 300 --items 200 --events 7000 --seed 3 -o made.safetensors
good generate --like msd --users 300 --items 200 --events 7000 --seed 3 --text -o made.tsv
good describe made.safetensors --format json
json stdout 'd["users"] == 300 and d["items"] == 200 and d["events"] == 7000'
good import made.tsv -o again.safetensors
for file in made again; do
    good describe $file.safetensors --format json
    /usr/bin/python3 -c 'import json; print(json.load(open("stdout"))["fingerprint"])' >$file.print
done
same made.print again.print
refused 2 'like.*ml20m|netflix|msd' generate --like ml25m -o none
refused 2 'too few' generate --users 300 --items 200 --events 250 -o none
refused 2 '--output is missing' generate

# split: every protocol writes a folder; the same seed gives the same files
for protocol in strong weak leave-last-out temporal; do
    good split events.csv --protocol $protocol -o split-$protocol
    has stdout '^train '
    has stdout '^test-hidden '
    for part in train test-seen test-hidden; do
        [ -s split-$protocol/$part.tsv ] || fault "split-$protocol/$part.tsv is missing"
    done
    json split-$protocol/split.json 'isinstance(d, dict)'
done
good split events.csv --protocol strong --seed 5 -o a
good split events.csv --protocol strong --seed 5 --threads 1 -o b
diff -r a b >&2 || fault "the same seed gave other files"
head -1500 events.csv >early.csv
{ head -1 events.csv && tail -n +1501 events.csv; } >late.csv
good split early.csv --protocol fixed --test late.csv -o split-fixed --output-format json
json stdout 'd["test-hidden"]["events"] > 0'

# train
for method in popularity ease chol; do
    good train $method split-strong/train.tsv -o $method.safetensors --titles titles.csv
    has stdout "^method  *$method"
    has stderr 'predicted: peak'
    [ -s $method.safetensors ] || fault "no model of $method"
done
good train ease events.csv -o all.safetensors --l2 20 --titles titles.csv --quiet
[ ! -s stderr ] && [ ! -s stdout ] || fault "--quiet is not quiet"

# evaluate
good evaluate ease.safetensors --split split-strong/test --metrics recall@5,ndcg@10,hit@5,coverage
has stdout '^recall@5  *0\.'
has stdout 'hidden items among the first n'
good evaluate ease.safetensors --split split-strong/test --metrics recall@5,coverage,catalogue-coverage@5 --format json
json stdout 'd["recall@5"]["low"] <= d["recall@5"]["mean"] <= d["recall@5"]["high"] and d["recall@5"]["definition"]'
json stdout 'd["catalogue-coverage@5"]["low"] is None and d["facts"]["users"] > 0'
good evaluate ease.safetensors popularity.safetensors --seen split-strong/test-seen.tsv \
    --hidden split-strong/test-hidden.tsv --metrics recall@5 --per-user users.csv
has stdout '^difference from ease, paired'
has users.csv '^model,user,recall@5$'
good evaluate ease.safetensors popularity.safetensors --split split-strong/test --metrics recall@5 --format json
json stdout 'len(d["models"]) == 2 and 0 <= d["comparisons"][0]["recall@5"]["p"] <= 1'
good evaluate ease.safetensors --split split-strong/test --metrics recall@5,ndcg@5 --format csv
has stdout '^ease.safetensors,ndcg@5,0\.'
awk 'NR > 1 && !/hidden/ { printf "%s", $1; for (i = 1; i <= 20; i++) printf "\ti%d", i; print "" }' \
    split-strong/test-hidden.tsv | sort -u >candidates.txt
good evaluate ease.safetensors --split split-strong/test --metrics recall@5 --format json --candidates candidates.txt \
    --candidates-format adjacency
json stdout 'any(k.startswith("sampled-recall@5") for k in d)'

# recommend
good recommend all.safetensors --user u7 -n 5
[ "$(wc -l <stdout)" = 6 ] || fault "not 5 recommendations"
has stdout 'Film number'
good recommend all.safetensors --user u7 -n 5 --explain
has stdout 'because of Film number'
good recommend all.safetensors --history "i3,i4" -n 5 --format json
json stdout 'len(d["items"]) == 5 and d["user"] is None and not {"i3", "i4"} & {i["item"] for i in d["items"]}'
json stdout '[i["rank"] for i in d["items"]] == [1, 2, 3, 4, 5] and d["items"][0]["score"] >= d["items"][4]["score"]'
good recommend all.safetensors --history "i3,i4" -n 60 --include-seen --format json
json stdout '{"i3", "i4"} <= {i["item"] for i in d["items"]}'
printf 'i1\ni2\ni5\n' >some.txt
good recommend all.safetensors --history "i3,i4" --allow some.txt --format json
json stdout '{i["item"] for i in d["items"]} == {"i1", "i2", "i5"}'
good recommend all.safetensors --history "i3,i4" --deny some.txt -n 60 --format json
json stdout 'not {i["item"] for i in d["items"]} & {"i1", "i2", "i5"} and len(d["items"]) >= 50'
good recommend all.safetensors --users all -n 3 --format json
json stdout 'len(d) == 200 and all(len(u["items"]) == 3 for u in d)'
cp stdout all.json
good recommend all.safetensors --user u7 -n 3 --format json
/usr/bin/python3 -c '
import json, sys
one = json.load(open("stdout"))
sys.exit(one not in [json.loads(l) for l in open("all.json")])' || fault "one user and many users differ"
printf 'u9\nu2\n' >some-users.txt
good recommend all.safetensors --users some-users.txt -n 2 --format csv
has stdout '^user,rank,item,title,score$'
[ "$(cut -d, -f1 stdout | tail -n +2 | uniq | xargs)" = "u9 u2" ] || fault "order of --users"
good recommend ease.safetensors --users all --histories split-strong/test-seen.tsv -n 2 --format csv
[ "$(wc -l <stdout)" -gt 10 ] || fault "no lists for --histories"
good recommend ease.safetensors --user nobody --history "i1,i2" -n 2
code=0
topn recommend all.safetensors --history "i3,i4,what" -n 2 >stdout 2>stderr || code=$?
[ $code = 0 ] || fault "an unknown id in a history is not fatal"
has stderr '^topn: warning: --history: not in the model and left out: "what"'

# similar, score, explain
good similar all.safetensors --item i3 -n 4
[ "$(wc -l <stdout)" = 6 ] || fault "similar"
lacks stdout '^ *[1-4]  i3 '
good similar all.safetensors --title 'FILM NUMBER 3' -n 4 --format json
json stdout 'd["item"] == "i3" and len(d["items"]) == 4'
good score all.safetensors --user u7 --items "i1, i2"
has stdout '^i2 '
printf 'user,item\nu7,i1\nu7,i2\nu8,i1\n' >pairs.csv
good score all.safetensors --pairs pairs.csv --format csv
[ "$(wc -l <stdout)" = 4 ] && has stdout '^u8,i1,'
good score all.safetensors --pairs pairs.csv --format json
cp stdout pairs.json
good score all.safetensors --user u7 --items "i1,i2" --format json
/usr/bin/python3 -c '
import json, sys
one = {i["item"]: i["score"] for i in json.load(open("stdout"))["items"]}
pairs = [json.loads(l) for l in open("pairs.json")]
sys.exit(any(one[p["item"]] != p["score"] for p in pairs if p["user"] == "u7"))' || fault "pairs and items differ"
good explain all.safetensors --user u7 --item i1 --format json
json stdout 'abs(sum(c["contribution"] for c in d["contributions"]) + d["bias"] - d["score"]) < 1e-5 * (1 + abs(d["score"]))'
json stdout 'len(d["contributions"]) == 12'

# inspect, export, methods, doctor, help
good inspect all.safetensors
has stdout '^method  *ease$'
has stdout '^option.l2  *20$'
good inspect all.safetensors --format json
json stdout '50 < d["items"] <= 60 and d["metadata"]["option.l2"] == 20 and any(a["name"].startswith("item_ids") for a in d["arrays"])'
for format in npz mtx csv jsonl pgvector; do
    for table in items encoder; do
        good export chol.safetensors --to $format --table $table -o export.$format
        [ -s export.$format ] || fault "empty export to $format"
    done
done
good methods
has stdout '^ease '
good methods chol --format json
json stdout '"beta" in [o["name"] for o in d["options"]]'
good doctor --format json
json stdout 'len(d) > 3'
good help train chol
has stdout '--beta'
lacks stdout 'Method ease'
good train ease --help
has stdout '--l2'
lacks stdout '^  --beta'
lacks stdout '^Metrics:'
good train --help
has stdout '^  chol  '
lacks stdout '^  --l2'
refused 2 'train has no "nope"' help train nope
good help split weak
lacks stdout 'Protocol strong'
good evaluate --help
has stdout '^Metrics:'
[ "$(grep -c 'format of the file, see' stdout)" = 0 ] || fault "--format of evaluate is explained as the reader's"
refused 2 'split-strong is a folder; split-strong/test' evaluate ease.safetensors --split split-strong
refused 2 'say whom.*--users' recommend ease.safetensors

# one header a file of CSV
for arguments in "describe events.csv" "inspect all.safetensors"; do
    good $arguments --format csv
    /usr/bin/python3 -c '
import csv
rows = list(csv.reader(open("stdout", newline="")))
assert rows[0] == ["what", "value"] and all(len(row) == 2 for row in rows), rows' || fault "CSV of $arguments"
done
good --version
has stdout '^topn [0-9]'
for command in describe import generate split train evaluate recommend similar score explain inspect prune add-items export methods doctor help; do
    good $command --help
    has stdout "^Usage: topn $command"
    [ ! -s stderr ] || fault "help of $command on standard error"
done

# standard input and compressed files are data like any other
gzip -c events.csv >events.csv.gz
gzip -dc events.csv.gz | topn train ease - -o piped.safetensors -q
good train ease events.csv.gz -o zipped.safetensors
good recommend piped.safetensors --user u1 --format csv
cp stdout piped.csv
good recommend zipped.safetensors --user u1 --format csv
same stdout piped.csv
printf 'u1\nnobody\n' | topn recommend zipped.safetensors --users - -n 1 --format csv >stdout 2>stderr
has stdout '^u1,1,'
has stderr '^topn: warning: .*"nobody"'
