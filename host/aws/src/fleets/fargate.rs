//! The fleet of ECS tasks on Fargate, on-demand or Spot.

use super::cost::{self, Rates};
use super::request::TaskSettings;
use super::tasks::{Room, Tasks};
use crate::error::AwsError;
use crate::session::Session;
use controller::Usage;
use controller::fleet::{ConnectedWorkers, Fleet, FleetError};
use job::spec::Workers;
use tokio::time::sleep;
use wire::Ticket;

/// Workers as tasks on Fargate.
pub struct Fargate {
    tasks: Tasks,
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
        Ok(Self { tasks: Tasks::new(session, workers, TaskSettings::Fargate(fargate))?, rates })
    }
}

impl Fleet for Fargate {
    async fn start(&mut self, ticket: &Ticket, workers: &ConnectedWorkers) -> Result<(), FleetError> {
        self.tasks.prepare(ticket).await?;
        self.tasks.round(workers, Room::ANY).await
    }

    async fn keep(&mut self, workers: &ConnectedWorkers) -> FleetError {
        loop {
            sleep(self.tasks.clients.pace.poll).await;
            if let Err(error) = self.tasks.round(workers, Room::ANY).await {
                return error;
            }
        }
    }

    async fn why(&mut self, task: &str) -> Option<String> {
        self.tasks.why(task).await
    }

    async fn stop(&mut self) -> Vec<String> {
        self.tasks.stop().await
    }

    fn usage(&self) -> Option<Usage> {
        let usage = self.tasks.usage();
        Some(self.rates.iter().fold(usage, |usage, rates| rates.price(usage)))
    }
}
