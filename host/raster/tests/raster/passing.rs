//! Statistics from passing tiles: the order, a resume, skipped tiles and lossy formats.

use crate::statistics::CHECK;
use crate::support::{fill_target, folder, python, target_spec};
use grid::{Tiling, Window};
use tilefn_abi::DType;
use tilefn_raster::{Target, TargetSpec};
use types::Nodata;

/// Pixels whose sum depends on the order, in the last digits.
fn uneven(_: i64, r: i64, c: i64) -> f32 {
    if (r + c) % 11 == 0 { f32::NAN } else { ((r * 7919 + c * 104_729) % 10_007) as f32 / 7.0 }
}

/// Writes some tiles, in the given order.
fn write_tiles(target: &mut Target, tiles: impl IntoIterator<Item = u64>) {
    let (grid, tile) = (target.spec().grid.clone(), target.spec().tile);
    let tiling = Tiling::new(grid.rows, grid.cols, tile.0, tile.1).unwrap();
    for window in tiles.into_iter().map(|index| tiling.tile(index).unwrap().window) {
        let pixels: Vec<f32> = (window.row..window.row_end())
            .flat_map(|r| (window.col..window.col_end()).map(move |c| uneven(0, r, c)))
            .collect();
        target.write(window, bytemuck::cast_slice(&pixels)).unwrap();
    }
}

/// Whatever order tiles come in, and whether they pass or are read from the file: the items are the same to the last digit, and numpy's.
#[test]
fn the_order_of_tiles_and_resuming_change_nothing() {
    let dir = folder();
    let spec = |name: &str, driver: &str| TargetSpec {
        driver: Some(driver.into()),
        statistics: true,
        histogram: true,
        ..target_spec(dir.path(), name, (700, 900), DType::Float32)
    };
    let all = 6 * 8;
    for (driver, ending) in [("GTiff", "tif"), ("HFA", "img"), ("COG", "cog.tif")] {
        let written = |name: &str, tiles: &mut dyn Iterator<Item = u64>| {
            let mut target = Target::create(spec(&format!("{name}.{ending}"), driver)).unwrap();
            write_tiles(&mut target, tiles);
            target.finish(&mut |_| true).unwrap();
        };
        written("rows", &mut (0..all));
        written("back", &mut (0..all).rev());
        written("apart", &mut (0..all).map(|index| index * 29 % all));
        // Tiles that come twice, and windows that are no tiles: what has passed is forgotten.
        written("twice", &mut (0..all).chain([3, 4]));
        let mut target = Target::create(spec(&format!("other.{ending}"), driver)).unwrap();
        let grid = target.spec().grid.window();
        for row in grid.row..grid.row_end() {
            let pixels: Vec<f32> = (0..grid.col_end()).map(|c| uneven(0, row, c)).collect();
            target.write(Window::new(row, 0, 1, grid.cols), bytemuck::cast_slice(&pixels)).unwrap();
        }
        target.finish(&mut |_| true).unwrap();
        if driver == "HFA" {
            continue;
        }
        let mut target = Target::create(spec(&format!("resumed.{ending}"), driver)).unwrap();
        write_tiles(&mut target, [5, 40, 7, 8, 9]);
        let unfinished = target.checkpoint().unwrap().unwrap().unfinished();
        target.keep(true);
        drop(target);
        let mut target = Target::resume(spec(&format!("resumed.{ending}"), driver), &unfinished).unwrap();
        write_tiles(&mut target, (0..all).filter(|index| ![5, 40, 7, 8, 9].contains(index)));
        target.finish(&mut |_| true).unwrap();
    }
    python(
        dir.path(),
        &format!(
            "{CHECK}
r, c = np.mgrid[0:700, 0:900]
valid = (((r * 7919 + c * 104729) % 10007).astype(np.float32) / np.float32(7))[(r + c) % 11 != 0]
items = {{}}
for ending in ('tif', 'img', 'cog.tif'):
    for name in ('rows', 'back', 'apart', 'twice', 'other') + (() if ending == 'img' else ('resumed',)):
        band = check(f'{{name}}.{{ending}}', valid)[0]
        items[name, ending] = {{k: v for k, v in band.GetMetadata().items() if k.startswith('STATISTICS_HISTO') or k == 'STATISTICS_MEAN' or k == 'STATISTICS_STDDEV'}}
first = items['rows', 'tif']
assert len(first) == 7, first
for name, found in items.items():
    assert found == first, (name, first, found)
"
        ),
    );
}

/// Tiles that are skipped count as what they read as.
#[test]
fn skipped_tiles_count() {
    let dir = folder();
    for (name, nodata) in [("none.tif", None), ("nan.tif", Some(Nodata::Float(f64::NAN)))] {
        let spec = TargetSpec {
            statistics: true,
            histogram: true,
            nodata,
            ..target_spec(dir.path(), name, (256, 300), DType::Float32)
        };
        let mut target = Target::create(spec).unwrap();
        write_tiles(&mut target, [0, 1, 3]);
        for window in [Window::new(0, 256, 128, 44), Window::new(128, 128, 128, 128), Window::new(128, 256, 128, 44)] {
            target.skip(window).unwrap();
        }
        target.finish(&mut |_| true).unwrap();
    }
    python(
        dir.path(),
        &format!(
            "{CHECK}
for name in ('none.tif', 'nan.tif'):
    pixels = read(name)
    assert (pixels[:, 256:] == 0).all() if name == 'none.tif' else np.isnan(pixels[:, 256:]).all()
    check(name, pixels[~np.isnan(pixels)])
"
        ),
    );
}

/// The numbers are those of the pixels that the file has, not of those that were written.
#[test]
fn a_lossy_format_has_the_numbers_of_what_it_stores() {
    let dir = folder();
    for (name, options) in [("jpeg", &["COMPRESS=JPEG", "JPEG_QUALITY=30"][..]), ("nbits", &["NBITS=5"])] {
        let spec = TargetSpec {
            statistics: true,
            histogram: true,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            ..target_spec(dir.path(), &format!("{name}.tif"), (256, 256), DType::UInt8)
        };
        let mut target = Target::create(spec).unwrap();
        fill_target(&mut target, |_, r, c| ((r * 31 + c * 17) % 32) as u8 * if name == "jpeg" { 8 } else { 1 })
            .unwrap();
        target.finish(&mut |_| true).unwrap();
    }
    python(
        dir.path(),
        &format!(
            "{CHECK}
r, c = np.mgrid[0:256, 0:256]
assert (read('jpeg.tif') != (r * 31 + c * 17) % 32 * 8).any()
for name in ('jpeg.tif', 'nbits.tif'):
    check(name, read(name))
"
        ),
    );
}
