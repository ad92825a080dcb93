#!/usr/bin/env bash
# Gateways, alone or on one Redis, and floors for the scripts of this folder, which read this file. They set BIN (where the
# programs are) and work (a folder of their own), and call stop_all when they end.
set -euo pipefail
: "${BIN:?}" "${work:?}"
redis=
port=
pods=()
target=()
# The command by way of which pods are started, if any.
via=()

cli() {
    redis-cli -p "$port" "$@"
}

# Sets `redis` to its process and `port` to where it listens.
start_redis() {
    for _ in $(seq 20); do
        port=$((17000 + RANDOM % 5000))
        redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no >"$work/redis.log" 2>&1 &
        redis=$!
        for _ in $(seq 100); do
            # Another server may have the port: ours has ended then.
            kill -0 "$redis" 2>/dev/null || continue 2
            [[ $(cli ping 2>/dev/null) == PONG ]] && return 0
            sleep 0.05 # the answer is the event; the shell has no way to wait for it
        done
    done
    echo "no Redis could be started" >&2
    return 1
}

# await_file FILE PROCESS: waits until the process has written the file.
await_file() {
    for _ in $(seq 400); do
        [[ ! -s $1 ]] || return 0
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.05 # the file is the event; the shell has no way to wait for it
    done
    return 1
}

# Starts a pod, on the Redis if one was started; adds to `pods`, and to the flags of the load tool, `target`.
start_pod() {
    local flags=(serve --config loadtest/bench.toml --listen 127.0.0.1:0 --internal-listen 127.0.0.1:0 --ready-file "$work/ready")
    [[ -z $redis ]] || flags+=(--redis-url "redis://127.0.0.1:$port")
    rm -f "$work/ready"
    "${via[@]}" "$BIN/gateway" "${flags[@]}" >"$work/gateway.log" 2>&1 &
    pods+=($!)
    if ! await_file "$work/ready" $!; then
        echo "a pod did not start:" >&2
        cat "$work/gateway.log" >&2
        return 1
    fi
    target+=(--url "ws://$(sed -n 's/^listening public=\([^ ]*\) .*/\1/p' "$work/ready")/socket/websocket" --pid $!)
}

# start_floor ARGS…: starts a floor in place of a pod.
start_floor() {
    rm -f "$work/ready"
    "$BIN/loadtest" floor "$@" >"$work/ready" &
    pods+=($!)
    await_file "$work/ready" $!
    target+=(--url "ws://$(sed -n 's/^listening //p' "$work/ready")/socket/websocket" --pid $!)
}

stop_all() {
    for pid in "${pods[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    # Redis last: pods say goodbye to it.
    for pid in "${pods[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    if [[ -n $redis ]]; then
        kill -TERM "$redis" 2>/dev/null || true
        wait "$redis" 2>/dev/null || true
    fi
    pods=() redis='' target=() via=()
}
