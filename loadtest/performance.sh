#!/usr/bin/env bash
# Measures every row of the table in docs/PERFORMANCE.md, one after the other: each against a fresh gateway (or two on a Redis of
# their own) and, in turn on the same core, against a floor, the least a server can do. Prints the table, writes it with a page for
# each run into OUT, and fails when a goal of loadtest/goals.json is missed. Takes about six minutes.
# usage: loadtest/performance.sh [RUN…] (after `cargo build --release --workspace`); with names only those runs are taken again,
# and the table is made with what the others have left in OUT.
set -euo pipefail
cd "$(dirname "$0")/.."

BIN=${BIN:-target/release}
OUT=${OUT:-target/performance}
CONNECTIONS=${CONNECTIONS:-15000}
ulimit -n "$(ulimit -H -n)"
mkdir -p "$OUT"
work=$(mktemp -d)
# shellcheck source=loadtest/pods.sh
source loadtest/pods.sh

trap 'stop_all; rm -rf "$work"' EXIT

users='{"user_id":"user-{n}"}'
runs=("$@")

# wanted NAME: whether a run is to be taken; what an earlier one has left goes.
wanted() {
    ((${#runs[@]} == 0)) || [[ " ${runs[*]} " == *" $1 "* ]] || return 1
    rm -f "$OUT/$1.json" "$OUT/$1.html"
    echo "== $1" >&2
}

# measure NAME SCENARIO ARGS…: one run. The table knows what its checks said.
measure() {
    local name=$1
    shift
    "$BIN/loadtest" "$@" "${target[@]}" --json "$OUT/$name.json" --html "$OUT/$name.html" >"$work/report" || cat "$work/report" >&2
    stop_all
}

# What is compared with a floor runs on one core, with one worker, and the tool on the other core.
one_core() {
    via=(taskset --cpu-list 0)
}

# A Redis and two pods.
two_pods() {
    start_redis
    target=(--redis-pid "$redis")
    start_pod
    start_pod
}

if wanted idle; then
    start_pod
    measure idle idle --connections "$CONNECTIONS"
fi
if wanted idle-floor; then
    start_floor
    measure idle-floor idle --connections "$CONNECTIONS"
fi
if wanted fanout; then
    one_core
    start_pod
    measure fanout fanout --subscribers 1000 --rate 20 --in-flight 4 --with-floor --pin --duration 8s
fi
if wanted echo; then
    one_core
    start_pod
    measure echo echo --connections 100 --in-flight 1 --via heartbeat --with-floor --pin --duration 5s
fi
if wanted storm; then
    one_core
    start_pod
    measure storm storm --connections 4000 --in-flight 100 --rounds 3 --with-floor --pin
fi
if wanted presence; then
    start_pod
    measure presence presence --clients 1000 --rounds 5 --join-payload "$users"
fi
if wanted presence-floor; then
    start_floor --presence
    measure presence-floor presence --clients 1000 --rounds 5 --join-payload "$users"
fi
if wanted pods; then
    # Connections take turns: the only subscriber is on the first pod, the publisher on the second.
    one_core
    two_pods
    measure pods fanout --subscribers 1 --rate 2000 --in-flight 8 --duration 5s
fi
if wanted ghosts; then
    two_pods
    measure ghosts presence --clients 200 --join-payload "$users" --hold 1s --kill-pid "${pods[0]}" --patience 60s
fi
if wanted ghosts-soon; then
    GATEWAY_PRESENCE__HEARTBEAT=4s GATEWAY_PRESENCE__LEASE=10s two_pods
    measure ghosts-soon presence --clients 200 --join-payload "$users" --hold 1s --kill-pid "${pods[0]}" --patience 60s
fi

status=0
"$BIN/loadtest" table loadtest/goals.json "$OUT" --json "$OUT/table.json" --html "$OUT/index.html" >"$OUT/table.md" || status=$?
cat "$OUT/table.md"
echo "the page: $OUT/index.html" >&2
exit "$status"
