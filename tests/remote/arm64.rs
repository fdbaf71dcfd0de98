//! A worker for ARM64, under emulation where this machine is another: it gives the same pixels, bit for bit.
//!
//! scripts/arm64.sh builds the worker and runs these tests.

use crate::labour::{self, assert_done, submit, worker_command};
use crate::running::Running;
use crate::support::{Folder, module};
use std::process::{Command, Stdio};

/// The worker's program, with the emulator before it.
fn program() -> Option<Vec<String>> {
    let program = std::env::var("TILEFN_ARM64").ok().map(|words| words.split(' ').map(str::to_owned).collect());
    if program.is_none() {
        eprintln!("SKIPPED: a worker for ARM64: TILEFN_ARM64 doesn't say where one is; scripts/arm64.sh builds it");
    }
    program
}

/// Runs the folder's job with one such worker.
#[track_caller]
fn run(f: &Folder, program: &[String], arguments: &str) -> crate::support::Run {
    let mut controller = submit(f, arguments);
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).args(worker_command(f, "--threads 2").get_args());
    command.current_dir(f.path()).stdin(Stdio::null());
    let only = Running::start(f, "arm64", command);
    let run = controller.wait();
    only.wait().ok();
    run
}

#[test]
fn it_gives_what_numpy_gives() {
    let Some(program) = program() else { return };
    let f = labour::folder(0, "kind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'");
    assert_done(&f, &run(&f, &program, ""));
}

/// Slopes of noise, with holes, plains and edges: trigonometry, divisions by zero, and NaN.
#[test]
fn floating_point_numbers_have_the_same_bits() {
    let Some(program) = program() else { return };
    let f = Folder::new();
    f.python(
        "
        dem = np.random.default_rng(4).normal(500, 300, (512, 512)).astype('f4')
        dem[100:200, 100:300] = 7
        dem[::37, ::41] = np.nan
        write('dem.tif', dem, nodata=np.nan)
        ",
    );
    f.write(
        "job.toml",
        &format!(
            "[function]\nmodule = {:?}\n[inputs.dem]\npath = 'dem.tif'\n[outputs.slope]\npath = 'slope.tif'\n\
             [outputs.hillshade]\npath = 'hillshade.tif'\n[grid]\ntile = [64, 64]\n\
             [workers]\nkind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'\n",
            module("examples/slope-hillshade")
        ),
    );
    let there = "--set outputs.slope.path=slope64.tif --set outputs.hillshade.path=hillshade64.tif";
    run(&f, &program, there).ok();
    f.run("--workers threads:2").ok();
    f.python(
        "
        for name in ['slope', 'hillshade']:
            here, there = read(f'{name}.tif'), read(f'{name}64.tif')
            assert here.dtype == there.dtype and here.tobytes() == there.tobytes(), name
        slope = read('slope.tif')
        assert np.isnan(slope).any() and (slope == 0).any() and (slope > 80).any()
        ",
    );
}
