//! The plan and all that was prepared for running it.

use super::control::Control;
use super::journal::Journal;
use super::plan::Plan;
use sandbox::Function;
use std::sync::Arc;
use std::time::Duration;

/// A job that is ready to run.
pub struct ReadyJob {
    /// What is to be done.
    pub plan: Plan,
    /// The module, for workers elsewhere.
    pub module: Vec<u8>,
    /// The function, compiled in this process: threads run it, and it joins the results of an accumulating function.
    pub function: Function,
    /// The job's handle.
    pub control: Arc<Control>,
    /// None when the job can't be resumed after a crash.
    pub journal: Option<Journal>,
    /// How long opening, planning and compiling took, for the report.
    pub prepared: Duration,
}
