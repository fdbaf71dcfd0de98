//! Which pixels are valid, and what is said of those that changed: whoever runs the function, whoever reads.

use crate::support::Folder;
use serde_json::{Value, json};

/// Every kind of worker, and of reading.
const WORKERS: [&str; 3] = [
    "--workers threads:2",
    "--workers processes:2 --set workers.reads=controller",
    "--workers processes:2 --set workers.reads=worker",
];

/// Masks of every kind that GDAL knows, in `NAME.tif` or `.vrt`: 100 × 70 pixels of uint8 with values from 1 to 250.
const MASKED: &str = r"
rows, cols = 70, 100
a = (np.arange(rows * cols) % 250 + 1).reshape(rows, cols).astype('u1')
m = np.full((rows, cols), 255, 'u1')
m[10:40, 20:60] = 0
m[66:, 95:] = 0
def masked(path, kind, bands=1, nodata=None):
    gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', kind)
    write(path, np.stack([a] * bands), nodata=nodata)
    ds = gdal.Open(path, gdal.GA_Update)
    ds.CreateMaskBand(gdal.GMF_PER_DATASET)
    ds.GetRasterBand(1).GetMaskBand().WriteArray(m)
    ds = None
masked('internal.tif', 'YES')
masked('beside.tif', 'NO')
masked('three.tif', 'YES', 3)
masked('nodata.tif', 'YES', 1, 7)
gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', None)
def alpha(path, alpha):
    write(path, np.stack([a.astype(alpha.dtype), alpha]), options=['ALPHA=YES'])
alpha('alpha.tif', m // 255 * 9)
alpha('alpha16.tif', (m // 255).astype('u2'))
write('values.tif', np.stack([np.where(m == 0, 3, a), np.where(m == 0, 4, a)]).astype('u1'))
ds = gdal.Open('values.tif', gdal.GA_Update)
ds.SetMetadataItem('NODATA_VALUES', '3 4')
ds = None
ds = gdal.BuildVRT('vrt.vrt', ['internal.tif'])
ds = None
def expected(path, n=1):
    ds = gdal.Open(path)
    b = ds.GetRasterBand(n)
    valid, value = b.GetMaskBand().ReadAsArray() != 0, b.ReadAsArray()
    return [float(value[valid].sum(dtype='f8')), int(valid.sum())]
";

fn sum_count(report: &Value) -> Value {
    json!([report["result"][0], report["result"][1]])
}

#[test]
fn masks_of_every_kind_with_every_worker() {
    let f = Folder::new();
    let files =
        ["internal.tif", "beside.tif", "nodata.tif", "alpha.tif", "alpha16.tif", "values.tif", "vrt.vrt", "three.tif"];
    let code = format!("{MASKED}\nresult = [expected(path) for path in {files:?}]");
    let expected = f.python(&code);
    f.job("sum_count", "[inputs.image]\npath = 'internal.tif'\nbands = [1]\n[grid]\ntile = [32, 32]\n");
    for (file, expected) in files.iter().zip(expected.as_array().unwrap()) {
        assert!(expected[1].as_u64().unwrap() < 6000, "{file} has a mask: {expected}");
        for workers in WORKERS {
            let report = f.report(&format!("{workers} --set inputs.image.path={file}"));
            assert_eq!(&sum_count(&report), expected, "{file} {workers}");
        }
    }
}

/// The same for a function of bytes, for which a free value must mark the masked pixels.
#[test]
fn masks_under_functions_of_integers() {
    let f = Folder::new();
    f.python(MASKED);
    f.job(
        "copy",
        "[inputs.image]\npath = 'three.tif'\n[outputs.copy]\npath = 'copy.tif'\nnodata = 255\n[grid]\ntile = [32, 32]\n",
    );
    for workers in WORKERS {
        let report = f.report(&format!("{workers} --overwrite"));
        f.python(
            "ds = gdal.Open('three.tif'); a, m = ds.GetRasterBand(1).ReadAsArray(), ds.GetRasterBand(1).GetMaskBand().ReadAsArray()
same('copy.tif', np.stack([np.where(m == 0, 255, a)] * 3).astype('u1'), nodata=255)",
        );
        assert_eq!(report["warnings"], json!([]), "{workers}");
    }
}

/// What `mask` and `nodata` say together.
#[test]
fn what_counts_as_invalid_can_be_chosen() {
    let f = Folder::new();
    let counts = f.python(&format!(
        "{MASKED}
result = [int((m != 0).sum()), int((a != 7).sum()), int(((m != 0) & (a != 9)).sum()), a.size]"
    ));
    f.job("sum_count", "[inputs.image]\npath = 'nodata.tif'\n");
    for (set, expected) in [
        ("", &counts[0]),
        ("--set inputs.image.mask=nodata", &counts[1]),
        ("--set inputs.image.nodata=9", &counts[2]),
        ("--set inputs.image.mask=none", &counts[3]),
    ] {
        assert_eq!(&f.report(set)["result"][1], expected, "{set}");
    }
    let run = f.run("--set inputs.image.mask=none --set inputs.image.nodata=9");
    assert!(run.error(2).contains("inputs.image.nodata: contradicts `mask = \"none\"`"), "{}", run.stderr);
    // The alpha band itself is data.
    f.run("--set inputs.image.path=alpha.tif --set inputs.image.bands=[2]").ok();
    // Values that pixels can't have are no nodata, and that is said when the job has one.
    let report = f.report("--set inputs.image.mask=nodata --set inputs.image.nodata=-9999");
    assert_eq!(report["result"][1], counts[3]);
    assert!(report["warnings"][0].as_str().unwrap().contains("can be -9999, since band 1 is uint8"), "{report}");
}

/// Tiles in which all pixels are masked are not run.
#[test]
fn masked_tiles_are_empty() {
    let f = Folder::new();
    f.python(&format!("{MASKED}\nm[:, :64] = 0\nmasked('half.tif', 'YES')"));
    f.job(
        "copy_u8",
        "[inputs.image]\npath = 'half.tif'\n[outputs.copy_u8]\npath = 'copy.tif'\nnodata = 0\n[grid]\ntile = [64, 64]\n",
    );
    for workers in WORKERS {
        let report = f.report(&format!("{workers} --overwrite"));
        assert_eq!((&report["tiles"]["done"], &report["tiles"]["skipped"]), (&json!(2), &json!(2)), "{workers}");
        f.python("ds = gdal.Open('half.tif'); m = ds.GetRasterBand(1).GetMaskBand().ReadAsArray(); same('copy.tif', np.where(m == 0, 0, read('half.tif')[0]).astype('u1'), nodata=0)");
    }
}

/// Every change is counted once, over all tiles and their halos, whoever reads; and can be allowed.
#[test]
fn changed_numbers_are_counted() {
    let f = Folder::new();
    f.python(
        "
        a = np.random.default_rng(3).integers(0, 300, (70, 100)).astype('f4')
        a[::7, ::5] += 0.25
        a[3, 3] = np.nan
        write('a.tif', a)
        write('i.tif', np.array([[2**24 + 1, 2**24, 5]], 'i4'), nodata=2**24)
        ",
    );
    let counts = f.python(
        "
        a = read('a.tif')[0]
        v = a[a == a]
        result = [int((np.floor(v + 0.5) > 255).sum()), int(((v != np.floor(v)) & (np.floor(v + 0.5) <= 255)).sum())]
        ",
    );
    f.job(
        "copy_u8",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy_u8]\npath = 'copy.tif'\nnodata = 255\n[grid]\ntile = [32, 32]\n",
    );
    for workers in WORKERS {
        let report = f.report(&format!("{workers} --overwrite"));
        let warnings: Vec<_> = report["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        let path = f.path().join("a.tif");
        let expected = [
            format!(
                "input \"image\": {} pixels ({}) beyond the range of uint8: clamped to it",
                counts[0],
                path.display()
            ),
            format!(
                "input \"image\": {} pixels ({}) rounded, since uint8 does not have their values",
                counts[1],
                path.display()
            ),
        ];
        assert_eq!(warnings[..2], expected, "{workers}");
        // 255 is a value of valid pixels, too: they are said to be lost.
        assert!(warnings[2].contains("valid pixels equal the nodata value 255"), "{workers}: {warnings:?}");
        assert_eq!(warnings.len(), 3);
    }
    let run = f.run("--overwrite --set inputs.image.lossy=true --set outputs.copy_u8.lossy=true");
    assert!(!run.ok().stderr.contains("warning"), "{}", run.stderr);
    f.run("--overwrite").ok();
    // Integers that float32 doesn't have stay valid.
    f.job("moved", "[inputs.image]\npath = 'i.tif'\n[params]\nreach = 0\n[outputs.moved]\npath = 'moved.tif'\n");
    let report = f.report("");
    f.python("same('moved.tif', np.array([[2**24, np.nan, 5]], 'f4'), nodata=np.nan)");
    assert!(report["warnings"][0].as_str().unwrap().contains("1 pixel ("), "{report}");
}

/// Valid results that readers take for nodata, or that NBITS cut.
#[test]
fn lost_results_are_counted() {
    let f = Folder::new();
    f.python("write('a.tif', np.array([[-9999, 3, -9999.001, 5, np.nan]], 'f8'))");
    f.job("copy_f64", "[inputs.image]\npath = 'a.tif'\n[outputs.copy_f64]\npath = 'copy.tif'\nnodata = -9999\n");
    for workers in WORKERS {
        let report = f.report(&format!("{workers} --overwrite"));
        let expected = "output \"copy_f64\": 2 valid pixels equal the nodata value -9999, or nearly";
        assert_eq!(report["warnings"], json!([expected]), "{workers}");
    }
    f.python("write('b.tif', np.array([[1, 3, 4, 200]], 'u1'))");
    f.job(
        "copy_u8",
        "[inputs.image]\npath = 'b.tif'\n[outputs.copy_u8]\npath = 'bits.tif'\noptions = ['NBITS=2', 'PREDICTOR=1']\n",
    );
    let report = f.report("");
    assert_eq!(report["warnings"], json!(["output \"copy_u8\": 2 valid pixels above 3, the most that NBITS leaves"]));
    let run = f.run("--overwrite --set outputs.copy_u8.nodata=255");
    assert!(run.error(2).contains("255 does not fit the file's NBITS, which leave at most 3"), "{}", run.stderr);
    let lossy = "--overwrite --set outputs.copy_u8.nodata=0 --set outputs.copy_u8.options=['COMPRESS=JPEG']";
    let run = f.run(lossy);
    assert!(run.error(2).contains("COMPRESS=JPEG changes pixels, so 0 would not mark the same ones"), "{}", run.stderr);
    f.run(&format!("{lossy} --set outputs.copy_u8.lossy=true")).ok();
}

/// Scale and offset: applied when asked for, said when not, noted in outputs.
#[test]
fn scale_and_offset() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', np.array([[0, 1000, -1, 5000]], 'i2'), nodata=-1)
        ds = gdal.Open('a.tif', gdal.GA_Update)
        ds.GetRasterBand(1).SetScale(0.0001)
        ds.GetRasterBand(1).SetOffset(-0.1)
        ds = None
        ",
    );
    f.job(
        "copy_f64",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy_f64]\npath = 'copy.tif'\nscale = 2.5\noffset = 1\nunit = 'm'\n",
    );
    let report = f.report("");
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.ends_with(
        "a.tif has scale 0.0001 and offset -0.1, which are not applied: set inputs.image.unscale = true, or false to say that \
         raw numbers are wanted"
    ));
    f.python(
        "
        same('copy.tif', np.array([[0, 1000, np.nan, 5000]], 'f8'), nodata=np.nan)
        b = band('copy.tif', 1)
        assert (b.GetScale(), b.GetOffset(), b.GetUnitType()) == (2.5, 1, 'm')
        ",
    );
    assert_eq!(f.report("--overwrite --set inputs.image.unscale=false")["warnings"], json!([]));
    for workers in WORKERS {
        let report = f.report(&format!("--overwrite {workers} --set inputs.image.unscale=true"));
        assert_eq!(report["warnings"], json!([]));
        f.python("same('copy.tif', np.array([[0 * 0.0001 - 0.1, 1000 * 0.0001 - 0.1, np.nan, 5000 * 0.0001 - 0.1]], 'f8'), nodata=np.nan)");
    }
    f.job("copy_u8", "[inputs.image]\npath = 'a.tif'\nunscale = true\n[outputs.copy_u8]\npath = 'u.tif'\n");
    let run = f.run("");
    assert!(
        run.error(2).contains("inputs.image.unscale: the function takes uint8, and scaled numbers are none"),
        "{}",
        run.stderr
    );
    // A function that takes the file's own type gets float64.
    f.job("copy", "[inputs.image]\npath = 'a.tif'\nunscale = true\n[outputs.copy]\npath = 'c.tif'\n");
    f.run("").ok();
    f.python(
        "same('c.tif', np.array([[-0.1, 1000 * 0.0001 - 0.1, np.nan, 5000 * 0.0001 - 0.1]], 'f8'), nodata=np.nan)",
    );
}
