#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Attributes of items from --item-features to --filter: the n best of what passes, as the whole list sorted out by awk;
# diverse lists; two stages.
. "$(dirname "$0")/lib.bash"

awk 'BEGIN {
    print "user,item,rating"
    for (at = 0; at < 900; at++) {
        state = (state * 16807 + 11) % 2147483647
        printf "%d,%d,%d\n", state % 23, int(state / 23) % 31, 1 + int(state / 7) % 5
    }
}' >events.csv
awk 'BEGIN { print "id,genre,year"; for (i = 0; i < 40; i++) printf "%d,g%d|g%d,%d.5\n", i, i % 5, i % 3, 1990 + i % 9 }' >items.csv
features=(--item-features items.csv)

# allowed CONDITION: ids of items whose genres are in genre[] and whose year is year, by awk
allowed() {
    awk -F , 'NR > 1 { delete genre; split($2, list, "|"); for (g in list) genre[list[g]] = 1; year = $3; if ('"$1"') print $1 }' items.csv
}

# filtered MODEL EXPRESSION CONDITION: the list is the whole list without what does not pass
filtered() {
    good recommend "$1" --user 7 -n 1000 --format csv
    allowed "$3" >ids
    { head -1 stdout && tail -n +2 stdout | awk -F , 'NR == FNR { ok[$1] = 1; next } $3 in ok { $2 = ++rank; print }' OFS=, ids -; } | head -6 >wanted
    good recommend "$1" --user 7 -n 5 --filter "$2" --format csv
    same stdout wanted
    good recommend "$1" --users all -n 5 --filter "$2" --format csv
    grep '^7,' stdout | cut -d , -f 1-3 >many # scores of blocks may end in other digits
    tail -n +2 wanted | cut -d , -f 1-3 >one
    same many one
}

for method in ease popularity itemknn chol ials; do
    case $method in
    ials) own=(--factors 4 --sweeps 2) ;;
    *) own=() ;;
    esac
    good train "$method" events.csv "${features[@]}" "${own[@]}" -o "$method.m"
    filtered "$method.m" 'genre=g1 AND year>=1993' '("g1" in genre) && year >= 1993'
done
filtered ease.m 'NOT genre IN (g1, "g2") OR year<=1991.5' '!(("g1" in genre) || ("g2" in genre)) || year <= 1991.5'
filtered ease.m 'genre!=g0' '!("g0" in genre)'

# scaled features: filters compare what was read, also after the binary form
good train ease events.csv "${features[@]}" --feature-scale standard -o scaled.m
filtered scaled.m 'year>=1993 AND year<1996.5' 'year >= 1993 && year < 1996.5'
good import events.csv "${features[@]}" --feature-scale unit -o scaled.safetensors
grep -aq '"topn.format":"4"' scaled.safetensors || fault "data with scaled features are not of format 4"
good train ease scaled.safetensors -o again.m
filtered again.m 'year=1997.5' 'year == 1997.5'

# pruned models and added items keep them
good prune ease.m --k 8 -o pruned.m
filtered pruned.m 'genre=g1 AND year>=1993' '("g1" in genre) && year >= 1993'
printf 'user,item\n7,new\n8,new\n9,1\n' >more.csv
printf 'id,genre,year,maker\nnew,g1|g9,2001.5,me\n1,g7,3,me\n' >new-items.csv
good add-items ials.m more.csv --item-features new-items.csv --item-feature-columns id,genre:set,year:number,maker:category -o added.m
good recommend added.m --user 1 -n 50 --filter 'maker=me' --format csv
[ "$(tail -n +2 stdout | cut -d , -f 3)" = new ] || fault "the new item has no attributes of its own, or others got them"
good recommend added.m --user 1 -n 50 --filter 'genre=g1 AND year>2000' --format csv
[ "$(tail -n +2 stdout | cut -d , -f 3)" = new ] || fault "the new item lacks a genre that the model knew"
good inspect added.m --format json
json stdout "[(a['name'], a['items']) for a in d['attributes']] == [('genre', 41), ('maker', 1), ('year', 41)]"

# what a model knows
good inspect ease.m --format json
json stdout "[(a['name'], a['items']) for a in d['attributes']] == [('genre', 40), ('year', 40)]"
good inspect ease.m
has stdout '^attribute genre  *40 items'
good train ease events.csv -o plain.m
good inspect plain.m --format json
json stdout "'attributes' not in d and any(a['name'] == 'popularity' for a in d['arrays'])"

# attributes from a file
printf 'id,stock\n3,yes\n5,no\n9,yes\nnobody,yes\n' >stock.csv
good recommend plain.m --user 7 -n 50 --include-seen --filter 'stock=yes' --item-attributes stock.csv --format csv
[ "$(tail -n +2 stdout | cut -d , -f 3 | sort | tr '\n' ' ')" = '3 9 ' ] || fault "not the items in stock: $(cat stdout)"
has stderr 'warning: stock.csv: 1 items are not in the model'
good recommend ease.m --user 7 -n 50 --include-seen --filter 'stock=yes AND year>1993' --item-attributes stock.csv --format csv
[ "$(tail -n +2 stdout | cut -d , -f 3 | sort | tr '\n' ' ')" = '3 ' ] || fault "not the one in stock: $(cat stdout)"
good recommend ease.m --user 7 --filter 'genre=g77' --format csv
[ "$(wc -l <stdout)" = 1 ] || fault "items that do not pass"
has stderr 'warning: --filter: none of 40 items satisfies it'

# neighbours
good similar ease.m --item 4 -n 40 --format csv
allowed '("g1" in genre)' >ids
{ head -1 stdout && tail -n +2 stdout | awk -F , 'NR == FNR { ok[$1] = 1; next } $2 in ok { $1 = ++rank; print }' OFS=, ids -; } | head -4 >wanted
good similar ease.m --item 4 -n 3 --filter genre=g1 --format csv
same stdout wanted

# diverse lists: the items of the candidates, the best one first; without it nothing changes
good recommend ease.m --user 7 -n 5 --format csv
cp stdout five
good recommend ease.m --user 7 -n 5 --diversity 0 --format csv
same stdout five
good recommend ease.m --user 7 -n 12 --format csv
tail -n +2 stdout | cut -d , -f 3 | sort >candidates
good recommend ease.m --user 7 -n 5 --diversity 1 --candidates 12 --format csv
[ "$(sed -n 2p stdout)" = "$(sed -n 2p five)" ] || fault "the first item is not the best one"
! cmp -s stdout five || fault "--diversity changes nothing"
[ "$(tail -n +2 stdout | cut -d , -f 3 | sort | comm -23 - candidates | wc -l)" = 0 ] || fault "items that are no candidates"
cp stdout diverse
good recommend ease.m --users all -n 5 --diversity 1 --candidates 12 --format csv
grep '^7,' stdout | cut -d , -f 1-3 >many
tail -n +2 diverse | cut -d , -f 1-3 >one
same many one

# two stages: candidates, then scores for those that another ranker leaves
good recommend ease.m --user 7 -n 12 --format csv
tail -n +2 stdout | cut -d , -f 3,4 | head -3 >wanted
good score ease.m --user 7 --items "$(cut -d , -f 1 wanted | paste -sd ,)" --format csv
tail -n +2 stdout >scored
same scored wanted

# mistakes
refused 2 'filter, character 1: there is no attribute "gnre"; did you mean "genre"?' recommend ease.m --user 7 --filter gnre=g1
refused 2 'filter, character 7: a value expected' recommend ease.m --user 7 --filter 'genre='
refused 2 'nothing is known of the items' recommend plain.m --user 7 --filter genre=g1
refused 2 '--item-attributes needs --filter' recommend ease.m --user 7 --item-attributes stock.csv
refused 1 'cannot open' recommend ease.m --user 7 --filter genre=g1 --item-attributes nowhere.csv
refused 2 '--diversity: "2" is not a number of 0 … 1' recommend ease.m --user 7 --diversity 2
refused 2 '--candidates needs --diversity' recommend ease.m --user 7 --candidates 20
refused 2 'candidates' recommend ease.m --user 7 --diversity 0.5 -n 10 --candidates 5
refused 1 'lists cannot be made diverse' recommend popularity.m --user 7 --diversity 0.5
refused 1 'lists cannot be made diverse' recommend popularity.m --users all --diversity 0.5
