//! The plan: a job in which every path is opened, every type checked and the grid cut.

use super::report::Job;
use raster::TargetSpec;
use std::sync::Arc;
use worker::Task;

/// A planned job.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is run, for the report.
    pub job: Job,
    /// The part that workers need.
    pub task: Arc<Task>,
    /// The files of each output, in the order of [`Task::outputs`]. How many bands they have is seen from the first tile.
    pub outputs: Vec<Vec<TargetSpec>>,
    /// The file of the accumulating function's result, if the job wants one.
    pub reduced: Option<String>,
    /// Compute threads on this machine.
    pub threads: usize,
    /// Warnings for the user, before and after the run.
    pub warnings: Vec<String>,
}
