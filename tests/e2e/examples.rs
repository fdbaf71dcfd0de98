//! Every example with its own job file on real scenes, against numpy or GDAL's own tools.

use crate::support::{Folder, ROOT, Run, module, scenes};
use serde_json::{Value, json};
use std::path::Path;

/// A folder laid out like the repository, with one example and its module; its outputs land in `demo`.
struct Example {
    folder: Folder,
    job: String,
}

impl Example {
    fn new(name: &str) -> Self {
        Self::with_module(name, |path| {
            let file = path.join(name.replace('-', "_")).with_extension("wasm");
            std::fs::copy(module(&format!("examples/{name}")), file).unwrap();
        })
    }

    /// As [`new`](Self::new); `make` puts the module into the example's folder.
    fn with_module(name: &str, make: impl FnOnce(&Path)) -> Self {
        let folder = Folder::new();
        let path = folder.path().join("examples").join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::create_dir(folder.path().join("demo")).unwrap();
        std::os::unix::fs::symlink(scenes(), folder.path().join("demo/data")).unwrap();
        let source = format!("examples/{name}");
        std::fs::copy(Path::new(ROOT).join(&source).join("job.toml"), path.join("job.toml")).unwrap();
        make(&path);
        Self { folder, job: format!("{source}/job.toml") }
    }

    fn run(&self, arguments: &str) -> Run {
        self.folder
            .tilefn(["run", &self.job, "--report", "report.json"].into_iter().chain(arguments.split_whitespace()))
    }

    fn report(&self) -> Value {
        serde_json::from_str(&self.folder.read("report.json")).unwrap()
    }
}

const TILES: [&str; 3] =
    ["", "--overwrite --set grid.tile=[64,64]", "--overwrite --set grid.tile=[97,31] --workers threads:3"];

#[test]
fn ndvi() {
    let example = Example::new("ndvi");
    for tiles in TILES {
        example.run(tiles).ok();
        example.folder.python(
            "
            scene = read('demo/data/olinda/L7_ETMs.tif').astype('f4')
            red, nir = scene[2], scene[3]
            same('demo/ndvi.tif', (nir - red) / (nir + red), nodata=np.nan)
            b = band('demo/ndvi.tif')
            assert b.GetDescription() == 'ndvi'
            assert abs(float(b.GetMetadataItem('STATISTICS_MEAN')) - read('demo/ndvi.tif').mean(dtype='f8')) < 1e-6
            scene, mine = gdal.Open('demo/data/olinda/L7_ETMs.tif'), gdal.Open('demo/ndvi.tif')
            assert scene.GetGeoTransform() == mine.GetGeoTransform()
            assert scene.GetSpatialRef().IsSame(mine.GetSpatialRef())
            ",
        );
    }
}

#[test]
fn focal_mean() {
    let example = Example::new("focal-mean");
    for (edge, pad) in [("reflect", "symmetric"), ("nearest", "edge"), ("nodata", "none")] {
        for tiles in ["--overwrite", "--overwrite --set grid.tile=[50,20] --workers threads:3"] {
            example.run(&format!("{tiles} --set grid.edge={edge}")).ok();
            example.folder.python(&format!(
                "
                r = 3
                scene = read('demo/data/olinda/L7_ETMs.tif').astype('f8')
                pad = lambda a, mode: np.pad(a, ((0, 0), (r, r), (r, r)), **mode)
                mode = dict(mode='constant') if '{pad}' == 'none' else dict(mode='{pad}')
                padded, ones = pad(scene, mode), pad(np.ones_like(scene), mode)
                window = lambda a: sum(
                    a[:, i : i + scene.shape[1], j : j + scene.shape[2]] for i in range(2 * r + 1) for j in range(2 * r + 1)
                )
                mean = (window(padded) / window(ones)).astype('f4')
                found = read('demo/focal-mean.tif')
                assert found.dtype == mean.dtype and found.shape == mean.shape
                # Sums of bytes are exact, so only the division rounds.
                assert np.abs(found / mean - 1).max() < 2e-7, np.abs(found / mean - 1).max()
                "
            ));
        }
    }
}

#[test]
fn slope_and_hillshade() {
    let example = Example::new("slope-hillshade");
    let check = |dem: &str, options: &str| {
        example.folder.python(&format!(
            "
            dem = 'demo/data/{dem}'
            slope = gdal.DEMProcessing('/vsimem/slope.tif', dem, 'slope', options='{options}').ReadAsArray()
            shade = gdal.DEMProcessing('/vsimem/shade.tif', dem, 'hillshade', options='{options}').ReadAsArray()
            mine = read('demo/slope.tif')[0]
            assert (np.isnan(mine) == (slope == -9999)).all()
            valid = slope != -9999
            # A ring of one pixel has no complete window; srtm has holes as well.
            assert valid.sum() > 0.9 * slope.size and not valid[0].any() and not valid[:, -1].any()
            assert np.abs(mine - slope)[valid].max() < 1e-4, np.abs(mine - slope)[valid].max()
            mine = read('demo/hillshade.tif')[0]
            assert mine.dtype == np.uint8 and band('demo/hillshade.tif').GetNoDataValue() == 0
            assert ((mine == 0) == (shade == 0)).all()
            # gdaldem approximates a square root: now and then it rounds the other way.
            difference = np.abs(mine.astype('i2') - shade)
            assert difference.max() <= 1 and (difference > 0).mean() < 1e-3, (difference.max(), (difference > 0).mean())
            "
        ));
    };
    for tiles in TILES {
        example.run(tiles).ok();
        check("srtm/srtm_ref.tif", "-s 111120");
    }
    assert_eq!(
        example.folder.python(
            "result = band('demo/hillshade.tif').GetOverviewCount(), band('demo/slope.tif').GetOverviewCount()"
        ),
        json!([2, 0])
    );
    let other_dem = "--overwrite --set inputs.dem.path=demo/data/olinda/olinda_dem_utm25s.tif";
    let path = example.folder.path().display().to_string();
    let set = other_dem.replace("=demo", &format!("={path}/demo"));
    example.run(&format!("{set} --set params.scale=1")).ok();
    check("olinda/olinda_dem_utm25s.tif", "");
}

#[test]
fn cloud_free_median() {
    let example = Example::new("cloud-free-median");
    let cube = r#"'NETCDF:"demo/data/romania/sentinel2_cube_subset_romania_10m.nc":'"#;
    let expected = |dates: &str, clear: &str| {
        format!(
            "
            import warnings
            warnings.simplefilter('ignore')  # of pixels without a clear date
            red = read({cube} + 'B4')[{dates}].astype('f4')
            classes = read({cube} + 'SCL')[{dates}]
            seen = np.isin(classes, {clear}) & (red != 0)
            median = np.nanmedian(np.where(seen, red, np.nan), axis=0).astype('f4')
            "
        )
    };
    for tiles in ["", "--overwrite --set grid.tile=[33,20] --workers threads:3"] {
        example.run(tiles).ok();
        example.folder.python(&format!(
            "{}\n            same('demo/median-red.tif', median, nodata=np.nan)",
            expected(":", "[4, 5, 6, 7, 11]")
        ));
    }

    // The same dates as files of their own.
    example.folder.python(&format!(
        "{}
            for n in range(12):
                write(f'red-{{n:02}}.tif', red[n].astype('u2'), nodata=0)
                write(f'scl-{{n:02}}.tif', classes[n].astype('u1'), nodata=0)
            ",
        expected(":12", "[5, 7]")
    ));
    let path = example.folder.path().display().to_string();
    let files = format!(
        "--overwrite --set inputs.images.paths=['{path}/red-*.tif'] --set inputs.classes.paths=['{path}/scl-*.tif'] --set params.clear=[5,7]"
    );
    example.run(&files).ok();
    example.folder.python(&format!(
        "{}
            assert np.isnan(median).any()
            same('demo/median-red.tif', median, nodata=np.nan)
            assert gdal.Open('demo/median-red.tif').GetGeoTransform() == GT
            ",
        expected(":12", "[5, 7]")
    ));

    let run = example.run(&format!("--overwrite --set inputs.images.paths=['{path}/red-*.tif']"));
    assert!(run.error(2).contains("inputs."), "{}", run.stderr);
    let run = example.run(&format!("{files} --set inputs.classes.paths=['{path}/scl-0*.tif']"));
    let message = run.error(1);
    assert!(message.ends_with("12 dates of images, but 10 of classes"), "{message}");
}

#[test]
fn land_cover_histogram() {
    let example = Example::new("land-cover-histogram");
    for tiles in TILES {
        example.run(&tiles.replace("--overwrite", "")).ok();
        let expected = example.folder.python(
            r#"
            classes = read('NETCDF:"demo/data/romania/sentinel2_cube_subset_romania_10m.nc":SCL')
            ids, counts = np.unique(classes[classes != 0], return_counts=True)
            result = [
                {'class': int(c), 'pixels': int(n), 'area': float(n), 'share': float(n / counts.sum())}
                for c, n in zip(ids, counts)
            ]
            "#,
        );
        assert_eq!(example.report()["result"], expected);
    }
}

#[test]
fn zonal() {
    let example = Example::new("zonal");
    let zones = "examples/zonal/districts.geojson";
    std::fs::copy(Path::new(ROOT).join(zones), example.folder.path().join(zones)).unwrap();
    for tiles in TILES {
        example.run(&tiles.replace("--overwrite", "")).ok();
        let expected = example.folder.python(
            "
            scene = gdal.Open('demo/data/olinda/L7_ETMs.tif')
            zones = gdal.GetDriverByName('MEM').Create('', scene.RasterXSize, scene.RasterYSize, 1, gdal.GDT_Int32)
            zones.SetGeoTransform(scene.GetGeoTransform())
            zones.SetProjection(scene.GetProjection())
            districts = gdal.OpenEx('examples/zonal/districts.geojson')
            gdal.RasterizeLayer(zones, [1], districts.GetLayer(0), options=['ATTRIBUTE=id'])
            zones, values = zones.ReadAsArray(), scene.GetRasterBand(4).ReadAsArray().astype('f8')
            result = {}
            for zone in (101, 102, 7):
                v = values[zones == zone]
                result[str(zone)] = {'count': v.size, 'mean': v.mean(), 'min': v.min(), 'max': v.max()}
                assert v.size > 500
            ",
        );
        assert_eq!(example.report()["result"], expected);
    }
}

#[test]
fn tasselled_cap() {
    let example = Example::new("tasselled-cap");
    for tiles in TILES {
        example.run(tiles).ok();
        example.folder.python(
            "
            weights = np.array([
                [0.3561, 0.3972, 0.3904, 0.6966, 0.2286, 0.1596],
                [-0.3344, -0.3544, -0.4556, 0.6966, -0.0242, -0.2630],
                [0.2626, 0.2141, 0.0926, 0.0656, -0.7629, -0.5388],
            ])
            expected = np.tensordot(weights, read('demo/data/olinda/L7_ETMs.tif').astype('f8'), 1)
            found = read('demo/tasselled-cap.tif')
            assert found.dtype == np.float32 and found.shape == expected.shape
            assert np.abs(found - expected).max() < 1e-4, np.abs(found - expected).max()
            names = [band('demo/tasselled-cap.tif', n).GetDescription() for n in (1, 2, 3)]
            assert names == ['brightness', 'greenness', 'wetness'], names
            ",
        );
    }
}

/// The same function in C gives the same pixels, bit by bit.
#[test]
fn ndvi_in_c() {
    let example = Example::with_module("c-ndvi", |path| {
        let make = std::process::Command::new("make").arg("-C").arg(Path::new(ROOT).join("examples/c-ndvi")).output();
        let make = make.expect("make and clang are there (scripts/setup.sh test)");
        assert!(make.status.success(), "{}", String::from_utf8_lossy(&make.stderr));
        std::fs::copy(Path::new(ROOT).join("examples/c-ndvi/ndvi.wasm"), path.join("ndvi.wasm")).unwrap();
    });
    for tiles in TILES {
        example.run(tiles).ok();
        example.folder.python(
            "
            scene = read('demo/data/olinda/L7_ETMs.tif').astype('f4')
            same('demo/c-ndvi.tif', (scene[3] - scene[2]) / (scene[3] + scene[2]), nodata=np.nan)
            ",
        );
    }
}

/// Those of the gallery that need no Python.
#[test]
fn the_gallerys_expressions() {
    crate::gallery::compare(false);
}
