#!/usr/bin/env bash
# Make a virtual environment with the uv of requirements.lock in it, its hash checked: tools/environment.sh FOLDER
set -euo pipefail
lock=$(dirname "$0")/../requirements.lock
test -x "$1/bin/pip" || "${PYTHON:-python3}" -m venv "$1"
awk '/^uv==/ {found = 1} found; found && !/\\$/ {exit}' "$lock" |
  "$1/bin/pip" install --disable-pip-version-check --quiet --require-hashes --requirement /dev/stdin
