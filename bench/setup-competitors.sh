#!/bin/sh
# Makes the Python environment the benchmark runs in and the other tools run in; quick the second time.
# Prints the environment's directory: $TILEFN_BENCH/venv (default ~/.cache/tilefn/bench/venv).
#
# gdal_calc is Debian's (python3-gdal, gdal-bin). RIOS is on no registry (not PyPI, not Debian): it is measured only if
# its source was installed by hand into this environment, or is on PYTHONPATH with GDAL's Python bindings; its worker
# processes also need cloudpickle, and its command rios_computeworker on the PATH.
set -eu
venv=${TILEFN_BENCH:-$HOME/.cache/tilefn/bench}/venv
requirements=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/competitors/requirements.txt

if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    python3 -m venv "$venv" >&2 || {
        echo "setup-competitors: python3 -m venv failed (Debian: apt-get install python3-venv)" >&2
        exit 1
    }
    echo "setup-competitors: installing numpy, rasterio, scipy, numba, matplotlib into $venv" >&2
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
fi
echo "$venv"
