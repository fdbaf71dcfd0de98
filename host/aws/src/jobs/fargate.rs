//! The fleet of ECS tasks on Fargate, on-demand or Spot.

use super::cost::{self, Rates};
use super::crew::Crew;
use super::request::Kind;
use crate::error::AwsError;
use crate::session::Session;
use controller::Usage;
use controller::fleet::{Fleet, FleetError, Roll};
use job::spec::Workers;
use tokio::time::sleep;
use wire::Ticket;

/// Workers as tasks on Fargate.
pub struct Fargate {
    crew: Crew,
    rates: Option<Rates>,
}

impl Fargate {
    /// A fleet with the job file's settings; nothing is asked of AWS yet.
    ///
    /// # Errors
    /// When the job file lacks `[workers.fargate]`, `[workers.s3]` or `count`.
    pub fn new(session: &Session, workers: &Workers) -> Result<Self, AwsError> {
        let fargate = workers.fargate.clone();
        let fargate = fargate.ok_or_else(|| AwsError::refused("use the job file", "it lacks [workers.fargate]"))?;
        let rates = cost::fargate(&fargate, session.region());
        Ok(Self { crew: Crew::new(session, workers, Kind::Fargate(fargate))?, rates })
    }
}

impl Fleet for Fargate {
    async fn start(&mut self, ticket: &Ticket, roll: &Roll) -> Result<(), FleetError> {
        self.crew.prepare(ticket).await?;
        self.crew.round(roll, true).await
    }

    async fn keep(&mut self, roll: &Roll) -> FleetError {
        loop {
            sleep(self.crew.clients.pace.poll).await;
            if let Err(error) = self.crew.round(roll, true).await {
                return error;
            }
        }
    }

    async fn stop(&mut self) -> Vec<String> {
        self.crew.stop().await
    }

    fn usage(&self) -> Option<Usage> {
        let usage = self.crew.usage();
        Some(self.rates.iter().fold(usage, |usage, rates| rates.price(usage)))
    }
}
