#!/bin/sh
# optimize.sh KEEL - `keel optimize` and `keel frontier` as people and scripts run them: files, streams, tables, exit codes.
set -u
keel=$1
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR="$work"

# expect CODE STREAM TEXT words...: exit code of $verb, and TEXT on that stream; input is $work/in
: >"$work/in"
verb=optimize
expect() {
    code=$1 stream=$2 text=$3
    shift 3
    "$keel" "$verb" "$@" >"$work/out" 2>"$work/err" <"$work/in"
    got=$?
    if [ "$got" -ne "$code" ]; then
        echo "FAILED keel $verb $*: exit code $got, not $code"; cat "$work/err"
        failed=$((failed + 1))
    elif ! grep -qF -e "$text" "$work/$stream"; then
        echo "FAILED keel $verb $*: no '$text' on $stream:"; cat "$work/$stream"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}

check() { # WHAT, then a command that must succeed
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "FAILED $what"
        failed=$((failed + 1))
    fi
}

# usage
expect 2 err 'nothing to solve'
expect 2 err 'did you mean --returns' --retruns x
expect 2 err 'give one of' --stream --problem x
expect 2 err 'goes with --returns' --problem x --hi 1
expect 2 err 'a number such as' --returns x --hi much
expect 2 err 'from 2 to' --returns x --window 1
expect 2 err 'one word too many' prices.csv
expect 0 out 'usage: keel optimize' --help

# a problem
cat >"$work/p.json" <<'END'
{"id": "p", "assets": ["A", "B"], "method": "min_variance", "covariance": [[0.04, 0.01], [0.01, 0.09]]}
END
expect 0 out 'OPTIMAL' --problem "$work/p.json"
expect 0 out '72.73%' --problem "$work/p.json"
expect 0 out '"outcome":"solved"' --problem "$work/p.json" --json
expect 0 out '"why":' --problem "$work/p.json" --json --explain
expect 0 out 'what holds it' --problem "$work/p.json" --explain
cp "$work/p.json" "$work/in"
expect 0 out 'volatility' --problem -
gzip -c "$work/p.json" >"$work/p.json.gz"
expect 0 out 'volatility' --problem "$work/p.json.gz"

# no answer, and bad input
printf '{"assets": ["A", "B"], "method": "min_variance", "covariance": [[1, 0], [0, 1]], "upper": 0.4}' >"$work/in"
expect 6 err 'infeasible: these cannot hold together: budget, upper:A, upper:B' --problem -
expect 6 out '"names":["budget","upper:A","upper:B"]' --problem - --json
printf '{"assets": ["A", "B"], "method": "min_variance", "covariance": [[1, 2], [2, 1]]}' >"$work/in"
expect 6 err 'not_convex' --problem -
printf '{"assets": ["A", "B"], "method": "min_variance", "covariance": [[1, 0.1], [0.2, 1]]}' >"$work/in"
expect 3 err 'covariance[1][0]: not symmetric: 0.2, and 0.1 at [0][1]' --problem -
expect 3 out '"outcome":"invalid"' --problem - --json
printf '{"assets": ["A"], "method": "min_variance", "covariance": [[NaN]]}' >"$work/in"
expect 3 err 'covariance[0][0]: ' --problem -
: >"$work/in"
expect 3 err 'not JSON' --problem -
expect 3 err '/nowhere.json: cannot be opened' --problem /nowhere.json

# a stream: an answer for each line
{ cat "$work/p.json"; echo nonsense; echo; printf '%s' "$(cat "$work/p.json")"; } >"$work/in"
expect 0 out '"line":2,"outcome":"invalid"' --stream
check 'four answers to four lines' [ "$(wc -l <"$work/out")" -eq 4 ]
check 'two are solved' [ "$(grep -c '"outcome":"solved"' "$work/out")" -eq 2 ]

# each answer is there before the next line is asked for
mkfifo "$work/ask" "$work/said"
"$keel" optimize --stream <"$work/ask" >"$work/said" &
exec 3>"$work/ask" 4<"$work/said"
for i in 1 2 3; do
    cat "$work/p.json" >&3
    read -r line <&4
    case $line in *'"outcome":"solved"'*) passed=$((passed + 1)) ;; *) echo "FAILED turn $i: $line"; failed=$((failed + 1)) ;; esac
done
exec 3>&- 4<&-
wait $!
check 'a stream ends with 0' [ $? -eq 0 ]

# a reader that goes away ends it, and nothing is said twice
yes "$(cat "$work/p.json")" | "$keel" optimize --stream 2>"$work/err" | head -2 >"$work/out"
check 'two answers to a reader of two' [ "$(wc -l <"$work/out")" -eq 2 ]
"$keel" optimize --problem "$work/p.json" >/dev/full 2>"$work/err"
check 'a full disk is exit code 1' [ $? -eq 1 ]

# files of prices
awk 'BEGIN {
    print "date,BTC,ETH,UNI"
    for (t = 0; t < 28; t++) {
        printf "2026-02-%02d,%.4f,", t + 1, 100 + 3 * sin(t) + t / 4
        if (t == 9) printf ","; else printf "%.4f,", 50 + 2 * cos(1.7 * t) + t / 8
        printf "%.4f\n", 20 + sin(2.3 * t) + t / 40
    }
}' >"$work/prices.csv"
printf 'UNI,DeFi\nBTC,Base\nETH,Base\n' >"$work/groups.csv"
printf 'asset,weight\nBTC,0.5\nETH,0.5\n' >"$work/held.csv"
gzip -c "$work/prices.csv" >"$work/prices.csv.gz"
expect 0 out 'left out for missing values: 1' --prices "$work/prices.csv"
expect 0 out 'a year' --prices "$work/prices.csv.gz" --window 20
expect 0 err 'rows left out for missing values: 1' --prices "$work/prices.csv" --json
expect 0 out 'DeFi >= 0.2' --prices "$work/prices.csv" --group "$work/groups.csv" \
    --constraint 'DeFi >= 20%' 'BTC >= 5%' --explain
expect 0 out '"UNI":' --prices "$work/prices.csv" --json --group "$work/groups.csv" \
    -m max_sharpe --hi 60%
expect 0 out 'turnover_max' --prices "$work/prices.csv" --current "$work/held.csv" --cost 10 \
    --turnover-max 10% --method mean_variance --risk-aversion 2
expect 0 out 'FEASIBLE' --prices "$work/prices.csv" --method equal_weight --constraint 'BTC <= 20%'
expect 6 err 'target_return' --prices "$work/prices.csv" --method target_return --target-return 90%
expect 3 err 'no asset or group' --prices "$work/prices.csv" --constraint 'XRP <= 1'
expect 3 err "did you mean 'min_variance'" --prices "$work/prices.csv" --method min_varance
expect 3 err "did you mean 'sample'" --prices "$work/prices.csv" --cov smaple
expect 3 err 'target_risk: ' --prices "$work/prices.csv" --target-risk 1%
printf 'asset,weight\nBTC,x\n' >"$work/bad_held.csv"
expect 3 err "bad_held.csv:2: 'x' is not a number" --prices "$work/prices.csv" \
    --current "$work/bad_held.csv"
sed 's/^2026-02-05,[^,]*/2026-02-05,x/' "$work/prices.csv" >"$work/bad.csv"
expect 3 err "bad.csv:6: BTC: 'x' is not a number" --prices "$work/bad.csv"
expect 3 err 'cannot be opened' --prices /nowhere.csv

# frontiers
verb=frontier
expect 0 out 'usage: keel frontier' --help
expect 2 err 'nothing to solve'
expect 2 err 'has no --stream' --stream
expect 2 err '1000' --prices "$work/prices.csv" --points 1001
expect 2 err '--method chooses' --prices "$work/prices.csv" --cost 10
expect 0 out 'a year' --prices "$work/prices.csv" --plot "$work/f.svg" --current "$work/held.csv" \
    --group "$work/groups.csv" --constraint 'DeFi <= 50%' --hi 60%
expect 0 out 'UNI enters' --prices "$work/prices.csv"
expect 0 out 'chosen by max_sharpe' --prices "$work/prices.csv" -m max_sharpe --points 3
expect 0 out 'chosen by target_return: infeasible' --prices "$work/prices.csv" -m target_return \
    --target-return 90%
expect 0 out '"outcome":"whole"' --prices "$work/prices.csv" --json
check 'a plot ends' [ "$(tail -n 1 "$work/f.svg")" = '</svg>' ]
cp "$work/f.svg" "$work/before.svg"
expect 1 err '/nowhere/f.svg: the plot cannot be written' --prices "$work/prices.csv" --plot /nowhere/f.svg
expect 1 err '/dev/full: the plot cannot be written: not a file' --prices "$work/prices.csv" --plot /dev/full
expect 6 err 'infeasible: these cannot hold together: budget, upper:BTC' --prices "$work/prices.csv" \
    --hi 20% --plot "$work/f.svg"
check 'a plot stays when there is none' cmp -s "$work/f.svg" "$work/before.svg"
expect 6 out '"names":["budget","upper:BTC","upper:ETH","upper:UNI"]' --prices "$work/prices.csv" \
    --hi 20% --json
expect 3 err 'mean: missing' --problem "$work/p.json"
expect 3 err 'cannot be opened' --prices /nowhere.csv
expect 3 err 'target_risk: ' --prices "$work/prices.csv" --target-risk 1%
"$keel" frontier --prices "$work/prices.csv" >/dev/full 2>"$work/err"
check 'a full disk is exit code 1' [ $? -eq 1 ]

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
