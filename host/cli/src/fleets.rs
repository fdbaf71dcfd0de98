//! Jobs with workers on AWS: the kinds of workers, and what they cost.

use super::console::Console;
use super::fatal::Fatal;
use super::launcher::{Launch, Launched, Launcher, listen};
use super::s3::wait;
use super::whereabouts::advertised;
#[cfg(feature = "ec2")]
use aws::Ec2;
use aws::{AwsError, Fargate, Session};
use controller::{Address, Fleet, Report, RunResult, remote};
use job::spec::Workers;
use serde_json::{Value, json};
use types::WorkerKind;

/// Kinds of workers on AWS that this program can start.
pub const LAUNCHERS: &[Launcher] = &[
    Launcher { kind: WorkerKind::Fargate, run: false, submit: true, begin: |workers| begin(workers, Fargate::new) },
    #[cfg(feature = "ec2")]
    Launcher { kind: WorkerKind::Ec2, run: false, submit: true, begin: |workers| begin(workers, Ec2::new) },
];

/// Checks that workers will find this controller; what it returns runs a job with the fleet that `make` makes of its settings.
fn begin<F: Fleet + 'static>(
    workers: &Workers,
    make: fn(&Session, &Workers) -> Result<F, AwsError>,
) -> Result<Launch, Fatal> {
    let advertise = advertised(workers, listen(workers)?)?;
    Ok(Box::new(move |launched| run(launched, advertise, make)))
}

/// Runs a job with the fleet that `make` makes of its settings.
fn run<F: Fleet>(
    launched: Launched<'_>,
    advertise: Vec<String>,
    make: fn(&Session, &Workers) -> Result<F, AwsError>,
) -> Result<RunResult, Fatal> {
    let (options, workers) = (launched.options(), launched.workers);
    let address = Address { advertise, ..launched.address()? };
    let recruit = async |module: &[u8]| aws::recruit(workers, module, make).await;
    Ok(remote::run(launched.job, recruit, &options, &address))
}

/// What the job's workers will cost, for people and for programs; none where that isn't known.
pub fn estimate(workers: &Workers) -> Option<(String, Value)> {
    let estimate = wait(async { Ok(aws::estimate(workers).await) }).ok()??;
    Some((estimate.to_string(), json!(estimate)))
}

/// The account's quotas that the workers take from, for people and for programs.
pub fn quotas(workers: &Workers) -> (Vec<String>, Value) {
    let quotas = aws::quotas(workers);
    (quotas.iter().map(ToString::to_string).collect(), json!(quotas))
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
