#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `topn compare`: the report in its forms, tests against a computation of one's own, kills, --verify, and bad YAML.
. "$(dirname "$0")/lib.bash"

make_events 300 60 14 >events.csv
cat >films.yaml <<'YAML'
title: Films & <friends>
data: events.csv
protocol: {name: strong, test-users: 100, fold-in: 0.6}
metrics: [ndcg@10, recall@5]
seeds: [1, 2]
bootstrap: 200
tune: {trials: 6}
methods:
  - popularity
  - {name: EASE tuned, method: ease, search: true}
  - {method: ease, options: {l2: 100}}
  - {name: "kNN, \"few\"", method: itemknn, search: {declared: false, k: 5..40 log}}
  - {name: iALS, method: ials, options: {factors: 8, sweeps: 5}, seeds: [1, 2, 3]}
  - {method: chol, options: {beta: 0.01}}
YAML
good compare films.yaml
for ending in json txt csv tex html; do
    [ -s films.$ending ] || fault "films.$ending is not there"
done
same stdout films.txt
has films.txt 'chol .*failed: option --beta of chol'
has films.tex 'Films \\& <friends>'
has films.html 'colspan="6">failed: option --beta'
lacks films.html 'nan'
lacks films.txt 'nan'
has films.html '<h1>Films &amp; &lt;friends&gt;</h1>'
lacks films.html 'http'
/usr/bin/python3 - <<'PYTHON' || fault "the report"
import csv, html.parser, itertools, json, re
d = json.load(open("films.json"))
entries = {e["name"]: e for e in d["entries"]}
assert list(entries) == ["popularity", "EASE tuned", "ease", 'kNN, "few"', "iALS", "chol"]
assert entries["chol"]["status"] == "failed" and entries["chol"]["message"]
assert entries["ease"]["options"]["l2"] == "100" and entries["ease"]["options"]["dropout"] == "0"
assert d["data"]["users"] == 300 and d["data"]["users_tested"] == 100 and d["plan"]["seeds"] == [1, 2]
assert d["machine"]["processor"] and d["version"]
done = [e for e in d["entries"] if e["status"] == "done"]
for e in done:
    for name, r in e["results"].items():
        assert len(r["seeds"]) == (3 if e["name"] == "iALS" else 2)
        assert abs(r["mean"] - sum(r["seeds"]) / len(r["seeds"])) < 1e-12
        if name == "ndcg@10":
            assert r["low"] <= r["mean"] <= r["high"]
    assert e["seconds"] > 0 and e["cpu_seconds"] > 0 and e["model_bytes"] > 0
assert len(entries["EASE tuned"]["tuning"]["trials"]) == 6
assert d["best"] == max(done, key=lambda e: e["results"]["ndcg@10"]["mean"])["name"]
# Every pair is tested; Holm's correction by hand.
assert len(d["tests"]) == len(list(itertools.combinations(done, 2)))
running = 0
for rank, t in enumerate(sorted(d["tests"], key=lambda t: t["p"])):
    running = max(running, min(1, t["p"] * (len(d["tests"]) - rank)))
    assert abs(t["p_holm"] - running) < 1e-12, t
for t in d["tests"]:
    a, b = (entries[t[k]]["results"]["ndcg@10"]["mean"] for k in "ab")
    assert abs(t["difference"] - (a - b)) < 1e-12
# The other forms say the same.
rows = list(csv.DictReader(open("films.csv", newline="")))
for row in rows:
    if row["mean"]:
        assert float(row["mean"]) == entries[row["entry"]]["results"][row["metric"]]["mean"]
text = open("films.html", encoding="utf-8").read()
inside = re.search(r'<script type="application/json" id="report">(.*?)</script>', text, re.S).group(1)
assert json.loads(inside)["data"] == d["data"]

class Balanced(html.parser.HTMLParser):
    void = {"meta", "br"}
    def __init__(self):
        super().__init__()
        self.open = []
    def handle_starttag(self, tag, attributes):
        if tag not in self.void:
            self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

page = Balanced()
page.feed(text)
assert not page.open and text.count("<svg") == 6 and text.count("<circle") >= 15
PYTHON

# One model alone gives what the comparison gives.
good split events.csv --protocol strong --test-users 100 --fold-in 0.6 --validation-users 0 -o split
good train ease split/train.tsv -o model --l2 100
good evaluate model --split split/test --metrics ndcg@10,recall@5 --format json
/usr/bin/python3 -c '
import json
one, all = json.load(open("stdout")), json.load(open("films.json"))
results = [e for e in all["entries"] if e["name"] == "ease"][0]["results"]
for m in ("ndcg@10", "recall@5"):
    assert abs(one[m]["mean"] - results[m]["mean"]) < 1e-12, m' || fault "evaluate says something else"

# A split that is there.
printf 'split: split\nmetrics: [ndcg@10]\nmethods: [ease, popularity]\n' >there.yaml
good compare there.yaml --format csv
has stdout '^ease,ease,done,ndcg@10,0\.'

# Again: nothing is done anew, the same report.
cp films.json first.json
good compare films.yaml
has stderr 'goes on from there'
same films.json first.json

# An entry more: only that is trained. Another entry of the same name is not mixed with it.
sed 's/^methods:/&\n  - {name: more, method: itemknn}/; s/^title: .*/title: More/' films.yaml >more.yaml
cp films.trials more.trials
good compare more.yaml
has stderr '^more, seed 2, test'
lacks stderr '^EASE'
/usr/bin/python3 -c '
import json
a, b = json.load(open("films.json")), json.load(open("more.json"))
assert len(b["entries"]) == len(a["entries"]) + 1 and b["plan"]["title"] == "More"
assert [e.get("results") for e in a["entries"]] == [e.get("results") for e in b["entries"] if e["name"] != "more"]' ||
    fault "an entry more changed others"
sed 's/l2: 100/l2: 101/' films.yaml >other.yaml
cp films.trials other.trials
refused 1 'entry "ease" is another one in the journal' compare other.yaml

# ---- --verify
good compare --verify films.json
has stdout 'are the same$'
good compare --verify films.json --entries 'popularity,ease'
has stdout 'are the same: popularity,ease$'
lacks stderr 'iALS'
good compare --verify films.json --entries 'kNN, "few",popularity'
refused 2 'does not name entries' compare --verify films.json --entries 'popularity,eas'
refused 2 'does not name entries' compare --verify films.json --entries 'ease,popularity,ease'
refused 2 'does not name entries' compare --verify films.json --entries 'ease,'
sed 's/"l2": "100"/"l2": "101"/' films.json >other.json
"$TOPN_PROGRAM" compare --verify other.json -q >stdout 2>stderr && fault "a changed report was taken"
sed 's/u17,i/u17,j/' events.csv >changed.csv
mv events.csv kept.csv
cp changed.csv events.csv
"$TOPN_PROGRAM" compare --verify films.json -q >stdout 2>stderr && fault "changed data were taken"
has stderr 'fingerprint'
mv kept.csv events.csv
echo '{}' >empty.json
refused 1 'is not the .json report' compare --verify empty.json

# ---- Kills at ten random moments, then to the end: the journal of an undisturbed run
journal() {
    /usr/bin/python3 - "$1" <<'PYTHON'
import hashlib, sqlite3, sys
base = sqlite3.connect(sys.argv[1])
for row in base.execute("SELECT series, number, seed, fidelity, settings, point, status, message, value FROM trial ORDER BY rowid"):
    print(*row)
for *row, numbers in base.execute("SELECT series, number, metric, per_user, numbers FROM result ORDER BY 1, 2, 3"):
    print(*row, hashlib.sha256(numbers).hexdigest())
PYTHON
}
RANDOM=5
killed=0
for _ in $(seq 200); do
    [ $killed -lt 10 ] || break
    "$TOPN_PROGRAM" compare films.yaml -o killed >/dev/null 2>&1 &
    child=$!
    sleep "0.$(printf %03d $((20 + RANDOM % 150)))"
    if kill -KILL $child 2>/dev/null; then
        killed=$((killed + 1))
    else
        rm -f killed.trials
    fi
    wait $child 2>/dev/null || true
done
[ $killed = 10 ] || fault "killed $killed times only"
good compare films.yaml -o killed
journal films.trials >films.txt
journal killed.trials >killed.txt
same films.txt killed.txt
/usr/bin/python3 -c '
import json
a, b = json.load(open("films.json")), json.load(open("killed.json"))
assert a["tests"] == b["tests"] and [e.get("results") for e in a["entries"]] == [e.get("results") for e in b["entries"]]' ||
    fault "the reports differ"

# ---- Bad YAML, in one line with its place
bad() {
    printf "$2" >bad.yaml
    refused 2 "$1" compare bad.yaml -o out/bad
}
mkdir out
bad 'bad.yaml:1: .*empty' ''
bad 'bad.yaml:3:' 'data: events.csv\nmethods: [ease\n'
bad 'bad.yaml:1: metod: this is none of title' 'metod: ease\n'
bad 'bad.yaml:3: .*twice' 'data: events.csv\nmethods: [ease]\ndata: other.csv\n'
bad 'methods: is missing' 'data: events.csv\n'
bad 'data: FILE says' 'methods: [ease]\n'
bad 'bad.yaml:2: there is no method "eese"; did you mean "ease"' 'data: events.csv\nmethods: [eese]\n'
bad 'bad.yaml:2: ease has no option --l3; did you mean --l2' 'data: events.csv\nmethods: [{method: ease, options: {l3: 1}}]\n'
bad 'bad.yaml:2: .*"many" is not a number' 'data: events.csv\nmethods: [{method: ease, options: {l2: many}}]\n'
bad 'bad.yaml:3: .*two entries "ease"' 'data: events.csv\nmethods: [ease,\n  ease]\n'
bad 'range of l2: "wide"' 'data: events.csv\nmethods: [{method: ease, search: {l2: wide}}]\n'
bad 'an entry takes' 'data: events.csv\nmethods: [{method: ease, l2: 1}]\n'
bad 'no split protocol "strongest"' 'data: events.csv\nprotocol: strongest\nmethods: [ease]\n'
bad 'bad.yaml:2: seeds: a list' 'data: events.csv\nseeds: 3\nmethods: [ease]\n'
bad 'bad.yaml:2: .*no metric "ndgc"; did you mean ndcg' 'data: events.csv\nmetrics: [ndgc@10]\nmethods: [ease]\n'
bad 'gini@10 is no metric of users' 'data: events.csv\nmetrics: [gini@10]\nmethods: [ease]\n'
bad 'larger than the .* items of' 'data: events.csv\nmetrics: [ndcg@1000]\nmethods: [ease]\n'
bad 'bad.yaml:2: .*there twice' 'data: events.csv\nmethods: [{method: ease, seeds: [3, 3]}]\n'
bad 'there twice' 'data: events.csv\nseeds: [3, 3]\nmethods: [ease]\n'
bad 'protocol fixed and test' 'data: events.csv\nprotocol: fixed\nmethods: [ease]\n'
bad 'nested too deep' 'data: &a [*a]\n'
printf 'data: no-such.csv\nmethods: [ease]\n' >bad.yaml
refused 1 'cannot open no-such.csv' compare bad.yaml -o out/bad
refused 1 'cannot open no-such.yaml' compare no-such.yaml -o out/bad
refused 2 'missing argument' compare
empty_folder out
