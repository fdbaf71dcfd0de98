#!/usr/bin/env python3
"""Jobs whose inputs don't lie on one grid: warped, coarser, and polygons; against native code with GDAL, rasterio and exactextract.

    bench/grids.py --tilefn target/release/tilefn [--size 8192] [--turns 3] [--polygons 100000] [--job J5]

J5 NDVI of two files in different CRS (bilinear). J6 NDVI of a file and one of half its resolution (bilinear). J7 means of a
raster over polygons. The twin of J5 and J6 reads the second file through a warped VRT, which makes the same calls of GDAL for it.
As in run.py the tools take turns, the first turn isn't counted, and its results are compared.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from suite import BENCH, HERE, THREADS, make_data, say

JOB = """
function = {{ module = "{module}" }}
inputs.red = {{ path = "{red}" }}
inputs.nir = {{ path = "{nir}", resampling = "bilinear" }}
outputs.ndvi = {{ path = "{out}", options = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "NUM_THREADS={threads}"] }}
workers = {{ count = {threads} }}
grid = {{ reference = "red", footprint = "reference", skip_empty = false }}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tilefn", required=True)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--polygons", type=int, default=100_000)
    parser.add_argument("--job", choices=["J5", "J6", "J7"], action="append")
    args = parser.parse_args()
    venv = Path(subprocess.run([HERE / "setup-competitors.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    if Path(sys.prefix).resolve() != venv.resolve():
        os.execv(str(venv / "bin" / "python"), [str(venv / "bin" / "python"), __file__, *sys.argv[1:]])
    import run

    tools = run.Tools(args.tilefn)
    out = BENCH / "out" / "out.tif"
    out.parent.mkdir(parents=True, exist_ok=True)
    data = make_data(args.size) / "none"
    other = make_other_grids(data)
    wanted = args.job or ["J5", "J6", "J7"]
    for title, second in (("J5 two CRS", "other-crs"), ("J6 half the resolution", "coarse")):
        if title[:2] not in wanted:
            continue
        jobs = {}
        for name, nir in ((second, other / f"{second}.tif"), ("same", data / "nir.tif")):
            jobs[name] = out.with_name(f"{name}.toml")
            text = JOB.format(module=tools.modules["ndvi"], red=data / "red.tif", nir=nir, out=out, threads=THREADS)
            jobs[name].write_text(text)
        commands = {
            "twin": [tools.twin, "ndvi", out, data / "red.tif", other / f"{second}.vrt", "--threads", THREADS],
            "tilefn": [tools.tilefn, "run", jobs[second], "--quiet"],
            "rasterio": [sys.executable, HERE / "competitors" / "with_warped_vrt.py", out, data / "red.tif", other / f"{second}.tif"],
            "tilefn, one grid": [tools.tilefn, "run", jobs["same"], "--quiet"],
        }
        told(title, run.take_turns(commands, out, args.turns, compared(out)), "twin")
    if "J7" not in wanted:
        return
    polygons = make_polygons(data / "red.tif", args.polygons)
    table = out.with_suffix(".csv")
    script = HERE / "competitors" / "with_polygons.py"
    red = data / "red.tif"
    zonal = ["zonal", "--zones", polygons.with_suffix(".gpkg"), "--by", "id", "--values", red, "--stats", "mean", "-o", table, "--overwrite"]
    commands = {
        "tilefn": [tools.tilefn, *zonal, "--quiet"],
        "rasterio": [sys.executable, script, "rasterize", polygons, red, table],
        "exactextract": [sys.executable, script, "exactextract", polygons, red, table],
    }
    means = {}

    def check(tool):
        means[tool] = {int(row["id"]): float(row[next(k for k in row if k.endswith("mean"))] or "nan") for row in csv.DictReader(table.open())}
        # exactextract weighs pixels by their share in the polygon, so that its means are others.
        if tool == "rasterio":
            wrong = [z for z, mean in means["tilefn"].items() if abs(mean - means[tool].get(z, mean)) > 1e-6 * abs(mean)]
            if wrong:
                sys.exit(f"grids: {len(wrong)} zones differ from rasterio's, such as {wrong[:5]}")

    told(f"J7 means of {args.polygons} polygons", run.take_turns(commands, table, args.turns, check), "exactextract")


def compared(out):
    """Each tool's pixels against the twin's."""
    import numpy as np
    import rasterio

    twin = []

    def check(tool):
        with rasterio.open(out) as dataset:
            pixels = dataset.read(1)
        if tool == "twin":
            twin.append(pixels)
        elif tool == "tilefn":
            both = np.isfinite(pixels) & np.isfinite(twin[0])
            say(f"{tool}: {np.mean(np.isfinite(pixels) != np.isfinite(twin[0])):.1e} of the pixels are valid in one only, "
                f"the largest difference is {np.max(np.abs(pixels[both] - twin[0][both])):.1e}")  # fmt: skip

    return check


def told(title, runs, base):
    for tool, measured in runs.items():
        ratios = sorted(a.wall / b.wall for a, b in zip(measured, runs[base]))
        print(
            f"{title}: {tool}: {median(r.wall for r in measured):.2f} s, {median(ratios):.2f} × {base} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}), processor {median(r.cpu for r in measured):.2f} s, "
            f"{max(r.rss for r in measured):.0f} MB",
            flush=True,
        )


def make_other_grids(data):
    """The second band in the next UTM zone's CRS and in half the resolution, as files and as VRTs on the first one's grid."""
    import rasterio

    folder = data.parent / "other-grids"
    if (folder / "coarse.vrt").exists():
        return folder
    folder.mkdir(exist_ok=True)
    with rasterio.open(data / "red.tif") as red:
        bounds, size, crs = red.bounds, red.shape[::-1], red.crs
    tiled = ["-co", "TILED=YES", "-co", "BLOCKXSIZE=256", "-co", "BLOCKYSIZE=256", "-q", "-overwrite"]
    zone = f"EPSG:{crs.to_epsg() + 1}"
    nir = data / "nir.tif"
    commands = [
        ["gdalwarp", "-t_srs", zone, "-r", "near", *tiled, nir, folder / "other-crs.tif"],
        ["gdalwarp", "-ts", size[0] // 2, size[1] // 2, "-r", "average", *tiled, nir, folder / "coarse.tif"],
    ]
    extent = ["-t_srs", crs.to_string(), "-te", *bounds, "-ts", *size, "-r", "bilinear", "-et", 0, "-of", "VRT", "-q", "-overwrite"]
    commands += [["gdalwarp", *extent, folder / f"{name}.tif", folder / f"{name}.vrt"] for name in ("other-crs", "coarse")]
    for command in commands:
        subprocess.run(list(map(str, command)), check=True)
    return folder


def make_polygons(raster, count):
    """Quadrilaterals side by side, their corners moved at random, as GeoJSON and GeoPackage."""
    import numpy as np
    import rasterio

    path = BENCH / f"polygons-{count}.geojson"
    if path.with_suffix(".gpkg").exists():
        return path
    with rasterio.open(raster) as dataset:
        west, south, east, north = dataset.bounds
        crs = dataset.crs.to_epsg()
    side = int(count**0.5)
    random = np.random.default_rng(7)
    x, y = np.meshgrid(np.linspace(west, east, side + 1), np.linspace(south, north, side + 1))
    step = np.array([(east - west) / side, (north - south) / side])
    corners = np.stack([x, y], axis=-1) + random.uniform(-0.3, 0.3, (*x.shape, 2)) * step
    features = []
    for row in range(side):
        for col in range(side):
            ring = [corners[row + r, col + c].round(3).tolist() for r, c in ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))]
            geometry = {"type": "Polygon", "coordinates": [ring]}
            features.append({"type": "Feature", "properties": {"id": len(features) + 1}, "geometry": geometry})
    name = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs}"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": {"type": "name", "properties": name["properties"]}, "features": features}))
    subprocess.run(["ogr2ogr", "-q", str(path.with_suffix(".gpkg")), str(path)], check=True)
    return path


if __name__ == "__main__":
    main()
