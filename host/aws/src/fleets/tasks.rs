//! The ECS tasks that are a job's workers: asks for them, watches them until they connect, and replaces those that fail.
//!
//! ECS promises nothing by accepting a task: one in a hundred dies or hangs on its way. So nothing ever waits for *all*
//! workers; every few seconds a round compares what there is with what is wanted, and acts on the difference.

mod watch;

use super::backoff::{Step, chance, delay};
use super::clients::Clients;
use super::ledger::{Cluster, Ledger};
use super::outlook::Outlook;
use super::request::{self, BATCH, Batch, Common, Role, TaskSettings};
use super::s3::Store;
use super::tags;
use crate::error::{AwsError, Cause};
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
    no_spot: bool,
}

impl Tasks {
    pub fn new(session: &Session, workers: &spec::Workers, kind: TaskSettings) -> Result<Self, AwsError> {
        let missing = |what| AwsError::refused("use the job file", format!("it lacks {what}"));
        let s3 = workers.s3.clone().ok_or_else(|| missing("[workers.s3]"))?;
        let count = workers.count.ok_or_else(|| missing("`count` in [workers]"))?;
        let threads = workers.threads.unwrap_or(match &kind {
            TaskSettings::Fargate(fargate) => fargate.cpu.div_ceil(1024),
            TaskSettings::Ec2(_) => 1,
        });
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
            let made = request::cluster(&self.kind, &self.common).send_with(&self.clients.ecs).await;
            made.map_err(|e| AwsError::of(format!("make cluster {name}"), e))?;
            step.done(format_args!("cluster {name} made"));
        }

        self.ledger.family = Some(name.clone());
        let step = Step::begin();
        let made = request::task_definition(&self.kind, &self.common).send_with(&self.clients.ecs).await;
        made.map_err(|e| AwsError::of(format!("register task definition {name}"), e))?;
        step.done(format_args!("task definition {name} registered"));
        Ok(())
    }

    /// Looks at the tasks once and asks for those that are missing. `ready`: whether there is a place for tasks.
    pub async fn round(&mut self, workers: &ConnectedWorkers, ready: bool) -> Result<(), FleetError> {
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
        if ready && !waiting && wanted > there {
            self.ask_for(wanted.saturating_sub(there)).await;
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
    fn wanted(&self, tiles_left: u64) -> u32 {
        let useful = tiles_left.div_ceil(u64::from(self.limits.threads));
        self.limits.count.min(u32::try_from(useful).unwrap_or(u32::MAX))
    }

    fn wait_a_while(&mut self, failures: u32) {
        let pace = &self.clients.pace;
        let wait = delay(failures, pace.backoff, pace.backoff_most, chance());
        self.trouble.not_before = Some(Instant::now() + wait);
    }

    /// Asks for `missing` more tasks, until AWS refuses.
    async fn ask_for(&mut self, missing: u32) {
        let mut missing = missing;
        self.trouble.no_spot = false;
        let spot = self.kind.ecs().spot;
        while missing > 0 {
            let batch = self.batch.take().unwrap_or_else(|| {
                self.sent += 1;
                Batch {
                    token: format!("tilefn-{:016x}-{}", self.nonce, self.sent),
                    count: missing.min(BATCH),
                    spot: matches!(self.kind, TaskSettings::Fargate(_)) && spot != Spot::Never && !self.trouble.no_spot,
                }
            });
            self.batch = Some(batch.clone());
            self.ledger.unanswered = Some(Instant::now());
            let (started, refusal) = self.run(&batch).await;
            missing = missing.saturating_sub(started);
            let Some(refusal) = refusal else {
                self.trouble.refusals = 0;
                continue;
            };
            if batch.spot && spot == Spot::Prefer && matches!(refusal.cause, Cause::Capacity | Cause::Refused) {
                tracing::info!("{refusal}; on-demand instead");
                self.trouble.no_spot = true;
                continue;
            }
            tracing::warn!("{refusal}");
            let cured = matches!(refusal.cause, Cause::Throttled | Cause::Unclear | Cause::Capacity | Cause::Gone);
            self.trouble.fatal = !cured;
            self.trouble.last = Some(refusal.to_string());
            self.trouble.refusals = self.trouble.refusals.saturating_add(1);
            self.wait_a_while(self.trouble.refusals);
            return;
        }
        self.trouble.fatal = false;
    }

    /// Sends one request. Returns how many tasks that started, and why not the rest.
    async fn run(&mut self, batch: &Batch) -> (u32, Option<AwsError>) {
        let Some(cluster) = self.ledger.cluster.clone() else { return (0, None) };
        let kind = if batch.spot { " on Spot capacity" } else { "" };
        let doing = format!("start {} worker tasks{kind}", batch.count);
        let (asked, step) = (Instant::now(), Step::begin());
        let request = request::run_task(&self.kind, &self.common, &cluster.name, batch);
        let answer = match request.send_with(&self.clients.ecs).await.map_err(|e| AwsError::of(&doing, e)) {
            Ok(answer) => answer,
            Err(e) => {
                if e.cause != Cause::Unclear && e.cause != Cause::Throttled {
                    self.batch = None;
                    self.ledger.unanswered = None;
                }
                return (0, Some(e));
            }
        };
        self.batch = None;
        self.ledger.unanswered = None;
        self.ledger.accepted = Some(asked);
        let member = Member { asked, status: String::new(), seen: asked, connected: false, spot: batch.spot };
        for arn in answer.tasks().iter().filter_map(|t| t.task_arn.clone()) {
            self.ledger.tasks.insert(arn.clone());
            if self.tasks.insert(arn, member.clone()).is_none() {
                self.usage.tasks += 1;
            }
        }
        let started = u32::try_from(answer.tasks().len()).unwrap_or(u32::MAX);
        if started > 0 {
            step.done(format_args!("{started} worker tasks accepted{kind}, {} in all", self.tasks.len()));
        }
        let refusal = answer.failures().first().map(|failure| {
            let (reason, detail) = (failure.reason().unwrap_or_default(), failure.detail().unwrap_or_default());
            let colon = if detail.is_empty() { "" } else { ": " };
            AwsError { doing, cause: Cause::of_failure(reason, detail), said: format!("{reason}{colon}{detail}") }
        });
        // Fewer than asked for without a reason: those missing are asked for again by the next round.
        let short = (started < batch.count && refusal.is_none()).then(|| AwsError {
            doing: format!("start {} worker tasks{kind}", batch.count),
            cause: Cause::Capacity,
            said: format!("AWS started {started}"),
        });
        (started, refusal.or(short))
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
