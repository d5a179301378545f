#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# topn prune: the file that training with that --k writes; train --from repeats it; refusals.
. "$(dirname "$0")/lib.bash"

make_events 200 60 12 >events.csv
good train chol events.csv -o dense.safetensors --k 0
good train chol events.csv -o trained.safetensors --k 7
good prune dense.safetensors --k 7 -o pruned.safetensors
has stderr 'pruned.safetensors: dense.safetensors with 7 numbers an item'
same trained.safetensors pruned.safetensors
good train --from pruned.safetensors -o repeated.safetensors
lacks stderr 'warning'
same repeated.safetensors trained.safetensors

good train ease events.csv -o ease.safetensors
good prune ease.safetensors --k 5 --mode item -o item.safetensors
good train ease events.csv -o trained.safetensors --k 5 --prune item
same trained.safetensors item.safetensors
good prune ease.safetensors --k 5 -o row.safetensors
good inspect row.safetensors
has stdout '^prune.mode  *row$'
good train --from row.safetensors -o again.safetensors
has stderr 'warning: row.safetensors was pruned after its training.*topn prune --mode row --k 5'
good recommend row.safetensors --user u7 -n 5

refused 2 'option --k is missing' prune dense.safetensors -o new.safetensors
refused 2 'option --k: "0"' prune dense.safetensors --k 0 -o new.safetensors
refused 2 'option --mode: "best" is not row, global or item' prune dense.safetensors --k 5 --mode best -o new.safetensors
refused 1 'prune by row' prune dense.safetensors --k 5 --mode item -o new.safetensors
good train popularity events.csv -o popular.safetensors
refused 1 'nothing to prune' prune popular.safetensors --k 5 -o new.safetensors
[ ! -e new.safetensors ] || fault "a refused command wrote a file"
