#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The reference material that the program prints about itself: man pages, docs/reference.md, completions.
. "$(dirname "$0")/lib.bash"

count=$(grep '^COMMAND(' "$TOPN_SOURCE/cli/commands.def" | grep -cv '(reference)') # that one is hidden
commands=$(topn --help | sed -n 's/^  \([a-z-]*\)  *[a-z].*/\1/p' | grep -v '^topn$')
[ "$(echo "$commands" | wc -w)" = "$count" ] || fault "commands: $commands"

for command in "" $commands; do
    # shellcheck disable=SC2086
    good reference $command --format scdoc
    [ ! -s stderr ] || fault "scdoc of $command"
    if command -v scdoc >/dev/null; then
        scdoc <stdout >page.1 2>stderr || fault "scdoc refuses the page of topn $command"
        [ -s page.1 ] || fault "empty page"
    fi
done
good reference train --format scdoc
has stdout '^\*--l2\*'
has stdout '^\*--min-weight\*'

good reference --format markdown
for option in l2 beta k order min-weight user-column test-users metrics threads seed memory; do
    has stdout "^| \`--$option\`"
done
has stdout '^| `recall` '
[ "$(grep -c '^## topn ' stdout)" = "$count" ] || fault "commands in the reference"

# bash completion completes commands, methods, options and values
good reference --format bash
cp stdout completion.bash
bash -n completion.bash
complete_words() {
    bash -c '. ./completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _topn; echo "${COMPREPLY[*]}"' bash "$@"
}
[ "$(complete_words topn rec)" = recommend ] || fault "command: $(complete_words topn rec)"
[ "$(complete_words topn train pop)" = popularity ] || fault "method: $(complete_words topn train pop)"
[ "$(complete_words topn train chol --beta-)" = --beta-per-event ] || fault "option: $(complete_words topn train chol --beta-)"
[ "$(complete_words topn split x --protocol str)" = strong ] || fault "value: $(complete_words topn split x --protocol str)"
[[ $(complete_words topn train chol --order pop) = *popular-first* ]] || fault "choice"

good reference --format zsh
cp stdout completion.zsh
has completion.zsh '^#compdef topn'
if command -v zsh >/dev/null; then
    zsh -n completion.zsh || fault "zsh refuses the completion"
fi
refused 2 'scdoc, markdown, bash or zsh' reference --format html
