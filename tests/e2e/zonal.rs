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

/// Compares the table with numpy's numbers.
fn check(f: &Folder, stats: &str, band: u32, layer: &str, filter: &str, touched: &str) {
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
        zones, values = zones.ReadAsArray(), like.GetRasterBand({band}).ReadAsArray().astype('f8')
        valid = values != -9
        functions = dict(count=len, sum=np.sum, mean=np.mean, stdev=np.std, min=np.min, max=np.max, median=np.median)
        rows = list(csv.reader(open('out.csv')))
        stats = '{stats}'.split(',')
        assert rows[0] == ['id'] + stats, rows[0]
        ids = [int(i) for i in np.unique(zones[valid]) if i != -1000]
        assert [int(row[0]) for row in rows[1:]] == ids, (rows, ids)
        for row in rows[1:]:
            of = values[(zones == int(row[0])) & valid]
            for name, found in zip(stats, row[1:]):
                assert np.isclose(float(found), functions[name](of), rtol=1e-12, atol=1e-12), (row, name)
        ",
    ));
}

fn zonal(f: &Folder, arguments: &str) -> Run {
    f.tilefn("zonal --zones zones.gpkg --values values.tif -o out.csv".split(' ').chain(arguments.split_whitespace()))
}

#[test]
fn tables_are_numpys() {
    let f = folder();
    zonal(&f, "--by id").ok();
    check(&f, "count,mean,min,max", 1, "all", "''", "FALSE");
    let all = "median,stdev,sum,count,max,min,mean";
    zonal(&f, &format!("--by id --stats {all} --band 2 --all-touched --overwrite --workers processes:2")).ok();
    check(&f, all, 2, "all", "''", "TRUE");
    zonal(&f, "--by id --layer some --where id>0 --overwrite").ok();
    check(&f, "count,mean,min,max", 1, "some", "'id > 0'", "FALSE");
    assert_eq!(f.files(), ["out.csv", "values.tif", "zones.gpkg"]);
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
             dtype = 'int64'\nnodata = -1000\n[inputs.values]\npath = 'values.tif'\nbands = [1]\n"
        ),
    );
    let report = f.report("");
    zonal(&f, "--by id --stats count,sum,mean,stdev,min,max,median").ok();
    assert_eq!(f.read("out.csv"), report["result"].as_str().unwrap());
}

#[test]
fn mistakes() {
    let f = folder();
    f.write("out.csv", "old");
    assert_eq!(zonal(&f, "--by id").error(2), "out.csv exists; add --overwrite to replace it");
    let run = f.tilefn("zonal --zones zones.gpkg --values values.tif -o nowhere/out.csv --by id".split(' '));
    assert_eq!(run.error(2), "nowhere/out.csv: the folder nowhere doesn't exist");
    let run = f.tilefn("zonal --zones zones.gpkg --values values.tif -o out.txt --by id".split(' '));
    assert!(run.error(2).contains("a table's name ends in .csv"), "{}", run.stderr);
    let run = zonal(&f, "--by id --stats mean,mode --overwrite");
    assert!(run.error(2).contains("possible values: count, sum, mean, stdev, min, max, median"), "{}", run.stderr);
    let run = zonal(&f, "--by name --overwrite");
    assert_message(
        &f,
        run.error(2).split_once(": ").unwrap().1,
        "inputs.zones.burn_attribute: attribute \"name\" of layer \"all\" of ~/zones.gpkg is of type String, not a number
  hint: its numeric attributes: fid, id\n1 mistake in the job",
    );
    assert_eq!(f.read("out.csv"), "old");
}
