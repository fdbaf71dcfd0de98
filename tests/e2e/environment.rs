//! Defaults from the environment: they hold where nothing else is said, and a wrong one is named.

use crate::support::{Folder, Run};
use serde_json::Value;

fn job() -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', ramp(64, 64).astype('u1'))");
    f.write("job.toml", "function.expression = \"a\"\ninputs.a = { path = \"a.tif\" }\noutputs.result = { path = \"o.tif\" }\ngrid.tile = [16, 16]\n");
    f
}

fn run(f: &Folder, variable: &str, value: &str, arguments: &str) -> Run {
    Run::of(f.command().args(arguments.split_whitespace()).env(variable, value).output().unwrap())
}

#[test]
fn threads_where_neither_job_nor_option_says_how_many() {
    let f = job();
    let workers = |value: &str, arguments: &str| {
        let arguments = format!("run job.toml --overwrite --report r.json {arguments}");
        run(&f, "TILEFN_THREADS", value, &arguments).ok();
        let report: Value = serde_json::from_str(&f.read("r.json")).unwrap();
        report["workers"].as_array().unwrap().len()
    };
    assert_eq!(workers("3", ""), 3);
    assert_eq!(workers("3", "--set workers.count=1"), 1);
    assert_eq!(workers("3", "--workers threads:2"), 2);
    for wrong in ["many", "0", "-1", "2.5", "1025"] {
        let said =
            format!("TILEFN_THREADS is {wrong:?}; expected a number of threads from 1 to 1024, or leave it unset");
        assert_eq!(run(&f, "TILEFN_THREADS", wrong, "run job.toml --overwrite").error(2), said);
        assert_eq!(run(&f, "TILEFN_THREADS", wrong, "worker --ticket none").error(2), said);
        run(&f, "TILEFN_THREADS", wrong, "run job.toml --overwrite --workers threads:1").ok();
    }
}

#[test]
fn a_dashboard_for_every_run() {
    let f = job();
    assert!(run(&f, "TILEFN_DASHBOARD", "0", "run job.toml").ok().stderr.contains("dashboard at http://127.0.0.1:"));
    let why = "it is neither a port nor an address with a port, like 127.0.0.1:8080";
    let refused = run(&f, "TILEFN_DASHBOARD", "here", "run job.toml --overwrite");
    assert_eq!(refused.error(2), format!("TILEFN_DASHBOARD here: {why}"));
    let refused = run(&f, "TILEFN_DASHBOARD", "0", "run job.toml --overwrite --dashboard there");
    assert_eq!(refused.error(2), format!("--dashboard there: {why}"));
    let help = f.tilefn(["run", "--help"]).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("[env: TILEFN_DASHBOARD]"), "{help}");
}

#[test]
fn the_log_says_when_its_level_is_none() {
    let f = job();
    run(&f, "TILEFN_LOG", "tilefn::gdal=debug,warn", "run job.toml").ok();
    run(&f, "TILEFN_LOG", "", "run job.toml --overwrite").ok();
    let said = "TILEFN_LOG is \"info,wran\": there is no level \"wran\"; expected off, error, warn, info, debug, trace, \
                or such as tilefn::gdal=debug,info";
    assert_eq!(run(&f, "TILEFN_LOG", "info,wran", "run job.toml --overwrite").error(2), said);
    let said = run(&f, "TILEFN_LOG", "tilefn=loud", "run job.toml --overwrite").error(2).to_owned();
    assert!(said.starts_with("TILEFN_LOG is \"tilefn=loud\": "), "{said}");
}
