#!/usr/bin/env bash
# Measures a release build against the thresholds of docs/PERFORMANCE.md, in two minutes (loadtest/performance.sh measures all
# that the goals are about). Each scenario gets a gateway of its own, so that
# none sees what another left behind; embedded, for Redis would be measured otherwise.
# usage: loadtest/bench.sh (after `cargo build --release --workspace`)
set -euo pipefail
cd "$(dirname "$0")/.."

BIN=${BIN:-target/release}
# Each connection is a descriptor of the server.
ulimit -n "$(ulimit -H -n)"
CONNECTIONS=${CONNECTIONS:-15000}
work=$(mktemp -d)
# shellcheck source=loadtest/pods.sh
source loadtest/pods.sh

trap 'stop_all; rm -rf "$work"' EXIT

failed=()

# scenario NAME ARGS…: runs one scenario of the load tool against a fresh gateway. With --pin the gateway has one core,
# and must know it from the start, as it does in a container: it runs as many workers as it has cores.
scenario() {
    local title=$1
    shift
    echo "== $title"
    [[ " $* " != *" --pin "* ]] || via=(taskset --cpu-list 0)
    start_pod
    "$BIN/loadtest" "$@" "${target[@]}" || failed+=("$title")
    stop_all
}

scenario "idle: memory of a joined connection" \
    idle --connections "$CONNECTIONS" --max-rss-per-connection 1.65KiB
scenario "fan-out to 1000: 20 messages a second, and 4 in flight, beside a bare write loop" \
    fanout --subscribers 1000 --rate 20 --in-flight 4 --with-floor --pin --max-ratio 1.15 --min-coalescing-gain 2.5
scenario "echo: heartbeats and their replies, one on its way on each of 100 connections, beside a bare server" \
    echo --connections 100 --in-flight 1 --via heartbeat --with-floor --pin --duration 5s
scenario "presence: 1000 clients join a topic at once and see each other" \
    presence --rounds 5 --join-payload '{"user_id":"user-{n}"}' --max-seconds 1 --max-cpu-seconds 0.25

if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "all scenarios within their thresholds"
