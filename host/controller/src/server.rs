//! The controller's side of the wire: lets workers in and gives each a conversation of its own.

use super::book::Book;
use super::conversation;
use super::events::{Event, Identity};
use super::failure::Failure;
use super::fleet::Roll;
use super::reading::Readers;
use super::schedule::WorkerId;
use grid::Tile;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use types::text;
use wire::{ALIGN, About, Compression, Joining, Listener, PayloadLimits, Pool, Socket, Terms, WorkerKind};
use worker::Task;

/// How long workers have to say goodbye once all tiles are done: longer than each conversation waits by itself.
const FAREWELL: Duration = Duration::from_secs(8);
/// Pixels that are read or on their way out at a time, bytes, whatever the number of workers: what bounds the memory.
/// A tile that is larger has all of it to itself.
const OUTGOING_BUDGET: usize = 256 << 20;
/// The budget is counted in units of this many bytes.
const OUTGOING_UNIT: usize = 4 << 10;

/// How the job ends for the workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Not yet.
    Open,
    /// All tiles are done.
    Finished,
    /// The job failed or was stopped; this is what workers are told.
    Aborted(String),
}

/// What all conversations share.
pub struct Server {
    /// The job's state.
    pub book: Arc<Book>,
    /// The job for workers.
    pub task: Arc<Task>,
    /// The task as it travels.
    pub task_bytes: Vec<u8>,
    /// The module as it travels.
    pub module: Vec<u8>,
    /// Who reads tiles here; `None` when workers read for themselves.
    pub readers: Option<Readers>,
    /// Room for tiles that are read and not yet sent.
    pub outgoing: Arc<Semaphore>,
    /// Who is connected.
    pub roll: Roll,
    /// How often each side says something at least.
    pub heartbeat: Duration,
    ending: watch::Sender<Ending>,
    failure: Mutex<Option<Failure>>,
    next_worker: AtomicU64,
    next_lease: AtomicU64,
}

impl Server {
    /// A server for a job at its start.
    pub fn new(
        book: Arc<Book>,
        task: Arc<Task>,
        task_bytes: Vec<u8>,
        module: Vec<u8>,
        readers: Option<Readers>,
        heartbeat: Duration,
    ) -> Self {
        let roll = Roll::default();
        roll.set_tiles_left(book.tiles_left());
        let ending = if book.tiles_left() == 0 { Ending::Finished } else { Ending::Open };
        Self {
            book,
            task,
            task_bytes,
            module,
            readers,
            outgoing: Arc::new(Semaphore::new(OUTGOING_BUDGET / OUTGOING_UNIT)),
            roll,
            heartbeat,
            ending: watch::Sender::new(ending),
            failure: Mutex::default(),
            next_worker: AtomicU64::new(1),
            next_lease: AtomicU64::new(1),
        }
    }

    /// Accepts workers and serves them until the job ends one way or the other, then says goodbye to them.
    pub async fn run(self: &Arc<Self>, mut listener: Listener) {
        let mut ending = self.ending();
        let mut conversations = JoinSet::new();
        loop {
            tokio::select! {
                joining = listener.accept() => {
                    let server = self.clone();
                    conversations.spawn(async move { server.serve(joining).await });
                }
                Some(ended) = conversations.join_next() => self.look_at(ended),
                Ok(_) = ending.wait_for(|e| *e != Ending::Open) => break,
            }
        }
        drop(listener);
        self.part(&mut conversations).await;
    }

    /// Waits for the goodbyes of those that were told how the job has ended.
    pub async fn part(&self, conversations: &mut JoinSet<()>) {
        let all_gone = async {
            while let Some(ended) = conversations.join_next().await {
                self.look_at(ended);
            }
        };
        if tokio::time::timeout(FAREWELL, all_gone).await.is_err() {
            tracing::warn!("some workers did not say goodbye within {FAREWELL:?}");
        }
    }

    /// A conversation that panicked has its worker's tiles with it, so the job can't go on.
    pub fn look_at(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(panic) = ended {
            self.fail(Failure::Panicked(panic.to_string()));
        }
    }

    /// Serves the worker process at the other end of `socket`, which has so much time to greet.
    pub async fn serve_process(self: Arc<Self>, socket: Socket, pool: Pool, start_timeout: Duration) {
        match tokio::time::timeout(start_timeout, socket.greet(pool)).await {
            Ok(Ok(joining)) => self.serve(joining).await,
            Ok(Err(error)) => tracing::info!("a worker process did not greet: {error}"),
            Err(_) => tracing::warn!("a worker process has not greeted within {start_timeout:?}"),
        }
    }

    /// Serves one worker until it leaves.
    pub(super) async fn serve(self: Arc<Self>, joining: Joining) {
        let about = harmless(joining.about.clone());
        if self.readers.is_none() && !about.reads {
            let reason = "the job wants workers that read the inputs themselves (workers.reads = \"worker\"); this one has no GDAL";
            // It is gone either way.
            let _gone = joining.refuse(reason).await;
            return;
        }
        let worker = self.next_worker.fetch_add(1, Ordering::Relaxed);
        let terms = Terms { heartbeat: self.heartbeat, compression: Compression::for_peer(joining.peer) };
        let (reader, writer) = match joining.welcome(terms, &self.task_bytes, self.limits()).await {
            Ok(halves) => halves,
            Err(error) => {
                tracing::warn!("worker {}: {error}", conversation::describe(&about));
                return;
            }
        };
        tracing::info!("worker {worker} joined: {} on {} ({} threads)", about.name, about.host, about.threads);
        self.roll.join(worker, about.clone());
        let id = WorkerId(u32::try_from(worker).unwrap_or(u32::MAX));
        let control = self.book.control();
        let (kind, name, host) = (kind_name(about.kind), about.name.clone(), about.host.clone());
        let identity = Identity { kind, name, host, threads: about.threads };
        control.tell(Event::WorkerJoined { worker: id.0, identity: &identity });
        let why = conversation::hold(&self, id, &about, reader, writer).await;
        let why = text::lines(&why).into_owned();
        self.roll.leave(worker);
        control.tell(Event::WorkerLeft { worker: id.0, why: &why });
        tracing::info!("worker {worker} left: {why}");
    }

    /// The most payload that a worker may send: what the plan says that a tile's result can have.
    fn limits(&self) -> PayloadLimits {
        // Bands are known only from the first result, so the sandbox's own limit is the bound.
        let state = self.task.limits.state_bytes as u64;
        let rasters = self.task.outputs.iter().fold(0_u32, |sum, o| sum.saturating_add(o.rasters));
        let between = ALIGN.saturating_mul(u64::from(rasters).saturating_add(1));
        let result = self.task.limits.output_bytes.saturating_add(state).saturating_add(between);
        PayloadLimits { result, rasters, ..PayloadLimits::default() }
    }

    /// What `tile`'s pixels take of the room for outgoing tiles.
    pub fn outgoing_units(&self, tile: &Tile) -> u32 {
        let bytes = usize::try_from(self.task.bytes_in(tile)).unwrap_or(usize::MAX);
        u32::try_from((bytes / OUTGOING_UNIT).clamp(1, OUTGOING_BUDGET / OUTGOING_UNIT)).unwrap_or(u32::MAX)
    }

    /// Another lease.
    pub fn next_lease(&self) -> u64 {
        self.next_lease.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends the job with the first failure.
    pub fn fail(&self, failure: Failure) {
        let told = failure.to_string();
        let first = {
            let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let first = slot.is_none();
            slot.get_or_insert(failure);
            first
        };
        if first {
            self.book.control().tell(Event::Failed(&told));
            self.ending.send_replace(Ending::Aborted(told));
        }
    }

    /// After a tile is done: ends the job if it was the last.
    pub fn progressed(&self) {
        let left = self.book.tiles_left();
        self.roll.set_tiles_left(left);
        if left == 0 {
            self.ending.send_if_modified(|e| {
                let open = *e == Ending::Open;
                if open {
                    *e = Ending::Finished;
                }
                open
            });
        }
    }

    /// How the job ends, as soon as that is known.
    pub fn ending(&self) -> watch::Receiver<Ending> {
        self.ending.subscribe()
    }

    /// The failure that ended the job, if one did.
    pub fn take_failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The name of a worker's kind in reports.
fn kind_name(kind: WorkerKind) -> &'static str {
    match kind {
        WorkerKind::Process => "process",
        WorkerKind::External => "external",
        WorkerKind::Fargate => "fargate",
        WorkerKind::Ec2 => "ec2",
    }
}

/// What a worker says of itself, as it may be shown.
fn harmless(about: About) -> About {
    let line = |text: String| text::line(&text).into_owned();
    About { name: line(about.name), host: line(about.host), task_arn: about.task_arn.map(line), ..about }
}
