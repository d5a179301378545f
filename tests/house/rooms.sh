#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every #include obeys the table of ARCHITECTURE.md, and the tool notices when one doesn't.
set -euo pipefail
tools/check-rooms
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp ARCHITECTURE.md "$tree/"
mkdir -p "$tree"/{src/train/linear,src/retrieve,src/base,cli,tests/unit,tests/api}
touch "$tree/src/base/memory.h" "$tree/cli/table.h"

allows() { # FILE INCLUDE
    echo "#include $2" >"$tree/$1"
    tools/check-rooms "$tree" >/dev/null || { echo "refused in $1: $2"; exit 1; }
    rm "$tree/$1"
}
refuses() { # FILE INCLUDE
    echo "#include $2" >"$tree/$1"
    ! tools/check-rooms "$tree" >/dev/null || { echo "not noticed in $1: $2"; exit 1; }
    rm "$tree/$1"
}
allows src/train/linear/a.c '"base/memory.h"'
allows src/train/linear/a.c '"train/method.h"'
allows src/train/linear/a.c '<omp.h>'
refuses src/train/linear/a.c '"retrieve/retriever.h"'
refuses src/train/linear/a.c '<cblas.h>'
refuses src/train/linear/a.c '"method.h"'
refuses src/retrieve/a.c '"train/method.h"'
refuses src/base/a.c '"data/interactions.h"'
refuses src/base/a.c '<zlib.h>'
refuses src/base/a.c '<curl/curl.h>'
refuses src/a.c '<stdio.h>'
allows cli/a.c '"table.h"'
allows cli/a.c '<jansson.h>'
refuses cli/a.c '"base/memory.h"'
refuses cli/a.c '<yaml.h>'
allows tests/unit/a.c '"base/memory.h"'
allows tests/api/a.c '<cmocka.h>'
refuses tests/api/a.c '"base/memory.h"'
