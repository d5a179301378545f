#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The reference is up to date; links lead to files; every option that a document writes behind "topn COMMAND" exists.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
faults=0
fault() {
    echo "$*"
    faults=$((faults + 1))
}

# The method of an optional build stands in docs/methods.md alone.
"$TOPN_PROGRAM" reference --format markdown |
    awk '/^\*\*/ || /^#/ { skip = /^\*\*Method `chol-cholmod`/ } !skip' >"$folder/reference.md"
cmp -s "$folder/reference.md" docs/reference.md ||
    fault "docs/reference.md is out of date: topn reference --format markdown > docs/reference.md"

for document in *.md docs/*.md examples/data/*.md; do
    while read -r link; do
        case $link in
        http*:* | \#* | '') continue ;;
        esac
        [ -e "$(dirname "$document")/${link%%#*}" ] || fault "$document: no such file: $link"
    done < <(grep -oE '\]\([^) ]+\)' "$document" | sed 's/^](//; s/)$//')
    # Commands stand in blocks and between backticks. Lines that go on behind a backslash are joined.
    while read -r line; do
        read -ra words <<<"${line#topn }"
        [ "${words[0]}" != COMMAND ] || continue
        help=("${words[0]}")
        [ "${words[0]}" != train ] || [[ ${words[1]:-} == [a-z]* ]] && [ "${words[0]}" = train ] && help+=("${words[1]}")
        "$TOPN_PROGRAM" "${help[@]}" --help >"$folder/help" 2>&1 || {
            fault "$document: topn ${help[*]}: no such command: $line"
            continue
        }
        for option in $(sed 's/ --no-/ --/g' <<<"$line" | grep -oE '(^| )--[a-z][a-z0-9-]*' || true); do
            grep -qE -- "(^|[ ,])--(\[no-\])?${option#--}( |\$|,)" "$folder/help" || fault "$document: topn ${help[*]} has no $option: $line"
        done
    done < <(sed -e ':a' -e '/\\$/{N;s/\\\n */ /;ta' -e '}' "$document" |
        awk '/^```/ {inside = !inside; next} inside {print "`" $0 "`"; next} {print}' |
        grep -oE '(`|`\$ |`.*[;|] )topn [a-z][^`|#>]*' | sed -E 's/^.*(`|\$ |; |\| )topn /topn /')
done
[ $faults = 0 ] || exit 1
