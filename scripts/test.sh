#!/usr/bin/env bash
# All checks and tests, in the order in which they fail fastest. CI runs this, through `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

say "formatting"
cargo fmt --all --check

say "dependencies: licences, bans, sources, advisories"
cargo deny --log-level error check bans licenses sources
# The advisory database is on GitHub; a machine that can't reach it says so, and any other machine checks.
if ! cargo deny --log-level error check advisories 2>/tmp/tilefn-advisories.$$; then
  if grep -qiE 'fetch|clone|network|resolve|connect' /tmp/tilefn-advisories.$$; then
    say "SKIPPED: advisories, since the advisory database can't be fetched here"
  else
    cat /tmp/tilefn-advisories.$$ >&2
    rm -f /tmp/tilefn-advisories.$$
    exit 1
  fi
fi
rm -f /tmp/tilefn-advisories.$$

say "clippy"
cargo clippy --workspace --all-targets -- -D warnings

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

say "tests"
cargo test --workspace
