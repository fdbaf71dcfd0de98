//! The run's report: what was done, by whom, how long it took, and what to look at. `docs/report.md` lists its keys.

use super::tally::WorkerTally;
use grid::Grid;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// Everything worth knowing about a run that has ended. Times are seconds, sizes bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of the program.
    pub tilefn: &'static str,
    /// The exit code: 0 when the job is complete.
    pub exit_code: u8,
    /// Why the job ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was run.
    pub job: Job,
    /// The working grid.
    pub grid: GridReport,
    /// What became of the tiles.
    pub tiles: Tiles,
    /// Wall time of the whole run.
    pub wall_seconds: f64,
    /// Time by stage, summed over all threads.
    pub seconds: Stages,
    /// Bytes of input pixels handed to the function.
    pub bytes_in: u64,
    /// Bytes of output pixels the function returned.
    pub bytes_out: u64,
    /// Highest resident memory of this process.
    pub peak_memory: u64,
    /// Highest memory of one call of the function, inside the sandbox.
    pub function_peak_memory: u64,
    pub workers: Vec<Worker>,
    /// What workers on AWS used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<Usage>,
    /// The output files.
    pub outputs: Vec<OutputFile>,
    /// The result of an accumulating function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
    /// The file that has it as a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_path: Option<String>,
    /// All warnings.
    pub warnings: Vec<String>,
    /// The last warnings: pixels that were changed or lost, known only at the end.
    #[serde(skip)]
    pub changes: Vec<String>,
}

/// The job's identity.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Job {
    /// Path of the job file.
    pub path: String,
    /// SHA-256 of the job as it was run, overrides included.
    pub sha256: String,
    pub module: String,
    /// SHA-256 of the module.
    pub module_sha256: String,
    pub function: String,
    /// SHA-256 of the parameters' files, by the parameters' names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params_sha256: BTreeMap<String, String>,
}

/// The working grid.
#[derive(Clone, Debug, Serialize)]
pub struct GridReport {
    /// Pixel rows.
    pub rows: u32,
    /// Pixel columns.
    pub cols: u32,
    /// GDAL's six numbers.
    pub geotransform: [f64; 6],
    /// The CRS as WKT.
    pub crs: String,
    /// Rows and columns of a tile.
    pub tile: [u32; 2],
    /// Extra pixels around a tile.
    pub halo: u32,
}

impl GridReport {
    /// Describes a grid and how it is cut.
    pub fn new(grid: &Grid, tile: (u32, u32), halo: u32) -> Self {
        Self {
            rows: grid.rows,
            cols: grid.cols,
            geotransform: grid.transform.0,
            crs: grid.crs.0.to_string(),
            tile: tile.into(),
            halo,
        }
    }
}

/// Numbers of tiles.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Tiles {
    /// All tiles of the grid.
    pub total: u64,
    /// Run and written.
    pub done: u64,
    /// Not run because no input has a valid pixel there.
    pub skipped: u64,
    /// Handed out more than once.
    pub retried: u64,
    /// Failed on a worker, for a reason that another worker didn't have.
    pub failed: u64,
    /// Done by an earlier run, which this one went on from.
    pub resumed: u64,
}

/// Seconds by stage, summed over threads.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Stages {
    /// Opening, checking, planning and compiling.
    pub prepare: f64,
    /// Reading inputs.
    pub read: f64,
    /// In the sandbox.
    pub run: f64,
    /// Handing tiles to the output files, encoding included where GDAL does it at once.
    pub write: f64,
    /// Statistics, overviews, closing and renaming.
    pub finish: f64,
    /// Waiting for a tile.
    pub wait: f64,
}

/// One worker's part.
#[derive(Clone, Debug, Serialize)]
pub struct Worker {
    /// The controller's number for it.
    pub id: u32,
    /// `thread`, `process`, …
    pub kind: String,
    /// Host it ran on.
    pub host: String,
    /// Tiles it did.
    pub tiles: u64,
    /// Seconds it worked.
    pub seconds: f64,
    /// Why it left.
    pub left: String,
}

impl Worker {
    /// A worker as it left; `still_here` is the text for a worker that hasn't.
    pub(super) fn of(tally: &WorkerTally, still_here: &str) -> Self {
        let WorkerTally { worker, identity, since, work, left, .. } = tally;
        let (until, why) = match left {
            Some((when, why)) => (*when, why.as_str()),
            None => (Instant::now(), still_here),
        };
        Self {
            id: *worker,
            kind: identity.kind.into(),
            host: identity.host.clone(),
            tiles: work.tiles(),
            seconds: until.saturating_duration_since(*since).as_secs_f64(),
            left: why.to_owned(),
        }
    }
}

/// What workers on AWS used. Seconds count from when AWS accepted a task or instance until it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Tasks that AWS accepted.
    pub tasks: u64,
    /// Seconds of on-demand tasks.
    pub task_seconds: f64,
    /// Seconds of tasks on Fargate's Spot capacity.
    pub spot_task_seconds: f64,
    /// Instances that AWS started.
    pub instances: u64,
    /// Seconds of instances.
    pub instance_seconds: f64,
    /// The cost of all that, in USD; none when no price is known.
    pub cost_usd: Option<f64>,
    /// The prices behind the cost.
    pub prices: Option<String>,
    /// Tasks that ended before the job did.
    pub ended: Vec<Ended>,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.task_seconds + self.spot_task_seconds;
        write!(f, "{} tasks used {seconds:.0} task-seconds", self.tasks)?;
        if self.spot_task_seconds > 0.0 {
            write!(f, ", {:.0} of them on Spot", self.spot_task_seconds)?;
        }
        if self.instances > 0 {
            write!(f, ", {} instances {:.0} seconds", self.instances, self.instance_seconds)?;
        }
        match (&self.cost_usd, &self.prices) {
            (Some(cost), Some(prices)) => write!(f, ": about {cost:.4} USD ({prices})"),
            _ => f.write_str("; no price is known: set hourly_price"),
        }
    }
}

/// A worker's task that ended before its job did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The task's ARN.
    pub task: String,
    /// What became of it.
    pub why: String,
    /// Whether it ever connected.
    pub connected: bool,
}

/// A file that was written.
#[derive(Clone, Debug, Serialize)]
pub struct OutputFile {
    /// The output's name.
    pub output: String,
    /// The file's path.
    pub path: String,
    /// Its size, when it is a local file.
    pub bytes: u64,
}
