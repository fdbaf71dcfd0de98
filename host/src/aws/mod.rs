//! Workers on AWS: starts ECS tasks, keeps them coming, and removes all that was made for the job.
//!
//! [`Fargate`] and [`Ec2`] are the two [fleets](crate::controller::fleet::Fleet). Both rest on the same parts: a
//! [`Store`] for module and ticket in S3, a crew of ECS tasks, and a [`Ledger`] that is written before anything is
//! created and undone whatever fails. What a killed controller left is found by its tags: [`gc`]. `docs/aws.md` is the
//! user's page.

mod address;
#[cfg(feature = "gdal")]
mod backoff;
#[cfg(feature = "gdal")]
pub mod cost;
#[cfg(feature = "gdal")]
mod crew;
#[cfg(feature = "gdal")]
pub mod detached;
#[cfg(feature = "ec2")]
mod ec2;
mod error;
#[cfg(feature = "gdal")]
mod fargate;
#[cfg(feature = "gdal")]
pub mod gc;
#[cfg(feature = "gdal")]
mod ledger;
#[cfg(feature = "gdal")]
mod recruit;
#[cfg(feature = "gdal")]
mod request;
#[cfg(feature = "gdal")]
mod s3;
mod session;
#[cfg(feature = "gdal")]
mod stopped;
#[cfg(feature = "gdal")]
mod tags;

pub use address::fetch;
#[cfg(feature = "ec2")]
pub use ec2::Ec2;
pub use error::{AwsError, Cause};
#[cfg(feature = "gdal")]
pub use fargate::Fargate;
#[cfg(feature = "gdal")]
pub use ledger::{Clients, Cluster, Ledger};
#[cfg(feature = "gdal")]
pub use recruit::{estimate, job_id, put_report, recruit, session};
#[cfg(feature = "gdal")]
pub use s3::Store;
pub use session::{Pace, Session};
