//! Reading pixels under any window of a grid.

use crate::support::{aligned, folder, path, python, read, read_bytes, source_spec, values};
use grid::{Crs, Offset, Placement, Tiling, Turn, Window, relate};
use tilefn_abi::DType;
use tilefn_raster::{Found, Mask, Source, SourceBand, SourceSpec, Way, inspect, same_crs};
use types::{Edge, Nodata};

/// `array[band, row, col]` of the test rasters: `band * 10000 + row * 100 + col`, here of 30 × 40 pixels.
const COUNTING: &str = "a = np.fromfunction(lambda b, r, c: b * 10000 + r * 100 + c, (3, 30, 40)).astype(np.int32)";

fn counting(bands: &[usize], window: Window) -> Vec<i32> {
    let mut all = Vec::new();
    for b in bands {
        for r in window.row..window.row_end() {
            all.extend((window.col..window.col_end()).map(|c| (*b as i32 - 1) * 10_000 + r as i32 * 100 + c as i32));
        }
    }
    all
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
        python(dir.path(), &format!("{COUNTING}; make('{i}.tif', a, [{options}])"));
        let file = path(dir.path(), &format!("{i}.tif"));
        let mut spec = source_spec(&file, &inspect(&file).unwrap());
        for window in [Window::new(0, 0, 30, 40), Window::new(13, 7, 9, 21), Window::new(29, 39, 1, 1)] {
            assert_eq!(read::<i32>(&spec, window), counting(&[1, 2, 3], window), "{options} {window}");
        }
        spec.bands = [3, 1, 3].map(|number| spec.bands[number - 1]).into();
        let window = Window::new(2, 3, 5, 7);
        assert_eq!(read::<i32>(&spec, window), counting(&[3, 1, 3], window), "{options}");
    }
}

#[test]
fn windows_may_reach_outside() {
    let dir = folder();
    python(dir.path(), &format!("{COUNTING}; make('a.tif', a, nodata=-1); "));
    let file = path(dir.path(), "a.tif");
    let mut spec = source_spec(&file, &inspect(&file).unwrap());
    // The file lies at row 10, column -5 of a grid of 50 × 50 pixels.
    spec.way = aligned(10, -5);
    spec.grid_size = (50, 50);
    for band in &mut spec.bands {
        band.mark = Some(Nodata::Int(-1).as_bits_for(DType::Int32).unwrap());
    }
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
                    expected.push(if inside { (b * 10_000 + r * 100 + c) as i32 } else { -1 });
                }
            }
        }
        assert_eq!(read::<i32>(&spec, window), expected, "{window}");
    }
    spec.bands.iter_mut().for_each(|band| band.mark = None);
    assert_eq!(
        read_bytes(&spec, Window::new(38, 33, 5, 5)).unwrap_err().to_string(),
        format!(
            "band 1 of {file} has no nodata value to fill rows 38..43, columns 33..38 of the grid with, which reaches outside the file"
        )
    );
    assert!(read_bytes(&spec, Window::new(15, 3, 4, 4)).is_ok());
}

/// Reads every tile of a file with a halo and compares with `numpy.pad(array, halo, mode)`.
fn compare_with_numpy(edge: Edge, mode: &str, (rows, cols): (u32, u32), halo: u32, tile: (u32, u32)) {
    let dir = folder();
    python(
        dir.path(),
        &format!(
            "a = np.random.default_rng(7).integers(0, 60000, (2, {rows}, {cols})).astype(np.uint16)
make('a.tif', a, ['INTERLEAVE=PIXEL'], nodata=65535)
np.stack([np.pad(b, {halo}, {mode}) for b in a]).tofile('padded.bin')"
        ),
    );
    let padded: Vec<u16> = values(&std::fs::read(dir.path().join("padded.bin")).unwrap());
    let file = path(dir.path(), "a.tif");
    let spec = SourceSpec { edge, ..source_spec(&file, &inspect(&file).unwrap()) };
    let (padded_rows, padded_cols) = ((rows + 2 * halo) as usize, (cols + 2 * halo) as usize);
    let tiling = Tiling::new(rows, cols, tile.0, tile.1).unwrap();
    for index in 0..tiling.count() {
        let window = tiling.tile(index).unwrap().window.padded(halo).unwrap();
        let mut expected = Vec::new();
        for b in 0..2 {
            for r in window.row..window.row_end() {
                let start = (b * padded_rows + (r + i64::from(halo)) as usize) * padded_cols;
                let first = start + (window.col + i64::from(halo)) as usize;
                expected.extend_from_slice(&padded[first..first + window.cols as usize]);
            }
        }
        assert_eq!(read::<u16>(&spec, window), expected, "{edge:?} {window}");
    }
}

#[test]
fn halos_at_the_edge() {
    for (edge, mode) in
        [(Edge::Nodata, "constant_values=65535"), (Edge::Reflect, "'symmetric'"), (Edge::Nearest, "'edge'")]
    {
        compare_with_numpy(edge, mode, (30, 40), 3, (16, 16));
        // Tiles of one column at the right, and a halo wider than the raster.
        compare_with_numpy(edge, mode, (17, 33), 4, (16, 16));
        compare_with_numpy(edge, mode, (3, 2), 7, (2, 2));
        compare_with_numpy(edge, mode, (1, 1), 2, (5, 5));
    }
}

#[test]
fn a_halo_does_not_depend_on_the_tile_it_belongs_to() {
    let dir = folder();
    python(dir.path(), &format!("{COUNTING}; make('a.tif', a, nodata=-1)"));
    let file = path(dir.path(), "a.tif");
    for edge in [Edge::Nodata, Edge::Reflect, Edge::Nearest] {
        let mut spec = source_spec(&file, &inspect(&file).unwrap());
        // A union: the file covers the right part of a grid of 60 × 60 pixels and reaches beyond its right side.
        spec.way = aligned(10, 25);
        spec.grid_size = (60, 60);
        spec.edge = edge;
        let whole = Window::new(-2, -2, 64, 64);
        let all = read::<i32>(&spec, whole);
        let tiling = Tiling::new(60, 60, 16, 16).unwrap();
        for index in 0..tiling.count() {
            let window = tiling.tile(index).unwrap().window.padded(2).unwrap();
            let mut expected = Vec::new();
            for b in 0..3 {
                for r in window.row..window.row_end() {
                    let first = ((b * 64 + r + 2) * 64 + window.col + 2) as usize;
                    expected.extend_from_slice(&all[first..first + window.cols as usize]);
                }
            }
            assert_eq!(read::<i32>(&spec, window), expected, "{edge:?} {window}");
        }
        // Real pixels beyond the grid's right side; nodata in the grid where the file has none.
        assert_eq!(all[(12 * 64 + 62) as usize], 35, "{edge:?}");
        assert_eq!(all[(30 * 64 + 10) as usize], -1, "{edge:?}");
    }
}

#[test]
fn types_are_converted_and_changes_counted() {
    let dir = folder();
    python(
        dir.path(),
        "make('f.tif', np.array([[0.4, 0.5, 300.7, -5, np.nan, -1.7976931348623157e308, 0.1]]))
make('i.tif', np.array([[-5, 300, 70000, 2**31 - 1]], np.int32))",
    );
    let file = path(dir.path(), "f.tif");
    let mut spec = source_spec(&file, &inspect(&file).unwrap());
    let window = Window::new(0, 0, 1, 7);
    spec.dtype = DType::UInt8;
    spec.bands[0].mark = Some(200);
    let mut bytes = [0; 7];
    let found = Source::open(&spec).unwrap().read(window, &mut bytes).unwrap();
    assert_eq!(bytes, [0, 1, 255, 0, 200, 0, 0]);
    assert_eq!(found, Found { clamped: 3, rounded: 3, ..Found::default() });
    spec.dtype = DType::Float32;
    spec.bands[0].mark = Some(f64::NAN.to_bits());
    let found = read::<f32>(&spec, window);
    assert_eq!(found[..4], [0.4, 0.5, 300.7, -5.0]);
    assert!(found[4].is_nan());
    assert_eq!(found[5..], [f32::NEG_INFINITY, 0.1]);
    let file = path(dir.path(), "i.tif");
    let mut spec = source_spec(&file, &inspect(&file).unwrap());
    let window = Window::new(0, 0, 1, 4);
    spec.dtype = DType::UInt16;
    assert_eq!(read::<u16>(&spec, window), [0, 300, 65535, 65535]);
    spec.dtype = DType::Float64;
    assert_eq!(read::<f64>(&spec, window), [-5.0, 300.0, 70000.0, 2_147_483_647.0]);
    spec.dtype = DType::Int64;
    assert_eq!(read::<i64>(&spec, window), [-5, 300, 70000, 2_147_483_647]);
}

#[test]
fn signed_bytes() {
    let dir = folder();
    python(
        dir.path(),
        "make('s.tif', np.arange(-128, 128).astype(np.int8).reshape(2, 8, 16), nodata=-128)
make('i.tif', np.array([[-300, -129, -128, -1, 0, 127, 128, 70000]], np.int32), nodata=-1)",
    );
    let file = path(dir.path(), "s.tif");
    let info = inspect(&file).unwrap();
    assert_eq!(info.bands[0].dtype, DType::Int8);
    assert_eq!(info.bands[0].nodata, Some(Nodata::Int(-128)));
    let mut spec = source_spec(&file, &info);
    let window = Window::new(-1, 2, 4, 16);
    let expected: Vec<i16> = (0..2)
        .flat_map(|b| (-1..3).flat_map(move |r| (2..18).map(move |c| (b, r, c))))
        .map(|(b, r, c)| if r < 0 || c >= 16 { -128 } else { -128 + b * 128 + r * 16 + c })
        .collect();
    assert_eq!(read::<i8>(&spec, window), expected.iter().map(|v| *v as i8).collect::<Vec<_>>());
    spec.dtype = DType::Int16;
    assert_eq!(read::<i16>(&spec, window), expected);
    spec.dtype = DType::Float32;
    spec.bands.iter_mut().for_each(|band| band.mark = Some((-128f64).to_bits()));
    assert_eq!(read::<f32>(&spec, window), expected.iter().map(|v| f32::from(*v)).collect::<Vec<_>>());

    let file = path(dir.path(), "i.tif");
    let mut spec = source_spec(&file, &inspect(&file).unwrap());
    spec.dtype = DType::Int8;
    // -1 is nodata, and marks what is outside.
    assert_eq!(read::<i8>(&spec, Window::new(0, 0, 1, 9)), [-128, -128, -128, -1, 0, 127, 127, 127, -1]);
}

#[test]
fn sparse_blocks_read_as_nodata() {
    let dir = folder();
    python(
        dir.path(),
        "ds = gdal.GetDriverByName('GTiff').Create('a.tif', 64, 64, 1, gdal.GDT_Float32,
    ['TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32', 'SPARSE_OK=TRUE'])
ds.GetRasterBand(1).SetNoDataValue(-7)
ds.GetRasterBand(1).WriteArray(np.ones((32, 32), np.float32), 32, 0)",
    );
    let file = path(dir.path(), "a.tif");
    let spec = source_spec(&file, &inspect(&file).unwrap());
    assert_eq!(
        read::<f32>(&spec, Window::new(30, 30, 4, 4)),
        [-7.0, -7.0, 1.0, 1.0, -7.0, -7.0, 1.0, 1.0, -7.0, -7.0, -7.0, -7.0, -7.0, -7.0, -7.0, -7.0]
    );
}

#[test]
fn c5_neighbouring_grids_snap_to_whole_pixels() {
    // Two ramps whose origins are (+9, −19) m apart; read at the nearest whole pixel, their truncated mean has RIOS's sum.
    let dir = folder();
    python(dir.path(), "make('1.tif', ramp()); make('2.tif', ramp(), origin=(500009, 6999981))");
    let files = [path(dir.path(), "1.tif"), path(dir.path(), "2.tif")];
    let infos = files.clone().map(|f| inspect(&f).unwrap());
    assert!(relate(&infos[0].grid, &infos[1].grid, 0.01, same_crs).is_err());
    let snapped = infos[0].grid.snap(&infos[1].grid.bounds()).unwrap();
    let grid = infos[0].grid.window().intersection(&snapped).unwrap();
    assert_eq!((grid.rows, grid.cols), (498, 499));
    let tile = |i: usize, origin: Window| {
        let way = aligned(origin.row - grid.row, origin.col - grid.col);
        let spec = SourceSpec { way, grid_size: (grid.rows, grid.cols), ..source_spec(&files[i], &infos[i]) };
        read::<u8>(&spec, Window::new(0, 0, grid.rows, grid.cols))
    };
    let (a, b) = (tile(0, infos[0].grid.window()), tile(1, snapped));
    let mean: Vec<u64> = a.iter().zip(&b).map(|(a, b)| (u64::from(*a) + u64::from(*b)) / 2).collect();
    assert_eq!(mean.iter().sum::<u64>(), 12_263_748);
    assert_eq!((mean.iter().min(), mean.iter().max()), (Some(&0), Some(&99)));
}

#[test]
fn w7_no_crs_equals_no_crs() {
    let none = Crs::default();
    let dir = folder();
    let texts = python(
        dir.path(),
        "def srs(epsg):
    s = osr.SpatialReference()
    s.ImportFromEPSG(epsg)
    return s
print(json.dumps([srs(28355).ExportToWkt(), srs(28355).ExportToWkt(['FORMAT=WKT2_2019']), srs(28356).ExportToWkt()]))",
    );
    let texts: Vec<String> = serde_json::from_str(&texts).unwrap();
    let [wkt1, wkt2, other] = [0, 1, 2].map(|i| Crs::from(texts[i].as_str()));
    assert!(same_crs(&none, &none));
    assert!(!same_crs(&none, &wkt1) && !same_crs(&wkt1, &none));
    assert!(same_crs(&wkt1, &wkt2));
    assert!(!same_crs(&wkt1, &other));
    assert!(!same_crs(&wkt1, &Crs::from("nonsense")));
}

#[test]
fn what_is_asked_for_must_fit() {
    let dir = folder();
    python(dir.path(), &format!("{COUNTING}; make('a.tif', a)"));
    let file = path(dir.path(), "a.tif");
    let spec = source_spec(&file, &inspect(&file).unwrap());
    let mut source = Source::open(&spec).unwrap();
    assert_eq!(
        source.read(Window::new(0, 0, 2, 2), &mut [0; 47]).unwrap_err().to_string(),
        format!("{file}: 47 bytes for 3 bands of rows 0..2, columns 0..2")
    );
    assert!(source.read(Window::new(0, 0, 0, 2), &mut []).is_err());
    let open = |change: fn(&mut SourceSpec)| {
        let mut changed = spec.clone();
        change(&mut changed);
        Source::open(&changed).unwrap_err().to_string()
    };
    assert_eq!(open(|s| s.bands[1].number = 4), format!("{file}: there is no band 4: it has 3"));
    assert_eq!(open(|s| s.bands[1].number = 0), format!("{file}: there is no band 0: it has 3"));
    assert_eq!(
        open(|s| s.file_size = (30, 41)),
        format!("{file}: it has 30 rows × 40 columns now, not 30 × 41: it has changed")
    );
}

/// The mask lies as the file's pixels do, and is turned with them.
#[test]
fn a_mask_of_a_file_that_is_turned() {
    let dir = folder();
    let turned = python(
        dir.path(),
        "a = np.arange(1, 31, dtype='u1').reshape(5, 6)
make('a.tif', a)
ds = gdal.Open('a.tif', gdal.GA_Update)
ds.CreateMaskBand(gdal.GMF_PER_DATASET)
valid = a % 4 != 0
ds.GetRasterBand(1).GetMaskBand().WriteArray(valid.astype('u1') * 255)
print(json.dumps([np.where(valid, a, 255)[::r, ::c].tolist() for r in (1, -1) for c in (1, -1)]))",
    );
    let turned: Vec<Vec<Vec<u8>>> = serde_json::from_str(&turned).unwrap();
    let file = path(dir.path(), "a.tif");
    let info = inspect(&file).unwrap();
    assert_eq!(info.bands[0].mask, Mask::Band);
    let turns = [false, true].into_iter().flat_map(|rows| [false, true].map(|cols| Turn { rows, cols }));
    for (turn, expected) in turns.zip(turned) {
        let plain = source_spec(&file, &info);
        let bands = vec![SourceBand { mask: true, mark: Some(255), ..plain.bands[0] }];
        let way = Way::Aligned(Placement { offset: Offset { row: 0, col: 0 }, turn });
        let spec = SourceSpec { way, bands, ..plain };
        assert_eq!(read::<u8>(&spec, Window::new(0, 0, 5, 6)), expected.concat(), "{turn:?}");
        let part: Vec<u8> = expected[1..4].iter().flat_map(|line| &line[2..6]).copied().collect();
        assert_eq!(read::<u8>(&spec, Window::new(1, 2, 3, 4)), part, "{turn:?}");
    }
}
