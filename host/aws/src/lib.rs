//! Workers on AWS: starts ECS tasks, keeps them coming, and removes all that was made for the job.
//!
//! What a worker needs is here: an `s3://` address, and the [`Session`] to read it with. `fleets` is the controller's side.
//! `docs/aws.md` is the user's page.

mod address;
mod credentials;
mod error;
#[cfg(feature = "fleets")]
mod fleets;
mod session;

pub use address::fetch;
pub use credentials::{Lent, lent};
pub use error::{AwsError, Cause};
#[cfg(feature = "fleets")]
pub use fleets::*;
pub use session::{Pace, Session};
