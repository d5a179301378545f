#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole dense training against NumPy and SciPy on the same data, the same BLAS and the same threads: CHOL and
# inverse-factor with --k 200 here; the published Algorithm 1 and its best form there (bench/peers/dense.py). Seconds
# without reading, peak memory, and the ratios, all of one run.
#
#   bench/peers/dense.sh [ITEMS | DATA]      ITEMS: data as of MovieLens 20M, scaled to so many (default 4000; 20108 is
#                                            the published size); DATA: a file written by topn import or topn generate
#
# TOPN names the program (default build/release/topn), PYTHON the interpreter (/usr/bin/python3), L2 the ridge (500).
set -euo pipefail
what=${1:-4000}
topn=${TOPN:-build/release/topn} python=${PYTHON:-/usr/bin/python3} l2=${L2:-500}
peer=$(dirname "${BASH_SOURCE[0]}")/dense.py
unset OPENBLAS_CORETYPE
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)} GOMP_SPINCOUNT=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
data=$what
if [[ $what =~ ^[0-9]+$ ]]; then
    data=$folder/data.safetensors
    "$topn" generate --like ml20m --scale "$(awk -v n="$what" 'BEGIN { printf "%.6f", n / 20108 }')" --items "$what" \
        -o "$data" --quiet
fi

"$topn" describe "$data" | head -n 12
for method in chol inverse-factor; do
    for storage in full half; do
        "$topn" train "$method" "$data" --k 200 --l2 "$l2" --storage "$storage" --threads "$OMP_NUM_THREADS" \
            -o "$folder/model" >"$folder/$method.$storage" 2>"$folder/messages" || {
            tail -n 1 "$folder/messages" >&2
            exit 1
        }
    done
done
beta=$(awk '$1 == "train.beta" { print $2 }' "$folder/chol.full")
for form in published best; do
    "$python" "$peer" "$data" "$form" "$l2" "$beta" >"$folder/$form"
done
grep -h '^blas\|^versions' "$folder/best"

# figure FILE NAME
figure() { awk -v name="$2" '$1 == name { print $2 }' "$folder/$1"; }

printf '\n%-24s %9s %9s %9s %9s %9s %9s %9s\n' 'seconds' gram factor invert shift again total 'peak GB'
for form in published best; do
    printf '%-24s' "$form"
    for name in gram factor invert shift factor-again total; do
        printf ' %9s' "$(figure "$form" "seconds.$name")"
    done
    printf ' %9.2f\n' "$(figure "$form" peak-bytes | awk '{ print $1 / 1e9 }')"
done
for run in chol.full chol.half inverse-factor.full inverse-factor.half; do
    printf '%-24s' "$run"
    for name in gram factor invert eigenvalue factor-again total; do
        printf ' %9s' "$(figure "$run" "run.seconds.$name")"
    done
    printf ' %9.2f\n' "$(figure "$run" run.peak-bytes | awk '{ print $1 / 1e9 }')"
done

printf '\n%-24s %12s %12s %14s %14s\n' 'times topn' 'published s' 'best s' 'published GB' 'best GB'
for run in chol.full chol.half inverse-factor.full inverse-factor.half; do
    awk -v run="$run" -v seconds="$(figure "$run" run.seconds.total)" -v peak="$(figure "$run" run.peak-bytes)" \
        -v published="$(figure published seconds.total)" -v best="$(figure best seconds.total)" \
        -v published_peak="$(figure published peak-bytes)" -v best_peak="$(figure best peak-bytes)" \
        'BEGIN { printf "%-24s %12.2f %12.2f %14.2f %14.2f\n", run, published / seconds, best / seconds,
                 published_peak / peak, best_peak / peak }'
done
