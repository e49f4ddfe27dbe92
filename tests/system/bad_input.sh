#!/bin/sh
# bad_input.sh KEEL - bad files, bad configuration, damaged journals and books: each is refused by name,
# with the exit code of its kind, and leaves what was there as it was.
set -u
keel=$1
bin=$(dirname "$keel")
passed=0 failed=0
work=$(mktemp -d)
clean() {
    "$keel" down --run "$work/up" >/dev/null 2>&1
    rm -rf "$work"
}
trap clean EXIT
export XDG_RUNTIME_DIR="$work"
cd "$work" || exit 1

fail() {
    echo "FAILED $1"
    failed=$((failed + 1))
}

# expect CODE TEXT words...: exit code, and TEXT on stdout or stderr
expect() {
    code=$1 text=$2
    shift 2
    timeout 20 "$@" >out 2>err </dev/null
    got=$?
    if [ "$got" -ne "$code" ]; then
        fail "$*: exit code $got, not $code"; cat err
    elif ! grep -qF -e "$text" out err; then
        fail "$*: no '$text':"; cat out err
    else
        passed=$((passed + 1))
    fi
}

# ---- price files ----
awk 'BEGIN {
    print "date,A,B,C"
    for (i = 0; i < 200; i++)
        printf "2024-01-%02d %02d:00:00,%.4f,%.4f,%.4f\n", 1 + int(i / 24), i % 24,
            100 + 9 * sin(i / 3) + i % 7 / 9, 50 + 4 * cos(i / 5) + i % 5 / 7, 20 + sin(i * i)
}' >good.csv
head -2 good.csv >onerow.csv
head -1 good.csv >headonly.csv
cut -d, -f1 good.csv >onecolumn.csv
tail -n +2 good.csv >nohead.csv
: >empty.csv
sed 's/$/\r/' good.csv >crlf.csv
{ printf '\357\273\277'; cat good.csv; } >bom.csv
awk 'BEGIN { printf "date"; for (i = 0; i < 1000000; i++) printf ",S%d", i; print ""
    printf "2024-01-01"; for (i = 0; i < 1000000; i++) printf ",1"; print "" }' >wide.csv
gzip -c good.csv >good.csv.gz
head -c 1500 good.csv.gz >cut.csv.gz
printf 'date,A\n2024-01-01,1\0\n2024-01-02,1\n' >zero.csv
sed -e '50s/,[^,]*,/,abc,/' -e '60s/$/,9/' -e '70s/.*/junk/' -e '81s/.*/2024-01-01 00:00:00,1,2,3/' \
    -e '90s/,[^,]*,[^,]*,[^,]*$/,-5,nan,inf/' good.csv >bad.csv

for check in "$keel data check" "$bin/keel-backtest inspect"; do
    # shellcheck disable=SC2086
    for case in 'onerow.csv: one row only' 'headonly.csv: no usable rows' \
        'onecolumn.csv:1: one column only' 'nohead.csv:1:1: the first column' 'empty.csv: empty' \
        'wide.csv:1: 1000001 columns; at most 513' 'cut.csv.gz: damaged or cut short' \
        'zero.csv: not text'; do
        expect 3 "$case" $check "${case%%:*}"
    done
    for file in crlf.csv bom.csv good.csv.gz; do
        expect 0 '200 lines, 0 refused' $check $file
    done
    for line in "bad.csv:50:21: 'abc': not a number" 'bad.csv:60:1:' 'bad.csv:70:1:' \
        "bad.csv:81:1: '2024-01-01 00:00:00'" "bad.csv:90:21: '-5': a price must be above 0" \
        "'nan': not a finite number" "'inf': not a finite number"; do
        expect 0 "$line" $check bad.csv
    done
done
for case in 'onerow.csv: one row only' 'onecolumn.csv:1: one column only' 'empty.csv: empty' \
    'wide.csv:1: 1000001 columns' 'cut.csv.gz: damaged or cut short'; do
    expect 3 "$case" "$keel" demo --data "${case%%:*}"
done
[ -z "$(find "$work" -name 'demo-*')" ] || fail 'a refused file leaves a run'

# ---- configuration: file, line, column, key, suggestion; exit code 3, for every program ----
config() { # FILE EXTRA-LINE
    printf 'run: {id: t, dir: %s}\nuniverse:\n  instruments: [{symbol: A}, {symbol: B}, {symbol: C}]\n%s\n' \
        "$work" "$2" >"$1"
}
config key.yaml 'portfolio: {max_drawdwn: 3%}'
config range.yaml 'portfolio: {max_drawdown: 300}'
config twice.yaml 'universe: {bar: 1h}'
config section.yaml 'portfolo: {max_drawdown: 3%}'
printf 'run: [1\n' >syntax.yaml
for name in feed execution ledger correlation optimizer risk strategy-coordinator relay; do
    expect 3 'key.yaml:4:26: "portfolio.max_drawdwn" is not a key; did you mean portfolio.max_drawdown?' \
        "$bin/keel-$name" --config key.yaml
    expect 3 'range.yaml:4:' "$bin/keel-$name" --config range.yaml
    expect 3 'twice.yaml:4:1: "universe" is given twice' "$bin/keel-$name" --config twice.yaml
    expect 3 'section.yaml:4:' "$bin/keel-$name" --config section.yaml
    expect 3 'syntax.yaml:2:1' "$bin/keel-$name" --config syntax.yaml
    expect 3 'nowhere.yaml' "$bin/keel-$name" --config nowhere.yaml
done
for file in key range twice section; do
    expect 3 "$file.yaml:4:" "$keel" demo --config $file.yaml
    expect 3 "$file.yaml:4:" "$keel" up --run "$work/none" --config $file.yaml
done
expect 3 'did you mean portfolio.max_drawdown' "$keel" demo --portfolio.max_drawdwn=3%
expect 3 'is not a whole number' "$keel" demo --feed.rows=abc
expect 3 'did you mean 0.5 or 50%' "$keel" demo --optimizer.weight_max=50

# ---- bounds that cannot be met are named at the start; a singular covariance is not an error ----
expect 6 'the upper bounds of 8 instruments sum to 0.08' "$keel" demo --optimizer.weight_max=0.01
expect 0 'run demo-' "$keel" demo --rows 40 --correlation.rows_min=2
awk -F, -v OFS=, 'NR == 1 { print; next } { print $1, $2, 2 * $2, 3 * $2 }' good.csv >same.csv
expect 0 'run demo-' "$keel" demo --data same.csv
expect 0 '' "$keel" ledger check

# ---- flags win over the environment, and the run's file holds both ----
export KEEL_PORTFOLIO__MAX_DRAWDOWN=3% KEEL_FEED__SEED=9
expect 0 'run demo-' "$keel" demo --rows 20 --portfolio.max_drawdown=10%
unset KEEL_PORTFOLIO__MAX_DRAWDOWN KEEL_FEED__SEED
run=$(find "$work" -maxdepth 2 -name 'demo-*' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2)
expect 0 'max_drawdown: 10%' cat "$run/config.yaml"
expect 0 'seed: 9' cat "$run/config.yaml"

# ---- a damaged journal, and books that belong to others ----
run=$(find "$work" -maxdepth 2 -name 'demo-*' | sort | tail -1)
expect 0 '' "$keel" replay
journal=$(find "$run" -name 'risk.journal')
size=$(wc -c <"$journal")
printf '\377' | dd of="$journal" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect 1 'damaged at byte' "$keel" replay "$journal"
books=$(find "$run" -name books.sqlite)
id=$(basename "$run")
before=$(cksum <"$books")
printf 'run: {id: %s, dir: %s}\nledger: {database: %s}\nuniverse:\n  instruments: [{symbol: X}, {symbol: Y}]\n' \
    "$id" "$work" "$books" >other.yaml
expect 3 'was started with other instruments' "$bin/keel-ledger" --config other.yaml
config gone.yaml "ledger: {database: $work/nofolder/books.sqlite}"
expect 3 'unable to open database file' "$bin/keel-ledger" --config gone.yaml
cp good.csv notabook.sqlite
config text.yaml "ledger: {database: $work/notabook.sqlite}"
expect 3 'file is not a database' "$bin/keel-ledger" --config text.yaml
[ "$before" = "$(cksum <"$books")" ] || fail 'a refused ledger changed the books'

# ---- run directories ----
long=$work/$(printf 'x%.0s' $(seq 80))
expect 1 'at most 60 are allowed' "$keel" up --run "$long"
expect 0 'is up' "$keel" up --run "$work/up"
expect 5 'is in use by process' "$keel" up --run "$work/up"
expect 1 'another keel-risk is at work there' "$bin/keel-risk" --config "$work/up/config.yaml"
expect 0 'RUNNING' "$keel" status --run "$work/up"
expect 0 'is stopped' "$keel" down --run "$work/up"
rm -f "$work/up/feed.pub"
touch "$work/up/feed.pub" # lies where a socket will be
expect 0 'is up' "$keel" up --run "$work/up"
expect 0 'is stopped' "$keel" down --run "$work/up"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
