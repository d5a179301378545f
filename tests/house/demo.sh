#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# script/demo does the whole job, the models beat popularity, and what it prints is what it did.
set -euo pipefail
if [ "$(realpath "$TOPN_BUILD")" != "$(realpath -m build/release)" ]; then
    echo "skipped: the demo builds in build/release, this is another build"
    exit 77
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fail() {
    echo "failed: $*"
    cat "$log"
    exit 1
}
script/demo >"$log" 2>&1 </dev/null || fail "exit code $?"
[ "$(grep -c '^== [1-8]\. ' "$log")" = 8 ] || fail "headings"
[ "$(grep -c '^\$ build/release/topn ' "$log")" -ge 9 ] || fail "commands"
grep -q '^users  *3597$' "$log" || fail "users"
grep -q 'Star Wars' "$log" || fail "titles"
grep -q 'because of .*Despicable Me (2010)' "$log" || fail "reasons"
grep -q 'Part II (1974)' "$log" || fail "similar films"
grep -q 'docs/tutorial.md' "$log" || fail "what to open next"
# The means stand in the row of the metric: popularity, EASE, CHOL.
awk '$1 == "ndcg@20" && NF > 9 {if ($6 > $2 * 1.1 && $10 > $2 * 1.1) good = 1} END {exit !good}' "$log" ||
    fail "EASE and CHOL are not better than popularity"
# A printed command can be copied and run.
command=$(sed -n 's/^\$ \(build.*similar.*\)$/\1/p' "$log")
bash -c "$command" | grep -q 'Part II (1974)' || fail "the printed command: $command"
