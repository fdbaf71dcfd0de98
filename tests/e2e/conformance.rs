//! RIOS's own test cases (C…) and what it gets wrong (W…), after docs/rios.md.

use crate::support::Folder;
use serde_json::{Value, json};

/// C1, C2, C3: the mean of a ramp and its reverse, whoever runs the tiles and however large they are.
#[test]
fn mean_of_two_ramps() {
    let f = Folder::new();
    f.python("write('a.tif', ramp()); write('b.tif', ramp()[:, ::-1])");
    f.job("mean", "[inputs.images]\npaths = ['a.tif', 'b.tif']\n[outputs.mean]\npath = 'mean.tif'\n");
    for set in [
        "",
        "--workers threads:1",
        "--workers processes:2 --set grid.tile=[100,100]",
        "--set workers.count=5 --set grid.tile=[64,64]",
        "--set grid.tile=[77,13]",
        "--set grid.tile=[500,1]",
        "--set grid.tile=[1000,1000]",
    ] {
        f.run(&format!("--overwrite {set}")).ok();
        f.python(
            "
            a, b = ramp(), ramp()[:, ::-1]
            mean = ((a.astype('f4') + b) / 2).astype('u1')
            assert (mean.min(), mean.max(), mean.sum(), mean[0, 0], mean[499, 0]) == (24, 75, 12312752, 25, 75)
            same('mean.tif', mean, nodata=None)
            ",
        );
    }
}

/// C4, W1: every tile counts exactly once in what a function accumulates, and there need be no output.
#[test]
fn sum_without_outputs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp()); write('big.tif', ramp(2048, 2048))");
    f.job("sum_count", "[inputs.image]\npath = 'a.tif'\n");
    for workers in ["threads:1", "threads:4", "processes:2"] {
        let report = f.report(&format!("--set grid.tile=[100,100] --workers {workers}"));
        assert_eq!(report["tiles"]["done"], 25);
        assert_eq!(report["result"], json!([12375251.0, 250000, 49.501004]));
    }
    let report = f.report("--set inputs.image.path=big.tif --set grid.tile=[256,256] --set workers.count=4");
    assert_eq!(report["result"][0], 207619073.0);
}

fn context(f: &Folder, image: &str, set: &str) -> Vec<Value> {
    f.job("context", &format!("[inputs.image]\npath = '{image}'\n[inputs.others]\npaths = ['{image}']\n"));
    let report = f.report(set);
    report["result"].as_array().unwrap().clone()
}

/// C9: a tile's place, in pixels written and in what the function is told.
#[test]
fn place_of_each_tile() {
    let f = Folder::new();
    f.python("write('a.tif', np.zeros((1000, 900), 'u1'), gt=(30000, 20, 0, 50000, 0, -20))");
    let tiles = context(&f, "a.tif", "--set grid.tile=[256,256]");
    assert_eq!(tiles.len(), 16);
    for (i, tile) in tiles.iter().enumerate() {
        let (row, col) = (i / 4, i % 4);
        let (rows, cols) = ([256, 256, 256, 232][row], [256, 256, 256, 132][col]);
        assert_eq!(tile["index"], i);
        assert_eq!((&tile["first"], &tile["last"]), (&json!(i == 0), &json!(i == 15)));
        assert_eq!((&tile["count"], &tile["halo"]), (&json!(16), &json!(0)));
        assert_eq!((&tile["matrix"], &tile["matrix_size"]), (&json!([row, col]), &json!([4, 4])));
        assert_eq!(tile["window"], json!([256 * row, 256 * col, rows, cols]));
        assert_eq!(tile["grid_size"], json!([1000, 900]));
        assert_eq!(tile["geotransform"], json!([30000.0, 20.0, 0.0, 50000.0, 0.0, -20.0]));
        assert_eq!(tile["inputs"][0]["shapes"], json!([[1, rows, cols]]));
        let corner = [30000 + 20 * 256 * col + 10, 50000 - 20 * 256 * row - 10];
        assert_eq!(tile["first_centre"], json!(corner.map(|n| n as f64)));
        assert!(tile["crs"].as_str().unwrap().contains("28355"));
    }

    f.job(
        "places",
        "[inputs.image]\npath = 'a.tif'\n[outputs.index]\npath = 'index.tif'\n[outputs.tile]\npath = 'tile.tif'\n",
    );
    f.run("--set grid.tile=[256,256]").ok();
    f.python(
        "
        rows, cols = np.mgrid[:1000, :900].astype('u2')
        same('index.tif', np.stack([rows, cols]), nodata=None)
        same('tile.tif', (rows // 256 * 4 + cols // 256).astype('u4'), nodata=None)
        assert gdal.Open('index.tif').GetGeoTransform() == (30000, 20, 0, 50000, 0, -20)
        ",
    );
}

/// C10: file names, band names and nodata of each input, as the job file and the files have them.
#[test]
fn names_and_nodata_of_inputs() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(), nodata=253)
        write('b.tif', np.stack([ramp(), ramp()]), nodata=254, names=['blue', 'green'])
        write('c.tif', ramp(), nodata=255)
        write('d.tif', ramp())
        ",
    );
    f.job("context", "[inputs.image]\npath = 'a.tif'\n[inputs.others]\npaths = ['b.tif', 'c.tif', 'd.tif']\n");
    let report = f.report("--set workers.count=4 --set grid.tile=[200,200]");
    let tiles = report["result"].as_array().unwrap();
    assert_eq!(tiles.len(), 9);
    for tile in tiles {
        let [image, others] = [&tile["inputs"][0], &tile["inputs"][1]];
        assert_eq!((&image["name"], &others["name"]), (&json!("image"), &json!("others")));
        assert_eq!((&image["nodata"], &image["tile_nodata"]), (&json!([253.0]), &json!([253.0])));
        assert_eq!(others["nodata"], json!([254.0, 255.0, null]));
        assert_eq!(others["tile_nodata"], others["nodata"]);
        assert_eq!(others["bands"], json!([["blue", "green"], [""], [""]]));
        let paths: Vec<_> = others["paths"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        assert!(paths.iter().zip(["b.tif", "c.tif", "d.tif"]).all(|(path, name)| path.ends_with(name)), "{paths:?}");
    }
}

/// C11, C12, W15: coordinates of pixels, and the pixel of a point, which lies in one tile only unless halos overlap.
#[test]
fn coordinates_and_points() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(), nodata=255)");
    let centres = |tiles: &[Value]| tiles.iter().map(|t| t["first_centre"].clone()).collect::<Vec<_>>();
    let points = |tiles: &[Value]| tiles.iter().map(|t| t["point"].clone()).collect::<Vec<_>>();

    let tiles = context(&f, "a.tif", "--set grid.tile=[256,256] --set params.x=501105 --set params.y=6998895");
    let expected = [[500005.0, 6999995.0], [502565.0, 6999995.0], [500005.0, 6997435.0], [502565.0, 6997435.0]];
    assert_eq!(centres(&tiles), expected.map(|c| json!(c)));
    assert_eq!(points(&tiles), [json!([110, 110]), json!(null), json!(null), json!(null)]);

    let set = "--set grid.tile=[256,256] --set params.margin=2 --set params.x=501105 --set params.y=6998895";
    let tiles = context(&f, "a.tif", set);
    let expected = [[499985.0, 7000015.0], [502545.0, 7000015.0], [499985.0, 6997455.0], [502545.0, 6997455.0]];
    assert_eq!(centres(&tiles), expected.map(|c| json!(c)));
    assert_eq!(points(&tiles), [json!([112, 112]), json!(null), json!(null), json!(null)]);

    // On the border of two tiles a point belongs to the right and lower one, and to no pixel beyond the last.
    let at = |x: u32, y: u32| {
        points(&context(&f, "a.tif", &format!("--set grid.tile=[256,256] --set params.x={x} --set params.y={y}")))
    };
    assert_eq!(at(502560, 6997440), [json!(null), json!(null), json!(null), json!([0, 0])]);
    assert_eq!(at(500000, 7000000), [json!([0, 0]), json!(null), json!(null), json!(null)]);
    assert_eq!(at(505000, 7000000), vec![json!(null); 4]);
    assert_eq!(at(500000, 6995000), vec![json!(null); 4]);
}

/// C14: the footprints of two files 100 pixels apart.
#[test]
fn footprints() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(), nodata=255)
        write('b.tif', ramp(), nodata=255, gt=(501000, 10, 0, 6999000, 0, -10))
        ",
    );
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[inputs.other]\npath = 'b.tif'\n[outputs.add]\npath = 'add.tif'\n");
    f.run("--set grid.footprint=intersection").ok();
    f.python(
        "
        a, b = ramp().astype('f4'), ramp().astype('f4')
        same('add.tif', a[100:, 100:] + b[:400, :400])
        assert gdal.Open('add.tif').GetGeoTransform() == (501000, 10, 0, 6999000, 0, -10)
        ",
    );
    f.run("--set grid.footprint=union --set grid.tile=[256,256] --overwrite").ok();
    f.python(
        "
        both = np.full((600, 600), np.nan, 'f4')
        both[100:500, 100:500] = ramp()[100:, 100:].astype('f4') + ramp()[:400, :400]
        same('add.tif', both)
        assert gdal.Open('add.tif').GetGeoTransform() == (500000, 10, 0, 7000000, 0, -10)
        ",
    );
    let report = f.report("--set grid.footprint=union --set grid.tile=[256,256] --overwrite");
    // A tile in a corner that neither file covers is left out.
    assert_eq!((&report["tiles"]["total"], &report["grid"]["rows"]), (&json!(9), &json!(600)));

    f.run("--set grid.footprint=reference --overwrite").ok();
    f.python(
        "
        both = np.full((500, 500), np.nan, 'f4')
        both[100:, 100:] = ramp()[100:, 100:].astype('f4') + ramp()[:400, :400]
        same('add.tif', both)
        ",
    );
    f.run("--set grid.footprint=reference --set grid.reference=other --overwrite").ok();
    f.python("assert gdal.Open('add.tif').GetGeoTransform() == (501000, 10, 0, 6999000, 0, -10)");

    f.run("--set grid.bounds=[501000,6998000,501500,6998200] --overwrite").ok();
    f.python(
        "
        same('add.tif', ramp()[180:200, 100:150].astype('f4') + ramp()[80:100, :50])
        assert gdal.Open('add.tif').GetGeoTransform() == (501000, 10, 0, 6998200, 0, -10)
        ",
    );
    f.run("--set grid.extent_from=['b.tif'] --overwrite").ok();
    f.python(
        "
        both = np.full((500, 500), np.nan, 'f4')
        both[:400, :400] = ramp()[100:, 100:].astype('f4') + ramp()[:400, :400]
        same('add.tif', both)
        ",
    );
}

/// C23: no statistics unless asked for. C25: statistics of a file without nodata.
#[test]
fn statistics_only_when_asked_for() {
    let f = Folder::new();
    f.python("write('a.tif', ramp())");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    f.run("").ok();
    f.python(
        "
        b = band('copy.tif')
        assert b.GetMetadata() == {}, b.GetMetadata()
        assert b.GetOverviewCount() == 0 and not os.path.exists('copy.tif.aux.xml')
        ",
    );
    f.run("--overwrite --set outputs.copy.statistics=true --set outputs.copy.histogram=true").ok();
    f.python(
        "
        b = band('copy.tif')
        items = b.GetMetadata()
        number = lambda name: float(items['STATISTICS_' + name])
        assert number('MINIMUM') == 0 and number('MAXIMUM') == 100
        assert abs(number('MEAN') - 49.501004) < 1e-9 and abs(number('STDDEV') - 20.455229135650963) < 1e-9
        check_histogram(b, ramp())
        ",
    );
}

/// W5: exactly the nodata pixels are left out of a histogram, for a negative nodata value as well. W12: whatever the
/// values, it stays small.
#[test]
fn histograms() {
    let f = Folder::new();
    f.python(
        "
        a = ramp().astype('i2') - 50
        write('a.tif', a, nodata=-7)
        big = ramp().astype('u8') * (2**64 // 101)
        write('big.tif', big)
        ",
    );
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nnodata = -7\nstatistics = true\nhistogram = true\n",
    );
    f.run("").ok();
    f.python(
        "
        values = (ramp().astype('i2') - 50).ravel()
        valid = values[values != -7]
        b = band('copy.tif')
        assert check_histogram(b, valid) == 101
        assert abs(float(b.GetMetadataItem('STATISTICS_MEAN')) - valid.mean()) < 1e-9
        ",
    );
    f.run("--overwrite --set inputs.image.path=big.tif --set outputs.copy.nodata=none").ok();
    f.python(
        "
        assert check_histogram(band('copy.tif'), read('big.tif')) <= 4096
        ",
    );
}

/// W7: files that all lack a CRS work like files that share one; one that has none doesn't go with one that has.
#[test]
fn files_without_crs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(), epsg=None); write('b.tif', ramp(), epsg=None); write('c.tif', ramp())");
    f.job("mean", "[inputs.images]\npaths = ['a.tif', 'b.tif']\n[outputs.mean]\npath = 'mean.tif'\n");
    f.run("").ok();
    f.python("same('mean.tif', ramp()); assert gdal.Open('mean.tif').GetProjection() == ''");
    let run = f.run("--set inputs.images.paths=['a.tif','c.tif'] --overwrite");
    assert!(run.error(2).contains("CRS"), "{}", run.stderr);
}
