#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Contexts and features from files to data: describe counts them as awk does, the binary form, text and splits keep them.
. "$(dirname "$0")/lib.bash"

# user item rating timestamp hour mood; some moods are missing
awk 'BEGIN {
    print "user,item,rating,timestamp,hour,mood"
    for (at = 0; at < 900; at++) {
        state = (state * 16807 + 11) % 2147483647
        printf "%d,%d,%d,%d,%d,%s\n", state % 23, int(state / 23) % 31, 1 + int(state / 7) % 5, 1700000000 + int(state / 5) % 400000,
            int(state / 11) % 24, int(state / 13) % 4 ? "m" int(state / 17) % 5 : ""
    }
}' >events.csv
awk 'BEGIN { print "id,genre,year"; for (i = 0; i < 40; i++) printf "%d,g%d|g%d,%d.5\n", i, i % 5, i % 3, 1990 + i % 9 }' >items.csv
awk 'BEGIN { for (u = 0; u < 20; u++) printf "%d::%s::%d\n", u, u % 2 ? "F" : "M", 18 + u % 4 }' >users.dat
fields=(--context-columns hour,mood)
features=(--item-features items.csv --user-features users.dat --user-feature-columns id,gender,age)

# the same counts by other means
counted() {
    tail -n +2 events.csv | cut -d , -f "$1" | LC_ALL=C sort -u | wc -l
}
good describe events.csv "${fields[@]}" "${features[@]}" --format json
json stdout "d['contexts'] == $(counted 1,5,6) and d['context_events'] == $(counted 1,2,5,6) and d['events'] == $(counted 1,2)"
json stdout "[f['name'] for f in d['fields']] == ['hour', 'mood']"
json stdout "[f['values'] for f in d['fields']] == [$(counted 5), $(counted 6) - 1]"
json stdout "d['fields'][0]['missing'] == 0 and 0 < d['fields'][1]['missing'] < 1"
json stdout "d['user_features'] == 6 and d['item_features'] == 6 and d['items'] == 40"
cp stdout plain.json
has stderr 'item features: .*genre set, year number'
good describe events.csv "${fields[@]}" "${features[@]}"
has stdout '^field mood  *5 values, .* of events without'
good describe events.csv --format json
json stdout "d['fields'] == [] and d['contexts'] == 0 and d['items'] < 40"

# the binary form and text say the same
print_of() {
    /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["fingerprint"])' "$1"
}
good import events.csv "${fields[@]}" "${features[@]}" -o all.safetensors
good describe all.safetensors --format json
[ "$(print_of stdout)" = "$(print_of plain.json)" ] || fault "the binary form is other data"
good import all.safetensors --text -o all.tsv
good describe all.tsv "${fields[@]}" "${features[@]}" --format json
[ "$(print_of stdout)" = "$(print_of plain.json)" ] || fault "the text is other data"
/usr/bin/python3 "$TOPN_SOURCE/tests/read_safetensors.py" all.safetensors >/dev/null || fault "no safetensors file"
good import events.csv -o old.safetensors
grep -aq '"topn.format":"1"' old.safetensors || fault "data without contexts are not of format 1"
grep -aq '"topn.format":"3"' all.safetensors || fault "data with contexts are not of format 3"

# previous items and times of day; parts of a split keep them
good split events.csv --previous-items 2 --time-fields weekday,hour --protocol leave-last-out -o last
[ "$(head -1 last/test-hidden.tsv)" = "$(printf 'user\titem\tweight\ttimestamp\tweekday\thour\tprevious_item\tprevious_item_2')" ] ||
    fault "the parts lack fields: $(head -1 last/test-hidden.tsv)"
good split events.csv --previous-items 2 --time-fields weekday,hour --protocol leave-last-out -o again
diff -r last again >&2 || fault "the same split gave other files"

# cold items: trained on none of their events
good split events.csv "${features[@]}" --protocol cold-items --test-share 0.25 -o cold --output-format json
json stdout "d['train']['items'] == d['test-hidden']['items'] == $(counted 2)"
json cold/split.json "d['test.hidden-items'] == '7' or int(d['test.hidden-items']) == 7"
tail -n +2 cold/train.tsv | cut -f 2 | sort -u >warm
tail -n +2 cold/test-hidden.tsv | cut -f 2 | sort -u >hidden
[ -z "$(comm -12 warm hidden)" ] || fault "hidden items train"
[ "$(cat warm hidden | wc -l)" = "$(counted 2)" ] || fault "an item is neither hidden nor trained on"

# what is refused
refused 1 'no column "place"' describe events.csv --context-columns place
refused 2 'needs a time column' describe events.csv --time-column none --previous-items 1
refused 1 'items.csv:2: genre "g0|g0" is not a finite number' describe events.csv --item-features items.csv --item-feature-columns genre:number
refused 2 'is no type of column' describe events.csv --item-features items.csv --item-feature-columns genre:kind
refused 2 'keeps the fields that were chosen at import' describe all.safetensors "${fields[@]}"
