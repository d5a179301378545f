#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The build with CHOLMOD: chol-cholmod passes the suites that every method passes, and its own tests.
set -euo pipefail
printf '#include <cholmod.h>\n' | cc -I/usr/include/suitesparse -fsyntax-only -x c - 2>/dev/null || {
    echo "skipped: libsuitesparse-dev is not installed (script/setup test)"
    exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake -S . -B "$folder" -G Ninja -DTOPN_CHOLMOD=ON >"$folder/log" 2>&1 &&
    ninja -C "$folder" topn_program test_api_methods test_unit_method_memory test_unit_linear_sparse >>"$folder/log" 2>&1 || {
    cat "$folder/log"
    exit 1
}
"$folder/topn" methods chol-cholmod >/dev/null
for name in api_methods unit_method_memory unit_linear_sparse; do
    "$folder/tests/test_$name" >"$folder/log" 2>&1 || {
        cat "$folder/log"
        exit 1
    }
    if grep -q SKIPPED "$folder/log"; then
        echo "$name skipped a test of a method that this build has"
        exit 1
    fi
done
