#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The cost model against the truth: for each method the peak memory and the arithmetic that it predicts before it
# starts, beside the peak resident set and the seconds of that run. One process a method, so that peaks do not mix.
#
#   bench/cost.sh DATA [METHOD …]        all methods when none is named; "METHOD --option value" is one argument
#
# TOPN names the program (default build/release/topn). The peak holds the program itself (about 10 MB) and the reading of
# DATA, which can outweigh a small model: import DATA first (topn import DATA -o FILE) and name that file.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 DATA [METHOD …]" >&2; exit 2; }
data=$1
shift
topn=${TOPN:-build/release/topn}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ $# -gt 0 ] || mapfile -t names < <("$topn" methods --output-format csv | sed '1d; s/,.*//')
[ $# -eq 0 ] || names=("$@")
printf '%-36s %12s %12s %7s %12s %10s %9s\n' method 'predicted MB' 'measured MB' ratio 'GFLOP' seconds 'GFLOP/s'
for name in "${names[@]}"; do
    read -ra words <<<"$name"
    if ! "$topn" train "${words[0]}" "$data" -o "$folder/model" "${words[@]:1}" >"$folder/figures" 2>"$folder/messages"; then
        printf '%-36s %s\n' "$name" "$(tail -n 1 "$folder/messages")"
        continue
    fi
    awk -v name="$name" '
        { figure[$1] = $2 }
        END {
            predicted = figure["run.predicted-bytes"] / 1e6; peak = figure["run.peak-bytes"] / 1e6
            work = figure["run.predicted-flops"] / 1e9; seconds = figure["run.seconds.total"]
            printf "%-36s %12.1f %12.1f %7.2f %12.3f %10.3f %9.2f\n", name, predicted, peak, peak / predicted, work,
                   seconds, (seconds > 0 ? work / seconds : 0)
        }' "$folder/figures"
done
