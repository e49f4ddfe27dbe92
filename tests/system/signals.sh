#!/bin/sh
# signals.sh KEEL - a live run, signals by hand, what is said about them, and what the books keep.
set -u
keel=$1
passed=0 failed=0
work=$(mktemp -d /tmp/ks-XXXXXX)
export XDG_RUNTIME_DIR="$work"
export NO_COLOR=1
trap '"$keel" down >/dev/null 2>&1; rm -rf "$work"' EXIT

# expect CODE STREAM TEXT words...: exit code, and TEXT on that stream
expect() {
    code=$1 stream=$2 text=$3
    shift 3
    timeout 30 "$keel" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$got" -ne "$code" ] || ! grep -qF -e "$text" "$work/$stream"; then
        echo "FAILED keel $*: exit code $got (not $code?) or no '$text' on $stream:"
        cat "$work/out" "$work/err"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}

expect 0 out 'is up in' up --new --run.pace=50ms --strategies.mine.active=true \
    --strategies.off.active=false --capital.core=0.8 --capital.mine=0.2
expect 0 out 'mine      ACTIVE' strategy ls
expect 2 err "did you mean 'mine'" strategy show mien
# the first allocation needs its rows; until then a signal may be told to wait
sleep 2

expect 0 out 'sets the size' signal send mine BTC-SIM long --stop 1 --id s-1 --wait
expect 5 out 'duplicate' signal send mine BTC-SIM long --id s-1 --wait
expect 5 out 'unknown symbol' signal send mine NOPE long --id s-2 --wait
expect 5 out 'stop wrong side' signal send mine ETH-SIM long --stop 1000000 --id s-3 --wait
expect 5 err 'nobody' signal send nobody BTC-SIM long --timeout 2s
expect 5 err 'off is not active' signal send off BTC-SIM long --id s-4 --wait
expect 0 out '"received":true' signal send mine ETH-SIM long --id s-5 --json

expect 0 out 'strategy mine halted' halt --strategy mine --reason 'a test'
expect 0 out 'HALTED: operator halt' strategy show mine
expect 5 out 'not trading' signal send mine SOL-SIM long --id s-6 --wait
expect 0 out 'strategy mine resumed' resume --strategy mine --reason 'a test'
expect 0 out 'flat needs no size' signal send mine BTC-SIM flat --id s-7 --wait
sleep 1
expect 0 out '"dispositions":{' strategy show mine --json
expect 0 out 'BTC-SIM' strategy show mine
expect 0 out 'run ' down

expect 0 out 's-6' signal ls --refused
expect 0 out '"signal_id":"s-7"' signal ls --json --accepted --strategy mine
expect 0 out 'P&L after fees' signal trace s-1
expect 0 out 'sent again' signal trace s-1
expect 0 out '"closed_version"' signal trace s-1 --json
expect 1 err "no decision about a signal 'never'" signal trace never
expect 0 out 'books agree' ledger check

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
