//! The numbers of a run, added up in one place from its events: progress bar, dashboard and report read them here.

use super::events::{Event, Identity};
use super::work::Work;
use std::collections::BTreeMap;
use std::time::Instant;

/// Warnings kept for the report; a function that warns on every tile would fill it.
const MAX_WARNINGS: usize = 100;

/// The numbers of a run so far. Its size depends on the number of workers, not of tiles.
#[derive(Debug, Default)]
pub struct RunTally {
    /// Numbers of tiles.
    pub counts: Counts,
    /// The workers that are here, by number.
    pub here: BTreeMap<u32, WorkerTally>,
    /// The workers that have left, in that order.
    pub left: Vec<WorkerTally>,
    /// The work of all that have left.
    left_work: Work,
    /// When the first worker came.
    pub first_joined: Option<Instant>,
    /// When the last tile was done.
    pub finishing: Option<Instant>,
    /// Why the job failed.
    pub failure: Option<String>,
    warnings: Vec<String>,
    /// Warnings that were not kept.
    more_warnings: u64,
}

/// How far a job is, in tiles. All of these only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All tiles of the grid.
    pub total: u64,
    /// Done, by this run or an earlier one; skipped ones included.
    pub done: u64,
    /// Done by an earlier run.
    pub resumed: u64,
    /// Not run, since no input has a valid pixel there.
    pub skipped: u64,
    /// Output pixels, bytes.
    pub bytes_out: u64,
}

impl Counts {
    /// Tiles that this run has run and written.
    pub fn written(&self) -> u64 {
        self.done.saturating_sub(self.skipped + self.resumed)
    }
}

/// A worker, and what it has done so far.
#[derive(Clone, Debug)]
pub struct WorkerTally {
    /// The worker's number.
    pub worker: u32,
    /// Who it is.
    pub identity: Identity,
    /// When it came.
    pub since: Instant,
    /// What it did.
    pub work: Work,
    /// Resident memory of its process, bytes; 0 when unknown.
    pub memory: u64,
    /// When and why it left.
    pub left: Option<(Instant, String)>,
}

impl RunTally {
    /// Counts what has happened.
    pub fn count(&mut self, event: &Event<'_>) {
        match *event {
            Event::Begun { tiles, resumed } => {
                self.counts.total = tiles;
                self.counts.resumed = resumed.len();
                self.counts.done = resumed.len();
            }
            Event::TileDone { bytes_out, .. } => {
                self.counts.done += 1;
                self.counts.bytes_out += bytes_out;
            }
            Event::TileSkipped { .. } => {
                self.counts.done += 1;
                self.counts.skipped += 1;
            }
            Event::TileWritten { .. } => {}
            Event::WorkerJoined { worker, identity } => {
                let since = Instant::now();
                self.first_joined.get_or_insert(since);
                let (identity, work) = (identity.clone(), Work::default());
                self.here.insert(worker, WorkerTally { worker, identity, since, work, memory: 0, left: None });
            }
            Event::WorkerWorked { worker, work } => {
                if let Some(worker) = self.here.get_mut(&worker) {
                    worker.work = work;
                }
            }
            Event::WorkerMemory { worker, bytes } => {
                if let Some(worker) = self.here.get_mut(&worker) {
                    worker.memory = bytes;
                }
            }
            Event::WorkerLeft { worker, why } => {
                let Some(mut worker) = self.here.remove(&worker) else { return };
                worker.left = Some((Instant::now(), why.to_owned()));
                self.left_work.add(worker.work);
                self.left.push(worker);
            }
            Event::Warning(text) => self.warn(text),
            Event::Finishing => self.finishing = Some(Instant::now()),
            Event::Failed(why) => {
                self.failure.get_or_insert_with(|| why.to_owned());
            }
        }
    }

    /// Each text is kept once.
    fn warn(&mut self, text: &str) {
        if self.warnings.iter().any(|kept| kept == text) {
            return;
        }
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(text.to_owned());
        } else {
            self.more_warnings += 1;
        }
    }

    /// The warnings so far, and how many more there were.
    pub fn warnings(&self) -> Vec<String> {
        let more = (self.more_warnings > 0).then(|| format!("and {} more warnings", self.more_warnings));
        self.warnings.iter().cloned().chain(more).collect()
    }

    /// The work of all workers.
    pub fn work(&self) -> Work {
        let mut work = self.left_work;
        self.here.values().for_each(|worker| work.add(worker.work));
        work
    }
}
