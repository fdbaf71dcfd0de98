//! Jobs with `[table]`: functions over the rows of attribute tables, against GDAL's own tables and numpy.

use crate::support::{Folder, Run, assert_message, module};

/// A raster whose table has so many rows; columns of the two types of numbers, and names.
fn table(f: &Folder, file: &str, rows: u32) {
    f.python(&format!(
        "
n = {rows}
write('{file}', np.zeros((20, 30), np.uint8), driver='HFA' if '{file}'.endswith('.img') else 'GTiff')
ds = gdal.Open('{file}', gdal.GA_Update)
table = ds.GetRasterBand(1).GetDefaultRAT() if '{file}'.endswith('.img') else gdal.RasterAttributeTable()
table.SetRowCount(n)
for name, kind, usage in [('Histogram', gdal.GFT_Real, gdal.GFU_PixelCount), ('Crop', gdal.GFT_Integer, gdal.GFU_Generic), ('Class_Names', gdal.GFT_String, gdal.GFU_Name)]:
    table.CreateColumn(name, kind, usage)
rows = np.arange(n)
table.WriteArray((rows * 7 % 1000).astype(np.float64) / 4, 0)
table.WriteArray((rows * 3 % 17 - 5).astype(np.int32), 1)
if not '{file}'.endswith('.img'): ds.GetRasterBand(1).SetDefaultRAT(table)
del table, ds"
    ));
}

const JOB: &str = r#"
function.expression = "share = 100 * area / (crop + 6); odd = crop % 2 == 1"
table.rows = 1000
inputs.area = { path = "a.img", column = "Histogram" }
inputs.crop = { path = "a.img", column = "Crop" }
outputs.share = { path = "a.img", dtype = "float64", column = "Share" }
outputs.odd = { path = "a.img" }
"#;

/// Several blocks, the last one shorter, with threads and with processes.
#[test]
fn columns_of_an_expression_are_numpys() {
    for workers in ["threads:2", "processes:2"] {
        let f = Folder::new();
        table(&f, "a.img", 4_567);
        f.write("job.toml", JOB);
        let said = f.tilefn(["run", "job.toml", "--workers", workers, "--report", "r.json"]).ok().stdout.clone();
        assert_eq!(
            said,
            "wrote a.img (4567 rows: Share, odd)\n".replace("a.img", &f.path().join("a.img").display().to_string())
        );
        f.python(
            "
ds = gdal.Open('a.img')
table = ds.GetRasterBand(1).GetDefaultRAT()
columns = {table.GetNameOfCol(i): table.ReadAsArray(i) for i in range(table.GetColumnCount())}
assert np.array_equal(columns['Share'], 100 * columns['Histogram'] / (columns['Crop'] + 6))
assert columns['Share'].dtype == np.float64 and columns['odd'].dtype == np.int32
assert np.array_equal(columns['odd'], columns['Crop'] % 2 == 1)
assert table.GetRowCount() == 4567",
        );
        let report: serde_json::Value = serde_json::from_str(&f.read("r.json")).unwrap();
        assert_eq!((&report["tiles"]["done"], &report["outputs"]), (&5.into(), &serde_json::json!([])));
    }
}

/// A module, on a file whose table lies beside it; colours are columns, and get their use by their names.
#[test]
fn colours_by_a_module_beside_the_file() {
    let f = Folder::new();
    table(&f, "a.tif", 256);
    let ndvi = module("examples/ndvi");
    f.write(
        "job.toml",
        &format!(
            "[function]\nmodule = {ndvi:?}\n[table]\n[inputs.red]\npath = \"a.tif\"\ncolumn = \"Crop\"\n\
             [inputs.nir]\npath = \"a.tif\"\ncolumn = \"Histogram\"\n[outputs.ndvi]\npath = \"a.tif\"\n"
        ),
    );
    f.tilefn(["run", "job.toml"]).ok();
    f.python(
        "
ds = gdal.Open('a.tif')
table = ds.GetRasterBand(1).GetDefaultRAT()
nir, red = (table.ReadAsArray(i).astype(np.float32) for i in (0, 1))
# GDAL keeps 16 digits in the file beside the raster.
assert np.allclose(table.ReadAsArray(3), ((nir - red) / (nir + red)).astype(np.float64), rtol=1e-15, atol=0)",
    );
    f.write(
        "colour.toml",
        "function.expression = \"Red = crop + 5; Green = 2 * crop + 10\"\n[table]\n[inputs.crop]\npath = \"a.tif\"\ncolumn = \"Crop\"\n\
         [outputs.Red]\npath = \"a.tif\"\ndtype = \"uint8\"\n[outputs.Green]\npath = \"a.tif\"\ndtype = \"int16\"\n",
    );
    f.tilefn(["run", "colour.toml"]).ok();
    f.python(
        "
ds = gdal.Open('a.tif')
table = ds.GetRasterBand(1).GetDefaultRAT()
names = [table.GetNameOfCol(i) for i in range(table.GetColumnCount())]
assert names == ['Histogram', 'Crop', 'Class_Names', 'ndvi', 'Red', 'Green'], names
assert table.GetUsageOfCol(4) == gdal.GFU_Red and table.GetUsageOfCol(5) == gdal.GFU_Green
crop = table.ReadAsArray(1)
assert np.array_equal(table.ReadAsArray(4), crop + 5) and np.array_equal(table.ReadAsArray(5), 2 * crop + 10)",
    );
}

#[test]
fn a_column_that_exists_is_only_replaced_when_asked() {
    let f = Folder::new();
    table(&f, "a.img", 300);
    f.write(
        "job.toml",
        "function.expression = \"crop * 2\"\n[table]\n[inputs.crop]\npath = \"a.img\"\ncolumn = \"Crop\"\n[outputs.result]\npath = \"a.img\"\ncolumn = \"Crop\"\ndtype = \"int32\"\n",
    );
    let before = std::fs::read(f.path().join("a.img")).unwrap();
    let ended = f.tilefn(["run", "job.toml"]);
    assert!(ended.error(2).contains("has a column \"Crop\""), "{}", ended.error(2));
    assert_eq!(before, std::fs::read(f.path().join("a.img")).unwrap());
    f.tilefn(["run", "job.toml", "--overwrite"]).ok();
    f.python(
        "
ds = gdal.Open('a.img')
table = ds.GetRasterBand(1).GetDefaultRAT()
assert np.array_equal(table.ReadAsArray(1), (np.arange(300) * 3 % 17 - 5) * 2)",
    );
    // Imagine names it otherwise.
    f.write("alpha.toml", "function.expression = \"crop * 0 + 255\"\n[table]\n[inputs.crop]\npath = \"a.img\"\ncolumn = \"Crop\"\n[outputs.result]\npath = \"a.img\"\ncolumn = \"Alpha\"\ndtype = \"uint8\"\n");
    f.tilefn(["run", "alpha.toml"]).ok();
    let ended = f.tilefn(["run", "alpha.toml"]);
    assert!(
        ended.error(2).contains("outputs.result: the attribute table of ")
            && ended.error(2).contains("has a column \"Opacity\""),
        "{}",
        ended.stderr
    );
    f.python("ds = gdal.Open('a.img'); t = ds.GetRasterBand(1).GetDefaultRAT(); assert (t.ReadAsArray(t.GetColOfUsage(gdal.GFU_Alpha)) == 255).all()");
}

/// A table marks no value as invalid: a function that does so leaves it as it was.
#[test]
fn a_row_without_a_value_fails_the_job() {
    let f = Folder::new();
    table(&f, "a.img", 300);
    f.write(
        "job.toml",
        "[function]\nexpression = \"sqrt(crop)\"\n[table]\n[inputs.crop]\npath = \"a.img\"\ncolumn = \"Crop\"\n[outputs.root]\npath = \"a.img\"\n",
    );
    let before = std::fs::read(f.path().join("a.img")).unwrap();
    let ended = f.tilefn(["run", "job.toml", "-q"]);
    assert!(ended.error(1).starts_with("root: the function gives row 0 no value"), "{}", ended.error(1));
    assert_eq!(before, std::fs::read(f.path().join("a.img")).unwrap());
}

/// More rows than a block may have, in the table of a second band; the plan, the messages and the report name columns, no temporary file.
#[test]
fn many_rows_of_another_band() {
    let f = Folder::new();
    f.python(
        "
n = 200_000
write('a.img', np.zeros((2, 20, 30), 'u1'), driver='HFA')
ds = gdal.Open('a.img', gdal.GA_Update)
for band, factor in ((1, 7), (2, 3)):
    table = ds.GetRasterBand(band).GetDefaultRAT()
    table.SetRowCount(n)
    table.CreateColumn('Area', gdal.GFT_Real, gdal.GFU_Generic)
    table.WriteArray(np.arange(n) * factor % 1000 / 4, 0)
    del table
del ds",
    );
    let job = "function.expression = \"x = area * 2 + first\"\n[table]\n[inputs.area]\npath = \"a.img\"\ncolumn = \"Area\"\nband = 2\n\
               [inputs.first]\npath = \"a.img\"\ncolumn = \"Area\"\n[outputs.x]\npath = \"a.img\"\nband = 2\ndtype = \"float64\"\n";
    f.write("job.toml", job);
    let plan = "expression: 200000 rows in 4 blocks of 65536\n  area         <- ~/a.img, band 2, column \"Area\" (float64)\n  \
                first        <- ~/a.img, column \"Area\" (float64)\n  x            -> ~/a.img, band 2, column \"x\" (float64)\n";
    let dry = f.run("--dry-run");
    assert_message(&f, &dry.ok().stdout, plan);
    let json: serde_json::Value = serde_json::from_str(f.run("--dry-run --json").ok().stdout.trim()).unwrap();
    assert_eq!((&json["rows"], &json["blocks"], &json["outputs"][0]["band"]), (&200_000.into(), &4.into(), &2.into()));

    let ran = f.run("--report r.json");
    assert_message(&f, &ran.ok().stdout, "wrote ~/a.img (200000 rows: x)\n");
    assert!(ran.stderr.replace(f.path().to_str().unwrap(), "~").starts_with(plan), "{}", ran.stderr);
    f.python(
        "
ds = gdal.Open('a.img')
first, second = (ds.GetRasterBand(band).GetDefaultRAT() for band in (1, 2))
rows = np.arange(200_000)
assert first.GetColumnCount() == 1 and second.GetColumnCount() == 2 and second.GetRowCount() == 200_000
assert np.array_equal(second.ReadAsArray(1), rows * 3 % 1000 / 2 + rows * 7 % 1000 / 4)
assert np.array_equal(first.ReadAsArray(0), rows * 7 % 1000 / 4)",
    );
    let report = f.read("r.json");
    let json: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&json["job"]["path"], &json["tiles"]["done"]), (&"job.toml".into(), &4.into()));

    // Numbers that change, a function that fails, and a plan that can't be: no word of files that nobody has made.
    let scratch = f.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let whole = job.replace("area * 2 + first", "int32(area)").replace("float64", "uint8");
    for (text, code, said) in [
        (job.replace("x = area * 2 + first", "x = area * 2").replace("float64", "uint8"), 0, "column"),
        (whole, 2, "int32"),
        (format!("{job}[limits]\nmemory = \"1MiB\"\n"), 2, "limits.memory"),
        (format!("{job}[limits]\nfuel = 20000\n"), 1, "fuel"),
    ] {
        f.write("job.toml", &text);
        let mut command = f.command();
        command.args(["run", "job.toml", "--overwrite", "--report", "r.json"]).env("TMPDIR", &scratch);
        let run = Run::of(command.output().unwrap());
        assert_eq!(run.code, code, "{}", run.stderr);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        for text in [&run.stdout, &run.stderr, &f.read("r.json")] {
            assert!(!text.contains("scratch"), "{text}");
        }
    }
}

/// All at once, with their lines.
#[test]
fn mistakes() {
    let f = Folder::new();
    table(&f, "a.img", 300);
    table(&f, "b.img", 299);
    f.python("write('plain.tif', np.zeros((20, 30), np.uint8))");
    f.write(
        "job.toml",
        "[function]\nexpression = \"a + b + c + d + e\"\n[table]\n[inputs.a]\npath = \"a.img\"\ncolumn = \"Crop\"\n[inputs.b]\npath = \"b.img\"\ncolumn = \"Crop\"\n\
         [inputs.c]\npath = \"a.img\"\ncolumn = \"Crops\"\n[inputs.d]\npath = \"a.img\"\ncolumn = \"Class_Names\"\n[inputs.e]\npath = \"plain.tif\"\n\
         [outputs.result]\npath = \"none.img\"\n",
    );
    let ended = f.tilefn(["run", "job.toml"]);
    let text = ended.error(2);
    for said in [
        "job.toml:9:10: inputs.b.column: the table of ",
        "has 299 rows, that of ",
        "job.toml:12:10: inputs.c.column: the attribute table of ",
        "did you mean \"Crop\"?",
        "has texts, and functions get numbers",
        "plain.tif, band 1, has no attribute table",
        "none.img",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    f.write(
        "job.toml",
        "[function]\nexpression = \"a\"\n[table]\n[grid]\ntile = [9, 9]\n[inputs.a]\npath = \"a.img\"\nresampling = \"cubic\"\n[outputs.result]\npath = \"a.img\"\nstatistics = true\n",
    );
    let ended = f.tilefn(["run", "job.toml"]);
    for said in [
        "grid: contradicts `[table]`",
        "inputs.a.resampling: not in a job with `[table]`",
        "outputs.result.statistics: not in",
    ] {
        assert!(ended.error(2).contains(said), "{said}\n{}", ended.error(2));
    }
    f.write("job.toml", "[function]\nexpression = \"a\"\n[inputs.a]\npath = \"a.img\"\ncolumn = \"Crop\"\n[outputs.result]\npath = \"x.tif\"\n");
    let ended = f.tilefn(["run", "job.toml"]);
    assert!(
        ended.error(2).contains("inputs.a.column: only in a job over an attribute table's rows"),
        "{}",
        ended.error(2)
    );
    f.write("job.toml", JOB);
    let ended = f.tilefn(["submit", "job.toml", "--workers", "processes:2"]);
    assert!(
        ended.error(2).ends_with("a job over an attribute table's rows is run by `tilefn run` only"),
        "{}",
        ended.error(2)
    );
    let ended = f.tilefn(["run", "job.toml", "--resume"]);
    assert!(ended.error(2).starts_with("--resume: "), "{}", ended.error(2));
}
