//! The job that the tests disturb: two outputs, a halo, a sum that depends on the tiles' order, and its right result.

use crate::running::Running;
use crate::support::{Folder, Run};
use serde_json::{Value, json};
use std::process::Command;

/// Tiles in each direction; each has 64 × 64 pixels.
pub const ACROSS: u64 = 8;
/// All tiles.
pub const TILES: u64 = ACROSS * ACROSS;
/// What is in the folder after the job.
pub const FILES: [&str; 5] = ["a.tif", "added.tif", "job.toml", "report.json", "tile.tif"];

/// A folder with the job and its input. Counting to `steps` is what each tile takes; `workers` follows `[workers]`.
#[track_caller]
pub fn folder(steps: u64, workers: &str) -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', (np.arange(512 * 512, dtype='u8') * 7919 % 60000).astype('u2').reshape(512, 512))");
    f.job(
        "labour",
        &format!(
            "[params]\nsteps = {steps}\n[inputs.image]\npath = 'a.tif'\n[outputs.added]\npath = 'added.tif'\n[outputs.tile]\n\
             path = 'tile.tif'\n[grid]\ntile = [64, 64]\nedge = 'nearest'\n[workers]\n{workers}\n"
        ),
    );
    f
}

/// `tilefn submit` on the job, with further arguments separated by spaces, in the background.
pub fn submit(f: &Folder, arguments: &str) -> Running {
    let mut command = f.command();
    command.args(["submit", "job.toml", "--report", "report.json"]).args(arguments.split_whitespace());
    Running::start(f, "controller", command)
}

/// A worker with the ticket that the job's folder has.
pub fn worker(f: &Folder, name: &str, arguments: &str) -> Running {
    Running::start(f, name, worker_command(f, arguments))
}

pub fn worker_command(f: &Folder, arguments: &str) -> Command {
    let mut command = f.command();
    command.arg("worker").arg("--ticket").arg(f.path().join("ticket")).args(arguments.split_whitespace());
    command
}

/// The report of a run that must have gone well, with the right pixels and each tile counted once.
#[track_caller]
pub fn assert_done(f: &Folder, run: &Run) -> Value {
    run.ok();
    let pixels = f.python(
        "
        a = np.pad(read('a.tif')[0].astype('u4'), 1, mode='edge')
        added = a[1:-1, 1:-1] + a[:-2, :-2]
        r, c = np.mgrid[:512, :512]
        same('added.tif', added)
        same('tile.tif', (r // 64 * 8 + c // 64).astype('u2'))
        result = int(added.sum(dtype='u8'))
        ",
    );
    let order = (1..=TILES).fold(0_u64, |order, tile| order.wrapping_mul(31).wrapping_add(tile));
    let report: Value = serde_json::from_str(&f.read("report.json")).unwrap();
    assert_eq!(report["result"], json!([TILES, pixels, order.to_string()]));
    assert_eq!((&report["tiles"]["total"], &report["tiles"]["done"]), (&json!(TILES), &json!(TILES)), "{report:#}");
    let by_worker: u64 = report["workers"].as_array().unwrap().iter().map(|w| w["tiles"].as_u64().unwrap()).sum();
    assert_eq!(by_worker, TILES, "{report:#}");
    // A tile of 64 × 64 with its halo, two bytes a pixel.
    assert_eq!(report["bytes_in"], TILES * 66 * 66 * 2);
    report
}
