#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A server under load on this machine, the load generator beside it: requests per second and latencies (milliseconds) of
# recommendations for random users while events are written at a fixed rate, at the peak rate and at half of it; memory of
# the server over time.
#
#   bench/serve.sh MODEL [SECONDS [WRITES [NUMBER]]]      seconds of each phase (30), events a second (200), items (20)
#
# Needs wrk (script/setup experiments), curl and python3. The users are those whose histories or rows the model keeps. TOPN
# names the program. EXTRA holds further options of "topn serve". SOAK=SECONDS adds a run at half the peak rate that long,
# with the resident memory printed every minute.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 MODEL [SECONDS [WRITES [NUMBER]]]" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
topn=${TOPN:-$here/../build/release/topn} model=$1 seconds=${2:-30} writes=${3:-200} number=${4:-20}
work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

"$topn" export "$model" --table items --format csv -o "$work/items.csv" >/dev/null 2>&1 || true
"$topn" recommend "$model" --users all -n 1 --output-format csv 2>/dev/null | tail -n +2 | cut -d, -f1 | awk 'NR % 7 == 0' >"$work/users"
"$topn" recommend "$model" --users all -n 1 --output-format csv 2>/dev/null | tail -n +2 | cut -d, -f3 | sort -u >"$work/items"
[ -s "$work/users" ] || { echo "$model keeps no users" >&2; exit 1; }
cp "$model" "$work/model"
# shellcheck disable=SC2086
"$topn" serve "$work/model" --port 0 --store "$work/events" --rate 0 ${EXTRA:-} 2>"$work/log" >"$work/out" &
server=$!
pids+=("$server")
for _ in $(seq 100); do
    url=$(grep -oh 'http://[0-9.:]*' "$work/out" "$work/log" 2>/dev/null | head -n 1 || true)
    [ -z "$url" ] || break
    sleep 0.1
done
[ -n "$url" ] || { cat "$work/log" >&2; exit 1; }

# Writers: `writes` events a second in single requests, for random users and items; prints what was acknowledged.
cat >"$work/writer.py" <<'PYTHON'
import http.client, json, random, sys, threading, time
url, users, items, rate, seconds = sys.argv[1], open(sys.argv[2]).read().split(), open(sys.argv[3]).read().split(), float(sys.argv[4]), float(sys.argv[5])
host = url.split("//")[1]
counts, latencies, lock = [0, 0], [], threading.Lock()
def write(part, parts):
    connection, end, due = http.client.HTTPConnection(host), time.time() + seconds, time.time()
    while time.time() < end:
        due += parts / rate
        time.sleep(max(0, due - time.time()))
        start = time.time()
        body = json.dumps([{"UserId": random.choice(users), "ItemId": random.choice(items), "FeedbackType": "click"}])
        try:
            connection.request("POST", "/api/feedback", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            good = answer.status == 200
        except OSError:
            connection, good = http.client.HTTPConnection(host), False
        with lock:
            counts[0 if good else 1] += 1
            latencies.append(time.time() - start)
threads = [threading.Thread(target=write, args=(part, 4)) for part in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
latencies.sort()
print(f"events acknowledged {counts[0]} ({counts[0] / seconds:.0f} a second), failed {counts[1]}, p50 {latencies[len(latencies) // 2] * 1e3:.1f} ms, p99 {latencies[len(latencies) * 99 // 100] * 1e3:.1f} ms")
PYTHON

resident() { awk '/VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$server/status"; }

# load CONNECTIONS SECONDS DELAY: one line of wrk's
load() {
    USERS=$work/users NUMBER=$number DELAY=$3 wrk -t 1 -c "$1" -d "$2s" --timeout 10s -s "$here/load/recommend.lua" "$url" | tail -n 1
}

load 4 3 0 >/dev/null
echo "server: $("$topn" --version), model $(basename "$model"), $(wc -l <"$work/users") users, n = $number, writes $writes a second; memory $(resident) MB"
peak=0
for connections in 1 2 4 8 16 32; do
    /usr/bin/python3 "$work/writer.py" "$url" "$work/users" "$work/items" "$writes" "$seconds" >"$work/written" &
    writer=$!
    line=$(load "$connections" "$seconds" 0)
    wait "$writer"
    echo "$connections connections: $line; $(cat "$work/written")"
    rate=$(echo "$line" | awk '{ print int($2) }')
    [ "$rate" -le "$peak" ] || peak=$rate
done
# Half the peak: 32 connections that wait so long between requests.
half=$((peak / 2 > 0 ? peak / 2 : 1))
delay=$((32 * 1000 / half > 0 ? 32 * 1000 / half : 1))
for step in half ${SOAK:+soak}; do
    long=$seconds
    [ "$step" = half ] || long=$SOAK
    /usr/bin/python3 "$work/writer.py" "$url" "$work/users" "$work/items" "$writes" "$long" >"$work/written" &
    writer=$!
    if [ "$step" = soak ]; then
        (while sleep 60; do echo "  memory $(resident) MB"; done) &
        watcher=$!
        pids+=("$watcher")
    fi
    echo "half of the peak ($half a second wanted): $(load 32 "$long" "$delay")"
    wait "$writer"
    echo "  $(cat "$work/written"); memory $(resident) MB"
done
