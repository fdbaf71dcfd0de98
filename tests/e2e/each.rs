//! `tilefn run --each`: one job file, many scenes.

use crate::support::Folder;

const JOB: &str = r#"
function.expression = "a * 2"
inputs.a = { path = "{path}" }
outputs.result = { path = "out/{stem}.tif" }
"#;

fn three_scenes() -> Folder {
    let f = Folder::new();
    f.python("os.makedirs('scenes'); os.makedirs('out')\nfor n in (1, 2, 3): write(f'scenes/s{n}.v1.tif', np.full((1, 20, 30), n, np.uint8))");
    f.write("job.toml", JOB);
    f
}

#[test]
fn each_scene_has_its_output_and_its_report() {
    let f = three_scenes();
    f.tilefn(["run", "job.toml", "--each", "scenes/*.tif", "--report", "out/{stem}.json"]).ok();
    f.python("for n in (1, 2, 3): assert (read(f'out/s{n}.v1.tif') == 2 * n).all()");
    let report: serde_json::Value = serde_json::from_str(&f.read("out/s2.v1.json")).unwrap();
    assert!(report["outputs"][0]["path"].as_str().unwrap().ends_with("/out/s2.v1.tif"));
}

/// A file that can't be read stops no other.
#[test]
fn one_that_fails_is_named_and_the_others_are_done() {
    let f = three_scenes();
    f.write("scenes/s2.v1.tif", "not a raster");
    let ended = f.tilefn(["run", "job.toml", "--each", "scenes/*.tif"]);
    let error = ended.error(2);
    assert!(
        error.ends_with(&format!("1 of 3 jobs failed: {}", f.path().join("scenes/s2.v1.tif").display())),
        "{error}"
    );
    f.python(
        "for n in (1, 3): assert (read(f'out/s{n}.v1.tif') == 2 * n).all()\nassert not os.path.exists('out/s2.v1.tif')",
    );
}

#[test]
fn mistakes_come_before_the_first_scene() {
    let f = three_scenes();
    for (arguments, said) in [
        (vec!["--each", "none/*.tif"], "--each: no file matches \"none/*.tif\""),
        (vec!["--each", "scenes/[.tif"], "--each: \"scenes/[.tif\": "),
        (
            vec!["--each", "scenes/*.tif", "--report", "r.json"],
            "--report: with --each there is a report for each scene: put {stem} into its name",
        ),
    ] {
        let ended = f.tilefn([vec!["run", "job.toml"], arguments].concat());
        let error = ended.error(2);
        assert!(error.starts_with(said), "{error}");
    }
    assert_eq!(f.files(), ["job.toml", "out", "scenes"]);
}
