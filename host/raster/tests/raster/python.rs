//! Python with numpy and GDAL's own bindings, which makes rasters and checks them.

use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A folder that goes away with the test.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tilefn-test-").tempdir().unwrap()
}

/// Runs Python in `folder` with GDAL and numpy imported, and returns what it prints. The interpreter is `/usr/bin/python3`
/// (Debian's GDAL belongs to it), or `TILEFN_TEST_PYTHON`.
pub fn python(folder: &Path, script: &str) -> String {
    let program = std::env::var("TILEFN_TEST_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let whole = format!("{PRELUDE}\n{script}");
    let output = Command::new(program).args(["-c", &whole]).current_dir(folder).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{}: {script}\n{out}\n{err}", output.status);
    out
}

/// `make` writes a raster from an array `[bands, rows, cols]` or `[rows, cols]`; `ramp` is the RIOS test raster.
const PRELUDE: &str = r#"
import json, os, struct, sys
import numpy as np
from osgeo import gdal, osr
gdal.UseExceptions()

TYPES = {'uint8': gdal.GDT_Byte, 'int8': gdal.GDT_Byte, 'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16,
         'uint32': gdal.GDT_UInt32, 'int32': gdal.GDT_Int32, 'uint64': gdal.GDT_UInt64, 'int64': gdal.GDT_Int64,
         'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64}

def make(path, array, options=(), nodata=None, epsg=28355, origin=(500000, 7000000), pixel=10, driver='GTiff', names=()):
    array = array if array.ndim == 3 else array[None]
    bands, rows, cols = array.shape
    options = list(options)
    if array.dtype == np.int8:
        options.append('PIXELTYPE=SIGNEDBYTE')
    ds = gdal.GetDriverByName(driver).Create(path, cols, rows, bands, TYPES[array.dtype.name], options)
    ds.SetGeoTransform((origin[0], pixel, 0, origin[1], 0, -pixel))
    if epsg:
        srs = osr.SpatialReference()
        srs.ImportFromEPSG(epsg)
        ds.SetProjection(srs.ExportToWkt())
    for i in range(bands):
        band = ds.GetRasterBand(i + 1)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        if names:
            band.SetDescription(names[i])
        band.WriteArray(array[i].view(np.uint8) if array.dtype == np.int8 else array[i])
    ds.FlushCache()

def ramp(rows=500, cols=500):
    return np.floor(np.add.outer(np.arange(rows), np.arange(cols)) * 100 / (rows - 1 + cols - 1)).astype(np.uint8)

def read(path):
    return gdal.Open(path).ReadAsArray()

KEEP = []  # a band does not keep its dataset

def open_band(path, number=1):
    KEEP.append(gdal.Open(path))
    return KEEP[-1].GetRasterBand(number)
"#;
