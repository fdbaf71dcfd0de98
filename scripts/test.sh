#!/usr/bin/env bash
# All checks and tests, in the order in which they fail fastest. CI runs this, through `make test`. Leaves nothing behind
# but cargo's target folder (CARGO_TARGET_DIR) and fetched test data (~/.cache/tilefn/data).
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

say "scripts"
for script in scripts/*.sh .ci/run; do bash -n "$script"; done

say "formatting"
cargo fmt --all --check

say "dependencies: licences, bans, sources, advisories"
cargo deny --locked --log-level error check bans licenses sources
# The advisory database is on GitHub; a machine that can't reach it says so, and any other machine checks.
if ! advisories=$(cargo deny --locked --log-level error check advisories 2>&1); then
  if grep -qiE 'failed to fetch|failed to clone|resolve host|network|timed out' <<<"$advisories"; then
    say "SKIPPED: advisories, since the advisory database can't be fetched here"
  else
    printf '%s\n' "$advisories" >&2
    exit 1
  fi
fi

say "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings

say "documentation of the code"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

say "tests"
cargo test --locked --workspace

say "a worker without GDAL"
cargo clippy --locked --package tilefn --no-default-features -- -D warnings
cargo clippy --locked --package tilefn --no-default-features --features aws -- -D warnings
static=
musl="$(uname -m)-unknown-linux-musl"
target=$(cargo metadata --locked --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
if command -v musl-gcc >/dev/null && ls "$(rustc --print target-libdir --target "$musl")"/libstd-* >/dev/null 2>&1; then
  static="$target/$musl/debug/tilefn"
  env "CC_${musl//-/_}=musl-gcc" cargo build --locked --package tilefn --no-default-features --features aws --target "$musl"
  TILEFN_STATIC="$static" cargo test --locked --package tilefn --test remote -- without_gdal::
else
  say "SKIPPED: the static worker and its container, since musl-gcc or Rust's target $musl is missing"
fi

if [ "${TILEFN_TEST_ARM64:-}" = arm64 ]; then
  say "a worker for ARM64"
  scripts/arm64.sh
else
  say "SKIPPED: a worker for ARM64, which takes minutes to build; set TILEFN_TEST_ARM64=arm64 for it"
fi

# The SDK for EC2 takes 7 GB of memory to compile: with little, one compiler at a time.
memory=$(awk '/^MemTotal/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || echo 16)
jobs=()
[ "$memory" -lt 16 ] && jobs=(--jobs 1)
if [ "$memory" -lt 9 ]; then
  say "SKIPPED: the tests of AWS, since this machine has less than 9 GB of memory to compile them"
else
  say "AWS: clippy"
  cargo clippy --locked --package tilefn --features aws-tests --all-targets "${jobs[@]}" -- -D warnings
  say "AWS: tests against the simulator"
  cargo test --locked --package tilefn --features aws-tests "${jobs[@]}" --lib aws::
  cargo test --locked --package tilefn --features aws-tests "${jobs[@]}" --test aws --test docs
  say "AWS: requests judged by moto"
  scripts/moto.sh
  if [ -n "$static" ]; then
    cargo test --locked --package tilefn --features aws-tests "${jobs[@]}" --test remote --no-run
    # The controller of these tests is also what the image with GDAL holds.
    scripts/containers.sh "$static" "$target/debug/tilefn"
  fi
fi

say "native tests of the examples"
for manifest in examples/*/Cargo.toml; do
  cargo fmt --check --manifest-path "$manifest"
  cargo test --locked --quiet --manifest-path "$manifest"
done

say "recipes for workers"
cargo build --locked --package tilefn
scripts/test-recipes.sh "${CARGO_TARGET_DIR:-target}/debug/tilefn"
