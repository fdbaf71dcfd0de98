//! What is said with one worker: tiles out as it asks for them, results in, and its tiles back when it goes.

use super::book::Book;
use super::failure::Failure;
use super::reading::Read;
use super::report::Spent;
use super::run::Totals;
use super::schedule::{Grant, WorkerId};
use super::server::{Ending, Server};
use crate::grid::Tile;
use crate::wire::{
    self, About, FromController, FromWorker, Lease, Payload, RasterHead, Reader, TileFailure, TileResult, WireError, Writer,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;

/// Most tiles that one worker may ask for at a time; more than any machine has threads.
const MAX_WANTED: u32 = 1024;
/// How long a worker may go on sending after it was told that all is done.
const GOODBYE: Duration = Duration::from_secs(4);
/// How often a worker that waits for work looks whether a late tile can be taken over.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Results of one worker that are being written while more are received.
const WRITING: usize = 2;

/// A worker that has left.
pub struct Left {
    /// Its number.
    pub worker: WorkerId,
    /// Who it was.
    pub about: About,
    /// What it did.
    pub work: Work,
    /// How long it was there.
    pub seconds: f64,
    /// Why it left.
    pub why: String,
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Tiles run and left out.
    pub tiles: u64,
    /// Those of them that were left out.
    pub skipped: u64,
    /// Time by stage.
    pub spent: Spent,
    /// Highest memory of a call, bytes.
    pub function_peak_memory: u64,
    /// Input pixels sent, bytes.
    pub bytes_in: u64,
}

impl From<Work> for Totals {
    fn from(work: Work) -> Self {
        let Work { tiles, skipped, spent, function_peak_memory, bytes_in } = work;
        Self { done: tiles - skipped, skipped, spent, function_peak_memory, bytes_in }
    }
}

/// What goes out to the worker.
enum Out {
    Message(FromController),
    /// The module, as the payload.
    Module,
    /// A tile with its pixels; the permit is given back once they are sent.
    Tile { lease: Lease, read: Read, _permit: OwnedSemaphorePermit },
}

/// What happens here beside the worker's messages.
enum Event {
    /// A tile was read and has no valid pixel.
    Empty(Tile, Duration),
    /// A tile was read.
    Sent(Duration, u64),
}

/// Talks with a worker until it leaves or the job ends. Returns what it did and why it left.
pub async fn hold(
    server: &Arc<Server>,
    worker: WorkerId,
    about: &About,
    reader: Reader<FromWorker>,
    writer: Writer<FromController>,
) -> (Work, String) {
    let (out, outgoing) = mpsc::unbounded_channel();
    let (events, from_readers) = mpsc::unbounded_channel();
    let sending = tokio::spawn(send(server.clone(), writer, outgoing));
    let mut talk = Talk {
        server,
        worker,
        about,
        out,
        events,
        wanted: 0,
        leases: HashMap::new(),
        writing: JoinSet::new(),
        work: Work::default(),
    };
    let why = match talk.go_on(reader, from_readers).await {
        Ok(why) => why,
        Err(error) => error.to_string(),
    };
    // What has been received is written even if the worker is gone.
    while let Some(result) = talk.writing.join_next().await {
        talk.written(result);
    }
    talk.show();
    let work = talk.work;
    if let Err(poisonous) = server.book.lose(worker) {
        server.fail(Failure::Poisonous { what: poisonous, last: format!("worker {} ({}): {why}", worker.0, describe(about)) });
    }
    drop(talk);
    sending.abort();
    (work, why)
}

/// A worker's name and place, for messages.
pub fn describe(about: &About) -> String {
    match &about.task_arn {
        Some(arn) => format!("{} on {}, ECS task {arn}", about.name, about.host),
        None => format!("{} on {}, process {}", about.name, about.host, about.pid),
    }
}

struct Talk<'a> {
    server: &'a Arc<Server>,
    worker: WorkerId,
    about: &'a About,
    out: mpsc::UnboundedSender<Out>,
    events: mpsc::UnboundedSender<Event>,
    /// Tiles the worker has asked for and not been given.
    wanted: u32,
    /// Tiles it holds → their leases.
    leases: HashMap<u64, u64>,
    writing: JoinSet<Written>,
    work: Work,
}

type Written = (Result<(), Failure>, Duration);

impl Talk<'_> {
    async fn go_on(
        &mut self,
        mut reader: Reader<FromWorker>,
        mut events: mpsc::UnboundedReceiver<Event>,
    ) -> Result<String, WireError> {
        let mut ending = self.server.ending();
        let mut changes = self.server.book.changes();
        loop {
            self.hand_out();
            self.show();
            tokio::select! {
                message = reader.recv(), if self.writing.len() < WRITING => {
                    let (message, payload) = message?;
                    if let Some(why) = self.hear(message, payload)? {
                        return Ok(why);
                    }
                }
                Some(written) = self.writing.join_next() => self.written(written),
                Some(event) = events.recv() => self.note(event),
                Ok(()) = changes.changed(), if self.wanted > 0 => {}
                () = tokio::time::sleep(LOOK_AGAIN), if self.wanted > 0 => {}
                end = ended(&mut ending) => return self.say_goodbye(reader, end).await,
            }
        }
    }

    /// Tells the dashboard what the worker has done so far.
    fn show(&self) {
        if let Some(watch) = self.server.book.control().watch() {
            watch.update(self.worker.0, self.work.into());
        }
    }

    /// Grants as many tiles as the worker wants and the schedule has.
    fn hand_out(&mut self) {
        while self.wanted > 0 {
            let Grant::Tile(index) = self.server.book.take(self.worker) else { return };
            let Some(tile) = self.server.task.tiling.tile(index) else { return };
            self.wanted -= 1;
            let lease = Lease { tile: index, lease: self.server.next_lease() };
            self.leases.insert(index, lease.lease);
            if self.server.readers.is_none() {
                // A closed channel shows as the end of the conversation.
                let _gone = self.out.send(Out::Message(FromController::Tile { lease, inputs: Vec::new() }));
            } else {
                tokio::spawn(read_and_send(self.server.clone(), tile, lease, self.out.clone(), self.events.clone()));
            }
        }
    }

    fn hear(&mut self, message: FromWorker, payload: Payload) -> Result<Option<String>, WireError> {
        match message {
            FromWorker::Want { tiles } => self.wanted = self.wanted.saturating_add(tiles).min(MAX_WANTED),
            FromWorker::Result(result) => self.result(result, payload)?,
            FromWorker::Failed(failure) => self.failed(&failure),
            FromWorker::Returned { tiles, why } => {
                tracing::info!("worker {} gives back {} tiles: {why}", self.worker.0, tiles.len());
                for lease in tiles {
                    if self.leases.get(&lease.tile) == Some(&lease.lease) {
                        self.leases.remove(&lease.tile);
                        self.server.book.give_back(self.worker, lease.tile);
                    }
                }
            }
            FromWorker::ModuleRequest => {
                let _gone = self.out.send(Out::Module);
            }
            FromWorker::Ready => {}
            FromWorker::Heartbeat { memory, .. } => {
                if let Some(watch) = self.server.book.control().watch() {
                    watch.memory(self.worker.0, memory);
                }
            }
            FromWorker::Bye { why } => {
                for tile in std::mem::take(&mut self.leases).into_keys() {
                    self.server.book.give_back(self.worker, tile);
                }
                return Ok(Some(why));
            }
            FromWorker::Hello(_) => return Err(WireError::Unexpected { got: "Hello", wanted: "Want" }),
        }
        Ok(None)
    }

    /// Takes a result, if it is one that this worker was asked for.
    fn result(&mut self, result: TileResult, payload: Payload) -> Result<(), WireError> {
        let TileResult { lease, outcome, cost, log } = result;
        let asked = self.leases.get(&lease.tile) == Some(&lease.lease);
        let Some(tile) = self.server.task.tiling.tile(lease.tile).filter(|_| asked) else {
            tracing::warn!("worker {} sent a result for tile {}, which it doesn't hold; ignored", self.worker.0, lease.tile);
            return Ok(());
        };
        if let wire::Outcome::Done { outputs, .. } = &outcome {
            self.check(&tile, outputs)?;
        }
        self.leases.remove(&lease.tile);
        for line in log.lines() {
            if line.warning {
                self.server.book.warn(format!("the function says: {}", line.text));
            } else {
                tracing::info!("tile {}: {}", tile.index, line.text);
            }
        }
        self.work.spent.read += Duration::from_nanos(cost.read_ns);
        self.work.spent.run += Duration::from_nanos(cost.run_ns);
        self.work.function_peak_memory = self.work.function_peak_memory.max(cost.peak_bytes);
        self.work.tiles += 1;
        let book = self.server.book.clone();
        let outputs = match outcome {
            wire::Outcome::Skipped => {
                self.work.skipped += 1;
                None
            }
            wire::Outcome::Done { outputs, .. } => Some(outputs),
        };
        self.writing.spawn_blocking(move || {
            let started = Instant::now();
            let result = match outputs {
                None => book.skipped(&tile),
                Some(outputs) => hand_in(&book, &tile, &outputs, &payload),
            };
            (result, started.elapsed())
        });
        Ok(())
    }

    /// A result must have the shape that the plan has; a worker that sends another is broken or hostile.
    fn check(&self, tile: &Tile, outputs: &[Vec<RasterHead>]) -> Result<(), WireError> {
        let wrong = |what: String| Err(WireError::Malformed(format!("the result of tile {}: {what}", tile.index)));
        let wanted = &self.server.task.outputs;
        if outputs.len() != wanted.len() {
            return wrong(format!("{} outputs instead of {}", outputs.len(), wanted.len()));
        }
        for (output, rasters) in wanted.iter().zip(outputs) {
            if output.rasters == 0 {
                continue;
            }
            if rasters.len() != output.rasters as usize {
                return wrong(format!("{} rasters of {} instead of {}", rasters.len(), output.name, output.rasters));
            }
            for raster in rasters {
                if raster.dtype != output.dtype || (raster.rows, raster.cols) != (tile.window.rows, tile.window.cols) || raster.bands == 0 {
                    return wrong(format!("a raster of {} with another type or shape than the tile's", output.name));
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, failure: &TileFailure) {
        let TileFailure { lease, text, retryable, .. } = failure;
        if self.leases.get(&lease.tile) != Some(&lease.lease) {
            tracing::warn!("worker {} reports tile {} failed, which it doesn't hold; ignored", self.worker.0, lease.tile);
            return;
        }
        self.leases.remove(&lease.tile);
        let Some(tile) = self.server.task.tiling.tile(lease.tile) else { return };
        let place = format!("worker {} ({})", self.worker.0, describe(self.about));
        if !retryable {
            self.server.fail(Failure::Remote { tile, worker: place, text: text.clone() });
            return;
        }
        self.server.book.warn(format!("tile {} failed on {place} and is tried again: {text}", lease.tile));
        if let Err(poisonous) = self.server.book.retry(self.worker, lease.tile) {
            self.server.fail(Failure::Poisonous { what: poisonous, last: format!("{place}: {text}") });
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Sent(time, bytes) => {
                self.work.spent.read += time;
                self.work.bytes_in += bytes;
            }
            Event::Empty(tile, time) => {
                self.work.spent.read += time;
                self.work.tiles += 1;
                self.work.skipped += 1;
                self.leases.remove(&tile.index);
                self.wanted = self.wanted.saturating_add(1);
                let book = self.server.book.clone();
                self.writing.spawn_blocking(move || {
                    let started = Instant::now();
                    (book.skipped(&tile), started.elapsed())
                });
            }
        }
    }

    fn written(&mut self, result: Result<Written, tokio::task::JoinError>) {
        match result {
            Ok((Ok(()), time)) => {
                self.work.spent.write += time;
                self.server.progressed();
            }
            Ok((Err(failure), _)) => self.server.fail(failure),
            Err(panic) => self.server.fail(Failure::Panicked(panic.to_string())),
        }
    }

    /// Tells the worker how the job ended and hears it out, for a while.
    async fn say_goodbye(&mut self, mut reader: Reader<FromWorker>, end: Ending) -> Result<String, WireError> {
        let message = match end {
            Ending::Aborted(reason) => FromController::Abort { reason: wire::clip(&reason, wire::MAX_TEXT) },
            Ending::Finished | Ending::Open => FromController::Finish,
        };
        let _gone = self.out.send(Out::Message(message));
        let hear_out = async {
            loop {
                match reader.recv().await {
                    Ok((FromWorker::Bye { why }, _)) => return why,
                    Ok(_) => {}
                    Err(WireError::Closed) => return "finished".to_owned(),
                    Err(error) => return error.to_string(),
                }
            }
        };
        Ok(tokio::time::timeout(GOODBYE, hear_out).await.unwrap_or_else(|_| "it did not say goodbye".into()))
    }
}

/// Waits until it is known how the job ends.
async fn ended(ending: &mut watch::Receiver<Ending>) -> Ending {
    match ending.wait_for(|e| *e != Ending::Open).await {
        Ok(end) => end.clone(),
        // The server is gone.
        Err(_) => Ending::Finished,
    }
}

fn hand_in(book: &Book, tile: &Tile, outputs: &[Vec<RasterHead>], payload: &Payload) -> Result<(), Failure> {
    let heads = outputs.iter().enumerate().flat_map(|(o, rasters)| rasters.iter().enumerate().map(move |(r, head)| (o, r, head.bands)));
    let rasters = heads.zip(payload.parts()).map(|((o, r, bands), pixels)| (o, r, bands, pixels));
    let state = payload.len().checked_sub(1).and_then(|last| payload.part(last)).unwrap_or_default();
    book.done(tile, rasters, state)
}

/// Reads a tile as soon as there is room for it, and sends it unless it is empty.
async fn read_and_send(
    server: Arc<Server>,
    tile: Tile,
    lease: Lease,
    out: mpsc::UnboundedSender<Out>,
    events: mpsc::UnboundedSender<Event>,
) {
    let Some(readers) = &server.readers else { return };
    // The semaphore is never closed.
    let Ok(permit) = server.outgoing.clone().acquire_owned().await else { return };
    if out.is_closed() {
        return;
    }
    match readers.read(tile).await {
        Ok(read) if !read.valid => {
            let _gone = events.send(Event::Empty(tile, read.time));
        }
        Ok(read) => {
            let bytes = read.buffers.iter().map(|b| b.len() as u64).sum();
            let _gone = events.send(Event::Sent(read.time, bytes));
            let _gone = out.send(Out::Tile { lease, read, _permit: permit });
        }
        Err(error) => {
            let source = crate::worker::Error::Read { input: error.input, source: error.source };
            server.fail(Failure::Tile { tile, source });
        }
    }
}

/// Sends what is to go out, and heartbeats.
async fn send(server: Arc<Server>, mut writer: Writer<FromController>, mut out: mpsc::UnboundedReceiver<Out>) -> Result<(), WireError> {
    let mut beat = tokio::time::interval(server.heartbeat);
    loop {
        tokio::select! {
            next = out.recv() => match next {
                None => return writer.close().await,
                Some(Out::Message(message)) => writer.send(&message, &[]).await?,
                Some(Out::Module) => {
                    let message = FromController::Module { len: server.module.len() as u64 };
                    writer.send(&message, &[&server.module]).await?;
                }
                Some(Out::Tile { lease, read, _permit }) => {
                    let inputs = server.heads(lease.tile);
                    let parts: Vec<&[u8]> = read.buffers.iter().map(Vec::as_slice).collect();
                    writer.send(&FromController::Tile { lease, inputs }, &parts).await?;
                }
            },
            _ = beat.tick() => writer.send(&FromController::Heartbeat, &[]).await?,
        }
    }
}

impl Server {
    /// Type and shape of each input raster under a tile.
    fn heads(&self, tile: u64) -> Vec<Vec<RasterHead>> {
        let window = self.task.tiling.tile(tile).and_then(|t| t.window.padded(self.task.halo));
        let (rows, cols) = window.map_or((0, 0), |w| (w.rows, w.cols));
        let head = |raster: &crate::worker::Raster| RasterHead {
            dtype: raster.dtype,
            bands: u32::try_from(raster.bands.len()).unwrap_or(u32::MAX),
            rows,
            cols,
            nodata: None,
        };
        self.task.inputs.iter().map(|i| i.rasters.iter().map(head).collect()).collect()
    }
}
