//! Burning features of a layer in another CRS, and curves.

use crate::support::{folder, path};
use crate::vectors::{burn, differences, grid, in_tiles, spec, vectors};
use grid::{Crs, GeoTransform, Grid, Window};
use std::fs;
use tilefn_raster::{BurnSpec, Burner, crs_from_user};

/// Checks, with GDAL, that all pixels which differ from its own burning have their centre on the edge of a feature: within a twentieth of
/// a pixel of the layer's edges, drawn in the grid's CRS with a point every 1/2000 of each edge.
const ON_THE_EDGE: &str = r#"
def check(lyr, epsg, found, rows, cols, grid, straight=lambda g: g, steps=2000):
    change = osr.CoordinateTransformation(lyr.GetSpatialRef(), srs(epsg))
    memory = ogr.GetDriverByName('Memory').CreateDataSource('m')
    moved = memory.CreateLayer('moved', srs(epsg))
    moved.CreateField(ogr.FieldDefn('id', ogr.OFTInteger))
    borders = []
    for feature in lyr:
        g = straight(feature.GetGeometryRef().Clone())
        length = max(g.GetEnvelope()[1] - g.GetEnvelope()[0], g.GetEnvelope()[3] - g.GetEnvelope()[2])
        g.Segmentize(length / steps)
        assert g.Transform(change) == 0
        other = ogr.Feature(moved.GetLayerDefn())
        other.SetField('id', feature.GetField('id'))
        other.SetGeometry(g)
        moved.CreateFeature(other)
        borders.append(g.Boundary() if g.GetDimension() == 2 else g)
    expected = burned(moved, rows, cols, grid, epsg, 'id')
    found = np.fromfile(found, np.int32).reshape(rows, cols)
    assert (expected != 0).mean() > .1
    wrong = np.argwhere(found != expected)
    for row, col in wrong:
        centre = ogr.CreateGeometryFromWkt(f'POINT({at(col + .5, row + .5, grid)})')
        off = min(border.Distance(centre) for border in borders) / grid[1]
        assert off < .05, (row, col, off)
    print(len(wrong))
"#;

#[test]
fn another_crs_bends_edges() {
    let dir = folder();
    // 1 000 km wide: an edge along a parallel is bent by kilometres.
    let transform = GeoTransform::north_up(-200_000.0, 7_600_000.0, 5000.0, 5000.0);
    let grid = Grid { transform, rows: 220, cols: 240, crs: crs_from_user("EPSG:32755").unwrap() };
    vectors(
        dir.path(),
        "box = lambda a, b, c, d: f'(({a} {b}, {c} {b}, {c} {d}, {a} {d}, {a} {b}))'
layer('a.gpkg', [('POLYGON' + box(141, -30, 151, -26), {'id': 1}), ('MULTIPOLYGON(' + box(143, -28, 144, -27) + ')', {'id': 2}),
    # Around the globe, and beyond what the grid's CRS can express.
    ('POLYGON' + box(-180, -90, 180, -31.5), {'id': 3}), ('POLYGON((146 -24, 149 -29, 150 -24, 146 -24))', {'id': 4}),
    ('POLYGON' + box(20, 40, 60, 50), {'id': 5})], epsg=4326)",
    );
    let spec = spec(&path(dir.path(), "a.gpkg"), &grid);
    let found = in_tiles(&spec, (64, 50));
    assert_eq!(differences(&found, &in_tiles(&spec, (220, 240)), 240), []);
    fs::write(dir.path().join("found.bin"), bytemuck::cast_slice::<_, u8>(&found)).unwrap();
    let differ = vectors(
        dir.path(),
        &format!(
            "{ON_THE_EDGE}
ds = ogr.Open('a.gpkg')
lyr = ds.GetLayer(0)
def near(g):
    # The part that has a place in the grid's CRS.
    return g.Intersection(ogr.CreateGeometryFromWkt('POLYGON((135 -36, 157 -36, 157 -20, 135 -20, 135 -36))'))
lyr.SetAttributeFilter('id < 5')
check(lyr, 32755, 'found.bin', 220, 240, (-200000.0, 5000.0, 0, 7600000.0, 0, -5000.0), near)"
        ),
    );
    assert!(differ.trim().parse::<u32>().unwrap() < 20, "{differ}");
    let extent = Burner::open(&spec).unwrap().look(false).unwrap().extent;
    assert!(extent.is_none_or(|extent| extent.intersection(&grid.window()).is_some()), "{extent:?}");
}

/// A grid around the south pole: an edge along a parallel is a circle, which ends where it begins.
#[test]
fn around_a_pole() {
    let dir = folder();
    let transform = GeoTransform::north_up(-3_000_000.0, 3_000_000.0, 20_000.0, 20_000.0);
    let grid = Grid { transform, rows: 300, cols: 300, crs: crs_from_user("EPSG:3031").unwrap() };
    vectors(
        dir.path(),
        "layer('a.gpkg', [('POLYGON((-180 -90, 180 -90, 180 -70, -180 -70, -180 -90))', {'id': 1}),
    ('POLYGON((-10 -88, 10 -88, 10 50, -10 50, -10 -88))', {'id': 2})], epsg=4326)",
    );
    let spec = spec(&path(dir.path(), "a.gpkg"), &grid);
    let found = in_tiles(&spec, (64, 64));
    assert_eq!(differences(&found, &in_tiles(&spec, (300, 300)), 300), []);
    fs::write(dir.path().join("found.bin"), bytemuck::cast_slice::<_, u8>(&found)).unwrap();
    // The latitude and longitude of every pixel's centre say what it is, but for those on an edge.
    vectors(
        dir.path(),
        "found = np.fromfile('found.bin', np.int32).reshape(300, 300)
change = osr.CoordinateTransformation(srs(3031), srs(4326))
x = -3e6 + 20000 * (np.arange(300) + .5)
points = np.array(change.TransformPoints([(a, -b) for b in x for a in x]))
lon, lat = points[:, 0].reshape(300, 300), points[:, 1].reshape(300, 300)
expected = np.where((abs(lon) < 10) & (lat > -88), 2, np.where(lat < -70, 1, 0))
edge = (abs(abs(lon) - 10) * np.cos(np.radians(lat)) < .02) | (abs(lat + 88) < .02) | (abs(lat + 70) < .02)
assert (edge.mean() < .02) and (found == expected)[~edge].all(), np.argwhere((found != expected) & ~edge)",
    );
}

/// A grid across the antimeridian.
#[test]
fn across_the_antimeridian() {
    let dir = folder();
    let transform = GeoTransform::north_up(200_000.0, 8_000_000.0, 10_000.0, 10_000.0);
    // Zone 60 ends at 180°, at about 820 km.
    let grid = Grid { transform, rows: 90, cols: 120, crs: crs_from_user("EPSG:32760").unwrap() };
    vectors(
        dir.path(),
        "layer('a.gpkg', [('POLYGON((178 -20, 180 -20, 180 -22, 178 -22, 178 -20))', {'id': 1}),
    ('POLYGON((-180 -20, -178 -20, -178 -22, -180 -22, -180 -20))', {'id': 2}),
    # Far away, and around the globe.
    ('POLYGON((-20 0, 20 0, 20 -50, -20 -50, -20 0))', {'id': 4}), ('POLYGON((-180 -24, 180 -24, 180 -90, -180 -90, -180 -24))', {'id': 3})], epsg=4326)",
    );
    let found = in_tiles(&spec(&path(dir.path(), "a.gpkg"), &grid), (16, 16));
    fs::write(dir.path().join("found.bin"), bytemuck::cast_slice::<_, u8>(&found)).unwrap();
    vectors(
        dir.path(),
        "found = np.fromfile('found.bin', np.int32).reshape(90, 120)
change = osr.CoordinateTransformation(srs(32760), srs(4326))
points = np.array(change.TransformPoints([(200000 + 10000 * (c + .5), 8000000 - 10000 * (r + .5)) for r in range(90) for c in range(120)]))
lon, lat = points[:, 0].reshape(90, 120) % 360, points[:, 1].reshape(90, 120)
rows = (lat < -20) & (lat > -22)
expected = np.where(rows & (lon > 178) & (lon < 180), 1, np.where(rows & (lon > 180) & (lon < 182), 2, np.where(lat < -24, 3, 0)))
edge = (abs(lat + 24) < .005) | (abs(lat + 20) < .005) | (abs(lat + 22) < .005) | (abs(lon - 178) < .005) | (abs(lon - 180) < .005) | (abs(lon - 182) < .005)
assert (expected == 1).sum() > 300 and (expected == 2).sum() > 300
assert (found == expected)[~edge].all(), np.argwhere((found != expected) & ~edge)",
    );
}

#[test]
fn a_layer_without_crs_gets_the_jobs() {
    let dir = folder();
    vectors(
        dir.path(),
        "layer('a.shp', [('POINT(147.002 -27.13)', {'id': 1})], 'ESRI Shapefile', epsg=None, kind=ogr.wkbPoint)
change = osr.CoordinateTransformation(srs(4283), srs(28355))
x, y, _ = change.TransformPoint(147.002, -27.13)
open('at', 'w').write(f'{int((7000000 - y) // 10)} {int((x - 500000) // 10)}')",
    );
    let at = fs::read_to_string(dir.path().join("at")).unwrap();
    let at: Vec<i64> = at.split(' ').map(|n| n.parse().unwrap()).collect();
    let window = Window::new(at[0] - 1, at[1] - 1, 3, 3);
    let spec = spec(&path(dir.path(), "a.shp"), &grid(300, 30));
    assert!(spec.crs.is_none());
    let with = |crs| BurnSpec { crs, ..spec.clone() };
    let mut burner = Burner::open(&with(crs_from_user("EPSG:4283").unwrap())).unwrap();
    assert_eq!(burn::<i32>(&mut burner, window).unwrap(), [0, 0, 0, 0, 1, 0, 0, 0, 0]);
    let mut burner = Burner::open(&with(Crs::default())).unwrap();
    assert_eq!(burn::<i32>(&mut burner, window).unwrap(), [0; 9]);
}

#[test]
fn curves_are_made_straight() {
    let dir = folder();
    vectors(
        dir.path(),
        "layer('a.gpkg', [(f'CURVEPOLYGON(CIRCULARSTRING({at(10, 150)}, {at(290, 150)}, {at(10, 150)}))', {'id': 1}),
    (f'COMPOUNDCURVE(CIRCULARSTRING({at(0, 0)}, {at(20, 30)}, {at(0, 60)}), ({at(0, 60)}, {at(50, 60)}))', {'id': 2})], kind=ogr.wkbUnknown)",
    );
    let spec = BurnSpec { filter: Some("id = 1".into()), ..spec(&path(dir.path(), "a.gpkg"), &grid(300, 300)) };
    let found = in_tiles(&spec, (128, 128));
    for (n, pixel) in found.iter().enumerate() {
        let (row, col) = ((n / 300) as f64 + 0.5, (n % 300) as f64 + 0.5);
        let from_circle = (row - 150.0).hypot(col - 150.0) - 140.0;
        if from_circle.abs() > 0.05 {
            assert_eq!(*pixel, i32::from(from_circle < 0.0), "{row} {col}");
        }
    }
    let line = in_tiles(&BurnSpec { filter: Some("id = 2".into()), ..spec }, (128, 128));
    assert_eq!(line[30 * 300 + 19].max(line[30 * 300 + 20]) + line[60 * 300 + 40], 4);
}
