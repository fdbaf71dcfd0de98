//! Overviews made while tiles pass, against those that GDAL builds of the same pixels.

use crate::support::{folder, python, target_spec};
use grid::{Tiling, Window};
use std::path::Path;
use tilefn_abi::DType;
use tilefn_raster::{Overviews, Target, TargetSpec};
use types::Nodata;

/// Compares each `NAME.tif` with what GDAL builds of `NAME.tif`'s pixels, which must be those of `value` below.
const CHECK: &str = r#"
def value(dtype, bands, rows, cols, nodata):
    b, r, c = np.mgrid[0:bands, 0:rows, 0:cols].astype(np.uint64)
    n = (b * 8191 + r * 7919 + c * 104729 + r * c * 31) % 65521
    if dtype in ('float32', 'float64'):
        a = (n.astype(np.float64) / 7).astype(dtype)
    else:
        info = np.iinfo(dtype)
        span = min(int(info.max) - int(info.min) + 1, 65521)
        a = ((n % span).astype(np.int64) + (int(info.min) if info.bits <= 16 else 0)).astype(dtype)
    if nodata is not None:
        a[(r // 3 + c // 2) % 4 == 0] = nodata
    return a

def build(name, levels, method, interleave=None):
    ours = gdal.Open(name)
    # GDAL goes by it even if there is one band.
    interleave = interleave or ('BAND' if ours.RasterCount > 1 else 'PIXEL')
    copy = gdal.GetDriverByName('GTiff').CreateCopy(
        'copy.tif', ours, options=['TILED=YES', 'COPY_SRC_OVERVIEWS=NO', 'INTERLEAVE=' + interleave])
    copy.BuildOverviews(method, [])
    copy.BuildOverviews(method, levels)
    del copy
    theirs = gdal.Open('copy.tif')
    for b in range(ours.RasterCount):
        mine, its = ours.GetRasterBand(b + 1), theirs.GetRasterBand(b + 1)
        assert mine.GetOverviewCount() == len(levels) == its.GetOverviewCount(), (name, mine.GetOverviewCount())
        assert np.array_equal(mine.ReadAsArray(), its.ReadAsArray(), equal_nan=mine.DataType in (6, 7)), name
        for n in range(len(levels)):
            x, y = mine.GetOverview(n).ReadAsArray(), its.GetOverview(n).ReadAsArray()
            if x.dtype == np.float64:
                # GDAL 3.6 samples doubles by way of floats.
                x, y = x.astype(np.float32), y.astype(np.float32)
            bad = (x != y) & ~((x != x) & (y != y))
            assert not bad.any(), (name, b, levels[n], np.argwhere(bad)[:5], x[bad][:5], y[bad][:5])
"#;

/// As `value` in the Python above.
fn pixel(dtype: DType, nodata: Option<Nodata>, (b, r, c): (i64, i64, i64)) -> Vec<u8> {
    let n = (b * 8191 + r * 7919 + c * 104_729 + r * c * 31) % 65_521;
    let bits = match nodata {
        Some(nodata) if (r / 3 + c / 2) % 4 == 0 => nodata.as_bits_for(dtype).unwrap(),
        _ => {
            let nodata = match dtype {
                DType::Float32 | DType::Float64 => Nodata::Float(n as f64 / 7.0),
                DType::UInt8 => Nodata::Int((n % 256).into()),
                DType::Int8 => Nodata::Int((n % 256 - 128).into()),
                DType::Int16 => Nodata::Int((n - 32_768).into()),
                _ => Nodata::Int(n.into()),
            };
            nodata.as_bits_for(dtype).unwrap_or_else(|_| ((n as f64 / 7.0) as f32 as f64).to_bits())
        }
    };
    match dtype {
        DType::Float32 => (f64::from_bits(bits) as f32).to_ne_bytes().to_vec(),
        _ => bits.to_le_bytes()[..dtype.size()].to_vec(),
    }
}

fn tile(spec: &TargetSpec, window: &Window) -> Vec<u8> {
    let mut data = Vec::new();
    for b in 0..i64::from(spec.bands) {
        for r in window.row..window.row_end() {
            for c in window.col..window.col_end() {
                data.extend(pixel(spec.dtype, spec.nodata, (b, r, c)));
            }
        }
    }
    data
}

fn tiling(spec: &TargetSpec) -> Tiling {
    Tiling::new(spec.grid.rows, spec.grid.cols, spec.tile.0, spec.tile.1).unwrap()
}

fn write_tiles(target: &mut Target, tiles: impl Iterator<Item = u64>) {
    let spec = target.spec().clone();
    for window in tiles.map(|index| tiling(&spec).tile(index).unwrap().window) {
        target.write(window, &tile(&spec, &window)).unwrap();
    }
}

/// How many levels the unfinished file has already.
fn ready(folder: &Path, target: &mut Target) -> usize {
    let name = target.spec().path.rsplit('/').next().unwrap().to_owned();
    let hidden = target.folder();
    target.seal().unwrap();
    let print = format!("print(open_band({:?}).GetOverviewCount())", format!("{hidden}/{name}"));
    python(folder, &print).trim().parse().unwrap()
}

fn spec(folder: &Path, name: &str, size: (u32, u32), dtype: DType, method: &str, levels: &[u32]) -> TargetSpec {
    TargetSpec {
        overviews: Overviews::Levels(levels.to_vec()),
        overview_resampling: Some(method.into()),
        ..target_spec(folder, name, size, dtype)
    }
}

/// Of the nearest pixel, for every type, any size and any tile.
#[test]
fn nearest() {
    let dir = folder();
    let mut checks = CHECK.to_owned();
    for (n, dtype) in DType::ALL.into_iter().enumerate() {
        let sizes = [((300, 517), (128, 128)), ((256, 512), (100, 70)), ((411, 203), (411, 16)), ((40, 40), (7, 300))];
        for (size, tile_size) in sizes {
            let name = format!("{}-{}.tif", dtype.name(), size.0);
            // GDAL 3.6 spoils files of 64-bit integers that have a nodata value and several levels.
            let wide = matches!(dtype, DType::UInt64 | DType::Int64);
            let nodata =
                (n % 2 == 0 && !wide).then(|| if dtype.is_float() { Nodata::Float(f64::NAN) } else { Nodata::Int(3) });
            let spec = TargetSpec {
                nodata,
                tile: tile_size,
                bands: 1 + (n as u32 + size.0) % 3,
                ..spec(dir.path(), &name, size, dtype, "nearest", &[2, 3, 8, 16])
            };
            let mut target = Target::create(spec.clone()).unwrap();
            let count = tiling(&spec).count();
            write_tiles(&mut target, (0..count).rev());
            assert_eq!(ready(dir.path(), &mut target), 4, "{name}");
            target.finish(&mut |_| true).unwrap();
            let in_python = match nodata {
                None => "None",
                Some(_) if dtype.is_float() => "np.nan",
                Some(_) => "3",
            };
            checks.push_str(&format!(
                "
build('{name}', [2, 3, 8, 16], 'NEAREST')
assert np.array_equal(read('{name}').reshape({b}, *{size:?}).view('{dtype}'), value('{dtype}', {b}, *{size:?}, {in_python}), equal_nan='{dtype}'.startswith('float'))
",
                dtype = dtype.name(),
                b = spec.bands,
            ));
        }
    }
    python(dir.path(), &checks);
}

/// Averages and most frequent values of each level are made of the level before, where tiles are whole pixels of all levels.
#[test]
fn average_and_mode() {
    let dir = folder();
    let mut checks = CHECK.to_owned();
    let nan = Some(Nodata::Float(f64::NAN));
    for (dtype, nodatas) in [
        (DType::UInt8, &[None, Some(Nodata::Int(0)), Some(Nodata::Int(255)), Some(Nodata::Int(127))][..]),
        (DType::UInt16, &[None, Some(Nodata::Int(0)), Some(Nodata::Int(65_535)), Some(Nodata::Int(30_000))]),
        (DType::Int16, &[None, Some(Nodata::Int(0)), Some(Nodata::Int(-32_768)), Some(Nodata::Int(32_767))]),
        (DType::Float32, &[nan]),
    ] {
        for (n, nodata) in nodatas.iter().enumerate() {
            let some =
                [("average", &[2, 4, 8, 16][..]), ("average", &[3]), ("average", &[4, 16]), ("average", &[2, 6])];
            let modes = [("mode", &[2, 4, 16][..]), ("mode", &[3])];
            let modes = modes.into_iter().filter(|_| dtype != DType::Float32);
            for (method, levels) in some.into_iter().chain(modes) {
                let largest = *levels.last().unwrap();
                let size = (largest * 20, largest * 33);
                let name = format!("{}-{n}-{largest}-{}-{method}.tif", dtype.name(), levels.len());
                let spec = TargetSpec {
                    nodata: *nodata,
                    tile: (largest * 4, largest * 8),
                    bands: 2,
                    ..spec(dir.path(), &name, size, dtype, method, levels)
                };
                let mut target = Target::create(spec.clone()).unwrap();
                let count = tiling(&spec).count();
                write_tiles(&mut target, (0..count).rev());
                assert_eq!(ready(dir.path(), &mut target), levels.len(), "{name}");
                target.finish(&mut |_| true).unwrap();
                checks.push_str(&format!("build('{name}', {levels:?}, '{}')\n", method.to_uppercase()));
            }
        }
    }
    python(dir.path(), &checks);
}

/// Where tiles alone don't tell what GDAL would make, it builds them from the complete file.
#[test]
fn what_does_not_fit_is_left_to_gdal() {
    let dir = folder();
    let mut checks = CHECK.to_owned();
    let plain = |name: &str, method: &str| spec(dir.path(), name, (512, 512), DType::UInt8, method, &[2, 4]);
    let options = |options: &[&str], spec: TargetSpec| TargetSpec {
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..spec
    };
    for (spec, method) in [
        (TargetSpec { dtype: DType::Float32, ..plain("mode.tif", "mode") }, "MODE"),
        (plain("cubic.tif", "cubic"), "CUBIC"),
        (TargetSpec { tile: (127, 128), ..plain("unaligned.tif", "average") }, "AVERAGE"),
        (spec(dir.path(), "cut.tif", (510, 512), DType::UInt8, "average", &[2, 4]), "AVERAGE"),
        (TargetSpec { dtype: DType::Float32, ..plain("float.tif", "average") }, "AVERAGE"),
        (TargetSpec { bands: 2, ..options(&["INTERLEAVE=PIXEL"], plain("pixel.tif", "nearest")) }, "NEAREST"),
        (options(&["COMPRESS=JPEG"], plain("jpeg.tif", "nearest")), ""),
    ] {
        let mut target = Target::create(spec.clone()).unwrap();
        let count = tiling(&spec).count();
        write_tiles(&mut target, 0..count);
        let name = spec.path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(ready(dir.path(), &mut target), 0, "{name}");
        target.finish(&mut |_| true).unwrap();
        match method {
            "" => checks.push_str(&format!("assert open_band('{name}').GetOverviewCount() == 2\n")),
            _ if spec.bands > 1 => checks.push_str(&format!("build('{name}', [2, 4], '{method}', 'PIXEL')\n")),
            _ => checks.push_str(&format!("build('{name}', [2, 4], '{method}')\n")),
        }
    }
    python(dir.path(), &checks);
}

/// A run that goes on reads the tiles of the earlier one; skipped tiles and windows that are no tiles come out right, too.
#[test]
fn resumed_skipped_and_other_windows() {
    let dir = folder();
    let mut checks = CHECK.to_owned();
    for (driver, ending) in [("GTiff", "tif"), ("COG", "cog")] {
        for method in ["nearest", "average", "mode"] {
            let named = |what: &str| TargetSpec {
                driver: Some(driver.into()),
                nodata: Some(Nodata::Int(0)),
                options: if driver == "COG" { vec!["BLOCKSIZE=128".into()] } else { Vec::new() },
                ..spec(dir.path(), &format!("{what}-{method}.{ending}"), (512, 640), DType::UInt16, method, &[2, 4])
            };
            let mut target = Target::create(named("resumed")).unwrap();
            write_tiles(&mut target, [0, 19, 3].into_iter());
            let unfinished = target.checkpoint().unwrap().unwrap().unfinished();
            // Lost with the process.
            write_tiles(&mut target, [7, 8].into_iter());
            target.keep(true);
            drop(target);
            let mut target = Target::resume(named("resumed"), &unfinished).unwrap();
            write_tiles(&mut target, (0..20).filter(|index| ![0, 19, 3].contains(index)));
            target.finish(&mut |_| true).unwrap();

            let mut target = Target::create(named("skipped")).unwrap();
            write_tiles(&mut target, (0..20).filter(|index| index % 3 > 0));
            for index in (0..20).filter(|index| index % 3 == 0) {
                let window = tiling(target.spec()).tile(index).unwrap().window;
                target.skip(window).unwrap();
            }
            target.finish(&mut |_| true).unwrap();

            let mut target = Target::create(named("other")).unwrap();
            for row in 0..8 {
                let window = Window::new(row * 64, 0, 64, 640);
                let data = tile(target.spec(), &window);
                target.write(window, &data).unwrap();
            }
            target.finish(&mut |_| true).unwrap();
            for what in ["resumed", "skipped", "other"] {
                let name = format!("{what}-{method}.{ending}");
                checks.push_str(&format!("build('{name}', [2, 4], '{}')\n", method.to_uppercase()));
                if what != "skipped" {
                    checks.push_str(&format!("assert (read('{name}') == value('uint16', 1, 512, 640, 0)[0]).all()\n"));
                }
            }
        }
    }
    python(dir.path(), &checks);
}

/// Stopped while the tiles of an earlier run are read, or after that, and completed once more by the same process.
#[test]
fn stopped_and_completed_again() {
    let dir = folder();
    let mut checks = CHECK.to_owned();
    for calls in [2, 9, 17, 30] {
        let named = || TargetSpec {
            driver: Some("COG".into()),
            ..spec(dir.path(), &format!("{calls}.tif"), (512, 512), DType::UInt8, "nearest", &[2, 4])
        };
        let mut target = Target::create(named()).unwrap();
        write_tiles(&mut target, 0..16);
        let unfinished = target.checkpoint().unwrap().unwrap().unfinished();
        target.keep(true);
        drop(target);
        let target = Target::resume(named(), &unfinished).unwrap();
        let mut left = calls;
        let stopped = target.complete(&mut |_| {
            left -= 1;
            left > 0
        });
        let mut complete = match stopped {
            Ok(complete) => complete,
            Err(incomplete) => incomplete.target.complete(&mut |_| true).unwrap(),
        };
        complete.publish(false).unwrap();
        complete.keep(false);
        checks.push_str(&format!("build('{calls}.tif', [2, 4], 'NEAREST')\n"));
    }
    python(dir.path(), &checks);
}

/// The option alone decides from what GDAL takes a level, even of a file with one band.
#[test]
fn one_band_apart() {
    let dir = folder();
    let options = vec!["interleave=band".to_owned()];
    let spec = TargetSpec { options, ..spec(dir.path(), "a.tif", (300, 517), DType::UInt16, "nearest", &[2, 4, 8]) };
    let mut target = Target::create(spec.clone()).unwrap();
    let count = tiling(&spec).count();
    write_tiles(&mut target, 0..count);
    assert_eq!(ready(dir.path(), &mut target), 3);
    target.finish(&mut |_| true).unwrap();
    python(dir.path(), &format!("{CHECK}build('a.tif', [2, 4, 8], 'NEAREST', 'BAND')"));
}

/// Levels of which a tile has a part of a pixel row, or none at all.
#[test]
fn levels_larger_than_tiles() {
    let dir = folder();
    let spec =
        TargetSpec { tile: (16, 16), ..spec(dir.path(), "a.tif", (200, 100), DType::UInt8, "nearest", &[2, 64, 128]) };
    let mut target = Target::create(spec.clone()).unwrap();
    let count = tiling(&spec).count();
    write_tiles(&mut target, 0..count);
    assert_eq!(ready(dir.path(), &mut target), 3);
    target.finish(&mut |_| true).unwrap();
    python(dir.path(), &format!("{CHECK}build('a.tif', [2, 64, 128], 'NEAREST')"));
}
