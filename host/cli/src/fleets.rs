//! Jobs with workers on AWS: which kinds there are, what they cost, and the commands that look at such jobs.

use super::console::Console;
pub use super::detach::{Detached, ProgressUpload};
use super::fatal::Fatal;
use super::s3::wait;
use super::{detach, gc};
use aws::{Ec2, Fargate};
use clap::Subcommand;
use controller::remote::{self, Address};
use controller::{Control, Finished, Journal, Plan, Report, Unfinished};
use job::spec::{WorkerKind, Workers};
use sandbox::Function;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Kinds of workers on AWS that this program can start.
pub const KINDS: &[WorkerKind] = &[
    WorkerKind::Fargate,
    #[cfg(feature = "ec2")]
    WorkerKind::Ec2,
];

#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Show how a job stands that was left to AWS
    Status(detach::Arguments),
    /// Show what the controller of a job says that was left to AWS
    Logs(detach::Arguments),
    /// Stop a job that was left to AWS, and wait until it has cleaned up
    Cancel(detach::Arguments),
    /// List what killed controllers left on AWS, and remove it
    Gc(gc::Arguments),
}

impl FleetCommand {
    /// Does what the command says.
    pub fn run(&self, console: &Console) -> Result<(), Fatal> {
        match self {
            Self::Status(arguments) => detach::status(arguments, console),
            Self::Logs(arguments) => detach::logs(arguments, console),
            Self::Cancel(arguments) => detach::cancel(arguments, console),
            Self::Gc(arguments) => gc::gc(arguments, console),
        }
    }
}

/// A job that is ready for its workers.
pub struct Job<'a> {
    pub plan: &'a Plan,
    pub module: Vec<u8>,
    pub function: Function,
    pub control: &'a Arc<Control>,
    pub journal: Option<Journal>,
    /// Time that its preparation took.
    pub took: Duration,
}

/// Runs a job with workers of its kind.
pub fn run(job: Job<'_>, workers: &Workers, options: &(remote::Options, Address)) -> Result<Finished, Box<Unfinished>> {
    let Job { plan, module, function, control, journal, took } = job;
    #[cfg(feature = "ec2")]
    if workers.kind == WorkerKind::Ec2 {
        let recruit = async |module: &[u8]| aws::recruit(workers, module, Ec2::new).await;
        return remote::run(plan, module, function, recruit, options, control, journal, took);
    }
    let recruit = async |module: &[u8]| aws::recruit(workers, module, Fargate::new).await;
    remote::run(plan, module, function, recruit, options, control, journal, took)
}

/// What the job's workers will cost, for people and for programs; none where that isn't known.
pub fn estimate(workers: &Workers) -> Option<(String, Value)> {
    let estimate = wait(async { Ok(aws::estimate(workers).await) }).ok()??;
    Some((estimate.to_string(), json!(estimate)))
}

/// The id of a job with workers on AWS.
pub fn job_id(workers: &Workers, function: &str) -> Option<String> {
    workers.ecs().map(|_| aws::job_id(workers, function))
}

/// Copies the report to where on AWS the job's other objects are.
pub fn keep(workers: &Workers, id: &str, report: &Report, console: &Console) {
    if workers.ecs().is_none() {
        return;
    }
    let Ok(text) = serde_json::to_string_pretty(report) else { return };
    let bytes = types::text::json(&text).into_owned().into_bytes();
    match wait(aws::put_report(workers, id, bytes)) {
        Ok(Some(url)) => console.say(&format!("report at {url}"), "report-copied", || json!({ "url": url })),
        Ok(None) => {}
        Err(e) => console.warn(&format!("the job is done, but {}", e.text)),
    }
}
