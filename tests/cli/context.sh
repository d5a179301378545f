#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Models that know contexts and features: recommend, score and explain in a context, what they don't know, inspect,
# export of their tables, add-items where it cannot be.
. "$(dirname "$0")/lib.bash"

# users anna, "bo<tab>b" and "ç"; fields: hour (morning, evening); features gender=F, age, gender=M
model=$TOPN_SOURCE/fuzz/corpus/model/checked-fields

good recommend "$model" --history 1 -n 3 --output-format csv
cp stdout nowhere.csv
good recommend "$model" --history 1 -n 3 --output-format csv --context hour=evening
cp stdout evening.csv
! cmp -s nowhere.csv evening.csv || fault "the context changes nothing"
good recommend "$model" --history 1 -n 3 --output-format csv --context hour=evening --context hour=midnight
has stderr 'warning: --context: field hour has no value "midnight" in the model; it counts as not known'
good recommend "$model" --history 1 -n 3 --output-format csv --context=hour=morning --features "gender=F,age=25.5"
! cmp -s nowhere.csv stdout || fault "features change nothing"
[ ! -s stderr ] || fault "$(cat stderr)"
good recommend "$model" --history 1 --features "height=2,age=old,gender=M"
has stderr 'warning: --features: the model knows no feature "height=2" of users; it is left out'
has stderr 'knows no feature "age=old"'
lacks stderr 'gender=M'
refused 1 'the model has no field "hours" (did you mean hour?)' recommend "$model" --history 1 --context hours=evening
refused 2 '"evening" is not FIELD=VALUE' recommend "$model" --history 1 --context evening
good recommend "$model" --users all -n 1 --output-format csv --context hour=evening
good score "$model" --user anna --items 1 --context hour=evening
good explain "$model" --user anna --item 1 --context hour=evening
has stdout '(bias)'

good inspect "$model"
has stdout '^context field  *hour$'
has stdout '^topn.fields.composition  *tucker$'
good inspect "$model" --output-format json
has stdout '"context_fields": \["hour"\]\|"hour"'

for table in items encoder hour user-features; do
    good export "$model" --to csv --table "$table" -o "$table.csv"
    [ -s "$table.csv" ] || fault "$table is empty"
done
grep -q '^anna,' encoder.csv || fault "encoder: $(cat encoder.csv)"
grep -q '^evening,' hour.csv || fault "hour: $(cat hour.csv)"
grep -q '^gender=M,' user-features.csv || fault "user-features: $(cat user-features.csv)"
refused 1 'there is no table "weekday"' export "$model" --to csv --table weekday -o weekday.csv

printf 'user,item\nanna,new\n' >new.csv
refused 1 'the pairwise loss compares a new item' add-items "$model" new.csv -o grown.safetensors
make_events 60 30 8 >events.csv
good train ials events.csv -o small.safetensors --factors 8 --sweeps 3
{ echo user,item; for user in 1 2 3 4 5; do echo "u$user,new"; done; echo stranger,new; } >new.csv
good add-items small.safetensors new.csv -o grown.safetensors
has stderr 'grown.safetensors: 1 new beside the '
good recommend grown.safetensors --history new -n 3
good similar grown.safetensors --item new -n 3
good inspect grown.safetensors
has stdout '^added.items  *1$'
refused 1 'there is none to add' add-items grown.safetensors new.csv -o again.safetensors
rm grown.safetensors
good train ease events.csv -o ease.safetensors
refused 1 "this model's items have no rows that could be solved for" add-items ease.safetensors new.csv -o grown.safetensors
refused 1 'this model knows no context' recommend ease.safetensors --user u7 --context hour=evening
refused 2 'option --output is missing' add-items ease.safetensors new.csv
[ ! -e grown.safetensors ] || fault "a refused command wrote a file"
