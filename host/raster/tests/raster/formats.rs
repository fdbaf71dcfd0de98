//! Drivers, their options, and what they can't do.

use crate::support::{fill_target, folder, names, path, python, read, source_spec, target_spec, write};
use grid::Window;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use tilefn_abi::DType;
use tilefn_raster::{Overviews, Target, TargetSpec, inspect};
use types::Nodata;

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
            let pixels: Vec<u16> = (0..rows * 128).map(|i| (row as u16 * 128 + i as u16) % 1000 + 1).collect();
            target.write(Window::new(row, 0, rows, 128), bytemuck::cast_slice(&pixels)).unwrap();
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
    fs::create_dir(dir.path().join("data")).unwrap();
    let file = path(dir.path(), "data");
    assert_eq!(Target::create(spec("data")).unwrap_err().to_string(), format!("can't create {file}: it is a folder"));
}

#[test]
fn virtual_files_are_written_at_the_end() {
    let dir = folder();
    let spec = TargetSpec {
        path: "/vsimem/tilefn-test/out.tif".into(),
        ..target_spec(dir.path(), "", (20, 30), DType::Int16)
    };
    let mut target = Target::create(spec).unwrap();
    fill_target(&mut target, |_, r, c| (r * 30 + c) as i16).unwrap();
    assert!(inspect("/vsimem/tilefn-test/out.tif").is_err());
    target.finish(&mut |_| true).unwrap();
    let info = inspect("/vsimem/tilefn-test/out.tif").unwrap();
    let spec = source_spec("/vsimem/tilefn-test/out.tif", &info);
    assert_eq!(read::<i16>(&spec, Window::new(19, 28, 1, 2)), [598, 599]);
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
    assert band.GetMetadataItem('STATISTICS_HISTONUMBINS') == '800'
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
        let text = spec.rehearse().map(|_| Target::create(spec)).and_then(|created| created).unwrap_err().to_string();
        assert!(names(dir.path()).is_empty());
        text.replace(&file, "FILE")
    };
    let driver = |name: &'static str| move |s: &mut TargetSpec| s.driver = Some(name.into());
    assert_eq!(
        error("out.tif", &driver("GTif")),
        "can't create FILE: GDAL has no driver \"GTif\"; do you mean \"GTiff\"?"
    );
    assert_eq!(error("out.tif", &driver("qqq")), "can't create FILE: GDAL has no driver \"qqq\"");
    // Debian's GDAL has no KEA.
    if python(dir.path(), "print(gdal.GetDriverByName('KEA'))").trim() == "None" {
        for text in [error("out.kea", &|_| {}), error("out.tif", &driver("kea"))] {
            let (before, after) =
                ("can't create FILE: this GDAL, ", ", is built without the driver KEA: choose another format");
            assert!(text.starts_with(before) && text.contains(after), "{text}");
        }
    }
    assert_eq!(error("out.tif", &driver("GeoJSON")), "can't create FILE: GDAL's driver GeoJSON can't write rasters");
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
        five_bands.starts_with("can't create FILE: copying to its format: PNG driver doesn't support 5 bands."),
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
        error("out.tif", &|s| s.options = ["PREDICTOR=3", "ENDIANNESS=BIG"].map(str::to_owned).to_vec()),
        "can't create FILE: GDAL writes wrong values with PREDICTOR=3 and another byte order than this machine's: leave out \
         PREDICTOR or ENDIANNESS"
    );
    assert_eq!(error("out.tif", &|s| s.bands = 0), "can't create FILE: it has no bands");
    assert_eq!(
        error("out.tif", &|s| s.band_names = vec!["a".into(), "b".into()]),
        "can't create FILE: 2 band names for 1 bands"
    );
    assert_eq!(
        error("out.tif", &|s| s.nodata = Some(Nodata::Int(-9999))),
        "FILE: nodata value -9999 does not fit uint8"
    );
    assert_eq!(
        error("out.tif", &|s| s.overview_resampling = Some("median".into())),
        "can't create FILE: GDAL has no resampling method \"median\" for overviews; it has nearest, average, rms, gauss, cubic, cubicspline, lanczos, bilinear, mode"
    );
    assert_eq!(
        error("no/out.tif", &|_| {}),
        format!("can't create FILE: there is no folder {}", path(dir.path(), "no"))
    );
}

/// Serves one file under every path but those that name a missing one, and notes what was asked for.
fn server(content: Vec<u8>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (note, notes) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(line)) = lines.next().filter(|l| l.as_ref().is_ok_and(|l| !l.is_empty())) {
                request.push_str(&line.to_ascii_lowercase());
                request.push('\n');
            }
            let (first, rest) = request.split_once('\n').unwrap_or_default();
            let _ = note.send(first.to_owned());
            let range = rest.split_once("range: bytes=").and_then(|(_, range)| range.split_once('-'));
            let range = range.and_then(|(from, to)| {
                let to: usize = to.lines().next()?.trim().parse().ok()?;
                Some((from.parse().ok()?, (to + 1).min(content.len())))
            });
            let (status, body) = match range {
                _ if first.contains("missing") => ("404 Not Found".to_owned(), &[][..]),
                Some((from, to)) => {
                    let head =
                        format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", to - 1, content.len());
                    (head, content.get(from..to).unwrap_or_default())
                }
                None => ("200 OK\r\nAccept-Ranges: bytes".to_owned(), &content[..]),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes());
            if !first.starts_with("head") {
                let _ = stream.write_all(body);
            }
        }
    });
    (address, notes)
}

#[test]
fn rasters_over_http() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.arange(200 * 300, dtype=np.int32).reshape(200, 300), ['TILED=YES'], nodata=-1)",
    );
    let (address, requests) = server(fs::read(dir.path().join("a.tif")).unwrap());
    let file = format!("http://{address}/scene.tif");
    let info = inspect(&file).unwrap();
    assert_eq!((info.grid.rows, info.grid.cols), (200, 300));
    assert_eq!(read::<i32>(&source_spec(&file, &info), Window::new(199, 297, 1, 4)), [59_997, 59_998, 59_999, -1]);
    // No search for files beside it.
    let requests: Vec<_> = requests.try_iter().collect();
    assert!(requests.iter().all(|r| r.contains(" /scene.tif ")), "{requests:?}");

    let file = format!("http://{address}/missing.tif");
    assert_eq!(inspect(&file).unwrap_err().to_string(), format!("can't open {file}: HTTP response code: 404"));
}
