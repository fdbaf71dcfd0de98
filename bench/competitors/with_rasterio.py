"""A benchmark job with rasterio: two threads, each with its own datasets, and one output under a lock.

    with_rasterio.py JOB OUT CODEC INPUT...

Tile and creation options are those of the native twin, the block cache is 64 MB.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import kernels
import numpy as np
import rasterio
from rasterio.windows import Window

TILE = 512
THREADS = 2
local = threading.local()
lock = threading.Lock()


def read(dataset, window, halo, dtype=np.float32):
    """A window of the first band and pixels around it; 0 outside the file."""
    row, col = window.row_off - halo, window.col_off - halo
    rows, cols = window.height + 2 * halo, window.width + 2 * halo
    top, left = max(0, -row), max(0, -col)
    bottom, right = min(rows, dataset.height - row), min(cols, dataset.width - col)
    part = dataset.read(1, window=Window(col + left, row + top, right - left, bottom - top), out_dtype=dtype)
    if part.shape == (rows, cols):
        return part
    pixels = np.zeros((rows, cols), dtype)
    pixels[top:bottom, left:right] = part
    return pixels


def compute(job, files, window):
    if job == "ndvi":
        return kernels.ndvi(*(read(f, window, 0) for f in files))
    if job == "cloud-free-median":
        half = len(files) // 2
        dates = np.stack([read(f, window, 0) for f in files[:half]])
        clouds = np.stack([read(f, window, 0, np.uint8) for f in files[half:]])
        return kernels.cloud_free_median(dates, clouds)
    function = {"focal-mean": kernels.focal_mean, "focal-median": kernels.focal_median}[job]
    return function(read(files[0], window, kernels.RADIUS))


def main(job, out, codec, *inputs):
    with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(inputs[0]) as like:
        profile = like.profile | {"dtype": "float32", "nodata": np.nan}
        # Without options one writes with the input's profile.
        if codec != "as-it-comes":
            profile |= {
                "tiled": True,
                "blockxsize": 256,
                "blockysize": 256,
                "compress": codec,
                "num_threads": THREADS,
                "bigtiff": "if_safer",
            }
            profile.pop("predictor", None)
        windows = [
            Window(col, row, min(TILE, like.width - col), min(TILE, like.height - row))
            for row in range(0, like.height, TILE)
            for col in range(0, like.width, TILE)
        ]
        with rasterio.open(out, "w", **profile) as output:

            def run(window):
                if not hasattr(local, "files"):
                    local.files = [rasterio.open(path) for path in inputs]
                result = compute(job, local.files, window)
                with lock:
                    output.write(result, 1, window=window)

            with ThreadPoolExecutor(THREADS) as pool:
                for _ in pool.map(run, windows):
                    pass


if __name__ == "__main__":
    main(*sys.argv[1:])
