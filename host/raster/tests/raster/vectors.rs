//! Helpers: vector files, and their features burned.

use crate::support::{python, values};
use grid::{GeoTransform, Grid, Tiling, Window};
use std::path::Path;
use tilefn_abi::DType;
use tilefn_raster::{Burn, BurnSpec, Burner, Error, SourceBand, crs_from_user, inspect_vector};
use types::{Edge, Nodata};

/// Functions for Python: `layer` writes features `[(WKT, {attribute: value}), …]`, `burned` burns a layer into the whole grid.
const VECTORS: &str = r#"
from osgeo import ogr
import math, random
ogr.UseExceptions()
GRID = (500000.0, 10.0, 0.0, 7000000.0, 0.0, -10.0)
KINDS = {int: ogr.OFTInteger64, float: ogr.OFTReal, str: ogr.OFTString}

def srs(epsg):
    if not epsg:
        return None
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(epsg)
    crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return crs

def layer(path, features, driver='GPKG', epsg=28355, name='fields', kind=ogr.wkbUnknown, options=()):
    ds = ogr.GetDriverByName(driver).CreateDataSource(path) if not os.path.exists(path) else ogr.Open(path, 1)
    lyr = ds.CreateLayer(name, srs(epsg), kind, list(options))
    for key, value in (features[0][1] if features else {}).items():
        lyr.CreateField(ogr.FieldDefn(key, KINDS[type(value)]))
    for wkt, attributes in features:
        feature = ogr.Feature(lyr.GetLayerDefn())
        for key, value in attributes.items():
            feature.SetFieldNull(key) if value is None else feature.SetField(key, value)
        if wkt:
            feature.SetGeometryDirectly(ogr.CreateGeometryFromWkt(wkt))
        lyr.CreateFeature(feature)
    lyr = ds = None

def burned(lyr, rows, cols, grid=GRID, epsg=28355, attribute=None, value=1, touched=False, dtype=gdal.GDT_Int32, nodata=0):
    ds = gdal.GetDriverByName('MEM').Create('', cols, rows, 1, dtype)
    ds.SetGeoTransform(grid)
    ds.SetProjection(srs(epsg).ExportToWkt())
    ds.GetRasterBand(1).Fill(nodata)
    options = ['ALL_TOUCHED=TRUE'] if touched else []
    if attribute:
        options.append('ATTRIBUTE=' + attribute)
    gdal.RasterizeLayer(ds, [1], lyr, burn_values=[value], options=options)
    return ds.ReadAsArray()

def at(col, row, grid=GRID):
    return f'{grid[0] + col * grid[1]!r} {grid[3] + row * grid[5]!r}'

def ring(points, grid=GRID):
    return '(' + ', '.join(at(*p, grid) for p in list(points) + [points[0]]) + ')'
"#;

pub fn vectors(folder: &Path, script: &str) -> String {
    python(folder, &format!("{VECTORS}\n{script}"))
}

/// The grid of `GRID`.
pub fn grid(rows: u32, cols: u32) -> Grid {
    let transform = GeoTransform::north_up(500_000.0, 7_000_000.0, 10.0, 10.0);
    Grid { transform, rows, cols, crs: crs_from_user("EPSG:28355").unwrap() }
}

/// Burns attribute `id` of layer `fields` as int32.
pub fn spec(file: &str, grid: &Grid) -> BurnSpec {
    let info = inspect_vector(file).unwrap();
    let layer = info.layers.iter().find(|layer| layer.name == "fields").unwrap_or(&info.layers[0]);
    BurnSpec {
        path: file.to_owned(),
        layer: layer.name.clone(),
        filter: None,
        burn: Burn::Attribute("id".into()),
        all_touched: false,
        crs: layer.crs.clone(),
        band: band(DType::Int32, 0),
        dtype: DType::Int32,
        grid: grid.clone(),
        extent: None,
        halo: 0,
        edge: Edge::Nodata,
    }
}

pub fn band(dtype: DType, nodata: i64) -> SourceBand {
    let nodata = Some(Nodata::Int(nodata.into()).as_bits_for(dtype).unwrap());
    SourceBand { number: 1, dtype, nodata, mask: false, scale: None, mark: nodata }
}

/// A window's pixels.
pub fn burn<T: bytemuck::AnyBitPattern>(burner: &mut Burner, window: Window) -> Result<Vec<T>, Error> {
    let mut out = vec![0xaa; window.pixels() as usize * size_of::<T>()];
    burner.read(window, &mut out)?;
    Ok(values(&out))
}

/// Burns tile by tile and puts the tiles together.
pub fn in_tiles(spec: &BurnSpec, tile: (u32, u32)) -> Vec<i32> {
    let (rows, cols) = (spec.grid.rows, spec.grid.cols);
    let mut burner = Burner::open(spec).unwrap();
    let mut whole = vec![-99; rows as usize * cols as usize];
    let tiling = Tiling::new(rows, cols, tile.0, tile.1).unwrap();
    for index in 0..tiling.count() {
        let window = tiling.tile(index).unwrap().window;
        // A halo, so that windows overlap and reach beyond the grid.
        let halo = i64::from(spec.halo);
        let padded = window.padded(spec.halo).unwrap();
        let pixels = burn::<i32>(&mut burner, padded).unwrap();
        for r in 0..i64::from(window.rows) {
            let from = ((r + halo) * i64::from(padded.cols) + halo) as usize;
            let to = ((window.row + r) * i64::from(cols) + window.col) as usize;
            let len = window.cols as usize;
            whole[to..to + len].copy_from_slice(&pixels[from..from + len]);
        }
    }
    whole
}

/// Where two rasters differ, for a message.
pub fn differences(found: &[i32], expected: &[i32], cols: u32) -> Vec<(usize, usize, i32, i32)> {
    assert_eq!(found.len(), expected.len());
    let cols = cols as usize;
    let differ = found.iter().zip(expected).enumerate().filter(|(_, (a, b))| a != b);
    differ.map(|(n, (a, b))| (n / cols, n % cols, *a, *b)).take(20).collect()
}
