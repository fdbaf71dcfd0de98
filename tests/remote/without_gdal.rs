//! A worker built without GDAL: one static program, for jobs whose controller reads.

use crate::labour::{self, FILES, assert_done, submit, worker, worker_command};
use crate::running::{Running, assert_tidy};
use crate::support::{Folder, Run};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program; scripts/test.sh builds it and says where it is.
fn program() -> Option<PathBuf> {
    let program = std::env::var_os("TILEFN_STATIC").map(PathBuf::from);
    if program.is_none() {
        eprintln!("SKIPPED: a worker without GDAL: TILEFN_STATIC doesn't say where one is; scripts/test.sh builds it");
    }
    program
}

#[test]
fn it_works_for_a_controller_that_reads_and_for_no_other() {
    let Some(program) = program() else { return };
    let small = |f: &Folder| {
        let mut command = Command::new(&program);
        command.args(worker_command(f, "--threads 2").get_args()).current_dir(f.path()).stdin(Stdio::null());
        Running::start(f, "small", command)
    };
    let f = labour::folder(0, "kind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'");
    let mut controller = submit(&f, "");
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    let only = small(&f);
    assert_done(&f, &controller.wait());
    only.wait().ok();

    let mut controller = submit(&f, "--overwrite --set workers.reads=worker");
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    assert_eq!(
        small(&f).wait().error(12),
        "the controller refused this worker: the job wants workers that read the inputs themselves (workers.reads = \"worker\"); \
         this one has no GDAL"
    );
    let other = worker(&f, "large", "--threads 2");
    assert_done(&f, &controller.wait());
    other.wait().ok();
    assert_tidy(&f, &FILES);
}

#[test]
fn it_needs_no_library_and_says_what_it_can_not_do() {
    let Some(program) = program() else { return };
    let run = |program: &str, arguments: &[&str]| Run::of(Command::new(program).args(arguments).output().unwrap());
    let program = program.to_str().unwrap();
    let headers = run("readelf", &["--program-headers", "--dynamic", program]).ok().stdout.clone();
    assert!(!headers.contains("INTERP") && !headers.contains("(NEEDED)"), "{headers}");

    let without = "this tilefn was built without GDAL, so it can only work for a controller (tilefn worker) and show modules \
                   (tilefn inspect); new, run, submit, calc, zonal, info, diff, preview, stats, rat and schema need a tilefn built with it";
    for arguments in [&["run", "job.toml", "--workers", "threads:2"][..], &["submit", "--help"], &["schema"]] {
        assert_eq!(run(program, arguments).error(2), without);
    }
    let help = run(program, &["--help"]).ok().stdout.clone();
    assert!(!help.contains("\n  run") && help.contains("built without GDAL"), "{help}");
}
