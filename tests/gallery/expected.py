"""What the jobs of examples/gallery make, by numpy, scipy and GDAL alone: a function for each, by the job's name.

Each returns {output: pixels}. It is run in `demo`, where the scenes are in `data`.
"""

import numpy as np
from osgeo import gdal, ogr

gdal.UseExceptions()


def scene():
    """Blue, green, red, near infrared and the two short-wave bands of Landsat."""
    return gdal.Open("data/olinda/L7_ETMs.tif").ReadAsArray().astype("f8")


def cube(name, *dates):
    """Dates of Sentinel-2, all or these, with NaN for nodata."""
    dataset = gdal.Open(f'NETCDF:"data/romania/sentinel2_cube_subset_romania_10m.nc":{name}')
    values = np.stack([dataset.GetRasterBand(n).ReadAsArray() for n in dates or range(1, 141)]).astype("f8")
    nodata = dataset.GetRasterBand(1).GetNoDataValue()
    return np.where(values == nodata, np.nan, values)


def heights():
    values = gdal.Open("data/srtm/srtm_ref.tif").ReadAsArray()
    return np.where(values == -32768, np.nan, values.astype("f8"))


def difference(a, b):
    """Normalised."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a - b) / (a + b)


def clear_ndvi():
    red, nir, classes = cube("B4"), cube("B8"), cube("SCL")
    return np.where((classes >= 4) & (classes <= 6), difference(nir, red), np.nan)


def windows(values, radius):
    """All windows around each pixel, the raster mirrored at its edge: [rows, cols, side, side]."""
    side = 2 * radius + 1
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, radius, mode="symmetric"), (side, side))


def ndvi():
    return {"ndvi": difference(scene()[3], scene()[2])}


def built_up():
    return {"built-up": difference(scene()[4], scene()[3])}


def burn_ratio():
    return {"burn-ratio": difference(scene()[3], scene()[5])}


def moisture():
    return {"moisture": difference(scene()[3], scene()[4])}


def bare_soil():
    blue, _, red, nir, short, _ = scene()
    return {"bare-soil": difference(short + red, nir + blue)}


def brightness():
    return {"brightness": np.tensordot([0.3561, 0.3972, 0.3904, 0.6966, 0.2286, 0.1596], scene(), 1)}


def water():
    index = difference(scene()[1], scene()[3])
    return {"water": index, "water-mask": (index > 0.3).astype("u1")}


def false_colour():
    return {"false-colour": np.rint(255 * np.clip((scene()[[3, 2, 1]] - 15) / 125, 0, 1)).astype("u1")}


def land_cover():
    _, green, red, nir, short, _ = scene()
    rules = [difference(green, nir) > 0.3, difference(nir, red) > 0.2, short > 110]
    return {"land-cover": np.select(rules, [1, 2, 3], 4).astype("u1")}


def onto_scene():
    """A raster of the scene's grid, in memory."""
    like = gdal.Open("data/olinda/L7_ETMs.tif")
    made = gdal.GetDriverByName("MEM").Create("", like.RasterXSize, like.RasterYSize, 1, gdal.GDT_Float32)
    made.SetGeoTransform(like.GetGeoTransform())
    made.SetProjection(like.GetProjection())
    return made


def inside_polygons():
    mask = onto_scene()
    source = ogr.Open("data/olinda/olinda1.shp")
    layer = source.GetLayer()
    layer.SetAttributeFilter("ID < 29000")
    gdal.RasterizeLayer(mask, [1], layer, burn_values=[1])
    return {"inside-polygons": np.where(mask.ReadAsArray() == 1, ndvi()["ndvi"], np.nan)}


def low_plants():
    made = onto_scene()
    made.GetRasterBand(1).SetNoDataValue(-1e6)
    made.GetRasterBand(1).Fill(-1e6)
    gdal.Warp(made, "data/olinda/olinda_dem_utm25s.tif", resampleAlg="bilinear", errorThreshold=0)
    dem = made.ReadAsArray()
    low = (dem < 20) & (dem != -1e6)
    # In float32, since some pixels lie exactly on the border.
    red, nir = scene()[2:4].astype("f4")
    return {"low-plants": (low + 2 * (nir > np.float32(1.3) * red)).astype("u1")}


def evi():
    blue, red, nir = (cube(name, 49)[0] for name in ("B2", "B4", "B8"))
    return {"evi": 2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 10000)}


def savi():
    red, nir = cube("B4", 49)[0], cube("B8", 49)[0]
    return {"savi": 1.5 * (nir - red) / (nir + red + 5000)}


def cloud_mask():
    red, classes = cube("B4", 1)[0], cube("SCL", 1)[0]
    return {"cloud-mask": np.where(np.isin(classes, [4, 5, 6]) & ~np.isnan(red), red, 0).astype("u2")}


def clear_dates():
    return {"clear-dates": np.isin(cube("SCL"), [4, 5, 6]).sum(axis=0).astype("u2")}


def median_composite():
    return {"median-composite": np.nanmedian(np.where(np.isin(cube("SCL"), [4, 5, 6]), cube("B4"), np.nan), axis=0)}


def greenest():
    return {"greenest": np.nanmax(clear_ndvi(), axis=0)}


def season():
    low, high = np.nanpercentile(clear_ndvi(), [10, 90], axis=0)
    return {"season": high - low}


def anomaly():
    dates = clear_ndvi()
    now = difference(cube("B8", 101)[0], cube("B4", 101)[0])
    return {"anomaly": (now - np.nanmean(dates, axis=0)) / np.nanstd(dates, axis=0)}


def change():
    before, after = (difference(cube("B8", date)[0], cube("B4", date)[0]) for date in (47, 53))
    change = after - before
    return {"change": change, "change-kind": (2 + (change > 0.15) - 1 * (change < -0.15)).astype("u1")}


def height_classes():
    return {"height-classes": (1 + np.digitize(heights(), [1500, 2000, 2500], right=True)).astype("u1")}


def relative_height():
    return {"relative-height": heights() - windows(heights(), 10).mean(axis=(2, 3))}


def roughness():
    around = windows(heights(), 1)
    return {"roughness": around.max(axis=(2, 3)) - around.min(axis=(2, 3))}


def texture():
    return {"texture": windows(scene()[3], 2).std(axis=(2, 3))}


def peak_date():
    dates = clear_ndvi().astype("f4")
    return {"peak-date": np.nanargmax(dates, axis=0).astype("u2") + 1}


def check(name):
    """Compares all that the job of this name has made."""
    expected = globals()[name.replace("-", "_")]()
    for output, pixels in expected.items():
        found = gdal.Open(f"gallery/{output}.tif").ReadAsArray()
        assert found.shape == pixels.shape, (output, found.shape, pixels.shape)
        if pixels.dtype.kind == "u":
            assert found.dtype == pixels.dtype, (output, found.dtype)
            wrong = found != pixels
        else:
            wrong = ~np.isclose(found, pixels, rtol=2e-5, atol=2e-5, equal_nan=True)
        at = np.argwhere(wrong)
        assert not len(at), (output, len(at), at[0], found[tuple(at[0])], pixels[tuple(at[0])])
        assert len(np.unique(found[~np.isnan(found.astype("f8"))])) > 1, f"{output} shows nothing"
