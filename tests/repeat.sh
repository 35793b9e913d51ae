#!/usr/bin/env bash
# Run a command RUNS times beside BUSY busy loops. Stop at the first run that fails.
#
#     RUNS=3 BUSY=2 tests/repeat.sh .venv/bin/python -m pytest -q
set -euo pipefail

loops=()
stop_loops() {
    for loop in "${loops[@]}"; do
        kill "$loop" 2>/dev/null || true
    done
}
trap stop_loops EXIT

for ((number = 0; number < ${BUSY:-0}; number++)); do
    while :; do :; done &
    loops+=($!)
done

for ((number = 1; number <= ${RUNS:-10}; number++)); do
    echo "run $number of ${RUNS:-10}, beside ${BUSY:-0} busy loops"
    started=$SECONDS
    "$@"
    echo "run $number took $((SECONDS - started)) s"
done
