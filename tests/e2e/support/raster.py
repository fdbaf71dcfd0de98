"""Makes rasters for the tests and compares results, with GDAL and numpy alone. Runs code that it is sent, a job a line.

A request is {"folder": …, "code": …}; the answer {"ok": what the code left in `result`} or {"error": traceback}.
"""

import json
import os
import sys
import traceback

import numpy as np
from osgeo import gdal, ogr, osr

gdal.UseExceptions()

GT = (500000.0, 10.0, 0.0, 7000000.0, 0.0, -10.0)


def ramp(rows=500, cols=500):
    """Grey values from 0 at the upper left to 100 at the lower right."""
    r, c = np.ogrid[:rows, :cols]
    return ((r + c) * 100 // (rows - 1 + cols - 1)).astype("u1")


def write(path, array, nodata=None, gt=GT, epsg=28355, driver="GTiff", options=(), names=()):
    """A raster from [bands, rows, cols] or [rows, cols]; nodata for all bands, or one each."""
    array = np.atleast_3d(array) if array.ndim == 1 else array
    array = array[None] if array.ndim == 2 else array
    bands, rows, cols = array.shape
    options = list(options)
    if array.dtype == np.int8:
        options.append("PIXELTYPE=SIGNEDBYTE")
        gdal_type = gdal.GDT_Byte
    else:
        gdal_type = {
            "uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "int16": gdal.GDT_Int16, "uint32": gdal.GDT_UInt32,
            "int32": gdal.GDT_Int32, "uint64": gdal.GDT_UInt64, "int64": gdal.GDT_Int64, "float32": gdal.GDT_Float32,
            "float64": gdal.GDT_Float64,
        }[array.dtype.name]
    dataset = gdal.GetDriverByName(driver).Create(path, cols, rows, bands, gdal_type, options)
    if gt:
        dataset.SetGeoTransform(gt)
    if epsg:
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(epsg)
        dataset.SetProjection(crs.ExportToWkt())
    for n in range(bands):
        band = dataset.GetRasterBand(n + 1)
        value = nodata[n] if isinstance(nodata, (list, tuple)) else nodata
        if value is not None:
            band.SetNoDataValue(value)
        if n < len(names):
            band.SetDescription(names[n])
        band.WriteArray(array[n].view("u1") if array.dtype == np.int8 else array[n])
    dataset.FlushCache()


def read(path):
    """All bands, [bands, rows, cols]."""
    array = gdal.Open(path).ReadAsArray()
    return array if array.ndim == 3 else array[None]


def band(path, number=1):
    """A band that keeps its file open: GDAL's own doesn't, and crashes."""
    dataset = gdal.Open(path)
    found = dataset.GetRasterBand(number)
    found.dataset = dataset
    return found


def check_histogram(band, values):
    """The stored histogram is numpy's of these values, with the bins that it names; returns the number of bins."""
    item = lambda name: band.GetMetadataItem("STATISTICS_HISTO" + name)
    counts = [int(n) for n in item("BINVALUES").rstrip("|").split("|")]
    low, high, bins = float(item("MIN")), float(item("MAX")), int(item("NUMBINS"))
    expected, _ = np.histogram(values, bins=bins, range=(low, high))
    assert counts == expected.tolist(), (low, high, bins, counts, expected.tolist())
    assert sum(counts) == values.size, (sum(counts), values.size)
    return bins


def same(path, expected, nodata="any"):
    """The file has exactly these pixels in this type; NaN equals NaN. `nodata`: the first band's, None for none."""
    found = read(path)
    expected = expected if expected.ndim == 3 else expected[None]
    assert found.dtype == expected.dtype, f"{path} is {found.dtype}, not {expected.dtype}"
    assert found.shape == expected.shape, f"{path} has shape {found.shape}, not {expected.shape}"
    equal = found == expected
    if found.dtype.kind == "f":
        equal |= np.isnan(found) & np.isnan(expected)
    if not equal.all():
        at = tuple(int(i) for i in np.argwhere(~equal)[0])
        raise AssertionError(
            f"{path}: {np.count_nonzero(~equal)} of {equal.size} pixels differ, first [band, row, col] {at}: "
            f"{found[at]}, expected {expected[at]}"
        )
    if nodata != "any":
        value = band(path).GetNoDataValue()
        assert value == nodata or (value is not None and nodata is not None and np.isnan(value) and np.isnan(nodata)), (
            f"{path} has nodata {value}, not {nodata}"
        )


def squares(path, places, epsg=28355, layer="fields", driver="GPKG", gt=GT):
    """A layer with a square for each (col, row, size) in pixels of `gt`."""
    crs = None
    if epsg:
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(epsg)
        crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    ds = ogr.Open(path, 1) if os.path.exists(path) else ogr.GetDriverByName(driver).CreateDataSource(path)
    lyr = ds.CreateLayer(layer, crs, ogr.wkbPolygon)
    for name, kind in [("id", ogr.OFTInteger64), ("share", ogr.OFTReal), ("crop", ogr.OFTString)]:
        lyr.CreateField(ogr.FieldDefn(name, kind))
    for n, (col, row, size) in enumerate(places):
        f = ogr.Feature(lyr.GetLayerDefn())
        f["id"], f["share"], f["crop"] = n + 1, (n + 1) / 4, "wheat" if n % 2 else "rye"
        corners = [(col, row), (col + size, row), (col + size, row + size), (col, row + size), (col, row)]
        ring = ",".join(f"{gt[0] + c * gt[1]} {gt[3] + r * gt[5]}" for c, r in corners)
        f.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON(({ring}))"))
        lyr.CreateFeature(f)


def burned(path, layer=0, where=None, nodata=0, like="a.tif", **options):
    """What GDAL burns of a layer into the grid of a raster, at once; NaN where there is nothing."""
    like = gdal.Open(like)
    ds = gdal.GetDriverByName("MEM").Create("", like.RasterXSize, like.RasterYSize, 1, gdal.GDT_Float64)
    ds.SetGeoTransform(like.GetGeoTransform())
    ds.SetProjection(like.GetProjection())
    ds.GetRasterBand(1).Fill(nodata)
    source = ogr.Open(path)
    lyr = source.GetLayer(layer)
    lyr.SetAttributeFilter(where)
    burn = [options.pop("burn", 1)]
    gdal.RasterizeLayer(ds, [1], lyr, burn_values=burn, options=[f"{k}={v}" for k, v in options.items()])
    values = ds.ReadAsArray()
    return np.where(values == nodata, np.nan, values).astype("f4")


def main():
    # Printed text must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            os.chdir(request["folder"])
            names = {name: value for name, value in globals().items() if not name.startswith("_")}
            exec(compile(request["code"], "<test>", "exec"), names)
            answer = json.dumps({"ok": names.get("result")}, default=lambda value: value.item())
        except BaseException:
            answer = json.dumps({"error": traceback.format_exc(limit=-3)})
        print(answer, file=answers, flush=True)


main()
