#!/usr/bin/env bash
# Runs an example on two pods: `gateway/examples/pods.sh chat`, then http://127.0.0.1:4000/ and http://127.0.0.1:4010/.
#
# GATEWAY_REDIS__URL names a Redis; without it one is started. DATABASE_URL names a PostgreSQL (postgres://…) or an SQLite
# file; without it an SQLite file is made that both pods open. All ends with Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=${1:?"usage: gateway/examples/pods.sh chat|donations|gym"}
folder=$(mktemp -d)
started=()
stop() {
    ((${#started[@]})) && kill "${started[@]}" 2>/dev/null
    wait
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

[[ -d gateway/examples/node_modules ]] || npm ci --prefix gateway/examples --no-audit --no-fund
cargo build --locked --package gateway --example "$name"

if [[ -z ${GATEWAY_REDIS__URL:-} ]]; then
    redis-server --port 4030 --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" >"$folder/redis.log" &
    started+=($!)
    export GATEWAY_REDIS__URL=redis://127.0.0.1:4030
fi
export DATABASE_URL=${DATABASE_URL:-sqlite://$folder/$name.db?mode=rwc}

for port in 4000 4010; do
    GATEWAY_LISTEN__PUBLIC=127.0.0.1:$port GATEWAY_LISTEN__INTERNAL=127.0.0.1:$((port + 1)) \
        "target/debug/examples/$name" &
    started+=($!)
    # One after the other: the first makes the tables.
    until curl --silent --fail --output /dev/null "http://127.0.0.1:$((port + 1))/readyz"; do
        kill -0 "${started[-1]}"
        sleep 0.1
    done
done
wait "${started[@]}"
