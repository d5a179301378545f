#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An installation works after it was moved: program, pkg-config, CMake package, manual pages, completions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
    echo "failed: $*"
    exit 1
}
if ldd "$TOPN_BUILD/libtopn.so" | grep -qE 'lib(asan|tsan|ubsan)'; then
    echo "skipped: a sanitizer build is not one to install"
    exit 77
fi

cmake --install "$TOPN_BUILD" --prefix "$folder/first" >"$folder/log" || fail "install: $(cat "$folder/log")"
mv "$folder/first" "$folder/moved"
prefix=$folder/moved
for file in bin/topn lib/libtopn.so include/topn/topn.h lib/pkgconfig/topn.pc lib/cmake/topn/topn-config.cmake \
    lib/cmake/topn/topn-config-version.cmake share/man/man1/topn.1 share/man/man1/topn-train.1 \
    share/bash-completion/completions/topn share/zsh/site-functions/_topn; do
    [ -e "$prefix/$file" ] || fail "not installed: $file"
done
! grep -rqF "$folder/first" "$prefix/lib/pkgconfig" "$prefix/lib/cmake" || fail "a file holds the first prefix"

# The program finds its library beside it, wherever both are.
[ "$(cd / && "$prefix/bin/topn" --version)" = "$(pkg-config --modversion "$prefix/lib/pkgconfig/topn.pc" |
    sed 's/^/topn /')" ] || fail "topn --version"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib OMP_WAIT_POLICY=passive
read -ra flags <<<"$(pkg-config --cflags --libs topn)"
cc -std=c17 -Wall -Werror examples/recommend.c "${flags[@]}" -o "$folder/with-pkg-config"
"$folder/with-pkg-config" >"$folder/one"

mkdir "$folder/project"
cp examples/recommend.c "$folder/project/"
cat >"$folder/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(shop LANGUAGES C)
find_package(topn 0.1 REQUIRED)
add_executable(recommend recommend.c)
target_link_libraries(recommend PRIVATE topn::topn)
END
cmake -S "$folder/project" -B "$folder/project/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$folder/log" 2>&1 ||
    fail "find_package: $(cat "$folder/log")"
ninja -C "$folder/project/build" >"$folder/log" || fail "build: $(cat "$folder/log")"
"$folder/project/build/recommend" >"$folder/two"
cmp "$folder/one" "$folder/two" || fail "the two programs differ"
grep -q '^user 0:  item ' "$folder/one" || fail "no recommendations"

bash -n "$prefix/share/bash-completion/completions/topn" || fail "bash completion"
completed=$(
    source "$prefix/share/bash-completion/completions/topn"
    COMP_WORDS=(topn train chol --order pop) COMP_CWORD=4
    _topn
    echo "${COMPREPLY[*]}"
)
[ "$completed" = "popular-first popular-last" ] || fail "bash completion gives: $completed"
! command -v zsh >/dev/null || zsh -n "$prefix/share/zsh/site-functions/_topn" || fail "zsh completion"
if command -v man >/dev/null; then
    for page in "$prefix"/share/man/man1/*.1; do
        warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=100 man --warnings -l -Tutf8 "$page" 2>&1 >"$folder/page") || fail "$page"
        [ -z "$warnings" ] || fail "$page: $warnings"
        [ -s "$folder/page" ] || fail "$page is empty"
    done
fi
echo "installed and used twice"
