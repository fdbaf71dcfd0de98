//! What a job needs of AWS besides its fleet: an id, a price, its module and its report in S3.

use super::backoff::{self, Step};
use super::cost::{self, Estimate};
use super::s3::Store;
use super::tags;
use crate::error::AwsError;
use crate::session::Session;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use controller::FleetError;
use controller::remote::Recruited;
use job::spec::Workers;

/// A job's id: its name, or its function's, and something by chance.
pub fn job_id(workers: &Workers, function: &str) -> String {
    let name = workers.ecs().and_then(|ecs| ecs.job_name.as_deref()).unwrap_or(function);
    format!("{}-{:08x}", tags::id(name), backoff::chance() >> 32)
}

/// A session in the job's region.
///
/// # Errors
/// When no region is set anywhere.
pub async fn session(workers: &Workers) -> Result<Session, AwsError> {
    Session::load(workers.ecs().and_then(|ecs| ecs.region.as_deref())).await
}

/// A fleet with the job file's settings, and the module in S3, where its workers fetch it.
///
/// # Errors
/// When settings are missing, or S3 refuses the module.
pub async fn recruit<F>(
    workers: &Workers,
    module: &[u8],
    fleet: impl FnOnce(&Session, &Workers) -> Result<F, AwsError>,
) -> Result<Recruited<F>, FleetError> {
    let session = session(workers).await?;
    let fleet = fleet(&session, workers)?;
    let module_url = match &workers.s3 {
        Some(settings) => {
            let step = Step::begin();
            let url = Store::new(&session, settings).put_module(module).await?;
            step.done(format_args!("module at {url}"));
            Some(url)
        }
        None => None,
    };
    Ok(Recruited { fleet, module_url })
}

/// What the job's workers will cost, where a price is known. Asks nothing of AWS.
pub async fn estimate(workers: &Workers) -> Option<Estimate> {
    let region = match workers.ecs()?.region.clone() {
        Some(region) => region,
        None => configured_region().await.unwrap_or_default(),
    };
    cost::estimate(workers, &region)
}

/// Puts a job's report beside its ticket. Returns its `s3://` address; `None` without `[workers.s3]`.
///
/// # Errors
/// When S3 refuses or can't be reached.
pub async fn put_report(workers: &Workers, job: &str, report: Vec<u8>) -> Result<Option<String>, AwsError> {
    let Some(settings) = &workers.s3 else { return Ok(None) };
    let session = session(workers).await?;
    Store::new(&session, settings).put(job, "report.json", report).await.map(Some)
}

/// The region that the environment or the AWS profile names, without asking the machine that this may run on.
async fn configured_region() -> Option<String> {
    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    chain.region().await.map(|region| region.to_string())
}
