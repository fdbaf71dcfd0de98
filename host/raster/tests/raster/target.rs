//! Writing rasters: pixels, and what is left when something goes wrong.

use crate::support::{fill_target, folder, names, path, python, read_bytes, source_spec, target_spec, write};
use grid::{Crs, GeoTransform, Grid, Tiling, Window};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tilefn_abi::DType;
use tilefn_raster::{
    Error, Georeferencing, Overviews, Source, SourceSpec, Target, TargetSpec, init, inspect, same_crs,
};
use types::Nodata;

#[test]
fn pixels_and_description_arrive() {
    let dir = folder();
    let spec = TargetSpec {
        bands: 3,
        nodata: Some(Nodata::Int(-9999)),
        band_names: vec!["a".into(), "b".into(), "c".into()],
        metadata: vec![("SENSOR".into(), "MSI".into())],
        ..target_spec(dir.path(), "out.tif", (300, 500), DType::Int32)
    };
    let written = write(spec, |b, r, c| (b * 1_000_000 + r * 1000 + c) as i32).unwrap();
    assert_eq!(names(dir.path()), ["out.tif"]);
    assert_eq!(written.bytes, fs::metadata(dir.path().join("out.tif")).unwrap().len());
    python(
        dir.path(),
        "
ds = gdal.Open('out.tif')
assert (ds.ReadAsArray() == np.fromfunction(lambda b, r, c: b * 1000000 + r * 1000 + c, (3, 300, 500))).all()
assert ds.GetGeoTransform() == (500000, 10, 0, 7000000, 0, -10)
assert [ds.GetRasterBand(i).GetDescription() for i in (1, 2, 3)] == ['a', 'b', 'c']
assert [ds.GetRasterBand(i).GetNoDataValue() for i in (1, 2, 3)] == [-9999] * 3
assert ds.GetMetadataItem('SENSOR') == 'MSI'
assert ds.GetRasterBand(1).GetBlockSize() == [128, 128]
assert ds.GetMetadata('IMAGE_STRUCTURE')['COMPRESSION'] == 'DEFLATE'
assert ds.GetRasterBand(1).GetMetadataItem('STATISTICS_MINIMUM') is None
assert ds.GetRasterBand(1).GetOverviewCount() == 0
",
    );
}

#[test]
fn nothing_is_left_of_an_abandoned_output() {
    let dir = folder();
    fs::write(dir.path().join("out.tif"), "old").unwrap();
    let spec = TargetSpec { statistics: true, ..target_spec(dir.path(), "out.tif", (500, 500), DType::UInt8) };
    let mut target = Target::create(spec.clone()).unwrap();
    let hidden: Vec<_> = names(dir.path()).into_iter().filter(|n| n.starts_with(".out.tif.tilefn-")).collect();
    assert_eq!(hidden.len(), 1);
    fill_target(&mut target, |_, r, _| r as u8).unwrap();
    drop(target);
    assert_eq!(names(dir.path()), ["out.tif"]);

    let mut target = Target::create(spec).unwrap();
    fill_target(&mut target, |_, r, _| r as u8).unwrap();
    let error = target.finish(&mut |done| done < 0.2).unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    assert_eq!(names(dir.path()), ["out.tif"]);
    assert_eq!(fs::read_to_string(dir.path().join("out.tif")).unwrap(), "old");
}

#[test]
fn a_new_file_takes_the_old_ones_place_and_its_sidecars() {
    let dir = folder();
    for name in ["out.tif", "out.tif.aux.xml", "out.tif.ovr", "other.tif.ovr"] {
        fs::write(dir.path().join(name), "old").unwrap();
    }
    write(target_spec(dir.path(), "out.tif", (10, 10), DType::UInt8), |_, r, c| (r * 10 + c) as u8).unwrap();
    assert_eq!(names(dir.path()), ["other.tif.ovr", "out.tif"]);
    python(dir.path(), "assert (read('out.tif').ravel() == np.arange(100)).all()");
}

#[test]
fn unwritten_and_skipped_tiles_read_as_nodata() {
    let dir = folder();
    for (name, dtype, nodata) in [
        ("u8.tif", DType::UInt8, Some(Nodata::Int(255))),
        ("i64.tif", DType::Int64, Some(Nodata::Int(i64::MIN.into()))),
        ("u64.tif", DType::UInt64, Some(Nodata::Int(u64::MAX.into()))),
        ("nan.tif", DType::Float32, Some(Nodata::Float(f64::NAN))),
        ("none.tif", DType::Int16, None),
        ("i8.tif", DType::Int8, Some(Nodata::Int(-128))),
    ] {
        let mut target =
            Target::create(TargetSpec { nodata, bands: 2, ..target_spec(dir.path(), name, (300, 300), dtype) })
                .unwrap();
        let window = Window::new(128, 128, 128, 128);
        target.write(window, &vec![1; 2 * 128 * 128 * dtype.size()]).unwrap();
        target.skip(Window::new(0, 0, 128, 128)).unwrap();
        target.finish(&mut |_| true).unwrap();
    }
    python(
        dir.path(),
        "
for name, nodata in (('u8', 255), ('i64', -2**63), ('u64', 2**64 - 1), ('nan', None), ('none', 0), ('i8', -128)):
    a = read(name + '.tif')
    a = a.view(np.int8) if name == 'i8' else a
    rest = np.ones((300, 300), bool)
    rest[128:256, 128:256] = False
    assert (np.isnan(a[:, rest]) if name == 'nan' else a[:, rest] == np.array(nodata, a.dtype)).all(), name
    assert (np.ascontiguousarray(a[:, ~rest]).view(np.uint8) == 1).all(), name
assert os.path.getsize('u64.tif') < 10000
",
    );
}

#[test]
fn windows_that_cut_blocks_or_hold_several_arrive_too() {
    let dir = folder();
    for (name, tile, options) in [
        ("a.tif", (100, 100), vec![]),
        ("b.tif", (37, 500), vec![]),
        ("c.tif", (64, 64), vec!["BLOCKXSIZE=256".to_owned(), "BLOCKYSIZE=256".to_owned()]),
        ("d.tif", (128, 128), vec!["tiled=no".to_owned(), "COMPRESS=ZSTD".to_owned()]),
        ("e.tif", (128, 128), vec!["INTERLEAVE=PIXEL".to_owned(), "COMPRESS=NONE".to_owned()]),
        ("f.tif", (256, 256), ["BLOCKXSIZE=128", "BLOCKYSIZE=64", "COMPRESS=NONE"].map(str::to_owned).to_vec()),
        ("g.tif", (128, 64), ["BLOCKXSIZE=64", "BLOCKYSIZE=64", "ENDIANNESS=BIG"].map(str::to_owned).to_vec()),
    ] {
        let spec = TargetSpec { tile, options, bands: 2, ..target_spec(dir.path(), name, (300, 500), DType::Float64) };
        write(spec, |b, r, c| (b * 1_000_000 + r * 1000 + c) as f64 / 7.0).unwrap();
    }
    python(
        dir.path(),
        "
expected = np.fromfunction(lambda b, r, c: (b * 1000000 + r * 1000 + c) / 7, (2, 300, 500))
for name, block, compression, interleave in (
        ('a', [256, 256], 'DEFLATE', 'BAND'), ('b', [500, 37], 'DEFLATE', 'BAND'), ('c', [256, 256], 'DEFLATE', 'BAND'),
        ('d', [500, 2], 'ZSTD', 'BAND'), ('e', [128, 128], None, 'PIXEL'), ('f', [128, 64], None, 'BAND'),
        ('g', [64, 64], 'DEFLATE', 'BAND')):
    ds = gdal.Open(name + '.tif')
    assert (ds.ReadAsArray() == expected).all(), name
    structure = ds.GetMetadata('IMAGE_STRUCTURE')
    assert ds.GetRasterBand(1).GetBlockSize() == block, (name, ds.GetRasterBand(1).GetBlockSize())
    assert structure.get('COMPRESSION') == compression and structure['INTERLEAVE'] == interleave, (name, structure)
",
    );
}

/// Left to itself tilefn takes a fast level of DEFLATE for types that seldom hold classes; who chooses a codec gets GDAL's.
#[test]
fn the_level_of_deflate() {
    let dir = folder();
    let wave = |r: i64, c: i64| (r * c % 97 + (r * 31 + c * 17) % 13) as f32;
    let float = |name: &str| target_spec(dir.path(), name, (256, 256), DType::Float32);
    write(float("free.tif"), |_, r, c| wave(r, c)).unwrap();
    let options = vec!["COMPRESS=DEFLATE".to_owned()];
    write(TargetSpec { options, ..float("named.tif") }, |_, r, c| wave(r, c)).unwrap();
    let integer = |name: &str| target_spec(dir.path(), name, (256, 256), DType::Int16);
    write(integer("integer.tif"), |_, r, c| wave(r, c) as i16).unwrap();
    write(TargetSpec { thematic: true, ..integer("classes.tif") }, |_, r, c| wave(r, c) as i16).unwrap();
    python(
        dir.path(),
        "
def size(name):
    ds = gdal.Open(name)
    return int(ds.GetRasterBand(1).GetMetadataItem('BLOCK_SIZE_0_0', 'TIFF'))
for name, level, predictor in (('free', 3, 3), ('named', 6, 3), ('integer', 1, 2), ('classes', 6, 1)):
    def copied(level):
        options = ['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128', 'COMPRESS=DEFLATE', f'ZLEVEL={level}', f'PREDICTOR={predictor}']
        gdal.GetDriverByName('GTiff').CreateCopy('copy.tif', gdal.Open(name + '.tif'), options=options).FlushCache()
        return size('copy.tif')
    sizes = {n: copied(n) for n in (1, 3, 6)}
    assert len(set(sizes.values())) == 3, sizes
    assert size(name + '.tif') == sizes[level], (name, size(name + '.tif'), sizes)
",
    );
}

/// Blocks are written from where they lie: whatever GDAL makes of them, the pixels stay as they are.
#[test]
fn writing_leaves_the_pixels_alone() {
    let dir = folder();
    // GDAL itself writes wrong values with PREDICTOR=3, tilefn's choice for floats, in the other byte order.
    for options in [
        &["ENDIANNESS=BIG", "COMPRESS=NONE"][..],
        &["ENDIANNESS=BIG"],
        &["ENDIANNESS=INVERTED"],
        &["COMPRESS=LZW"],
        &[],
    ] {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let spec =
            TargetSpec { tile: (256, 128), options, ..target_spec(dir.path(), "out.tif", (256, 256), DType::Float32) };
        let mut target = Target::create(spec).unwrap();
        let pixels: Vec<_> = (0..256 * 128u16).map(f32::from).collect();
        let before = pixels.clone();
        for col in [0, 128] {
            target.write(Window::new(0, col, 256, 128), bytemuck::cast_slice(&pixels)).unwrap();
        }
        target.finish(&mut |_| true).unwrap();
        assert_eq!(pixels, before);
        python(dir.path(), "assert (read('out.tif') == np.tile(np.arange(32768).reshape(256, 128), 2)).all()");
    }
}

#[test]
fn what_is_written_must_fit() {
    let dir = folder();
    let spec = target_spec(dir.path(), "out.tif", (20, 30), DType::Int16);
    let mut target = Target::create(spec).unwrap();
    let error = |r: Result<(), Error>| r.unwrap_err().to_string();
    let file = path(dir.path(), "out.tif");
    assert_eq!(
        error(target.write(Window::new(0, 25, 5, 6), &[0; 60])),
        format!("{file}: rows 0..5, columns 25..31 is not in the grid of rows 0..20, columns 0..30")
    );
    assert_eq!(
        error(target.write(Window::new(0, 0, 5, 6), &[0; 61])),
        format!("{file}: 61 bytes for 1 bands of rows 0..5, columns 0..6")
    );
    assert!(target.write(Window::new(-1, 0, 5, 6), &[0; 60]).is_err());
}

#[test]
fn overviews_are_samples_of_all_pixels() {
    // W4: every level, also those larger than a tile, equals its definition, with no pixel unwritten.
    let dir = folder();
    for (name, resampling) in [("near.tif", "nearest"), ("mean.tif", "average")] {
        let spec = TargetSpec {
            overviews: Overviews::Levels(vec![2, 4, 8, 64, 256]),
            overview_resampling: Some(resampling.into()),
            tile: (48, 48),
            ..target_spec(dir.path(), name, (512, 1024), DType::Float32)
        };
        write(spec, |_, r, c| (r * 1024 + c) as f32).unwrap();
    }
    let automatic = TargetSpec {
        overviews: Overviews::Automatic,
        ..target_spec(dir.path(), "auto.tif", (300, 1500), DType::UInt8)
    };
    write(automatic, |_, r, _| r as u8).unwrap();
    python(
        dir.path(),
        "
a = np.arange(512 * 1024, dtype=np.float32).reshape(512, 1024)
for name in ('near', 'mean'):
    band = open_band(name + '.tif')
    assert (band.ReadAsArray() == a).all()
    assert band.GetOverviewCount() == 5
    for i, level in enumerate((2, 4, 8, 64, 256)):
        blocks = a.reshape(512 // level, level, 1024 // level, level)
        found = band.GetOverview(i).ReadAsArray()
        if name == 'mean':
            # GDAL may take a level from the one before, rounding to float32 in between.
            assert np.allclose(found, blocks.astype(np.float64).mean((1, 3)), rtol=1e-6), level
        else:
            assert all(v in blocks[r, :, c, :] for (r, c), v in np.ndenumerate(found)), level
            offsets = {(int(v) // 1024 % level, int(v) % 1024 % level) for v in found.ravel()}
            assert len(offsets) == 1, (level, offsets)
band = open_band('auto.tif')
assert [band.GetOverview(i).XSize for i in range(band.GetOverviewCount())] == [750, 375, 188]
",
    );
    assert_eq!(names(dir.path()), ["auto.tif", "mean.tif", "near.tif"]);
}

#[test]
fn c31_colour_tables() {
    let dir = folder();
    let spec = TargetSpec {
        color_table: Some("Viridis".into()),
        thematic: true,
        nodata: Some(Nodata::Int(255)),
        ..target_spec(dir.path(), "out.tif", (100, 100), DType::UInt8)
    };
    write(spec.clone(), |_, r, c| if r == 0 { 255 } else { ((r + c) % 4) as u8 }).unwrap();
    python(
        dir.path(),
        "
band = open_band('out.tif')
assert band.GetMetadataItem('LAYER_TYPE') == 'thematic'
table = band.GetColorTable()
# matplotlib's viridis at 0, 1/3, 2/3 and 1
assert np.abs(np.array([table.GetColorEntry(i)[:3] for i in range(4)]) - [(68, 1, 84), (49, 104, 142), (53, 183, 121), (253, 231, 37)]).max() <= 3
assert [table.GetColorEntry(i)[3] for i in (0, 3, 255)] == [255, 255, 0]
assert (read('out.tif')[1:] == np.add.outer(np.arange(1, 100), np.arange(100)) % 4).all()
",
    );
    assert_eq!(names(dir.path()), ["out.tif"]);
    // What is nodata is transparent, also among the values.
    for name in ["zero.tif", "zero.img"] {
        let spec = TargetSpec { nodata: Some(Nodata::Int(0)), ..spec.clone() };
        write(TargetSpec { path: path(dir.path(), name), ..spec }, |_, r, c| ((r + c) % 4) as u8).unwrap();
        let script = "table = open_band('NAME').GetColorTable(); assert [table.GetColorEntry(i)[3] for i in range(4)] == [0, 255, 255, 255]";
        python(dir.path(), &script.replace("NAME", name));
    }
    let error = |spec: TargetSpec| Target::create(spec).unwrap_err().to_string();
    let file = path(dir.path(), "out.tif");
    assert_eq!(
        error(TargetSpec { dtype: DType::Float32, nodata: None, ..spec.clone() }),
        format!("can't create {file}: a colour table needs one uint8 or uint16 band; it has 1 of float32")
    );
    let text = error(TargetSpec { color_table: Some("mauve".into()), ..spec });
    assert!(
        text.starts_with(&format!("can't create {file}: there is no colour ramp \"mauve\"; there are viridis, ")),
        "{text}"
    );
}

#[test]
fn the_crs_survives() {
    let dir = folder();
    for epsg in [28355, 4326, 3857] {
        let wkt = python(
            dir.path(),
            &format!("s = osr.SpatialReference(); s.ImportFromEPSG({epsg}); print(s.ExportToWkt(), end='')"),
        );
        let mut spec = target_spec(dir.path(), &format!("{epsg}.tif"), (20, 30), DType::UInt8);
        spec.grid.crs = Crs::from(wkt.as_str());
        spec.grid.transform = GeoTransform::north_up(140.0, -30.5, 0.25, 0.125);
        let grid = spec.grid.clone();
        write(spec, |_, _, _| 1u8).unwrap();
        let found = inspect(&path(dir.path(), &format!("{epsg}.tif"))).unwrap().grid;
        assert!(same_crs(&found.crs, &grid.crs), "{}", found.crs.0);
        assert_eq!(found.transform, grid.transform);
    }
    // Without georeferencing there is none in the output either, whether it has a CRS or not.
    let spec = target_spec(dir.path(), "none.tif", (20, 30), DType::UInt8);
    write(TargetSpec { georeferenced: false, ..spec.clone() }, |_, _, _| 1u8).unwrap();
    let crs = inspect(&path(dir.path(), "4326.tif")).unwrap().grid.crs;
    let grid = Grid { crs, ..spec.grid };
    let spec = target_spec(dir.path(), "crs.tif", (20, 30), DType::UInt8);
    write(TargetSpec { georeferenced: false, grid, ..spec }, |_, _, _| 1u8).unwrap();
    python(
        dir.path(),
        "for name in ('none.tif', 'crs.tif'): assert gdal.Open(name).GetGeoTransform(can_return_null=True) is None, name",
    );
    assert!(!inspect(&path(dir.path(), "crs.tif")).unwrap().grid.crs.is_none());
    let info = inspect(&path(dir.path(), "none.tif")).unwrap();
    assert!(info.georeferencing == Georeferencing::None && info.grid.crs.is_none());
}

/// Makes `in.tif` of 600 × 600 pixels, each with its number. And a small cache, so that GDAL reuses memory all the time.
fn numbered(dir: &Path) -> SourceSpec {
    init(1 << 20);
    python(dir, "make('in.tif', np.arange(600 * 600, dtype=np.int32).reshape(600, 600), ['TILED=YES'])");
    let file = path(dir, "in.tif");
    source_spec(&file, &inspect(&file).unwrap())
}

#[test]
fn threads_write_and_read_at_the_same_time() {
    let dir = folder();
    let spec = numbered(dir.path());
    std::thread::scope(|scope| {
        for tile in [(128, 128), (100, 600)] {
            let spec = &spec;
            let dir = dir.path();
            scope.spawn(move || {
                let name = format!("{}.tif", tile.0);
                let target = TargetSpec { tile, ..target_spec(dir, &name, (600, 600), DType::Int32) };
                let mut source = Source::open(spec).unwrap();
                let mut target = Target::create(target).unwrap();
                let tiling = Tiling::new(600, 600, tile.0, tile.1).unwrap();
                for index in 0..tiling.count() {
                    let window = tiling.tile(index).unwrap().window;
                    let mut pixels = vec![0; window.pixels() as usize * 4];
                    source.read(window, &mut pixels).unwrap();
                    target.write(window, &pixels).unwrap();
                }
                target.finish(&mut |_| true).unwrap();
            });
        }
    });
    python(
        dir.path(),
        "assert (read('128.tif') == read('in.tif')).all() and (read('100.tif') == read('in.tif')).all()",
    );
}

/// GDAL's cache is one for all files and threads: a thread that reads makes room in it by writing a block of another thread's file. If that
/// thread wanted the block again in this moment, it got what the file had before.
#[test]
fn blocks_come_in_parts_while_others_read() {
    let dir = folder();
    let spec = numbered(dir.path());
    let whole = Window::new(0, 0, 600, 600);
    let expected = read_bytes(&spec, whole).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut source = Source::open(&spec).unwrap();
                let mut pixels = vec![0; expected.len()];
                while !done.load(Ordering::Relaxed) {
                    source.read(whole, &mut pixels).unwrap();
                }
            });
        }
        // Whatever happens, or they would read for ever.
        let wrong = std::panic::catch_unwind(|| {
            let interleaved = ["INTERLEAVE=PIXEL", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "TILED=YES"];
            let (bil, bip) = (["INTERLEAVE=BIL"], ["INTERLEAVE=BIP"]);
            let mut kinds = vec![("a.tif", None, 1, &[][..]); 24];
            kinds.extend([("b.nc", None, 1, &[][..]), ("c.img", None, 1, &[]), ("d.tif", None, 3, &interleaved)]);
            kinds.extend([("e.tif", None, 2, &[][..]), ("g.img", None, 2, &[])]);
            kinds.extend([("h.dat", Some("ENVI"), 2, &bil[..]), ("i.dat", Some("ENVI"), 2, &bip)]);
            kinds
                .into_iter()
                .filter(|(name, driver, bands, options)| {
                    let spec = TargetSpec {
                        driver: driver.map(str::to_owned),
                        bands: *bands,
                        tile: (60, 70),
                        options: options.iter().map(|option| (*option).to_owned()).collect(),
                        ..target_spec(dir.path(), name, (600, 600), DType::Int32)
                    };
                    write(spec, |_, row, col| (row * 600 + col) as i32).unwrap();
                    let file = path(dir.path(), name);
                    let written = read_bytes(&source_spec(&file, &inspect(&file).unwrap()), whole).unwrap();
                    std::fs::remove_file(&file).unwrap();
                    written != expected.repeat(*bands as usize)
                })
                .map(|(name, ..)| name)
                .collect::<Vec<_>>()
        });
        done.store(true, Ordering::Relaxed);
        assert_eq!(wrong.unwrap(), Vec::<&str>::new());
    });
}

/// Six blocks of 16 MB, each in four tiles: more than are kept until they are complete.
#[test]
fn blocks_in_parts_are_read_again_when_there_are_many_of_them_and_after_a_checkpoint() {
    let dir = folder();
    let (rows, cols) = (20, 6 * 4096 - 100);
    let spec = TargetSpec {
        tile: (10, 2048),
        options: ["BLOCKXSIZE=4096", "BLOCKYSIZE=4096", "TILED=YES"].map(str::to_owned).to_vec(),
        ..target_spec(dir.path(), "a.tif", (rows, cols), DType::UInt8)
    };
    let value = |row: i64, col: i64| (row * 7 + col / 3 % 200) as u8;
    let mut target = Target::create(spec).unwrap();
    let tiling = Tiling::new(rows, cols, 10, 2048).unwrap();
    for index in 0..tiling.count() {
        if index == tiling.count() * 3 / 4 {
            target.checkpoint().unwrap().unwrap();
        }
        let window = tiling.tile(index).unwrap().window;
        let lines = window.row..window.row_end();
        let pixels: Vec<u8> =
            lines.flat_map(|row| (window.col..window.col_end()).map(move |col| value(row, col))).collect();
        target.write(window, &pixels).unwrap();
    }
    target.finish(&mut |_| true).unwrap();
    python(
        dir.path(),
        "
found = read('a.tif')
row, col = np.mgrid[0:found.shape[0], 0:found.shape[1]]
assert found.shape == (20, 24476) and (found == (row * 7 + col // 3 % 200) % 256).all()",
    );
}

/// A row of tiles has more than is kept until it is complete, so each tile is written into the lines at once.
#[test]
fn long_lines_are_written_in_parts() {
    let dir = folder();
    let (rows, cols) = (130, 600_000);
    let spec = TargetSpec {
        driver: Some("ENVI".into()),
        tile: (128, 100_000),
        ..target_spec(dir.path(), "a.dat", (rows, cols), DType::UInt8)
    };
    write(spec, |_, row, col| (row / 128 * 100 + col / 100_000 + 1) as u8).unwrap();
    python(
        dir.path(),
        "
found = read('a.dat')
row, col = np.ogrid[0:130, 0:600000]
assert (found == row // 128 * 100 + col // 100000 + 1).all()",
    );
}
