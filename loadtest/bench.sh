#!/usr/bin/env bash
# Measures a release build against the thresholds of docs/PERFORMANCE.md. Each scenario gets a gateway of its own, so that
# none sees what another left behind; embedded, for Redis would be measured otherwise.
# usage: loadtest/bench.sh (after `cargo build --release --workspace`)
set -euo pipefail
cd "$(dirname "$0")/.."

BIN=${BIN:-target/release}
# Each connection is a descriptor of the server.
ulimit -n "$(ulimit -H -n)"
CONNECTIONS=${CONNECTIONS:-15000}
work=$(mktemp -d)
gateway=

stop_gateway() {
    [[ -n $gateway ]] || return 0
    kill -TERM "$gateway" 2>/dev/null || true
    wait "$gateway" || true
    gateway=
}
trap 'stop_gateway; rm -rf "$work"' EXIT

# start_gateway [COMMAND…]: starts a gateway, by way of the command if there is one; sets `gateway` to its process and
# `address` to its public address.
start_gateway() {
    "$@" "$BIN/gateway" serve --config loadtest/bench.toml --listen 127.0.0.1:0 --internal-listen 127.0.0.1:0 --ready-file "$work/ready" \
        >"$work/gateway.log" 2>&1 &
    gateway=$!
    for _ in $(seq 200); do
        if [[ -s $work/ready ]]; then
            address=$(sed -n 's/^listening public=\([^ ]*\) .*/\1/p' "$work/ready")
            rm "$work/ready"
            return 0
        fi
        kill -0 "$gateway" 2>/dev/null || break
        sleep 0.05 # the file is the event; the shell has no way to wait for it
    done
    echo "the gateway did not start:" >&2
    cat "$work/gateway.log" >&2
    return 1
}

failed=()

# scenario NAME ARGS…: runs one scenario of the load tool against a fresh gateway. With --pin the gateway has one core,
# and must know it from the start, as it does in a container: it runs as many workers as it has cores.
scenario() {
    local title=$1
    shift
    echo "== $title"
    if [[ " $* " == *" --pin "* ]]; then start_gateway taskset --cpu-list 0; else start_gateway; fi
    "$BIN/loadtest" "$@" --url "ws://$address/socket/websocket" --pid "$gateway" || failed+=("$title")
    stop_gateway
}

scenario "idle: memory of a joined connection" \
    idle --connections "$CONNECTIONS" --max-rss-per-connection 1.75KiB
scenario "fan-out to 1000: 20 messages a second, and 4 in flight, beside a bare write loop" \
    fanout --subscribers 1000 --rate 20 --in-flight 4 --with-floor --pin --max-ratio 1.3 --min-coalescing-gain 2.5
scenario "echo: heartbeats and their replies, beside a bare write loop" \
    echo --connections 100 --rate 1000 --via heartbeat --with-floor --pin
scenario "presence: 1000 clients join a topic at once and see each other" \
    presence --rounds 5 --join-payload '{"user_id":"user-{n}"}' --max-seconds 1 --max-cpu-seconds 0.25

if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "all scenarios within their thresholds"
