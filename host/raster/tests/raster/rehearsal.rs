//! Outputs that are tried out before any work is done.

use crate::support::{folder, names, path, python, target_spec, write};
use tilefn_abi::DType;
use tilefn_raster::{Overviews, Rehearsal, TargetSpec};
use types::Nodata;

/// An output of 40 × 50 pixels, changed a little.
fn spec(folder: &std::path::Path, name: &str, dtype: DType, change: impl FnOnce(&mut TargetSpec)) -> TargetSpec {
    let mut spec = target_spec(folder, name, (40, 50), dtype);
    change(&mut spec);
    spec
}

/// The refusal without "can't create FILE: ".
#[track_caller]
fn refused(spec: &TargetSpec) -> String {
    let text = spec.rehearse().unwrap_err().to_string();
    let begin = format!("can't create {}: ", spec.path);
    assert!(text.starts_with(&begin), "{text}");
    text.strip_prefix(&begin).unwrap_or_default().to_owned()
}

fn options(options: &[&str]) -> Vec<String> {
    options.iter().map(|option| (*option).to_owned()).collect()
}

#[test]
fn formats_that_keep_everything() {
    let dir = folder();
    for (name, driver, dtype, beside) in [
        ("a.tif", None, DType::Float32, &[][..]),
        ("a.tif", Some("COG"), DType::Int64, &[]),
        ("a.img", None, DType::UInt16, &[]),
        ("a.nc", None, DType::Float64, &[]),
        ("bands.nc", None, DType::Int16, &[]),
        ("a.zarr", Some("Zarr"), DType::Int16, &[]),
        ("a.dat", Some("ENVI"), DType::Int32, &[".hdr", ".dat.aux.xml"]),
        ("a.png", None, DType::UInt8, &[".png.aux.xml"]),
    ] {
        let spec = spec(dir.path(), name, dtype, |s| {
            s.driver = driver.map(str::to_owned);
            s.bands = if name.starts_with("bands") { 3 } else { 1 };
            s.nodata = Some(if dtype.is_float() { Nodata::Float(f64::NAN) } else { Nodata::Int(7) });
        });
        let mut found = spec.rehearse().unwrap_or_else(|e| panic!("{name}: {e}"));
        found.beside.sort();
        let mut beside: Vec<_> = beside.iter().map(|text| (*text).to_owned()).collect();
        beside.sort();
        assert_eq!(found.warnings, [""; 0], "{name}");
        assert!(found.beside.iter().all(|ending| beside.contains(ending)), "{name}: {:?}", found.beside);
    }
    assert_eq!(names(dir.path()), [""; 0]);
}

/// Each would have failed at the end, or not at all.
#[test]
fn formats_that_lose_something() {
    let dir = folder();
    let at =
        |name: &str, dtype, change: &dyn Fn(&mut TargetSpec)| refused(&spec(dir.path(), name, dtype, |s| change(s)));
    let overviews = |s: &mut TargetSpec| s.overviews = Overviews::Levels(vec![2]);
    for (name, driver) in [("a.nc", "netCDF"), ("a.zarr", "Zarr"), ("a.png", "PNG"), ("a.fits", "FITS")] {
        let text = at(name, DType::UInt8, &|s| {
            s.driver = Some(driver.into());
            overviews(s);
        });
        assert!(
            text.contains("leave `overviews` and `levels` out, or choose a format that has them"),
            "{name}: {text}"
        );
    }
    for (name, driver) in [("a.grd", "GSBG"), ("a.gtx", "GTX")] {
        let text = at(name, DType::Float32, &|s| {
            s.driver = Some(driver.into());
            s.bands = 3;
        });
        assert!(text.contains("1 of 3 bands") || text.contains("band"), "{name}: {text}");
    }
    for driver in ["MEM", "KMLSUPEROVERLAY", "VRT"] {
        at("a.x", DType::UInt8, &|s| s.driver = Some(driver.into()));
    }
    at("a.zarr", DType::UInt8, &|s| {
        s.driver = Some("Zarr".into());
        s.color_table = Some("viridis".into());
    });
    at("a.img", DType::Int64, &|_| {});
    at("a.mpr", DType::UInt8, &|s| s.bands = 3);
    at("a.png", DType::UInt8, &|s| s.bands = 5);
    at("a.tif", DType::UInt8, &|s| s.options = options(&["BLOCKXSIZE=100", "BLOCKYSIZE=100", "TILED=YES"]));
    at("a.tif", DType::Float32, &|s| s.options = options(&["COMPRESS=JPEG"]));
    assert_eq!(at("a", DType::UInt8, &|_| {}), "it has no extension that says in which format: set `driver`");
}

#[test]
fn pixels_that_are_changed() {
    let dir = folder();
    let jpeg = |s: &mut TargetSpec| s.options = options(&["COMPRESS=JPEG"]);
    let lossy = spec(dir.path(), "a.tif", DType::UInt8, jpeg).rehearse().unwrap();
    assert_eq!(lossy.warnings, ["with these options GTiff stores pixels with loss"]);
    let text = refused(&spec(dir.path(), "a.tif", DType::UInt8, |s| {
        jpeg(s);
        s.nodata = Some(Nodata::Int(0));
    }));
    assert!(text.starts_with("with these options GTiff changes pixels, and the nodata value 0 is lost: "), "{text}");
    // What doesn't fit the bits is lost, too.
    let four = |s: &mut TargetSpec| s.options = options(&["NBITS=4"]);
    assert_eq!(spec(dir.path(), "a.tif", DType::UInt8, four).rehearse().unwrap(), Rehearsal::default());
    let text = refused(&spec(dir.path(), "a.tif", DType::UInt8, |s| {
        four(s);
        s.nodata = Some(Nodata::Int(255));
    }));
    assert_eq!(text, "the nodata value 255 has no room in NBITS=4: set nodata = \"none\", or another value");
    let half = |s: &mut TargetSpec| s.options = options(&["NBITS=16"]);
    let half = spec(dir.path(), "a.tif", DType::Float32, half).rehearse().unwrap();
    assert_eq!(half.warnings, ["with these options GTiff stores pixels with loss"]);
}

/// Options that need each other, whatever tilefn's own are.
#[test]
fn options_in_combination() {
    let dir = folder();
    for (name, given, bands, dtype) in [
        ("nbits1.tif", &["NBITS=1"][..], 1, DType::UInt8),
        ("nbits12.tif", &["NBITS=12"], 1, DType::UInt16),
        ("fax.tif", &["NBITS=1", "COMPRESS=CCITTFAX4"], 1, DType::UInt8),
        ("ycbcr.tif", &["COMPRESS=JPEG", "PHOTOMETRIC=YCBCR"], 3, DType::UInt8),
        ("webp.tif", &["COMPRESS=WEBP", "INTERLEAVE=PIXEL"], 3, DType::UInt8),
        ("lzma.tif", &["COMPRESS=LZMA"], 2, DType::Int32),
        ("strips.tif", &["TILED=NO", "BLOCKYSIZE=7"], 2, DType::Float64),
    ] {
        let spec = spec(dir.path(), name, dtype, |s| {
            s.options = options(given);
            s.bands = bands;
        });
        spec.rehearse().unwrap_or_else(|e| panic!("{name}: {e}"));
        match dtype {
            DType::UInt8 => write(spec, |_, r, c| (r + c) as u8 % 2),
            DType::UInt16 => write(spec, |_, r, c| (r + c) as u16 % 4096),
            DType::Int32 => write(spec, |_, r, c| (r - c) as i32),
            _ => write(spec, |_, r, c| (r - c) as f64 / 3.0),
        }
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    python(
        dir.path(),
        "
r, c = np.mgrid[0:40, 0:50]
for name in ('nbits1.tif', 'fax.tif'):
    assert (read(name) == (r + c) % 2).all(), name
assert (read('nbits12.tif') == r + c).all()
assert (read('lzma.tif') == r - c).all() and (read('strips.tif') == (r - c) / 3.0).all()
",
    );
}

/// Names as long as a file system has them: they work, or are refused now.
#[test]
fn long_names() {
    let dir = folder();
    for (length, extension) in [(255, "tif"), (250, "tif"), (250, "png"), (250, "dat")] {
        let name = format!("{}.{extension}", "n".repeat(length - 1 - extension.len()));
        let spec = spec(dir.path(), &name, DType::UInt8, |s| {
            s.nodata = Some(Nodata::Int(3));
            s.driver = (extension == "dat").then(|| "ENVI".into());
        });
        if spec.rehearse().is_ok() {
            write(spec, |_, _, _| 1u8).unwrap_or_else(|e| panic!("{length} {extension}: {e}"));
            python(dir.path(), &format!("assert open_band('{name}').GetNoDataValue() == 3"));
            std::fs::remove_file(path(dir.path(), &name)).unwrap();
        } else {
            assert_ne!(extension, "tif");
        }
    }
}
