//! The fleet of ECS tasks on EC2 instances that are started for the job: a private cluster.

pub(super) mod instances;
mod request;

use super::backoff::{Step, chance, delay};
use super::cost::{self, Rates};
use super::request::TaskSettings;
use super::tasks::Tasks;
use crate::error::{AwsError, Cause};
use crate::session::Session;
use controller::Usage;
use controller::fleet::{ConnectedWorkers, Fleet, FleetError};
use indexmap::IndexMap;
use instances::alive;
use job::spec::{self, Workers};
use request::{CapacityPool, Launch, capacity_pools, run_instances};
use tokio::time::{Instant, sleep};
use wire::Ticket;

/// Workers as tasks on EC2 instances.
pub struct Ec2 {
    tasks: Tasks,
    settings: spec::Ec2,
    /// Instances that AWS started and has not ended, and when.
    instances: IndexMap<String, Instant>,
    /// How many there have been, and the seconds of those that have ended.
    started: u64,
    ended_seconds: f64,
    /// Whether one of them has joined the cluster.
    joined: bool,
    rates: Option<Rates>,
    /// A request whose answer is not known; it is sent again with the same token.
    pending: Option<Launch>,
    sent: u64,
    nonce: u64,
    refusals: u32,
    not_before: Option<Instant>,
}

impl Ec2 {
    /// A fleet with the job file's settings; nothing is asked of AWS yet.
    ///
    /// # Errors
    /// When the job file lacks `[workers.ec2]`, `[workers.s3]` or `count`.
    pub fn new(session: &Session, workers: &Workers) -> Result<Self, AwsError> {
        let settings = workers.ec2.clone();
        let settings = settings.ok_or_else(|| AwsError::refused("use the job file", "it lacks [workers.ec2]"))?;
        Ok(Self {
            tasks: Tasks::new(session, workers, TaskSettings::Ec2(settings.clone()))?,
            rates: cost::ec2(&settings),
            settings,
            instances: IndexMap::new(),
            started: 0,
            ended_seconds: 0.0,
            joined: false,
            pending: None,
            sent: 0,
            nonce: chance(),
            refusals: 0,
            not_before: None,
        })
    }

    /// Looks at the instances once and starts those that are missing, then the same with tasks.
    async fn round(&mut self, workers: &ConnectedWorkers) -> Result<(), FleetError> {
        self.look_at_instances().await;
        let there = u32::try_from(self.instances.len()).unwrap_or(u32::MAX);
        let missing = self.settings.instance_count.saturating_sub(there);
        let waiting = self.not_before.is_some_and(|until| Instant::now() < until);
        if missing > 0 && !waiting && workers.tiles_left() > 0 {
            match self.launch(missing).await {
                Ok(()) => self.refusals = 0,
                Err(e) if self.instances.is_empty() && matches!(e.cause, Cause::Denied | Cause::Refused) => {
                    return Err(e.into());
                }
                Err(e) => {
                    tracing::warn!("{e}");
                    self.refusals = self.refusals.saturating_add(1);
                    let pace = &self.tasks.clients.pace;
                    let wait = delay(self.refusals, pace.backoff, pace.backoff_most, chance());
                    self.not_before = Some(Instant::now() + wait);
                }
            }
        }
        let ready = self.registered().await;
        self.tasks.round(workers, ready).await
    }

    /// Starts instances wherever there are some, until there are enough or all capacity_pools have been tried.
    async fn launch(&mut self, missing: u32) -> Result<(), AwsError> {
        let mut missing = missing;
        let mut refusal = None;
        let tried_before = self.pending.take();
        let begun_again = tried_before.into_iter().map(|l| (l.pool, Some((l.count, l.token))));
        for (pool, again) in begun_again.chain(capacity_pools(&self.settings).into_iter().map(|p| (p, None))) {
            if missing == 0 {
                return Ok(());
            }
            let (count, token) = again.unwrap_or_else(|| {
                self.sent += 1;
                (missing, format!("tilefn-{:016x}-{}", self.nonce, self.sent))
            });
            match self.run(Launch { pool, count, token }).await {
                Ok(started) => missing = missing.saturating_sub(started),
                Err(e) if e.cause == Cause::Capacity => {
                    tracing::info!("{e}");
                    refusal = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        refusal.filter(|_| missing > 0).map_or(Ok(()), Err)
    }

    async fn run(&mut self, launch: Launch) -> Result<u32, AwsError> {
        let Some(cluster) = self.tasks.ledger.cluster.clone() else { return Ok(0) };
        let CapacityPool { instance_type, subnet, spot } = &launch.pool;
        let market = if *spot { "Spot " } else { "" };
        let doing = format!("start {} {market}instances {instance_type} in {subnet}", launch.count);
        self.pending = Some(launch.clone());
        self.tasks.ledger.instances = true;
        self.tasks.ledger.unanswered = Some(Instant::now());
        let step = Step::begin();
        let request = run_instances(&self.settings, &self.tasks.common.tags, &cluster.name, &launch);
        let answer = match request.send_with(&self.tasks.clients.ec2).await.map_err(|e| AwsError::of(&doing, e)) {
            Ok(answer) => answer,
            Err(e) => {
                if e.cause != Cause::Unclear && e.cause != Cause::Throttled {
                    self.pending = None;
                    self.tasks.ledger.unanswered = None;
                }
                return Err(e);
            }
        };
        self.pending = None;
        self.tasks.ledger.unanswered = None;
        for id in answer.instances().iter().filter_map(|i| i.instance_id.clone()) {
            self.tasks.ledger.instance_ids.insert(id.clone());
            if self.instances.insert(id, Instant::now()).is_none() {
                self.started += 1;
            }
        }
        let started = u32::try_from(answer.instances().len()).unwrap_or(u32::MAX);
        let all = self.instances.len();
        step.done(format_args!("{started} {market}instances {instance_type} started in {subnet}, {all} in all"));
        Ok(started)
    }

    /// Removes ended instances from the list.
    async fn look_at_instances(&mut self) {
        let all: Vec<_> = self.instances.keys().cloned().collect();
        if all.is_empty() {
            return;
        }
        let alive = match alive(&self.tasks.clients.ec2, &self.tasks.ledger.job).await {
            Ok(alive) => alive,
            Err(e) => {
                tracing::warn!("{e}");
                return;
            }
        };
        let settle = self.tasks.clients.pace.settle;
        for id in all.iter().filter(|id| !alive.contains(*id)) {
            if self.instances.get(id).is_some_and(|started| started.elapsed() >= settle)
                && let Some(started) = self.instances.shift_remove(id)
            {
                self.ended_seconds += started.elapsed().as_secs_f64();
                tracing::warn!("instance {id} has ended");
            }
        }
    }

    fn instance_seconds(&self) -> f64 {
        self.instances.values().fold(self.ended_seconds, |sum, started| sum + started.elapsed().as_secs_f64())
    }

    /// Whether an instance has joined the cluster, so that there is a place for tasks.
    async fn registered(&mut self) -> bool {
        let Some(cluster) = self.tasks.ledger.cluster.clone() else { return false };
        let answer = self.tasks.clients.ecs.describe_clusters().clusters(&cluster.name).send().await;
        match answer.map_err(|e| AwsError::of(format!("look at cluster {}", cluster.name), e)) {
            Ok(answer) => {
                let there = answer.clusters().first().is_some_and(|c| c.registered_container_instances_count() > 0);
                if let (true, false, Some(first)) = (there, self.joined, self.instances.values().min()) {
                    tracing::info!(
                        "an instance has joined the cluster ({:.1} s since it started)",
                        first.elapsed().as_secs_f64()
                    );
                    self.joined = true;
                }
                there
            }
            Err(e) => {
                tracing::warn!("{e}");
                false
            }
        }
    }
}

impl Fleet for Ec2 {
    async fn start(&mut self, ticket: &Ticket, workers: &ConnectedWorkers) -> Result<(), FleetError> {
        self.tasks.prepare(ticket).await?;
        self.round(workers).await
    }

    async fn keep(&mut self, workers: &ConnectedWorkers) -> FleetError {
        loop {
            sleep(self.tasks.clients.pace.poll).await;
            if let Err(error) = self.round(workers).await {
                return error;
            }
        }
    }

    async fn why(&mut self, task: &str) -> Option<String> {
        self.tasks.why(task).await
    }

    async fn stop(&mut self) -> Vec<String> {
        let failed = self.tasks.stop().await;
        self.ended_seconds = self.instance_seconds();
        self.instances.clear();
        self.pending = None;
        failed
    }

    fn usage(&self) -> Option<Usage> {
        let seconds = self.instance_seconds();
        let usage = Usage { instances: self.started, instance_seconds: seconds, ..self.tasks.usage() };
        Some(self.rates.iter().fold(usage, |usage, rates| rates.price(usage)))
    }
}
