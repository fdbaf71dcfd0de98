#!/usr/bin/env python3
"""Makes the benchmark rasters: a real Landsat-8 scene, mirrored to any size, with a little noise.

    bench/make-data.py --size 8192 [--block 256] [--dates 12]

Red is band 4. No package on a registry holds a near infrared of that scene, so it is derived from bands 4 and 3; its
texture, and so its compression, is real. With --dates also a series of that many dates, and a cloud mask for each (1 is
cloud, about a third of the pixels, in blobs). Everything is written twice, plain and DEFLATE (horizontal predictor),
under $TILEFN_BENCH (default ~/.cache/tilefn/bench); what is already there is kept. Prints the directory.
Needs numpy and rasterio: bench/setup-competitors.sh makes an environment with them.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

CACHE = Path.home() / ".cache" / "tilefn"
SCENES = Path(os.environ.get("TILEFN_DATA", CACHE / "data")) / "landsat8"
BENCH = Path(os.environ.get("TILEFN_BENCH", CACHE / "bench"))
SCENE = "LC08_L1TP_224078_20200518_20200518_01_RT_B%d.TIF"
CODECS = {"none": {}, "deflate": {"compress": "deflate", "predictor": 2, "num_threads": "all_cpus"}}
STRIP = 512


def mirrored(size, length):
    """Indices 0..length, back and forth, `size` of them."""
    i = np.arange(size) % (2 * length)
    return np.where(i < length, i, 2 * length - 1 - i)


class Rasters:
    """Strips of every raster of one size; a strip's pixels depend only on its name and row."""

    def __init__(self, size):
        paths = [SCENES / (SCENE % band) for band in (4, 3)]
        if not all(p.exists() for p in paths):
            sys.exit("make-data: the Landsat-8 scene is missing; run scripts/fetch-data.sh landsat8")
        with rasterio.open(paths[0]) as red, rasterio.open(paths[1]) as green:
            self.transform, self.crs = red.transform, red.crs
            self.red, self.green = red.read(1), green.read(1)
        self.size = size
        rows, cols = self.red.shape
        self.row_of, self.col_of = mirrored(size, rows), mirrored(size, cols)

    def strip(self, name, row, rows):
        kind = name.rstrip("0123456789")
        number = int(name[len(kind) :] or 0)
        rng = np.random.default_rng([row, number, *kind.encode()])
        if kind == "cloud":
            return self.cloud(number, row, rows)
        at = np.ix_(self.row_of[row : row + rows], self.col_of)
        red, green = self.red[at], self.green[at]
        noise = rng.integers(-8, 9, red.shape, dtype=np.int32)
        if kind == "red":
            value = red + noise
        elif kind == "nir":
            value = (5 * green.astype(np.int32) >> 1) - red + noise
        else:  # one date: the season changes the brightness
            gain = 1 + 0.15 * np.sin(2 * np.pi * number / 12)
            value = (red * np.float32(gain)).astype(np.int32) + 20 * noise
        empty = (red == 0) | (green == 0)
        return np.where(empty, 0, np.clip(value, 1, 65535)).astype(np.uint16)

    def cloud(self, number, row, rows):
        cell = 64
        n = -(-self.size // cell) + 1
        field = np.random.default_rng([number, 99]).random((n, n), dtype=np.float32)
        cut = np.quantile(field, 0.65)
        i, j = np.arange(row, row + rows) / cell, np.arange(self.size) / cell
        i0, j0 = i.astype(int), j.astype(int)
        fi, fj = (i - i0).astype(np.float32)[:, None], (j - j0).astype(np.float32)
        across = field[:, j0] * (1 - fj) + field[:, j0 + 1] * fj
        return (across[i0] * (1 - fi) + across[i0 + 1] * fi > cut).astype(np.uint8)


def make(directory, size, block, names):
    missing = [n for n in names if not all((directory / c / f"{n}.tif").exists() for c in CODECS)]
    if not missing:
        return
    rasters = Rasters(size)
    for name in missing:
        cloud = name.startswith("cloud")
        profile = {
            "driver": "GTiff",
            "width": size,
            "height": size,
            "count": 1,
            "dtype": "uint8" if cloud else "uint16",
            "nodata": None if cloud else 0,
            "transform": rasters.transform,
            "crs": rasters.crs,
            "tiled": True,
            "blockxsize": block,
            "blockysize": block,
        }
        paths = [directory / codec / f"{name}.tif" for codec in CODECS]
        with contextlib.ExitStack() as stack:
            stack.enter_context(rasterio.Env(GDAL_CACHEMAX=64))
            out = []
            for path, options in zip(paths, CODECS.values()):
                path.parent.mkdir(parents=True, exist_ok=True)
                out.append(stack.enter_context(rasterio.open(f"{path}.part", "w", **profile, **options)))
            for row in range(0, size, STRIP):
                strip = rasters.strip(name, row, min(STRIP, size - row))
                for dataset in out:
                    dataset.write(strip, 1, window=Window(0, row, *strip.shape[::-1]))
        for path in paths:
            os.rename(f"{path}.part", path)


def directory(size, block):
    return BENCH / f"{size}-{block}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--dates", type=int, default=0)
    args = parser.parse_args()
    names = ["red", "nir"] + [f"{k}{i:02}" for i in range(1, args.dates + 1) for k in ("date", "cloud")]
    make(directory(args.size, args.block), args.size, args.block, names)
    print(directory(args.size, args.block))


if __name__ == "__main__":
    main()
