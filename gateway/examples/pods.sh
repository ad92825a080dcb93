#!/usr/bin/env bash
# Runs an example on two pods: `gateway/examples/pods.sh chat`, then http://127.0.0.1:4000/ and http://127.0.0.1:4010/.
#
# GATEWAY_REDIS__URL names a Redis; without it one is started. DATABASE_URL names a PostgreSQL (postgres://…) or an SQLite
# file; without it a PostgreSQL with data of its own is started, or, where its programs are missing, an SQLite file is made
# that both pods open. All ends with Ctrl-C, and what was started leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=${1:?"usage: gateway/examples/pods.sh chat|donations|gym"}
folder=$(mktemp -d)
database=$(mktemp -d)
started=()
stop() {
    ((${#started[@]})) && kill "${started[@]}" 2>/dev/null
    wait
    rm -rf "$folder" "$database"
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

# The folder of the newest PostgreSQL's programs.
programs() {
    local packaged=(/usr/lib/postgresql/*/bin) initdb
    if [[ -x ${packaged[-1]}/initdb ]]; then
        printf '%s\n' "${packaged[@]}" | sort -V | tail -n 1
    else
        initdb=$(type -P initdb) && dirname "$initdb"
    fi
}

postgres() {
    local bin=$1 as=() password
    # It refuses to run as root: then it is the user whom its package has made.
    if ((EUID == 0)); then
        as=(setpriv "--reuid=postgres" "--regid=postgres" --clear-groups)
        chown postgres: "$database"
    fi
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    "${as[@]}" tee "$database/password" <<<"$password" >/dev/null
    # Its folder, and that of its socket; who starts it may be in one that it cannot enter.
    (cd "$database" && "${as[@]}" "$bin/initdb" --username=gateway --auth=scram-sha-256 --pwfile=password \
        --encoding=UTF8 --locale=C --no-sync data >"$folder/initdb.log")
    (cd "$database" && exec "${as[@]}" "$bin/postgres" -D data -p 4031 -c listen_addresses=127.0.0.1 \
        -c "unix_socket_directories=$database" -c fsync=off) >"$folder/postgres.log" 2>&1 &
    started+=($!)
    until "$bin/pg_isready" --quiet --host=127.0.0.1 --port=4031 --dbname=postgres; do
        kill -0 "${started[-1]}" || { cat "$folder/postgres.log" >&2 && return 1; }
        sleep 0.1
    done
    export DATABASE_URL=postgres://gateway:$password@127.0.0.1:4031/postgres
}

if [[ -z ${DATABASE_URL:-} && $name != gym ]]; then
    if bin=$(programs 2>/dev/null) && { ((EUID != 0)) || id postgres &>/dev/null; }; then
        postgres "$bin"
        echo "Both pods share a PostgreSQL that ends with them: 127.0.0.1:4031."
    else
        export DATABASE_URL="sqlite://$folder/$name.db?mode=rwc"
        echo "There are no programs of PostgreSQL here: both pods share an SQLite file. It has one writer at a time."
    fi
fi

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
