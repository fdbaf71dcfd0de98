//! `tilefn zonal` against numpy.

use crate::support::{Folder, Run, assert_message, module};

/// A raster with invalid pixels, and triangles over it in two layers.
fn folder() -> Folder {
    let f = Folder::new();
    f.python(
        "
        from osgeo import ogr
        values = np.random.default_rng(1).normal(50, 20, (120, 150)).astype('f4').round(1)
        values[30:40, 20:90] = -9
        write('values.tif', np.stack([values, np.where(values == -9, -9, values * 2)]), nodata=-9)
        crs = osr.SpatialReference(); crs.ImportFromEPSG(28355)
        ds = ogr.GetDriverByName('GPKG').CreateDataSource('zones.gpkg')
        for name in ('all', 'some'):
            layer = ds.CreateLayer(name, crs, ogr.wkbPolygon)
            layer.CreateField(ogr.FieldDefn('id', ogr.OFTInteger64))
            layer.CreateField(ogr.FieldDefn('name', ogr.OFTString))
            for n in range(40 if name == 'all' else 3):
                x, y = 500000 + 10 * (n * 37 % 150), 7000000 - 10 * (n * 53 % 120)
                feature = ogr.Feature(layer.GetLayerDefn())
                # Some zones have several polygons, and the numbers are in no order.
                feature['id'], feature['name'] = (n * 7) % 23 - 5 + 2**40 * (n % 2), 'a' if n % 3 else 'b'
                feature.SetGeometry(ogr.CreateGeometryFromWkt(f'POLYGON(({x} {y},{x + 303} {y - 71},{x + 103} {y - 259},{x} {y}))'))
                layer.CreateFeature(feature)
        ",
    );
    f
}

/// Compares the table with numpy's numbers: of these bands, `values.tif`'s or `other.tif`'s, whose columns begin with `prefix`.
fn check(
    f: &Folder,
    table: &str,
    (stats, bands): (&str, &[(&str, &str, u32)]),
    (layer, filter, touched): (&str, &str, &str),
) {
    let bands: Vec<_> = bands.iter().map(|(prefix, file, band)| format!("('{prefix}', '{file}', {band})")).collect();
    let bands = bands.join(", ");
    f.python(&format!(
        "
        import csv
        from osgeo import ogr
        like = gdal.Open('values.tif')
        zones = gdal.GetDriverByName('MEM').Create('', 150, 120, 1, gdal.GDT_Float64)
        zones.SetGeoTransform(like.GetGeoTransform()); zones.SetProjection(like.GetProjection())
        zones.GetRasterBand(1).Fill(-1000)
        source = ogr.Open('zones.gpkg')
        layer = source.GetLayer('{layer}')
        layer.SetAttributeFilter({filter} or None)
        gdal.RasterizeLayer(zones, [1], layer, options=['ATTRIBUTE=id', 'ALL_TOUCHED={touched}'])
        zones = zones.ReadAsArray()
        functions = dict(count=len, sum=np.sum, mean=np.mean, stdev=np.std, min=np.min, max=np.max, median=np.median)
        stats, bands = '{stats}'.split(','), [{bands}]
        ids = sorted({{feature['id'] for feature in layer}})
        columns, rows = ['id'] + [prefix + name for prefix, _, _ in bands for name in stats], [[i] for i in ids]
        for _, file, band in bands:
            opened = gdal.Open(file)
            values = opened.GetRasterBand(band).ReadAsArray().astype('f8')
            for row in rows:
                of = values[(zones == row[0]) & (values != -9)]
                row += [functions[name](of) if len(of) or name == 'count' else None for name in stats]
        if '{table}'.endswith('.csv'):
            found = list(csv.reader(open('{table}')))
            assert found[0] == columns, found[0]
            found = [[None if text == '' else float(text) for text in row] for row in found[1:]]
        elif '{table}'.endswith('.gpkg'):
            opened = ogr.Open('{table}')
            made = opened.GetLayer(0)
            assert [made.GetLayerDefn().GetFieldDefn(n).GetName() for n in range(len(columns))] == columns
            features = list(made)
            # A feature for each of the source, where it was.
            expected = [(f['id'], f.geometry().ExportToWkt()) for f in layer]
            assert [(f['id'], f.geometry().ExportToWkt()) for f in features] == expected
            assert made.GetSpatialRef().IsSame(layer.GetSpatialRef())
            rows = [row for i, _ in expected for row in rows if row[0] == i]
            found = [[f[name] for name in columns] for f in features]
        assert len(found) == len(rows), (found, rows)
        for row, other in zip(rows, found):
            for expected, number in zip(row, other):
                assert (expected is None) == (number is None), (row, other)
                assert expected is None or np.isclose(number, expected, rtol=1e-12, atol=1e-12), (row, other)
        ",
    ));
}

fn zonal(f: &Folder, arguments: &str) -> Run {
    f.tilefn("zonal --zones zones.gpkg".split(' ').chain(arguments.split_whitespace()))
}

const ALL: (&str, &str, &str) = ("all", "''", "FALSE");

#[test]
fn tables_are_numpys() {
    let f = folder();
    zonal(&f, "--values values.tif --by id -o out.csv").ok();
    let stats = "count,mean,min,max";
    check(&f, "out.csv", (stats, &[("", "values.tif", 1)]), ALL);
    let all = "median,stdev,sum,count,max,min,mean";
    zonal(
        &f,
        &format!("--values values.tif --by id -o out.csv --stats {all} --band 2 --all-touched --overwrite --workers processes:2"),
    )
    .ok();
    check(&f, "out.csv", (all, &[("", "values.tif", 2)]), ("all", "''", "TRUE"));
    zonal(&f, "--values values.tif --by id -o out.csv --layer some --where id>0 --overwrite").ok();
    check(&f, "out.csv", (stats, &[("", "values.tif", 1)]), ("some", "'id > 0'", "FALSE"));
    assert_eq!(f.files(), ["out.csv", "values.tif", "zones.gpkg"]);
}

#[test]
fn several_rasters_and_formats() {
    let f = folder();
    f.python("write('other.tif', np.random.default_rng(2).integers(0, 9, (2, 120, 150)).astype('u1'))");
    let four = [
        ("values_band2_", "values.tif", 2),
        ("values_band1_", "values.tif", 1),
        ("b_band2_", "other.tif", 2),
        ("b_band1_", "other.tif", 1),
    ];
    let stats = "count,median,max";
    for table in ["out.csv", "out.gpkg"] {
        let arguments =
            format!("--values values.tif --values b=other.tif --band 2,1 --by id --stats {stats} -o {table}");
        zonal(&f, &arguments).ok();
        check(&f, table, (stats, &four), ALL);
    }
    // The zones are told apart by the features' own ids, and the new file's ids don't get in their way.
    zonal(&f, "--values values.tif --by fid --layer some --stats count -o fid.gpkg").ok();
    f.python(
        "
        from osgeo import ogr
        opened = ogr.Open('fid.gpkg')
        made = opened.GetLayer('some')
        assert [f['fid'] for f in made] == [1, 2, 3] and all(f['count'] > 0 for f in made)
        ",
    );
    zonal(&f, &format!("--values values.tif --values b=other.tif --band 2,1 --by id --stats {stats} -o out.parquet"))
        .ok();
    parquet_is_the_csv(&f);
    assert_eq!(f.files(), ["fid.gpkg", "other.tif", "out.csv", "out.gpkg", "out.parquet", "values.tif", "zones.gpkg"]);
}

/// The Parquet file's rows are the CSV file's, which numpy has checked.
fn parquet_is_the_csv(f: &Folder) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let file = SerializedFileReader::new(std::fs::File::open(f.path().join("out.parquet")).unwrap()).unwrap();
    let csv = f.read("out.csv");
    let mut lines = csv.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let mut rows = 0;
    for (row, line) in file.get_row_iter(None).unwrap().zip(lines) {
        let row = row.unwrap();
        let texts = row.get_column_iter().map(|(_, field)| match field {
            Field::Long(number) => number.to_string(),
            Field::Double(number) => number.to_string(),
            Field::Null => String::new(),
            other => panic!("{other}"),
        });
        assert_eq!(texts.collect::<Vec<_>>().join(","), line);
        assert_eq!(row.get_column_iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
        rows += 1;
    }
    assert_eq!(rows, csv.lines().count() - 1);
}

/// Polygons over `values.tif` in layer `all` of `areas.gpkg`: two of zone 7, one with a hole, one within a pixel, one half outside the
/// raster, one where no value is valid, and one beside the raster.
const AREAS: &str = "
from osgeo import ogr
crs = osr.SpatialReference(); crs.ImportFromEPSG(28355)
ds = ogr.GetDriverByName('GPKG').CreateDataSource('areas.gpkg')
layer = ds.CreateLayer('all', crs, ogr.wkbPolygon)
layer.CreateField(ogr.FieldDefn('id', ogr.OFTInteger64))
ring = lambda points: '(' + ','.join(f'{500000 + 10 * x} {7000000 - 10 * y}' for x, y in points + points[:1]) + ')'
for zone, rings in [
    (7, [[(3.3, 2.1), (40.7, 9.9), (12.2, 60.3)]]),
    (7, [[(100.5, 90), (120.25, 91.5), (110, 100.75)]]),
    (2, [[(20, 10), (90.1, 11.3), (70.6, 70.2), (15.9, 50.4)], [(30, 20.5), (50.5, 25), (40.2, 50.1)]]),
    (3, [[(60.2, 5.3), (60.7, 5.4), (60.4, 5.9)]]),
    (4, [[(130.2, 100.3), (170, 95.5), (140.5, 150.5)]]),
    (5, [[(25.5, 32.5), (80.5, 33.5), (60.5, 38.5)]]),
    (-6, [[(155, 10), (170, 10), (160, 20)]]),
]:
    feature = ogr.Feature(layer.GetLayerDefn())
    feature['id'] = zone
    feature.SetGeometry(ogr.CreateGeometryFromWkt('POLYGON(' + ','.join(ring(r) for r in rings) + ')'))
    layer.CreateFeature(feature)
ds = layer = None
";

/// The areas are those of GEOS's intersections, the statistics numpy's.
#[test]
fn parts_of_pixels_count_as_parts() {
    let f = folder();
    f.python(AREAS);
    let stats = "max,stdev,count,sum,mean,min";
    for workers in ["threads:2", "processes:2"] {
        let arguments = format!(
            "zonal --zones areas.gpkg --by id --values values.tif --band 2,1 --coverage exact --stats {stats} -o out.csv --overwrite --workers {workers}"
        );
        f.tilefn(arguments.split(' ')).ok();
        f.python(&format!(
            "
            import csv, math
            from osgeo import ogr
            both = gdal.Open('values.tif').ReadAsArray().astype('f8')
            source = ogr.Open('areas.gpkg')
            parts = {{}}
            for feature in source.GetLayer(0):
                shape, of_zone = feature.geometry(), parts.setdefault(feature['id'], np.zeros((120, 150)))
                x0, x1, y0, y1 = shape.GetEnvelope()
                for row in range(max(0, int((7000000 - y1) // 10)), min(120, int((7000000 - y0) // 10) + 1)):
                    for col in range(max(0, int((x0 - 500000) // 10)), min(150, int((x1 - 500000) // 10) + 1)):
                        x, y = 500000 + 10 * col, 7000000 - 10 * row
                        pixel = ogr.CreateGeometryFromWkt(f'POLYGON(({{x}} {{y}},{{x + 10}} {{y}},{{x + 10}} {{y - 10}},{{x}} {{y - 10}},{{x}} {{y}}))')
                        of_zone[row, col] += shape.Intersection(pixel).GetArea() / 100
            rows = []
            for zone in sorted(parts):
                rows.append([zone])
                for values in (both[1], both[0]):
                    there = (parts[zone] > 0) & (values != -9)
                    v, w = values[there], parts[zone][there]
                    if len(v) == 0:
                        rows[-1] += [None, None, 0, None, None, None]
                        continue
                    mean = np.average(v, weights=w)
                    rows[-1] += [v.max(), math.sqrt(np.average((v - mean) ** 2, weights=w)), w.sum(), (v * w).sum(), mean, v.min()]
            found = list(csv.reader(open('out.csv')))
            assert found[0] == ['id'] + [f'band{{b}}_' + name for b in (2, 1) for name in '{stats}'.split(',')], found[0]
            found = [[None if text == '' else float(text) for text in row] for row in found[1:]]
            assert [row[0] for row in found] == [-6, 2, 3, 4, 5, 7] and len(rows) == 6, found
            assert rows[2][3] < 0.2 and rows[4][3] == 0 and rows[0][3] == 0, rows
            for row, other in zip(rows, found):
                for expected, number in zip(row, other, strict=True):
                    assert (expected is None) == (number is None), (row, other)
                    # Positions are rounded to 2^-26 of a pixel.
                    assert expected is None or np.isclose(number, expected, rtol=1e-6, atol=1e-6), (row, other)
            "
        ));
    }
    // The polygons with their numbers, and none for those without pixels.
    f.tilefn(
        "zonal --zones areas.gpkg --by id --values values.tif --band 1 --coverage exact --stats count,mean -o out.gpkg"
            .split(' '),
    )
    .ok();
    f.python(
        "
        from osgeo import ogr
        opened = ogr.Open('out.gpkg')
        rows = [(f['id'], f['count'], f['mean']) for f in opened.GetLayer(0)]
        assert [row[0] for row in rows] == [7, 7, 2, 3, 4, 5, -6] and rows[0] == rows[1], rows
        assert 0 < rows[3][1] < 0.2 and rows[5][1:] == rows[6][1:] == (0.0, None), rows
        ",
    );
}

/// The module that is part of the program is that of its source.
#[test]
fn the_same_as_a_job_file() {
    let f = folder();
    let built = module("host/cli/builtin/zonal");
    f.write(
        "job.toml",
        &format!(
            "[function]\nmodule = {built:?}\n[params]\nmedian = true\n[inputs.zones]\nvector = 'zones.gpkg'\nburn_attribute = 'id'\n\
             dtype = 'int64'\nnodata = -1000\n[inputs.values]\npaths = ['values.tif']\nbands = [1]\n"
        ),
    );
    let report = f.report("");
    zonal(&f, "--values values.tif --by id --stats count,sum,mean,stdev,min,max,median -o out.csv").ok();
    let pixels = |line: &&str| !line.contains(",0,");
    let csv = f.read("out.csv");
    let result = report["result"].as_str().unwrap().to_owned();
    assert_eq!(csv.lines().filter(pixels).collect::<Vec<_>>(), result.lines().filter(pixels).collect::<Vec<_>>());
}

#[test]
fn mistakes() {
    let f = folder();
    f.write("out.csv", "old");
    let zonal = |arguments: &str| zonal(&f, &format!("--values values.tif -o out.csv {arguments}"));
    assert_eq!(zonal("--by id").error(2), "out.csv exists; add --overwrite to replace it");
    let run = f.tilefn("zonal --zones zones.gpkg --values values.tif -o nowhere/out.csv --by id".split(' '));
    assert_eq!(run.error(2), "nowhere/out.csv: the folder nowhere doesn't exist");
    let run = f.tilefn("zonal --zones zones.gpkg --values values.tif -o out.txt --by id".split(' '));
    assert!(run.error(2).contains("a table's name ends in .csv, .parquet or .gpkg"), "{}", run.stderr);
    let run = zonal("--by id --stats mean,mode --overwrite");
    assert!(run.error(2).contains("possible values: count, sum, mean, stdev, min, max, median"), "{}", run.stderr);
    let run = zonal("--by name --overwrite");
    assert_message(
        &f,
        run.error(2),
        "--by: attribute \"name\" of layer \"all\" of ~/zones.gpkg is of type String, not a number
  hint: its numeric attributes: fid, id\n1 mistake in the arguments",
    );
    let run = zonal("--by id --coverage exact --all-touched --overwrite");
    assert!(run.error(2).contains("cannot be used with"), "{}", run.stderr);
    assert_eq!(
        zonal("--by id --coverage exact --stats mean,median --overwrite").error(2),
        "--stats median: not with --coverage exact; leave out one of them"
    );
    assert_eq!(f.read("out.csv"), "old");
}

#[test]
fn only_polygons_have_parts_of_pixels() {
    let f = folder();
    f.python(
        "
        from osgeo import ogr
        crs = osr.SpatialReference(); crs.ImportFromEPSG(28355)
        ds = ogr.GetDriverByName('GPKG').CreateDataSource('lines.gpkg')
        for name, kind in (('lines', ogr.wkbLineString), ('any', ogr.wkbUnknown), ('none', ogr.wkbPolygon)):
            layer = ds.CreateLayer(name, crs, kind)
            layer.CreateField(ogr.FieldDefn('id', ogr.OFTInteger64))
            for zone, wkt in ((1, 'POLYGON((500000 7000000,500020 7000000,500020 6999980,500000 7000000))'), (2, 'LINESTRING(500000 7000000,500020 6999980)')):
                feature = ogr.Feature(layer.GetLayerDefn())
                feature['id'] = zone
                feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
                if name == 'any' or (name, zone) == ('lines', 2):
                    layer.CreateFeature(feature)
        ",
    );
    let zonal = |layer: &str| {
        let arguments = format!(
            "zonal --zones lines.gpkg --layer {layer} --by id --values values.tif --coverage exact -o out.csv --overwrite"
        );
        f.tilefn(arguments.split(' '))
    };
    assert_message(
        &f,
        zonal("lines").error(2),
        "--coverage: the geometries of layer \"lines\" of ~/lines.gpkg are of type Line String: they cover no part of a pixel
  hint: choose a layer of polygons, make polygons of them (ST_Buffer), or leave `coverage` out\n1 mistake in the arguments",
    );
    assert_message(
        &f,
        zonal("any").error(2),
        "--coverage: can't burn ~/lines.gpkg into rows 0..3, columns 0..3 of the grid: feature 2: its geometry has a line, which covers no part of a pixel; leave it out with `where`, or make a polygon of it\n1 mistake in the arguments",
    );
    let run = zonal("none");
    assert!(run.ok().stderr.contains("has no features"), "{}", run.stderr);
    assert_eq!(f.read("out.csv"), "id,count,mean,min,max\n");
}
