#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command of docs/tutorial.md works as printed, in its order.
set -euo pipefail
source=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0} inside' docs/tutorial.md >"$folder/commands.sh"
[ "$(grep -c '^ *topn ' "$folder/commands.sh")" -ge 15 ] || {
    echo "the blocks of the tutorial were not found"
    exit 1
}
ln -s "$source/examples" "$folder/examples"
cd "$folder"
export PATH="$(dirname "$TOPN_PROGRAM"):$PATH"
bash -euo pipefail -x commands.sh </dev/null
[ "$(wc -l <lists.csv)" -gt 30000 ]
