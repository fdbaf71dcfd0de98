//! Parts of pixels that polygons cover, compared with the areas of GEOS's intersections.

use crate::support::{folder, path, values};
use crate::vectors::{band, grid, spec, vectors};
use grid::{Grid, Tiling, Window};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tilefn_abi::DType;
use tilefn_raster::{Burn, BurnSpec, Coverage, CoverageSpec, Error, Found};

/// Functions for Python: `scene` makes random polygons, with holes, tiny ones and some beyond the grid; `parts` intersects each with
/// each pixel, by GEOS, and writes rows of feature, row, column, part.
const POLYGONS: &str = r#"
def scene(seed, rows, cols, snap=0):
    rnd = random.Random(seed)
    at_step = lambda v: round(v / snap) * snap if snap else v
    def star(cx, cy, r, n, least=.4):
        angles = [2 * math.pi * (i + rnd.uniform(0, .8)) / n for i in range(n)]
        return [(at_step(cx + r * (s := rnd.uniform(least, 1)) * math.cos(a)), at_step(cy + r * s * math.sin(a))) for a in angles]
    def polygon():
        x, y, r = rnd.uniform(-4, cols + 4), rnd.uniform(-4, rows + 4), rnd.choice([.1, .6, 3, 9, 30])
        rings = [star(x, y, r, rnd.choice([5, 7, 20]))]
        if rnd.random() < .5:
            # Within the least distance of an edge from the middle. OGR's rings have any direction.
            rings.append(star(x, y, r * .3, 6)[::rnd.choice([1, -1])])
            rings[0] = rings[0][::rnd.choice([1, -1])]
        return '(' + ', '.join(ring(r) for r in rings) + ')'
    one = lambda: 'POLYGON' + polygon() if rnd.random() < .7 else 'MULTIPOLYGON(' + polygon() + ')'
    valid = lambda wkt: ogr.CreateGeometryFromWkt(wkt).IsValid()
    found = [wkt for wkt in (one() for _ in range(60)) if valid(wkt)][:25]
    return [(wkt, {'id': n + 1}) for n, wkt in enumerate(found)]

def parts(features, rows, cols, to, grid=GRID):
    found = []
    for wkt, attributes in features:
        shape = ogr.CreateGeometryFromWkt(wkt)
        x0, x1, y0, y1 = shape.GetEnvelope()
        span = lambda a, b, size: range(max(0, math.floor(min(a, b))), min(size, math.ceil(max(a, b)) + 1))
        for row in span((y0 - grid[3]) / grid[5], (y1 - grid[3]) / grid[5], rows):
            for col in span((x0 - grid[0]) / grid[1], (x1 - grid[0]) / grid[1], cols):
                pixel = ogr.CreateGeometryFromWkt('POLYGON(' + ring([(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1)], grid) + ')')
                part = shape.Intersection(pixel).GetArea() / abs(grid[1] * grid[5])
                if part > 0:
                    found.append((attributes['id'], row, col, part))
    np.array(found, 'f8').reshape(-1, 4).tofile(to)
"#;

/// Parts of pixels by feature, row and column.
type Parts = BTreeMap<(u64, i64, i64), f64>;

fn areas(file: &str, grid: &Grid, halo: u32) -> CoverageSpec {
    CoverageSpec {
        burn: BurnSpec { band: band(DType::Float64, -1), dtype: DType::Float64, halo, ..spec(file, grid) },
        most: 1,
    }
}

/// Counts the bands, and opens the layer with them.
fn counted(spec: CoverageSpec) -> Coverage {
    let most = Coverage::open(&spec).unwrap().most().unwrap();
    Coverage::open(&CoverageSpec { most: most.max(1), ..spec }).unwrap()
}

/// A window's pixels.
fn read(coverage: &mut Coverage, window: Window) -> Result<Vec<f64>, Error> {
    let mut out = vec![0xaa; coverage.spec().bands() * window.pixels() as usize * 8];
    assert_eq!(coverage.read(window, &mut out)?, Found::default());
    Ok(values(&out))
}

/// What the tiles of a grid have, halos left out.
fn in_tiles(coverage: &mut Coverage, tile: (u32, u32)) -> Parts {
    let spec = coverage.spec().clone();
    let (burn, most) = (&spec.burn, spec.most as usize);
    let tiling = Tiling::new(burn.grid.rows, burn.grid.cols, tile.0, tile.1).unwrap();
    let mut found = Parts::new();
    for index in 0..tiling.count() {
        let window = tiling.tile(index).unwrap().window.padded(burn.halo).unwrap();
        let all = read(coverage, window).unwrap();
        let (zones, parts) = all.split_at(most * window.pixels() as usize);
        for (n, (zone, part)) in zones.iter().zip(parts).enumerate() {
            assert_eq!(*zone == -1.0, *part == 0.0, "{zone} {part}");
            assert!((0.0..=1.0).contains(part), "{part}");
            let pixel = (n % window.pixels() as usize) as i64;
            let (row, col) = (window.row + pixel / i64::from(window.cols), window.col + pixel % i64::from(window.cols));
            if *part > 0.0 && tiling.tile(index).unwrap().window.contains(&Window::new(row, col, 1, 1)) {
                assert_eq!(found.insert((*zone as u64, row, col), *part), None);
            }
        }
    }
    found
}

fn expected(folder: &Path, name: &str) -> Parts {
    let numbers: Vec<f64> = values(&fs::read(folder.join(name)).unwrap());
    numbers.as_chunks::<4>().0.iter().map(|&[id, row, col, part]| ((id as u64, row as i64, col as i64), part)).collect()
}

/// Where two differ by more than `most`. Positions are rounded to 2^-26 of a pixel.
fn differences(found: &Parts, expected: &Parts, most: f64) -> Vec<((u64, i64, i64), f64, f64)> {
    let part = |parts: &Parts, key| parts.get(key).copied().unwrap_or_default();
    let keys = found.keys().chain(expected.keys());
    let both = keys.map(|key| (*key, part(found, key), part(expected, key)));
    both.filter(|(_, a, b)| (a - b).abs() > most).take(20).collect()
}

#[test]
fn parts_are_the_areas_of_intersections_in_any_tiles() {
    let dir = folder();
    vectors(
        dir.path(),
        &format!(
            "{POLYGONS}
for seed, snap in enumerate([0, 0, 0, .5, 1]):
    features = scene(seed, 31, 43, snap)
    layer(f'{{seed}}.gpkg', features)
    parts(features, 31, 43, f'{{seed}}.bin')"
        ),
    );
    for seed in 0..5 {
        let expected = expected(dir.path(), &format!("{seed}.bin"));
        assert!(expected.len() > 1000, "{}", expected.len());
        let file = path(dir.path(), &format!("{seed}.gpkg"));
        let meeting = expected.keys().fold(BTreeMap::new(), |mut all: BTreeMap<_, u32>, (_, row, col)| {
            *all.entry((*row, *col)).or_default() += 1;
            all
        });
        for (tile, halo) in [((31, 43), 0), ((8, 8), 0), ((7, 31), 2), ((1, 43), 1)] {
            let mut coverage = counted(areas(&file, &grid(31, 43), halo));
            let most = coverage.spec().most;
            assert!(most >= *meeting.values().max().unwrap() && most <= 25, "seed {seed}: {most}");
            let differ = differences(&in_tiles(&mut coverage, tile), &expected, 2e-7);
            assert!(differ.is_empty(), "seed {seed} tile {tile:?} halo {halo}: {differ:?}");
        }
    }
}

/// Values that are the same are one; a pixel has its values in the file's order.
#[test]
fn values_meet_in_bands() {
    let dir = folder();
    vectors(
        dir.path(),
        "
def box(x, y, w, h, v):
    return 'POLYGON(' + ring([(x, y), (x + w, y), (x + w, y + h), (x, y + h)]) + ')', {'v': v}
layer('a.gpkg', [box(.5, 0, 1, 1, 7.5), box(0, 0, .25, 1, 3.0), box(.25, .5, 1, .25, 7.5), box(1.5, 0, 2.5, 1, 3.0), box(3, 0, 9, 9, 4.0), box(3, 0, 9, 9, 4.0)])",
    );
    let wanted = areas(&path(dir.path(), "a.gpkg"), &grid(1, 4), 0);
    let wanted = CoverageSpec { burn: BurnSpec { burn: Burn::Attribute("v".into()), ..wanted.burn }, ..wanted };
    let mut coverage = counted(wanted.clone());
    let found = read(&mut coverage, Window::new(0, 0, 1, 4)).unwrap();
    let nothing = -1.0;
    // The band across pixels 0 and 1 lies on 7.5's box, but for 0.25 of pixel 0: overlaps of one value count twice, up to the whole.
    let expected = [
        [7.5, 7.5, 3.0, 3.0],
        [3.0, 3.0, nothing, 4.0],
        [0.5 + 0.75 * 0.25, 0.5 + 0.25 * 0.25, 1.0, 1.0],
        [0.25, 0.5, 0.0, 1.0],
    ];
    assert_eq!(found.len(), 16);
    for (found, expected) in found.iter().zip(expected.concat()) {
        assert!((found - expected).abs() < 1e-7, "{found} {expected}");
    }
    // A reader of another type gets them in its own.
    let burn = BurnSpec { dtype: DType::Float32, ..wanted.burn.clone() };
    let mut narrow = Coverage::open(&CoverageSpec { burn, most: 2 }).unwrap();
    let mut out = vec![0; 64];
    narrow.read(Window::new(0, 0, 1, 4), &mut out).unwrap();
    assert_eq!(values::<f32>(&out)[..8], [7.5, 7.5, 3.0, 3.0, 3.0, 3.0, nothing as f32, 4.0]);
    // A file that has got more polygons since it was counted.
    let error =
        Coverage::open(&CoverageSpec { most: 1, ..wanted }).and_then(|mut c| read(&mut c, Window::new(0, 0, 1, 4)));
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("more features meet in a pixel than there were: the file has changed"), "{error}");
}

#[test]
fn a_layer_in_another_crs() {
    let dir = folder();
    vectors(
        dir.path(),
        &format!(
            "{POLYGONS}
# A triangle with long edges that are bent on the grid; GEOS gets it with ten thousand vertices on each.
corners = [(151.0, -27.05), (151.3, -27.0), (151.1, -27.3)]
wkt = lambda points: 'POLYGON((' + ', '.join(f'{{x!r}} {{y!r}}' for x, y in points + points[:1]) + '))'
layer('a.gpkg', [(wkt(corners), {{'id': 1}})], epsg=4326)
dense = []
for (x, y), (u, v) in zip(corners, corners[1:] + corners[:1]):
    dense += [(x + (u - x) * n / 10000, y + (v - y) * n / 10000) for n in range(10000)]
shape = ogr.CreateGeometryFromWkt(wkt(dense))
shape.Transform(osr.CoordinateTransformation(srs(4326), srs(28356)))
x0, x1, y0, y1 = shape.GetEnvelope()
GRID = (300000.0, 1000.0, 0.0, 7020000.0, 0.0, -1000.0)
parts([(shape.ExportToWkt(), {{'id': 1}})], 40, 50, 'a.bin', GRID)"
        ),
    );
    let transform = grid::GeoTransform::north_up(300_000.0, 7_020_000.0, 1000.0, 1000.0);
    let crs = tilefn_raster::crs_from_user("EPSG:28356").unwrap();
    let grid = Grid { transform, rows: 40, cols: 50, crs };
    let found = in_tiles(&mut counted(areas(&path(dir.path(), "a.gpkg"), &grid, 0)), (16, 16));
    let expected = expected(dir.path(), "a.bin");
    assert!(expected.len() > 300, "{}", expected.len());
    let differ = differences(&found, &expected, 1e-3);
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn features_without_areas() {
    let dir = folder();
    vectors(
        dir.path(),
        "layer('a.gpkg', [('POLYGON EMPTY', {'id': 1}), (None, {'id': 2}), ('LINESTRING EMPTY', {'id': 3}), ('POINT EMPTY', {'id': 4})])
layer('line.gpkg', [('GEOMETRYCOLLECTION(POLYGON(' + ring([(0, 0), (1, 0), (1, 1)]) + '),LINESTRING(' + at(0, 0) + ',' + at(2, .5) + '))', {'id': 1})])
layer('far.gpkg', [('LINESTRING(' + at(50, 0) + ',' + at(52, .5) + ')', {'id': 1})])
layer('empty.gpkg', [], kind=ogr.wkbPolygon)",
    );
    let spec = |name: &str| areas(&path(dir.path(), name), &grid(1, 4), 0);
    let empty =
        CoverageSpec { burn: BurnSpec { burn: Burn::Value(1.0f64.to_bits()), ..spec("empty.gpkg").burn }, most: 1 };
    for spec in [spec("a.gpkg"), spec("far.gpkg"), empty] {
        assert_eq!(Coverage::open(&spec).unwrap().most().unwrap(), 0);
        let found = read(&mut Coverage::open(&spec).unwrap(), Window::new(0, 0, 1, 4)).unwrap();
        assert_eq!(found, [-1.0, -1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0]);
    }
    let expected = format!(
        "can't burn {} into rows 0..1, columns 0..4 of the grid: feature 1: its geometry has a line, which covers no part of a pixel; leave it out with `where`, or make a polygon of it",
        path(dir.path(), "line.gpkg")
    );
    let mut line = Coverage::open(&spec("line.gpkg")).unwrap();
    assert_eq!(line.most().unwrap_err().to_string(), expected);
    assert_eq!(read(&mut line, Window::new(0, 0, 1, 4)).unwrap_err().to_string(), expected);
    let short = line.read(Window::new(0, 0, 1, 4), &mut [0; 32]).unwrap_err().to_string();
    assert_eq!(short, format!("{}: 32 bytes for 2 bands of rows 0..1, columns 0..4", path(dir.path(), "line.gpkg")));
}

/// As many polygons in a pixel as there may be, and one more.
#[test]
fn too_many_in_a_pixel() {
    let dir = folder();
    vectors(
        dir.path(),
        "
for n in (1024, 1025):
    layer(f'{n}.gpkg', [('POLYGON(' + ring([(1, 0), (2, 0), (1 + i / 9999, 1)]) + ')', {'id': i}) for i in range(n)])",
    );
    let most = |name: &str| Coverage::open(&areas(&path(dir.path(), name), &grid(1, 4), 0)).unwrap().most();
    assert_eq!(most("1024.gpkg").unwrap(), 1024);
    let error = most("1025.gpkg").unwrap_err().to_string();
    assert!(error.ends_with("more than 1024 values meet in a pixel"), "{error}");
}
