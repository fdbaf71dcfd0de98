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
    assert_message(
        &f,
        run.error(2),
        "job.toml:5:8: inputs.image.path: can't open ~/gone.tif: No such file or directory
job.toml:8:9: inputs.other.bands: ~/a.tif: there is no band 2: it has 1
job.toml:9:9: inputs.extra: the function add has no input of this name
  hint: it has: image, other
job.toml:12:8: outputs.add.path: ~/there.tif exists
  hint: add --overwrite to replace it once the job is complete
job.toml:13:10: outputs.sum: the function add has no output of this name
  hint: it has: add
job.toml:14:8: outputs.sum.path: the folder ~/nowhere doesn't exist
  hint: make it, or add --make-folders
job.toml:16:8: params.gain: the function add has no parameter of this name
  hint: it has: none
7 mistakes in the job",
    );
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
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:3:1: function.nam: unknown key
  hint: did you mean \"name\"?
job.toml:7:14: inputs.image.resampling: expected one of \"nearest\", \"bilinear\", \"cubic\", \"cubicspline\", \"lanczos\", \
\"average\", \"rms\", \"mode\", \"max\", \"min\", \"med\", \"q1\", \"q3\", found \"nearst\"
  hint: did you mean \"nearest\"?
job.toml:9:10: outputs.add.path: missing
  hint: for example: path = \"result.tif\"
job.toml:12:13: grid.footprint: expected one of \"intersection\", \"union\", \"reference\", found \"onion\"
  hint: did you mean \"union\"?
job.toml:13:9: grid.tile[0]: expected a number of pixels from 1 to 65536, found 0
job.toml:14:7: grid.crs: expected a CRS such as \"EPSG:28355\", WKT or a PROJ string, found 28355
  hint: write \"EPSG:28355\"
job.toml:17:10: limits.memory: expected a size such as \"1GiB\" or \"512 MB\", found \"10 parsecs\"
job.toml:19:2: worker: unknown key
  hint: did you mean \"workers\"?
8 mistakes in the job",
    );
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
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:1:1: inputs.image: the function add needs this input
  hint: add [inputs.image] with path = …
job.toml:1:1: outputs: the function add makes outputs, the job writes none
  hint: add [outputs.add] with path = …
2 mistakes in the job",
    );
    f.job("add", "[inputs.image]\npaths = ['a.tif', 'a.tif']\n[outputs.add]\npaths = ['x.tif', 'x.tif']\n");
    let same = "job.toml:7:19: outputs.add.paths[1]: the same file as outputs.add.paths[0]\n1 mistake in the job";
    assert_message(&f, f.run("").error(2), same);
    assert_message(
        &f,
        f.run("--set outputs.add.paths=['x.tif','y.tif']").error(2),
        "job.toml:5:9: inputs.image.paths: the function takes one file here, not a list
  hint: use path = \"…\"; or, if the files are scenes of one raster, add mosaic = \"first\"
job.toml:6:10: outputs.add.paths: the function makes one raster here, not a list
2 mistakes in the job",
    );
}

/// Output formats and options that can't work are refused before any work.
#[test]
fn impossible_outputs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    f.job("copy_f64", "[inputs.image]\npath = 'a.tif'\n[outputs.copy_f64]\npath = 'copy.tif'\n");
    for (set, expected) in [
        ("driver=GTif", "~/copy.tif: GDAL has no driver \"GTif\"; do you mean \"GTiff\"?"),
        ("options=['COMPRES=LZW']", "~/copy.tif: driver GTiff does not support creation option COMPRES"),
        ("path=copy.png", "~/copy.png: PNG can't hold float64 pixels, only Byte, UInt16"),
        ("path=copy.xyzzy", "~/copy.xyzzy: its extension belongs to no raster format that GDAL writes: set `driver`"),
        ("color_table=viridis", "~/copy.tif: a colour table needs one uint8 or uint16 band; it has 1 of float64"),
    ] {
        let run = f.run(&format!("--set outputs.copy_f64.{set}"));
        let expected = format!("job.toml:6:10: outputs.copy_f64: can't create {expected}\n1 mistake in the job");
        assert_message(&f, run.error(2), &expected);
        assert_eq!(f.files(), ["a.tif", "job.toml"]);
    }
    // How many bands there are is only known from the first tile.
    let run = f.run("--set outputs.copy_f64.band_names=['a','b']");
    assert_message(&f, run.error(1), "output \"copy_f64\": can't create ~/copy.tif: 2 band names for 1 bands");
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
}
