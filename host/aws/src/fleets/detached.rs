//! Jobs whose controller runs on AWS itself, as a Fargate task next to its workers: sent there, watched, cancelled.
//!
//! Everything that a later command must know is in S3 under the job's prefix: `job.json`, `controller.json`, from time to time
//! `progress.json`, and at the end `report.json` or `error.json`. ECS forgets a task an hour after its end.

use super::backoff::{Pauses, Step};
use super::clients::Clients;
use super::last_words::stream;
use super::ledger::{Cluster, Ledger};
use super::request::{self, Batch, Common, Role, TaskSettings};
use super::s3::Store;
use super::stopped::{Of, Said, why};
use super::{backoff, tags};
use crate::error::{AwsError, Cause};
use crate::session::Session;
use job::Spec;
use job::spec::{Code, Workers};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How long what is made for the job may be needed.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes of any of the job's objects that are read back.
const MAX_OBJECT: u64 = 64 << 20;
/// Log lines that one call returns.
const LINES: i32 = 10_000;

/// The exit code of a job that was told to stop.
const INTERRUPTED: u8 = 130;

const JOB: &str = "job.json";
const CONTROLLER: &str = "controller.json";
const PROGRESS: &str = "progress.json";
const REPORT: &str = "report.json";
const ERROR: &str = "error.json";

/// Where a job's controller runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// The job's id.
    pub job: String,
    /// The controller's task, an ARN.
    pub task: String,
    /// The cluster it is in.
    pub cluster: String,
    /// ECS's region.
    pub region: String,
    /// CloudWatch's log group, if logs are kept.
    pub log_group: Option<String>,
}

/// What a controller says from time to time: numbers of tiles.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct SavedProgress {
    done: u64,
    total: u64,
}

/// The contents of `error.json`, which the controller of a failed job leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// What it would have told the user on a terminal.
    pub message: String,
    /// The exit code that goes with that.
    pub exit_code: u8,
    /// The same for programs, if there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// `starting`, `running`, `done`, `failed` or `lost`.
    pub state: &'static str,
    /// Explanation of the state, for people.
    pub text: String,
    /// The report of a job that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Value>,
    /// The error of a failed job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Ending>,
}

impl Standing {
    fn new(state: &'static str, text: impl Into<String>) -> Self {
        Self { state, text: text.into(), report: None, error: None }
    }
}

/// Sends a job: module and job file to S3, a controller on Fargate. `options` are more arguments of its `tilefn submit`.
///
/// # Errors
/// When a setting is missing, or AWS refuses; then nothing stays but the module.
pub async fn submit(
    session: &Session,
    spec: &Spec,
    id: &str,
    module: &[u8],
    options: &[&str],
) -> Result<Controller, AwsError> {
    let missing = |what: &str| AwsError::refused("leave the job to AWS", format!("the job file lacks {what}"));
    let fargate = spec.workers.fargate.clone().ok_or_else(|| missing("[workers.fargate]"))?;
    let settings = spec.workers.s3.clone().ok_or_else(|| missing("[workers.s3]"))?;
    let cluster = fargate.ecs.cluster.clone().ok_or_else(|| {
        missing(
            "`cluster` in [workers.fargate]; a cluster made for the job could not be deleted by a controller inside it",
        )
    })?;
    let role = fargate.controller_role_arn.clone();
    let role = role.ok_or_else(|| missing("`controller_role_arn` in [workers.fargate]"))?;
    let store = Store::new(session, &settings);

    let step = Step::begin();
    let module_url = store.put_module(module).await?;
    step.done(format_args!("module at {module_url}"));
    let mut sent = spec.clone();
    // An expression has become a module here.
    sent.function.code = Code::Module(module_url.into());
    sent.function.cast = None;
    // These are in what was put there.
    sent.function.include.clear();
    // The address of the controller's task is not known yet; it finds out itself.
    sent.workers.advertise = None;
    if let Some(fargate) = &mut sent.workers.fargate {
        fargate.ecs.region = Some(session.region().to_owned());
    }
    let job = store.address(id, JOB);
    let mut arguments = ["submit", &job, "--job-id", id, "--ecs-region", session.region()].map(str::to_owned).to_vec();
    arguments.extend(options.iter().map(|o| (*o).to_owned()));

    let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + LIFE;
    let common = Common {
        job: id.to_owned(),
        name: tags::name(id),
        tags: tags::all(id, expires.as_secs(), &store.place(), &fargate.ecs.tags),
        role: Role::Controller { arguments, role },
        region: session.region().to_owned(),
        threads: None,
        s3: settings,
    };
    let clients = Clients::new(session, store);
    let controller = Controller {
        job: id.to_owned(),
        task: String::new(),
        cluster,
        region: session.region().to_owned(),
        log_group: fargate.ecs.log_group.clone(),
    };
    let mut ledger = Ledger { controller: true, ..Ledger::new(id) };
    match start(&clients, &TaskSettings::Fargate(fargate), &common, &sent, controller, &mut ledger).await {
        Ok(controller) => Ok(controller),
        Err(error) => {
            for left in ledger.undo(&clients).await {
                tracing::warn!("{left}");
            }
            for file in [JOB, CONTROLLER] {
                // Small, harmless, and under the bucket's lifecycle rule if it can't be deleted now.
                let _left = clients.store.delete(id, file).await;
            }
            Err(error)
        }
    }
}

async fn start(
    clients: &Clients,
    kind: &TaskSettings,
    common: &Common,
    sent: &Spec,
    controller: Controller,
    ledger: &mut Ledger,
) -> Result<Controller, AwsError> {
    let id = &common.job;
    let step = Step::begin();
    clients.store.put(id, JOB, json(sent)?).await?;
    step.done(format_args!("job at {}", clients.store.address(id, JOB)));

    // Workers' task definitions will be later revisions of the same family, and go with it.
    ledger.family = Some(common.name.clone());
    let step = Step::begin();
    let made = request::task_definition(kind, common).send_with(&clients.ecs).await;
    made.map_err(|e| AwsError::of(format!("register task definition {}", common.name), e))?;
    step.done(format_args!("task definition {} registered", common.name));

    let doing = "start the controller's task";
    ledger.cluster = Some(Cluster { name: controller.cluster.clone(), ours: false });
    ledger.unanswered = Some(Instant::now());
    let step = Step::begin();
    let batch = Batch { token: format!("tilefn-{:016x}", backoff::chance()), count: 1, spot: false };
    let answer = request::run_task(kind, common, &controller.cluster, &batch).send_with(&clients.ecs).await;
    let answer = answer.map_err(|e| AwsError::of(doing, e))?;
    (ledger.unanswered, ledger.accepted) = (None, Some(Instant::now()));
    let Some(task) = answer.tasks().first().and_then(|t| t.task_arn.clone()) else {
        let failure = answer.failures().first();
        let (reason, detail) = failure
            .map_or(("AWS started none", ""), |f| (f.reason().unwrap_or_default(), f.detail().unwrap_or_default()));
        let colon = if detail.is_empty() { "" } else { ": " };
        let said = format!("{reason}{colon}{detail}");
        return Err(AwsError { doing: doing.to_owned(), cause: Cause::of_failure(reason, detail), said });
    };
    ledger.tasks.insert(task.clone());
    step.done(format_args!("controller's task {task} accepted"));
    let controller = Controller { task, ..controller };
    clients.store.put(id, CONTROLLER, json(&controller)?).await?;
    Ok(controller)
}

/// Says how far a job is whose controller was sent, for [`status`].
///
/// # Errors
/// When S3 refuses or can't be reached.
pub async fn progress(workers: &Workers, id: &str, done: u64, total: u64) -> Result<(), AwsError> {
    let Some(settings) = &workers.s3 else { return Ok(()) };
    let session = super::session(workers).await?;
    let bytes = json(&SavedProgress { done, total })?;
    Store::new(&session, settings).put(id, PROGRESS, bytes).await.map(drop)
}

/// What a controller that was sent does at its end: says what went wrong, if anything did, and removes its own task
/// definition. Needs no more than it was started with, since it may not have been able to read its job, which is at
/// `url`. Returns what could not be done.
///
/// # Errors
/// When `url` is not a job's, or no region is set.
pub async fn finish(url: &str, id: &str, region: &str, ending: Option<&Ending>) -> Result<Vec<String>, AwsError> {
    // The environment has the bucket's region and endpoint.
    let store = Store::with(&Session::load(None).await?, id, JOB, url)?;
    let clients = Clients::new(&Session::load(Some(region)).await?, store);
    let mut left = Vec::new();
    if let Some(ending) = ending
        && let Err(e) = clients.store.put(id, ERROR, json(ending)?).await
    {
        left.push(e.to_string());
    }
    let mut ledger = Ledger { family: Some(tags::name(id)), ..Ledger::new(id) };
    left.extend(ledger.undo(&clients).await);
    Ok(left)
}

/// The state of a detached job.
///
/// # Errors
/// When there is no such job, or AWS refuses.
pub async fn status(clients: &Clients, id: &str) -> Result<Standing, AwsError> {
    let controller = controller(clients, id).await?;
    let task = task(clients, &controller).await?;
    // Read after the task's state: a task that has ended has left its report by then.
    if let Some(report) = read::<Value>(clients, id, REPORT).await? {
        let tiles = report.pointer("/tiles/done").and_then(Value::as_u64).unwrap_or_default();
        let seconds = report.get("wall_seconds").and_then(Value::as_f64).unwrap_or_default();
        let text = format!("{tiles} tiles in {seconds:.0} s");
        return Ok(Standing { report: Some(report), ..Standing::new("done", text) });
    }
    if let Some(error) = read::<Ending>(clients, id, ERROR).await? {
        return Ok(Standing { error: Some(error.clone()), ..Standing::new("failed", error.message) });
    }
    // An image without GDAL, or a controller that was killed, says nothing but in its log.
    let log =
        if controller.log_group.is_some() { format!("; tilefn logs {id} has its last words") } else { String::new() };
    Ok(match task {
        None => Standing::new(
            "lost",
            format!("the controller's task is gone without a report{log}; tilefn gc {id} --delete removes the rest"),
        ),
        Some((state, why)) if state == "STOPPED" => {
            Standing::new("lost", format!("the controller's task has ended: {why}{log}"))
        }
        Some((state, _)) if state == "RUNNING" => {
            let far = read::<SavedProgress>(clients, id, PROGRESS).await?;
            let far = far.map_or(String::new(), |p| format!("{} of {} tiles, ", p.done, p.total));
            Standing::new("running", format!("{far}as task {}", controller.task))
        }
        Some((state, _)) => Standing::new("starting", format!("the controller's task is {state}")),
    })
}

/// What the job's controller has said so far; the lines of CloudWatch's log.
///
/// # Errors
/// When there is no such job, its logs are not kept, or AWS refuses.
pub async fn logs(clients: &Clients, id: &str, mut line: impl FnMut(&str)) -> Result<(), AwsError> {
    let controller = controller(clients, id).await?;
    let doing = format!("read the log of job {id}");
    let group = controller.log_group.ok_or_else(|| AwsError::refused(&doing, "the job file has no `log_group`"))?;
    let stream = stream(&tags::name(id), "controller", &controller.task);
    let mut token: Option<String> = None;
    loop {
        let request = clients.logs.get_log_events().log_group_name(&group).log_stream_name(&stream);
        let request = request.start_from_head(true).limit(LINES).set_next_token(token.clone());
        let page = match request.send().await.map_err(|e| AwsError::of(&doing, e)) {
            Ok(page) => page,
            // The stream comes with the first line.
            Err(AwsError { cause: Cause::Gone, .. }) => return Ok(()),
            Err(e) => return Err(e),
        };
        page.events().iter().filter_map(|event| event.message()).for_each(&mut line);
        // CloudWatch repeats the token at the end of the log.
        if page.next_forward_token.is_none() || page.next_forward_token == token {
            return Ok(());
        }
        token = page.next_forward_token;
    }
}

/// Tells the job's controller to stop, and waits a bounded time until it has cleaned up and ended. What one leaves that
/// could not, as it had not begun or had to be killed, is removed.
///
/// # Errors
/// When there is no such job, or AWS refuses.
pub async fn cancel(clients: &Clients, id: &str) -> Result<Standing, AwsError> {
    let controller = controller(clients, id).await?;
    let doing = format!("stop task {}", controller.task);
    let request = clients.ecs.stop_task().cluster(&controller.cluster).task(&controller.task);
    match request.reason("cancelled by the user").send().await.map_err(|e| AwsError::of(doing, e)) {
        Ok(_) | Err(AwsError { cause: Cause::Gone, .. }) => {}
        Err(e) => return Err(e),
    }
    let (deadline, step) = (Instant::now() + clients.pace.stop, Step::begin());
    let mut pauses = Pauses::up_to(clients.pace.poll);
    while task(clients, &controller).await?.is_some_and(|(state, _)| state != "STOPPED") {
        if Instant::now() >= deadline {
            tracing::warn!("the controller has not ended after {:?}; ECS kills it soon", clients.pace.stop);
            break;
        }
        pauses.pause().await;
    }
    step.done("the controller has ended");
    let standing = status(clients, id).await?;
    if standing.state != "lost" {
        return Ok(standing);
    }
    let mut ledger = Ledger {
        ticket: true,
        cluster: Some(Cluster { name: controller.cluster, ours: false }),
        family: Some(tags::name(id)),
        ..Ledger::new(id)
    };
    for left in ledger.undo(clients).await {
        tracing::warn!("{left}");
    }
    let message = format!("cancelled; {}", standing.text);
    let ending = Ending { message, exit_code: INTERRUPTED, detail: None };
    clients.store.put(id, ERROR, json(&ending)?).await?;
    status(clients, id).await
}

async fn controller(clients: &Clients, id: &str) -> Result<Controller, AwsError> {
    let found = read(clients, id, CONTROLLER).await?;
    found.ok_or_else(|| {
        AwsError::refused(format!("find job {id}"), format!("there is no {}", clients.store.address(id, CONTROLLER)))
    })
}

/// The state of the controller's task, and why it ended if it did; `None` when ECS does not know it any more.
async fn task(clients: &Clients, controller: &Controller) -> Result<Option<(String, String)>, AwsError> {
    let request = clients.ecs.describe_tasks().cluster(&controller.cluster).tasks(&controller.task);
    let answer = request.send().await.map_err(|e| AwsError::of("look at the controller's task", e))?;
    let task = answer.tasks().first();
    Ok(task.map(|task| (task.last_status().unwrap_or_default().to_owned(), why(Said::of(task), Of::Controller))))
}

async fn read<T: serde::de::DeserializeOwned>(clients: &Clients, id: &str, file: &str) -> Result<Option<T>, AwsError> {
    let Some(bytes) = clients.store.get(id, file, MAX_OBJECT).await? else { return Ok(None) };
    let wrong =
        |e: serde_json::Error| AwsError::refused(format!("read {}", clients.store.address(id, file)), e.to_string());
    serde_json::from_slice(&bytes).map(Some).map_err(wrong)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, AwsError> {
    serde_json::to_vec_pretty(value).map_err(|e| AwsError::refused("write JSON", e.to_string()))
}
