//! Vector files as inputs.

use crate::support::Folder;

/// C6: the mean of the ramp where a square lies.
#[test]
fn c6_a_square_on_the_ramp() {
    let f = Folder::new();
    f.python("write('ramp.tif', ramp()); squares('square.shp', [(11, 11, 20)], driver='ESRI Shapefile')");
    f.job(
        "add",
        "[inputs.image]\npath = 'ramp.tif'\n[inputs.other]\nvector = 'square.shp'\nburn = -1\ndtype = 'int16'\n[outputs.add]\npath = 'add.tif'\n",
    );
    f.run("").ok();
    f.python(
        "
        found = read('add.tif')[0] + 1
        rows, cols = np.nonzero(~np.isnan(found))
        assert len(rows) == 400 and (rows.min(), rows.max(), cols.min(), cols.max()) == (11, 30, 11, 30)
        assert found[11:31, 11:31].sum() == 1460 and found[11:31, 11:31].mean(dtype='f8') == 3.65
        ",
    );
}

/// W8: a layer whose numbers surround the grid's in another CRS lies elsewhere all the same.
#[test]
fn w8_another_crs() {
    let f = Folder::new();
    f.python(
        "
crs = osr.SpatialReference(); crs.ImportFromEPSG(4326)
gt = (10.0, 0.001, 0, 50.0, 0, -0.001)
write('a.tif', ramp(60, 80), gt=gt, epsg=4326)
# In metres, from far west to far east of Greenwich.
places = [(1113000, -6446300, 1), (-2000000, -2000000, 10), (2000000, 2000000, 10)]
squares('fields.gpkg', [(1113500, -6445000, 3000), (-9e6, -9e6, 1e6), (8e6, 8e6, 1e6)], epsg=3857, gt=(0, 1, 0, 0, 0, -1))
",
    );
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[inputs.other]\nvector = 'fields.gpkg'\nburn = 5\n[grid]\ntile = [16, 16]\n[outputs.add]\npath = 'add.tif'\n");
    let run = f.run("");
    assert!(!run.ok().stderr.contains("warning"), "{}", run.stderr);
    f.python(
        "
a, b = osr.SpatialReference(), osr.SpatialReference()
a.ImportFromEPSG(3857); b.ImportFromEPSG(4326)
for crs in (a, b): crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
change = osr.CoordinateTransformation(a, b)
(west, north, _), (east, south, _) = change.TransformPoint(1113500, 6445000), change.TransformPoint(1116500, 6442000)
col = lambda x: round((x - 10) / 0.001)
row = lambda y: round((50 - y) / 0.001)
expected = np.full((60, 80), np.nan, 'f4')
expected[row(north):row(south), col(west):col(east)] = 5
assert np.isfinite(expected).sum() > 100
same('add.tif', ramp(60, 80) + expected)
",
    );
}

/// W9: each input of the same file has its own settings; no raster is among the inputs.
#[test]
fn w9_the_same_file_twice() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(60, 80)); squares('fields.gpkg', np.random.default_rng(3).uniform((-5, -5, 1), (85, 65, 25), (60, 3)))");
    f.job(
        "add",
        "[inputs.image]
vector = 'fields.gpkg'
burn_attribute = 'id'
where = \"crop = 'wheat'\"
[inputs.other]
vector = 'fields.gpkg'
burn = 100
all_touched = true
[grid]
reference = 'a.tif'
tile = [32, 16]
[outputs.add]
path = 'add.tif'
",
    );
    f.run("").ok();
    f.python(
        "same('add.tif', burned('fields.gpkg', where=\"crop = 'wheat'\", ATTRIBUTE='id') + burned('fields.gpkg', burn=100, ALL_TOUCHED='TRUE'))",
    );
}

/// W10: only features that satisfy the filter are burned, and a bad filter is an error.
#[test]
fn w10_filters_select_features() {
    let f = Folder::new();
    f.python(
        "write('a.tif', ramp(60, 80)); squares('fields.gpkg', [(3, 4, 10), (20, 5, 12), (40, 30, 9), (22, 8, 30)])",
    );
    f.job(
        "add",
        "[inputs.image]\npath = 'a.tif'\n[inputs.other]\nvector = 'fields.gpkg'\n[outputs.add]\npath = 'add.tif'\n",
    );
    let run = |filter: &str| {
        f.tilefn(["run", "job.toml", "--overwrite", "--set", &format!("inputs.other.where=\"{filter}\"")])
    };
    for filter in ["crop = 'rye'", "id > 2", "id > 1 AND share < 1"] {
        run(filter).ok();
        f.python(&format!(
            "expected = burned('fields.gpkg', where=\"{filter}\"); assert (np.isnan(expected) != np.isnan(burned('fields.gpkg'))).any(); \
             same('add.tif', ramp(60, 80) + expected)"
        ));
    }
    assert!(run("crops = 'rye'").error(2).contains("the filter \"crops = 'rye'\" is wrong"));
}
