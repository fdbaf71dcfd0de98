#!/usr/bin/env bash
# Builds what is published, into dist/: a tarball with the program and a wheel with the program and Python's compiled part, each
# with a GDAL of today inside; licences, and checksums. They run on every Linux with glibc 2.28 or later (Debian 10, Ubuntu 18.10,
# RHEL 8), without Rust and without GDAL.
# Usage: scripts/dist.sh [ARCHITECTURE]     x86_64 or aarch64; this machine's, if not said. Any machine builds for both.
#
# GDAL and the libraries under it are those of rasterio's wheel: built by its maintainers for the same glibc, with the formats
# that users have, renewed with each release. docs/decisions/0031-gdal-inside.md says why.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

architecture="${1:-$(uname -m)}"
glibc=2.28
gdal_version=3.12.2
gdal_wheel=rasterio==1.5.2
case "$architecture" in
  x86_64) gdal_sha256=be2d2a825d545e6c6e8b2aa0d67c963e9ffc44ce3cecbab4ffe95dc87c0fc0de ;;
  aarch64) gdal_sha256=f85cec5d23e7cd8d22a4b4edba11f63a94008c396a03433b8fb260140c00cb90 ;;
  *) die "no GDAL is known for $architecture; there are x86_64 and aarch64" ;;
esac
platform=manylinux_${glibc/./_}_$architecture
rust_target=$architecture-unknown-linux-gnu
rustup target list --installed | grep -qx "$rust_target" || rustup target add "$rust_target"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
target=$(cargo metadata --locked --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# Zig's linker knows every glibc, so that the machine's own doesn't matter.
pinned=(ziglang==0.17.1 cargo-zigbuild==0.24.1 wheel==0.48.0 hatchling==1.33.0)
tools="${XDG_CACHE_HOME:-$HOME/.cache}/tilefn-dist-tools"
if [ "$(cat "$tools/pinned" 2>/dev/null)" != "${pinned[*]}" ]; then
  say "installing ${pinned[*]} into $tools"
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --only-binary :all: "${pinned[@]}"
  echo "${pinned[*]}" >"$tools/pinned"
fi
export PATH="$tools/bin:$PATH"

work="$target/dist/$architecture"
if [ "$(cat "$work/gdal" 2>/dev/null)" != "$gdal_sha256" ]; then
  say "fetching GDAL $gdal_version from the wheel $gdal_wheel"
  rm -rf "$work"
  mkdir -p "$work/wheel" "$work/link" "$work/inside/lib" "$work/inside/share"
  "$tools/bin/pip" download --quiet --no-deps --only-binary :all: --python-version 3.13 --platform "$platform" --dest "$work" "$gdal_wheel"
  echo "$gdal_sha256  $(echo "$work"/*.whl)" | sha256sum --check --quiet || die "the wheel $gdal_wheel is not the one whose checksum is known"
  "$tools/bin/python" -m zipfile -e "$work"/*.whl "$work/wheel"
  cp "$work"/wheel/rasterio.libs/* "$work/inside/lib/"
  cp -r "$work/wheel/rasterio/gdal_data" "$work/inside/share/gdal"
  cp -r "$work/wheel/rasterio/proj_data" "$work/inside/share/proj"
  ln -s "$(echo "$work"/inside/lib/libgdal-*)" "$work/link/libgdal.so"
  echo "$gdal_sha256" >"$work/gdal"
fi

say "building the program and Python's compiled part for $platform"
build() {
  # The first folder is the tarball's and the program's in the wheel, the second that of Python's compiled part.
  env PYO3_BUILD_EXTENSION_MODULE=1 GDAL_LIB_DIR="$work/link" GDAL_VERSION="$gdal_version" PKG_CONFIG=false \
    RUSTFLAGS='-C link-arg=-Wl,-rpath,$ORIGIN/../lib -C link-arg=-Wl,-rpath,$ORIGIN/_inside/lib' \
    cargo zigbuild --locked --profile worker --target "$rust_target.$glibc" "$@"
}
build --package tilefn --package tilefn-python-api --features tilefn/aws,tilefn/ec2
built="$target/$rust_target/worker"

inside="$work/inside"
rm -rf "$inside/bin" "$inside/share/licenses"
install -D "$built/tilefn" "$inside/bin/tilefn"
python3 scripts/licenses.py --target "$rust_target" --libraries "$inside/lib" --to "$inside/share/licenses"

mkdir -p dist
name=tilefn-$version-linux-$architecture
say "packing dist/$name.tar.gz"
tar --create --gzip --file "dist/$name.tar.gz" --owner 0 --group 0 --transform "s,^inside,$name," --directory "$work" inside

say "packing the wheel"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r guest-sdk/python/tilefn guest-sdk/python/pyproject.toml guest-sdk/python/README.md "$folder"
rm -rf "$folder/tilefn/_tilefn.abi3.so" "$folder/tilefn/_inside"
(cd "$folder" && "$tools/bin/python" -m hatchling build --target wheel --directory "$folder/pure" >/dev/null)
"$tools/bin/wheel" unpack --dest "$folder" "$folder"/pure/*.whl >/dev/null
unpacked="$folder/tilefn-$version"
cp -r "$inside" "$unpacked/tilefn/_inside"
cp "$built/libtilefn_python_api.so" "$unpacked/tilefn/_tilefn.abi3.so"
sed -i 's/^Root-Is-Purelib:.*/Root-Is-Purelib: false/' "$unpacked/tilefn-$version.dist-info/WHEEL"
"$tools/bin/wheel" pack --dest-dir "$folder" "$unpacked" >/dev/null
rm -f dist/tilefn-"$version"-*"$platform".whl
"$tools/bin/wheel" tags --remove --python-tag cp310 --abi-tag abi3 --platform-tag "$platform" "$folder/tilefn-$version-py3-none-any.whl" >/dev/null
mv "$folder"/tilefn-"$version"-cp310-abi3-"$platform".whl dist/

(cd dist && sha256sum -- *.tar.gz *.whl >SHA256SUMS)
say "dist/ has:"
(cd dist && du -h -- *)
