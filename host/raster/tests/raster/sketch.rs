//! The picture that fills in while an output is written is, at the end, the picture of the file.

use crate::support::{folder, path, python, target_spec};
use grid::{Tiling, Window};
use tilefn_abi::DType;
use tilefn_raster::{Class, Colors, Sketch, Target, TargetSpec, View, rgba, thumbnail};
use types::Nodata;

/// Writes `pixel(band, row, col)` to the file and to a picture of this size, tile by tile, but not to the picture where `seen` says no.
fn write<T: bytemuck::NoUninit>(
    spec: TargetSpec,
    size: u32,
    seen: impl Fn(&Window) -> bool,
    pixel: impl Fn(i64, i64, i64) -> T,
) -> Sketch {
    let mut sketch = Sketch::new(spec.clone(), size);
    let mut target = Target::create(spec).unwrap();
    let (grid, tile) = (target.spec().grid.clone(), target.spec().tile);
    let bands = target.spec().bands;
    let tiling = Tiling::new(grid.rows, grid.cols, tile.0, tile.1).unwrap();
    for index in 0..tiling.count() {
        let w = tiling.tile(index).unwrap().window;
        let rows = |b| (w.row..w.row_end()).flat_map(move |r| (w.col..w.col_end()).map(move |c| (b, r, c)));
        let data: Vec<T> = (0..bands.into()).flat_map(rows).map(|(b, r, c)| pixel(b, r, c)).collect();
        target.write(w, bytemuck::cast_slice(&data)).unwrap();
        if seen(&w) {
            sketch.write(&w, bands, bytemuck::cast_slice(&data));
        }
    }
    target.finish(&mut |_| true).unwrap();
    sketch
}

fn whole(path: &str) -> Vec<u8> {
    let view = View { size: 4096, bands: Vec::new(), ramp: None, range: None };
    thumbnail(path, &view).unwrap().rgba
}

fn hash(b: i64, r: i64, c: i64) -> u8 {
    ((r * 7_919) ^ (c * 104_729) ^ (b * 31)) as u8
}

#[test]
fn it_has_the_colours_of_the_file() {
    let dir = folder();
    let size = (300, 200);
    let gray = TargetSpec {
        nodata: Some(Nodata::Float(-9999.0)),
        ..target_spec(dir.path(), "gray.tif", size, DType::Float32)
    };
    let made = write(
        gray,
        1000,
        |_| true,
        |b, r, c| match hash(b, r, c) {
            0..20 => -9999.0,
            20..30 => f32::NAN,
            value => f32::from(value) * 1.5 - 100.0,
        },
    );
    assert_eq!(made.thumbnail().rgba, whole(&path(dir.path(), "gray.tif")));

    let rgb = TargetSpec { bands: 4, ..target_spec(dir.path(), "rgb.tif", size, DType::Int16) };
    let made = write(rgb, 1000, |_| true, |b, r, c| i16::from(hash(b, r, c)) * 3 - 200);
    assert_eq!(made.thumbnail().rgba, whole(&path(dir.path(), "rgb.tif")));

    let classes = [(3, "#2b83ba"), (200, "#ffee00")]
        .map(|(value, color)| (value, Class { name: value.to_string(), color: rgba(color) }));
    let classes = TargetSpec {
        nodata: Some(Nodata::Int(0)),
        classes: classes.into_iter().collect(),
        thematic: true,
        ..target_spec(dir.path(), "classes.tif", size, DType::UInt8)
    };
    let made = write(classes, 1000, |_| true, |b, r, c| [0u8, 3, 200][usize::from(hash(b, r, c) % 3)]);
    let (found, wanted) = (made.thumbnail().rgba, whole(&path(dir.path(), "classes.tif")));
    assert_eq!(found, wanted);
    assert!(found.chunks(4).any(|pixel| pixel == [0x2b, 0x83, 0xba, 255]), "some pixels are of a class");

    let ramp = TargetSpec {
        color_table: Some(Colors::from("viridis")),
        statistics: true,
        ..target_spec(dir.path(), "ramp.tif", size, DType::UInt8)
    };
    let made = write(ramp, 1000, |_| true, |b, r, c| hash(b, r, c) / 2);
    assert_eq!(made.thumbnail().rgba, whole(&path(dir.path(), "ramp.tif")));
}

#[test]
fn a_small_one_has_the_pixels_at_its_pixels_middles() {
    let dir = folder();
    let spec = target_spec(dir.path(), "large.tif", (431, 700), DType::UInt16);
    let made = write(spec, 97, |_| true, |b, r, c| u16::from(hash(b, r, c)));
    let script = "
a = read('large.tif')
rows, cols = 60, 97
middle = lambda own, all: (np.arange(own) + 0.5) * all / own
small = a[np.floor(middle(rows, 431)).astype(int)][:, np.floor(middle(cols, 700)).astype(int)]
make('small.tif', small)";
    python(dir.path(), script);
    assert_eq!(made.size(), (60, 97));
    assert_eq!(made.thumbnail().rgba, whole(&path(dir.path(), "small.tif")));
}

#[test]
fn it_is_empty_where_no_tile_has_come() {
    let dir = folder();
    let spec = target_spec(dir.path(), "a.tif", (256, 384), DType::UInt8);
    let empty = Sketch::new(spec.clone(), 4096).thumbnail();
    assert_eq!((empty.rows, empty.cols), (256, 384));
    assert!(empty.rgba.iter().all(|byte| *byte == 0));
    let made = write(spec, 4096, |w| w.col != 128, hash).thumbnail();
    for (n, pixel) in made.rgba.chunks(4).enumerate() {
        assert_eq!(pixel[3] == 0, (128..256).contains(&(n % 384)), "pixel {n}");
    }
}
