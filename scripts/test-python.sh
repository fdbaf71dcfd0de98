#!/usr/bin/env bash
# Tests of functions in Python: the package's own, natively; the examples; and numpy in the sandbox against numpy outside.
# Usage: scripts/test-python.sh PROGRAM CACHE     the tilefn to run, and the cache folder that has its Python runtime
# Versions are pinned: which types numpy gives depends on its version. The sandbox's numpy is newer, 2.5: no wheel of it is
# for every Python that runs these tests, and the calls compared give the same in both.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
program=$(realpath "$1") cache=$(realpath "$2")

pinned=(numpy==2.2.6 scipy==1.15.3 pytest==8.4.2 ruff==0.14.0)
venv="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-python-tests"
if [ "$(cat "$venv/pinned" 2>/dev/null)" != "${pinned[*]}" ]; then
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --only-binary :all: "${pinned[@]}"; }; then
    say "SKIPPED: tests of Python functions outside the sandbox, since ${pinned[*]} can't be installed"
    exit 0
  fi
  echo "${pinned[*]}" >"$venv/pinned"
fi
python="$venv/bin/python"
sdk="$PWD/guest-sdk/python"
export PYTHONPATH="$sdk" PYTHONDONTWRITEBYTECODE=1

for folder in guest-sdk/python examples/python; do
  (
    cd "$folder"
    "$venv/bin/ruff" check --quiet --no-cache --config "$sdk/pyproject.toml" .
    "$venv/bin/ruff" format --quiet --no-cache --check --config "$sdk/pyproject.toml" .
    "$python" -m pytest --quiet -p no:cacheprovider
  )
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$program" new scene --python --parent "$folder" >/dev/null
cp guest-sdk/python/conformance/calls.py "$folder/scene"
cat >"$folder/scene/calls.toml" <<'JOB'
function.module = "calls.py"
inputs.tile = { path = "made-up.tif", bands = [1] }
grid.tile = [512, 512]
JOB
XDG_CACHE_HOME="$cache" "$program" run "$folder/scene/calls.toml" --quiet --report "$folder/report.json"
"$python" guest-sdk/python/conformance/compare.py "$folder/report.json" docs/python.md

# The package that runs jobs and functions on arrays: its compiled part is the workspace's, beside the package as in a wheel.
pinned=(scikit-learn==1.9.1 rasterio==1.4.3 xarray==2025.6.1 dask==2025.5.1 rioxarray==0.19.0 geopandas==1.1.1 mypy==1.16.1
  matplotlib==3.10.3 nbclient==0.10.2 ipykernel==6.30.1)
if [ "$(cat "$venv/pinned-api" 2>/dev/null)" != "${pinned[*]}" ]; then
  if ! "$venv/bin/pip" install --quiet --only-binary :all: "${pinned[@]}"; then
    say "SKIPPED: tests of jobs and arrays from Python, since ${pinned[*]} can't be installed"
    exit 0
  fi
  echo "${pinned[*]}" >"$venv/pinned-api"
fi
built=$(dirname "$program")
mkdir "$folder/site" "$folder/bin"
cp -r "$sdk/tilefn" "$folder/site/"
ln -s "$built/libtilefn_python_api.so" "$folder/site/tilefn/_tilefn.abi3.so"
ln -s "$program" "$folder/bin/tilefn"
(
  cd tests/python_api
  "$venv/bin/ruff" check --quiet --no-cache --config "$sdk/pyproject.toml" .
  "$venv/bin/ruff" format --quiet --no-cache --check --config "$sdk/pyproject.toml" .
  "$venv/bin/ruff" check --quiet --no-cache --config "$sdk/pyproject.toml" ../../docs/python-api.ipynb
  "$venv/bin/ruff" format --quiet --no-cache --check --config "$sdk/pyproject.toml" ../../docs/python-api.ipynb
  export PYTHONPATH="$folder/site" PATH="$folder/bin:$PATH" XDG_CACHE_HOME="$cache"
  "$python" -m mypy --strict --cache-dir /dev/null use.py
  "$python" -m pytest --quiet -p no:cacheprovider
)
