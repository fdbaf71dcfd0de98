//! `tilefn rat`: columns of attribute tables, against GDAL's own Python bindings.

use crate::rasters::{folder, python};
use std::path::Path;
use std::process::{Command, Output};

fn rat(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tilefn-under-test"))
        .arg("rat")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = rat(folder, arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{arguments:?}: {out}");
    out
}

fn refused(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = rat(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap().trim().to_owned()
}

/// `a.tif` and `a.img` with tables of three rows; `plain.tif` without one.
const FILES: &str = "
def table(path, columns, rows):
    ds = gdal.Open(path, gdal.GA_Update)
    rat = gdal.RasterAttributeTable()
    for name, kind, usage in columns:
        rat.CreateColumn(name, kind, usage)
    rat.SetRowCount(len(rows))
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            {gdal.GFT_Integer: rat.SetValueAsInt, gdal.GFT_Real: rat.SetValueAsDouble, gdal.GFT_String: rat.SetValueAsString}[columns[j][1]](i, j, value)
    ds.GetRasterBand(1).SetDefaultRAT(rat)

for name, driver in (('a.tif', 'GTiff'), ('a.img', 'HFA'), ('plain.tif', 'GTiff'), ('plain.img', 'HFA')):
    make(name, (ramp(40, 40) % 3), driver=driver)
columns = [('Value', gdal.GFT_Integer, gdal.GFU_MinMax), ('Histogram', gdal.GFT_Real, gdal.GFU_PixelCount), ('Class_Names', gdal.GFT_String, gdal.GFU_Name)]
table('a.tif', columns, [[10, 5.5, 'water'], [20, 7, 'say \"hi\", twice'], [40, 0.1, '']])
table('a.img', columns[1:], [[5.5, 'water'], [7, 'say \"hi\", twice'], [0.1, '']])
";

/// Adds to a script: the table of a file, as a dictionary of columns.
const COLUMNS: &str = "
def columns(path):
    rat = gdal.Open(path).GetRasterBand(1).GetDefaultRAT
    KEEP.append(gdal.Open(path)); rat = KEEP[-1].GetRasterBand(1).GetDefaultRAT()
    get = {gdal.GFT_Integer: rat.GetValueAsInt, gdal.GFT_Real: rat.GetValueAsDouble, gdal.GFT_String: rat.GetValueAsString}
    return {rat.GetNameOfCol(j): (rat.GetTypeOfCol(j), rat.GetUsageOfCol(j), [get[rat.GetTypeOfCol(j)](i, j) for i in range(rat.GetRowCount())])
        for j in range(rat.GetColumnCount())}
";

#[test]
fn columns_are_listed_and_exported() {
    let dir = folder();
    python(dir.path(), FILES);
    assert_eq!(
        said(dir.path(), &["a.tif"]),
        "Value        Integer  MinMax\nHistogram    Real     PixelCount\nClass_Names  String   Name\n3 rows\n"
    );
    assert_eq!(said(dir.path(), &["a.img"]), "Histogram    Real     PixelCount\nClass_Names  String   Name\n3 rows\n");
    assert_eq!(said(dir.path(), &["plain.tif"]), "plain.tif band 1 has no attribute table\n");
    let event: serde_json::Value = serde_json::from_str(&said(dir.path(), &["a.tif", "--json"])).unwrap();
    assert_eq!(event["rows"], 3);
    assert_eq!(event["columns"][1], serde_json::json!({ "name": "Histogram", "type": "Real", "usage": "PixelCount" }));
    let csv = "Value,Histogram,Class_Names\n10,5.5,water\n20,7,\"say \"\"hi\"\", twice\"\n40,0.1,\n";
    assert_eq!(said(dir.path(), &["a.tif", "--csv", "-"]), csv);
    assert_eq!(said(dir.path(), &["a.tif", "--csv", "out.csv"]), "wrote out.csv (3 rows)\n");
    assert_eq!(std::fs::read_to_string(dir.path().join("out.csv")).unwrap(), csv);
    assert_eq!(
        refused(dir.path(), &["a.tif", "--csv", "out.csv"], 2),
        "error: out.csv exists; add --overwrite to replace it"
    );
    said(dir.path(), &["a.img", "--csv", "out.csv", "--overwrite"]);
    python(
        dir.path(),
        "import csv
rows = list(csv.reader(open('out.csv')))
assert rows == [['Histogram', 'Class_Names'], ['5.5', 'water'], ['7', 'say \"hi\", twice'], ['0.1', '']], rows",
    );
    assert_eq!(
        refused(dir.path(), &["plain.tif", "--csv", "no.csv"], 1),
        "error: plain.tif band 1 has no attribute table"
    );
    assert!(!dir.path().join("no.csv").exists());
    assert!(refused(dir.path(), &["a.tif", "--band", "2"], 1).starts_with("error: "));
    assert!(refused(dir.path(), &["no.tif"], 1).starts_with("error: can't open no.tif: "));
}

#[test]
fn columns_are_added_and_replaced() {
    let dir = folder();
    python(dir.path(), FILES);
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("by.csv", "Value,area,label,Red\n40,2.5,\"b, \"\"c\"\"\",255\n10,,é,7\n");
    let before = std::fs::read(dir.path().join("a.tif")).unwrap();
    assert_eq!(
        said(dir.path(), &["a.tif", "--set-from", "by.csv", "--by", "Value"]),
        "wrote a.tif.aux.xml (3 rows: area, label, Red)\n"
    );
    // The raster itself isn't touched.
    assert_eq!(std::fs::read(dir.path().join("a.tif")).unwrap(), before);
    write("rows.csv", "area,label\n1,x\n2,y\n3,z\n");
    assert_eq!(said(dir.path(), &["a.img", "--set-from", "rows.csv"]), "wrote a.img (3 rows: area, label)\n");
    // A format with a row for each value needs no column for it.
    write("more.csv", "Value,label\n4,new\n1,other\n");
    assert_eq!(
        said(dir.path(), &["a.img", "--set-from", "more.csv", "--by", "Value", "--overwrite"]),
        "wrote a.img (5 rows: label)\n"
    );
    write("new.csv", "Value,Class_Names,Histogram\n1,one,12\n5000000000,far,3\n");
    assert_eq!(
        said(dir.path(), &["plain.tif", "--set-from", "new.csv"]),
        "wrote plain.tif.aux.xml (2 rows: Value, Class_Names, Histogram)\n"
    );
    python(
        dir.path(),
        &format!(
            "{COLUMNS}
found = columns('a.tif')
assert found['area'] == (gdal.GFT_Real, gdal.GFU_Generic, [0, 0, 2.5]), found
assert found['label'] == (gdal.GFT_String, gdal.GFU_Generic, ['é', '', 'b, \"c\"']), found
assert found['Red'] == (gdal.GFT_Integer, gdal.GFU_Red, [7, 0, 255]), found
assert found['Class_Names'][2] == ['water', 'say \"hi\", twice', ''] and found['Value'][2] == [10, 20, 40]
found = columns('a.img')
assert found['area'][2] == [1, 2, 3, 0, 0] and found['label'][2] == ['x', 'other', 'z', '', 'new'], found
assert found['Histogram'][2][:3] == [5.5, 7, 0.1], found
found = columns('plain.tif')
assert found['Value'] == (gdal.GFT_Real, gdal.GFU_MinMax, [1, 5000000000]), found
assert found['Class_Names'] == (gdal.GFT_String, gdal.GFU_Name, ['one', 'far'])
assert found['Histogram'] == (gdal.GFT_Integer, gdal.GFU_PixelCount, [12, 3])
for name in ('a.tif', 'a.img', 'plain.tif'):
    assert (read(name) == ramp(40, 40) % 3).all()
"
        ),
    );
}

/// A refusal or a failure leaves everything as it was.
#[test]
fn what_does_not_fit() {
    let dir = folder();
    python(dir.path(), FILES);
    let state = || {
        let names = ["a.tif", "a.tif.aux.xml", "a.img", "plain.tif"];
        names.map(|name| std::fs::read(dir.path().join(name)).unwrap())
    };
    let before = state();
    for (file, text, by, message) in [
        ("a.tif", "Class_Names,x\na,1\n", "", "the column \"Class_Names\" exists; add --overwrite to replace it"),
        (
            "a.tif",
            "x,y\na,1\n",
            "",
            "set.csv has 1 rows, the attribute table 3: --by COLUMN says which belong together",
        ),
        ("a.tif", "x,y\na,1\n", "Value", "set.csv has no column \"Value\"; it has x, y"),
        ("a.tif", "Value,y\n10,1\n11,1\n", "Value", "set.csv: row 2: the table has no row for \"11\""),
        ("a.tif", "Value,y\n10,1\n10,2\n", "Value", "set.csv: row 2: comes twice"),
        (
            "a.tif",
            "key,y\n10,1\n",
            "key",
            "the attribute table has no column \"key\"; it has Value, Histogram, Class_Names",
        ),
        ("a.img", "Value,y\n-1,1\n", "Value", "set.csv: row 1: there is no row for \"-1\""),
        ("a.img", "Value,y\n2000000000,1\n", "Value", "set.csv: row 1: there is no row 2000000000"),
        (
            "plain.tif",
            "Value,y\n1,1\n",
            "Value",
            "there is no attribute table, so no row to find by \"Value\": leave out --by",
        ),
        (
            "plain.tif",
            "Value,y\n9007199254740993,1\n",
            "",
            "set.csv: row 1: Value: 9007199254740993 has no exact floating-point value, and the table has no wider type",
        ),
    ] {
        std::fs::write(dir.path().join("set.csv"), text).unwrap();
        let mut arguments = vec![file, "--set-from", "set.csv"];
        if !by.is_empty() {
            arguments.extend(["--by", by]);
        }
        let said = refused(dir.path(), &arguments, 1);
        assert!(said.ends_with(&format!(": {message}")), "{said}\n{message}");
        assert_eq!(state(), before, "{message}");
    }
    std::fs::write(dir.path().join("set.csv"), "Value,Histogram\n10,many\n").unwrap();
    let said = refused(dir.path(), &["a.tif", "--set-from", "set.csv", "--by", "Value", "--overwrite"], 1);
    assert!(said.ends_with("the column \"Histogram\" is of type Real, and set.csv has String"), "{said}");
    let said = refused(dir.path(), &["a.tif", "--set-from", "no.csv"], 1);
    assert!(said.contains("can't open no.csv"), "{said}");
    refused(dir.path(), &["a.tif", "--set-from", "set.csv", "--csv", "x.csv"], 2);
    refused(dir.path(), &["a.tif", "--by", "Value"], 2);
    assert_eq!(state(), before);
    // Where GDAL's file can't be, the failure is said.
    std::fs::create_dir(dir.path().join("plain.tif.aux.xml")).unwrap();
    let said = refused(dir.path(), &["plain.tif", "--set-from", "set.csv"], 1);
    assert!(said.contains("GDAL doesn't keep it for this file"), "{said}");
    assert_eq!(state(), before);
}

/// More rows than are written at a time.
#[test]
fn many_rows() {
    let dir = folder();
    python(
        dir.path(),
        "
make('big.img', np.arange(400 * 500, dtype=np.int32).reshape(400, 500), driver='HFA')
with open('big.csv', 'w') as f:
    f.write('Value,area,label\\n')
    for i in reversed(range(200000)):
        f.write(f'{i},{i / 4},{\"n\" + str(i % 1000)}\\n')
",
    );
    // In reverse, no two rows lie together.
    python(
        dir.path(),
        "lines = open('big.csv').read().split('\\n')[:-1]; open('big.csv', 'w').write('\\n'.join([lines[0]] + lines[:0:-1]) + '\\n')",
    );
    assert_eq!(
        said(dir.path(), &["big.img", "--set-from", "big.csv", "--by", "Value"]),
        "wrote big.img (200000 rows: area, label)\n"
    );
    said(dir.path(), &["big.img", "--csv", "out.csv"]);
    python(
        dir.path(),
        "
ds = gdal.Open('big.img'); rat = ds.GetRasterBand(1).GetDefaultRAT()
assert rat.GetRowCount() == 200000
assert (rat.ReadAsArray(0) == np.arange(200000) / 4).all()
assert [rat.GetValueAsString(i, 1) for i in (0, 65535, 65536, 199999)] == ['n0', 'n535', 'n536', 'n999']
lines = open('out.csv').read().split('\\n')
assert len(lines) == 200002 and lines[65537] == '16384,n536' and lines[200000] == '49999.75,n999', lines[65537]
assert (ds.ReadAsArray().ravel() == np.arange(200000)).all()
",
    );
    // A table that GDAL keeps beside the file.
    python(
        dir.path(),
        "
make('big.tif', np.zeros((4, 4), np.uint8))
with open('some.csv', 'w') as f:
    f.write('Value,area,label\\n' + ''.join(f'{i * 2},{i / 4},n{i % 1000}\\n' for i in range(70000)))
",
    );
    assert_eq!(
        said(dir.path(), &["big.tif", "--set-from", "some.csv"]),
        "wrote big.tif.aux.xml (70000 rows: Value, area, label)\n"
    );
    said(dir.path(), &["big.tif", "--csv", "some-out.csv"]);
    python(
        dir.path(),
        "same = lambda a, b: a.replace('.0,', ',') == b; assert same(open('some.csv').read(), open('some-out.csv').read())",
    );
}
