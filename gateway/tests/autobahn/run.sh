#!/bin/sh
# Runs the Autobahn fuzzing client against examples/websocket_echo.rs and fails when a case fails.
#
# The suite needs Python 2.7: PYTHON27 names one, else it is looked for on the PATH and in pyenv. Without one, this says
# so and succeeds. Compression (cases 12.* and 13.*) makes up most of its time, ten minutes on an idle machine. The report, one page per
# case, goes to target/autobahn/report.
set -eu

cd "$(dirname "$0")/../../.."
here=gateway/tests/autobahn
work=$PWD/target/autobahn
mkdir -p "$work"

find_python27() {
    for candidate in "${PYTHON27:-}" python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
        # A pyenv shim is found even where no 2.7 stands behind it: ask for the version.
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

if ! python27=$(find_python27); then
    echo "autobahn: skipped, the suite needs Python 2.7 and none was found (set PYTHON27 to name one)"
    exit 0
fi

if [ ! -x "$work/venv27/bin/wstest" ]; then
    rm -rf "$work/venv" "$work/venv27"
    python3 -m venv "$work/venv"
    # The last line of virtualenv that can make an environment for 2.7.
    "$work/venv/bin/pip" install --quiet 'virtualenv<20.22'
    "$work/venv/bin/virtualenv" --quiet --python "$python27" "$work/venv27"
    "$work/venv27/bin/pip" install --quiet --no-python-version-warning autobahntestsuite==25.10.1
fi

cargo build --quiet --package gateway --example websocket_echo

rm -rf "$work/report" "$work/server.log"
mkdir "$work/report"
mkfifo "$work/address.$$"
"${CARGO_TARGET_DIR:-target}/debug/examples/websocket_echo" 127.0.0.1:0 >"$work/address.$$" 2>"$work/server.log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -f "$work/address.$$"' EXIT
read -r _ address <"$work/address.$$"

sed -e "s#@REPORT@#$work/report#" -e "s#@ADDRESS@#$address#" "$here/fuzzingclient.json" >"$work/fuzzingclient.json"
"$work/venv27/bin/wstest" --mode fuzzingclient --spec "$work/fuzzingclient.json" >"$work/wstest.log" 2>&1 || {
    tail -20 "$work/wstest.log"
    exit 1
}
# It must have survived all of it.
kill -0 "$server"
python3 "$here/verdict.py" "$work/report/index.json"
