//! Plans, progress and reports, for people and for programs.

use crate::support::{Folder, probe};
use serde_json::{Value, json};

fn job() -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', ramp(100, 80), nodata=255)");
    f.job("moved", "[inputs.image]\npath = 'a.tif'\n[outputs.moved]\npath = 'out.tif'\n[grid]\ntile = [32, 50]\n");
    f
}

#[test]
fn dry_run() {
    let f = job();
    let run = f.run("--dry-run --workers threads:3");
    run.ok();
    let expected = "moved: 80 × 100 pixels in 6 tiles of 32 × 50, 3 threads, halo 1
  image        <- ~/a.tif (1 band as float32)
  moved        -> ~/out.tif (GTiff, float32, nodata nan)
    options COMPRESS=DEFLATE ";
    let text = run.stdout.replace(f.path().to_str().unwrap(), "~");
    assert!(text.starts_with(expected), "{text}");
    // 4 bytes for each of the pixels below.
    assert!(text.contains("\n  memory: a tile's inputs and outputs take 13.16 KiB, of 1.00 GiB that"), "{text}");
    let run = f.run("--dry-run --json --workers threads:3");
    let plan: Value = serde_json::from_str(run.stdout.trim()).unwrap();
    assert_eq!(plan["event"], "plan");
    assert_eq!(
        (&plan["function"], &plan["tile"], &plan["tiles"], &plan["halo"]),
        (&json!("moved"), &json!([32, 50]), &json!(6), &json!(1))
    );
    assert_eq!(plan["inputs"][0]["files"][0]["bands"], json!([1]));
    assert_eq!(plan["outputs"][0]["dtype"], "float32");
    // Inputs with their halo, and outputs.
    assert_eq!(plan["tile_bytes"], 4 * (34 * 52 + 32 * 50));
    assert_eq!(plan["outputs"][0]["finishing"], json!([]));
    assert_eq!((&plan["outputs"][0]["driver"], &plan["memory_limit"]), (&json!("GTiff"), &json!(1 << 30)));
    let options = plan["outputs"][0]["options"].as_array().unwrap();
    // The run makes the file with them.
    f.run("").ok();
    let made = f.python("result = gdal.Open('out.tif').GetMetadata('IMAGE_STRUCTURE')['COMPRESSION']");
    assert!(options.contains(&json!(format!("COMPRESS={}", made.as_str().unwrap()))), "{options:?}");
    std::fs::remove_file(f.path().join("out.tif")).unwrap();
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
}

/// Whether outputs need a second pass, and why.
#[test]
fn dry_run_says_how_outputs_are_finished() {
    let f = job();
    let set = "--set outputs.moved.statistics=true --set outputs.moved.levels=[2]";
    let passing = "statistics while tiles pass\n    overviews while tiles pass\n";
    let no_levels =
        "statistics while tiles pass\n    overviews in a second pass over the file: the format has no empty ones\n";
    let average = "statistics while tiles pass\n    overviews in a second pass over the file: pixels of a level have parts of several tiles\n";
    let lossy = "COMPRESS=LERC changes pixels";
    let lossy = format!(
        "statistics in a second pass over the file: {lossy}\n    overviews in a second pass over the file: {lossy}\n"
    );
    for (more, expected) in [
        ("", passing),
        ("--set outputs.moved.driver=COG", passing),
        ("--set outputs.moved.path=out.img", no_levels),
        (
            "--set outputs.moved.overview_resampling=average --set grid.tile=[30,50] --set outputs.moved.levels=[4]",
            average,
        ),
        ("--set outputs.moved.options=['COMPRESS=LERC','MAX_Z_ERROR=0.1'] --set outputs.moved.lossy=true", &lossy),
    ] {
        let run = f.run(&format!("--dry-run {set} {more}"));
        assert!(run.ok().stdout.contains(&format!("\n    {expected}  memory: ")), "{more}: {}", run.stdout);
    }
    let run = f.run(&format!("--dry-run --json {set} --set outputs.moved.path=out.img"));
    let plan: Value = serde_json::from_str(run.ok().stdout.trim()).unwrap();
    assert_eq!(
        plan["outputs"][0]["finishing"],
        json!([{ "step": "statistics", "second_pass": null }, { "step": "overviews", "second_pass": "the format has no empty ones" }])
    );
}

#[test]
fn report_of_a_run() {
    let f = job();
    let report = f.report("--workers threads:2 --set outputs.moved.nodata=-1");
    assert_eq!(report["job"]["function"], "moved");
    assert_eq!(report["job"]["path"], "job.toml");
    let module = probe();
    let sha256 =
        f.python(&format!("import hashlib; result = hashlib.sha256(open({module:?}, 'rb').read()).hexdigest()"));
    assert_eq!(report["job"]["module_sha256"], sha256);
    assert_eq!(report["grid"]["geotransform"], json!([500000.0, 10.0, 0.0, 7000000.0, 0.0, -10.0]));
    assert_eq!(
        (&report["grid"]["rows"], &report["grid"]["cols"], &report["grid"]["halo"]),
        (&json!(100), &json!(80), &json!(1))
    );
    for (what, tiles) in [("total", 6), ("done", 6), ("skipped", 0), ("retried", 0), ("failed", 0)] {
        assert_eq!(report["tiles"][what], tiles, "{what}");
    }
    assert_eq!(report["bytes_out"], 4 * 100 * 80);
    let size = std::fs::metadata(f.path().join("out.tif")).unwrap().len();
    assert_eq!(report["outputs"][0]["bytes"], size);
    assert_eq!(report["workers"].as_array().unwrap().len(), 2);
    let tiles: u64 = report["workers"].as_array().unwrap().iter().map(|w| w["tiles"].as_u64().unwrap()).sum();
    assert_eq!(tiles, 6);
    for stage in ["prepare", "read", "run", "write", "finish", "wait"] {
        assert!(report["seconds"][stage].as_f64().unwrap() >= 0.0, "{stage}");
    }
    assert!(
        report["peak_memory"].as_u64().unwrap() > 1 << 20 && report["function_peak_memory"].as_u64().unwrap() > 1 << 16
    );
    assert_eq!(report["tilefn"], env!("CARGO_PKG_VERSION"));
}

/// One JSON object a line: the plan, progress, the report. Nothing else on standard output, nothing on standard error.
#[test]
fn events_for_programs() {
    let f = job();
    let run = f.tilefn(["run", "job.toml", "--json"]);
    run.ok();
    let events: Vec<Value> = run.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"plan"), Some(&"report")));
    assert_eq!(events.last().unwrap()["report"]["tiles"]["done"], 6);
    assert_eq!(run.stderr, "");
    assert_eq!(f.run("--overwrite -q").stdout, "");
}

/// The report is promised: a place where it can't be written is found before the work is done.
#[test]
fn a_report_that_cannot_be_written() {
    let f = job();
    let run = f.run("--report nowhere/report.json");
    assert_eq!(run.error(2), "--report nowhere/report.json: the folder nowhere doesn't exist");
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
}

/// A job from standard input, as JSON.
#[test]
fn a_job_from_standard_input() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    let job = json!({
        "function": { "module": probe(), "name": "copy" },
        "inputs": { "image": { "path": "a.tif" } },
        "outputs": { "copy": { "path": "copy.tif" } },
    });
    f.write("job.json", &job.to_string());
    let mut command = f.command();
    command.args(["run", "-"]).stdin(std::fs::File::open(f.path().join("job.json")).unwrap());
    crate::support::Run::of(command.output().unwrap()).ok();
    f.python("same('copy.tif', ramp(10, 10))");
    f.tilefn(["run", "job.json", "--overwrite"]).ok();
}
