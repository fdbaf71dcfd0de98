#!/usr/bin/env bash
# What is published, in dist/: the program with GDAL inside as a tarball, and as a wheel with Python's package; checksums; licences
# and an SBOM of all that is inside. Needs Debian 12, for its static libraries; the first time takes some 40 minutes of processor time.
# Usage: scripts/dist.sh
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
export CARGO_TARGET_DIR="${TILEFN_DIST_TARGET:-$HOME/.cache/tilefn-dist}" CMAKE_TOOLCHAIN_FILE="$PWD/host/dist/gdal.cmake"
manifest=host/dist/Cargo.toml
version=$(sed -n 's/^version = "\(.*\)"/\1/p' $manifest | head -1)
name="tilefn-$version-$(uname -m)-linux"
package=guest-sdk/python/tilefn/_program

say "the program and the compiled part of Python's package, with GDAL, PROJ, GEOS, NetCDF, HDF5 and curl inside"
cargo build --release --locked --manifest-path $manifest
built="$CARGO_TARGET_DIR/release"

say "the tarball"
rm -rf dist && mkdir -p "dist/$name/bin" "dist/$name/share/tilefn" "dist/$name/share/doc/tilefn"
cp "$built/tilefn" "dist/$name/bin/"
# The newest, if a change of the build's settings left older ones.
newest() { ls -dt "$built"/build/$1 | head -1; }
cp -r "$(newest 'gdal-src-*/out/share/gdal')" "$(newest 'proj-sys-*/out/share/proj')" "dist/$name/share/tilefn/"
cp README.md LICENSE-* CHANGELOG.md "dist/$name/share/doc/tilefn/"
scripts/licenses.py "$manifest" "dist/$name/share/doc/tilefn"
tar -C dist -czf "dist/$name.tar.gz" "$name"

say "the wheel"
trap 'rm -rf "$package" host/dist/licenses' EXIT
mkdir -p "$package" host/dist/licenses
cp -r "dist/$name/bin" "dist/$name/share" "$package/"
cp LICENSE-* "dist/$name/share/doc/tilefn/LICENSES.md" host/dist/licenses/
venv="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-maturin"
[ -x "$venv/bin/maturin" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'maturin>=1.9,<2'; }
# The program inside the package is the same build; the wheel has no second one.
"$venv/bin/maturin" build --release --locked --manifest-path $manifest --out dist --strip
rm -rf "dist/$name"

(cd dist && sha256sum -- *.tar.gz *.whl >SHA256SUMS)
say "done"
ls -l dist
