//! The ECS tasks that are a job's workers: asks for them, watches them until they connect, and replaces those that fail.
//!
//! ECS promises nothing by accepting a task: one in a hundred dies or hangs on its way. So nothing ever waits for *all*
//! workers; every few seconds a round compares what there is with what is wanted, and acts on the difference.

mod ask;

use super::backoff::{Step, chance, delay};
use super::clients::{Clients, PAGE};
use super::ledger::{Cluster, Ledger};
use super::outlook::Outlook;
use super::request::{self, Batch, Common, Role, TaskSettings};
use super::s3::Store;
use super::stopped::{Said, why};
use super::tags;
use crate::error::AwsError;
use crate::session::Session;
use aws_sdk_ecs::types::Task;
use controller::fleet::{ConnectedWorkers, FleetError};
use controller::{Ended, Usage};
use indexmap::IndexMap;
use job::spec::{self, Spot};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;
use wire::Ticket;

/// After Spot capacity has failed, on-demand is taken for this many of the longest waits between tries: ten minutes.
pub(super) const SPOT_REST: u32 = 10;

/// The job gives up when for this many start timeouts there have been fewer workers than `min_count`.
const PATIENCE: u32 = 3;

impl From<AwsError> for FleetError {
    fn from(error: AwsError) -> Self {
        Self(error.to_string())
    }
}

/// A job's tasks and what is known about them.
pub(super) struct Tasks {
    pub clients: Clients,
    pub kind: TaskSettings,
    pub ledger: Ledger,
    pub common: Common,
    limits: Limits,
    tasks: IndexMap<String, Member>,
    usage: Usage,
    begun: Instant,
    /// Number of connected workers when it was last logged.
    said: usize,
    /// A request without an answer yet.
    batch: Option<Batch>,
    sent: u64,
    nonce: u64,
    trouble: Trouble,
    /// When there last were as many workers as the job needs.
    enough: Instant,
}

/// The tasks that there is a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub tasks: u32,
    /// MiB that each reserves, if not as much as its definition says.
    pub memory: Option<u32>,
}

impl Room {
    /// As many as anybody wants.
    pub const ANY: Self = Self { tasks: u32::MAX, memory: None };
}

/// How many workers, and how long to wait for one.
#[derive(Clone, Copy, Debug)]
struct Limits {
    count: u32,
    min_count: u32,
    /// Tiles that a worker runs at the same time.
    threads: u32,
    start_timeout: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    asked: Instant,
    /// When it was last seen connected; before that, when it was asked for.
    seen: Instant,
    /// Whether the task ever connected.
    connected: bool,
    spot: bool,
}

/// What has gone wrong lately, and until when to wait for that reason.
#[derive(Debug, Default)]
struct Trouble {
    /// Refused requests in a row.
    refusals: u32,
    /// Tasks in a row that ended before they connected.
    failed_starts: u32,
    not_before: Option<Instant>,
    last: Option<String>,
    /// The last refusal was of a kind that waiting does not cure.
    fatal: bool,
    /// Until when not to ask for Spot, if on-demand will do.
    on_demand_until: Option<Instant>,
}

impl Tasks {
    pub fn new(session: &Session, workers: &spec::Workers, kind: TaskSettings) -> Result<Self, AwsError> {
        let missing = |what| AwsError::refused("use the job file", format!("it lacks {what}"));
        let s3 = workers.s3.clone().ok_or_else(|| missing("[workers.s3]"))?;
        let count = workers.tasks().ok_or_else(|| missing("`count` in [workers]"))?;
        let threads = workers.threads.unwrap_or_else(|| kind.threads());
        let limits = Limits {
            count,
            min_count: workers.min_count,
            threads: threads.max(1),
            start_timeout: workers.start_timeout.duration(),
        };
        let common = Common {
            job: String::new(),
            name: String::new(),
            tags: IndexMap::new(),
            role: Role::Worker { ticket: String::new() },
            region: session.region().to_owned(),
            threads: workers.threads,
            s3,
        };
        Ok(Self {
            clients: Clients::new(session, Store::new(session, &common.s3)),
            kind,
            ledger: Ledger::default(),
            common,
            limits,
            tasks: IndexMap::new(),
            usage: Usage::default(),
            begun: Instant::now(),
            said: 0,
            batch: None,
            sent: 0,
            nonce: chance(),
            trouble: Trouble::default(),
            enough: Instant::now(),
        })
    }

    /// Makes what tasks need: ticket, cluster and task definition.
    pub async fn prepare(&mut self, ticket: &Ticket) -> Result<(), AwsError> {
        let job = &ticket.job;
        self.common.job = job.clone();
        self.common.name = tags::name(job);
        self.common.tags = tags::all(job, ticket.expires, &self.kind.ecs().tags);
        let ticket_url = self.clients.store.ticket_url(job);
        self.common.role = Role::Worker { ticket: ticket_url.clone() };
        self.ledger = Ledger::new(job);
        self.enough = Instant::now();

        self.begun = Instant::now();
        self.ledger.ticket = true;
        let step = Step::begin();
        self.clients.store.put_ticket(ticket).await?;
        step.done(format_args!("ticket at {ticket_url}"));

        let name = self.common.name.clone();
        let existing = self.kind.ecs().cluster.clone();
        self.ledger.cluster =
            Some(Cluster { name: existing.clone().unwrap_or_else(|| name.clone()), ours: existing.is_none() });
        if existing.is_none() {
            let step = Step::begin();
            self.make_cluster().await?;
            step.done(format_args!("cluster {name} made"));
        }

        self.ledger.family = Some(name.clone());
        let step = Step::begin();
        let made = request::task_definition(&self.kind, &self.common).send_with(&self.clients.ecs).await;
        made.map_err(|e| AwsError::of(format!("register task definition {name}"), e))?;
        step.done(format_args!("task definition {name} registered"));
        Ok(())
    }

    /// Makes the job's cluster, with Spot on Fargate if that is wanted and the account can have it.
    async fn make_cluster(&self) -> Result<(), AwsError> {
        let wanted = match &self.kind {
            TaskSettings::Fargate(fargate) => fargate.ecs.spot,
            TaskSettings::Ec2(_) => Spot::Never,
        };
        let make = async |spot| {
            let made = request::cluster(&self.common, spot).send_with(&self.clients.ecs).await;
            made.map(|_| ()).map_err(|e| AwsError::of(format!("make cluster {}", self.common.name), e))
        };
        match make(wanted != Spot::Never).await {
            // On-demand tasks need no capacity provider, and so not the role that ECS uses one with.
            Err(e) if wanted == Spot::Prefer && e.said.contains("service linked role") => {
                tracing::warn!("{e}; on-demand instead of Spot");
                make(false).await
            }
            made => made,
        }
    }

    /// Looks at the tasks once and asks for those that are missing, as far as there is room for them.
    pub async fn round(&mut self, workers: &ConnectedWorkers, room: Room) -> Result<(), FleetError> {
        let connected: HashSet<_> = workers.connected().into_iter().filter_map(|about| about.task_arn).collect();
        let now = Instant::now();
        for (task, member) in &mut self.tasks {
            if workers.came(task) && !member.connected {
                member.connected = true;
                self.trouble.failed_starts = 0;
            }
            if connected.contains(task) {
                member.seen = now;
                self.trouble.failed_starts = 0;
            }
        }
        let present = self.tasks.keys().filter(|t| connected.contains(*t)).count();
        if present != self.said {
            tracing::info!(
                "{present} workers are connected ({:.1} s since the start)",
                self.begun.elapsed().as_secs_f64()
            );
            self.said = present;
        }
        self.look(&connected).await;
        self.stop_overdue(&connected).await;

        let wanted = self.wanted(workers.tiles_left());
        let there = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        let waiting = self.trouble.not_before.is_some_and(|until| Instant::now() < until);
        let missing = wanted.min(room.tasks).saturating_sub(there);
        if missing > 0 && !waiting {
            self.ask_for(missing, room.memory).await;
        }
        self.verdict(&connected, wanted)
    }

    /// Tasks that the tiles left have work for.
    pub fn wanted(&self, tiles_left: u64) -> u32 {
        let useful = tiles_left.div_ceil(u64::from(self.limits.threads));
        self.limits.count.min(u32::try_from(useful).unwrap_or(u32::MAX))
    }

    /// How long a worker may take to connect.
    #[cfg(feature = "ec2")]
    pub fn start_timeout(&self) -> Duration {
        self.limits.start_timeout
    }

    /// Notes the reason why workers are missing, for the message of a job that fails for lack of them.
    #[cfg(feature = "ec2")]
    pub fn note(&mut self, trouble: String) {
        tracing::warn!("{trouble}");
        self.trouble.last = Some(trouble);
    }

    /// Asks ECS about the tasks that aren't connected, and strikes off those that have stopped.
    async fn look(&mut self, connected: &HashSet<String>) {
        let absent: Vec<_> = self.tasks.keys().filter(|t| !connected.contains(*t)).cloned().collect();
        let Some(cluster) = self.ledger.cluster.clone() else { return };
        for page in absent.chunks(PAGE) {
            let request = self.clients.ecs.describe_tasks().cluster(&cluster.name).set_tasks(Some(page.to_vec()));
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(e) => {
                    // Nothing is known anew; a task that is gone is found by a later look, or its start timeout.
                    tracing::warn!("{}", AwsError::of("look at the tasks", e));
                    return;
                }
            };
            for task in answer.tasks().iter().filter(|t| is_ending(t)) {
                let arn = task.task_arn().unwrap_or_default();
                self.ledger.tasks.remove(arn);
                let said = Said::of(task);
                self.strike_off(arn, &why(said), is_blameless(said));
            }
            for missing in answer.failures().iter().filter(|f| f.reason() == Some("MISSING")) {
                // A task just accepted may be unknown for a while.
                let arn = missing.arn().unwrap_or_default();
                if self.tasks.get(arn).is_some_and(|m| m.seen.elapsed() >= self.clients.pace.settle) {
                    self.ledger.tasks.remove(arn);
                    self.strike_off(arn, "ECS does not know it any more", false);
                }
            }
        }
    }

    /// Stops the tasks that did not connect in time: one in a hundred hangs on its way for ever.
    async fn stop_overdue(&mut self, connected: &HashSet<String>) {
        let timeout = self.limits.start_timeout;
        let overdue = |(task, member): (&String, &Member)| {
            (!connected.contains(task) && member.seen.elapsed() >= timeout).then(|| task.clone())
        };
        let Some(cluster) = self.ledger.cluster.clone() else { return };
        for task in self.tasks.iter().filter_map(overdue).collect::<Vec<_>>() {
            let request = self.clients.ecs.stop_task().cluster(&cluster.name).task(&task);
            match request.reason("it did not connect in time").send().await {
                Ok(_) => self.strike_off(&task, &format!("not connected for {timeout:?}"), false),
                Err(e) => tracing::warn!("{}", AwsError::of(format!("stop task {task}"), e)),
            }
        }
    }

    /// Takes a task that has ended off the list. A `blameless` one says nothing about image, roles and network.
    fn strike_off(&mut self, task: &str, why: &str, blameless: bool) {
        let Some(member) = self.tasks.shift_remove(task) else { return };
        self.usage = member.counted(std::mem::take(&mut self.usage));
        let text = if member.connected { why.to_owned() } else { format!("before it connected: {why}") };
        if member.connected {
            tracing::info!("worker task {task} left: {why}");
        } else {
            tracing::warn!("worker task {task} ended before it connected: {why}");
            self.trouble.last = Some(format!("task {task} ended before it connected: {why}"));
            if !blameless {
                self.trouble.failed_starts = self.trouble.failed_starts.saturating_add(1);
                self.wait_a_while(self.trouble.failed_starts);
            } else if member.spot && self.kind.ecs().spot == Spot::Prefer {
                self.rest_from_spot();
            } else {
                self.trouble.refusals = self.trouble.refusals.saturating_add(1);
                self.wait_a_while(self.trouble.refusals);
            }
        }
        self.usage.ended.push(Ended { task: task.to_owned(), why: text, connected: member.connected });
    }

    /// Asks for on-demand capacity only, for a while.
    fn rest_from_spot(&mut self) {
        let rest = self.clients.pace.backoff_most.saturating_mul(SPOT_REST);
        let again = Instant::now() + rest;
        if self.trouble.on_demand_until.replace(again).is_none_or(|before| before <= Instant::now()) {
            tracing::info!("on-demand instead of Spot for the next {rest:?}");
        }
    }

    fn wait_a_while(&mut self, failures: u32) {
        let pace = &self.clients.pace;
        let wait = delay(failures, pace.backoff, pace.backoff_most, chance());
        self.trouble.not_before = Some(Instant::now() + wait);
    }

    /// Fails when the job can't get the workers that it needs.
    fn verdict(&mut self, connected: &HashSet<String>, wanted: u32) -> Result<(), FleetError> {
        let present = self.tasks.keys().filter(|t| connected.contains(*t)).count();
        let present = u32::try_from(present).unwrap_or(u32::MAX);
        let starting = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX).saturating_sub(present);
        let needed = self.limits.min_count.min(wanted);
        if present >= needed {
            self.enough = Instant::now();
        }
        let outlook = Outlook {
            present,
            starting,
            needed,
            short_for: self.enough.elapsed(),
            patience: self.limits.start_timeout.saturating_mul(PATIENCE),
            failed_starts: self.trouble.failed_starts,
            fatal: self.trouble.fatal,
        };
        let Some(problem) = outlook.problem() else { return Ok(()) };
        let last = self.trouble.last.as_deref().map(|l| format!("; last: {l}")).unwrap_or_default();
        Err(FleetError(format!("{problem}{last}")))
    }

    /// Removes all that was made; returns what could not be removed.
    pub async fn stop(&mut self) -> Vec<String> {
        let failed = self.ledger.undo(&self.clients).await;
        self.usage = self.usage();
        self.tasks.clear();
        self.batch = None;
        failed
    }

    /// What the tasks have used so far.
    pub fn usage(&self) -> Usage {
        self.tasks.values().fold(self.usage.clone(), |usage, member| member.counted(usage))
    }
}

impl Member {
    /// `usage` with this task's seconds.
    fn counted(self, mut usage: Usage) -> Usage {
        let seconds = self.asked.elapsed().as_secs_f64();
        if self.spot {
            usage.spot_task_seconds += seconds;
        } else {
            usage.task_seconds += seconds;
        }
        usage
    }
}

/// Whether a task has stopped, or is on its way there and has a reason: it will not come back, so why wait for its end.
fn is_ending(task: &Task) -> bool {
    let told = task.desired_status() == Some("STOPPED") && task.stopped_reason().is_some_and(|r| !r.is_empty());
    told || task.last_status() == Some("STOPPED")
}

/// Whether AWS took away, or never had, what the task was to run on: no fault of its image, its roles or its network.
fn is_blameless(said: Said<'_>) -> bool {
    let says = |text: &str| said.reason.contains(text);
    said.code == "SpotInterruption" || says("Spot interruption") || says("Capacity is unavailable") || says("Host EC2")
}
