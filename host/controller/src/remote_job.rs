//! The part of a job that the sessions with all of its remote workers share: task and module, who is connected, how it ends.

use super::error::Error;
use super::events::Event;
use super::fleet::ConnectedWorkers;
use super::job_state::JobState;
use super::reading::Readers;
use grid::Tile;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use wire::{ALIGN, PayloadLimits};
use worker::Task;

/// Limit for pixels that are read or on their way out at a time, bytes, whatever the number of workers. A tile that is larger
/// takes all of it.
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
    /// The job failed or was stopped; workers are told this reason.
    Aborted(String),
}

/// A job as its sessions share it.
pub struct RemoteJob {
    /// The job's state.
    pub state: Arc<JobState>,
    /// The job for workers.
    pub task: Arc<Task>,
    /// The task as it travels.
    pub task_bytes: Vec<u8>,
    /// The module as it travels.
    pub module: Vec<u8>,
    /// The threads that read tiles here; `None` when workers read for themselves.
    pub readers: Option<Readers>,
    /// Room for tiles that are read and not yet sent.
    pub outgoing: Arc<Semaphore>,
    /// Who is connected.
    pub workers: ConnectedWorkers,
    /// How often each side says something at least.
    pub heartbeat: Duration,
    ending: watch::Sender<Ending>,
    failure: Mutex<Option<Error>>,
    next_worker: AtomicU64,
    next_lease: AtomicU64,
}

impl RemoteJob {
    /// A job at its start.
    pub fn new(
        state: Arc<JobState>,
        task: Arc<Task>,
        task_bytes: Vec<u8>,
        module: Vec<u8>,
        readers: Option<Readers>,
        heartbeat: Duration,
    ) -> Self {
        let workers = ConnectedWorkers::default();
        workers.set_tiles_left(state.tiles_left());
        let ending = if state.tiles_left() == 0 { Ending::Finished } else { Ending::Open };
        Self {
            state,
            task,
            task_bytes,
            module,
            readers,
            outgoing: Arc::new(Semaphore::new(OUTGOING_BUDGET / OUTGOING_UNIT)),
            workers,
            heartbeat,
            ending: watch::Sender::new(ending),
            failure: Mutex::default(),
            next_worker: AtomicU64::new(1),
            next_lease: AtomicU64::new(1),
        }
    }

    /// Limits for payloads from a worker: the largest result of a tile that the plan allows.
    pub fn limits(&self) -> PayloadLimits {
        // Bands are known only from the first result, so the sandbox's own limit is the bound.
        let state = self.task.limits.state_bytes as u64;
        let rasters = self.task.outputs.iter().fold(0_u32, |sum, o| sum.saturating_add(o.rasters));
        let between = ALIGN.saturating_mul(u64::from(rasters).saturating_add(1));
        let result = self.task.limits.output_bytes.saturating_add(state).saturating_add(between);
        PayloadLimits { result, rasters, ..PayloadLimits::default() }
    }

    /// Units of the outgoing budget that `tile`'s pixels take.
    pub fn outgoing_units(&self, tile: &Tile) -> u32 {
        let bytes = usize::try_from(self.task.bytes_in(tile)).unwrap_or(usize::MAX);
        u32::try_from((bytes / OUTGOING_UNIT).clamp(1, OUTGOING_BUDGET / OUTGOING_UNIT)).unwrap_or(u32::MAX)
    }

    /// The number of another worker.
    pub fn next_worker(&self) -> u64 {
        self.next_worker.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of another lease.
    pub fn next_lease(&self) -> u64 {
        self.next_lease.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends the job with the first failure.
    pub fn fail(&self, failure: Error) {
        let told = failure.to_string();
        let first = {
            let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let first = slot.is_none();
            slot.get_or_insert(failure);
            first
        };
        if first {
            self.state.control().tell(Event::Failed(&told));
            self.ending.send_replace(Ending::Aborted(told));
        }
    }

    /// After a tile is done: ends the job if it was the last.
    pub fn progressed(&self) {
        let left = self.state.tiles_left();
        self.workers.set_tiles_left(left);
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

    /// Tells how the job ends, as soon as that is known.
    pub fn ending(&self) -> watch::Receiver<Ending> {
        self.ending.subscribe()
    }

    /// The ECS task of the worker with which a tile was lost once too often, if that ended the job.
    pub fn lost_task(&self) -> Option<String> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(Error::Poisonous { task, .. }) => task.clone(),
            _ => None,
        }
    }

    /// Adds to that failure what AWS says about the task.
    pub fn explain(&self, why: &str) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Error::Poisonous { last, .. }) = failure.as_mut() {
            last.push_str(&format!("; AWS says: {why}"));
        }
    }

    /// The failure that ended the job, if one did.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
