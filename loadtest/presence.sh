#!/usr/bin/env bash
# Presence on pods that share a Redis, against the bounds of docs/PERFORMANCE.md: a thousand clients that join one topic at
# once; then many small topics: memory of Redis, what presences cost while nothing happens, and how long the clients of a
# pod that was killed are shown. Takes four minutes.
# usage: loadtest/presence.sh (after `cargo build --release --workspace`)
set -euo pipefail
cd "$(dirname "$0")/.."

BIN=${BIN:-target/release}
TOPICS=${TOPICS:-10000}
PER_TOPIC=${PER_TOPIC:-10}
# Longer than two leases, after which Redis has forgotten the lists of changes.
HOLD=${HOLD:-70}
ulimit -n "$(ulimit -H -n)"
entries=$((TOPICS * PER_TOPIC))
work=$(mktemp -d)
failed=()
# shellcheck source=loadtest/pods.sh
source loadtest/pods.sh

trap 'stop_all; rm -rf "$work"' EXIT

# start COUNT: a Redis of its own and so many pods.
start() {
    start_redis
    target=(--redis-pid "$redis" --join-payload '{"user_id":"user-{n}"}')
    for _ in $(seq "$1"); do start_pod; done
}

# Waits until the load tool, which runs behind, says something.
await() {
    until grep -q "$1" "$work/progress"; do
        kill -0 "$tool" 2>/dev/null || return 1
        sleep 0.1
    done
}

used_memory() {
    cli info memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p'
}

# each WHAT: per entry, in bytes, above what was used at `before`.
per_entry() {
    awk -v now="$(used_memory)" -v before="$before" -v n="$entries" -v what="$1" \
        'BEGIN { printf "Redis memory per entry, %s: %.0f bytes (%.1f MB in all)\n", what, (now - before) / n, (now - before) / 1e6 }'
}

# of_keys KIND: memory of all hashes (p) or lists (d) of topics, by entry.
of_keys() {
    cli eval "local sum = 0
        for _, key in ipairs(redis.call('KEYS', 'gw:*:$1')) do sum = sum + redis.call('MEMORY', 'USAGE', key) end
        return sum" 0 | awk -v n="$entries" -v kind="$1" '{ printf "MEMORY USAGE of gw:*:%s: %.0f bytes per entry\n", kind, $1 / n }'
}

for count in 1 2; do
    title="presence: 1000 clients join a topic at once, pods on Redis: $count"
    echo "== $title"
    start "$count"
    "$BIN/loadtest" presence "${target[@]}" --rounds 5 --max-seconds 1 --max-cpu-seconds 0.25 || failed+=("$title")
    stop_all
done

# many ARGS…: the small topics, behind; sets `tool`.
many() {
    "$BIN/loadtest" presence "${target[@]}" --topics "$TOPICS" --clients "$PER_TOPIC" --topics-per-connection 100 \
        --joins-at-once 1000 --patience 60s "$@" >"$work/report" 2>"$work/progress" &
    tool=$!
}

# ended TITLE: waits for the load tool and shows what it said.
ended() {
    wait "$tool" || failed+=("$1")
    cat "$work/progress" "$work/report"
}

title="$TOPICS topics of $PER_TOPIC clients without presence"
echo "== $title"
start 2
before=$(used_memory)
many --topic 'plain:{n}' --without-presence --hold 30s
await holding && per_entry "without presence"
ended "$title"
stop_all

title="$TOPICS topics of $PER_TOPIC clients with presence; a pod is killed"
echo "== $title"
start 2
before=$(used_memory)
# Half a minute of lease, ten seconds until somebody looks.
many --hold "${HOLD}s" --settle 3s --kill-pid "${pods[0]}" --max-ghost-seconds 40
if await holding; then
    per_entry "just joined"
    of_keys p
    of_keys d
    echo "encoding of a hash: $(cli object encoding 'gw:{presence:0}:p')"
    cli smembers gw:nodes | sort >"$work/nodes"
    sleep $((HOLD - 5))
    per_entry "settled"
    await killing
    killed=$(date +%s%N)
    until [[ $(cli scard gw:nodes) == 1 ]] || ! kill -0 "$tool" 2>/dev/null; do sleep 0.1; done
    awk -v ns=$(($(date +%s%N) - killed)) 'BEGIN { printf "Redis has dropped the killed pod after %.1f s\n", ns / 1e9 }'
    dead=$(cli smembers gw:nodes | sort | comm -23 "$work/nodes" -)
    left=$(cli eval "local count = 0
        for _, key in ipairs(redis.call('KEYS', 'gw:*:p')) do
            for _, field in ipairs(redis.call('HKEYS', key)) do
                if string.sub(field, 1, #ARGV[1] + 1) == ARGV[1] .. ':' then count = count + 1 end
            end
        end
        return count" 0 "$dead")
    echo "entries of the killed pod that Redis still has: $left"
    [[ -n $dead && $left == 0 ]] || failed+=("entries of the killed pod in Redis")
fi
ended "$title"
stop_all

if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "all within their bounds"
