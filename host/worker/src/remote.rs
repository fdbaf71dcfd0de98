//! A worker in a process of its own: joins its controller, runs what it is sent, leaves when there is no more.

use super::compute::{self, Queue, QueuedTile, TileReport};
use super::result;
use super::runner::{KEPT_MEMORY, Runner};
use super::task::Task;
use sandbox::{Interrupt, Module, Sandbox};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use types::exit;
use wire::runtime;
use wire::{
    self, About, Fingerprint, FromController, FromWorker, Joined, Lease, PayloadLimits, Pool, Reader, Socket, Ticket,
    Writer,
};

/// How long a worker goes on trying to reach its controller, when it starts or after the connection broke.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between attempts to connect.
const RETRY: Duration = Duration::from_millis(500);
/// How long running tiles may go on once the worker has been told to leave; Fargate kills after 30 s by default.
const GRACE: Duration = Duration::from_secs(20);
/// How long threads may take to end once they were told to. A thread that reads from a dead file server never ends.
const STUCK: Duration = Duration::from_secs(5);
/// Longest reason for leaving, in characters.
const REASON: usize = 500;
/// Tiles asked for beyond those being run, so that no thread waits for the network.
const PREFETCH: usize = 2;
/// Limit for a task description, and for a module, bytes.
pub const MAX_SETUP: u64 = 256 << 20;
/// Limits for what one message may carry.
const LIMITS: PayloadLimits =
    PayloadLimits { task: MAX_SETUP, module: MAX_SETUP, tile: u64::MAX, result: 0, rasters: wire::MAX_RASTERS };

/// Fetches the bytes at a URL, at most so many.
pub type Fetch =
    Arc<dyn Fn(String, u64) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>> + Send + Sync>;

/// How to reach the controller.
pub enum Controller {
    /// The controller is somewhere on the network.
    Named(Ticket),
    /// The controller has started this process, with one end of a connection.
    Parent(Socket),
}

/// How a worker runs.
#[derive(Clone)]
pub struct Settings {
    /// The worker's description of itself. `threads` in it is how many tiles it runs at the same time.
    pub about: About,
    /// The folder of compiled modules, if they are to be kept.
    pub cache: Option<PathBuf>,
    /// Fetches the module from where the ticket says; without, the controller sends it.
    pub fetch: Option<Fetch>,
}

impl Settings {
    fn threads(&self) -> usize {
        usize::try_from(self.about.threads).unwrap_or(1).max(1)
    }

    /// Compiles the task's module, for [`Self::threads`] tiles at a time.
    fn compile(&self, module: &[u8], task: &Task) -> Result<(Sandbox, Module), sandbox::Error> {
        // Results keep their instance until they have been sent.
        let instances = self.threads().saturating_mul(2).saturating_add(2);
        let sandbox = Sandbox::with_cache(&task.limits, instances, KEPT_MEMORY, self.cache.as_deref())?;
        let module = sandbox.compile(module)?;
        Ok((sandbox, module))
    }
}

/// Why a worker left without having been told that the job is done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The controller could not be joined.
    #[error(transparent)]
    Join(wire::Error),
    /// The connection broke.
    #[error(transparent)]
    Wire(#[from] wire::Error),
    /// The controller told it to stop.
    #[error("the controller stopped the job: {0}")]
    Aborted(String),
    /// The task that the controller sent can't be done here.
    #[error("{0}")]
    Task(String),
    /// The module can't be used.
    #[error("the job's module: {0}")]
    Module(#[from] sandbox::Error),
    /// The controller sent another module than its ticket promises.
    #[error("the job's module: it is not the one that the ticket names")]
    OtherModule,
    /// The system has no more threads or no runtime.
    #[error("can't start: {0}")]
    System(#[from] std::io::Error),
}

impl Error {
    /// The process's exit code, which is all that ECS or a batch system tells about a worker that never connected.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Join(wire::Error::Ticket { .. }) => exit::TICKET,
            // After half a minute of tries nobody is too busy to answer: the two don't understand each other.
            Self::Join(wire::Error::NoAnswer) => exit::REFUSED,
            Self::Join(e) if e.is_transient() => exit::UNREACHABLE,
            Self::Join(_) => exit::REFUSED,
            Self::Module(_) | Self::OtherModule => exit::MODULE,
            Self::Wire(_) => exit::INFRASTRUCTURE,
            Self::Aborted(_) | Self::Task(_) | Self::System(_) => exit::FAILED,
        }
    }
}

/// Works for the controller until it has no more tiles, or `leave` says so (SIGTERM).
///
/// # Errors
/// When the controller can't be reached for 30 seconds, refuses this worker or aborts the job. A connection that this
/// process was started with is not made again.
pub fn run(controller: Controller, settings: &Settings, leave: watch::Receiver<bool>) -> Result<(), Error> {
    let runtime = match controller {
        Controller::Named(_) => runtime::build(Builder::new_multi_thread().worker_threads(2).enable_all())?,
        // A connection with a parent isn't encrypted and costs little work, so one thread is enough.
        Controller::Parent(_) => Builder::new_current_thread().enable_all().build()?,
    };
    // A payload larger than the pool's budget is still taken, alone. The budget bounds how many payloads wait.
    let pool = Pool::new(MAX_SETUP);
    let result = runtime.block_on(async {
        let ticket = match controller {
            Controller::Parent(socket) => {
                let joining = async { socket.join(settings.about.clone(), pool, LIMITS).await.map_err(Error::Join) };
                return session(joining, None, settings, leave).await;
            }
            Controller::Named(ticket) => ticket,
        };
        loop {
            match session(join(&ticket, settings, &pool), Some(&ticket), settings, leave.clone()).await {
                Err(Error::Wire(error)) if error.is_transient() && !*leave.borrow() => {
                    tracing::warn!("{error}; connecting again");
                    tokio::time::sleep(RETRY).await;
                }
                result => return result,
            }
        }
    });
    // Threads that can't be stopped end with the process.
    runtime.shutdown_background();
    result
}

/// Connects, trying for a while: the controller may not listen yet, or the network be away.
async fn join(ticket: &Ticket, settings: &Settings, pool: &Pool) -> Result<Joined, Error> {
    let started = Instant::now();
    loop {
        match wire::connect(ticket, &settings.about, pool, LIMITS).await {
            Err(error) if error.is_transient() && started.elapsed() < PATIENCE => tokio::time::sleep(RETRY).await,
            result => return result.map_err(Error::Join),
        }
    }
}

/// One connection, from greeting to goodbye.
async fn session(
    joining: impl Future<Output = Result<Joined, Error>>,
    ticket: Option<&Ticket>,
    settings: &Settings,
    mut leave: watch::Receiver<bool>,
) -> Result<(), Error> {
    let threads = settings.threads();
    let Joined { mut reader, writer, welcome, task } = tokio::select! {
        joined = joining => joined?,
        Ok(_) = leave.wait_for(|leave| *leave) => return Ok(()),
    };
    let queue = Arc::new(Queue::default());
    let (reports, from_threads) = mpsc::channel(threads);
    let (messages, to_send) = mpsc::unbounded_channel();
    let heartbeat = Duration::from_millis(welcome.heartbeat_ms.into());
    // From here on heartbeats go out, however long the module takes to come and to compile.
    let mut sending = tokio::spawn(send(writer, from_threads, to_send, queue.clone(), heartbeat));

    let task = Arc::new(parse_task(task.part(0).unwrap_or_default())?);
    raster::init(task.block_cache);
    let prepared = tokio::select! {
        prepared = set_up(ticket, settings, &task, &mut reader, &messages) => prepared,
        Ok(_) = leave.wait_for(|leave| *leave) => {
            drop(reports);
            // The sending task says Bye and ends.
            let _late = tokio::time::timeout(STUCK, sending).await;
            return Ok(());
        }
        sent = &mut sending => Err(broken(sent)),
    };
    let (runner, interrupt) = match prepared {
        Ok(prepared) => prepared,
        Err(error @ (Error::Module(_) | Error::OtherModule)) => {
            // The controller tells its user why this worker is of no use.
            let why = error.to_string().chars().take(REASON).collect();
            let _gone = messages.send(FromWorker::Bye { why });
            let _late = tokio::time::timeout(STUCK, sending).await;
            return Err(error);
        }
        Err(error) => {
            sending.abort();
            return Err(error);
        }
    };
    let running = compute::start(threads, &Arc::new(runner), &queue, &reports)?;
    drop(reports);
    let wanted = u32::try_from(threads.saturating_add(PREFETCH)).unwrap_or(u32::MAX);
    // A closed channel shows as the end of the connection.
    let _gone = messages.send(FromWorker::Want { tiles: wanted });

    let receiver = Receiver { queue: &queue, messages: &messages, task: &task, interrupt: &interrupt };
    let result = tokio::select! {
        result = receiver.receive(&mut reader, &mut leave) => result,
        sent = &mut sending => Err(broken(sent)),
    };
    match &result {
        Ok(end) => receiver.wind_up(end, &mut reader, &mut sending).await,
        Err(_) => {
            queue.close();
            interrupt.stop();
        }
    }
    sending.abort();
    let joining = tokio::task::spawn_blocking(move || running.into_iter().all(|t| t.join().is_ok()));
    match (result, tokio::time::timeout(STUCK, joining).await) {
        (Err(Error::Wire(error)), Err(_)) => {
            Err(Error::Task(format!("{error}, and a tile under way can't be stopped")))
        }
        (Err(error), _) => Err(error),
        (Ok(_), Ok(Ok(false) | Err(_))) => Err(Error::Task("a worker thread panicked; this is a bug in tilefn".into())),
        (Ok(_), Ok(Ok(true)) | Err(_)) => Ok(()),
    }
}

/// The error for a sending half that has ended too early.
fn broken(sent: Result<Result<(), wire::Error>, tokio::task::JoinError>) -> Error {
    match sent {
        Ok(Err(error)) => Error::Wire(error),
        Ok(Ok(())) => Error::Wire(wire::Error::Closed),
        Err(panic) => Error::Task(format!("sending failed: {panic}")),
    }
}

/// Fetches the module and compiles it, and makes the function ready for the task.
async fn set_up(
    ticket: Option<&Ticket>,
    settings: &Settings,
    task: &Arc<Task>,
    reader: &mut Reader<FromController>,
    messages: &mpsc::UnboundedSender<FromWorker>,
) -> Result<(Runner, Interrupt), Error> {
    let bytes = match fetched(ticket, settings).await {
        Some(bytes) => bytes,
        None => module(ticket, task, reader, messages).await?,
    };
    let compiling = {
        let (settings, task) = (settings.clone(), task.clone());
        tokio::task::spawn_blocking(move || settings.compile(&bytes, &task))
    };
    let (sandbox, module) = compiling.await.map_err(|e| Error::Task(format!("preparing the module failed: {e}")))??;
    for warning in sandbox.warnings() {
        tracing::warn!("{warning}");
    }
    let function = module.function(&task.function)?;
    let runner = Runner::new(task.clone(), function).map_err(|e| Error::Task(e.to_string()))?;
    Ok((runner, sandbox.interrupt()))
}

/// How a worker's part ends when nothing is wrong.
enum End {
    /// The controller has no more tiles.
    Finished,
    /// The worker was told to leave.
    Left,
}

/// The receiving half of a session.
struct Receiver<'a> {
    queue: &'a Queue,
    messages: &'a mpsc::UnboundedSender<FromWorker>,
    task: &'a Task,
    interrupt: &'a Interrupt,
}

impl Receiver<'_> {
    /// Takes what the controller sends, until it says that all is done or `leave` does.
    async fn receive(
        &self,
        reader: &mut Reader<FromController>,
        leave: &mut watch::Receiver<bool>,
    ) -> Result<End, Error> {
        let no_inputs = self.task.inputs.iter().all(|i| i.rasters.is_empty());
        loop {
            let (message, payload) = tokio::select! {
                message = reader.recv() => message?,
                Ok(_) = leave.wait_for(|leave| *leave) => return Ok(End::Left),
            };
            match message {
                FromController::Tile { lease, .. } => {
                    let Some(tile) = self.task.tiling.tile(lease.tile) else {
                        return Err(Error::Task(format!(
                            "the controller sent tile {}, which the grid doesn't have",
                            lease.tile
                        )));
                    };
                    let pixels = (!payload.is_empty() || no_inputs).then_some(payload);
                    if let Err(tile) = self.queue.push(QueuedTile { lease, tile, pixels }) {
                        self.give_back(vec![tile.lease]);
                    }
                }
                FromController::Finish => return Ok(End::Finished),
                FromController::Abort { reason } => return Err(Error::Aborted(reason)),
                FromController::Heartbeat => {}
                other
                @ (FromController::Welcome(_) | FromController::Refuse { .. } | FromController::Module { .. }) => {
                    return Err(wire::Error::Unexpected { got: wire::Message::name(&other), wanted: "Tile" }.into());
                }
            }
        }
    }

    /// Lets the threads end, hands back what was not begun, and says goodbye.
    async fn wind_up(
        &self,
        end: &End,
        reader: &mut Reader<FromController>,
        sending: &mut JoinHandle<Result<(), wire::Error>>,
    ) {
        let unbegun = self.queue.close();
        match end {
            // Another worker has done the tiles that still run here.
            End::Finished => self.interrupt.stop(),
            End::Left => self.give_back(unbegun),
        }
        let told_to_stop = async {
            loop {
                match reader.recv().await {
                    Ok((FromController::Tile { lease, .. }, _)) => self.give_back(vec![lease]),
                    Ok((FromController::Finish | FromController::Abort { .. }, _)) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        tokio::select! {
            // Sending ends when the threads have reported their last tiles.
            _ = &mut *sending => return,
            () = told_to_stop => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        self.interrupt.stop();
        let _late = tokio::time::timeout(STUCK, sending).await;
    }

    fn give_back(&self, tiles: Vec<Lease>) {
        // An empty list is sent too: the controller sends no more tiles to a worker that gives tiles back.
        let first = tiles.is_empty().then_some(&[][..]);
        for tiles in first.into_iter().chain(tiles.chunks(wire::MAX_LEASES)) {
            // A closed channel shows as the end of the connection.
            let _gone =
                self.messages.send(FromWorker::Returned { tiles: tiles.to_vec(), why: "the worker leaves".into() });
        }
    }
}

/// Sends results, messages and heartbeats until the threads are done, then says goodbye.
async fn send(
    mut writer: Writer<FromWorker>,
    mut reports: mpsc::Receiver<TileReport>,
    mut messages: mpsc::UnboundedReceiver<FromWorker>,
    queue: Arc<Queue>,
    heartbeat: Duration,
) -> Result<(), wire::Error> {
    let mut beat = tokio::time::interval(heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            report = reports.recv() => match report {
                Some(report) => {
                    result::send(&mut writer, report).await?;
                    if !queue.is_closed() {
                        writer.send(&FromWorker::Want { tiles: 1 }, &[]).await?;
                    }
                }
                None => break,
            },
            Some(message) = messages.recv() => {
                writer.send(&message, &[]).await?;
                if matches!(message, FromWorker::Bye { .. }) {
                    return writer.close().await;
                }
            }
            _ = beat.tick() => writer.send(&FromWorker::Heartbeat { memory: crate::memory::resident() }, &[]).await?,
        }
    }
    while let Ok(message) = messages.try_recv() {
        writer.send(&message, &[]).await?;
    }
    writer.send(&FromWorker::Bye { why: "finished".into() }, &[]).await?;
    writer.close().await
}

/// Reads the task description.
fn parse_task(bytes: &[u8]) -> Result<Task, Error> {
    Task::from_bytes(bytes).map_err(|e| Error::Task(format!("the controller's task description can't be read: {e}")))
}

/// The module from the ticket's URL; none if the ticket has no URL, or fetching fails.
async fn fetched(ticket: Option<&Ticket>, settings: &Settings) -> Option<Vec<u8>> {
    let ticket = ticket?;
    let (url, fetch) = (ticket.module_url.clone()?, settings.fetch.as_ref()?);
    match fetch(url.clone(), MAX_SETUP).await {
        Ok(module) if Fingerprint::of(&module) == ticket.module_sha256 => return Some(module),
        Ok(_) => tracing::warn!("{url} is not the module that the ticket names; asking the controller for it"),
        Err(error) => tracing::warn!("can't fetch the module from {url}: {error}; asking the controller for it"),
    }
    None
}

/// Asks the controller for the module, and checks that it is the ticket's.
async fn module(
    ticket: Option<&Ticket>,
    task: &Task,
    reader: &mut Reader<FromController>,
    messages: &mpsc::UnboundedSender<FromWorker>,
) -> Result<Vec<u8>, Error> {
    // A closed channel shows as the end of the connection.
    let _gone = messages.send(FromWorker::ModuleRequest);
    loop {
        let (message, payload) = reader.recv().await?;
        match message {
            FromController::Module { .. } => {
                let bytes = payload.part(0).unwrap_or_default();
                if ticket.is_some_and(|ticket| Fingerprint::of(bytes) != ticket.module_sha256) {
                    return Err(Error::OtherModule);
                }
                return Ok(bytes.to_vec());
            }
            FromController::Heartbeat => {}
            FromController::Abort { reason } => return Err(Error::Aborted(reason)),
            FromController::Finish => return Err(Error::Aborted(format!("job {} is done", task.function))),
            other => return Err(wire::Error::Unexpected { got: wire::Message::name(&other), wanted: "Module" }.into()),
        }
    }
}
