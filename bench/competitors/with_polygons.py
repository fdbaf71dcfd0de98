"""Means of a raster over polygons, as CSV.

    with_polygons.py rasterize|exactextract GEOJSON RASTER CSV

rasterize: rasterio burns all polygons into one array, numpy adds up. exactextract: its own, raster by raster.
"""

import csv
import json
import sys

import numpy as np
import rasterio
from rasterio.features import rasterize


def with_rasterize(features, path):
    with rasterio.open(path) as dataset:
        pixels = dataset.read(1)
        valid = dataset.read_masks(1) > 0
        shapes = ((feature["geometry"], feature["properties"]["id"]) for feature in features)
        zones = rasterize(shapes, out_shape=pixels.shape, transform=dataset.transform, fill=0, dtype="int32")
    zones, pixels = zones[valid], pixels[valid]
    sums, counts = np.bincount(zones, pixels), np.bincount(zones)
    return {zone: sums[zone] / counts[zone] for zone in range(1, len(counts)) if counts[zone]}


def with_exactextract(features, path):
    from exactextract import exact_extract

    # It looks for `id` beside the properties.
    for feature in features:
        feature["id"] = feature["properties"]["id"]
    results = exact_extract(path, features, "mean", include_cols=["id"], strategy="raster-sequential")
    return {result["id"]: result["properties"]["mean"] for result in results}


def main(way, polygons, raster, out):
    features = json.load(open(polygons))["features"]
    means = {"rasterize": with_rasterize, "exactextract": with_exactextract}[way](features, raster)
    with open(out, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "mean"])
        table.writerows((zone, "" if mean is None else mean) for zone, mean in means.items())


if __name__ == "__main__":
    main(*sys.argv[1:])
