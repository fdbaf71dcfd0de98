#!/usr/bin/env bash
# Builds the worker without GDAL for ARM64, and tests that it gives the same pixels as this machine's, bit for bit; on an x86-64
# machine under qemu. Skips, loudly, when the tools for that are missing (scripts/setup.sh test installs them with
# TILEFN_TEST_ARM64=arm64).
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
skip() { say "SKIPPED: the worker for ARM64, since $1"; exit 0; }

[ "$(uname -m)" = x86_64 ] || skip "this machine is not x86-64; on ARM64 all other tests have tested it"
target=aarch64-unknown-linux-musl
command -v qemu-aarch64-static >/dev/null || skip "there is no qemu-aarch64-static"
command -v aarch64-linux-gnu-gcc >/dev/null || skip "there is no aarch64-linux-gnu-gcc"
ls "$(rustc --print target-libdir --target $target)"/libstd-* >/dev/null 2>&1 || skip "Rust's target $target is missing"

# The C in it needs a compiler, but nothing of glibc: its own checks and atomics would.
export CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc CFLAGS_aarch64_unknown_linux_musl="-U_FORTIFY_SOURCE -mno-outline-atomics"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
cargo build --locked --package tilefn --no-default-features --target $target
folder=$(cargo metadata --locked --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
TILEFN_ARM64="qemu-aarch64-static $folder/$target/debug/tilefn" cargo test --locked --workspace --all-features --test remote -- arm64::
