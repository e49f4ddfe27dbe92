#!/bin/sh
# cli.sh KEEL - usage errors, exit codes and help of the command; nothing runs while it does.
set -u
keel=$1
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR="$work"
unset NO_COLOR

# expect CODE STREAM TEXT words...: exit code, and TEXT on that stream ("-" = look at neither)
expect() {
    code=$1 stream=$2 text=$3
    shift 3
    "$keel" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$got" -ne "$code" ]; then
        echo "FAILED keel $*: exit code $got, not $code"; cat "$work/err"
        failed=$((failed + 1))
    elif [ "$stream" != - ] && ! grep -qF -e "$text" "$work/$stream"; then
        echo "FAILED keel $*: no '$text' on $stream:"; cat "$work/$stream"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}

expect 2 err 'usage: keel VERB'
expect 0 out 'usage: keel VERB' help
expect 0 out 'usage: keel VERB' --help
expect 0 out 'keel ' --version
expect 0 out '"version"' version --json
expect 2 err "did you mean 'keel demo'" dmeo
expect 2 err "did you mean 'keel alloc watch'" alloc wach
expect 2 err 'needs one of: get, watch' alloc
expect 0 out 'keel alloc watch' help alloc
expect 0 out 'keel alloc watch' alloc --help
expect 0 out 'examples:' demo --help
expect 2 err 'did you mean --rows' demo --row 5
expect 2 err 'from 1 to' demo --rows 0
expect 2 err '80%' corr --above 80
expect 2 err 'one word too many' down now
expect 2 err 'usage: keel data check FILE' data check
expect 2 err '--reason' halt
expect 2 err 'not both' halt --reason x --strategy a --asset B
expect 2 err 'cannot be the name of a strategy' resume --reason x --strategy 'a b'
expect 2 err 'cannot be a symbol' halt --reason x --asset 'B,C'
expect 2 err 'needs one of: send, ls, trace' signal
expect 2 err 'needs one of: ls, show' strategy
expect 2 err 'usage: keel signal send STRATEGY SYMBOL' signal send mine BTC-SIM
expect 2 err 'write 80%' signal send mine BTC-SIM long --confidence 80
expect 2 err "did you mean 'long'" signal send mine BTC-SIM lnog
expect 2 err 'above 0' signal send mine BTC-SIM long --stop -5
expect 2 err 'below --entry 100' signal send mine BTC-SIM long --entry 100 --stop 101
expect 2 err 'flat closes a position' signal send mine BTC-SIM flat --stop 9
expect 2 err 'not both' signal ls --accepted --refused
expect 2 err 'usage: keel signal trace ID' signal trace
expect 2 err 'usage: keel strategy show NAME' strategy show
expect 2 err "did you mean --no-strategies" demo --no-strategy
expect 2 err "did you mean 'risk'" health rsk
expect 2 err 'no completion' completion fish
expect 0 out 'complete -F' completion bash
expect 0 out '.TH KEEL 1' man
expect 0 out '"verb"' help --json

expect 2 err 'needs one of: add, ls, revoke' key
expect 2 err 'usage: keel key add NAME' key add --dir "$work/k"
expect 2 err "a service's name" key add risk --dir "$work/k"
expect 2 err 'say --operator' key add operator --dir "$work/k"
expect 0 out "$work/k/operator.secret" key add operator --operator --dir "$work/k"
expect 0 out '"role":"strategy"' key add momentum --dir "$work/k" --json
expect 5 err 'is there already' key add momentum --dir "$work/k"
expect 1 err 'cannot name a key' key add ../evil --dir "$work/k"
expect 0 out 'strategy momentum; requests ping status' key ls --dir "$work/k"
expect 0 out '"rights":"operator"' key ls --dir "$work/k" --json
echo 'requests fly' >"$work/k/momentum.rights"
expect 1 err 'momentum.rights: line 1: there is no request "fly"' key ls --dir "$work/k"
expect 0 out 'has no key any more' key revoke momentum --dir "$work/k"
expect 4 err 'nobody has this key' key revoke momentum --dir "$work/k"
expect 0 out operator key ls --dir "$work/k"
expect 4 err 'no run in' key ls
expect 4 err 'no run in' bus tail
expect 4 err 'no run in' bus bench
expect 2 err 'needs one of: tail, bench' bus
mode=$(stat -c %a "$work/k/operator.secret" "$work/k/door.secret" "$work/k" | tr '\n' ' ')
[ "$mode" = '600 600 700 ' ] && passed=$((passed + 1)) || { echo "FAILED modes $mode"; failed=$((failed + 1)); }

expect 4 err 'no run in' status
expect 4 err 'no run in' alloc get
expect 4 err 'no run in' portfolio show
expect 4 err 'no run in' corr
expect 4 err 'no run in' down
expect 4 err 'no run in' ledger check
expect 4 err 'no run in' replay
expect 4 err 'no run in' halt --reason test
expect 4 err 'no run in' halt --reason test --strategy momentum
expect 4 err 'no run in' signal send mine BTC-SIM long
expect 4 err 'no run in' signal ls
expect 4 err 'no run in' signal trace 1
expect 4 err 'no run in' strategy ls
expect 4 err 'no run in' strategy show momentum
expect 4 err '/nowhere' status --run /nowhere
expect 3 err '/nowhere.yaml' demo --config /nowhere.yaml
expect 3 err 'nofile.csv' data check "$work/nofile.csv"
printf 'run: [1\n' >"$work/bad.yaml"
expect 3 err 'bad.yaml:2:1' demo --config "$work/bad.yaml"

# a run that is not running: found, and said to be so
run=$work/keel-$(id -u)/up-20260102T030405-7f3a
mkdir -p "$run/log"
printf 'run: {id: up-20260102T030405-7f3a}\n' >"$run/config.yaml"
printf 'ts=2026-01-02T03:04:05Z level=info svc=risk event=b\n' >"$run/log/risk.log"
printf 'ts=2026-01-02T03:04:04Z level=warn svc=feed event=a\n' >"$run/log/feed.log"
expect 4 err 'is not running' status
expect 4 err 'is not running' alloc get
expect 4 err 'is not running' down
expect 4 err 'no heartbeat within 200 ms' health risk --inside --deadline 200ms
expect 4 err 'is not running' signal send mine BTC-SIM long
expect 4 err 'is not running' strategy ls
expect 1 err 'has no books' ledger check
expect 1 err 'has no books' signal ls
expect 1 err 'has no books' signal trace 1
expect 1 err 'no journal' replay
expect 1 err 'no log of nobody' logs nobody
expect 0 out 'event=b' logs risk
expect 0 out '"process":"feed"' logs --json
"$keel" logs >"$work/out" 2>/dev/null
if [ "$(head -1 "$work/out" | grep -c event=a)" -eq 1 ]; then
    passed=$((passed + 1))
else
    echo 'FAILED keel logs: not in the order of time'; cat "$work/out"
    failed=$((failed + 1))
fi

# a client's folder: the door of another machine, and no supervisor here
client=$work/keel-$(id -u)/elsewhere
mkdir -p "$client"
printf 'run: {id: c}\nrelay: {out: tcp://127.0.0.1:1, in: tcp://127.0.0.1:1}\n' >"$client/config.yaml"
expect 1 err 'keys/door.public: No such file' status --run elsewhere
expect 1 err 'keys/door.public: No such file' alloc get --run elsewhere

# the completion is a script that bash takes, and it completes
if command -v bash >/dev/null; then
    "$keel" completion bash >"$work/completion"
    words=$(bash -c '. "$1"; COMP_WORDS=(keel alloc wa); COMP_CWORD=2; _keel
        echo "${COMPREPLY[*]}"' bash "$work/completion" 2>&1)
    if [ "$words" = watch ]; then
        passed=$((passed + 1))
    else
        echo "FAILED completion of 'alloc wa': '$words'"
        failed=$((failed + 1))
    fi
fi

# nothing but text on pipes
if "$keel" help | grep -q "$(printf '\033')"; then
    echo 'FAILED an escape on a pipe'
    failed=$((failed + 1))
else
    passed=$((passed + 1))
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
