#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How options are written, which source of a value wins, and what is said when they are wrong.
. "$(dirname "$0")/lib.bash"

make_events 60 30 8 >events.csv
l2_of() {
    topn inspect "$1" --format json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["metadata"]["option.l2"])'
}

# spellings
good train ease events.csv --output=a.safetensors --l2=7
good train ease events.csv --l2 7 -oa2.safetensors
good train --l2 7 -o a3.safetensors -q ease events.csv
good train ease -o a4.safetensors --l2 9 --l2 7 -- events.csv
[ "$(l2_of a.safetensors)" = 7 ] || fault "--l2=7"
for other in a2 a3 a4; do
    same a.safetensors $other.safetensors
done
good train ease events.csv -o no.safetensors --no-keep-histories
good inspect no.safetensors --format json
json stdout 'd["users"] == 0 and d["metadata"]["option.keep-histories"] is False'
good train ease events.csv -o no2.safetensors --keep-histories false
good train ease events.csv -o no3.safetensors --keep-histories=false
same no.safetensors no2.safetensors
same no.safetensors no3.safetensors
good train ease events.csv -o yes.safetensors --keep-histories
good inspect yes.safetensors --format json
json stdout 'd["users"] == 60'

# default < file < flag; JSON is YAML
printf '# settings\nl2: 33\nuser-column: user\nquiet: true\n' >settings.yaml
good train ease events.csv -o f.safetensors --options settings.yaml
[ "$(l2_of f.safetensors)" = 33 ] || fault "options file"
[ ! -s stderr ] || fault "quiet in the options file"
good train ease events.csv -o f.safetensors --l2 44 --options settings.yaml
[ "$(l2_of f.safetensors)" = 44 ] || fault "a flag wins over the file"
echo '{"l2": 55}' >settings.json
good train ease events.csv -o f.safetensors --options settings.json
[ "$(l2_of f.safetensors)" = 55 ] || fault "JSON options"
echo 'l3: 1' >wrong.yaml
refused 2 'wrong.yaml: unknown option l3 (did you mean l2?)' train ease events.csv -o x --options wrong.yaml
echo 'l2: many' >wrong.yaml
refused 2 '"many" is not a number' train ease events.csv -o x --options wrong.yaml
printf 'l2:\n  - 1\n' >wrong.yaml
refused 1 'wrong.yaml:1' train ease events.csv -o x --options wrong.yaml
refused 1 'missing.yaml' train ease events.csv -o x --options missing.yaml

# a recorded training is repeated, flags change single options
good train chol events.csv -o c.safetensors --k 5 --seed 9 --order random --min-weight 2
good train --from c.safetensors -o c2.safetensors
same c.safetensors c2.safetensors
good train --from c.safetensors events.csv -o c3.safetensors --k 6
good inspect c3.safetensors --format json
json stdout 'd["metadata"]["option.k"] == 6 and d["metadata"]["option.order"] == "random" and d["metadata"]["seed"] == 9'
head -300 events.csv >fewer.csv
good train --from c.safetensors fewer.csv -o c4.safetensors
has stderr '^topn: warning: fewer.csv is not what c.safetensors was trained on'
topn train ease - -o piped.safetensors -q <events.csv
refused 2 'does not record a data file' train --from piped.safetensors -o x
[ ! -e x ] || fault "a refused training left a file"

# --format: the value decides whether the input or the output is meant
good describe events.csv --format delimited --output-format json
json stdout 'd["users"] == 60'
good describe events.csv --input-format delimited --format csv
has stdout '^users,60$'
refused 2 'neither table, json or csv nor a format of data files' describe events.csv --format jsn
refused 2 'not table, json or csv' inspect a.safetensors --format xml
refused 2 'not table, json or csv' describe events.csv --output-format xml

# wrong usage
refused 2 'unknown command trian (did you mean train?)' trian
refused 2 'unknown option --verison' --verison
refused 2 'unknown option --tretas (did you mean --threads?)' describe events.csv --tretas 2
refused 2 'unknown option -z' describe events.csv -z
refused 2 'option --beta is one of chol, not of ease' train ease events.csv -o x --beta 2
refused 2 'did you mean "chol"' train chool events.csv -o x
refused 2 'needs a value' train ease events.csv -o
refused 2 'option --output is missing' train ease events.csv
refused 2 'missing argument; usage: topn describe DATA' describe
refused 2 'missing argument' train ease
refused 2 'too many arguments' describe events.csv events.csv
refused 2 'not a number' train ease events.csv -o x --l2 abc
refused 2 'not a number' train ease events.csv -o x --l2 -1
refused 2 'not a number' train ease events.csv -o x --l2 nan
refused 2 'true or false' train ease events.csv -o x --keep-histories=maybe
refused 2 'one of' train chol events.csv -o x --order sideways
refused 2 'whole number' recommend a.safetensors --user u1 -n 0
refused 2 'whole number' recommend a.safetensors --user u1 -n 1e3
refused 2 'whole number' recommend a.safetensors --user u1 --threads two
refused 2 'say whom' recommend a.safetensors
refused 2 'exclude each other' recommend a.safetensors --users all --user u1
refused 2 'say what to evaluate on' evaluate a.safetensors
refused 2 'either --items' score a.safetensors --user u1
refused 2 'option --item is missing' similar a.safetensors
refused 2 'needs --test' split events.csv --protocol fixed -o d
refused 2 'is for protocol fixed' split events.csv --protocol weak --test events.csv -o d
refused 2 'protocol' split events.csv --protocol strog -o d
refused 2 'option --to is missing' export a.safetensors -o x
refused 2 'npy' export a.safetensors --to npy -o x
refused 1 'there is no table "users"' export a.safetensors --to mtx --table users -o x
refused 2 'not true or false' describe events.csv --quiet=maybe
[ ! -e x ] && [ ! -e d ] || fault "wrong usage left a file"
code=0
topn >stdout 2>stderr || code=$?
[ $code = 2 ] && [ ! -s stdout ] && has stderr '^Usage: topn COMMAND'
