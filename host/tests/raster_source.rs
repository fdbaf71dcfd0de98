//! Reading rasters: what a file is, and its pixels under any window of a grid.

mod common;

use common::{folder, python, values};
use std::path::Path;
use tilefn::grid::{GeoTransform, Offset, Window};
use tilefn::raster::{Edge, Error, Info, Nodata, Source, SourceSpec, inspect};
use tilefn_abi::DType;

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// All bands of a file that is its own grid.
fn spec(path: &str, info: &Info) -> SourceSpec {
    let size = (info.grid.rows, info.grid.cols);
    let dtype = info.bands[0].dtype;
    SourceSpec {
        path: path.to_owned(),
        bands: (1..=info.bands.len()).collect(),
        dtype,
        fill: info
            .bands
            .iter()
            .map(|b| b.nodata.map(|v| v.as_bits_for(dtype).unwrap()))
            .collect(),
        offset: Offset { row: 0, col: 0 },
        file_size: size,
        grid_size: size,
        edge: Edge::Nodata,
    }
}

fn read_bytes(spec: &SourceSpec, window: Window) -> Result<Vec<u8>, Error> {
    let mut out = vec![0xaa; spec.bands.len() * window.pixels() as usize * spec.dtype.size()];
    Source::open(spec)?.read(window, &mut out)?;
    Ok(out)
}

fn read<T: bytemuck::AnyBitPattern>(spec: &SourceSpec, window: Window) -> Vec<T> {
    values(&read_bytes(spec, window).unwrap())
}

/// `array[band, row, col]` of the test rasters: `band * 10000 + row * 100 + col`, here of 30 × 40 pixels.
const COUNTING: &str =
    "a = np.fromfunction(lambda b, r, c: b * 10000 + r * 100 + c, (3, 30, 40)).astype(np.int32)";

fn counting(bands: &[usize], window: Window) -> Vec<i32> {
    let mut all = Vec::new();
    for b in bands {
        for r in window.row..window.row_end() {
            all.extend(
                (window.col..window.col_end())
                    .map(|c| (*b as i32 - 1) * 10_000 + r as i32 * 100 + c as i32),
            );
        }
    }
    all
}

#[test]
fn inspect_tells_what_a_file_is() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.zeros((2, 70, 90), np.int16), ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=16'], nodata=-9999, names=['red', 'nir'])",
    );
    let info = inspect(&path(dir.path(), "a.tif")).unwrap();
    assert_eq!(
        info.grid.transform,
        GeoTransform::north_up(500_000.0, 7_000_000.0, 10.0, 10.0)
    );
    assert_eq!((info.grid.rows, info.grid.cols), (70, 90));
    assert!(
        info.grid.crs.0.contains("MGA zone 55"),
        "{}",
        info.grid.crs.0
    );
    assert!(info.georeferenced);
    assert_eq!(info.driver, "GTiff");
    let red = &info.bands[0];
    assert_eq!(
        (red.dtype, red.block, red.name.as_str()),
        (DType::Int16, (16, 32), "red")
    );
    assert_eq!(red.nodata, Some(Nodata::Int(-9999)));
    assert_eq!(info.bands[1].name, "nir");
}

#[test]
fn every_interleaving_and_block_shape_reads_the_same() {
    let dir = folder();
    let options = [
        "'INTERLEAVE=PIXEL'",
        "'INTERLEAVE=BAND'",
        "'INTERLEAVE=PIXEL', 'TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16', 'COMPRESS=DEFLATE'",
        "'INTERLEAVE=BAND', 'TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=32', 'COMPRESS=LZW', 'PREDICTOR=2'",
        "'INTERLEAVE=BAND', 'BLOCKYSIZE=7', 'ENDIANNESS=BIG'",
    ];
    for (i, options) in options.into_iter().enumerate() {
        python(
            dir.path(),
            &format!("{COUNTING}; make('{i}.tif', a, [{options}])"),
        );
        let file = path(dir.path(), &format!("{i}.tif"));
        let mut spec = spec(&file, &inspect(&file).unwrap());
        for window in [
            Window::new(0, 0, 30, 40),
            Window::new(13, 7, 9, 21),
            Window::new(29, 39, 1, 1),
        ] {
            assert_eq!(
                read::<i32>(&spec, window),
                counting(&[1, 2, 3], window),
                "{options} {window}"
            );
        }
        spec.bands = vec![3, 1, 3];
        let window = Window::new(2, 3, 5, 7);
        assert_eq!(
            read::<i32>(&spec, window),
            counting(&[3, 1, 3], window),
            "{options}"
        );
    }
}

#[test]
fn windows_may_reach_outside() {
    let dir = folder();
    python(
        dir.path(),
        &format!("{COUNTING}; make('a.tif', a, nodata=-1); a[a == 0] = 0; np.save('a.npy', a)"),
    );
    let file = path(dir.path(), "a.tif");
    let mut spec = spec(&file, &inspect(&file).unwrap());
    // The file lies at row 10, column -5 of a grid of 50 × 50 pixels.
    spec.offset = Offset { row: 10, col: -5 };
    spec.grid_size = (50, 50);
    spec.fill = vec![Some(Nodata::Int(-1).as_bits_for(DType::Int32).unwrap()); 3];
    for window in [
        Window::new(0, 0, 50, 50),
        Window::new(-8, -8, 30, 30),
        Window::new(38, 33, 5, 5),
        Window::new(45, 45, 3, 3),
        Window::new(-100, 1_000_000, 2, 2),
        Window::new(15, 3, 4, 4),
    ] {
        let mut expected = Vec::new();
        for b in 0..3 {
            for r in window.row - 10..window.row_end() - 10 {
                for c in window.col + 5..window.col_end() + 5 {
                    let inside = (0..30).contains(&r) && (0..40).contains(&c);
                    expected.push(if inside {
                        (b * 10_000 + r * 100 + c) as i32
                    } else {
                        -1
                    });
                }
            }
        }
        assert_eq!(read::<i32>(&spec, window), expected, "{window}");
    }
    spec.fill = vec![None; 3];
    assert_eq!(
        read_bytes(&spec, Window::new(38, 33, 5, 5))
            .unwrap_err()
            .to_string(),
        format!(
            "band 1 of {file} has no nodata value to fill rows 38..43, columns 33..38 of the grid with, which reaches outside the file"
        )
    );
    assert!(read_bytes(&spec, Window::new(15, 3, 4, 4)).is_ok());
}
