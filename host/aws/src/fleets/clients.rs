//! The services of AWS that a job calls.

use super::s3::Store;
use crate::session::{Pace, Session};

/// Tasks, container instances or task definitions that one call describes or deletes.
pub(super) const PAGE: usize = 100;

/// The services that things are made and removed with.
#[derive(Clone, Debug)]
pub struct Clients {
    pub(super) ecs: aws_sdk_ecs::Client,
    #[cfg(feature = "ec2")]
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    pub(super) store: Store,
    pub(super) pace: Pace,
}

impl Clients {
    /// Clients of this session; tickets are in `store`.
    pub fn new(session: &Session, store: Store) -> Self {
        Self {
            ecs: session.ecs(),
            #[cfg(feature = "ec2")]
            ec2: session.ec2(),
            logs: session.logs(),
            store,
            pace: session.pace,
        }
    }
}
