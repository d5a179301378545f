#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules of tools/check-tree hold, and the tool notices when they don't.
set -euo pipefail
tools/check-tree
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/src/base" "$tree/include/topn"

refuses() {
    if tools/check-tree "$tree" >"$tree.out"; then
        echo "not noticed: $1"
        exit 1
    fi
    grep -q "$1" "$tree.out" || { echo "not said: $1"; cat "$tree.out"; exit 1; }
    rm "$tree.out"
}
spdx='/* SPDX-License-Identifier: Apache-2.0 */'
printf 'int x;\n' >"$tree/src/base/a.c"
refuses "no SPDX line"
printf '%s\n// %s\n' "$spdx" "TO""DO later" >"$tree/src/base/a.c"
refuses "unfinished work"
printf '%s\n// %s\n' "$spdx" "see /ro""ot/file" >"$tree/src/base/a.c"
refuses "somebody's machine"
{ echo "$spdx"; printf '//\n%.0s' {1..700}; } >"$tree/src/base/a.c"
refuses "more than 700 lines"
echo "$spdx" >"$tree/src/base/a.c"
printf '%s\n\nTOPN_API int topn_do_it(int x);\n' "$spdx" >"$tree/include/topn/topn.h"
refuses "topn_do_it has no comment"
