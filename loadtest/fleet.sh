#!/usr/bin/env bash
# Many pods on one Redis: connections in topics of 100 with presence, joined in paced batches, then held under steady traffic.
# Nothing may be lost, and memory must stay flat. Needs about 15 KB of memory for each connection, most of it the kernel's.
# usage: loadtest/fleet.sh (after `cargo build --release --workspace`); PODS, CONNECTIONS, DELIVERIES and DURATION change it,
# OUT names a folder for the results.
set -euo pipefail
cd "$(dirname "$0")/.."

BIN=${BIN:-target/release}
PODS=${PODS:-10}
CONNECTIONS=${CONNECTIONS:-$((PODS * 10000))}
DELIVERIES=${DELIVERIES:-$((PODS * 2000))}
DURATION=${DURATION:-5m}
CONNECT_RATE=${CONNECT_RATE:-1000}
MAX_GROWTH=${MAX_GROWTH:-5}
OUT=${OUT:-target/fleet}
# A process of the tool holds as many connections as it may have descriptors.
WORKERS=${WORKERS:-$(((CONNECTIONS + 15999) / 16000))}
ulimit -n "$(ulimit -H -n)"
mkdir -p "$OUT"
work=$(mktemp -d)
# shellcheck source=loadtest/pods.sh
source loadtest/pods.sh

trap 'stop_all; rm -rf "$work"' EXIT

start_redis
target=(--redis-pid "$redis")
for _ in $(seq "$PODS"); do start_pod; done

"$BIN/loadtest" soak "${target[@]}" --connections "$CONNECTIONS" --connections-per-topic 100 --topic 'presence:{n}' \
    --join-payload '{"user_id":"user-{n}"}' --connect-rate "$CONNECT_RATE" --workers "$WORKERS" --deliveries "$DELIVERIES" \
    --duration "$DURATION" --max-memory-growth "$MAX_GROWTH" --patience 60s \
    --json "$OUT/pods-$PODS.json" --html "$OUT/pods-$PODS.html"
echo "Redis: $(cli info memory | sed -n 's/^used_memory_human:\([^[:space:]]*\).*/\1/p') used, \
$(cli info stats | sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p') commands"
echo "the pages: $OUT/pods-$PODS.html"
