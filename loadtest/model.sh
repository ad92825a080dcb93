#!/usr/bin/env bash
# Runs fleets of 2, 5 and 10 pods (loadtest/fleet.sh), unless OUT has their results, and says what larger ones need: tables in
# Markdown for docs/PERFORMANCE.md. The model is fitted to the smaller fleets and checked by the largest.
# usage: loadtest/model.sh (after `cargo build --release --workspace`); SIZES, OUT, and what fleet.sh takes, but for PODS, change it.
set -euo pipefail
cd "$(dirname "$0")/.."

BIN=${BIN:-target/release}
SIZES=${SIZES:-2 5 10}
export BIN OUT=${OUT:-target/fleet}

files=()
for pods in $SIZES; do
    files+=("$OUT/pods-$pods.json")
    [[ -s $OUT/pods-$pods.json ]] || PODS=$pods loadtest/fleet.sh >&2
done
"$BIN/loadtest" model "${files[@]}"
