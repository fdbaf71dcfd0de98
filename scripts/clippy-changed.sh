#!/usr/bin/env bash
# Clippy for the crates that these files belong to. The hook before a commit calls it (.pre-commit-config.yaml).
# Usage: scripts/clippy-changed.sh FILE…
set -euo pipefail
cd "$(dirname "$0")/.."
packages=()
for file in "$@"; do
  folder=$(dirname "$file")
  until [ -e "$folder/Cargo.toml" ]; do folder=$(dirname "$folder"); done
  # Examples, benchmarks and test modules are workspaces of their own.
  grep -q '^\[workspace\]' "$folder/Cargo.toml" && continue
  packages+=(--package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$folder/Cargo.toml" | head -n 1)")
done
[ ${#packages[@]} -eq 0 ] || cargo clippy --locked "${packages[@]}" --all-targets -- -D warnings
