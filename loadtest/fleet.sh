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
redis=
pods=()

stop_all() {
    for pid in "${pods[@]}" $redis; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${pods[@]}" $redis; do
        wait "$pid" 2>/dev/null || true
    done
}
trap 'stop_all; rm -rf "$work"' EXIT

start_redis() {
    for _ in $(seq 20); do
        port=$((17000 + RANDOM % 5000))
        redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no >"$work/redis.log" 2>&1 &
        redis=$!
        for _ in $(seq 100); do
            # Another server may have the port: ours has ended then.
            kill -0 "$redis" 2>/dev/null || continue 2
            [[ $(redis-cli -p "$port" ping 2>/dev/null) == PONG ]] && return 0
            sleep 0.05 # the answer is the event; the shell has no way to wait for it
        done
    done
    echo "no Redis could be started" >&2
    return 1
}

# Starts a pod; adds it to `pods` and to `target`.
start_pod() {
    "$BIN/gateway" serve --config loadtest/bench.toml --listen 127.0.0.1:0 --internal-listen 127.0.0.1:0 \
        --redis-url "redis://127.0.0.1:$port" --ready-file "$work/ready" >"$work/pod-${#pods[@]}.log" 2>&1 &
    pods+=($!)
    for _ in $(seq 400); do
        if [[ -s $work/ready ]]; then
            target+=(--url "ws://$(sed -n 's/^listening public=\([^ ]*\) .*/\1/p' "$work/ready")/socket/websocket" --pid $!)
            rm "$work/ready"
            return 0
        fi
        kill -0 $! 2>/dev/null || break
        sleep 0.05
    done
    echo "a pod did not start:" >&2
    cat "$work/pod-$((${#pods[@]} - 1)).log" >&2
    return 1
}

start_redis
target=(--redis-pid "$redis")
for _ in $(seq "$PODS"); do start_pod; done

"$BIN/loadtest" soak "${target[@]}" --connections "$CONNECTIONS" --connections-per-topic 100 --topic 'presence:{n}' \
    --join-payload '{"user_id":"user-{n}"}' --connect-rate "$CONNECT_RATE" --workers "$WORKERS" --deliveries "$DELIVERIES" \
    --duration "$DURATION" --max-memory-growth "$MAX_GROWTH" --patience 60s \
    --json "$OUT/pods-$PODS.json" --html "$OUT/pods-$PODS.html"
echo "Redis: $(redis-cli -p "$port" info memory | sed -n 's/^used_memory_human:\([^[:space:]]*\).*/\1/p') used, \
$(redis-cli -p "$port" info stats | sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p') commands"
echo "the pages: $OUT/pods-$PODS.html"
