#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Progress: a bar with rate and time left on a terminal, a plain line now and then elsewhere, nothing with --quiet.
. "$(dirname "$0")/lib.bash"
script -qec true /dev/null </dev/null >/dev/null 2>&1 || { echo "skipped: script(1) or pseudo-terminals are missing" && exit 77; }

make_events 3000 3000 20 >events.csv
TERM=xterm script -qec "$TOPN_PROGRAM train ease events.csv -o m.safetensors --threads 1" /dev/null </dev/null >terminal
has terminal '\[#*  *\] *[0-9]* %'
has terminal 'run.seconds.total'
# the bar is wiped before lines are printed
tr '\r' '\n' <terminal >lines
lacks lines '%.*run\.'

TERM=xterm script -qec "$TOPN_PROGRAM train ease events.csv -o m.safetensors --quiet" /dev/null </dev/null >terminal
[ ! -s terminal ] || fault "--quiet printed something on a terminal"
TERM=dumb script -qec "$TOPN_PROGRAM train ease events.csv -o m.safetensors --threads 1" /dev/null </dev/null >terminal
lacks terminal "$(printf '\033')"

good train ease events.csv -o m.safetensors
lacks stderr "$(printf '\r')"
lacks stderr '###'
