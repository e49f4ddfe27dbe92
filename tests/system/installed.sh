#!/bin/sh
# installed.sh BUILD SOURCE - an outside project needs nothing but what `cmake --install` puts there:
# headers one by one, pkg-config (shared and static), find_package; C and C++ read the headers.
set -eu
build=$1 source=$2
work=$(mktemp -d /tmp/keel-installed-XXXXXX)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
examples=$source/common/client/examples

fail() { echo "installed: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$prefix" --component client >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail 'cmake --install failed'; }
libdir=$(dirname "$(find "$prefix" -name keel.pc)")
export PKG_CONFIG_PATH="$libdir"
lib=$(dirname "$libdir")

# Every header by itself, from another folder, with no other include path.
cd "$work"
for header in $(cd "$prefix/include" && find keel -name '*.h'); do
    printf '#include <%s>\n' "$header" >one.c
    cc -std=c11 -pedantic -Wall -Wextra -Werror -D_POSIX_C_SOURCE=200809L -I"$prefix/include" -c one.c \
        -o one.o || fail "$header does not stand alone"
done
! grep -rl '"common/' "$prefix/include" || fail 'a header includes from the tree'
! find "$prefix/include" -name '*_internal.h' | grep . || fail 'an internal header is installed'

cp -r "$examples" "$work/outside"
cd "$work/outside"
for example in first_signal follow_momentum; do
    # shellcheck disable=SC2046 # words are wanted
    cc -std=c11 -Wall -Wextra -Werror "$example.c" $(pkg-config --cflags --libs keel) -o by-pc ||
        fail "pkg-config: $example"
    # shellcheck disable=SC2046
    cc -std=c11 "$example.c" $(pkg-config --cflags keel) "$lib/libkeel.a" \
        $(pkg-config --static --libs-only-l keel | sed 's/-lkeel//') -o by-static ||
        fail "static: $example"
    [ "$example" = first_signal ] || continue
    for program in by-pc by-static; do
        if LD_LIBRARY_PATH="$lib" ./$program /nonexistent momentum BTC-SIM 2>said; then
            fail "$program found a run that is not there"
        fi
        grep -q /nonexistent/keys/door.public said || fail "$program says: $(cat said)"
    done
done
cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" 2>&1 &&
    cmake --build build >>"$work/log" 2>&1 || { cat "$work/log" >&2; fail 'find_package'; }
ldd build/first_signal | grep -q "$lib/libkeel.so.0" || fail 'linked to another libkeel'

# The page shows the program that was just built.
awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$source/docs/strategies.md" |
    cmp - "$examples/first_signal.c" || fail 'docs/strategies.md shows another first_signal.c'

# 30 lines are enough for: connect, publish, wait for the decision, follow allocations.
lines=$(sed -n '/^int main/,$p' "$examples/first_signal.c" | wc -l)
[ "$lines" -le 30 ] || fail "first_signal has $lines lines"
echo ok
