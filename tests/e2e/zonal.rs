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
    assert_eq!(f.read("out.csv"), "old");
}
