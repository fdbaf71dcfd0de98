//! `tilefn diff` and `tilefn info`: what they say of files that GDAL has made, compared with numpy.

use crate::support::{Folder, assert_message};
use serde_json::{Value, json};

fn diff(f: &Folder, arguments: &[&str]) -> (i32, String) {
    let run = f.tilefn(["diff"].iter().chain(arguments));
    assert_eq!(run.stderr, "");
    (run.code, run.stdout)
}

#[test]
fn files_with_the_same_pixels_are_the_same() {
    let f = Folder::new();
    f.python(
        "
        a = np.stack([ramp(), ramp().T])
        write('a.tif', a)
        write('b.img', a, driver='HFA')
        write('c.tif', a, options=['TILED=YES', 'COMPRESS=DEFLATE', 'INTERLEAVE=BAND'])",
    );
    for other in ["b.img", "c.tif"] {
        assert_eq!(
            diff(&f, &["a.tif", other]),
            (0, format!("a.tif and {other} are the same: 500 × 500 pixels, 2 bands\n"))
        );
    }
}

/// Counts, the largest difference and the first pixel are numpy's; the file is larger than a window of the comparison.
#[test]
fn pixels_and_validity_are_counted() {
    let f = Folder::new();
    let numpy = f.python(
        "
        rng = np.random.default_rng(7)
        a = rng.normal(size=(2, 1500, 1100)).astype('f4')
        b = a.copy()
        for band in range(2):
            at = rng.integers(40, [1500, 1100], size=(300, 2))
            b[band, at[:, 0], at[:, 1]] += rng.normal(size=300).astype('f4') * 5
        a[0, 20, 30:40] = np.nan
        b[0, 30, 50] = np.nan
        a[1, 7, 8], b[1, 7, 8] = np.inf, np.inf
        write('a.tif', a, options=['TILED=YES'])
        write('b.tif', b)
        result = []
        for x, y in zip(a.astype('f8'), b.astype('f8')):
            both = np.isfinite(x) & np.isfinite(y)
            d = np.where(both, np.abs(np.where(both, x, 0) - np.where(both, y, 0)), 0)
            only_a, only_b = ~np.isnan(x) & np.isnan(y), np.isnan(x) & ~np.isnan(y)
            row, col = np.argwhere((d > 0) | only_a | only_b)[0]
            result.append({
                'differing': int((d > 0).sum()), 'largest': float(d.max()), 'only_first': int(only_a.sum()),
                'only_second': int(only_b.sum()), 'place': {'row': int(row), 'col': int(col)},
                'tolerant': int((d > 2.5).sum()),
            })",
    );
    let run = f.tilefn(["--json", "diff", "a.tif", "b.tif"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let event: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&event["same"], &event["properties"]), (&json!(false), &json!([])));
    let run = f.tilefn(["--json", "diff", "a.tif", "b.tif", "--tolerance", "2.5"]);
    let tolerant: Value = serde_json::from_str(&run.stdout).unwrap();
    for band in 0..2 {
        let mut expected = numpy[band].clone();
        let far = expected.as_object_mut().unwrap().remove("tolerant").unwrap();
        assert_eq!(event["bands"][band], expected);
        assert_eq!(tolerant["bands"][band]["differing"], far);
    }
    let (code, text) = diff(&f, &["a.tif", "b.tif"]);
    let (differing, largest) = (&numpy[0]["differing"], &numpy[0]["largest"]);
    assert_eq!(code, 1);
    let expected = format!(
        "  band 1       {differing} of 1650000 pixels differ, by up to {largest}, 1 are valid in a.tif only, 10 are valid in \
         b.tif only; the first at row 20, column 30: invalid; "
    );
    assert!(text.starts_with("a.tif and b.tif differ\n") && text.contains(&expected), "{text}\n{expected}");
}

/// Whole numbers that a float can't tell apart, and types that differ while numbers don't.
#[test]
fn values_are_compared_as_numbers() {
    let f = Folder::new();
    f.python(
        "
        a = np.array([[2**60, 5, -1]])
        write('a.tif', a.astype('i8'))
        write('b.tif', a.astype('i8') + np.array([[1, 0, 0]]))
        write('c.tif', np.array([[1, 5, 9]], 'u1'), nodata=9)
        write('d.tif', np.array([[1, 5, -9]], 'f4'), nodata=-9)",
    );
    assert_eq!(
        diff(&f, &["a.tif", "b.tif"]),
        (
            1,
            "a.tif and b.tif differ\n  band 1       1 of 3 pixels differ, by up to 1; the first at row 0, column 0: \
             1152921504606846976; 1152921504606846977\n"
                .to_owned()
        )
    );
    // The same pixels are valid, with the same numbers.
    assert_eq!(
        diff(&f, &["c.tif", "d.tif"]),
        (1, "c.tif and d.tif differ\n  band 1 type  uint8; float32\n  band 1 nodata 9; -9\n".to_owned())
    );
}

#[test]
fn a_mask_counts() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', np.ones((4, 5), 'u1'))
        write('b.tif', np.ones((4, 5), 'u1'))
        ds = gdal.Open('b.tif', gdal.GA_Update)
        ds.CreateMaskBand(gdal.GMF_PER_DATASET)
        mask = np.full((4, 5), 255, 'u1')
        mask[2, 3] = 0
        ds.GetRasterBand(1).GetMaskBand().WriteArray(mask)
        ds = None",
    );
    assert_eq!(
        diff(&f, &["a.tif", "b.tif"]),
        (
            1,
            "a.tif and b.tif differ\n  band 1 mask  none; mask or alpha\n  band 1       1 are valid in a.tif only; the first at \
             row 2, column 3: 1; invalid\n"
                .to_owned()
        )
    );
}

#[test]
fn grids_that_differ_are_named() {
    let f = Folder::new();
    f.python(
        "
        a = ramp(20, 30)
        write('a.tif', a)
        write('moved.tif', a, gt=(500010.0, 10.0, 0.0, 7000000.0, 0.0, -10.0))
        write('zone.tif', a, epsg=28356)
        write('small.tif', a[:10])",
    );
    let (code, text) = diff(&f, &["a.tif", "moved.tif"]);
    assert_eq!(
        (code, &*text),
        (
            1,
            "a.tif and moved.tif differ\n  geotransform [500000.0, 10.0, 0.0, 7000000.0, 0.0, -10.0]; \
             [500010.0, 10.0, 0.0, 7000000.0, 0.0, -10.0]\n"
        )
    );
    let (code, text) = diff(&f, &["a.tif", "zone.tif"]);
    assert_eq!((code, &*text), (1, "a.tif and zone.tif differ\n  CRS          EPSG:28355; EPSG:28356\n"));
    let (code, text) = diff(&f, &["a.tif", "small.tif"]);
    assert_eq!(
        (code, &*text),
        (
            1,
            "a.tif and small.tif differ\n  size         30 × 20 pixels; 30 × 10 pixels\n  the pixels are not compared\n"
        )
    );
}

/// What goes wrong is no difference: another exit code.
#[test]
fn what_cannot_be_compared_has_its_own_code() {
    let f = Folder::new();
    f.python("write('a.tif', ramp())");
    let run = f.tilefn(["diff", "a.tif", "missing.tif"]);
    assert!(run.error(2).starts_with("can't open missing.tif: "), "{}", run.stderr);
    let run = f.tilefn(["diff", "a.tif", "a.tif", "--tolerance", "-1"]);
    assert!(run.error(2).contains("a number of 0 or more"), "{}", run.stderr);
    // Compressed blocks that can't be decoded any more.
    f.python(
        "
        write('b.tif', np.random.default_rng(1).integers(0, 255, (500, 500)).astype('u1'), options=['COMPRESS=DEFLATE'])
        data = bytearray(open('b.tif', 'rb').read())
        data[2000:4000] = bytes(2000)
        open('b.tif', 'wb').write(data)",
    );
    let run = f.tilefn(["diff", "a.tif", "b.tif"]);
    assert!(run.error(2).starts_with("can't read band 1 of b.tif at rows "), "{}", run.stderr);
}

#[test]
fn info_says_what_a_file_is_and_how_it_is_read() {
    let f = Folder::new();
    f.python(
        "
        a = ramp(100, 200)
        write('a.tif', np.stack([a, a]).astype('i2'), nodata=-9, names=['red', ''], options=['TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=32'])
        ds = gdal.Open('a.tif', gdal.GA_Update)
        ds.GetRasterBand(2).SetScale(0.5)
        ds = None
        write('part.tif', a[10:20, 5:50], gt=(500050.0, 10.0, 0.0, 6999900.0, 0.0, -10.0))
        write('coarse.tif', a[:10, :20], gt=(500000.0, 100.0, 0.0, 7000000.0, 0.0, -100.0))
        write('zone.tif', a, epsg=28356)
        write('rotated.tif', a, gt=(500000.0, 10.0, 3.0, 7000000.0, 3.0, -10.0))
        write('none.tif', a, gt=None, epsg=None)
        squares('fields.gpkg', [(1, 1, 3)])",
    );
    let info = |arguments: &[&str]| f.tilefn(["info"].iter().chain(arguments)).ok().stdout.clone();
    assert_eq!(
        info(&["a.tif"]),
        "a.tif: GTiff, 200 × 100 pixels, 2 bands
  CRS        EPSG:28355
  pixel      10 × 10
  bounds     [500000, 6999000, 502000, 7000000]
  reading    directly
  band 1     int16, nodata -9, blocks of 64 × 32, \"red\"
  band 2     int16, nodata -9, blocks of 64 × 32, scale 0.5, offset 0
"
    );
    for (arguments, reading) in [
        (&["rotated.tif"][..], "resampled: it is rotated, so a job needs a [grid] or another file as its reference"),
        (&["none.tif"], "directly, by rows and columns: it has no place on the map"),
        (&["part.tif", "--onto", "a.tif"], "directly: its pixels are rows 10..20, columns 5..50 of a.tif"),
        (&["a.tif", "--onto", "a.tif"], "directly: its pixels are those of a.tif"),
        (&["coarse.tif", "--onto", "a.tif"], "resampled onto a.tif: its pixels are 100 × 100, not 10 × 10"),
        (&["zone.tif", "--onto", "a.tif"], "resampled: its CRS is EPSG:28356, that of a.tif is EPSG:28355"),
        (&["none.tif", "--onto", "a.tif"], "not on a.tif: its CRS differs, and one of them has no place on the map"),
    ] {
        let text = info(arguments);
        assert!(text.contains(&format!("\n  reading    {reading}\n")), "{text}");
    }
    let text = info(&["fields.gpkg"]);
    assert_eq!(
        text,
        "fields.gpkg: GPKG, a vector file: an input has it as `vector`, not `path`
  layer \"fields\": Polygon, EPSG:28355
    can be burned: fid, id, share
"
    );
    let event: Value = serde_json::from_str(&info(&["--json", "a.tif"])).unwrap();
    assert_eq!(event["bands"][0]["block"], json!([64, 32]));
    assert_eq!(event["geotransform"], json!([500_000.0, 10.0, 0.0, 7_000_000.0, 0.0, -10.0]));
    assert_message(
        &f,
        f.tilefn(["info", "fields.gpkg", "--onto", "a.tif"]).error(2),
        "fields.gpkg is a vector file, not a raster: give it with `vector = …`, not `path = …`",
    );
}
