"""NDVI of two files on the first one's grid with rasterio's WarpedVRT: two threads, one output under a lock.

    with_warped_vrt.py OUT RED NIR
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import kernels
import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

TILE = 512
THREADS = 2
local = threading.local()
lock = threading.Lock()


def main(out, red, nir):
    with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(red) as like:
        profile = like.profile | {"dtype": "float32", "nodata": np.nan, "tiled": True, "blockxsize": 256, "blockysize": 256}
        grid = {"crs": like.crs, "transform": like.transform, "width": like.width, "height": like.height}

        def run(window):
            if not hasattr(local, "files"):
                local.files = [rasterio.open(red), WarpedVRT(rasterio.open(nir), resampling=Resampling.bilinear, tolerance=1e-6, **grid)]
            result = kernels.ndvi(*(file.read(1, window=window, out_dtype=np.float32) for file in local.files))
            with lock:
                output.write(result, 1, window=window)

        windows = [
            Window(col, row, min(TILE, like.width - col), min(TILE, like.height - row))
            for row in range(0, like.height, TILE)
            for col in range(0, like.width, TILE)
        ]
        with rasterio.open(out, "w", **profile) as output, ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(run, windows))


if __name__ == "__main__":
    main(*sys.argv[1:])
