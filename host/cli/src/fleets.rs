//! Jobs with workers on AWS: which kinds there are, what they cost, and the commands that look at such jobs.

use super::console::Console;
pub use super::detach::{Detached, ProgressUpload};
use super::fatal::Fatal;
use super::launcher::{Launched, Launcher};
use super::s3::wait;
use super::{detach, gc};
#[cfg(feature = "ec2")]
use aws::Ec2;
use aws::{AwsError, Fargate, Session};
use clap::Subcommand;
use controller::{Fleet, Report, RunResult, remote};
use job::spec::{WorkerKind, Workers};
use serde_json::{Value, json};

/// Kinds of workers on AWS that this program can start.
pub const LAUNCHERS: &[Launcher] = &[
    Launcher {
        kind: WorkerKind::Fargate,
        run: false,
        submit: true,
        begin: |_| Ok(Box::new(|launched| run(launched, Fargate::new))),
    },
    #[cfg(feature = "ec2")]
    Launcher {
        kind: WorkerKind::Ec2,
        run: false,
        submit: true,
        begin: |_| Ok(Box::new(|launched| run(launched, Ec2::new))),
    },
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

/// Runs a job with the fleet that `make` makes of its settings.
fn run<F: Fleet>(
    launched: Launched<'_>,
    make: impl FnOnce(&Session, &Workers) -> Result<F, AwsError>,
) -> Result<RunResult, Fatal> {
    let (options, address, workers) = (launched.options(), launched.address()?, launched.workers);
    let recruit = async |module: &[u8]| aws::recruit(workers, module, make).await;
    Ok(remote::run(launched.job, recruit, &options, &address))
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
