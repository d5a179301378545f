#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C and SIGTERM: exit code 130, one line, nothing half-written.
. "$(dirname "$0")/lib.bash"

make_events 3000 6000 20 >events.csv

# Sends a signal once the program has computed for a moment; $1 signal, then arguments.
cancel() {
    local signal=$1 code=0 ticks fields
    shift
    "$TOPN_PROGRAM" "$@" --threads 1 >stdout 2>stderr </dev/null &
    local child=$!
    for _ in $(seq 2000); do
        read -r -a fields <"/proc/$child/stat" || break
        ticks=$((fields[13] + fields[14]))
        [ "$ticks" -lt 25 ] || break
        sleep 0.01
    done
    kill -"$signal" $child 2>/dev/null || true
    wait $child || code=$?
    [ $code = 130 ] || fault "topn $* with SIG$signal ended with $code"
    [ "$(wc -l <stderr)" = 1 ] || fault "not one line"
    has stderr '^topn: cancelled'
    [ ! -s stdout ] || fault "results after cancelling"
}

mkdir out
for signal in INT TERM; do
    cancel $signal train ease events.csv -o out/m.safetensors --quiet
    empty_folder out
done
cancel INT train chol events.csv -o out/m.safetensors -q
empty_folder out
echo old >out/m.safetensors
cancel INT train chol events.csv -o out/m.safetensors -q
[ "$(cat out/m.safetensors)" = old ] && [ "$(ls -A out)" = m.safetensors ] || fault "the old file was touched"

# waiting for standard input
mkfifo pipe
(exec 3>pipe && sleep 20) &
writer=$!
"$TOPN_PROGRAM" train popularity - -o out/n.safetensors <pipe >stdout 2>stderr &
child=$!
until grep -q '^SigCgt:.*[2367abef]$' "/proc/$child/status"; do # a handler of SIGINT
    sleep 0.02
done
sleep 0.2
code=0
kill -INT $child
wait $child || code=$?
kill $writer
[ $code = 130 ] || fault "waiting for input: $code"
has stderr '^topn: cancelled'
[ "$(ls -A out)" = m.safetensors ] || fault "left behind: $(ls -A out)"
