//! `[reduced]`: the result of an accumulating function as a table, against Python's own counts.

use crate::support::{Folder, assert_message};
use serde_json::json;

const JOB: &str = "[inputs.image]\npath = 'a.tif'\n[grid]\ntile = [32, 16]\n[reduced]\npath = 'classes.csv'\n";
/// The rows that there should be, computed at once and with Python's own integers.
const ROWS: &str = "
import csv
classes, pixels = np.unique(read('a.tif')[read('a.tif') != 255], return_counts=True)
names = {0: None, 1: ', \"quoted\"', 2: ''}
rows = [(int(c), names[c % 3], int(n), int(n) / 7, int(n) < 20) for c, n in zip(classes, pixels)]
assert len(rows) > 50
";

fn folder() -> Folder {
    let f = Folder::new();
    f.python(
        "write('a.tif', (np.random.default_rng(4).exponential(25, (70, 100)).clip(0, 255)).astype('u1'), nodata=255)",
    );
    f.job("classes", JOB);
    f
}

#[test]
fn records_are_rows() {
    let f = folder();
    for kind in ["threads:2", "processes:2"] {
        let run = f.run(&format!("--overwrite --workers {kind} --report report.json"));
        let path = f.path().join("classes.csv");
        assert!(run.ok().stdout.starts_with(&format!("wrote {} (the result)\n", path.display())), "{}", run.stdout);
        f.python(&format!(
            "{ROWS}
text = open('classes.csv', newline='').read()
found = list(csv.reader(text.splitlines()))
assert found[0] == ['class', 'name', 'pixels', 'hectares', 'rare'], found[0]
expected = [[str(c), name or '', str(n), str(a), str(rare).lower()] for c, name, n, a, rare in rows]
assert [[c, name, n, str(float(a)), rare] for c, name, n, a, rare in found[1:]] == expected, found
# A text that is empty is another thing than none.
assert ',\"\",' in text and ',,' in text
import json
report = json.load(open('report.json'))
assert report['result_path'] == os.path.abspath('classes.csv'), report
assert [(r['class'], r['name'], r['pixels'], r['hectares'], r['rare']) for r in report['result']] == rows
os.remove('classes.csv'); os.remove('report.json')
",
        ));
    }
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
}

#[test]
fn maps_are_rows_by_their_keys() {
    let f = folder();
    f.run("--set params.shape=map").ok();
    f.python(&format!(
        "{ROWS}
found = list(csv.DictReader(open('classes.csv', newline='')))
assert list(found[0]) == ['id', 'class', 'name', 'pixels', 'hectares', 'rare']
assert [(int(r['id']), int(r['class']), int(r['pixels'])) for r in found] == [(r[0], r[0], r[2]) for r in rows]
"
    ));
    f.run("--overwrite --set params.shape=numbers").ok();
    f.python(&format!(
        "{ROWS}
found = list(csv.reader(open('classes.csv', newline='')))
assert found == [['id', 'value']] + [[str(r[0]), str(r[2])] for r in rows], found
"
    ));
}

/// The Parquet file's rows are the CSV file's, and have their types.
#[test]
fn parquet_has_types() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let f = folder();
    f.run("").ok();
    f.run("--set reduced.path=classes.parquet").ok();
    let file = SerializedFileReader::new(std::fs::File::open(f.path().join("classes.parquet")).unwrap()).unwrap();
    let rows: Vec<Vec<String>> = file
        .get_row_iter(None)
        .unwrap()
        .map(|row| {
            let text = |(name, field): (&String, &Field)| match (name.as_str(), field) {
                ("class" | "pixels", Field::Long(number)) => number.to_string(),
                ("hectares", Field::Double(number)) => number.to_string(),
                ("rare", Field::Bool(value)) => value.to_string(),
                ("name", Field::Null) => "nothing".to_owned(),
                ("name", Field::Str(text)) => text.clone(),
                other => panic!("{other:?}"),
            };
            row.unwrap().get_column_iter().map(text).collect()
        })
        .collect();
    let rows = serde_json::to_string(&rows).unwrap();
    f.write("rows.json", &rows);
    f.python(&format!(
        "{ROWS}
import json
found = json.load(open('rows.json'))
expected = [[str(c), 'nothing' if name is None else name, str(n), a, str(rare).lower()] for c, name, n, a, rare in rows]
assert [[c, name, n, float(a), rare] for c, name, n, a, rare in found] == expected, found
"
    ));
}

/// A file without a valid pixel: no tile was run, and there are no rows.
#[test]
fn no_tile_is_no_row() {
    let f = folder();
    f.python("write('a.tif', np.full((20, 30), 255, 'u1'), nodata=255)");
    f.run("").ok();
    assert_eq!(f.read("classes.csv").trim(), "");
}

#[test]
fn what_can_not_be_written_is_refused_first() {
    let f = folder();
    f.write("old.csv", "old");
    for (path, message) in [
        ("old.csv", "~/old.csv exists\n  hint: add --overwrite to replace it once the job is complete"),
        ("classes.tif", "~/classes.tif is no table: its name ends in .csv or .parquet"),
        ("gone/classes.csv", "the folder ~/gone doesn't exist"),
        ("s3://b/classes.csv", "s3://b/classes.csv is not a local file: the result's table is written on this machine"),
    ] {
        let run = f.run(&format!("--set reduced.path={path}"));
        let expected = format!("--set reduced.path={path}: reduced.path: {message}\n1 mistake in the job");
        assert_message(&f, run.error(2), &expected);
    }
    std::fs::hard_link(f.path().join("a.tif"), f.path().join("a.csv")).unwrap();
    let run = f.run("--overwrite --set reduced.path=a.csv");
    let expected = "--set reduced.path=a.csv: reduced.path: ~/a.csv is read by input \"image\" as well\n  hint: what is written \
                    needs a file of its own\n1 mistake in the job";
    assert_message(&f, run.error(2), expected);
    std::fs::remove_file(f.path().join("a.csv")).unwrap();
    f.job("copy_u8", &format!("{JOB}[outputs.copy_u8]\npath = 'out.tif'\n"));
    let expected = "job.toml:8:1: reduced: the function copy_u8 doesn't accumulate: it has no result\n  hint: leave [reduced] \
                    out, or return a `Reduced` from the function\n1 mistake in the job";
    assert_message(&f, f.run("").error(2), expected);
    f.write("job.toml", "[function]\nexpression = 'a * 2'\n[table]\n[inputs.a]\npath = 'a.tif'\n[reduced]\npath = 'a.csv'\n[outputs.result]\npath = 'a.tif'\n");
    let expected =
        "job.toml:6:1: reduced: not in a job with `[table]`, whose results are columns\n1 mistake in the job";
    assert_message(&f, f.run("").error(2), expected);
    assert_eq!(f.files(), ["a.tif", "job.toml", "old.csv"]);
}

/// The tiles were run, so the report has the result all the same.
#[test]
fn a_result_that_is_no_table() {
    let f = folder();
    f.write("classes.csv", "old");
    let run = f.run("--overwrite --set params.shape=number --report report.json");
    let expected = "the job is done, but its result can't be written to ~/classes.csv (reduced.path): the function returned a \
                    number; a table is made of a list of records, or of a map from ids to records or values";
    assert_message(&f, run.error(1), expected);
    assert_eq!(f.read("classes.csv"), "old");
    let report: serde_json::Value = serde_json::from_str(&f.read("report.json")).unwrap();
    assert_eq!((&report["exit_code"], report.get("result_path")), (&json!(1), None));
    assert_eq!(report["error"].as_str().unwrap().replace(f.path().to_str().unwrap(), "~"), expected);
    let classes = f.python("result = len(np.unique(read('a.tif')[read('a.tif') != 255]))");
    assert_eq!(report["result"], classes);
    assert_eq!(f.files(), ["a.tif", "classes.csv", "job.toml", "report.json"]);
}

/// What is planned is said, and nothing written.
#[test]
fn a_dry_run_names_the_table() {
    let f = folder();
    let run = f.run("--dry-run");
    let line = format!("  reduced      -> {} (a table of the result)\n", f.path().join("classes.csv").display());
    assert!(run.ok().stdout.contains(&line), "{}", run.stdout);
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
}
