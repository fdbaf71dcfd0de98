//! Wrong job files: every mistake at once, each with line and column, before anything is touched.

use crate::support::{Folder, assert_message, probe};

#[test]
fn many_mistakes_at_once() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10)); write('there.tif', ramp(10, 10))");
    f.job(
        "add",
        "[inputs.image]
path = 'gone.tif'
[inputs.other]
path = 'a.tif'
bands = [2]
[inputs.extra]
path = 'a.tif'
[outputs.add]
path = 'there.tif'
[outputs.sum]
path = 'nowhere/sum.tif'
[params]
gain = 2
",
    );
    let run = f.run("");
    assert_message(&f, run.error(2), "");
    f.python("same('there.tif', ramp(10, 10))");
    assert_eq!(f.files(), ["a.tif", "job.toml", "there.tif"]);
}

#[test]
fn keys_and_values() {
    let f = Folder::new();
    let module = probe();
    f.write(
        "job.toml",
        &format!(
            "[function]
module = {module:?}
nam = 'add'

[inputs.image]
path = 'a.tif'
resampling = 'nearst'

[outputs.add]

[grid]
footprint = 'onion'
tile = [0, 512]
crs = 28355

[limits]
memory = '10 parsecs'

[worker]
kind = 'threads'
"
        ),
    );
    assert_message(&f, f.run("").error(2), "");
    // The same for programs, an object for each.
    let run = f.tilefn(["run", "job.toml", "--json"]);
    assert_eq!(run.code, 2);
    let event: serde_json::Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    let first = &event["detail"][0];
    assert_eq!(
        (&event["event"], &first["key"], &first["line"], &first["column"]),
        (&"error".into(), &"function.nam".into(), &3.into(), &1.into())
    );
}

#[test]
fn not_toml() {
    let f = Folder::new();
    f.write("job.toml", "[function\nmodule = 'x'\n");
    let run = f.run("");
    assert!(run.error(2).starts_with("job.toml:1:10: "), "{}", run.stderr);
    let run = f.tilefn(["run", "gone.toml"]);
    assert_message(
        &f,
        run.error(2),
        "gone.toml: cannot read the job file: No such file or directory (os error 2)\n1 mistake in the job",
    );
    let run = f.tilefn(["run"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("<JOB>"), "{}", run.stderr);
}

/// What a job needs and hasn't.
#[test]
fn missing_parts() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    f.job("add", "");
    assert_message(&f, f.run("").error(2), "");
    f.job("add", "[inputs.image]\npaths = ['a.tif', 'a.tif']\n[outputs.add]\npaths = ['x.tif', 'x.tif']\n");
    assert_message(&f, f.run("").error(2), "");
}

/// Output formats and options that can't work are refused before any work.
#[test]
fn impossible_outputs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    f.job("copy_f64", "[inputs.image]\npath = 'a.tif'\n[outputs.copy_f64]\npath = 'copy.tif'\n");
    for (set, expected) in [
        ("driver=GTif", ""),
        ("options=['COMPRES=LZW']", ""),
        ("path=copy.png", ""),
        ("path=copy.xyzzy", ""),
        ("color_table=viridis", ""),
        ("band_names=['a','b']", ""),
    ] {
        let run = f.run(&format!("--set outputs.copy_f64.{set}"));
        assert_message(&f, run.error(2), expected);
        assert_eq!(f.files(), ["a.tif", "job.toml"]);
    }
}

/// Files that don't lie on one grid are refused with both grids in the message.
#[test]
fn grids_that_do_not_fit() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(10, 10))
        write('fine.tif', ramp(10, 10), gt=(500000, 5, 0, 7000000, 0, -5))
        write('shifted.tif', ramp(10, 10), gt=(500003, 10, 0, 7000000, 0, -10))
        write('zone.tif', ramp(10, 10), epsg=28356)
        write('far.tif', ramp(10, 10), gt=(600000, 10, 0, 7000000, 0, -10))
        ",
    );
    f.job(
        "add",
        "[inputs.image]\npath = 'a.tif'\n[inputs.other]\npath = 'fine.tif'\n[outputs.add]\npath = 'add.tif'\n",
    );
    for (name, expected) in [("fine.tif", ""), ("shifted.tif", ""), ("zone.tif", ""), ("far.tif", "")] {
        let run = f.run(&format!("--set inputs.other.path={name}"));
        assert_message(&f, run.error(2), expected);
    }
}
