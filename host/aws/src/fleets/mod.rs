//! The controller's side of AWS: what a job makes there, from its module in S3 to its tasks and their instances.
//!
//! [`Fargate`] and `Ec2` are the two [fleets](controller::fleet::Fleet). Both rest on the same parts: a
//! [`Store`] for module and ticket in S3, the job's ECS tasks, and a [`Ledger`] that is written before anything is
//! created and undone whatever fails. What a killed controller left is found by its tags: [`gc`].

mod backoff;
mod clients;
pub mod cost;
pub mod detached;
#[cfg(feature = "ec2")]
mod ec2;
mod fargate;
pub mod gc;
mod last_words;
mod ledger;
mod outlook;
mod quota;
mod recruit;
mod request;
mod s3;
mod stopped;
mod tags;
mod tasks;

pub use clients::Clients;
#[cfg(feature = "ec2")]
pub use ec2::Ec2;
pub use fargate::Fargate;
pub use ledger::{Cluster, Ledger};
pub use quota::{Quota, quotas};
pub use recruit::{estimate, job_id, put_report, recruit, session};
pub use s3::Store;
