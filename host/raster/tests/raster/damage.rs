//! Damage that GDAL doesn't count as an error: files cut short, blocks that decode to something else.

use crate::support::{folder, path, python, read, read_bytes, source_spec};
use grid::Window;
use tilefn_raster::{Error, inspect};

/// `put` makes a folder with a raster in it.
const RAW: &str = "
rng = np.random.default_rng(1)
def put(folder, name, driver, dtype, bands=1, options=(), size=(60, 70)):
    os.mkdir(folder)
    a = rng.integers(1, 99, (bands, *size)).astype(dtype)
    mem = gdal.GetDriverByName('MEM').Create('', size[1], size[0], bands, gdal.GetDataTypeByName(
        {'f4': 'Float32', 'i2': 'Int16', 'u1': 'Byte'}[dtype]))
    mem.SetGeoTransform((10, .001, 0, 50, 0, -.001))
    srs = osr.SpatialReference(); srs.ImportFromEPSG(4326); mem.SetSpatialRef(srs)
    for i in range(bands): mem.GetRasterBand(i + 1).WriteArray(a[i])
    copy = gdal.GetDriverByName(driver).CreateCopy(f'{folder}/{name}', mem, 0, list(options)); copy = None
";

/// A file is read while it is whole; one byte less of its pixels, and it is refused by name with both sizes.
#[test]
fn files_that_gdal_would_fill_up_with_zeros() {
    let dir = folder();
    // Folder, file, driver, type, bands, options.
    let cases = [
        ("envi", "a.img", "ENVI", "i2", 2, ""),
        ("bil", "a.img", "ENVI", "f4", 3, "'INTERLEAVE=BIL'"),
        ("bip", "a.img", "ENVI", "u1", 3, "'INTERLEAVE=BIP'"),
        ("spill", "a.img", "HFA", "f4", 2, "'USE_SPILL=YES'"),
        ("spill1", "a.img", "HFA", "u1", 1, "'USE_SPILL=YES', 'NBITS=1'"),
        ("cdf1", "a.nc", "netCDF", "i2", 1, "'FORMAT=NC'"),
        ("cdf2", "a.nc", "netCDF", "f4", 1, "'FORMAT=NC2'"),
        ("pcidsk", "a.pix", "PCIDSK", "f4", 2, ""),
        ("pixel", "a.pix", "PCIDSK", "i2", 2, "'INTERLEAVING=PIXEL'"),
        ("file", "a.pix", "PCIDSK", "i2", 2, "'INTERLEAVING=FILE'"),
        ("map", "a.map", "PCRaster", "f4", 1, ""),
        ("map1", "a.map", "PCRaster", "u1", 1, ""),
    ];
    let script: String = cases
        .iter()
        .map(|(folder, name, driver, dtype, bands, options)| {
            format!("put('{folder}', '{name}', '{driver}', '{dtype}', {bands}, [{options}])\n")
        })
        .collect();
    python(dir.path(), &format!("{RAW}{script}"));
    for (folder, name, ..) in cases {
        let file = path(dir.path(), &format!("{folder}/{name}"));
        let spec = source_spec(&file, &inspect(&file).unwrap());
        let bytes = read_bytes(&spec, Window::new(0, 0, 60, 70)).unwrap();
        assert!(bytes.iter().any(|b| *b != 0), "{folder}");
        let cut = python(
            dir.path(),
            &format!(
                "f = {{'spill': 'spill/a.ige', 'spill1': 'spill1/a.ige', 'file': 'file/a.002'}}.get('{folder}', '{folder}/{name}')
n = os.path.getsize(f); os.truncate(f, n - 1); print(json.dumps([f, n]))"
            ),
        );
        let (cut, whole): (String, u64) = serde_json::from_str(&cut).unwrap();
        let error = inspect(&file).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{folder}: {error}");
        let cut = path(dir.path(), &cut);
        let text = error.to_string();
        let sizes = format!("{file}: {cut} is too short: its pixels take ");
        assert!(text.starts_with(&sizes) && text.contains(&format!("it has {}", whole - 1)), "{folder}: {text}");
        assert!(read_bytes(&spec, Window::new(0, 0, 1, 1)).is_err(), "{folder}");
    }
}

/// What an ENVI header says counts: where the pixels start, and that they are compressed.
#[test]
fn envi_headers() {
    let dir = folder();
    python(
        dir.path(),
        "import gzip
a = np.arange(1, 13, dtype='u1').reshape(3, 4)
head = 'ENVI\\nsamples = 4\\nlines = 3\\nbands = 1\\nheader offset = 5\\ndata type = 1\\ninterleave = bsq\\nbyte order = 0\\n'
for name, data, more in [('a', b'HEAD.' + a.tobytes(), ''), ('b', b'HEAD' + a.tobytes(), ''),
                         ('c', gzip.compress(b'HEAD.' + a.tobytes()), 'file compression = 1\\n'),
                         ('d', gzip.compress(b'HEAD.' + a.tobytes()[:7]), 'file compression = 1\\n')]:
    open(name, 'wb').write(data); open(name + '.hdr', 'w').write(head + more)",
    );
    for name in ["a", "c"] {
        let file = path(dir.path(), name);
        let spec = source_spec(&file, &inspect(&file).unwrap());
        assert_eq!(read::<u8>(&spec, Window::new(0, 0, 3, 4)), (1..=12).collect::<Vec<u8>>(), "{name}");
    }
    for (name, found) in [("b", 16), ("d", 12)] {
        let text = inspect(&path(dir.path(), name)).unwrap_err().to_string();
        assert!(text.contains(&format!("its pixels take 17 bytes, and it has {found}")), "{text}");
    }
}

/// Formats whose short files GDAL notices, but not where it reads narrow windows of long rows without its cache.
#[test]
fn narrow_windows_of_wide_raw_files() {
    let dir = folder();
    python(
        dir.path(),
        &format!(
            "{RAW}for driver, name in [('EHdr', 'a.bil'), ('ERS', 'a.ers'), ('PDS4', 'a.xml'), ('RRASTER', 'a.grd'), ('ISCE', 'a.slc')]:
    put(driver, name, driver, 'f4', size=(20, 15000))
    f = max((os.path.join(driver, f) for f in os.listdir(driver)), key=os.path.getsize); os.truncate(f, os.path.getsize(f) * 6 // 10)"
        ),
    );
    for (folder, name) in
        [("EHdr", "a.bil"), ("ERS", "a.ers"), ("PDS4", "a.xml"), ("RRASTER", "a.grd"), ("ISCE", "a.slc")]
    {
        let file = path(dir.path(), &format!("{folder}/{name}"));
        let spec = source_spec(&file, &inspect(&file).unwrap());
        assert!(read_bytes(&spec, Window::new(0, 7000, 5, 100)).is_ok(), "{folder}");
        assert!(read_bytes(&spec, Window::new(15, 7000, 5, 100)).is_err(), "{folder}");
    }
}

/// The raw bands of a VRT, in every order of lines and pixels, and files under VRTs, however deep.
#[test]
fn short_files_under_a_vrt() {
    let dir = folder();
    python(
        dir.path(),
        r#"a = np.arange(1, 41, dtype='>i2').reshape(5, 8)
def raw(name, image, pixel, line):
    open(name, 'w').write(f'<VRTDataset rasterXSize="8" rasterYSize="5"><VRTRasterBand dataType="Int16" band="1" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativeToVRT="1">a &amp; b.bin</SourceFilename><ImageOffset>{image}</ImageOffset><PixelOffset>{pixel}</PixelOffset>'
        f'<LineOffset>{line}</LineOffset><ByteOrder>MSB</ByteOrder></VRTRasterBand></VRTDataset>')
open('a & b.bin', 'wb').write(b'..' + a.tobytes())
raw('a.vrt', 2, 2, 16); raw('up.vrt', 2 + 4 * 16, 2, -16); raw('short.vrt', 4, 2, 16); raw('far.vrt', 2, 2, 18)
make('e.img', a.astype('i2'), driver='ENVI'); make('t.tif', a.astype('i2'))
gdal.BuildVRT('e.vrt', ['e.img', 't.tif']); gdal.BuildVRT('deep.vrt', ['e.vrt'])
gdal.BuildVRT('raws.vrt', ['t.tif']); s = open('raws.vrt').read().replace('t.tif', 'short.vrt'); open('raws.vrt', 'w').write(s)"#,
    );
    let pixels = |name: &str| {
        let file = path(dir.path(), name);
        read::<i16>(&source_spec(&file, &inspect(&file).unwrap()), Window::new(0, 0, 5, 8))
    };
    let counted: Vec<i16> = (1..=40).collect();
    assert_eq!(pixels("a.vrt"), counted);
    assert_eq!(pixels("up.vrt"), counted.chunks(8).rev().flatten().copied().collect::<Vec<_>>());
    assert_eq!(pixels("deep.vrt"), counted);
    let refused = |name: &str| inspect(&path(dir.path(), name)).unwrap_err().to_string();
    for (name, needed) in [("short.vrt", 84), ("far.vrt", 90)] {
        let expected = format!("a & b.bin is too short: its pixels take {needed} bytes, and it has 82");
        assert!(refused(name).contains(&expected), "{}", refused(name));
    }
    assert!(refused("raws.vrt").contains("short.vrt: "), "{}", refused("raws.vrt"));
    python(dir.path(), "os.truncate('e.img', 79)");
    for name in ["e.vrt", "deep.vrt"] {
        assert!(
            refused(name).contains("e.img is too short: its pixels take 80 bytes, and it has 79"),
            "{}",
            refused(name)
        );
    }
}

/// Blocks that don't decode, where the library only warns: in TIFF JPEG, PackBits and fax blocks.
#[test]
fn blocks_that_libtiff_only_warns_of() {
    let dir = folder();
    for (name, options) in
        [("jpeg", "'COMPRESS=JPEG'"), ("packbits", "'COMPRESS=PACKBITS'"), ("fax", "'COMPRESS=CCITTFAX4', 'NBITS=1'")]
    {
        python(
            dir.path(),
            &format!(
                "a = np.random.default_rng(2).integers(0, 2 if '{name}' == 'fax' else 256, (256, 256)).astype(np.uint8)
make('{name}.tif', a, ['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', {options}])
data = bytearray(open('{name}.tif', 'rb').read())
middle = len(data) // 2
data[middle:middle + 900] = bytes(900)
open('{name}.tif', 'wb').write(data)"
            ),
        );
        let file = path(dir.path(), &format!("{name}.tif"));
        let spec = source_spec(&file, &inspect(&file).unwrap());
        let error = read_bytes(&spec, Window::new(0, 0, 256, 256)).unwrap_err();
        assert!(matches!(error, Error::Read { .. }), "{name}: {error}");
        assert!(read_bytes(&spec, Window::new(0, 0, 64, 64)).is_ok(), "{name}");
    }
}

/// Settings of GDAL that would keep damage from being heard of. They hold for a process, hence a new one.
#[test]
fn settings_do_not_make_damage_silent() {
    let script = "make('j.tif', np.random.default_rng(2).integers(1, 255, (256, 256)).astype(np.uint8), ['COMPRESS=JPEG', 'TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64'])
data = bytearray(open('j.tif', 'rb').read()); data[len(data) // 2:len(data) // 2 + 900] = bytes(900); open('j.tif', 'wb').write(data)
make('t.tif', np.ones((256, 256), np.uint8), ['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64']); os.truncate('t.tif', os.path.getsize('t.tif') - 2)
make('w.bil', np.ones((20, 60000), np.uint8), driver='EHdr'); os.truncate('w.bil', 600001)";
    let dir = folder();
    python(dir.path(), script);
    for (key, value) in [
        ("GDAL_NUM_THREADS", "ALL_CPUS"),
        ("GTIFF_IGNORE_READ_ERRORS", "YES"),
        ("GDAL_ERROR_ON_LIBJPEG_WARNING", "NO"),
        ("GDAL_ONE_BIG_READ", "YES"),
        ("GTIFF_DIRECT_IO", "YES"),
        ("CPL_DEBUG", "OFF"),
    ] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "damage::damaged_files_of_the_parent", "--ignored", "--nocapture"])
            .env(key, value)
            .env(FILES, dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{key}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

const FILES: &str = "TILEFN_TEST_DAMAGED_FILES";

#[test]
#[ignore = "run by settings_do_not_make_damage_silent"]
fn damaged_files_of_the_parent() {
    let dir = std::path::PathBuf::from(std::env::var_os(FILES).unwrap());
    for name in ["j.tif", "t.tif", "w.bil"] {
        let file = path(&dir, name);
        let info = inspect(&file).unwrap();
        let spec = source_spec(&file, &info);
        assert!(read_bytes(&spec, Window::new(0, 0, info.grid.rows, info.grid.cols)).is_err(), "{name}");
        if name == "w.bil" {
            assert!(read_bytes(&spec, Window::new(0, 100, 20, 10)).is_err(), "{name}");
        }
    }
}

/// What is no damage: blocks that were never written, of TIFF and Zarr.
#[test]
fn absent_blocks_are_nodata() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.full((64, 64), 7, np.uint8), ['SPARSE_OK=TRUE', 'TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32'], nodata=7)
make('a.zarr', np.ones((64, 64), np.uint8), ['BLOCKSIZE=32,32'], nodata=7, driver='Zarr')
blocks = [os.path.join(f, n) for f, _, names in os.walk('a.zarr') for n in names if n == '0.0']
assert len(blocks) == 1
os.remove(blocks[0])",
    );
    for (name, other) in [("a.tif", 7), ("a.zarr", 1)] {
        let file = path(dir.path(), name);
        let spec = source_spec(&file, &inspect(&file).unwrap());
        assert_eq!(read::<u8>(&spec, Window::new(31, 31, 2, 2)), [7, other, other, other], "{name}");
    }
}

/// A source that is missing or damaged is an error of the VRT.
#[test]
fn sources_of_a_vrt_that_cannot_be_read() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.ones((64, 64), np.uint8)); make('b.tif', np.ones((64, 64), np.uint8), origin=(500640, 7000000))
gdal.BuildVRT('ab.vrt', ['a.tif', 'b.tif'])",
    );
    let file = path(dir.path(), "ab.vrt");
    let spec = source_spec(&file, &inspect(&file).unwrap());
    assert!(read_bytes(&spec, Window::new(0, 0, 64, 128)).is_ok());
    std::fs::remove_file(dir.path().join("b.tif")).unwrap();
    assert!(read_bytes(&spec, Window::new(0, 0, 64, 128)).is_err());
    assert!(read_bytes(&spec, Window::new(0, 0, 64, 64)).is_ok());
}
