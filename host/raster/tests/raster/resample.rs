//! Files on other grids: what is read of them, in any tiles, is what `gdalwarp -et 0` makes of the whole file.

use crate::support::{folder, path, python, source_spec, values};
use grid::{Crs, GeoTransform, Grid, Tiling, Window};
use std::path::Path;
use tilefn_abi::DType;
use tilefn_raster::{Info, Overlay, Resampled, Source, SourceSpec, Way, crs_from_user, inspect, overview};
use types::{Edge, Resampling};

/// A file, and the grid that it is brought onto.
struct Case {
    /// Keyword arguments of `make` for the file.
    file: &'static str,
    method: Resampling,
    grid: Onto,
}

/// A grid: EPSG code, upper-left corner, pixel size, rows and columns.
type Onto = (u32, (f64, f64), (f64, f64), (u32, u32));

/// What GDAL makes of the whole file, as raw numbers of its own type, and 255 where they are valid.
const WARP: &str = r"
def warp(n, epsg, bounds, pixel, method, scale):
    src = gdal.Open(f'{n}.tif')
    options = dict(format='MEM', dstSRS=f'EPSG:{epsg}', outputBounds=bounds, xRes=pixel[0], yRes=pixel[1],
                   resampleAlg=method, errorThreshold=0, warpMemoryLimit=4000,
                   warpOptions=[f'XSCALE={scale[0]!r}', f'YSCALE={scale[1]!r}', 'UNIFIED_SRC_NODATA=NO'])
    nodata = src.GetRasterBand(1).GetNoDataValue()
    ds = gdal.Warp('', src, dstAlpha=nodata is None, **options)
    a = ds.ReadAsArray()
    bands = src.RasterCount
    if nodata is None:
        valid = np.repeat(a[-1:] > 0, bands, axis=0)
        a = a[:bands]
    else:
        a = a.reshape(bands, *a.shape[-2:])
        valid = ~np.isnan(a) if np.isnan(nodata) else a != nodata
    a.tofile(f'{n}.bin'); (valid * np.uint8(255)).tofile(f'{n}.valid')

plain_make = make
def make(path, *args, overviews=(), **more):
    plain_make(path, *args, **more)
    if overviews:
        ds = gdal.Open(path, gdal.GA_Update); ds.BuildOverviews('AVERAGE', list(overviews)); ds = None

def noise(bands, rows, cols, dtype, seed, low=1, high=250, holes=0.0, hole=0):
    r = np.random.default_rng(seed)
    a = r.uniform(low, high, (bands, rows, cols)).astype(dtype)
    if holes:
        # Holes as clouds have them, not single pixels.
        coarse = r.random((bands, rows // 7 + 1, cols // 7 + 1)) < holes
        a[np.kron(coarse, np.ones((1, 7, 7), bool))[:, :rows, :cols]] = hole
    return a
";

fn grid(case: &Case) -> Grid {
    let (epsg, (x, y), (dx, dy), (rows, cols)) = case.grid;
    let crs = crs_from_user(&format!("EPSG:{epsg}")).unwrap();
    Grid { transform: GeoTransform::north_up(x, y, dx, dy), rows, cols, crs }
}

/// The pixels that are brought onto the grid: the file's, or those of an overview, which is numbered.
fn overlay(file: &str, info: &Info, grid: &Grid) -> (Overlay, Option<u32>) {
    let own = Overlay::new(&info.grid, grid).unwrap();
    match overview(file, None, grid, own.reprojects()).unwrap() {
        None => (own, None),
        Some(overview) => (Overlay::new(&overview.grid, grid).unwrap(), Some(overview.level)),
    }
}

/// To read a file onto the grid, as the planner says it.
fn spec(file: &str, info: &Info, grid: &Grid, method: Resampling) -> SourceSpec {
    let (overlay, overview) = overlay(file, info, grid);
    let plain = source_spec(file, info);
    let bands = plain.bands.iter().map(|band| band.marked_with_gaps(plain.dtype).0).collect();
    let way = Way::Resampled(Box::new(Resampled {
        method,
        grid: grid.clone(),
        reprojects: overlay.reprojects(),
        crs: None,
        extent: Overlay::new(&info.grid, grid).unwrap().extent().unwrap_or(grid.window()),
        scale: overlay.scale(&grid.window()).unwrap_or((1.0, 1.0)),
        overview,
    }));
    SourceSpec { way, bands, grid_size: (grid.rows, grid.cols), ..plain }
}

/// Reads the grid tile by tile and puts the tiles together: the pixels, and for each whether it is valid.
fn read_in_tiles(spec: &SourceSpec, grid: &Grid, tile: (u32, u32)) -> (Vec<u8>, Vec<bool>) {
    let size = spec.dtype.size();
    let (cols, pixels) = (grid.cols as usize, grid.window().pixels() as usize);
    let mut all = vec![0; spec.bands.len() * pixels * size];
    let mut valid = vec![false; spec.bands.len() * pixels];
    let mut source = Source::open(spec).unwrap();
    let tiling = Tiling::new(grid.rows, grid.cols, tile.0, tile.1).unwrap();
    for index in 0..tiling.count() {
        let window = tiling.tile(index).unwrap().window;
        let mut out = vec![0; spec.bands.len() * window.pixels() as usize * size];
        let found = source.read(window, &mut out).unwrap();
        for (b, (band, plane)) in spec.bands.iter().zip(out.chunks_exact(window.pixels() as usize * size)).enumerate() {
            let other = found.marks.iter().find(|(index, _)| *index == b);
            let mark = other.map_or(band.mark, |(_, mark)| *mark);
            for (n, line) in plane.chunks_exact(window.cols as usize * size).enumerate() {
                let at = b * pixels + (window.row as usize + n) * cols + window.col as usize;
                all[at * size..][..line.len()].copy_from_slice(line);
                for (i, pixel) in line.chunks_exact(size).enumerate() {
                    valid[at + i] = !mark.is_some_and(|mark| is_mark(pixel, mark, spec.dtype));
                }
            }
        }
    }
    (all, valid)
}

fn is_mark(pixel: &[u8], mark: u64, dtype: DType) -> bool {
    fn same<T: types::Pixel>(pixel: &[u8], mark: u64) -> bool {
        let value: T = bytemuck::pod_read_unaligned(pixel);
        value.is_nan() || value == T::from_bits(mark)
    }
    types::for_dtype!(dtype, same(pixel, mark))
}

/// Every valid pixel is GDAL's, and the same ones are valid, for each of these tile sizes.
fn check(dir: &Path, number: usize, case: &Case, tiles: &[(u32, u32)]) {
    let grid = grid(case);
    let file = path(dir, &format!("{number}.tif"));
    let info = inspect(&file).unwrap();
    let spec = spec(&file, &info, &grid, case.method);
    let expected = std::fs::read(dir.join(format!("{number}.bin"))).unwrap();
    let expected_valid = std::fs::read(dir.join(format!("{number}.valid"))).unwrap();
    assert!(expected_valid.iter().any(|v| *v > 0), "case {number} compares nothing");
    for tile in tiles {
        let (found, valid) = read_in_tiles(&spec, &grid, *tile);
        let size = spec.dtype.size();
        assert_eq!(found.len(), expected.len());
        let wrong = found.chunks_exact(size).zip(expected.chunks_exact(size)).zip(valid.iter().zip(&expected_valid));
        let value = |bytes: &[u8]| types::for_dtype!(spec.dtype, as_number(bytes));
        let wrong: Vec<_> = wrong
            .enumerate()
            .filter(|(_, ((a, b), (valid, expected)))| **valid != (**expected > 0) || **valid && a != b)
            .map(|(n, ((a, b), (valid, expected)))| {
                let n = n % grid.window().pixels() as usize;
                (n / grid.cols as usize, n % grid.cols as usize, value(a), value(b), *valid, *expected > 0)
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "case {number}, {:?} {}, tiles {tile:?}: {} wrong, such as (row, column, found, GDAL's, valid, GDAL's) {:?}",
            case.method,
            case.file,
            wrong.len(),
            &wrong[..wrong.len().min(8)]
        );
    }
}

fn as_number<T: types::Pixel>(bytes: &[u8]) -> f64 {
    bytemuck::pod_read_unaligned::<T>(bytes).number().as_float()
}

fn check_all(cases: &[Case]) {
    let dir = folder();
    let mut script = WARP.to_owned();
    for (n, case) in cases.iter().enumerate() {
        script += &format!("make('{n}.tif', {})\n", case.file);
    }
    python(dir.path(), &script);
    let mut script = WARP.to_owned();
    for (n, case) in cases.iter().enumerate() {
        let grid = grid(case);
        let file = path(dir.path(), &format!("{n}.tif"));
        let (overlay, _) = overlay(&file, &inspect(&file).unwrap(), &grid);
        let (b, (x, y)) = (grid.bounds(), overlay.scale(&grid.window()).unwrap());
        script += &format!(
            "warp({n}, {}, ({:?}, {:?}, {:?}, {:?}), ({:?}, {:?}), '{}', ({x:?}, {y:?}))\n",
            case.grid.0,
            b.x_min,
            b.y_min,
            b.x_max,
            b.y_max,
            grid.transform.pixel_size().0,
            grid.transform.pixel_size().1,
            if case.method == Resampling::Nearest { "near" } else { case.method.name() },
        );
    }
    python(dir.path(), &script);
    for (n, case) in cases.iter().enumerate() {
        check(dir.path(), n, case, &[(200, 200), (64, 64), (17, 41)]);
    }
}

const METHODS: [Resampling; 13] = [
    Resampling::Nearest,
    Resampling::Bilinear,
    Resampling::Cubic,
    Resampling::CubicSpline,
    Resampling::Lanczos,
    Resampling::Average,
    Resampling::Rms,
    Resampling::Mode,
    Resampling::Max,
    Resampling::Min,
    Resampling::Median,
    Resampling::Q1,
    Resampling::Q3,
];

#[test]
fn another_zone() {
    // UTM 33 onto UTM 32, the grid partly outside the file.
    let grid = (32632, (1_007_300.0, 5_342_000.0), (10.0, 10.0), (120, 150));
    let float =
        "noise(2, 160, 160, 'float32', 1, holes=0.1, hole=-9999), nodata=-9999, epsg=32633, origin=(560000, 5320000)";
    let bytes = "noise(1, 160, 160, 'uint8', 2), epsg=32633, origin=(560000, 5320000)";
    let cases: Vec<_> =
        METHODS.into_iter().flat_map(|method| [float, bytes].map(|file| Case { file, method, grid })).collect();
    check_all(&cases);
}

#[test]
fn coarser_and_finer_pixels() {
    let fine = (32633, (559_930.0, 5_320_070.0), (10.0, 10.0), (150, 140));
    let coarse = (32633, (559_930.0, 5_320_070.0), (70.0, 45.0), (70, 60));
    let shifted = (32633, (560_003.7, 5_319_996.1), (20.0, 20.0), (70, 70));
    let file20 = "noise(1, 80, 80, 'uint16', 3, 1, 60000), epsg=32633, origin=(560000, 5320000), pixel=20";
    // GDAL's mode of int16 takes -1 for no value.
    let holes = "noise(2, 80, 80, 'int16', 4, 1, 3000, holes=0.15, hole=-32768), nodata=-32768, epsg=32633, origin=(560000, 5320000), pixel=20";
    let cases: Vec<_> = METHODS
        .into_iter()
        .flat_map(|method| {
            [(file20, fine), (holes, fine), (file20, coarse), (holes, coarse), (file20, shifted), (holes, shifted)]
                .map(|(file, grid)| Case { file, method, grid })
        })
        .collect();
    check_all(&cases);
}

/// With `-ovr AUTO`, which is gdalwarp's default: coarser than the file, than all its overviews, between two of them, and finer.
#[test]
fn from_overviews() {
    let file = "noise(1, 163, 157, 'uint16', 11, 1, 60000), epsg=32633, origin=(560000, 5320000), overviews=(2, 4, 8)";
    let holes = "noise(2, 163, 157, 'float32', 12, holes=0.15, hole=-1), nodata=-1, epsg=32633, origin=(560000, 5320000), overviews=(3, 9)";
    let onto = |pixel: (f64, f64), size| (32633, (559_930.0, 5_320_070.0), pixel, size);
    let grids = [
        onto((7.0, 7.0), (150, 140)),
        onto((20.0, 20.0), (80, 80)),
        onto((45.0, 45.0), (40, 40)),
        onto((130.0, 130.0), (15, 17)),
        (32632, (1_007_300.0, 5_342_000.0), (50.0, 50.0), (40, 40)),
    ];
    let methods = [
        Resampling::Nearest,
        Resampling::Bilinear,
        Resampling::Lanczos,
        Resampling::Average,
        Resampling::Mode,
        Resampling::Max,
    ];
    let cases: Vec<_> = methods
        .into_iter()
        .flat_map(|method| {
            grids.iter().flat_map(move |grid| [file, holes].map(|file| Case { file, method, grid: *grid }))
        })
        .collect();
    check_all(&cases);
}

#[test]
fn every_type() {
    let grid = (4326, (15.81, 48.03), (0.0001, 0.0001), (90, 130));
    let types = ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"];
    let files = types.map(|dtype| {
        let high = if dtype == "uint8" { "250" } else { "30000" };
        let text = format!("noise(1, 150, 150, '{dtype}', 5, 1, {high}, holes=0.1, hole=0), nodata=0, epsg=32633, origin=(560000, 5320000)");
        &*Box::leak(text.into_boxed_str())
    });
    let cases: Vec<_> = files
        .into_iter()
        .flat_map(|file| [Resampling::Nearest, Resampling::Cubic].map(|method| Case { file, method, grid }))
        .collect();
    check_all(&cases);
}

/// Polar stereographic from a grid of the whole globe: the pole and the antimeridian are in the middle.
#[test]
fn around_the_pole() {
    let globe = "noise(1, 180, 360, 'float32', 6), nodata=-1, epsg=4326, origin=(-180, 90), pixel=1";
    let grid = (3413, (-4_000_000.0, 4_000_000.0), (50_000.0, 50_000.0), (160, 160));
    check_all(&[Resampling::Nearest, Resampling::Bilinear, Resampling::Average].map(|method| Case {
        file: globe,
        method,
        grid,
    }));
}

#[test]
fn a_halo_shows_what_the_tile_beside_it_shows() {
    let dir = folder();
    python(
        dir.path(),
        &format!(
            "{WARP}\nmake('a.tif', noise(1, 100, 100, 'float32', 7), nodata=-1, epsg=32633, origin=(560000, 5320000), pixel=20)"
        ),
    );
    let file = path(dir.path(), "a.tif");
    let info = inspect(&file).unwrap();
    let grid = grid(&Case {
        file: "",
        method: Resampling::Cubic,
        grid: (32632, (1_007_200.0, 5_342_000.0), (15.0, 15.0), (80, 90)),
    });
    let spec = SourceSpec { edge: Edge::Nodata, ..spec(&file, &info, &grid, Resampling::Cubic) };
    let read = |window: Window| {
        let mut out = vec![0; window.pixels() as usize * 4];
        Source::open(&spec).unwrap().read(window, &mut out).unwrap();
        values::<f32>(&out)
    };
    let whole = read(Window::new(-10, -10, 100, 110));
    for window in [Window::new(-10, -10, 30, 30), Window::new(40, 50, 13, 7), Window::new(70, 80, 20, 20)] {
        let expected: Vec<f32> = (0..window.rows as usize)
            .flat_map(|r| {
                let start = ((window.row + 10) as usize + r) * 110 + (window.col + 10) as usize;
                whole[start..start + window.cols as usize].to_vec()
            })
            .collect();
        assert_eq!(read(window), expected, "{window}");
    }
}

#[test]
fn a_turned_file_and_a_rotated_one_get_onto_the_grid() {
    let dir = folder();
    python(
        dir.path(),
        &format!(
            "{WARP}
make('0.tif', noise(1, 100, 100, 'float32', 8), nodata=-1, epsg=32633, origin=(560000, 5320000))
ds = gdal.Open('0.tif', gdal.GA_Update); ds.SetGeoTransform((560000, 8, 3, 5319000, -2, 9)); ds = None
warp(0, 32633, (559900, 5318700, 561200, 5320100), (10, 10), 'bilinear', (1.0, 1.0))"
        ),
    );
    let case = Case {
        file: "rotated",
        method: Resampling::Bilinear,
        grid: (32633, (559_900.0, 5_320_100.0), (10.0, 10.0), (140, 130)),
    };
    let file = path(dir.path(), "0.tif");
    let info = inspect(&file).unwrap();
    // Both kernels have their plain width: a pixel of the grid is about one of the file's.
    let grid = grid(&case);
    let mut spec = spec(&file, &info, &grid, case.method);
    let Way::Resampled(how) = &mut spec.way else { unreachable!() };
    assert!((0.7..1.0).contains(&how.scale.0), "{:?}", how.scale);
    how.scale = (1.0, 1.0);
    let expected: Vec<f32> = values(&std::fs::read(dir.path().join("0.bin")).unwrap());
    let (found, _) = read_in_tiles(&spec, &grid, (50, 30));
    let found: Vec<f32> = values(&found);
    assert_eq!(found, expected);
}

#[test]
fn what_gdal_cannot_resample_is_refused_by_name() {
    let dir = folder();
    python(
        dir.path(),
        "make('big.tif', ramp(50, 50).astype(np.int64), epsg=32633, origin=(560000, 5320000))
make('signed.tif', ramp(50, 50).astype(np.int8), epsg=32633, origin=(560000, 5320000))",
    );
    let other = Grid {
        transform: GeoTransform::north_up(1_000_500.0, 5_334_300.0, 15.0, 15.0),
        rows: 20,
        cols: 20,
        crs: crs_from_user("EPSG:32632").unwrap(),
    };
    let refused = |name: &str| {
        let file = path(dir.path(), name);
        let info = inspect(&file).unwrap();
        let error = Source::open(&spec(&file, &info, &other, Resampling::Nearest)).unwrap_err().to_string();
        error.replace(&file, name)
    };
    assert_eq!(
        refused("big.tif"),
        "big.tif: band 1 is int64, which GDAL can't resample without loss: convert it first, e.g. with gdal_translate -ot Int32 or Float64"
    );
    if gdal::version::VersionInfo::version_num().parse().is_ok_and(|v: u32| v < 3_070_000) {
        assert_eq!(
            refused("signed.tif"),
            "signed.tif: band 1 is int8, which GDAL can't resample before version 3.7: convert it first, e.g. with gdal_translate -ot Int16"
        );
    }
    // In the same CRS, nearest neighbour only copies pixels, of any type.
    let file = path(dir.path(), "big.tif");
    let info = inspect(&file).unwrap();
    let finer = Grid {
        transform: GeoTransform::north_up(560_000.0, 5_320_000.0, 5.0, 5.0),
        rows: 4,
        cols: 100,
        crs: info.grid.crs.clone(),
    };
    let (found, _) = read_in_tiles(&spec(&file, &info, &finer, Resampling::Nearest), &finer, (3, 64));
    let row = |r: i64| (0..100).map(move |c| (r + c / 2) * 100 / 98);
    assert_eq!(values::<i64>(&found), row(0).chain(row(0)).chain(row(1)).chain(row(1)).collect::<Vec<_>>());
}

#[test]
fn extents_on_other_grids() {
    let file = |epsg: &str, transform: GeoTransform, rows: u32, cols: u32| Grid {
        transform,
        rows,
        cols,
        crs: crs_from_user(epsg).unwrap(),
    };
    let utm = file("EPSG:32633", GeoTransform::north_up(500_000.0, 5_400_000.0, 10.0, 10.0), 1000, 1000);
    let globe = file("EPSG:4326", GeoTransform::north_up(-180.0, 90.0, 1.0, 1.0), 180, 360);
    let on = |file: &Grid, grid: &Grid| Overlay::new(file, grid).unwrap();
    // The globe can't be drawn in UTM, and has data all over the grid.
    assert_eq!(on(&globe, &utm).extent(), None);
    assert!(on(&globe, &utm).covers(&utm.window()));
    assert!(!on(&utm, &globe).covers(&Window::new(0, 0, 180, 360)));
    // 500 000 is the meridian of 15° E, and 5 400 000 lies between 48° and 49° N.
    assert_eq!(on(&utm, &globe).extent().unwrap(), Window::between(41, 195, 41, 195).unwrap());
    let fine = file("EPSG:4326", GeoTransform::north_up(14.0, 50.0, 0.001, 0.001), 10, 10);
    let extent = on(&utm, &fine).extent().unwrap();
    assert_eq!((extent.col, extent.col_end()), (1000, 1136));
    // Fiji: over the antimeridian.
    let fiji = file("EPSG:32760", GeoTransform::north_up(800_000.0, 8_100_000.0, 1000.0, 1000.0), 200, 200);
    assert_eq!(on(&fiji, &globe).extent(), None);
    // Two spellings of one CRS are none to go through.
    let spelled = Grid {
        crs: Crs::from(utm.crs.0.replace("WGS 84 / UTM zone 33N", "WGS_1984_UTM_Zone_33N").as_str()),
        ..utm.clone()
    };
    assert!(!on(&spelled, &utm).reprojects());
    assert_eq!(on(&spelled, &utm).extent(), Some(utm.window()));
}

/// Whatever the file, grid, method, halo, edge and tile: a window shows what it shows in the whole grid.
#[test]
fn tiles_of_any_size_show_the_same() {
    let dir = folder();
    // Chance, but the same each time: each number is used for some choices.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |n: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % n
    };
    let types = ["uint8", "int16", "uint16", "float32"];
    let edges = [Edge::Nodata, Edge::Reflect, Edge::Nearest];
    let cases: Vec<_> = (0..24)
        .map(|n| {
            let (rows, cols, pixel) = (20 + below(90), 20 + below(90), 5 + below(40));
            let file = format!(
                "make('{n}.tif', noise({}, {rows}, {cols}, '{}', {n}, 1, 250, holes=0.1), nodata=0, epsg=32633, origin=(560000, 5320000), pixel={pixel}, overviews={})",
                1 + below(2),
                types[below(4) as usize],
                ["()", "(2, 4)"][below(2) as usize]
            );
            let (epsg, corner) = [(32633, (559_800.0, 5_320_200.0)), (32632, (1_007_100.0, 5_342_400.0))][below(2) as usize];
            let size = f64::from(4 + below(60));
            let shift = f64::from(below(1000)) / 100.0;
            let onto = (epsg, (corner.0 + shift, corner.1 - shift), (size, size + f64::from(below(5))), (20 + below(70), 20 + below(70)));
            let method = METHODS[below(13) as usize];
            (file, Case { file: "", method, grid: onto }, below(12), edges[below(3) as usize], [(1 + below(40), 1 + below(40)), (7 + below(90), 3 + below(90))])
        })
        .collect();
    let files: Vec<_> = cases.iter().map(|case| case.0.as_str()).collect();
    python(dir.path(), &format!("{WARP}\n{}", files.join("\n")));
    for (n, (made, case, halo, edge, tiles)) in cases.iter().enumerate() {
        let grid = grid(case);
        let file = path(dir.path(), &format!("{n}.tif"));
        let spec = spec(&file, &inspect(&file).unwrap(), &grid, case.method);
        let bands = spec.bands.iter().map(|band| band.marked_with_gaps(DType::Float32).0).collect();
        let spec = SourceSpec { dtype: DType::Float32, bands, halo: *halo, edge: *edge, ..spec };
        let mut source = Source::open(&spec).unwrap();
        let mut read = |window: &Window| {
            let mut out = vec![0; spec.bands.len() * window.pixels() as usize * 4];
            source.read(*window, &mut out).unwrap();
            values::<u32>(&out)
        };
        let whole = grid.window().padded(*halo).unwrap();
        let expected = read(&whole);
        for tile in tiles {
            let tiling = Tiling::new(grid.rows, grid.cols, tile.0, tile.1).unwrap();
            for index in 0..tiling.count() {
                let window = tiling.tile(index).unwrap().window.padded(*halo).unwrap();
                let found = read(&window);
                for (line, pixels) in found.chunks_exact(window.cols as usize).enumerate() {
                    let (band, row) = (line / window.rows as usize, line % window.rows as usize);
                    let row = band * whole.rows as usize + (window.row - whole.row) as usize + row;
                    let start = row * whole.cols as usize + (window.col - whole.col) as usize;
                    assert!(
                        pixels == &expected[start..start + pixels.len()],
                        "case {n}, {:?} {made} onto {:?}, halo {halo}, {edge:?}, tiles {tile:?}: {window}, line {line}",
                        case.method,
                        case.grid
                    );
                }
            }
        }
    }
}
