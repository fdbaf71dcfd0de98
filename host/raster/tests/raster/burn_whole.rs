//! Burning features into the windows of a grid, compared with GDAL burning them into the whole grid at once.

use crate::support::{folder, path, values};
use crate::vectors::{differences, grid, in_tiles, spec, vectors};
use grid::{GeoTransform, Grid};
use std::fs;
use tilefn_raster::{BurnSpec, crs_from_user, inspect_vector};

/// Random features: stars with holes, lines, points, collections; some beyond the grid. `step`: positions are multiples of this part
/// of a pixel; 0 for any.
const SCENES: &str = r#"
def scene(seed, rows, cols, step, grid=GRID):
    rnd = random.Random(seed)
    snap = lambda v: round(v / step) * step if step else v
    def star(cx, cy, r, n, turn=1):
        angles = sorted(rnd.uniform(0, 2 * math.pi) for _ in range(n))[::turn]
        return [(snap(cx + r * rnd.uniform(.2, 1) * math.cos(a)), snap(cy + r * rnd.uniform(.2, 1) * math.sin(a))) for a in angles]
    place = lambda: (rnd.uniform(-8, cols + 8), rnd.uniform(-8, rows + 8))
    def polygon():
        (x, y), r, n = place(), rnd.choice([1, 3, 12, 60, 300]), rnd.choice([3, 4, 5, 9, 40])
        rings = [star(x, y, r, n, rnd.choice([1, -1]))]
        if rnd.random() < .4:
            # OGR's spatial filters don't find what is only within a hole that lies outside its polygon.
            around = lambda k, r: [(snap(x + r * math.cos(2 * math.pi * i / k)), snap(y + r * math.sin(2 * math.pi * i / k))) for i in range(k)]
            rings = [around(9, max(r, 3)), around(5, max(r, 3) * .4)[::rnd.choice([1, -1])]]
        elif rnd.random() < .2:
            rnd.shuffle(rings[0])
        return '(' + ', '.join(ring(r, grid) for r in rings) + ')'
    def line():
        n, (x, y), r = rnd.choice([2, 3, 8]), place(), rnd.choice([2, 20, 200])
        return '(' + ', '.join(at(snap(x + rnd.uniform(-r, r)), snap(y + rnd.uniform(-r, r)), grid) for _ in range(n)) + ')'
    def point():
        x, y = place()
        return '(' + at(snap(x), snap(y), grid) + ')'
    def any_one():
        kind = rnd.choice(['POLYGON', 'POLYGON', 'POLYGON', 'LINESTRING', 'POINT', 'MULTIPOLYGON', 'MULTILINESTRING', 'MULTIPOINT', 'GEOMETRYCOLLECTION'])
        if kind == 'GEOMETRYCOLLECTION':
            return kind + f'(POLYGON{polygon()}, POINT{point()}, LINESTRING{line()})'
        one = polygon if 'POLYGON' in kind else line if 'LINE' in kind else point
        return kind + ('(' + ', '.join(one() for _ in range(3)) + ')' if kind.startswith('MULTI') else one())
    return [(any_one(), {'id': n + 1}) for n in range(rnd.choice([1, 5, 40]))]
"#;

/// Compares scenes with GDAL for several tile sizes.
fn compare_scenes(step: f64, modes: &[bool], grid_code: &str, grid: &Grid, epsg: u32, seeds: std::ops::Range<u32>) {
    let dir = folder();
    let (rows, cols) = (grid.rows, grid.cols);
    vectors(
        dir.path(),
        &format!(
            "{SCENES}
GRID = {grid_code}
for seed in range({}, {}):
    layer(f'{{seed}}.gpkg', scene(seed, {rows}, {cols}, {step}, GRID), epsg={epsg})
    ds = ogr.Open(f'{{seed}}.gpkg')
    for touched in (False, True):
        burned(ds.GetLayer(0), {rows}, {cols}, GRID, {epsg}, 'id', touched=touched).tofile(f'{{seed}}-{{int(touched)}}.bin')
",
            seeds.start, seeds.end
        ),
    );
    for seed in seeds {
        for &all_touched in modes {
            let expected: Vec<i32> =
                values(&fs::read(dir.path().join(format!("{seed}-{}.bin", u8::from(all_touched)))).unwrap());
            for (tile, halo) in [((rows, cols), 0), ((16, 16), 0), ((7, 31), 2), ((29, 13), 1)] {
                let file = path(dir.path(), &format!("{seed}.gpkg"));
                let spec = BurnSpec { all_touched, halo, ..spec(&file, grid) };
                let found = in_tiles(&spec, tile);
                let differ = differences(&found, &expected, cols);
                assert!(differ.is_empty(), "seed {seed} touched {all_touched} tile {tile:?} halo {halo}: {differ:?}");
            }
        }
    }
}

const UTM: &str = "(500000.0, 10.0, 0.0, 7000000.0, 0.0, -10.0)";

#[test]
fn any_tiles_are_the_whole_grid() {
    compare_scenes(0.0, &[false, true], UTM, &grid(61, 83), 28355, 0..20);
}

#[test]
fn edges_through_corners_and_centres_of_pixels() {
    for (n, step) in (0..).zip([0.5, 1.0, 0.25]) {
        compare_scenes(step, &[false], UTM, &grid(61, 83), 28355, 100 * n..100 * n + 10);
    }
}

/// Pixel sizes and corners that binary numbers don't hold: GDAL's own rounding decides what an edge through a pixel's centre covers, so
/// only tiles are compared with each other.
#[test]
fn edges_through_pixels_of_odd_size_are_the_same_in_all_tiles() {
    let dir = folder();
    let transform = GeoTransform::north_up(0.1, 0.7, 1.0 / 30.0, 1.0 / 30.0);
    let grid = Grid { transform, rows: 290, cols: 310, crs: crs_from_user("EPSG:4326").unwrap() };
    vectors(
        dir.path(),
        &format!(
            "{SCENES}
for seed in range(4):
    layer(f'{{seed}}.gpkg', scene(seed, 290, 310, 0.5, (0.1, 1 / 30, 0, 0.7, 0, -1 / 30)), epsg=4326)"
        ),
    );
    for seed in 0..4 {
        for all_touched in [false, true] {
            let spec = spec(&path(dir.path(), &format!("{seed}.gpkg")), &grid);
            let spec = BurnSpec { all_touched, ..spec };
            let whole = in_tiles(&spec, (290, 310));
            for (tile, halo) in [((100, 128), 3), ((256, 256), 0), ((290, 70), 1)] {
                let found = in_tiles(&BurnSpec { halo, ..spec.clone() }, tile);
                let differ = differences(&found, &whole, 310);
                assert!(differ.is_empty(), "seed {seed} touched {all_touched} tile {tile:?}: {differ:?}");
            }
        }
    }
}

/// Rings that are open, of too few points, or cross themselves, in tiles that they surround.
#[test]
fn broken_rings() {
    let dir = folder();
    vectors(
        dir.path(),
        "line = lambda *points: '(' + ', '.join(at(*p) for p in points) + ')'
layer('a.gpkg', [(f'POLYGON({rings})', {'id': n + 1}) for n, rings in enumerate([
    line((2, 2), (58, 3), (57, 58)),
    line((2, 2), (58, 58), (2, 2)),
    line((40, 3), (68, 4), (66, 55), (41, 52), (40, 3)) + ',' + line((50, 20)),
    line((3, 5), (30, 57), (30, 5), (3, 57), (3, 5)),
])])
ds = ogr.Open('a.gpkg')
for touched in (False, True):
    burned(ds.GetLayer(0), 60, 70, attribute='id', touched=touched).tofile(f'{int(touched)}.bin')",
    );
    for all_touched in [false, true] {
        let expected: Vec<i32> = values(&fs::read(dir.path().join(format!("{}.bin", u8::from(all_touched)))).unwrap());
        let spec = BurnSpec { all_touched, ..spec(&path(dir.path(), "a.gpkg"), &grid(60, 70)) };
        for tile in [(60, 70), (8, 8)] {
            assert_eq!(differences(&in_tiles(&spec, tile), &expected, 70), [], "{all_touched} {tile:?}");
        }
    }
}

/// Overlapping features in every format: the last in the file is on top, though a spatial index gives them in another order.
#[test]
fn formats_and_their_order() {
    let dir = folder();
    vectors(
        dir.path(),
        &format!(
            "{SCENES}
rnd = random.Random(1)
features = []
for n in range(300):
    x, y, r = rnd.uniform(0, 60), rnd.uniform(0, 60), rnd.uniform(3, 9)
    square = ring([(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)])
    features.append((f'POLYGON({{square}})', {{'id': 1000 - n, 'crop': rnd.choice(['wheat', 'rye'])}}))
for name, driver, options in [('a.gpkg', 'GPKG', []), ('b.gpkg', 'GPKG', ['SPATIAL_INDEX=NO']), ('a.shp', 'ESRI Shapefile', []),
        ('b.shp', 'ESRI Shapefile', ['SPATIAL_INDEX=YES']), ('a.fgb', 'FlatGeobuf', []), ('b.fgb', 'FlatGeobuf', ['SPATIAL_INDEX=NO']),
        ('a.geojson', 'GeoJSON', ['RFC7946=NO'])]:
    layer(name, features, driver, kind=ogr.wkbPolygon, options=options)
    # FlatGeobuf writes features in the order of its index.
    ds = ogr.Open(name)
    lyr = ds.GetLayer(0)
    burned(lyr, 60, 70, attribute='id').tofile(name + '.bin')
    lyr.SetAttributeFilter(\"crop = 'wheat' AND id > 800\")
    burned(lyr, 60, 70, attribute='id').tofile(name + '.where.bin')"
        ),
    );
    let drivers = [
        ("a.gpkg", "GPKG"),
        ("b.gpkg", "GPKG"),
        ("a.shp", "ESRI Shapefile"),
        ("b.shp", "ESRI Shapefile"),
        ("a.fgb", "FlatGeobuf"),
        ("b.fgb", "FlatGeobuf"),
        ("a.geojson", "GeoJSON"),
    ];
    for (name, driver) in drivers {
        let file = path(dir.path(), name);
        assert_eq!(inspect_vector(&file).unwrap().driver, driver);
        let spec = spec(&file, &grid(60, 70));
        let filtered = BurnSpec { filter: Some("crop = 'wheat' AND id > 800".into()), ..spec.clone() };
        for (spec, reference) in [(spec, format!("{name}.bin")), (filtered, format!("{name}.where.bin"))] {
            let expected: Vec<i32> = values(&fs::read(dir.path().join(reference)).unwrap());
            for tile in [(60, 70), (13, 17)] {
                assert_eq!(differences(&in_tiles(&spec, tile), &expected, 70), [], "{name} {tile:?}");
            }
        }
    }
}
