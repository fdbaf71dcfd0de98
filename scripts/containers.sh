#!/usr/bin/env bash
# Builds the worker's container images with podman and tests jobs whose workers run in them: as external workers, and with
# an emulated AWS that starts real containers (scripts/emulated-aws.sh). Skips, loudly, what this machine can't run.
# Usage: scripts/containers.sh STATIC GDAL     the programs to put into the images, built without GDAL and with it
# Keeps base images and layers in ~/.cache/tilefn-containers, beside podman's own store; leaves nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
# The template is judged in any case.
skip() { say "SKIPPED: $1, so the container images were not tested"; exec scripts/emulated-aws.sh; }

[ "$(id -u)" = 0 ] || skip "containers are started as root here"
command -v podman >/dev/null || skip "there is no podman (scripts/setup.sh test installs it)"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-containers"
work=$(mktemp -d)
trap 'podman rm --all --force --time 0 >/dev/null 2>&1 || true; podman image prune --force >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
mkdir -p "$cache"
# A store of our own, with settings that also work on a machine where root may not raise limits.
cat >"$cache/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$cache/storage"
runroot = "/run/tilefn-containers"
END
cat >"$cache/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=20000:20000"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
export CONTAINERS_CONF="$cache/containers.conf" CONTAINERS_STORAGE_CONF="$cache/storage.conf"
problem=$(podman info 2>&1 >/dev/null) || skip "podman does not work here: ${problem##*$'\n'}"

# The base: from a registry, or made with debootstrap where none can be reached.
debian=docker.io/library/debian:bookworm-slim
if ! podman image exists "$debian" && ! podman pull --quiet "$debian" >/dev/null 2>&1; then
  debian=localhost/tilefn-debian:bookworm
  if ! podman image exists "$debian"; then
    command -v debootstrap >/dev/null || skip "no registry can be reached, and there is no debootstrap"
    say "making a Debian image"
    debootstrap --variant=minbase bookworm "$work/debian" >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; skip "debootstrap failed"; }
    rm -rf "$work/debian"/var/cache/apt/archives/*.deb
    tar -C "$work/debian" -c . | podman import --quiet - "$debian" >/dev/null
    rm -rf "$work/debian"
  fi
fi

say "worker images"
# podman takes these programs in place of the build stages, which are left out.
mkdir -p "$work/static/out/etc/ssl/certs" "$work/gdal/out" "$work/empty"
strip -o "$work/static/out/tilefn" "$1"
cp /etc/ssl/certs/ca-certificates.crt "$work/static/out/etc/ssl/certs/"
strip -o "$work/gdal/out/tilefn" "$2"
awk '/^FROM/ { keep = !/ AS build-/; begun = 1 } keep || !begun' docker/Dockerfile >"$work/Dockerfile"
for target in worker worker-gdal; do
  podman build --quiet --network=host --file "$work/Dockerfile" --target $target --tag localhost/tilefn-$target:test \
    --build-arg DEBIAN_IMAGE="$debian" --build-context build-static="$work/static" \
    --build-context build-gdal="$work/gdal" "$work/empty" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
done

export TILEFN_IMAGE=localhost/tilefn-worker:test TILEFN_IMAGE_GDAL=localhost/tilefn-worker-gdal:test
for image in "$TILEFN_IMAGE" "$TILEFN_IMAGE_GDAL"; do
  echo "$image: $(podman save "$image" | gzip | wc -c | numfmt --to=si)B compressed"
done
cargo test --locked --workspace --all-features --test remote -- containers:: --test-threads 1 --nocapture
scripts/emulated-aws.sh
