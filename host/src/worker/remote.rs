//! A worker in a process of its own: joins the controller of its ticket, runs what it is sent, leaves when there is no more.

use super::compute::{self, Job, Queue, Report};
use super::runner::{self, Done, Outcome, Runner, working_set};
use super::task::Task;
use crate::sandbox::{self, Interrupt, LogLevel, LogLine, Sandbox};
use crate::wire::{
    self, About, Cost, FailureKind, Fingerprint, FromController, FromWorker, Joined, Lease, MAX_TEXT, Payload,
    PayloadLimits, Pool, RasterHead, Reader, Ticket, TileFailure, TileResult, WireError, Writer, clip,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How long a worker goes on trying to reach its controller, when it starts or after the connection broke.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between attempts to connect.
const RETRY: Duration = Duration::from_millis(500);
/// How long running tiles may go on once the worker has been told to leave; Fargate kills after 30 s by default.
const GRACE: Duration = Duration::from_secs(20);
/// Tiles asked for beyond those being run, so that no thread waits for the network.
const PREFETCH: usize = 2;
/// Most bytes that are taken for a task description or a module.
const MAX_SETUP: u64 = 256 << 20;
/// Memory an instance keeps from tile to tile at most, bytes.
const KEPT_MEMORY: u64 = 256 << 20;

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who it is; `threads` there is how many tiles it runs at the same time.
    pub about: About,
    /// The folder of compiled modules, if they are to be kept.
    pub cache: Option<PathBuf>,
}

/// Why a worker left without having been told that the job is done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made, or broke and could not be made again.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The controller told it to stop.
    #[error("the controller stopped the job: {0}")]
    Aborted(String),
    /// The task that the controller sent can't be done here.
    #[error("{0}")]
    Task(String),
    /// The module can't be used.
    #[error("the job's module: {0}")]
    Module(#[from] sandbox::Error),
    /// The system has no more threads or no runtime.
    #[error("can't start: {0}")]
    System(#[from] std::io::Error),
}

/// Works for the controller of `ticket` until it has no more tiles, or `leave` says so (SIGTERM).
///
/// # Errors
/// When the controller can't be reached for 30 seconds, refuses this worker or aborts the job.
pub fn run(ticket: &Ticket, settings: &Settings, leave: watch::Receiver<bool>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        loop {
            match session(ticket, settings, leave.clone()).await {
                Err(Error::Wire(error)) if passes(&error) && !*leave.borrow() => {
                    tracing::warn!("{error}; connecting again");
                }
                result => return result,
            }
        }
    })
}

/// Whether a broken connection may be made again: anything but a refusal.
fn passes(error: &WireError) -> bool {
    matches!(error, WireError::Closed | WireError::Truncated | WireError::Io(_) | WireError::Silent(_))
}

/// Connects, trying for a while: the controller may not listen yet, or the network be away.
async fn join(ticket: &Ticket, settings: &Settings, pool: &Pool, leave: &watch::Receiver<bool>) -> Result<Joined, WireError> {
    let limits = PayloadLimits { task: MAX_SETUP, module: MAX_SETUP, tile: u64::MAX, result: 0 };
    let started = Instant::now();
    loop {
        match wire::connect(ticket, &settings.about, pool, limits).await {
            Err(WireError::Unreachable(_) | WireError::Io(_) | WireError::Slow { .. })
                if started.elapsed() < PATIENCE && !*leave.borrow() =>
            {
                tokio::time::sleep(RETRY).await;
            }
            result => return result,
        }
    }
}

/// One connection, from greeting to goodbye.
async fn session(ticket: &Ticket, settings: &Settings, mut leave: watch::Receiver<bool>) -> Result<(), Error> {
    let threads = usize::try_from(settings.about.threads).unwrap_or(1).max(1);
    // Each tile has its payload to itself however large it is; the budget only bounds how many wait.
    let pool = Pool::new(MAX_SETUP);
    let Joined { mut reader, mut writer, welcome, task } = join(ticket, settings, &pool, &leave).await?;
    let heartbeat = Duration::from_millis(welcome.heartbeat_ms.into());
    let task = parse_task(task.part(0).unwrap_or_default())?;
    let module = module(ticket, &task, &mut reader, &mut writer).await?;
    let task = Arc::new(task);
    let (runner, interrupt) = tokio::task::spawn_blocking({
        let (task, cache) = (task.clone(), settings.cache.clone());
        move || prepare(task, module.part(0).unwrap_or_default(), threads, cache)
    })
    .await
    .map_err(|e| Error::Task(format!("preparing the module failed: {e}")))??;
    writer.send(&FromWorker::Ready, &[]).await?;
    let wanted = u32::try_from(threads.saturating_add(PREFETCH)).unwrap_or(u32::MAX);
    writer.send(&FromWorker::Want { tiles: wanted }, &[]).await?;

    let queue = Arc::new(Queue::default());
    let (reports, from_threads) = mpsc::channel(threads);
    let running = compute::start(threads, &Arc::new(runner), &queue, &reports)?;
    drop(reports);
    let (messages, to_send) = mpsc::unbounded_channel();
    let sending = tokio::spawn(send(writer, from_threads, to_send, queue.clone(), heartbeat));
    let result = receive(&mut reader, &queue, &messages, &task, &interrupt, &mut leave).await;
    let returned = queue.close();
    if result.is_ok() {
        if !returned.is_empty() {
            let _gone = messages.send(FromWorker::Returned { tiles: returned, why: "the worker leaves".into() });
        }
    } else {
        interrupt.stop();
    }
    drop(messages);
    if result.is_ok() {
        // Ends when the threads have reported their last tiles.
        if tokio::time::timeout(GRACE, sending).await.is_err() {
            interrupt.stop();
        }
    } else {
        sending.abort();
    }
    let joined = tokio::task::spawn_blocking(move || running.into_iter().all(|t| t.join().is_ok())).await;
    match (result, joined) {
        (Err(error), _) => Err(error),
        (Ok(()), Ok(true)) => Ok(()),
        (Ok(()), _) => Err(Error::Task("a worker thread panicked; this is a bug in tilefn".into())),
    }
}

/// Takes what the controller sends, until it says that all is done or `leave` does.
async fn receive(
    reader: &mut Reader<FromController>,
    queue: &Queue,
    messages: &mpsc::UnboundedSender<FromWorker>,
    task: &Task,
    interrupt: &Interrupt,
    leave: &mut watch::Receiver<bool>,
) -> Result<(), Error> {
    let reads = task.inputs.iter().all(|i| i.rasters.is_empty());
    loop {
        let (message, payload) = tokio::select! {
            message = reader.recv() => message?,
            Ok(_) = leave.wait_for(|leave| *leave) => return Ok(()),
        };
        match message {
            FromController::Tile { lease, .. } => {
                let Some(tile) = task.tiling.tile(lease.tile) else {
                    return Err(Error::Task(format!("the controller sent tile {}, which the grid doesn't have", lease.tile)));
                };
                let pixels = (!payload.is_empty() || reads).then_some(payload);
                if let Err(job) = queue.push(Job { lease, tile, pixels }) {
                    let _gone = messages.send(FromWorker::Returned { tiles: vec![job.lease], why: "the worker leaves".into() });
                }
            }
            FromController::Cancel(lease) => {
                if queue.cancel(lease) {
                    let _gone = messages.send(FromWorker::Want { tiles: 1 });
                }
            }
            FromController::Finish => {
                // What still runs here was done elsewhere first.
                interrupt.stop();
                return Ok(());
            }
            FromController::Abort { reason } => return Err(Error::Aborted(reason)),
            FromController::Heartbeat => {}
            other @ (FromController::Welcome(_) | FromController::Refuse { .. } | FromController::Module { .. }) => {
                return Err(WireError::Unexpected { got: wire::Message::name(&other), wanted: "Tile" }.into());
            }
        }
    }
}

/// Sends results, messages and heartbeats, until the threads are done and nobody has anything more to say.
async fn send(
    mut writer: Writer<FromWorker>,
    mut reports: mpsc::Receiver<Report>,
    mut messages: mpsc::UnboundedReceiver<FromWorker>,
    queue: Arc<Queue>,
    heartbeat: Duration,
) -> Result<(), WireError> {
    let mut beat = tokio::time::interval(heartbeat);
    let (mut threads_left, mut messages_left) = (true, true);
    while threads_left || messages_left {
        tokio::select! {
            report = reports.recv(), if threads_left => match report {
                Some(report) => {
                    send_report(&mut writer, report).await?;
                    if messages_left {
                        writer.send(&FromWorker::Want { tiles: 1 }, &[]).await?;
                    }
                }
                None => threads_left = false,
            },
            message = messages.recv(), if messages_left => match message {
                Some(message) => writer.send(&message, &[]).await?,
                None => messages_left = false,
            },
            _ = beat.tick() => {
                let (busy, queued) = queue.load();
                let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
                let beat = FromWorker::Heartbeat { busy: number(busy), queued: number(queued), memory: crate::memory::resident() };
                writer.send(&beat, &[]).await?;
            }
        }
    }
    writer.send(&FromWorker::Bye { why: "finished".into() }, &[]).await?;
    writer.close().await
}

async fn send_report(writer: &mut Writer<FromWorker>, report: Report) -> Result<(), WireError> {
    match report {
        Report::Finished { lease, outcome } => match *outcome {
            Outcome::Skipped { read } => {
                let cost = Cost { read_ns: nanos(read), ..Cost::default() };
                let result = TileResult { lease, outcome: wire::Outcome::Skipped, cost, log: wire::Log::default() };
                writer.send(&FromWorker::Result(result), &[]).await
            }
            Outcome::Done(done) => send_done(writer, lease, done).await,
        },
        Report::Failed { lease, error, log } => {
            let (kind, retryable) = classify(&error);
            let text = clip(&error.to_string(), MAX_TEXT);
            let failure = TileFailure { lease, kind, text, retryable, cost: Cost::default(), log: wire_log(log) };
            writer.send(&FromWorker::Failed(failure), &[]).await
        }
        Report::Stopped(lease) => {
            let returned = FromWorker::Returned { tiles: vec![lease], why: "stopped".into() };
            writer.send(&returned, &[]).await
        }
    }
}

/// Sends a tile's pixels straight from the memory of the instance that made them.
async fn send_done(writer: &mut Writer<FromWorker>, lease: Lease, mut done: Done) -> Result<(), WireError> {
    let log = wire_log(done.take_log());
    let heads = done.outputs().iter().map(|rasters| {
        let head = |r: &sandbox::OutRaster| RasterHead { dtype: r.dtype, bands: r.bands, rows: r.rows, cols: r.cols, nodata: r.nodata };
        rasters.iter().map(head).collect::<Vec<_>>()
    });
    let heads: Vec<_> = heads.collect();
    // Ranges were checked when the function returned; a failure here is the sandbox's.
    let broken = |e: sandbox::Error| WireError::Malformed(e.to_string());
    let mut parts: Vec<&[u8]> = done.rasters().map_err(broken)?.into_iter().map(|(_, _, _, pixels)| pixels).collect();
    let state = done.state().map_err(broken)?;
    parts.push(state);
    let cost = Cost { read_ns: nanos(done.read), run_ns: nanos(done.run), peak_bytes: done.peak_memory() };
    let outcome = wire::Outcome::Done { outputs: heads, state_len: state.len() as u64 };
    writer.send(&FromWorker::Result(TileResult { lease, outcome, cost, log }), &parts).await
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn wire_log(lines: Vec<LogLine>) -> wire::Log {
    let mut log = wire::Log::default();
    for line in lines {
        log.push(line.level == LogLevel::Warning, &line.text);
    }
    log
}

/// What kind of failure this is, and whether it may go well elsewhere: only what isn't the function's own doing may.
fn classify(error: &runner::Error) -> (FailureKind, bool) {
    use sandbox::Error as S;
    match error {
        runner::Error::Function(e) => match e {
            S::Guest { .. } => (FailureKind::Function, false),
            S::Trap { panic: Some(_), .. } => (FailureKind::Panic, false),
            S::Deadline { .. } => (FailureKind::Time, false),
            S::OutOfMemory { .. } => (FailureKind::Memory, false),
            S::Fuel { .. } => (FailureKind::Fuel, false),
            S::AbiViolation { .. } | S::TooBig { .. } => (FailureKind::Output, false),
            S::Engine(_) => (FailureKind::Worker, true),
            _ => (FailureKind::Trap, false),
        },
        runner::Error::Read { .. } => (FailureKind::Input, true),
        runner::Error::Output { .. } => (FailureKind::Output, false),
        runner::Error::TooLarge | runner::Error::Description(_) => (FailureKind::Function, false),
    }
}

/// Reads the task description.
fn parse_task(bytes: &[u8]) -> Result<Task, Error> {
    Task::from_bytes(bytes).map_err(|e| Error::Task(format!("the controller's task description can't be read: {e}")))
}

/// Asks the controller for the module, and checks that it is the ticket's and the task's.
async fn module(
    ticket: &Ticket,
    task: &Task,
    reader: &mut Reader<FromController>,
    writer: &mut Writer<FromWorker>,
) -> Result<Payload, Error> {
    writer.send(&FromWorker::ModuleRequest, &[]).await?;
    loop {
        let (message, payload) = reader.recv().await?;
        match message {
            FromController::Module { .. } => {
                let bytes = payload.part(0).unwrap_or_default();
                let found = Fingerprint::of(bytes);
                if found != ticket.module_sha256 {
                    return Err(Error::Task("the module is not the one that the ticket names".into()));
                }
                return Ok(payload);
            }
            FromController::Heartbeat => {}
            FromController::Abort { reason } => return Err(Error::Aborted(reason)),
            FromController::Finish => return Err(Error::Aborted(format!("job {} is done", task.function))),
            other => return Err(WireError::Unexpected { got: wire::Message::name(&other), wanted: "Module" }.into()),
        }
    }
}

/// Compiles the module and makes it ready for the task.
fn prepare(task: Arc<Task>, module: &[u8], threads: usize, cache: Option<PathBuf>) -> Result<(Runner, Interrupt), Error> {
    let (rows, cols) = task.tiling.tile_size();
    let kept = working_set(&task, rows, cols).min(KEPT_MEMORY);
    // Results keep their instance until they have been sent.
    let instances = threads.saturating_mul(2).saturating_add(2);
    let sandbox = Sandbox::with_cache(&task.limits, instances, kept, cache.as_deref())?;
    for warning in sandbox.warnings() {
        tracing::warn!("{warning}");
    }
    let function = sandbox.compile(module)?.function(&task.function)?;
    let runner = Runner::new(task, function).map_err(|e| Error::Task(e.to_string()))?;
    Ok((runner, sandbox.interrupt()))
}
