#!/usr/bin/env bash
# Install this checkout as a wheel, in the locked versions, into an environment of its own: tools/install.sh FOLDER [EXTRAS]
# EXTRAS are names with commas, as "dashboard,ocr". The Containerfile does this, and so does the test of the wheel.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
extras=${2:+[$2]}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$checkout/tools/environment.sh" "$work/uv"
uv() { "$work/uv/bin/python" "$checkout/tools/uv.py" "$@"; }

uv build --quiet --wheel --build-constraints "$checkout/requirements.lock" --out-dir "$work/wheel" "$checkout"
"${PYTHON:-python3}" -m venv --without-pip "$folder"
uv pip install --quiet --python "$folder/bin/python" --constraint "$checkout/requirements.lock" "$(echo "$work"/wheel/*.whl)$extras"
