#!/usr/bin/env bash
# Builds the worker's container images with podman and tests jobs whose workers run in them: as external workers, and with
# an emulated AWS that starts real containers (scripts/emulated-aws.sh). Skips, loudly, what this machine can't run.
# Usage: scripts/containers.sh STATIC GDAL RUNTIME
#   the programs to put into the images, built without GDAL and with it, and the folder of the installed runtime for Python functions
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
# The template is judged in any case.
skip() { say "SKIPPED: $1, so the container images were not tested"; exec scripts/emulated-aws.sh; }

. scripts/podman.sh
podman_ready || skip "$podman_problem"
work=$(mktemp -d)
trap 'podman_clean; rm -rf "$work"' EXIT
bare_image bookworm >"$work/base" || skip "$podman_problem"
debian=$(cat "$work/base")

say "worker images"
# podman takes these programs in place of the build stages, which are left out.
mkdir -p "$work/static/out/etc/ssl/certs" "$work/gdal/out" "$work/empty"
strip -o "$work/static/out/tilefn" "$1"
cp /etc/ssl/certs/ca-certificates.crt "$work/static/out/etc/ssl/certs/"
strip -o "$work/gdal/out/tilefn" "$2"
awk '/^FROM/ { keep = !/ AS (build-|python-runtime)/; begun = 1 } keep || !begun' docker/Dockerfile >"$work/Dockerfile"
targets=(worker worker-gdal)
mkdir -p "$work/python/usr/lib/tilefn"
if [ -d "$3" ]; then
  targets+=(worker-python)
  cp -r "$3" "$work/python/usr/lib/tilefn/python"
else
  say "SKIPPED: the image for Python functions, since their runtime isn't installed"
fi
for target in "${targets[@]}"; do
  podman build --quiet --network=host --file "$work/Dockerfile" --target $target --tag localhost/tilefn-$target:test \
    --build-arg DEBIAN_IMAGE="$debian" --build-context build-static="$work/static" \
    --build-context build-gdal="$work/gdal" --build-context python-runtime="$work/python" "$work/empty" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
done

export TILEFN_IMAGE=localhost/tilefn-worker:test TILEFN_IMAGE_GDAL=localhost/tilefn-worker-gdal:test
[ ! -d "$3" ] || export TILEFN_IMAGE_PYTHON=localhost/tilefn-worker-python:test
for image in "$TILEFN_IMAGE" "$TILEFN_IMAGE_GDAL" ${TILEFN_IMAGE_PYTHON:-}; do
  echo "$image: $(podman save "$image" | gzip | wc -c | numfmt --to=si)B compressed"
done
cargo test --locked --workspace --all-features --test remote -- containers:: --test-threads 1 --nocapture
scripts/emulated-aws.sh
