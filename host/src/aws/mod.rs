//! Workers on AWS: starts ECS tasks, keeps them coming, and removes all that was made for the job.
//!
//! [`Fargate`] and [`Ec2`] are the two [fleets](crate::controller::fleet::Fleet). Both rest on the same parts: a
//! [`Store`] for module and ticket in S3, a crew of ECS tasks, and a [`Ledger`] that is written before anything is
//! created and undone whatever fails. What a killed controller left is found by its tags: [`gc`]. `docs/aws.md` is the
//! user's page.

mod backoff;
pub mod cost;
mod crew;
#[cfg(feature = "ec2")]
mod ec2;
mod error;
mod fargate;
pub mod gc;
mod ledger;
mod request;
mod s3;
mod session;
mod stopped;
mod tags;

pub use crew::Usage;
#[cfg(feature = "ec2")]
pub use ec2::Ec2;
pub use error::{AwsError, Cause};
pub use fargate::Fargate;
pub use ledger::{Clients, Cluster, Ledger};
pub use s3::{Store, fetch, upload};
pub use session::{Pace, Session};
pub use stopped::Left;

use crate::controller::FleetError;
use crate::controller::remote::Recruited;
use crate::job::spec::{WorkerKind, Workers};

/// A fleet with the job file's settings, and the module in S3, where its workers fetch it.
///
/// # Errors
/// When settings are missing, or S3 refuses the module.
pub async fn recruit<F>(
    workers: &Workers,
    module: &[u8],
    fleet: impl FnOnce(&Session, &Workers) -> Result<F, AwsError>,
) -> Result<Recruited<F>, FleetError> {
    let failed = |e: AwsError| FleetError(e.to_string());
    let settings = workers.s3.as_ref();
    let fargate = workers.fargate.as_ref().filter(|_| workers.kind == WorkerKind::Fargate).map(|f| &f.ecs);
    let ec2 = workers.ec2.as_ref().filter(|_| workers.kind == WorkerKind::Ec2).map(|e| &e.ecs);
    let region = fargate.or(ec2).and_then(|ecs| ecs.region.as_deref());
    let session = Session::load(region).await.map_err(failed)?;
    let fleet = fleet(&session, workers).map_err(failed)?;
    let module_url = match settings {
        Some(settings) => Some(Store::new(&session, settings).put_module(module).await.map_err(failed)?),
        None => None,
    };
    Ok(Recruited { fleet, module_url })
}
