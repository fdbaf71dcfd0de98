//! What a file is, and what is said of one that can't be used.

use crate::support::{folder, path, python, read, source_spec};
use grid::{GeoTransform, Window};
use std::fs;
use tilefn_abi::DType;
use tilefn_raster::{Error, Georeferencing, inspect};
use types::Nodata;

#[test]
fn grid_bands_blocks_and_names() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.zeros((2, 70, 90), np.int16), ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=16'], nodata=-9999, names=['red', 'nir'])",
    );
    let info = inspect(&path(dir.path(), "a.tif")).unwrap();
    assert_eq!(info.grid.transform, GeoTransform::north_up(500_000.0, 7_000_000.0, 10.0, 10.0));
    assert_eq!((info.grid.rows, info.grid.cols), (70, 90));
    assert!(info.grid.crs.0.contains("MGA zone 55"), "{}", info.grid.crs.0);
    assert_eq!(info.georeferencing, Georeferencing::Transform);
    assert_eq!(info.driver, "GTiff");
    let red = &info.bands[0];
    assert_eq!((red.dtype, red.block, red.name.as_str()), (DType::Int16, (16, 32), "red"));
    assert_eq!(red.nodata, Some(Nodata::Int(-9999)));
    assert_eq!(info.bands[1].name, "nir");
}

#[test]
fn every_type_has_its_name() {
    let dir = folder();
    python(dir.path(), "for t in TYPES: make(t + '.tif', np.zeros((2, 2), t))");
    for dtype in DType::ALL {
        let info = inspect(&path(dir.path(), &format!("{}.tif", dtype.name()))).unwrap();
        assert_eq!(info.bands[0].dtype, dtype);
        assert_eq!(info.bands[0].nodata, None);
    }
}

#[test]
fn nodata_is_exact_or_none() {
    let dir = folder();
    python(
        dir.path(),
        "make('i64.tif', np.zeros((2, 2), np.int64), nodata=-2**63 + 1)
make('u64.tif', np.zeros((2, 2), np.uint64), nodata=2**64 - 2)
make('f32.tif', np.zeros((2, 2), np.float32), nodata=np.nan)
make('u8.tif', np.zeros((2, 2), np.uint8), nodata=7)
make('odd.vrt.tif', np.zeros((2, 2), np.uint8))
open('odd.vrt', 'w').write('''<VRTDataset rasterXSize=\"2\" rasterYSize=\"2\"><VRTRasterBand dataType=\"Byte\" band=\"1\">
<NoDataValue>-9999</NoDataValue><SimpleSource><SourceFilename relativeToVRT=\"1\">odd.vrt.tif</SourceFilename></SimpleSource>
</VRTRasterBand></VRTDataset>''')",
    );
    let nodata = |name: &str| inspect(&path(dir.path(), name)).unwrap().bands[0].nodata;
    assert_eq!(nodata("i64.tif"), Some(Nodata::Int(i128::from(i64::MIN) + 1)));
    assert_eq!(nodata("u64.tif"), Some(Nodata::Int(i128::from(u64::MAX) - 1)));
    assert_eq!(nodata("f32.tif"), Some(Nodata::Float(f64::NAN)));
    assert_eq!(nodata("u8.tif"), Some(Nodata::Int(7)));
    // No pixel of a uint8 band can be -9999.
    assert_eq!(nodata("odd.vrt"), None);
}

#[test]
fn bands_of_different_types() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.zeros((2, 2), np.uint8)); make('b.tif', np.zeros((2, 2), np.int16))
vrt = gdal.BuildVRT('ab.vrt', ['a.tif', 'b.tif'], separate=True); vrt = None",
    );
    let info = inspect(&path(dir.path(), "ab.vrt")).unwrap();
    assert_eq!(info.dtype_of(&[1]), Ok(DType::UInt8));
    assert_eq!(info.dtype_of(&[2, 2]), Ok(DType::Int16));
    assert_eq!(
        info.dtype_of(&[1, 2]).unwrap_err(),
        "band 1 is uint8 and band 2 is int16; choose bands of one type, or let the function ask for a type"
    );
    assert_eq!(info.dtype_of(&[3]).unwrap_err(), "there is no band 3: it has 2");
    assert_eq!(info.dtype_of(&[0]).unwrap_err(), "there is no band 0: it has 2");
}

#[test]
fn pixels_without_a_place_on_the_map() {
    let dir = folder();
    python(
        dir.path(),
        "ds = gdal.GetDriverByName('GTiff').Create('a.tif', 5, 4, 1, gdal.GDT_Byte); ds = None
ds = gdal.GetDriverByName('GTiff').Create('g.tif', 5, 4, 1, gdal.GDT_Byte)
ds.SetGCPs([gdal.GCP(x, y, 0, x, y) for x in (0, 5) for y in (0, 4)], ''); ds = None
ds = gdal.GetDriverByName('GTiff').Create('r.tif', 5, 4, 1, gdal.GDT_Byte)
ds.SetGeoTransform((0, 1, 0.5, 0, -0.5, -1)); ds = None
srs = osr.SpatialReference(); srs.ImportFromEPSG(32633)
for name, dy in (('identity.tif', 1), ('down.tif', -1)):
    ds = gdal.GetDriverByName('GTiff').Create(name, 5, 4, 1, gdal.GDT_Byte)
    ds.SetSpatialRef(srs); ds.SetGeoTransform((0, 1, 0, 0, 0, dy)); ds = None",
    );
    let info = inspect(&path(dir.path(), "a.tif")).unwrap();
    assert!(info.georeferencing == Georeferencing::None && info.grid.crs.is_none());
    assert_eq!(info.grid.transform, GeoTransform::north_up(0.0, 0.0, 1.0, 1.0));
    assert_eq!(inspect(&path(dir.path(), "g.tif")).unwrap().georeferencing, Georeferencing::Points);
    let rotated = inspect(&path(dir.path(), "r.tif")).unwrap();
    assert!(rotated.grid.north_up(0.01).is_err());
    // An identity transform and none are one thing, whether a CRS stands beside them or not.
    for name in ["identity.tif", "down.tif"] {
        let found = inspect(&path(dir.path(), name)).unwrap();
        assert_eq!((found.georeferencing, found.grid.transform), (Georeferencing::None, GeoTransform::NONE), "{name}");
        assert!(!found.grid.crs.is_none(), "{name}");
    }
}

#[test]
fn files_that_are_no_rasters() {
    let dir = folder();
    python(
        dir.path(),
        r#"open('f.geojson', 'w').write('{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}}]}')
open('t.tif', 'w').write('not a tiff')
open('e.tif', 'w').close()
gdal.GetDriverByName('GTiff').Create('c.tif', 2, 2, 1, gdal.GDT_CFloat32)"#,
    );
    let error = |name: &str| {
        let file = path(dir.path(), name);
        let text = inspect(&file).unwrap_err().to_string();
        text.replace(&file, "FILE")
    };
    assert_eq!(error("f.geojson"), "FILE is a vector file, not a raster: give it with `vector = …`, not `path = …`");
    assert_eq!(error("missing.tif"), "can't open FILE: No such file or directory");
    assert_eq!(error("t.tif"), "can't open FILE: `FILE' not recognized as a supported file format.");
    assert_eq!(error("e.tif"), "can't open FILE: `FILE' not recognized as a supported file format.");
    assert_eq!(error("c.tif"), "FILE: band 1 is CFloat32, a type that tilefn can't process");
    assert!(inspect("a\0b").is_err());
    assert!(inspect("").is_err());
}

#[test]
fn containers_list_what_they_hold() {
    let dir = folder();
    python(
        dir.path(),
        "
make('a.tif', ramp(20, 30).astype(np.int16), nodata=-1)
for name, value in (('B4', 4), ('B8', 8)):
    ds = gdal.GetDriverByName('MEM').CreateMultiDimensional('')
options = gdal.MultiDimTranslateOptions
ds = gdal.GetDriverByName('netCDF').CreateMultiDimensional('x.nc')
group = ds.GetRootGroup()
y = group.CreateDimension('y', gdal.DIM_TYPE_HORIZONTAL_Y, 'SOUTH', 20)
x = group.CreateDimension('x', gdal.DIM_TYPE_HORIZONTAL_X, 'EAST', 30)
for name, offset in (('B4', 4), ('B8', 8)):
    array = group.CreateMDArray(name, [y, x], gdal.ExtendedDataType.Create(gdal.GDT_Int16))
    array.WriteArray(ramp(20, 30).astype(np.int16) + offset)
",
    );
    let file = path(dir.path(), "x.nc");
    let error = inspect(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{file} holds several rasters; take one of them as path:\n  NETCDF:\"{file}\":B4\n  NETCDF:\"{file}\":B8"
        )
    );
    let Error::Subdatasets { names, .. } = error else { panic!() };
    let info = inspect(&names[1]).unwrap();
    assert_eq!((info.grid.rows, info.grid.cols, info.bands[0].dtype), (20, 30, DType::Int16));
    let pixels = read::<i16>(&source_spec(&names[1], &info), Window::new(0, 0, 20, 30));
    assert_eq!((pixels.iter().min(), pixels.iter().max()), (Some(&8), Some(&108)));
}

#[test]
fn files_inside_archives() {
    let dir = folder();
    python(
        dir.path(),
        "import zipfile; make('a.tif', ramp(20, 30)); zipfile.ZipFile('a.zip', 'w').write('a.tif', 'in/a b.tif')",
    );
    let file = format!("/vsizip/{}/in/a b.tif", path(dir.path(), "a.zip"));
    let info = inspect(&file).unwrap();
    let pixels = read::<u8>(&source_spec(&file, &info), Window::new(0, 0, 20, 30));
    assert_eq!(pixels.iter().max(), Some(&100));
}

#[test]
fn hostile_headers() {
    let dir = folder();
    // A classic TIFF of 2^31-1 × 2^31-1 pixels of which nothing is there, and one of 4 billion columns.
    python(
        dir.path(),
        "
def tiff(path, width, height, strip_rows):
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, strip_rows), (279, 4, 1, 10)]
    data = struct.pack('<2sHI', b'II', 42, 8) + struct.pack('<H', len(tags))
    data += b''.join(struct.pack('<HHII', *t) for t in tags) + struct.pack('<I', 0)
    open(path, 'wb').write(data)
tiff('big.tif', 2**31 - 1, 2**31 - 1, 2**31 - 1)
tiff('over.tif', 2**32 - 1, 1, 1)
tiff('zero.tif', 0, 1, 1)
",
    );
    for name in ["over.tif", "zero.tif"] {
        assert!(inspect(&path(dir.path(), name)).is_err(), "{name}");
    }
    let file = path(dir.path(), "big.tif");
    if let Ok(info) = inspect(&file) {
        let spec = source_spec(&file, &info);
        let read = crate::support::read_bytes(&spec, Window::new(2_000_000_000, 2_000_000_000, 2, 2));
        assert!(matches!(read, Err(Error::Read { .. })));
    }
    fs::write(dir.path().join("deep.vrt"), "<VRTDataset".repeat(10_000)).unwrap();
    assert!(inspect(&path(dir.path(), "deep.vrt")).is_err());
}

#[test]
fn where_the_crs_comes_from() {
    let dir = folder();
    python(
        dir.path(),
        "pixels = np.zeros((4, 5), np.uint8)
for name, options in [('a', []), ('big', ['BIGTIFF=YES']), ('motorola', ['ENDIANNESS=BIG']), ('other', []), ('beside', []), ('none', [])]:
    make(name + '.tif', pixels, options)
def crs(name, epsg, access):
    file = gdal.Open(name + '.tif', access)
    srs = osr.SpatialReference()
    if epsg:
        srs.ImportFromEPSG(epsg)
    file.SetProjection(srs.ExportToWkt())
crs('other', 32721, gdal.GA_Update)
crs('none', None, gdal.GA_Update)
# Into a file beside it.
crs('beside', 32722, gdal.GA_ReadOnly)",
    );
    assert!(dir.path().join("beside.tif.aux.xml").exists());
    let crs = |name: &str| inspect(&path(dir.path(), name)).unwrap().grid.crs.0;
    for name in ["a.tif", "big.tif", "motorola.tif"] {
        assert!(crs(name).contains("MGA zone 55"), "{name}");
    }
    assert!(crs("other.tif").contains("UTM zone 21S"));
    assert!(crs("beside.tif").contains("UTM zone 22S"));
    assert_eq!(crs("none.tif").as_ref(), "");
}
