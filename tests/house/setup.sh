#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# script/setup is silent when nothing is missing, and says one line when it may not install.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
    echo "failed: $*"
    exit 1
}
fake() { # NAME SCRIPT
    printf '#!/bin/bash\n%s\n' "$2" >"$folder/bin/$1"
    chmod +x "$folder/bin/$1"
}
mkdir "$folder/bin"
for program in bash env mktemp rm tail cat; do
    ln -s "$(command -v $program)" "$folder/bin/$program"
done

fake dpkg-query 'echo installed'
fake apt-get 'echo "apt-get was called"; exit 1'
output=$(PATH=$folder/bin bash script/setup test 2>&1) || fail "with all packages: $output"
[ -z "$output" ] || fail "not silent: $output"

fake dpkg-query 'for name; do :; done; [ "$name" = scdoc ] || echo installed'
fake id 'echo 1000'
code=0
output=$(PATH=$folder/bin bash script/setup 2>&1) || code=$?
[ $code = 1 ] || fail "exit code $code without root and sudo"
[ "$(wc -l <<<"$output")" = 1 ] || fail "more than a line: $output"
[[ $output == *scdoc ]] || fail "does not name the package: $output"

fake sudo '"$@"'
fake apt-get 'echo "$DEBIAN_FRONTEND $*" >>"'"$folder"'/calls"'
PATH=$folder/bin bash script/setup >/dev/null || fail "with sudo"
[ "$(tail -n 1 "$folder/calls")" = "noninteractive install -q -y --no-install-recommends scdoc" ] ||
    fail "apt-get was asked: $(cat "$folder/calls")"

fake apt-get 'echo "no network"; exit 100'
code=0
output=$(PATH=$folder/bin bash script/setup 2>&1) || code=$?
[ $code = 1 ] && [[ $output == *"no network"* ]] || fail "a failing apt-get: $code $output"

code=0
output=$(bash script/setup nonsense 2>&1) || code=$?
[ $code = 2 ] || fail "exit code $code for a wrong argument"
