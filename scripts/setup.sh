#!/usr/bin/env bash
# Installs what is missing to build and run tilefn on Debian or Ubuntu; says what it does; does nothing the second time.
# Usage: scripts/setup.sh run|test
#   run   what the program and the demo need: GDAL, a C compiler, pip to fetch scenes, Rust's WebAssembly target
#   test  that, and what the tests need: GDAL's Python for independent pixels, clang for the C example, cargo-deny,
#         musl for the static worker, podman for its container,
#         and in a container an SSH server and SLURM, which it starts by itself
set -euo pipefail
cd "$(dirname "$0")/.."

what="${1:-}"
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

case "$what" in
  run | test) ;;
  *) die "usage: scripts/setup.sh run|test" ;;
esac

packages=(libgdal-dev pkg-config gcc libc6-dev ca-certificates python3-pip)
[ "$what" = test ] && packages+=(gdal-bin python3-gdal python3-numpy python3-venv clang lld procps iproute2 iptables musl-tools binutils)
# Only root tests containers.
[ "$what" = test ] && [ "$(id -u)" = 0 ] && packages+=(podman runc netavark aardvark-dns debootstrap)
# chromium is 100 MB for one test, so it is installed only with TILEFN_TEST_CHROMIUM=chromium. The test says when it is skipped.
[ "$what" = test ] && [ "${TILEFN_TEST_CHROMIUM:-}" = chromium ] && packages+=(chromium)
# One test needs a compiler and an emulator for ARM64, and takes minutes to build: only with TILEFN_TEST_ARM64=arm64.
arm64=
[ "$what" = test ] && [ "${TILEFN_TEST_ARM64:-}" = arm64 ] && [ "$(uname -m)" = x86_64 ] && arm64=aarch64-unknown-linux-musl
[ -n "$arm64" ] && packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)
# The recipes of docs/workers.md need servers. Outside a container, installing a server's package starts it for good, so there
# they are installed only with TILEFN_TEST_RECIPES=recipes. The test says when it is skipped.
if [ "$what" = test ] && { [ -x /usr/sbin/policy-rc.d ] || [ "${TILEFN_TEST_RECIPES:-}" = recipes ]; }; then
  packages+=(openssh-client openssh-server slurm-wlm munge)
fi

command -v dpkg-query >/dev/null || die "this script knows Debian's and Ubuntu's packages only; install GDAL with its headers yourself"
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "installing packages needs root: run as root, or install sudo"
    sudo=(sudo)
  fi
  # A new machine may be updating itself: wait for that.
  apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
fi

command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs, open a new shell, and run this again"
if command -v rustup >/dev/null && ! rustc --version >/dev/null 2>&1; then
  say "installing the version of Rust that rust-toolchain.toml names"
  rustup toolchain install --no-self-update
fi
targets=(wasm32-unknown-unknown)
[ "$what" = test ] && targets+=("$(uname -m)-unknown-linux-musl")
[ -n "$arm64" ] && targets+=("$arm64")
for target in "${targets[@]}"; do
  if ! ls "$(rustc --print target-libdir --target "$target")"/libstd-* >/dev/null 2>&1; then
    command -v rustup >/dev/null || die "Rust's target $target is missing, and there is no rustup to add it with"
    say "adding Rust's target $target"
    rustup target add "$target"
  fi
done

if [ "$what" = test ] && ! command -v cargo-deny >/dev/null; then
  # A version that this repository's compiler can build.
  say "installing cargo-deny (a few minutes, once)"
  cargo install --locked --quiet cargo-deny@0.20.2
fi
