#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What reaches standard output: closed pipes and full disks are noticed, texts from outside are made safe, the locale
# changes nothing.
. "$(dirname "$0")/lib.bash"

make_events 400 50 8 >all.csv
awk 'NR % 5 != 2 || NR == 1' all.csv >events.csv
awk 'NR % 5 == 2 || NR == 1' all.csv >held.csv
good train ease events.csv -o m.safetensors

# a reader that goes away ends the program quietly
set +o pipefail
topn recommend m.safetensors --users all -n 20 --format csv 2>stderr | head -1 >first
topn recommend m.safetensors --users all -n 20 --format json 2>>stderr | head -c 10 >/dev/null
topn recommend m.safetensors --users all -n 20 2>>stderr | true
set -o pipefail
[ ! -s stderr ] || fault "a closed pipe was talked about"
has first '^user,rank,item,score$'
code=0
{ topn recommend m.safetensors --users all -n 20 2>stderr || echo $? >code; } | head -1 >/dev/null
[ "$(cat code)" = 1 ] || fault "exit code after a closed pipe"

# a full disk behind standard output
for arguments in "recommend m.safetensors --users all" "inspect m.safetensors" "methods" "--help" "--version"; do
    code=0
    # shellcheck disable=SC2086
    topn $arguments >/dev/full 2>stderr || code=$?
    [ $code = 1 ] || fault "topn $arguments on a full disk ended with $code"
    [ "$(wc -l <stderr)" = 1 ] || fault "not one line"
    has stderr '^topn: cannot write to standard output: No space left'
done
code=0
topn methods >&- 2>stderr || code=$?
[ $code = 1 ] || fault "closed standard output: $code"

# titles and ids: control characters do not reach the terminal, CSV and JSON keep them whole
printf 'item,title\ni1,"Evil \033[31m red, ""quoted"""\ni2,Amélie 日本\n' >titles.csv
good train ease events.csv -o t.safetensors --titles titles.csv
good score t.safetensors --history i5 --items "i1,i2,i3"
has stdout 'Evil \\x1b\[31m red, "quoted"'
has stdout 'Amélie 日本'
lacks stdout "$(printf '\033')"
good score t.safetensors --history i5 --items "i1,i2,i3" --format csv
has stdout '^i1,"Evil .* red, ""quoted""",'
good score t.safetensors --history i5 --items "i1,i2" --format json
json stdout 'd["items"][0]["title"] == "Evil \x1b[31m red, \"quoted\"" and d["items"][1]["title"] == "Amélie 日本"'
refused 1 'what\\x0anow' recommend t.safetensors --user "$(printf 'what\nnow')"

# columns line up by characters
/usr/bin/python3 - <<'PYTHON' || fault "columns"
import subprocess, os, sys
text = subprocess.run([os.environ["TOPN_PROGRAM"], "score", "t.safetensors", "--history", "i5", "--items", "i2,i4"],
                      capture_output=True, check=True).stdout.decode()
wide = lambda s: sum(2 if ord(c) > 0x2E80 else 1 for c in s)
sys.exit(len({wide(line) for line in text.splitlines()}) != 1)
PYTHON

# the locale changes nothing
for locale in C C.UTF-8 POSIX de_DE.UTF-8 no_such; do
    env LC_ALL=$locale "$TOPN_PROGRAM" recommend m.safetensors --user u3 --format csv >"out-$locale" 2>stderr
    same out-C "out-$locale"
done

# idle threads sleep: the program sets what libgomp reads before main
env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT "$TOPN_PROGRAM" doctor --quiet --format json >stdout
json stdout 'any("idle" in f["what"] and f["value"] == "sleep" for f in d)'
code=0
env -u OMP_WAIT_POLICY "$TOPN_PROGRAM" methods nothing >stdout 2>stderr || code=$?
[ $code = 2 ] && [ "$(wc -l <stderr)" = 1 ] || fault "the restarted program ended with $code"

# --option values are read with a point in every locale
env LC_ALL=de_DE.UTF-8 "$TOPN_PROGRAM" train ease events.csv -o l.safetensors --l2 0.5 -q
topn inspect l.safetensors --format json >stdout
json stdout 'd["metadata"]["option.l2"] == 0.5'

# results on standard output, all else on standard error; no colour away from a terminal
good train chol events.csv -o - --k 5
cp stdout piped.safetensors
good train chol events.csv -o c.safetensors --k 5
same piped.safetensors c.safetensors
good methods
lacks stdout "$(printf '\033')"
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    TERM=xterm script -qec "$TOPN_PROGRAM methods" /dev/null </dev/null >terminal
    has terminal "$(printf '\033')"'\[1m'
    TERM=xterm NO_COLOR=1 script -qec "$TOPN_PROGRAM methods" /dev/null </dev/null >terminal
    lacks terminal "$(printf '\033')"
fi

# devices are written through, links are followed
before=$(stat -c %F-%a /dev/null)
good train ease events.csv -o /dev/null -q
good evaluate m.safetensors --seen events.csv --hidden held.csv --metrics recall@5 --per-user /dev/null
[ "$(stat -c %F-%a /dev/null)" = "$before" ] || fault "/dev/null is no device any more"
good evaluate m.safetensors --seen events.csv --hidden held.csv --metrics recall@5 --per-user /dev/stdout --format csv
has stdout '^user,recall@5'
mkdir there
: >there/target.csv
ln -s there/target.csv link.csv
good evaluate m.safetensors --seen events.csv --hidden held.csv --metrics recall@5 --per-user link.csv
[ -L link.csv ] && has there/target.csv '^user,recall@5'
