//! What is said with one worker: tiles out as it asks for them, results in, and its tiles back when it goes.

use super::book::Book;
use super::events;
use super::failure::Failure;
use super::reading::Read;
use super::schedule::{Grant, WorkerId};
use super::server::{Ending, Server};
use super::tally::Work;
use grid::Tile;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use types::tally::{Tally, What};
use types::text;
use wire::{
    self, About, FromController, FromWorker, Lease, Payload, RasterHead, Reader, TileFailure, TileResult, WireError,
    Writer,
};

/// Most threads of one worker; more than any machine has.
const MAX_THREADS: usize = 1024;
/// Tiles that a worker may hold beyond those that it runs; ours ask for two more, and may be given neighbours.
const MORE_TILES: usize = 16;
/// Messages to one worker that wait to be sent. One that takes none is given no more tiles.
const OUT: usize = MAX_THREADS + MORE_TILES + 64;
/// Results and failures of tiles that a worker doesn't hold, before it is lost: they are ignored, but each takes its time and a line.
const MAX_STRAYS: u32 = 16;
/// How long a worker may take nothing of what it's sent, beyond the time that a tile may take: with all threads at work and no
/// memory for more tiles it doesn't read. Meanwhile it keeps others from the memory for tiles on their way.
const STALLED: Duration = Duration::from_secs(60);
/// How long a worker may go on sending after it was told that all is done.
const GOODBYE: Duration = Duration::from_secs(4);
/// How often a worker that waits for work looks whether a late tile can be taken over.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Results of one worker that are being written while more are received.
const WRITING: usize = 2;
/// Tiles without valid pixels of one worker that wait to be noted in the outputs.
const EMPTY: usize = 16;
/// Tiles of one worker that are read or on their way to it, so that a slow one doesn't take all the room.
const OUTGOING: usize = 2;
/// A worker on which this many tiles in a row fail, and only because of the worker, is sent away if there are others.
const FAILURES: u32 = 3;

/// What goes out to the worker.
enum Out {
    Message(FromController),
    /// The module, as the payload.
    Module,
    /// A tile with its pixels; its room is free again once they are sent.
    Tile {
        lease: Lease,
        read: Read,
        _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    },
}

/// What happens here beside the worker's messages.
enum Event {
    /// A tile was read and has no valid pixel.
    Empty(Tile, Duration),
    /// A tile was read and is on its way; these of its pixels were changed.
    Sent(Tile, Duration, Tally),
    /// A tile was not read, since another worker has done it in the meantime.
    Done(Tile),
}

/// A tile that the worker holds.
struct Held {
    lease: u64,
    /// How many tiles were sent to it before; `None` while this one isn't sent. Workers run them in this order.
    sent: Option<u64>,
    /// Pixels that were changed when it was read here.
    tally: Tally,
}

/// The next message, and the reader back. Kept from one `select!` to the next: dropping it would give up the place
/// in the queue for memory, and large results could wait for ever.
type Receiving = Pin<Box<dyn Future<Output = (Reader<FromWorker>, Result<(FromWorker, Payload), WireError>)> + Send>>;

fn receive(mut reader: Reader<FromWorker>) -> Receiving {
    Box::pin(async move {
        let result = reader.recv().await;
        (reader, result)
    })
}

/// Talks with a worker until it leaves or the job ends. Returns why it left.
pub async fn hold(
    server: &Arc<Server>,
    worker: WorkerId,
    about: &About,
    reader: Reader<FromWorker>,
    mut writer: Writer<FromController>,
) -> String {
    let (out, outgoing) = mpsc::channel(OUT);
    let (tell, events) = mpsc::unbounded_channel();
    writer.set_patience(server.task.limits.time.saturating_add(STALLED));
    let mut sending = tokio::spawn(send(server.clone(), writer, outgoing));
    let mut talk = Talk {
        server,
        worker,
        about,
        out,
        tell,
        events,
        room: Arc::new(Semaphore::new(OUTGOING)),
        wanted: 0,
        leases: HashMap::new(),
        sent: 0,
        failures: 0,
        strays: 0,
        has_module: false,
        writing: JoinSet::new(),
        work: Work::default(),
    };
    let why = match talk.go_on(receive(reader), &mut sending).await {
        Ok(why) => why,
        Err(error) => {
            tracing::warn!("worker {} ({}) is lost: {error}", worker.0, describe(about));
            error.to_string()
        }
    };
    // What has been received is written even if the worker is gone.
    while let Some(result) = talk.writing.join_next().await {
        talk.written(result);
    }
    talk.give_back_unbegun();
    talk.show();
    if let Err(poisonous) = server.book.lose(worker) {
        server.fail(Failure::Poisonous {
            what: poisonous,
            last: format!("worker {} ({}): {why}", worker.0, describe(about)),
            log: Vec::new(),
        });
    }
    drop(talk);
    sending.abort();
    why
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
    out: mpsc::Sender<Out>,
    tell: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
    /// Places for tiles on their way to this worker.
    room: Arc<Semaphore>,
    /// Tiles the worker has asked for and not been given; below zero when it was given more.
    wanted: i64,
    /// Tiles it holds.
    leases: HashMap<u64, Held>,
    /// Tiles sent so far.
    sent: u64,
    /// Tiles in a row that failed because of the worker.
    failures: u32,
    /// Results and failures of tiles that it doesn't hold.
    strays: u32,
    /// Whether it has asked for the module.
    has_module: bool,
    writing: JoinSet<Written>,
    work: Work,
}

/// A result that was taken, or not.
struct Written {
    tile: Tile,
    skipped: bool,
    /// False when another worker had been faster.
    first: Result<bool, Failure>,
    time: Duration,
}

impl Talk<'_> {
    async fn go_on(
        &mut self,
        mut receiving: Receiving,
        sending: &mut JoinHandle<Result<(), WireError>>,
    ) -> Result<String, WireError> {
        let mut ending = self.server.ending();
        let mut changes = self.server.book.changes();
        loop {
            self.hand_out();
            self.show();
            tokio::select! {
                (reader, message) = &mut receiving, if self.writing.len() < WRITING => {
                    let (message, payload) = message?;
                    receiving = receive(reader);
                    if let Some(why) = self.hear(message, payload)? {
                        return Ok(why);
                    }
                    if self.failures >= FAILURES && self.server.roll.count() > 1 {
                        return self.send_away(receiving).await;
                    }
                }
                Some(written) = self.writing.join_next() => self.written(written),
                Some(event) = self.events.recv() => self.note(event),
                Ok(()) = changes.changed(), if self.wanted > 0 => {}
                () = tokio::time::sleep(LOOK_AGAIN), if self.wanted > 0 => {}
                end = ended(&mut ending) => return self.say_goodbye(receiving, end).await,
                sent = &mut *sending => {
                    // It ends by itself only when the connection does.
                    return sent.unwrap_or(Err(WireError::Closed)).map(|()| "the connection ended".to_owned());
                }
            }
        }
    }

    /// Tells what the worker has done so far.
    fn show(&self) {
        let (worker, work) = (self.worker.0, self.work);
        self.server.book.control().tell(events::Event::WorkerWorked { worker, work });
    }

    /// Grants as many tiles as the worker wants and the schedule has.
    ///
    /// To one that reads them itself a tile on its way is but a number, so it gets a few neighbours at once, if more
    /// than it asked for.
    fn hand_out(&mut self) {
        let mut run = 0;
        while (self.wanted > 0 || run > 0) && self.writing.len() < EMPTY && self.has_room() {
            if run == 0 && self.server.readers.is_none() {
                let threads = self.server.roll.count() as u64 * u64::from(self.about.threads);
                run = self.server.book.run_length(threads);
            }
            run = run.saturating_sub(1);
            let Grant::Tile(index) = self.server.book.take(self.worker) else { return };
            let Some(tile) = self.server.task.tiling.tile(index) else { return };
            self.wanted -= 1;
            let lease = Lease { tile: index, lease: self.server.next_lease() };
            let mut held = Held { lease: lease.lease, sent: None, tally: Tally::default() };
            if self.server.readers.is_none() {
                held.sent = Some(self.sent);
                self.sent += 1;
                // A closed channel shows as the end of the conversation.
                self.say(FromController::Tile { lease, inputs: Vec::new(), marks_len: 0 });
            } else {
                let (out, tell) = (self.out.clone(), self.tell.clone());
                let room = self.room.clone();
                tokio::spawn(read_and_send(self.server.clone(), room, tile, lease, out, tell));
            }
            self.leases.insert(index, held);
        }
    }

    /// Whether another tile may be given to the worker: one that asks for more than it can run, or takes nothing, would keep
    /// them from the others, and fill the memory here.
    fn has_room(&self) -> bool {
        let most = self.most();
        // Those that are read or wait to be, and those on their way, whether the worker still holds them or not.
        let on_their_way = Arc::strong_count(&self.room).saturating_sub(1);
        self.leases.len() < most && on_their_way < most && self.out.capacity() > MORE_TILES
    }

    /// Most tiles that the worker may hold.
    fn most(&self) -> usize {
        usize::try_from(self.about.threads).unwrap_or(MAX_THREADS).min(MAX_THREADS) + MORE_TILES
    }

    /// Sends a message, for which there is room.
    fn say(&self, message: FromController) {
        // A closed channel shows as the end of the conversation; a full one, when the worker takes nothing.
        let _gone = self.out.try_send(Out::Message(message));
    }

    /// Takes note of a message about a tile that the worker doesn't hold.
    fn stray(&mut self, what: &str, tile: u64) -> Result<(), WireError> {
        tracing::warn!("worker {} {what} tile {tile}, which it doesn't hold; ignored", self.worker.0);
        self.strays += 1;
        if self.strays < MAX_STRAYS {
            Ok(())
        } else {
            Err(WireError::Malformed("too many about tiles that it doesn't hold".into()))
        }
    }

    fn hear(&mut self, message: FromWorker, payload: Payload) -> Result<Option<String>, WireError> {
        match message {
            FromWorker::Want { tiles } => {
                let most = i64::try_from(self.most()).unwrap_or(i64::MAX);
                self.wanted = self.wanted.saturating_add(tiles.into()).min(most);
            }
            FromWorker::Result(result) => self.result(result, payload)?,
            FromWorker::Failed(failure) => self.failed(&failure)?,
            FromWorker::Returned { tiles, why } => {
                tracing::info!("worker {} gives back {} tiles: {why}", self.worker.0, tiles.len());
                // Who gives tiles back is about to leave.
                self.wanted = 0;
                for lease in tiles {
                    if self.take_back(lease) {
                        self.server.book.give_back(self.worker, lease.tile);
                    }
                }
            }
            FromWorker::ModuleRequest if !self.has_module => {
                tracing::debug!("worker {} asks for the module", self.worker.0);
                self.has_module = true;
                // As with all messages.
                let _gone = self.out.try_send(Out::Module);
            }
            FromWorker::ModuleRequest => {
                return Err(WireError::Unexpected { got: "another ModuleRequest", wanted: "Want" });
            }
            FromWorker::Heartbeat { memory } => {
                let (worker, bytes) = (self.worker.0, memory);
                self.server.book.control().tell(events::Event::WorkerMemory { worker, bytes });
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

    /// Ends a lease; false if the worker doesn't hold it.
    fn take_back(&mut self, lease: Lease) -> bool {
        let holds = self.leases.get(&lease.tile).is_some_and(|held| held.lease == lease.lease);
        if holds {
            self.leases.remove(&lease.tile);
        }
        holds
    }

    /// Hands out again what a worker that is gone can't have begun. Only the others count as lost with it: they may
    /// be the reason.
    fn give_back_unbegun(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        let mut held: Vec<_> = self.leases.drain().map(|(tile, held)| (held.sent.unwrap_or(u64::MAX), tile)).collect();
        held.sort_unstable();
        let threads = usize::try_from(self.about.threads).unwrap_or(usize::MAX).max(1);
        for (n, (sent, tile)) in held.into_iter().enumerate() {
            if n >= threads || sent == u64::MAX {
                self.server.book.give_back(self.worker, tile);
            }
        }
    }

    /// Takes a result, if it is one that this worker was asked for.
    fn result(&mut self, result: TileResult, payload: Payload) -> Result<(), WireError> {
        // What was found when the tile was read came before its result, maybe just now.
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        let TileResult { lease, outcome, cost, log, mut tally } = result;
        let asked = self.leases.get(&lease.tile).is_some_and(|held| held.lease == lease.lease);
        let Some(tile) = self.server.task.tiling.tile(lease.tile).filter(|_| asked) else {
            return self.stray("sent a result for", lease.tile);
        };
        if let wire::Outcome::Done { outputs, .. } = &outcome {
            self.check(&tile, outputs)?;
        }
        let task = &self.server.task;
        let places = |what: What| if what.of_inputs() { task.inputs.len() } else { task.outputs.len() };
        if tally.counts().iter().any(|count| count.place as usize >= places(count.what)) {
            let what =
                format!("the result of tile {}: pixels of an input or output that the job doesn't have", tile.index);
            return Err(WireError::Malformed(what));
        }
        if let Some(held) = self.leases.remove(&lease.tile) {
            tally.merge(&held.tally);
        }
        self.failures = 0;
        for line in log.lines() {
            if line.warning {
                self.server.book.warn(format!("the function says: {}", line.text));
            } else {
                tracing::info!("tile {}: {}", tile.index, line.text);
            }
        }
        if log.dropped() > 0 {
            tracing::info!("tile {}: and {} more lines", tile.index, log.dropped());
        }
        self.work.spent.read += Duration::from_nanos(cost.read_ns);
        self.work.spent.run += Duration::from_nanos(cost.run_ns);
        self.work.function_peak_memory = self.work.function_peak_memory.max(cost.peak_bytes);
        let book = self.server.book.clone();
        self.writing.spawn_blocking(move || {
            let started = Instant::now();
            let (skipped, first) = match outcome {
                wire::Outcome::Skipped => (true, book.skipped(&tile)),
                wire::Outcome::Done { outputs, .. } => (false, hand_in(&book, &tile, &outputs, &payload, &tally)),
            };
            Written { tile, skipped, first, time: started.elapsed() }
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
            if rasters.len() != output.rasters as usize {
                return wrong(format!("{} rasters of {} instead of {}", rasters.len(), output.name, output.rasters));
            }
            for raster in rasters {
                if raster.dtype != output.dtype
                    || (raster.rows, raster.cols) != (tile.window.rows, tile.window.cols)
                    || raster.bands == 0
                {
                    return wrong(format!("a raster of {} with another type or shape than the tile's", output.name));
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, failure: &TileFailure) -> Result<(), WireError> {
        let TileFailure { lease, text, retryable, log, .. } = failure;
        if !self.take_back(*lease) {
            return self.stray("reports a failure of", lease.tile);
        }
        let Some(tile) = self.server.task.tiling.tile(lease.tile) else { return Ok(()) };
        if !self.server.book.is_open(tile.index) {
            // Another worker had it as well, and was faster.
            return Ok(());
        }
        let text = text::lines(text);
        let place = format!("worker {} ({})", self.worker.0, describe(self.about));
        let log = log.lines().iter().map(|line| line.text.clone()).collect();
        if !retryable {
            self.server.fail(Failure::Remote { tile, worker: place, text: text.into_owned(), log });
            return Ok(());
        }
        self.failures += 1;
        self.server.book.warn(format!("tile {} failed on {place} and is tried again: {text}", lease.tile));
        if let Err(poisonous) = self.server.book.retry(self.worker, lease.tile) {
            self.server.fail(Failure::Poisonous { what: poisonous, last: format!("{place}: {text}"), log });
        }
        Ok(())
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Sent(tile, time, tally) => {
                self.work.spent.read += time;
                if let Some(held) = self.leases.get_mut(&tile.index) {
                    held.tally = tally;
                    held.sent = Some(self.sent);
                    self.sent += 1;
                }
            }
            Event::Done(tile) => {
                self.leases.remove(&tile.index);
                self.wanted = self.wanted.saturating_add(1);
            }
            Event::Empty(tile, time) => {
                self.work.spent.read += time;
                self.leases.remove(&tile.index);
                self.wanted = self.wanted.saturating_add(1);
                let book = self.server.book.clone();
                self.writing.spawn_blocking(move || {
                    let started = Instant::now();
                    Written { tile, skipped: true, first: book.skipped(&tile), time: started.elapsed() }
                });
            }
        }
    }

    fn written(&mut self, result: Result<Written, tokio::task::JoinError>) {
        match result {
            Ok(Written { tile, skipped, first: Ok(first), time }) => {
                self.work.spent.write += time;
                if first {
                    self.work.done += u64::from(!skipped);
                    self.work.skipped += u64::from(skipped);
                    self.work.bytes_in += self.server.task.bytes_in(&tile);
                    self.server.progressed();
                }
            }
            Ok(Written { first: Err(failure), .. }) => self.server.fail(failure),
            Err(panic) => self.server.fail(Failure::Panicked(panic.to_string())),
        }
    }

    /// Ends the conversation with a worker that is of no use.
    async fn send_away(&mut self, receiving: Receiving) -> Result<String, WireError> {
        let reason = format!("{FAILURES} tiles in a row failed on this worker, and not by the function's fault");
        self.server.book.warn(format!("worker {} ({}) is sent away: {reason}", self.worker.0, describe(self.about)));
        for tile in std::mem::take(&mut self.leases).into_keys() {
            self.server.book.give_back(self.worker, tile);
        }
        self.say_goodbye(receiving, Ending::Aborted(reason.clone())).await?;
        Ok(reason)
    }

    /// Tells the worker how the job ended and hears it out, for a while.
    async fn say_goodbye(&mut self, mut receiving: Receiving, end: Ending) -> Result<String, WireError> {
        let message = match end {
            Ending::Aborted(reason) => FromController::Abort { reason: wire::clip(&reason, wire::MAX_TEXT) },
            Ending::Finished | Ending::Open => FromController::Finish,
        };
        self.say(message);
        let hear_out = async {
            loop {
                match receiving.await {
                    (_, Ok((FromWorker::Bye { why }, _))) => return why,
                    (reader, Ok(_)) => receiving = receive(reader),
                    (_, Err(WireError::Closed)) => return "finished".to_owned(),
                    (_, Err(error)) => return error.to_string(),
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

fn hand_in(
    book: &Book,
    tile: &Tile,
    outputs: &[Vec<RasterHead>],
    payload: &Payload,
    tally: &Tally,
) -> Result<bool, Failure> {
    let heads = outputs
        .iter()
        .enumerate()
        .flat_map(|(o, rasters)| rasters.iter().enumerate().map(move |(r, head)| (o, r, head.bands)));
    let rasters = heads.zip(payload.parts()).map(|((o, r, bands), pixels)| (o, r, bands, pixels));
    let state = payload.len().checked_sub(1).and_then(|last| payload.part(last)).unwrap_or_default();
    book.done(tile, rasters, state, tally)
}

/// Reads a tile as soon as there is room for it, and sends it unless it is empty.
async fn read_and_send(
    server: Arc<Server>,
    room: Arc<Semaphore>,
    tile: Tile,
    lease: Lease,
    out: mpsc::Sender<Out>,
    tell: mpsc::UnboundedSender<Event>,
) {
    let Some(readers) = &server.readers else { return };
    // Neither semaphore is ever closed.
    let Ok(place) = room.acquire_owned().await else { return };
    let Ok(memory) = server.outgoing.clone().acquire_many_owned(server.outgoing_units(&tile)).await else { return };
    if out.is_closed() {
        return;
    }
    if !server.book.is_open(tile.index) {
        let _gone = tell.send(Event::Done(tile));
        return;
    }
    match readers.read(tile).await {
        Ok(read) if !read.valid => {
            let _gone = tell.send(Event::Empty(tile, read.time));
        }
        Ok(read) => {
            let _gone = tell.send(Event::Sent(tile, read.time, read.tally.clone()));
            let _gone = out.send(Out::Tile { lease, read, _room: (place, memory) }).await;
        }
        Err(error) => {
            let source = worker::Error::Read { input: error.input, source: error.source };
            server.fail(Failure::Tile { tile, source, log: Vec::new() });
        }
    }
}

/// Sends what is to go out, and heartbeats.
async fn send(
    server: Arc<Server>,
    mut writer: Writer<FromController>,
    mut out: mpsc::Receiver<Out>,
) -> Result<(), WireError> {
    let mut beat = tokio::time::interval(server.heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            next = out.recv() => match next {
                None => return writer.close().await,
                Some(Out::Message(message)) => writer.send(&message, &[]).await?,
                Some(Out::Module) => {
                    let message = FromController::Module { len: server.module.len() as u64 };
                    writer.send(&message, &[&server.module]).await?;
                }
                Some(Out::Tile { lease, read, _room }) => {
                    let inputs = server.heads(lease.tile);
                    let message = FromController::Tile { lease, inputs, marks_len: read.marks_len };
                    let parts: Vec<&[u8]> = read.pixels.iter().map(Vec::as_slice).collect();
                    writer.send(&message, &parts).await?;
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
        let head = |raster: &worker::Raster| RasterHead {
            dtype: raster.dtype,
            bands: u32::try_from(raster.bands.len()).unwrap_or(u32::MAX),
            rows,
            cols,
        };
        self.task.inputs.iter().map(|i| i.rasters.iter().map(head).collect()).collect()
    }
}
