# SPDX-License-Identifier: Apache-2.0
# What the tests of the program share: a folder of their own, small data, assertions. Sourced, not run.
set -euo pipefail
: "${TOPN_PROGRAM:?the path of the program}"
export OMP_WAIT_POLICY=passive

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"

fault() {
    echo "failed: ${BASH_SOURCE[-1]##*/}:${BASH_LINENO[-2]}: $*" >&2
    [ ! -s stderr ] || { echo "stderr was:" && head -5 stderr; } >&2
    exit 1
}

topn() {
    "$TOPN_PROGRAM" "$@"
}

# Runs the program, which must succeed; its output is in the files stdout and stderr.
good() {
    local code=0
    "$TOPN_PROGRAM" "$@" >stdout 2>stderr </dev/null || code=$?
    [ "$code" = 0 ] || fault "topn $* ended with $code"
}

# refused CODE TEXT ARGUMENT…: that exit code, nothing on standard output, and on standard error exactly one line, which
# starts with "topn: " and holds TEXT (a basic regular expression).
refused() {
    local wanted=$1 text=$2 code=0
    shift 2
    "$TOPN_PROGRAM" "$@" >stdout 2>stderr </dev/null || code=$?
    [ "$code" = "$wanted" ] || fault "topn $* ended with $code, not $wanted"
    [ ! -s stdout ] || fault "topn $* failed but printed results"
    [ "$(wc -l <stderr)" = 1 ] || fault "topn $* said not one line"
    grep -q '^topn: ' stderr || fault "topn $*: the line does not start with \"topn: \""
    grep -q -- "$text" stderr || fault "topn $*: the line does not say \"$text\""
}

# has FILE TEXT: a line of the file matches.
has() {
    grep -q -- "$2" "$1" || fault "$1 has no line with \"$2\": $(head -c 600 "$1")"
}

lacks() {
    ! grep -q -- "$2" "$1" || fault "$1 has a line with \"$2\""
}

same() {
    cmp "$1" "$2" >&2 || fault "$1 and $2 differ"
}

# json FILE EXPRESSION: EXPRESSION is true of the document d (or, for JSON lines, of the list d of documents).
json() {
    /usr/bin/python3 - "$1" "$2" <<'PYTHON' || fault "$1: not so: $2"
import json, sys
text = open(sys.argv[1], encoding="utf-8").read()
try:
    d = json.loads(text)
except json.JSONDecodeError:
    d = [json.loads(line) for line in text.splitlines()]
sys.exit(0 if eval(sys.argv[2]) else 1)
PYTHON
}

# empty_folder FOLDER: nothing was left there, hidden files included.
empty_folder() {
    [ -z "$(ls -A "$1")" ] || fault "left behind in $1: $(ls -A "$1")"
}

# make_events USERS ITEMS PER_USER: user,item,rating,time lines with a header. Low items are popular; the same every time.
make_events() {
    awk -v users="$1" -v items="$2" -v per_user="$3" '
        function random() { state = (state * 16807) % 2147483647; return state / 2147483647 }
        BEGIN {
            state = 12345
            print "user,item,rating,timestamp"
            for (u = 1; u <= users; u++) {
                split("", taken)
                for (n = 0; n < per_user; ) {
                    i = 1 + int(items * random() * random())
                    if (i in taken) continue
                    taken[i] = 1
                    n++
                    printf "u%d,i%d,%d,%d\n", u, i, 1 + int(5 * random()), 1500000000 + int(1000000 * random())
                }
            }
        }'
}

# make_titles ITEMS
make_titles() {
    awk -v items="$1" 'BEGIN { print "item,title"; for (i = 1; i <= items; i++) printf "i%d,Film number %d\n", i, i }'
}
