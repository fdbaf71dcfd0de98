//! `tilefn stats`: what it prints, and what it refuses.

use crate::rasters::{folder, python};
use std::path::Path;
use std::process::{Command, Output};

fn stats(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tilefn-under-test"))
        .arg("stats")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// C25's numbers: a file without nodata is normal input.
#[test]
fn bands_are_printed_and_stored() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.stack([ramp(), np.full((500, 500), 3, np.uint8)])); make('b.tif', np.zeros((9, 9), np.int16), nodata=0)",
    );
    let output = stats(dir.path(), &["a.tif", "b.tif"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let [first, second, third] = lines[..] else { panic!("{text}") };
    assert!(first.starts_with("a.tif band 1: mean 49.501004, stddev 20.45522913565"), "{first}");
    assert!(first.ends_with(", min 0, max 100, median 50, mode 50"), "{first}");
    assert_eq!(second, "a.tif band 2: mean 3, stddev 0, min 3, max 3, median 3, mode 3");
    assert_eq!(third, "b.tif band 1: no valid pixel");
    python(
        dir.path(),
        "
band = open_band('a.tif')
assert band.GetMetadataItem('STATISTICS_MEAN') == '49.501004' and band.GetOverviewCount() == 1
counts = np.bincount(ramp().ravel())
assert counts.argmax() == 50 and np.median(ramp()) == 50",
    );
    let output = stats(dir.path(), &["--json", "--overviews", "none", "a.tif"]);
    let event: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(event["path"], "a.tif");
    assert_eq!(
        event["bands"][1],
        serde_json::json!({ "count": 250_000, "mean": 3.0, "stddev": 0.0, "min": 3.0, "max": 3.0, "median": 3.0, "mode": 3.0 })
    );
}

/// An Imagine file has as many rows in its attribute table as the stored histogram has bins: none may get lost.
#[test]
fn an_attribute_table_keeps_its_rows() {
    let dir = folder();
    python(
        dir.path(),
        "
make('a.img', ramp() % 3, driver='HFA')
ds = gdal.Open('a.img', gdal.GA_Update)
table = gdal.RasterAttributeTable()
table.CreateColumn('Class_Names', gdal.GFT_String, gdal.GFU_Name)
table.SetRowCount(20)
for row in range(20):
    table.SetValueAsString(row, 0, f'class {row}')
ds.GetRasterBand(1).SetDefaultRAT(table)
",
    );
    assert_eq!(stats(dir.path(), &["a.img"]).status.code(), Some(0));
    python(
        dir.path(),
        "
table = open_band('a.img').GetDefaultRAT()
usages = [table.GetUsageOfCol(i) for i in range(table.GetColumnCount())]
assert table.GetRowCount() == 20, table.GetRowCount()
names, counts = usages.index(gdal.GFU_Name), usages.index(gdal.GFU_PixelCount)
assert [table.GetValueAsString(i, names) for i in (0, 19)] == ['class 0', 'class 19']
assert [table.GetValueAsDouble(i, counts) for i in range(20)] == list(np.bincount((ramp() % 3).ravel(), minlength=20))
",
    );
}

#[test]
fn what_is_refused() {
    let dir = folder();
    let output = stats(dir.path(), &["no.tif"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("can't open no.tif"));
    let output = stats(dir.path(), &["no.tif", "--overviews", "best"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there are none, nearest, average"));
}
