"""A Python tile function as a RIOS-like script would run it: numpy over GDAL's blocks, two threads, one output under a lock.

    with_numpy.py FUNCTION.py OUT INPUT...

The function is the very file that tilefn runs in its sandbox. An input that is a list takes its share of the files: half of
them if there are two lists.
"""

import importlib.util
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "guest-sdk" / "python"))
import tilefn

TILE = 512
THREADS = 2
local = threading.local()
lock = threading.Lock()


def read(dataset, window, halo, dtype):
    """A window as the function gets it, [bands, rows, cols]; NaN, or masked, outside and where it is nodata."""
    row, col = window.row_off - halo, window.col_off - halo
    rows, cols = window.height + 2 * halo, window.width + 2 * halo
    top, left = max(0, -row), max(0, -col)
    bottom, right = min(rows, dataset.height - row), min(cols, dataset.width - col)
    part = dataset.read(window=Window(col + left, row + top, right - left, bottom - top), out_dtype=dtype)
    if dtype.startswith("float"):
        if dataset.nodata is not None:
            part[part == dataset.nodata] = np.nan
        pixels = np.full((len(part), rows, cols), np.nan, dtype)
    else:
        pixels = np.zeros((len(part), rows, cols), dtype)
    pixels[:, top:bottom, left:right] = part
    return pixels


def main(path, out, *inputs):
    spec = importlib.util.spec_from_file_location("function", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (function,) = (value for value in vars(module).values() if isinstance(value, tilefn.TileFunction))
    signature = function.signature
    defaults = {item.name: item.default for item in signature.params}
    if "clear" in defaults:
        defaults["clear"] = [0]
    halo = defaults[signature.halo] if isinstance(signature.halo, str) else signature.halo
    lists = [item for item in signature.inputs if item.list]
    share = len(inputs) // len(lists) if lists else 1
    paths = [inputs[i * share : (i + 1) * share] for i in range(len(signature.inputs))]

    with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(inputs[0]) as like:
        profile = like.profile | {"dtype": "float32", "nodata": np.nan, "tiled": True, "blockxsize": 256, "blockysize": 256}

        def run(window):
            if not hasattr(local, "files"):
                local.files = [[rasterio.open(path) for path in files] for files in paths]
            given = {}
            for item, files in zip(signature.inputs, local.files):
                arrays = [read(file, window, halo, item.dtype) for file in files]
                given[item.name] = arrays if item.list else arrays[0]
            result = function(**given, **defaults)
            with lock:
                output.write(np.asarray(result)[0], 1, window=window)

        windows = [
            Window(col, row, min(TILE, like.width - col), min(TILE, like.height - row))
            for row in range(0, like.height, TILE)
            for col in range(0, like.width, TILE)
        ]
        with rasterio.open(out, "w", **profile) as output, ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(run, windows))


if __name__ == "__main__":
    main(*sys.argv[1:])
