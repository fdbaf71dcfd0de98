#!/usr/bin/env python3
"""The cost and gain of DEFLATE's levels on real rasters, in the GeoTIFF that tilefn writes by default, as a Markdown table.

    bench/levels.py                  fetches the scenes, measures, prints the table of docs/performance.md
    bench/levels.py float64 …        only these types

Needs Python with GDAL's bindings and numpy (Debian: python3-gdal). Each raster is written into memory by one thread, with the
predictor that tilefn takes for its type. Sizes and processor times are relative to level 6, GDAL's default. The levels take
turns, and the time of the fastest of several turns counts.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from osgeo import gdal, gdal_array

gdal.UseExceptions()
DATA = Path(os.environ.get("TILEFN_DATA", Path.home() / ".cache" / "tilefn" / "data"))
FETCH = Path(__file__).resolve().parent.parent / "scripts" / "fetch-data.sh"
LEVELS = (1, 2, 3, 6, 9)
TURNS = 3
PIXELS = 2_000_000


def read(path, band=1):
    return gdal.Open(str(path)).ReadAsArray(band_list=[band])


def terrain(dem):
    """Slope in degrees and hillshade of a DEM whose heights and 30 m pixels are metres."""
    y, x = np.gradient(dem.astype("f4"), 30)
    slope = np.degrees(np.arctan(np.hypot(x, y)))
    light = (np.sqrt(0.5) - 0.5 * x + 0.5 * y) / np.sqrt(1 + x * x + y * y)
    return slope.astype("f4"), (1.5 + 254 * np.clip(light, 0, 1)).astype("u1")


def scenes():
    """Name, pixels, and whether they are classes, which get no predictor when the job says so."""
    landsat = DATA / "landsat8"
    red = read(next(landsat.glob("LC08*224078*_B4.TIF")))
    green = read(next(landsat.glob("LC08*224078*_B3.TIF")))
    near = 2.2 * green.astype("f4") - red
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi = ((near - red) / (near + red)).astype("f4")
    dem = read(next((DATA / "srtm").glob("*ref*.tif"), None) or sorted((DATA / "srtm").glob("*.tif"))[0])
    slope, shade = terrain(dem)
    classes = np.digitize(np.nan_to_num(ndvi, nan=-9), [-1, 0, 0.2, 0.4, 0.6, 0.8]).astype("u1")
    clouds = gdal.Open(f'NETCDF:"{next((DATA / "romania").glob("*_10m.nc"))}":SCL').ReadAsArray()
    clouds = np.vstack([np.hstack(clouds[n : n + 14]) for n in range(0, 140, 14)]).astype("u1")
    etm = read(next((DATA / "olinda").glob("L7*.tif")), 4)
    return [
        ("Landsat-8 B4", red, False),
        ("SRTM heights", dem.astype("i2"), False),
        ("vegetation index × 10 000", np.nan_to_num(ndvi * 10000, nan=-32768).astype("i2"), False),
        ("vegetation index, NaN outside", ndvi, False),
        ("slope", slope, False),
        ("SRTM heights", dem.astype("f4"), False),
        ("slope", slope.astype("f8"), False),
        ("SRTM heights", dem.astype("f8"), False),
        ("hillshade", shade, False),
        ("Landsat-7 near infrared", etm, False),
        ("classes of the vegetation index", classes, False),
        ("classes of the vegetation index", classes, True),
        ("Sentinel-2 scene classes", clouds, False),
        ("Sentinel-2 scene classes", clouds, True),
    ]


def write(source, level, predictor):
    options = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "COMPRESS=DEFLATE", f"ZLEVEL={level}", f"PREDICTOR={predictor}"]
    start = time.process_time()
    gdal.GetDriverByName("GTiff").CreateCopy("/vsimem/out.tif", source, options=options).FlushCache()
    spent = time.process_time() - start
    return spent, gdal.VSIStatL("/vsimem/out.tif").size


def main():
    subprocess.run([FETCH, "landsat8", "srtm", "romania", "olinda"], check=True, stdout=subprocess.DEVNULL)
    print("| type | raster | predictor | MB at 6 |", *(f"size at {n} | time at {n} |" for n in LEVELS if n != 6))
    print("|---|---|---|---|" + "---|" * 2 * (len(LEVELS) - 1))
    wanted = sys.argv[1:]
    for name, pixels, thematic in scenes():
        if wanted and str(pixels.dtype) not in wanted:
            continue
        # Small ones are repeated, so that a clock can measure them.
        pixels = np.tile(pixels, (-(-PIXELS // pixels.size), 1)) if pixels.size < PIXELS else pixels
        # The dataset reads the array's own memory.
        pixels = np.ascontiguousarray(pixels)
        source = gdal_array.OpenArray(pixels)
        predictor = 1 if thematic else 3 if pixels.dtype.kind == "f" else 2
        times, sizes = {n: [] for n in LEVELS}, {}
        for _ in range(TURNS):
            for level in LEVELS:
                spent, sizes[level] = write(source, level, predictor)
                times[level].append(spent)
        figures = (f"{sizes[n] / sizes[6]:.3f} | {min(times[n]) / min(times[6]):.2f} |" for n in LEVELS if n != 6)
        print(f"| {pixels.dtype} | {name} | {predictor} | {sizes[6] / 1e6:.1f} |", *figures, flush=True)


if __name__ == "__main__":
    main()
