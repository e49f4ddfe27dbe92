#!/bin/sh
# test_cluster.sh KEEL SOURCE - docker-compose.yml really started: image, keys, health, the published door;
# signals from outside while processes and containers are killed: what was acknowledged is decided, once; the
# cluster taken down and up again over its volumes: books and decisions are as they were.
#
# Where no docker engine or no compose answers it says so and exits 77. The image's layers stay as the
# engine's cache (keel-builder:cache and the base image); everything else it makes bears its own name and goes.
set -u
keel=$1
source=$2
project=keeltest$$
work=$(mktemp -d)
began=$(date +%s)
passed=0 failed=0
services='relay feed correlation optimizer risk strategy-coordinator execution ledger'
everyone="log cache $services strategy-momentum"
export COMPOSE_PROJECT_NAME="$project" KEEL_IMAGE="keel-test:$$"

say() { printf '[%3d s] %s\n' $(($(date +%s) - began)) "$*"; }
skip() { echo "skipped: $*"; rm -rf "$work"; exit 77; }

if docker compose version >/dev/null 2>&1; then
    compose() { docker compose -f "$source/docker-compose.yml" "$@"; }
else
    compose() { docker-compose -f "$source/docker-compose.yml" "$@"; }
fi

clean() {
    : >"$work/enough"
    wait
    compose down -v -t 5 >/dev/null 2>&1
    docker image rm "$KEEL_IMAGE" >/dev/null 2>&1
    rm -rf "$work"
}

# expect WHAT command...: it must succeed; what it printed shows when it does not.
expect() {
    what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        say "ok      $what"
        passed=$((passed + 1))
    else
        say "FAILED  $what"
        tail -15 "$work/out"
        failed=$((failed + 1))
    fi
}

finish() {
    [ "$failed" -eq 0 ] || compose logs --no-color --tail 8 2>&1 | cut -c1-200
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit $?
}

# within SECONDS command...: repeated until it succeeds.
within() {
    end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 1
    done
}

free_ports() {
    python3 -c 'import socket
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(x.getsockname()[1] for x in s))'
}

# A base image that is there, one made from this machine's apt, or what a registry gives.
find_base() {
    export KEEL_BASE="${KEEL_BASE:-debian:12-slim}"
    docker image inspect "$KEEL_BASE" >/dev/null 2>&1 && return 0
    made=$("$source/deploy/docker/base-image") && KEEL_BASE=$made && return 0
    docker pull -q "$KEEL_BASE" || skip "no Debian 12 base image can be had: $KEEL_BASE"
}

# The stage that compiles is kept under one name; the one it takes the place of is removed by its id.
build_image() {
    old=$(docker image inspect -f '{{.Id}}' keel-builder:cache 2>/dev/null)
    docker build -q --build-arg "BASE=$KEEL_BASE" --target build -t keel-builder:cache \
        -f "$source/deploy/docker/Dockerfile" "$source" || return 1
    new=$(docker image inspect -f '{{.Id}}' keel-builder:cache)
    [ -z "$old" ] || [ "$old" = "$new" ] || docker image rm "$old" || true
    compose build log
}

# The engine is asked directly, as compose takes its time to start.
container() {
    docker ps -aq --filter "label=com.docker.compose.project=$project" \
        --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False
}
inspect() { docker inspect -f "$2" "$(container "$1")"; }
within_container() { # NAME command...
    id=$(container "$1")
    shift
    docker exec "$id" "$@"
}

all_healthy() {
    for name in log cache $services; do
        state=$(inspect "$name" '{{.State.Health.Status}}' 2>&1)
        [ "$state" = healthy ] || { echo "$name: $state"; return 1; }
    done
}

# What the compose file promises about a container, as the engine has it.
promises='{{with .HostConfig}}{{.ReadonlyRootfs}} {{.CapDrop}} {{.SecurityOpt}} {{.Privileged}} memory {{gt .Memory 0}}{{end}}'
published='{{range .HostConfig.PortBindings}}{{range .}}{{.HostIp}} {{end}}{{end}}'
is_confined() {
    got="$(inspect "$1" "$promises") pids $(inspect "$1" '{{.HostConfig.PidsLimit}}')"
    [ "$got" = 'true [ALL] [no-new-privileges:true] false memory true pids 64' ] || { echo "$1: $got"; return 1; }
    user=$(within_container "$1" id -u)
    [ "$user" = 10001 ] || { echo "$1: user $user"; return 1; }
    ports=$(inspect "$1" "$published")
    case $1 in relay) want='127.0.0.1 127.0.0.1 ' ;; *) want='' ;; esac
    [ "$ports" = "$want" ] || { echo "$1: published on '$ports'"; return 1; }
}

all_confined() {
    for name in $everyone; do
        is_confined "$name" || return 1
    done
}

keys=/run/keel-10001/cluster/keys

# Who has no key cannot lose it: the operator's is with the relay, a strategy's with its program.
keys_are_where_they_belong() {
    for name in $services; do
        within_container "$name" test -e "$keys/operator.secret"
        case $name:$? in relay:0) ;; relay:* | *:0) echo "$name"; return 1 ;; esac
    done
    got=$(within_container strategy-momentum ls "$keys" | tr '\n' ' ')
    [ "$got" = 'door.public momentum.secret ' ] || { echo "strategy-momentum: $got"; return 1; }
    got=$(within_container relay ls "$keys" | grep -c 'secret$')
    [ "$got" -eq 2 ] || { echo "relay: $got secrets"; return 1; }
    for name in relay strategy-momentum; do
        ! within_container "$name" touch "$keys/x" 2>/dev/null || { echo "$name: may write"; return 1; }
    done
}

# For a strategy that the compose file does not know: its secret is handed over, once, and not kept.
key_is_made_once() {
    "$source/deploy/compose/client" --strategy desk "$work/desk" || return 1
    [ -e "$work/desk/keys/desk.secret" ] || return 1
    within_container relay test -e "$keys/desk.public" || return 1
    ! within_container relay test -e "$keys/desk.secret" || return 1
    ! "$source/deploy/compose/client" --strategy desk "$work/desk2" || return 1
}

says() { docker logs "$(container "$1")" 2>&1 | grep -q "$2"; }

# ---- from outside, through the published door ----

outside() { "$keel" "$@" --run "$work/client"; }

all_running() {
    outside status --json >"$work/status" 2>&1 || { cat "$work/status"; return 1; }
    [ "$(grep -c '"state":"RUNNING"' "$work/status")" -eq 8 ] || { cat "$work/status"; return 1; }
}

# The last step that the ledger has closed.
step_now() {
    outside portfolio show --json 2>/dev/null |
        sed -n '/"topic":"v1.portfolio/ s/.*"step":\([0-9]*\).*/\1/p' | tail -1
}

has_passed_step() {
    step=$(step_now)
    [ -n "$step" ] && [ "$step" -gt "$1" ]
}

has_allocation() {
    outside alloc get --json >"$work/alloc" 2>&1 || return 1
    grep -q '"topic":"v1.alloc.approved.main.' "$work/alloc"
}

# A key that the door does not know: exit code 5, and a reason.
stranger_is_refused() {
    mkdir -p "$work/stranger"
    printf 'run: {id: x, dir: "%s"}\nuniverse: {instruments: [{symbol: A}, {symbol: B}]}\n' \
        "$work/stranger" >"$work/stranger.yaml"
    "$(dirname "$keel")/keel-relay" --config "$work/stranger.yaml" --make-keys || return 1
    cp "$work/client/config.yaml" "$work/stranger/"
    cp "$work/client/keys/door.public" "$work/stranger/keys/"
    "$keel" status --run "$work/stranger" >"$work/stranger.out" 2>&1
    code=$?
    cat "$work/stranger.out"
    [ "$code" -eq 5 ] && grep -q 'does not accept this key' "$work/stranger.out"
}

operator_enters() {
    outside halt --reason 'test of the cluster' --deadline 10s || return 1
    outside portfolio show >"$work/halted" 2>&1
    grep -qi 'halted' "$work/halted" || { cat "$work/halted"; return 1; }
    outside resume --reason 'test of the cluster' --deadline 10s
}

# The program of docs/strategies.md, as somebody else builds it: against the installed library alone.
program_is_built() {
    cmake --install "$(dirname "$(dirname "$keel")")" --prefix "$work/prefix" --component client || return 1
    pc=$(find "$work/prefix" -name keel.pc)
    lib=$(dirname "$(dirname "$pc")")
    flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags --libs keel) || return 1
    # shellcheck disable=SC2086 # words are wanted
    cc -std=c11 -o "$work/first_signal" "$source/common/client/examples/first_signal.c" $flags \
        "-Wl,-rpath,$lib"
}

# With the key of its strategy and nothing else; it follows allocations until it is stopped.
program_is_served() {
    "$source/deploy/compose/client" --strategy breakout "$work/breakout" || return 1
    [ ! -e "$work/breakout/keys/operator.secret" ] || return 1
    timeout 5 stdbuf -oL "$work/first_signal" "$work/breakout" breakout "$1" >"$work/first" 2>&1
    cat "$work/first"
    grep -q '^ACCEPTED: ' "$work/first" && grep -q '^core asset 0: ' "$work/first"
}

# In use: what a key was given for ends with it, without a restart.
key_is_revoked() {
    compose run --rm -T keys keel key revoke breakout || return 1
    sleep 1
    "$work/first_signal" "$work/breakout" breakout EUR-SIM >"$work/revoked" 2>&1
    cat "$work/revoked"
    grep -q 'does not accept this key' "$work/revoked"
}

signal_by_hand() {
    outside signal send meanreversion "$1" long --id by-hand --wait || return 1
    within 10 is_counted || { cat "$work/strategy"; return 1; }
}
is_counted() { # the report of a step comes with its end
    outside strategy show meanreversion --json >"$work/strategy" && grep -q '"ACCEPTED":1' "$work/strategy"
}

# One signal after the other, each by a client of its own, until it is enough; what was acknowledged is kept.
keep_signalling() {
    n=0
    while [ ! -e "$work/enough" ]; do
        n=$((n + 1))
        set -- ETH-SIM long ETH-SIM flat SOL-SIM long SOL-SIM flat
        shift $((n % 4 * 2))
        outside signal send meanreversion "$1" "$2" --id "s-$n" --json --timeout 10s >>"$work/sent" 2>/dev/null
        echo "$n" >"$work/tried"
        sleep 0.2
    done
}

acknowledged() { sed -n '/"received":true/ s/.*"signal_id":"\([^"]*\)".*/\1/p' "$work/sent" | sort; }

# Signals went on arriving after the last death.
signals_go_on() {
    acked=$(acknowledged | wc -l)
    within 30 has_acknowledged $((acked + 3)) || { tail -3 "$work/sent"; return 1; }
}
has_acknowledged() { [ "$(acknowledged | wc -l)" -ge "$1" ]; }

decisions_of() { within_container ledger keel signal ls --strategy "$1" --limit 100000 --json; }

# Each in the books exactly once: the books have a step's decisions one step later.
acknowledged_are_decided() {
    decisions_of meanreversion | sed -n 's/.*"signal_id":"\(s-[^"]*\)".*/\1/p' | sort >"$work/decided"
    acknowledged >"$work/acked"
    [ -s "$work/acked" ] && [ -z "$(comm -23 "$work/acked" "$work/decided")" ] &&
        [ -z "$(uniq -d "$work/decided")" ]
}

nothing_acknowledged_is_lost() {
    : >"$work/enough"
    wait
    within 30 acknowledged_are_decided || {
        echo "acknowledged, not decided: $(comm -23 "$work/acked" "$work/decided" | tr '\n' ' ')"
        echo "decided twice: $(uniq -d "$work/decided" | tr '\n' ' ')"
        return 1
    }
    counts=$(counts_of meanreversion)
    echo "counts: $counts"
    [ "${counts#* }" = "${counts% *}" ]
}

# "RECEIVED DECIDED" as the coordinator tells them.
counts_of() {
    outside strategy show "$1" --json | sed -n 's/.*"received":\([0-9]*\),"decided":\([0-9]*\).*/\1 \2/p'
}

# ---- inside ----

settings_are_refused_by_name() {
    compose run --rm -T --no-deps risk keel-risk --config config.yaml --check-config "$1" >"$work/refused" 2>&1
    code=$?
    cat "$work/refused"
    [ "$code" -eq 3 ] && grep -qF -e "$2" "$work/refused"
}

settings_are_taken() {
    compose run --rm -T --no-deps risk sh -c "for name in $services; do
        keel-\$name --config config.yaml --check-config || exit 1
    done"
}

books_agree() {
    within_container ledger keel ledger check >"$work/check" 2>&1
    code=$?
    cat "$work/check"
    [ "$code" -eq 0 ]
}

fills_now() { books_agree | sed -n 's/.*books agree: \([0-9]*\) fills.*/\1/p'; }

# SIGKILL to the process in the container: the engine starts it again by itself.
process_dies() {
    before=$(inspect "$1" '{{.RestartCount}}')
    within_container "$1" sh -c "kill -9 \$(pidof $2)"
    within 30 restarted_since "$1" "$before"
}
restarted_since() { [ "$(inspect "$1" '{{.RestartCount}}')" -gt "$2" ]; }

recovers() {
    at=$(step_now)
    within 60 all_healthy >"$work/health" || { cat "$work/health"; return 1; }
    within 60 all_running >"$work/running" || { cat "$work/running"; return 1; }
    within 30 has_passed_step $((${at:-0} + 2)) || { echo "no step after $at"; return 1; }
}

# An operator's kill is not undone by the engine; `up` brings the container back.
container_is_killed() {
    docker kill "$(container "$1")" && compose up -d
}

stops_cleanly() {
    compose stop || return 1
    for name in $everyone; do
        code=$(inspect "$name" '{{.State.ExitCode}}')
        [ "$code" = 0 ] || { echo "$name: exit code $code"; return 1; }
    done
}

goes_down_and_up() {
    compose down || return 1
    [ -z "$(docker ps -aq --filter "label=com.docker.compose.project=$project")" ] || return 1
    compose up -d
}

# Decisions of before are there, byte for byte; counts have not gone back.
decisions_are_as_they_were() {
    for name in meanreversion breakout; do
        decisions_of "$name" >"$work/$name.after" || return 1
        head -n "$(wc -l <"$work/$name.before")" "$work/$name.after" | cmp - "$work/$name.before" || return 1
        [ "$(counts_of "$name")" = "$(cat "$work/$name.counts")" ] || { counts_of "$name"; return 1; }
    done
}

# Nothing of what was booked before is gone: the step and the fills have not gone back.
books_went_on() {
    within 60 has_passed_step "$1" || { echo "no step after $1"; return 1; }
    fills=$(fills_now)
    echo "step $step after $1, fills $fills after $2"
    [ "${fills:-0}" -ge "$2" ]
}

docker info >/dev/null 2>&1 || skip 'no docker engine answers'
compose version >/dev/null 2>&1 || skip 'neither docker compose nor docker-compose is here'
command -v python3 >/dev/null || skip 'no python3 to find free ports with'
trap clean EXIT
trap 'exit 1' INT TERM
ports=$(free_ports)
export KEEL_DOOR_OUT="${ports% *}" KEEL_DOOR_IN="${ports#* }"

say "project $project, door on 127.0.0.1:$KEEL_DOOR_OUT and $KEEL_DOOR_IN"
find_base
say "building from $KEEL_BASE"
expect 'the image is built' build_image
[ "$failed" -eq 0 ] || finish
expect 'one command makes keys and a client' "$source/deploy/compose/client" "$work/client"
expect 'the settings are taken by every service' settings_are_taken
expect 'a bad address is refused by name' settings_are_refused_by_name --run.log=tcp://log \
    '--run.log: run.log: "tcp://log": it is tcp://host:port'
expect 'the cluster starts' compose up -d
expect 'all containers are healthy' within 90 all_healthy
expect 'all services are RUNNING, seen from outside' within 30 all_running
expect 'a strategy starts in a container of its own' compose up -d strategy-momentum
expect 'it is served through the door' within 30 says strategy-momentum joined
expect 'containers are confined, one door is published' all_confined
expect 'keys are where they belong, read-only' keys_are_where_they_belong
expect 'a key for another program is made, once' key_is_made_once
expect 'a stranger is refused' stranger_is_refused
expect 'a program is built with the installed library' program_is_built
expect 'an approved allocation is read from outside' within 60 has_allocation
expect 'an operator halts and resumes from outside' operator_enters
expect 'the program: its signal accepted, allocation read' program_is_served EUR-SIM
expect 'its key is taken away while the relay runs' key_is_revoked
expect 'a signal by hand is accepted and counted' signal_by_hand EUR-SIM
keep_signalling &
expect 'the process of risk dies and is started again' process_dies risk keel-risk
expect 'risk recovers' recovers
expect 'the container of the coordinator is killed, and started' container_is_killed strategy-coordinator
expect 'the coordinator recovers' recovers
expect 'the container of the log is killed, and started' container_is_killed log
expect 'everyone recovers' recovers
expect 'the container of the ledger is killed, and started' container_is_killed ledger
expect 'the ledger recovers' recovers
expect 'signals go on' signals_go_on
expect 'every acknowledged signal is decided, once' nothing_acknowledged_is_lost
say "$(cat "$work/tried") signals sent, $(wc -l <"$work/acked") acknowledged, $(wc -l <"$work/decided") decided"
expect 'books agree' books_agree
for name in meanreversion breakout; do
    decisions_of "$name" >"$work/$name.before"
    counts_of "$name" >"$work/$name.counts"
done
step_before=$(step_now)
fills_before=$(fills_now)
say "step ${step_before:-unknown}, ${fills_before:-unknown} fills"
expect 'everything stops cleanly' stops_cleanly
expect 'the cluster goes down and up again' goes_down_and_up
expect 'all containers are healthy again' within 90 all_healthy
expect 'all services are RUNNING again' within 60 all_running
expect 'the books went on where they were' books_went_on "${step_before:-0}" "${fills_before:-1}"
expect 'decisions and counts are as they were' decisions_are_as_they_were
expect 'books agree over both' books_agree
finish
