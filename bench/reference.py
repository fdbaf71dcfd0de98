#!/usr/bin/env python3
"""The benchmark's functions once more, whole rasters at a time in plain numpy, to prove results right.

bench/reference.py TWIN        runs the twin on small real rasters of odd size and compares every pixel
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio

from suite import inputs_of, make_data

RADIUS = 2
JOBS = ("ndvi", "focal-mean", "cloud-free-median", "focal-median", "copy")


def valid(path):
    """The first band as float64, NaN where it is nodata."""
    with rasterio.open(path) as dataset:
        pixels = dataset.read(1).astype(np.float64)
        if dataset.nodata is not None:
            pixels[pixels == dataset.nodata] = np.nan
    return pixels


def windows(pixels):
    """For each pixel the 25 around and under it; NaN beyond the edge."""
    padded = np.pad(pixels, RADIUS, constant_values=np.nan)
    side = 2 * RADIUS + 1
    return np.lib.stride_tricks.sliding_window_view(padded, (side, side)).reshape(*pixels.shape, -1)


def expected(job, inputs):
    """What a job must give, in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mean or median of nothing is NaN
        if job == "ndvi":
            red, nir = map(valid, inputs)
            return (nir - red) / (nir + red)
        if job == "focal-mean":
            pixels = valid(inputs[0])
            return np.where(np.isnan(pixels), np.nan, np.nanmean(windows(pixels), axis=-1))
        if job == "focal-median":
            return np.nanmedian(windows(valid(inputs[0])), axis=-1)
        if job == "cloud-free-median":
            half = len(inputs) // 2
            dates = np.array([valid(path) for path in inputs[:half]])
            clouds = np.array([valid(path) for path in inputs[half:]])
            return np.nanmedian(np.where(clouds == 0, dates, np.nan), axis=0)
    return valid(inputs[0])


def difference(a, b):
    """The largest relative difference of two arrays; infinite if they are not NaN at the same pixels."""
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    both = ~np.isnan(a)
    a, b = a[both], b[both]
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1.0), initial=0.0))


def main(twin):
    data = make_data(700, dates=12)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out.tif"
        for codec in ("none", "deflate"):
            for job in JOBS:
                inputs = inputs_of(job, data / codec)
                want = expected(job, inputs)
                for tile in (64, 256, 512, 1024):
                    subprocess.run([twin, job, out, *inputs, "--codec", codec, "--tile", str(tile)], check=True)
                    with rasterio.open(out) as dataset:
                        off = difference(dataset.read(1).astype(np.float64), want)
                    # Half a unit in the last place of float32, the only rounding there is.
                    if off > 2.0**-24:
                        sys.exit(f"reference: {job}, {codec}, tile {tile}: differs by {off}")
                print(f"{job}, {codec}: every pixel right")


if __name__ == "__main__":
    main(sys.argv[1])
