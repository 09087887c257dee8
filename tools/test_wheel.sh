#!/usr/bin/env bash
# Test the wheel as a user has it: installed away from the checkout, with an empty home. With the extra `dashboard` it prepares
# the demo and exports a bundle; the base installation scores with that bundle, and names the extra that `serve` needs.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$checkout/tools/install.sh" "$work/full" dashboard
"$checkout/tools/install.sh" "$work/base"
export HOME=$work/home XDG_CACHE_HOME=$work/home/cache
mkdir -p "$HOME" "$work/elsewhere"
cd "$work/elsewhere"
unset PYTHONPATH
in_full() { "$work/full/bin/lassoscope" "$@"; }
in_base() { "$work/base/bin/lassoscope" "$@"; }
fail() { echo "The wheel's test failed: $1"; exit 1; }

for env in full base; do
  "$work/$env/bin/python" -c 'import core, dashboard, sys; assert all(m.__file__.startswith(sys.prefix) for m in (core, dashboard))'
done
[ "$(in_base --version)" = "lassoscope $(sed -n 's/^version = "\(.*\)"/\1/p' "$checkout/pyproject.toml")" ] || fail "--version"
[ -z "$(find "$work/base/lib" -maxdepth 3 -iregex '.*/\(panel\|bokeh\|holoviews\|umap\|datashader\|lightly\|tests\|tools\)')" ] ||
  fail "the base installation has more than it needs"

in_full demo --prepare-only
export LASSOSCOPE_WORKSPACE=workspaces/demo
awk -F, 'NR == 1 {print "image,class"} NR > 1 && NR <= 600 {print $1 "," $2}' workspaces/demo/images/manifest.csv >labels.csv
in_full labels import labels.csv
in_full fit
in_full export bundle --threshold 0.5
mkdir new
cp workspaces/demo/images/uploads/0083* new
unset LASSOSCOPE_WORKSPACE

in_base score bundle new --out scores.csv
[ "$(wc -l <scores.csv)" = 101 ] || fail "100 images have $(($(wc -l <scores.csv) - 1)) scores"
in_base serve 2>refusal && fail "serve ran without the extra"
grep -q "pip install 'lassoscope\[dashboard\]'" refusal || fail "serve does not name its extra: $(cat refusal)"
echo "The wheel works: the demo with the extra, scores without it."
