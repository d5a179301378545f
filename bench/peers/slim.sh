#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# SLIM against coordinate descent on the same Gram matrix in scikit-learn, both to the same optimality residual, with one
# and with two threads (processes).
#
#   bench/peers/slim.sh DATA [L1 [L2 [COLUMNS]]]       defaults: those of `topn train slim`, 200 columns
#
# scikit-learn solves every N/COLUMNS-th item, by popularity; its time is scaled up to all items. Needs Debian's
# python3-sklearn, which script/setup does not install. TOPN names the program (default build/release/topn).
set -euo pipefail
[ $# -ge 1 ] && [ $# -le 4 ] || { echo "usage: $0 DATA [L1 [L2 [COLUMNS]]]" >&2; exit 2; }
/usr/bin/python3 -c 'import sklearn, scipy, joblib' 2>/dev/null || {
    echo "$0: needs scikit-learn: apt-get install python3-sklearn" >&2
    exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TOPN=${TOPN:-build/release/topn}
/usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/slim.py" "$folder" "$@"
