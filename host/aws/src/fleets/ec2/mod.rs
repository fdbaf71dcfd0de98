//! The fleet of ECS tasks on EC2 instances that are started for the job: a private cluster.

mod check;
mod hosts;
pub(super) mod instances;
mod request;

use super::backoff::{Step, chance, delay};
use super::cost::{self, Rates};
use super::request::TaskSettings;
use super::tasks::{SPOT_REST, Tasks};
use crate::error::{AwsError, Cause};
use crate::session::Session;
use controller::Usage;
use controller::fleet::{ConnectedWorkers, Fleet, FleetError};
use hosts::Share;
use indexmap::IndexMap;
use instances::alive;
use job::spec::{self, Spot, Workers};
use request::{CapacityPool, Launch, capacity_pools, run_instances};
use tokio::time::{Instant, sleep};
use wire::Ticket;

/// Workers as tasks on EC2 instances.
pub struct Ec2 {
    tasks: Tasks,
    settings: spec::Ec2,
    share: Share,
    /// Instances that AWS started and has not ended.
    instances: IndexMap<String, Instance>,
    /// Those of them that have joined the cluster, with the MiB that each offers to tasks.
    joined: IndexMap<String, u32>,
    /// How many there have been, and the seconds of those that have ended.
    started: u64,
    ended_seconds: f64,
    rates: Option<Rates>,
    /// A request whose answer is not known; it is sent again with the same token.
    pending: Option<Launch>,
    sent: u64,
    nonce: u64,
    refusals: u32,
    not_before: Option<Instant>,
    /// Until when not to ask for Spot, if on-demand will do.
    on_demand_until: Option<Instant>,
}

/// An instance that was started for the job.
#[derive(Clone, Debug)]
struct Instance {
    started: Instant,
    pool: CapacityPool,
    /// Whether it was said that it is long in coming, or too small.
    warned: bool,
}

impl Ec2 {
    /// A fleet with the job file's settings; nothing is asked of AWS yet.
    ///
    /// # Errors
    /// When the job file lacks `[workers.ec2]`, `[workers.s3]` or `count`.
    pub fn new(session: &Session, workers: &Workers) -> Result<Self, AwsError> {
        let settings = workers.ec2.clone();
        let settings = settings.ok_or_else(|| AwsError::refused("use the job file", "it lacks [workers.ec2]"))?;
        let each = workers.tasks().unwrap_or(1).div_ceil(settings.instance_count.max(1));
        Ok(Self {
            share: Share { each, reserved: settings.memory_reservation },
            tasks: Tasks::new(session, workers, TaskSettings::Ec2(settings.clone()))?,
            rates: cost::ec2(&settings),
            settings,
            instances: IndexMap::new(),
            started: 0,
            ended_seconds: 0.0,
            joined: IndexMap::new(),
            pending: None,
            sent: 0,
            nonce: chance(),
            refusals: 0,
            not_before: None,
            on_demand_until: None,
        })
    }

    /// Looks at the instances once and starts those that are missing, then the same with tasks.
    async fn round(&mut self, workers: &ConnectedWorkers) -> Result<(), FleetError> {
        self.look_at_instances().await;
        let there = u32::try_from(self.instances.len()).unwrap_or(u32::MAX);
        // No more than the tiles left have work for.
        let useful = self.tasks.wanted(workers.tiles_left()).div_ceil(self.share.each.max(1));
        let missing = self.settings.instance_count.min(useful).saturating_sub(there);
        let waiting = self.not_before.is_some_and(|until| Instant::now() < until);
        if missing > 0 && !waiting {
            match self.launch(missing).await {
                Ok(()) => self.refusals = 0,
                // All that the request names is the user's, so what AWS doesn't find won't come.
                Err(e)
                    if self.instances.is_empty() && matches!(e.cause, Cause::Denied | Cause::Refused | Cause::Gone) =>
                {
                    return Err(e.into());
                }
                Err(e) => {
                    self.tasks.note(e.to_string());
                    self.refusals = self.refusals.saturating_add(1);
                    let pace = &self.tasks.clients.pace;
                    let wait = delay(self.refusals, pace.backoff, pace.backoff_most, chance());
                    self.not_before = Some(Instant::now() + wait);
                }
            }
        }
        self.look_for_joined().await;
        self.check_joined(workers)?;
        let room = self.share.room(self.joined.values().copied());
        self.tasks.round(workers, room).await
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
            let spot = pool.spot && self.settings.ecs.spot == Spot::Prefer;
            if spot && again.is_none() && self.on_demand_until.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            let (count, token) = again.unwrap_or_else(|| {
                self.sent += 1;
                (missing, format!("tilefn-{:016x}-{}", self.nonce, self.sent))
            });
            match self.run(Launch { pool, count, token }).await {
                Ok(started) => missing = missing.saturating_sub(started),
                // Spot has conditions that on-demand hasn't: a role in the account, for one.
                Err(e) if spot && matches!(e.cause, Cause::Denied | Cause::Refused) => {
                    tracing::warn!("{e}");
                    self.rest_from_spot();
                    refusal = Some(e);
                }
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
        let answer = request.send_with(&self.tasks.clients.ec2).await;
        let answer = match answer.map_err(|e| with_role(AwsError::of(&doing, e))) {
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
            let instance = Instance { started: Instant::now(), pool: launch.pool.clone(), warned: false };
            if self.instances.insert(id, instance).is_none() {
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
            if self.instances.get(id).is_some_and(|instance| instance.started.elapsed() >= settle)
                && let Some(Instance { started, pool, .. }) = self.instances.shift_remove(id)
            {
                self.joined.shift_remove(id);
                self.ended_seconds += started.elapsed().as_secs_f64();
                tracing::warn!("instance {id} has ended");
                // Spot capacity that goes before it was of use would only be asked for, and paid for, again.
                if pool.spot && started.elapsed() < self.tasks.start_timeout() {
                    self.rest_from_spot();
                }
            }
        }
    }

    /// Starts on-demand instances only, for a while, if they will do.
    fn rest_from_spot(&mut self) {
        if self.settings.ecs.spot != Spot::Prefer {
            return;
        }
        let rest = self.tasks.clients.pace.backoff_most.saturating_mul(SPOT_REST);
        self.on_demand_until = Some(Instant::now() + rest);
        tracing::info!("on-demand instances instead of Spot for the next {rest:?}");
    }

    fn instance_seconds(&self) -> f64 {
        self.instances.values().fold(self.ended_seconds, |sum, i| sum + i.started.elapsed().as_secs_f64())
    }

    /// Notes which instances have joined the cluster, so that there is a place for tasks.
    async fn look_for_joined(&mut self) {
        let Some(cluster) = self.tasks.ledger.cluster.clone() else { return };
        if self.instances.keys().all(|id| self.joined.contains_key(id)) {
            return;
        }
        let offers = match hosts::offers(&self.tasks.clients, &cluster.name).await {
            Ok(offers) => offers,
            Err(e) => return tracing::warn!("{e}"),
        };
        let before = self.joined.len();
        let ours = offers.into_iter().filter(|(id, _)| self.instances.contains_key(id));
        self.joined.extend(ours);
        let (joined, all) = (self.joined.len(), self.instances.len());
        if joined > before
            && let Some(first) = self.instances.values().map(|instance| instance.started).min()
        {
            let seconds = first.elapsed().as_secs_f64();
            tracing::info!(
                "{joined} of {all} instances have joined the cluster ({seconds:.1} s since the first started)"
            );
        }
    }

    /// Fails if no worker fits on an instance, and says which instances are long in coming.
    fn check_joined(&mut self, workers: &ConnectedWorkers) -> Result<(), FleetError> {
        let (timeout, share) = (self.tasks.start_timeout(), self.share);
        for (id, instance) in &mut self.instances {
            let kind = &instance.pool.instance_type;
            let offer = self.joined.get(id).copied();
            let text = match offer.map(|offer| share.problem(offer)) {
                Some(None) => continue,
                Some(Some(problem)) => {
                    let text = format!("instance {id} ({kind}): {problem}");
                    if problem.fit == 0 && workers.connected().is_empty() {
                        return Err(FleetError(text));
                    }
                    text
                }
                None if instance.started.elapsed() < timeout => continue,
                None => format!(
                    "instance {id} ({kind}) has not joined the cluster {timeout:?} after its start: can its subnet reach                      ECS (`assign_public_ip`, a NAT gateway or VPC endpoints), may its profile's role join                      (AmazonEC2ContainerServiceforEC2Role), and has its image an ECS agent?"
                ),
            };
            if !std::mem::replace(&mut instance.warned, true) {
                self.tasks.note(text);
            }
        }
        Ok(())
    }
}

/// What to do where AWS refuses Spot because the account has never used it: it says neither how nor that nothing else is wrong.
fn with_role(mut error: AwsError) -> AwsError {
    const ROLE: &str = "service-linked role for EC2 Spot";
    if error.said.contains(ROLE) {
        error.cause = Cause::Refused;
        error.said = format!(
            "the account has no {ROLE}; make it once: aws iam create-service-linked-role --aws-service-name \
             spot.amazonaws.com"
        );
    }
    error
}

impl Fleet for Ec2 {
    async fn start(&mut self, ticket: &Ticket, workers: &ConnectedWorkers) -> Result<(), FleetError> {
        check::check(&self.tasks.clients, &self.settings).await?;
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
        self.joined.clear();
        self.pending = None;
        failed
    }

    fn usage(&self) -> Option<Usage> {
        let seconds = self.instance_seconds();
        let usage = Usage { instances: self.started, instance_seconds: seconds, ..self.tasks.usage() };
        Some(self.rates.iter().fold(usage, |usage, rates| rates.price(usage)))
    }
}
