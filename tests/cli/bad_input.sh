#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong input of every kind: the right exit code, one line that names the place, nothing left behind.
. "$(dirname "$0")/lib.bash"

make_events 60 30 8 >events.csv
make_events 60 30 8 | cut -d, -f1,2 >no-times.csv
good train ease events.csv -o good.safetensors
mkdir out

# wrong TEXT FILE [OPTION…]: training on it fails, and every other reader of data fails alike
wrong() {
    local text=$1 file=$2
    shift 2
    refused 1 "$text" train popularity "$file" -o out/m.safetensors "$@"
    refused 1 "$text" import "$file" -o out/d.safetensors "$@"
    refused 1 "$text" split "$file" -o out/split "$@"
    refused 1 "$text" describe "$file" "$@"
    empty_folder out
}

# columns
wrong 'events.csv.*price' events.csv --weight-column price
refused 1 'events.csv.*9' train popularity events.csv -o out/m.safetensors --item-column 9
printf 'user,item,rating\na,x,1\nb,y\nc,z,2\n' >ragged.csv
wrong 'ragged.csv:3' ragged.csv
printf 'user,item,rating\na,x,1\nb,y,lots\n' >text.csv
wrong 'text.csv:3.*lots' text.csv
printf 'user,item,rating\na,x,1\nb,y,\n' >blank.csv
wrong 'blank.csv:3' blank.csv
printf 'user,item,timestamp\na,x,1500000000\nb,y,yesterday\n' >when.csv
wrong 'when.csv:3.*yesterday' when.csv
printf 'user,item\na,x\n,y\n' >nobody.csv
wrong 'nobody.csv:3' nobody.csv

# weights
for value in nan NaN inf -1 -0.5 1e999; do
    printf 'user,item,rating\na,x,1\nb,y,%s\n' $value >weight.csv
    wrong 'weight.csv:3' weight.csv
done

# files
: >empty.csv
wrong 'empty.csv' empty.csv
printf 'user,item\n' >header.csv
wrong 'header.csv' header.csv
wrong 'missing.csv.*No such file' missing.csv
mkdir folder
wrong 'folder' folder
gzip -c events.csv | head -c 500 >cut.csv.gz
wrong 'cut.csv.gz' cut.csv.gz
zstd -qc events.csv | head -c 500 >cut.csv.zst
wrong 'cut.csv.zst' cut.csv.zst
head -c 3000 /dev/urandom | gzip -c | tail -c +200 >noise.gz
wrong 'noise.gz' noise.gz
wrong 'good.safetensors.*model' good.safetensors
wrong 'events.csv.*MatrixMarket' events.csv --format matrix-market
printf '\0\1\2\3binary\0\0' >binary.csv
wrong 'binary.csv' binary.csv

# too many ids: 2^32 users cannot be indexed
printf '%%%%MatrixMarket matrix coordinate real general\n4294967296 3 1\n1 1 1\n' >huge.mtx
wrong 'huge.mtx' huge.mtx
printf '%%%%MatrixMarket matrix coordinate real general\n3 3 99999999999999999999\n1 1 1\n' >claims.mtx
wrong 'claims.mtx' claims.mtx
printf '%%%%MatrixMarket matrix coordinate real general\n3 3 2\n1 4 1\n' >outside.mtx
wrong 'outside.mtx' outside.mtx

# filters that leave nothing
for filter in "--min-user-events 1000" "--since 2099-01-01"; do
    # shellcheck disable=SC2086
    {
        refused 1 "no events are left to train on: 480 read.*${filter% *}" train ease events.csv -o out/m.safetensors $filter
        refused 1 'no event' import events.csv -o out/d.safetensors $filter
        refused 1 'no event' split events.csv -o out/split $filter
        good describe events.csv $filter --format json
    }
    json stdout 'd["events"] == 0 and sum(d["dropped"].values()) == 480'
done
empty_folder out
refused 2 'since' describe events.csv --since someday

# one user, one item: data all the same, but nothing to hold out
printf 'user,item\na,x\na,y\na,z\na,w\na,v\na,u\n' >one-user.csv
printf 'user,item\na,x\nb,x\nc,x\nd,x\n' >one-item.csv
for method in popularity ease chol; do
    good train $method one-user.csv -o m.safetensors
    good recommend m.safetensors --user a
    good recommend m.safetensors --user a --include-seen --format json
    json stdout 'all(i["score"] is not None for i in d["items"])'
    good train $method one-item.csv -o m.safetensors
    good recommend m.safetensors --user b
done
refused 1 'one-user.csv\|users\|user' split one-user.csv --protocol strong -o out/split
refused 1 '' split one-item.csv --protocol leave-last-out -o out/split
refused 1 'time' split no-times.csv --protocol temporal -o out/split
empty_folder out

# models
refused 1 'missing.safetensors' recommend missing.safetensors --user u1
refused 1 'folder' inspect folder
refused 1 'events.csv' inspect events.csv
: >empty.safetensors
refused 1 'empty.safetensors' inspect empty.safetensors
size=$(stat -c %s good.safetensors)
header=$(od -An -tu8 -N8 good.safetensors | tr -d ' ')
for offset in 0 3 7 8 20 $((8 + header / 2)) $((8 + header)) $(((size + header) / 2)) $((size - 1)); do
    cp good.safetensors bad.safetensors
    byte=$(od -An -tu1 -j"$offset" -N1 good.safetensors | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %03o $((byte ^ 21)))" | dd of=bad.safetensors bs=1 seek="$offset" conv=notrunc status=none
    refused 1 'bad.safetensors' recommend bad.safetensors --user u1
    refused 1 'bad.safetensors' inspect bad.safetensors
done
for length in 7 8 100 $((8 + header)) $((size - 1)); do
    head -c "$length" good.safetensors >short.safetensors
    refused 1 'short.safetensors' recommend short.safetensors --user u1
done
cat good.safetensors events.csv >long.safetensors
refused 1 'long.safetensors' recommend long.safetensors --user u1
/usr/bin/python3 - <<'PYTHON'
import json, struct
raw = open("good.safetensors", "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
header = json.loads(raw[8:8 + size])
body = raw[8 + size:]
def write(name, header):
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    open(name, "wb").write(struct.pack("<Q", len(text)) + text + body)
newer = json.loads(json.dumps(header))
for key in list(newer["__metadata__"]):
    if key.startswith("xxh3."):
        del newer["__metadata__"][key]
newer["__metadata__"]["topn.format"] = "99"
write("newer.safetensors", newer)
foreign = {k: v for k, v in header.items() if k != "__metadata__"}
write("foreign.safetensors", foreign)
PYTHON
refused 1 'newer.safetensors.*99' recommend newer.safetensors --user u1
refused 1 'foreign.safetensors' recommend foreign.safetensors --user u1

# questions that the model cannot answer
refused 1 'user "nobody" is not in the model' recommend good.safetensors --user nobody
refused 1 'user "nobody" is not in events.csv' recommend good.safetensors --user nobody --histories events.csv
refused 1 'none of 2 items' recommend good.safetensors --history "nothing,none"
refused 1 'no ids' recommend good.safetensors --history ","
refused 1 'item "nothing" is not in the model' similar good.safetensors --item nothing
refused 1 'no item.s title contains' similar good.safetensors --title nothing
refused 1 'item "nothing"' explain good.safetensors --user u1 --item nothing
refused 1 'none of 1 items' score good.safetensors --user u1 --items nothing
echo 'u1' >pairs.csv
refused 1 'pairs.csv:1' score good.safetensors --pairs pairs.csv
: >none.csv
refused 1 'none.csv' score good.safetensors --pairs none.csv
refused 1 'none.csv' recommend good.safetensors --users none.csv
refused 1 'missing' recommend good.safetensors --users missing
refused 1 'folder' recommend good.safetensors --users folder
refused 1 'missing' recommend good.safetensors --user u1 --deny missing
echo nothing >unknown.txt
refused 1 'unknown.txt' recommend good.safetensors --user u1 --allow unknown.txt

# evaluation
refused 2 'recal' evaluate good.safetensors --seen events.csv --hidden events.csv --metrics recal@20
refused 2 'no metric "ndgc"; did you mean ndcg' train ease events.csv -o never.safetensors --metrics ndgc@10
refused 2 'larger than the' train ease events.csv -o never.safetensors --metrics ndcg@100000
refused 2 'no metric "ndgc"' tune ease events.csv -o never.safetensors --metric ndgc@10 --budget 1m
refused 2 'takes one metric' tune ease events.csv -o never.safetensors --metric ndcg@5,recall@5 --budget 1m
refused 2 'recall' evaluate good.safetensors --seen events.csv --hidden events.csv --metrics recall@0
refused 2 'recall' evaluate good.safetensors --seen events.csv --hidden events.csv --metrics recall@x
refused 1 'nowhere/test-seen.tsv' evaluate good.safetensors --split nowhere/test
printf 'user,item\nnobody,i1\n' >strangers.csv
printf 'user,item\nu1,strange\n' >strange.csv
refused 1 '' evaluate good.safetensors --seen events.csv --hidden empty.csv
refused 1 'folder' evaluate good.safetensors --seen events.csv --hidden no-times.csv --per-user folder

# memory: predicted and refused before anything is allocated
refused 1 'memory\|MB\|bytes' train ease events.csv -o out/m.safetensors --memory 1K
refused 2 'memory' train ease events.csv -o out/m.safetensors --memory lots
empty_folder out

# numbers that have no factor are refused, with the way out
printf 'user,item\na,x\na,y\nb,x\nb,y\nc,x\n' >tied.csv
refused 2 'beta' train chol events.csv -o out/m.safetensors --l2 0.001 --beta 1.0001
empty_folder out

# places that cannot be written
refused 1 'nowhere' train ease events.csv -o nowhere/m.safetensors
refused 1 'folder' train ease events.csv -o folder
refused 1 'events.csv' train ease events.csv -o events.csv/m.safetensors
refused 1 'nowhere' import events.csv -o nowhere/d.safetensors
refused 1 'nowhere' export good.safetensors --to mtx -o nowhere/x.mtx
refused 1 'nowhere' evaluate good.safetensors --seen events.csv --hidden no-times.csv --per-user nowhere/users.csv
refused 1 'events.csv' split events.csv -o events.csv
refused 1 'nowhere' split events.csv -o nowhere/deeper/split
if [ "$(id -u)" != 0 ]; then
    mkdir locked
    chmod a-w locked
    refused 1 'locked' train ease events.csv -o locked/m.safetensors
    refused 1 'locked' split events.csv -o locked/split
    empty_folder locked
fi

# a full disk: a limit of file sizes stands for it, and the old file stays
cp good.safetensors out/old.safetensors
program=$TOPN_PROGRAM
printf '#!/bin/bash\nulimit -f 1\nexec "%s" "$@"\n' "$program" >limited
chmod +x limited
TOPN_PROGRAM=$work/limited
refused 1 'old.safetensors' train ease events.csv -o out/old.safetensors
refused 1 'd.safetensors' import events.csv -o out/d.safetensors
refused 1 'x.mtx' export good.safetensors --to mtx --table encoder -o out/x.mtx
refused 1 'out/split' split events.csv -o out/split
TOPN_PROGRAM=$program
same good.safetensors out/old.safetensors
[ "$(ls -A out)" = old.safetensors ] || fault "left behind: $(ls -A out)"
rm out/old.safetensors
mkdir small
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=16k tmpfs small 2>/dev/null; then
    trap 'umount "$work/small"; rm -rf "$work"' EXIT
    dd if=/dev/zero of=small/full bs=4k 2>/dev/null || true
    refused 1 'small/m.safetensors.*No space left' train ease events.csv -o small/m.safetensors
    refused 1 'small/d.safetensors.*No space left' import events.csv -o small/d.safetensors
    refused 1 'No space left' split events.csv -o small/split
    rm small/full
    empty_folder small
fi

# Line ends of another age, and the bounds of options.
printf 'user,item\r1,2\r1,3\r2,3\r' >mac.csv
refused 1 'mac.csv:1: the lines end in carriage returns alone' describe mac.csv
refused 2 'option --l2 of ease: "-1" is not a number from 0 to' train ease events.csv -o out/m --l2 -1
refused 2 '"sideways" is not one of popular-first|' train chol events.csv -o out/m --order sideways
