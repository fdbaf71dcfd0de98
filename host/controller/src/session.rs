//! The session with one remote worker: tiles out as it asks for them, results in, and its tiles back when it goes.

use super::error::Error;
use super::events::Event;
use super::leases::Leases;
use super::remote_job::{Ending, RemoteJob};
use super::results;
use super::schedule::{Grant, WorkerId};
use super::sending::{self, Outgoing, Reading};
use super::work::Work;
use grid::Tile;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use types::tally::Tally;
use types::text;
use wire::{About, FromController, FromWorker, Lease, Payload, Reader, TileFailure, TileResult, Writer};

/// Most threads of one worker; more than any machine has.
const MAX_THREADS: usize = 1024;
/// Tiles that a worker may hold beyond those that it runs. tilefn's own workers ask for two more, and may be given neighbours.
const MORE_TILES: usize = 16;
/// Messages to one worker that may wait to be sent. A worker that doesn't take them is given no more tiles.
const OUT: usize = MAX_THREADS + MORE_TILES + 64;
/// How long a worker may read nothing, beyond the time limit of a tile. A worker with all threads at work and no memory for more
/// tiles doesn't read; meanwhile it takes memory for tiles on their way from the other workers.
const STALLED: Duration = Duration::from_secs(60);
/// How long a worker may go on sending after it was told that all is done.
const GOODBYE: Duration = Duration::from_secs(4);
/// How often a session whose worker waits for work looks for a late tile to take over.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How many results of one worker may be being written while more are received.
const WRITING: usize = 2;
/// How many tiles without valid pixels, read for one worker, may wait to be noted in the outputs.
const EMPTY: usize = 16;
/// How many tiles of one worker may be read or on their way to it, so that a slow worker doesn't take all the memory.
const OUTGOING: usize = 2;
/// A worker is sent away, if there are others, when this many tiles in a row have failed because of it.
const FAILURES: u32 = 3;

/// A future for the next message, which gives the reader back. It is kept from one `select!` to the next: dropping it would give
/// up the place in the queue for memory, and large results could wait for ever.
type Receiving = Pin<Box<dyn Future<Output = (Reader<FromWorker>, Result<(FromWorker, Payload), wire::Error>)> + Send>>;

fn receive(mut reader: Reader<FromWorker>) -> Receiving {
    Box::pin(async move {
        let result = reader.recv().await;
        (reader, result)
    })
}

/// Holds the session with a worker until the worker leaves or the job ends. Returns why it left.
pub async fn hold(
    job: &Arc<RemoteJob>,
    worker: WorkerId,
    about: &About,
    reader: Reader<FromWorker>,
    mut writer: Writer<FromController>,
) -> String {
    let (out, outgoing) = mpsc::channel(OUT);
    let (tell, readings) = mpsc::unbounded_channel();
    writer.set_patience(job.task.limits.time.saturating_add(STALLED));
    let mut sending = tokio::spawn(sending::send(job.clone(), writer, outgoing));
    let mut session = Session {
        job,
        worker,
        about,
        out,
        tell,
        readings,
        room: Arc::new(Semaphore::new(OUTGOING)),
        wanted: 0,
        leases: Leases::default(),
        failures: 0,
        has_module: false,
        writing: JoinSet::new(),
        work: Work::default(),
    };
    let why = match session.go_on(receive(reader), &mut sending).await {
        Ok(why) => why,
        Err(error) => {
            tracing::warn!("worker {} ({}) is lost: {error}", worker.0, describe(about));
            error.to_string()
        }
    };
    // Results that have been received are written even if the worker is gone.
    while let Some(result) = session.writing.join_next().await {
        session.written(result);
    }
    session.give_back_unbegun();
    session.show();
    if let Err(poisonous) = job.state.lose(worker) {
        job.fail(Error::Poisonous {
            what: poisonous,
            last: format!("worker {} ({}): {why}", worker.0, describe(about)),
            task: about.task_arn.clone(),
            log: Vec::new(),
        });
    }
    drop(session);
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

struct Session<'a> {
    job: &'a Arc<RemoteJob>,
    worker: WorkerId,
    about: &'a About,
    out: mpsc::Sender<Outgoing>,
    tell: mpsc::UnboundedSender<Reading>,
    /// What becomes of the tiles that are read for this worker.
    readings: mpsc::UnboundedReceiver<Reading>,
    /// Places for tiles on their way to this worker.
    room: Arc<Semaphore>,
    /// Tiles that the worker has asked for and not been given; below zero when it was given more than it asked for.
    wanted: i64,
    /// Tiles that the worker holds.
    leases: Leases,
    /// Tiles in a row that failed because of the worker.
    failures: u32,
    /// Whether the worker has asked for the module.
    has_module: bool,
    writing: JoinSet<Written>,
    work: Work,
}

/// A result that was handed in.
struct Written {
    tile: Tile,
    skipped: bool,
    /// False when another worker was faster, and this result was dropped.
    first: Result<bool, Error>,
    time: Duration,
}

impl Session<'_> {
    async fn go_on(
        &mut self,
        mut receiving: Receiving,
        sending: &mut JoinHandle<Result<(), wire::Error>>,
    ) -> Result<String, wire::Error> {
        let mut ending = self.job.ending();
        let mut changes = self.job.state.changes();
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
                    if self.failures >= FAILURES && self.job.workers.count() > 1 {
                        return self.send_away(receiving).await;
                    }
                }
                Some(written) = self.writing.join_next() => self.written(written),
                Some(reading) = self.readings.recv() => self.note(reading),
                Ok(()) = changes.changed(), if self.wanted > 0 => {}
                () = tokio::time::sleep(LOOK_AGAIN), if self.wanted > 0 => {}
                end = ended(&mut ending) => return self.say_goodbye(receiving, end).await,
                sent = &mut *sending => {
                    // Sending ends by itself only when the connection does.
                    return sent.unwrap_or(Err(wire::Error::Closed)).map(|()| "the connection ended".to_owned());
                }
            }
        }
    }

    /// Tells what the worker has done so far.
    fn show(&self) {
        let (worker, work) = (self.worker.0, self.work);
        self.job.state.control().tell(Event::WorkerWorked { worker, work });
    }

    /// Grants as many tiles as the worker wants and the schedule has.
    ///
    /// A worker that reads its tiles itself is only sent their numbers, so it gets a few neighbours at once, even if these are
    /// more than it asked for.
    fn hand_out(&mut self) {
        let mut run = 0;
        while (self.wanted > 0 || run > 0) && self.writing.len() < EMPTY && self.has_room() {
            if run == 0 && self.job.readers.is_none() {
                let threads = self.job.workers.count() as u64 * u64::from(self.about.threads);
                run = self.job.state.run_length(threads);
            }
            run = run.saturating_sub(1);
            let Grant::Tile(index) = self.job.state.take(self.worker) else { return };
            let Some(tile) = self.job.task.tiling.tile(index) else { return };
            self.wanted -= 1;
            let lease = Lease { tile: index, lease: self.job.next_lease() };
            self.leases.grant(lease);
            if self.job.readers.is_none() {
                self.leases.sent(index, Tally::default());
                // A closed channel shows as the end of the session.
                self.say(FromController::Tile { lease, inputs: Vec::new(), marks_len: 0 });
            } else {
                let (out, tell) = (self.out.clone(), self.tell.clone());
                let room = self.room.clone();
                tokio::spawn(sending::read_and_send(self.job.clone(), room, tile, lease, out, tell));
            }
        }
    }

    /// Whether the worker may be given another tile. A worker that asks for more tiles than it can run, or doesn't read, would keep
    /// tiles from the others and fill the memory here.
    fn has_room(&self) -> bool {
        let most = self.most();
        // Counts tiles being read, waiting to be read, or on their way, whether the worker still holds them or not.
        let on_their_way = Arc::strong_count(&self.room).saturating_sub(1);
        self.leases.len() < most && on_their_way < most && self.out.capacity() > MORE_TILES
    }

    /// How many tiles the worker may hold.
    fn most(&self) -> usize {
        usize::try_from(self.about.threads).unwrap_or(MAX_THREADS).min(MAX_THREADS) + MORE_TILES
    }

    /// Sends a message. [`Self::has_room`] keeps room for it.
    fn say(&self, message: FromController) {
        // A closed channel shows as the end of the session; a full one, when the worker takes nothing.
        let _gone = self.out.try_send(Outgoing::Message(message));
    }

    /// Takes note of a message about a tile that the worker doesn't hold.
    fn stray(&mut self, what: &str, tile: u64) -> Result<(), wire::Error> {
        tracing::warn!("worker {} {what} tile {tile}, which it doesn't hold; ignored", self.worker.0);
        self.leases.stray()
    }

    fn hear(&mut self, message: FromWorker, payload: Payload) -> Result<Option<String>, wire::Error> {
        match message {
            FromWorker::Want { tiles } => {
                let most = i64::try_from(self.most()).unwrap_or(i64::MAX);
                self.wanted = self.wanted.saturating_add(tiles.into()).min(most);
            }
            FromWorker::Result(result) => self.result(result, payload)?,
            FromWorker::Failed(failure) => self.failed(&failure)?,
            FromWorker::Returned { tiles, why } => {
                tracing::info!("worker {} gives back {} tiles: {why}", self.worker.0, tiles.len());
                // A worker that gives tiles back is about to leave.
                self.wanted = 0;
                for lease in tiles {
                    if self.leases.end(lease).is_some() {
                        self.job.state.give_back(self.worker, lease.tile);
                    }
                }
            }
            FromWorker::ModuleRequest if !self.has_module => {
                tracing::debug!("worker {} asks for the module", self.worker.0);
                self.has_module = true;
                // As in `say`: a closed channel shows as the end of the session.
                let _gone = self.out.try_send(Outgoing::Module);
            }
            FromWorker::ModuleRequest => {
                return Err(wire::Error::Unexpected { got: "another ModuleRequest", wanted: "Want" });
            }
            FromWorker::Heartbeat { memory } => {
                let (worker, bytes) = (self.worker.0, memory);
                self.job.state.control().tell(Event::WorkerMemory { worker, bytes });
            }
            FromWorker::Bye { why } => {
                for tile in self.leases.end_all() {
                    self.job.state.give_back(self.worker, tile);
                }
                return Ok(Some(why));
            }
            FromWorker::Hello(_) => return Err(wire::Error::Unexpected { got: "Hello", wanted: "Want" }),
        }
        Ok(None)
    }

    /// Gives back the tiles that a worker which is gone can't have begun. Only the other tiles count as lost with it: one of them
    /// may be the reason why it is gone.
    fn give_back_unbegun(&mut self) {
        while let Ok(reading) = self.readings.try_recv() {
            self.note(reading);
        }
        let threads = usize::try_from(self.about.threads).unwrap_or(usize::MAX).max(1);
        for tile in self.leases.end_all_unbegun(threads) {
            self.job.state.give_back(self.worker, tile);
        }
    }

    /// Takes a result, if the worker holds its tile.
    fn result(&mut self, result: TileResult, payload: Payload) -> Result<(), wire::Error> {
        // The tile was read before it was sent. The news of that may still wait here, and its counts belong to the result.
        while let Ok(reading) = self.readings.try_recv() {
            self.note(reading);
        }
        let TileResult { lease, outcome, cost, log, mut tally } = result;
        let task = &self.job.task;
        let Some(tile) = task.tiling.tile(lease.tile).filter(|_| self.leases.holds(lease)) else {
            return self.stray("sent a result for", lease.tile);
        };
        if let wire::TileOutcome::Done { outputs, .. } = &outcome {
            results::check_rasters(task, &tile, outputs)?;
        }
        results::check_tally(task, &tile, &tally)?;
        if let Some(read_here) = self.leases.end(lease) {
            tally.merge(&read_here);
        }
        self.failures = 0;
        for line in log.lines() {
            if line.warning {
                self.job.state.warn(format!("the function says: {}", line.text));
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
        let job_state = self.job.state.clone();
        self.writing.spawn_blocking(move || {
            let started = Instant::now();
            let (skipped, first) = match outcome {
                wire::TileOutcome::Skipped => (true, job_state.skipped(&tile)),
                wire::TileOutcome::Done { outputs, .. } => {
                    (false, results::hand_in(&job_state, &tile, &outputs, &payload, &tally))
                }
            };
            Written { tile, skipped, first, time: started.elapsed() }
        });
        Ok(())
    }

    fn failed(&mut self, failure: &TileFailure) -> Result<(), wire::Error> {
        let TileFailure { lease, text, retryable, log, .. } = failure;
        if self.leases.end(*lease).is_none() {
            return self.stray("reports a failure of", lease.tile);
        }
        let Some(tile) = self.job.task.tiling.tile(lease.tile) else { return Ok(()) };
        if !self.job.state.is_open(tile.index) {
            // Another worker had the tile as well, and was faster.
            return Ok(());
        }
        let text = text::lines(text);
        let place = format!("worker {} ({})", self.worker.0, describe(self.about));
        let log = log.lines().iter().map(|line| line.text.clone()).collect();
        if !retryable {
            self.job.fail(Error::Remote { tile, worker: place, text: text.into_owned(), log });
            return Ok(());
        }
        self.failures += 1;
        self.job.state.warn(format!("tile {} failed on {place} and is tried again: {text}", lease.tile));
        if let Err(poisonous) = self.job.state.retry(self.worker, lease.tile) {
            self.job.fail(Error::Poisonous { what: poisonous, last: format!("{place}: {text}"), task: None, log });
        }
        Ok(())
    }

    fn note(&mut self, reading: Reading) {
        match reading {
            Reading::Sent(tile, time, tally) => {
                self.work.spent.read += time;
                self.leases.sent(tile.index, tally);
            }
            Reading::Done(tile) => {
                self.leases.withdraw(tile.index);
                self.wanted = self.wanted.saturating_add(1);
            }
            Reading::Empty(tile, time) => {
                self.work.spent.read += time;
                self.leases.withdraw(tile.index);
                self.wanted = self.wanted.saturating_add(1);
                let job_state = self.job.state.clone();
                self.writing.spawn_blocking(move || {
                    let started = Instant::now();
                    Written { tile, skipped: true, first: job_state.skipped(&tile), time: started.elapsed() }
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
                    self.work.bytes_in += self.job.task.bytes_in(&tile);
                    self.job.progressed();
                }
            }
            Ok(Written { first: Err(failure), .. }) => self.job.fail(failure),
            Err(panic) => self.job.fail(Error::Panicked(panic.to_string())),
        }
    }

    /// Sends a worker away on which tiles fail.
    async fn send_away(&mut self, receiving: Receiving) -> Result<String, wire::Error> {
        let reason = format!("{FAILURES} tiles in a row failed on this worker, and not by the function's fault");
        self.job.state.warn(format!("worker {} ({}) is sent away: {reason}", self.worker.0, describe(self.about)));
        for tile in self.leases.end_all() {
            self.job.state.give_back(self.worker, tile);
        }
        self.say_goodbye(receiving, Ending::Aborted(reason.clone())).await?;
        Ok(reason)
    }

    /// Tells the worker how the job ended, and waits for its goodbye, for a while.
    async fn say_goodbye(&mut self, mut receiving: Receiving, end: Ending) -> Result<String, wire::Error> {
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
                    (_, Err(wire::Error::Closed)) => return "finished".to_owned(),
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
        // The job is gone, and with it everything to wait for.
        Err(_) => Ending::Finished,
    }
}
