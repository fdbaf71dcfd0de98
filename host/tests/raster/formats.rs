//! Drivers, their options, and what they can't do.

use crate::support::{folder, names, path, python, target_spec, write};
use tilefn::grid::Window;
use tilefn::raster::{Nodata, Overviews, Target, TargetSpec};
use tilefn_abi::DType;

#[test]
fn many_formats() {
    let dir = folder();
    for (name, driver) in [
        ("a.tif", None),
        ("b.img", None),
        ("c.nc", None),
        ("d.zarr", Some("Zarr")),
        ("e.dat", Some("ENVI")),
        ("f.tif", Some("cog")),
        ("g.png", None),
        ("h.tif", Some("GTiff")),
    ] {
        let spec = TargetSpec {
            driver: driver.map(str::to_owned),
            nodata: Some(Nodata::Int(0)),
            statistics: true,
            histogram: true,
            ..target_spec(dir.path(), name, (150, 200), DType::UInt16)
        };
        let mut target = Target::create(spec).unwrap();
        for row in [0, 128] {
            let rows = if row == 0 { 128 } else { 22 };
            target.skip(Window::new(row, 128, rows, 72)).unwrap();
            let pixels: Vec<u16> = (0..rows * 128)
                .map(|i| (row as u16 * 128 + i as u16) % 1000 + 1)
                .collect();
            target
                .write(
                    Window::new(row, 0, rows, 128),
                    bytemuck::cast_slice(&pixels),
                )
                .unwrap();
        }
        target.finish(&mut |_| true).unwrap();
    }
    python(
        dir.path(),
        "
expected = np.zeros((150, 200), np.uint16)
expected[:, :128] = ((np.arange(150 * 128) % 65536 % 1000) + 1).reshape(150, 128)
valid = expected[expected != 0].astype(float)
for name in ('a.tif', 'b.img', 'c.nc', 'd.zarr', 'e.dat', 'f.tif', 'g.png', 'h.tif'):
    ds = gdal.Open(name)
    assert (ds.ReadAsArray().reshape(150, 200) == expected).all(), name
    band = ds.GetRasterBand(1)
    items = band.GetMetadata()
    if name == 'd.zarr':
        continue  # GDAL 3.6 does not store metadata of bands there
    assert 'STATISTICS_MEAN' in items, (name, items, os.listdir('.'))
    found = [float(items['STATISTICS_' + k]) for k in ('MINIMUM', 'MAXIMUM', 'MEAN', 'STDDEV')]
    assert np.allclose(found, [valid.min(), valid.max(), valid.mean(), valid.std()]), (name, found)
assert gdal.Open('f.tif').GetMetadataItem('LAYOUT', 'IMAGE_STRUCTURE') == 'COG'
",
    );
    let found = names(dir.path());
    assert!(found.iter().all(|name| !name.starts_with('.')), "{found:?}");
    assert!(found.contains(&"e.hdr".to_owned()), "{found:?}");
}

#[test]
fn a_zarr_store_is_replaced_but_no_other_folder() {
    let dir = folder();
    let spec = |name: &str| TargetSpec {
        driver: Some("Zarr".into()),
        ..target_spec(dir.path(), name, (20, 30), DType::Int16)
    };
    for value in [1i16, 2] {
        write(spec("a.zarr"), |_, _, _| value).unwrap();
    }
    python(dir.path(), "assert (read('a.zarr') == 2).all()");
    assert_eq!(names(dir.path()), ["a.zarr"]);
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let file = path(dir.path(), "data");
    assert_eq!(
        Target::create(spec("data")).unwrap_err().to_string(),
        format!("can't create {file}: it is a folder")
    );
}

#[test]
fn virtual_files_are_written_at_the_end() {
    let dir = folder();
    let spec = TargetSpec {
        path: "/vsimem/tilefn-test/out.tif".into(),
        ..target_spec(dir.path(), "", (20, 30), DType::Int16)
    };
    let mut target = Target::create(spec).unwrap();
    crate::support::fill_target(&mut target, |_, r, c| (r * 30 + c) as i16).unwrap();
    assert!(tilefn::raster::inspect("/vsimem/tilefn-test/out.tif").is_err());
    target.finish(&mut |_| true).unwrap();
    let info = tilefn::raster::inspect("/vsimem/tilefn-test/out.tif").unwrap();
    let spec = crate::support::source_spec("/vsimem/tilefn-test/out.tif", &info);
    assert_eq!(
        crate::support::read::<i16>(&spec, Window::new(19, 28, 1, 2)),
        [598, 599]
    );
}

#[test]
fn cloud_optimised_with_overviews() {
    let dir = folder();
    let spec = TargetSpec {
        driver: Some("COG".into()),
        overviews: Overviews::Automatic,
        bands: 3,
        band_names: vec!["r".into(), "g".into(), "b".into()],
        histogram: true,
        statistics: true,
        options: vec!["BLOCKSIZE=256".into()],
        ..target_spec(dir.path(), "out.tif", (700, 900), DType::Float32)
    };
    write(spec, |b, r, c| (b * 1000 + r + c) as f32).unwrap();
    python(
        dir.path(),
        "
ds = gdal.Open('out.tif')
assert (ds.ReadAsArray() == np.fromfunction(lambda b, r, c: b * 1000 + r + c, (3, 700, 900))).all()
for i in (1, 2, 3):
    band = ds.GetRasterBand(i)
    assert band.GetOverviewCount() == 2 and band.GetBlockSize() == [256, 256]
    assert band.GetDescription() == 'rgb'[i - 1]
    assert band.GetMetadataItem('STATISTICS_HISTONUMBINS') == '256'
",
    );
    assert_eq!(names(dir.path()), ["out.tif"]);
}

#[test]
fn what_a_driver_cannot_do_shows_at_once() {
    let dir = folder();
    let error = |name: &str, change: &dyn Fn(&mut TargetSpec)| {
        let mut spec = target_spec(dir.path(), name, (20, 30), DType::UInt8);
        change(&mut spec);
        let file = spec.path.clone();
        let text = Target::create(spec).unwrap_err().to_string();
        assert!(names(dir.path()).is_empty());
        text.replace(&file, "FILE")
    };
    let driver = |name: &'static str| move |s: &mut TargetSpec| s.driver = Some(name.into());
    assert_eq!(
        error("out.tif", &driver("GTif")),
        "can't create FILE: GDAL has no driver \"GTif\"; do you mean \"GTiff\"?"
    );
    assert_eq!(
        error("out.tif", &driver("qqq")),
        "can't create FILE: GDAL has no driver \"qqq\""
    );
    assert_eq!(
        error("out.tif", &driver("GeoJSON")),
        "can't create FILE: GDAL's driver GeoJSON can't write rasters"
    );
    assert_eq!(
        error("out.what", &|_| {}),
        "can't create FILE: its extension belongs to no raster format that GDAL writes: set `driver`"
    );
    assert_eq!(
        error("out.png", &|s| s.dtype = DType::Float32),
        "can't create FILE: PNG can't hold float32 pixels, only Byte, UInt16"
    );
    let five_bands = error("out.png", &|s| s.bands = 5);
    assert!(
        five_bands.starts_with("can't create FILE: PNG driver doesn't support 5 bands."),
        "{five_bands}"
    );
    assert_eq!(
        error("out.tif", &|s| s.options = vec!["COMPRES=LZW".into()]),
        "can't create FILE: driver GTiff does not support creation option COMPRES"
    );
    let value = error("out.tif", &|s| s.options = vec!["COMPRESS=ZIPP".into()]);
    assert_eq!(
        value,
        "can't create FILE: 'ZIPP' is an unexpected value for COMPRESS creation option of type string-select."
    );
    assert_eq!(
        error("out.tif", &|s| s.options = vec!["TILED".into()]),
        "can't create FILE: the creation option \"TILED\" is not NAME=VALUE"
    );
    assert_eq!(
        error("out.tif", &|s| s.bands = 0),
        "can't create FILE: it has no bands"
    );
    assert_eq!(
        error("out.tif", &|s| s.band_names = vec!["a".into(), "b".into()]),
        "can't create FILE: 2 band names for 1 bands"
    );
    assert_eq!(
        error("out.tif", &|s| s.nodata = Some(Nodata::Int(-9999))),
        "FILE: nodata value -9999 does not fit uint8"
    );
    assert_eq!(
        error("out.tif", &|s| s.overview_resampling =
            Some("median".into())),
        "can't create FILE: GDAL has no resampling method \"median\" for overviews; it has nearest, average, rms, gauss, cubic, cubicspline, lanczos, bilinear, mode"
    );
    assert_eq!(
        error("no/out.tif", &|_| {}),
        format!(
            "can't create FILE: there is no folder {}",
            path(dir.path(), "no")
        )
    );
}
