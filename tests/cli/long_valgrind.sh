#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tiny runs of every command under valgrind: no invalid access, no leak, also on the ways out of failures.
. "$(dirname "$0")/lib.bash"
command -v valgrind >/dev/null || { echo "skipped: valgrind is missing" && exit 77; }
if nm -D "$TOPN_PROGRAM" 2>/dev/null | grep -q '__[at]san_'; then
    echo "skipped: a sanitizer build"
    exit 77
fi

make_events 40 20 6 >events.csv
make_titles 20 >titles.csv
export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1
program=$TOPN_PROGRAM
cat >suppressions <<'END'
{
   threads that OpenMP keeps until the end
   Memcheck:Leak
   match-leak-kinds: possible
   ...
   fun:pthread_create*
}
END
checked() { # CODE ARGUMENT…
    local wanted=$1 code=0
    shift
    valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --suppressions=suppressions \
        "$program" "$@" --threads 2 >stdout 2>stderr </dev/null || code=$?
    [ "$code" = "$wanted" ] || { cat stderr && fault "topn $* under valgrind ended with $code"; }
}
checked 0 describe events.csv --format json
checked 0 import events.csv -o d.safetensors --titles titles.csv
checked 0 split events.csv -o split
for method in popularity ease chol; do
    checked 0 train $method events.csv -o $method.safetensors --titles titles.csv
done
checked 0 train --from chol.safetensors -o again.safetensors
checked 0 evaluate ease.safetensors chol.safetensors --split split/test --metrics recall@5,coverage --per-user users.csv
checked 0 recommend chol.safetensors --user u1 --explain
checked 0 recommend ease.safetensors --users all -n 2 --format json
checked 0 recommend ease.safetensors --users all -n 2 --histories events.csv --format csv
checked 0 similar chol.safetensors --title "film number 2" -n 3
checked 0 score chol.safetensors --history "i1,i2,what" --items "i3,i4"
printf 'u1,i1\nu1,i2\nu2,i1\n' >pairs.csv
checked 0 score chol.safetensors --pairs pairs.csv --format csv
checked 0 explain chol.safetensors --user u1 --item i1
checked 0 inspect chol.safetensors
checked 0 export chol.safetensors --to mtx -o x.mtx
checked 0 methods chol
valgrind -q --error-exitcode=99 --leak-check=full --suppressions=suppressions "$program" reference --format markdown >stdout || fault "reference"
checked 1 recommend chol.safetensors --user nobody
checked 1 recommend events.csv --user nobody
checked 1 train ease missing.csv -o x
checked 1 train ease events.csv -o x --memory 1K
checked 2 train ease events.csv -o x --l3 1
checked 2 train ease events.csv -o x --l2 many
