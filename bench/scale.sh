#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How the sparse methods grow: time and peak memory of fsai and chol-sparse on made data of growing catalogues, all else
# in proportion (35 events and 0.6 users an item, with the distributions of the Million Song data), and the exponents of
# seconds ~ items^p and bytes ~ items^p that fit them best.
#
#   bench/scale.sh [ITEMS …]             default 100000 300000 1000000
#
# TOPN names the program (default build/release/topn), METHODS the methods with their options, separated by semicolons,
# OUT the folder for the data (10 GB at a million items is ample; default a temporary one).
set -euo pipefail
[ $# -gt 0 ] || set -- 100000 300000 1000000
topn=${TOPN:-build/release/topn} methods=${METHODS:-fsai;chol-sparse}
folder=${OUT:-$(mktemp -d)}
mkdir -p "$folder"
[ -n "${OUT:-}" ] || trap 'rm -rf "$folder"' EXIT
: >"$folder/points"
options=(--l2 80 --keep-histories false)
IFS=';' read -ra names <<<"$methods"
printf '%-24s %9s %10s %10s %9s %12s %12s %10s  %s\n' method items users events seconds 'peak MB' 'predicted MB' 'model MB' phases
for items in "$@"; do
    data=$folder/made-$items.safetensors users=$((items * 6 / 10)) events=$((items * 35))
    [ -e "$data" ] || "$topn" generate --like msd --items "$items" --users "$users" --events "$events" -o "$data" --quiet >"$folder/generate"
    for name in "${names[@]}"; do
        read -ra words <<<"$name"
        "$topn" train "${words[0]}" "$data" -o "$folder/model" "${options[@]}" "${words[@]:1}" >"$folder/figures" 2>"$folder/messages" || {
            tail -n 1 "$folder/messages" >&2
            exit 1
        }
        bytes=$(stat -c %s "$folder/model")
        awk -v name="$name" -v items="$items" -v users="$users" -v events="$events" -v bytes="$bytes" -v points="$folder/points" '
            { figure[$1] = $2 }
            /^run\.seconds\./ && $1 != "run.seconds.total" { phases = phases sprintf(" %s %.1f", substr($1, 13), $2) }
            END {
                printf "%-24s %9d %10d %10d %9.1f %12.1f %12.1f %10.1f %s\n", name, items, users, events,
                       figure["run.seconds.total"], figure["run.peak-bytes"] / 1e6, figure["run.predicted-bytes"] / 1e6,
                       bytes / 1e6, phases
                print name "\t" items "\t" figure["run.seconds.total"] "\t" figure["run.peak-bytes"] >>points
            }' "$folder/figures"
        rm -f "$folder/model"
    done
    [ -n "${OUT:-}" ] || rm -f "$data"
done
awk -F'\t' '
    { n[$1]++; x = log($2); for (c = 3; c <= 4; c++) { y = log($c); sx[$1, c] += x; sy[$1, c] += y; sxx[$1, c] += x * x; sxy[$1, c] += x * y } }
    END {
        for (name in n)
            if (n[name] > 1) {
                for (c = 3; c <= 4; c++)
                    slope[c] = (n[name] * sxy[name, c] - sx[name, c] * sy[name, c]) / (n[name] * sxx[name, c] - sx[name, c] ^ 2)
                printf "%s: seconds ~ items^%.2f, peak memory ~ items^%.2f\n", name, slope[3], slope[4]
            }
    }' "$folder/points" | sort
rm -f "$folder/points" "$folder/figures" "$folder/messages" "$folder/generate"
