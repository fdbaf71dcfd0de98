//! The ECS tasks that are a job's workers: asks for them, watches them until they connect, and replaces those that fail.
//!
//! ECS promises nothing by accepting a task: one in a hundred dies or hangs on its way. So nothing ever waits for *all*
//! workers; every few seconds a round compares what there is with what is wanted, and acts on the difference.

mod ask;
mod watch;

use super::backoff::{Step, chance, delay};
use super::clients::Clients;
use super::ledger::{Cluster, Ledger};
use super::outlook::Outlook;
use super::request::{self, Batch, Common, Role, TaskSettings};
use super::s3::Store;
use super::tags;
use crate::error::AwsError;
use crate::session::Session;
use controller::Usage;
use controller::fleet::{ConnectedWorkers, FleetError};
use controller::remote::TICKET_LIFE;
use indexmap::IndexMap;
use job::spec::{self, Spot};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use wire::Ticket;

/// After Spot capacity has failed, on-demand is taken for this many of the longest waits between tries: ten minutes.
pub(super) const SPOT_REST: u32 = 10;

/// The job gives up when for this many start timeouts there have been fewer workers than `min_count`.
const PATIENCE: u32 = 3;
/// The job gives up when so many workers could not use its module and no tile was done meanwhile.
const USELESS: u32 = 3;

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
    /// Where the workers look for the controller.
    addresses: Vec<String>,
    /// The ticket that workers get, and when it was put there.
    ticket: Option<(Ticket, Instant)>,
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

#[derive(Clone, Debug)]
struct Member {
    asked: Instant,
    /// ECS's name for its state, when it was last looked at.
    status: String,
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
    /// Tasks that ended since they can't use the module, after which no tile was done.
    useless: u32,
    /// Tiles that were left then.
    tiles_left: u64,
    /// A task that ended before it connected, whose log has not been looked at.
    unread: Option<String>,
    /// The log can't be read; said once.
    no_log: bool,
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
            addresses: Vec::new(),
            ticket: None,
        })
    }

    /// Makes what tasks need: ticket, cluster and task definition.
    pub async fn prepare(&mut self, ticket: &Ticket) -> Result<(), AwsError> {
        let job = &ticket.job;
        self.common.job = job.clone();
        self.common.name = tags::name(job);
        let place = self.clients.store.place();
        self.common.tags = tags::all(job, ticket.expires, &place, &self.kind.ecs().tags);
        let ticket_url = self.clients.store.ticket_url(job);
        self.common.role = Role::Worker { ticket: ticket_url.clone() };
        self.addresses.clone_from(&ticket.addresses);
        self.ledger = Ledger::new(job);
        self.enough = Instant::now();

        self.begun = Instant::now();
        self.ledger.ticket = true;
        let step = Step::begin();
        self.clients.store.put_ticket(ticket).await?;
        self.ticket = Some((ticket.clone(), Instant::now()));
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
        if workers.tiles_left() != self.trouble.tiles_left {
            (self.trouble.tiles_left, self.trouble.useless) = (workers.tiles_left(), 0);
        }
        self.look(&connected).await;
        self.stop_overdue(&connected).await;
        self.read_last_words().await;
        self.renew_ticket().await;

        let wanted = self.wanted(workers.tiles_left());
        let there = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        let waiting = self.trouble.not_before.is_some_and(|until| Instant::now() < until);
        let missing = wanted.min(room.tasks).saturating_sub(there);
        if missing > 0 && !waiting {
            self.ask_for(missing, room.memory).await;
        }
        self.verdict(&connected, wanted)
    }

    /// Puts the ticket anew from time to time with a later end: new workers need it, and by it `gc` sees that the job lives.
    async fn renew_ticket(&mut self) {
        let Some((ticket, put)) = self.ticket.as_mut().filter(|(_, put)| put.elapsed() >= self.clients.pace.renew)
        else {
            return;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ticket.expires = now.saturating_add(TICKET_LIFE).as_secs();
        *put = Instant::now();
        if let Err(e) = self.clients.store.put_ticket(ticket).await {
            // There is as much time again for the next try.
            tracing::warn!("the job's ticket is not renewed: {e}");
        }
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
        let useless = self.trouble.useless;
        // Each of them connects and ends at once, so that there would be others for ever.
        let hopeless = (present == 0 && useless >= USELESS)
            .then(|| format!("{useless} worker tasks could not use the job's module, and none could"));
        let Some(problem) = outlook.problem().or(hopeless) else { return Ok(()) };
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
    fn counted(&self, mut usage: Usage) -> Usage {
        let seconds = self.asked.elapsed().as_secs_f64();
        if self.spot {
            usage.spot_task_seconds += seconds;
        } else {
            usage.task_seconds += seconds;
        }
        usage
    }
}
