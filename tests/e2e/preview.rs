//! `tilefn preview`: its pictures, read back through GDAL, against numpy.

use crate::rasters::{folder, python};
use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tilefn-under-test"))
        .arg("preview")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn preview(folder: &Path, arguments: &[&str]) {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

/// `level` is the share of 255, halves up; `png` the picture as `[rows, cols, 4]`; `same` compares and says where.
const CHECKS: &str = "
def level(a, lo, hi):
    return np.floor(np.clip((a - lo) / (hi - lo), 0, 1) * 255 + 0.5).astype(np.uint8)
def png(path):
    return np.moveaxis(gdal.Open(path).ReadAsArray(), 0, -1)
def same(path, rgb, valid):
    got = png(path)
    expected = np.where(valid[..., None], np.dstack([*rgb, np.full(valid.shape, 255, np.uint8)]), 0)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    assert (got == expected).all(), np.argwhere(got != expected)[:5]
";

fn check(folder: &Path, script: &str) {
    python(folder, &format!("{CHECKS}\n{script}"));
}

#[test]
fn one_band_is_stretched_between_percentiles() {
    let dir = folder();
    let make = "
a = np.random.default_rng(1).normal(100, 20, (30, 50)).astype(np.float32)
a[3:6, 4:9] = -9999; a[0, 0] = np.nan; a[29, 49] = np.inf
";
    python(dir.path(), &format!("{make}\nmake('a.tif', a, nodata=-9999)"));
    preview(dir.path(), &["a.tif", "-o", "a.png"]);
    preview(dir.path(), &["a.tif", "-o", "r.png", "--range", "-10,150.5", "--ramp", "GRAY"]);
    check(
        dir.path(),
        &format!(
            "{make}
valid = ~np.isnan(a) & (a != -9999)
lo, hi = np.percentile(a[np.isfinite(a) & valid].astype(np.float64), [2, 98])
g = level(a.astype(np.float64), lo, hi)
same('a.png', [g, g, g], valid)
g = level(a.astype(np.float64), -10, 150.5)
same('r.png', [g, g, g], valid)"
        ),
    );
}

#[test]
fn large_rasters_are_averaged_over_valid_pixels() {
    let dir = folder();
    let make = "
a = np.random.default_rng(2).integers(1, 1000, (80, 120)).astype(np.int16)
a[:9, :14] = 0; a[40, 60] = 0
";
    python(dir.path(), &format!("{make}\nmake('a.tif', a, nodata=0)"));
    // 120 columns in 30: every pixel of the picture is the mean of 4 × 4.
    preview(dir.path(), &["a.tif", "-o", "a.png", "--size", "30", "--range=0,1000"]);
    check(
        dir.path(),
        &format!(
            "{make}
blocks = np.where(a == 0, np.nan, a).reshape(20, 4, 30, 4)
count = np.isfinite(blocks).sum(axis=(1, 3))
mean = np.where(count > 0, np.nansum(blocks, axis=(1, 3)) / np.maximum(count, 1), np.nan)
got = png('a.png').astype(int)
assert got.shape == (20, 30, 4)
assert (got[..., 3] == np.where(count > 0, 255, 0)).all()
g = level(np.nan_to_num(mean), 0, 1000).astype(int)
# GDAL may round the mean to the band's type, a 1000th of the range.
assert abs(got[..., 0] - g)[count > 0].max() <= 1"
        ),
    );
}

#[test]
fn overviews_are_used() {
    let dir = folder();
    // The overview is told apart from the pixels by its values.
    python(
        dir.path(),
        "make('a.tif', np.full((400, 400), 50, np.uint8))
ds = gdal.Open('a.tif', gdal.GA_Update)
ds.BuildOverviews('NEAREST', [4])
ds.GetRasterBand(1).GetOverview(0).WriteArray(np.full((100, 100), 200, np.uint8))",
    );
    preview(dir.path(), &["a.tif", "-o", "a.png", "--size", "100", "--range", "0,255"]);
    check(dir.path(), "g = np.full((100, 100), 200, np.uint8); same('a.png', [g, g, g], g > 0)");
}

#[test]
fn three_bands_are_red_green_and_blue() {
    let dir = folder();
    let make = "
a = np.random.default_rng(3).integers(0, 4000, (4, 20, 30)).astype(np.uint16)
a[:, :5, :5] = 0; a[3, 10, 10] = 0
valid = lambda bands: (a[bands] != 0).all(axis=0)
def stretched(band):
    return level(a[band].astype(float), *np.percentile(a[band][a[band] != 0].astype(float), [2, 98]))
";
    python(dir.path(), &format!("{CHECKS}{make}\nmake('a.tif', a, nodata=0)"));
    preview(dir.path(), &["a.tif", "-o", "a.png"]);
    preview(dir.path(), &["a.tif", "-o", "b.png", "--bands", "4,2,1"]);
    preview(dir.path(), &["a.tif", "-o", "c.png", "--bands", "4"]);
    check(
        dir.path(),
        &format!(
            "{make}
same('a.png', [stretched(b) for b in [0, 1, 2]], valid([0, 1, 2]))
same('b.png', [stretched(b) for b in [3, 1, 0]], valid([3, 1, 0]))
same('c.png', [stretched(3)] * 3, valid([3]))"
        ),
    );
}

#[test]
fn colour_tables_and_ramps() {
    let dir = folder();
    python(
        dir.path(),
        "table = gdal.ColorTable()
for i, c in enumerate([(10, 20, 30, 255), (0, 255, 0, 255), (200, 100, 50, 255), (1, 2, 3, 255)]):
    table.SetColorEntry(i, c)
ds = gdal.GetDriverByName('GTiff').Create('a.tif', 3, 2, 1, gdal.GDT_Byte)
band = ds.GetRasterBand(1)
band.SetColorTable(table)
band.SetNoDataValue(4)
band.WriteArray(np.array([[0, 1, 2], [3, 4, 255]], np.uint8))",
    );
    preview(dir.path(), &["a.tif", "-o", "a.png"]);
    preview(dir.path(), &["a.tif", "-o", "v.png", "--ramp", "viridis", "--range", "0,3"]);
    check(
        dir.path(),
        // A GeoTIFF's table has 256 entries; those not set are black. Viridis begins and ends as matplotlib's does.
        "assert png('a.png').tolist() == [
  [[10, 20, 30, 255], [0, 255, 0, 255], [200, 100, 50, 255]], [[1, 2, 3, 255], [0, 0, 0, 0], [0, 0, 0, 255]]]
v = png('v.png')
assert v[0, 0].tolist() == [68, 1, 84, 255] and v[1, 0].tolist() == [253, 231, 37, 255], v
assert v[1, 1].tolist() == [0, 0, 0, 0]",
    );
}

#[test]
fn masks_alpha_and_signed_bytes() {
    let dir = folder();
    python(
        dir.path(),
        "gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
a = np.arange(12, dtype=np.uint8).reshape(3, 4)
make('mask.tif', a)
ds = gdal.Open('mask.tif', gdal.GA_Update)
ds.CreateMaskBand(gdal.GMF_PER_DATASET)
ds.GetRasterBand(1).GetMaskBand().WriteArray(np.where(a == 5, 0, 255).astype(np.uint8))
ds = None
make('alpha.tif', np.stack([a, np.where(a == 7, 0, 255).astype(np.uint8)]), ['ALPHA=YES'])
make('signed.tif', np.array([[-128, -1], [0, 127]], np.int8))",
    );
    for name in ["mask", "alpha"] {
        preview(dir.path(), &[&format!("{name}.tif"), "-o", &format!("{name}.png"), "--range", "0,11"]);
    }
    preview(dir.path(), &["signed.tif", "-o", "signed.png", "--range", "-128,127"]);
    check(
        dir.path(),
        "a = np.arange(12).reshape(3, 4)
g = level(a, 0, 11)
same('mask.png', [g, g, g], a != 5)
same('alpha.png', [g, g, g], a != 7)
assert png('signed.png')[..., 0].tolist() == [[0, 127], [128, 255]]",
    );
}

#[test]
fn nothing_valid_is_all_transparent() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.full((4, 5), np.nan, np.float32)); make('b.tif', np.full((4, 5), 7, np.uint8))",
    );
    preview(dir.path(), &["a.tif", "-o", "a.png"]);
    preview(dir.path(), &["b.tif", "-o", "b.png"]);
    check(
        dir.path(),
        "assert (png('a.png') == 0).all()
assert (png('b.png') == [0, 0, 0, 255]).all()",
    );
}

#[test]
fn refuses_what_it_cannot_draw() {
    let dir = folder();
    python(dir.path(), "make('a.tif', np.zeros((2, 4, 5), np.uint8))");
    assert_eq!(
        refused(dir.path(), &["a.tif", "-o", "a.png", "--bands", "3"]),
        "error: a.tif: there is no band 3: it has 2\n"
    );
    assert_eq!(
        refused(dir.path(), &["a.tif", "-o", "a.png", "--bands", "1,2"]),
        "error: a.tif: a picture takes one band or three, not 2\n"
    );
    let missing = refused(dir.path(), &["none.tif", "-o", "a.png"]);
    assert!(missing.starts_with("error: can't open none.tif: "), "{missing}");
    for (arguments, message) in [
        (["--range", "2,1"], "two numbers, the smaller first, e.g. -1,1"),
        (["--ramp", "mauve"], "there are viridis, inferno, "),
        (["--size", "0"], "0 is not in 1..=4096"),
        (["-o", "a.tif"], "a picture's name ends in .png"),
    ] {
        let mut all = vec!["a.tif"];
        if arguments[0] != "-o" {
            all.extend(["-o", "a.png"]);
        }
        all.extend(arguments);
        let text = refused(dir.path(), &all);
        assert!(text.contains(message), "{text}");
    }
    assert!(!dir.path().join("a.png").exists());
}

#[test]
fn a_failed_write_leaves_nothing() {
    let dir = folder();
    python(dir.path(), "make('a.tif', np.zeros((4, 5), np.uint8))");
    let output = run(dir.path(), &["a.tif", "-o", "no/such/folder/a.png"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: can't write no/such/folder/a.png: "), "{text}");
    preview(dir.path(), &["a.tif", "-o", "a.png"]);
    preview(dir.path(), &["a.tif", "-o", "a.png"]);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
