//! What a dashboard needs beside the job's own state: counts by place on the map, and what each worker has done so far.
//!
//! It exists only when somebody wants to look. Whoever works notes a few numbers for each tile; all else is computed when
//! it is asked for, in [`super::status`].

use super::book::Book;
use super::plan::Plan;
use super::ranges::Ranges;
use super::report::Job;
use super::run::Totals;
use grid::Tiling;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Most rows and most columns of the map, whatever the number of tiles.
const MAP_SIDE: u32 = 64;
/// Workers that have left and are still shown.
const MAX_LEFT: usize = 100;
/// Looks at the number of tiles done that the pace is computed from, and the time between them.
const LOOKS: usize = 30;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A job that is looked at.
#[derive(Debug)]
pub struct Watch {
    pub(super) job: Job,
    /// Warnings of the plan; the book has those of the run.
    pub(super) warnings: Vec<String>,
    pub(super) prepared: Duration,
    pub(super) started: Instant,
    pub(super) map: Map,
    book: OnceLock<Weak<Book>>,
    resumed: AtomicU64,
    crew: Mutex<Crew>,
    looks: Mutex<VecDeque<(Instant, u64)>>,
    finishing: OnceLock<Instant>,
    failure: OnceLock<String>,
}

/// Who a worker is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `thread`, `process`, …
    pub kind: &'static str,
    /// Its own name for itself.
    pub name: String,
    /// Host it runs on.
    pub host: String,
    /// Tiles it runs at the same time.
    pub threads: u32,
}

/// A worker and what it has done so far.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who it is.
    pub identity: Identity,
    /// When it came.
    pub since: Instant,
    /// What it did.
    pub work: Totals,
    /// Resident memory of its process in bytes, when it says so.
    pub memory: u64,
    /// When and why it left.
    pub left: Option<(Instant, String)>,
}

/// All workers.
#[derive(Debug, Default)]
pub struct Crew {
    /// Those that are here, by number.
    pub here: BTreeMap<u32, Member>,
    /// Those that left last.
    pub left: VecDeque<(u32, Member)>,
    /// What all that have left did together.
    pub gone: Totals,
    /// When the first one came.
    pub first: Option<Instant>,
}

impl Watch {
    /// For a job that is about to run. `prepared` is how long planning took.
    pub fn new(plan: &Plan, prepared: Duration) -> Self {
        Self::of(plan.task.tiling, plan.job.clone(), plan.warnings.clone(), prepared)
    }

    pub(super) fn of(tiling: Tiling, job: Job, warnings: Vec<String>, prepared: Duration) -> Self {
        Self {
            job,
            warnings,
            prepared,
            started: Instant::now(),
            map: Map::new(tiling),
            book: OnceLock::new(),
            resumed: AtomicU64::new(0),
            crew: Mutex::default(),
            looks: Mutex::default(),
            finishing: OnceLock::new(),
            failure: OnceLock::new(),
        }
    }

    /// An earlier run has done these tiles.
    pub(super) fn resume(&self, done: &Ranges) {
        done.iter().for_each(|tile| self.map.done(tile));
        self.resumed.store(done.len(), Ordering::Relaxed);
    }

    /// The job has begun.
    pub(super) fn begin(&self, book: &Arc<Book>) {
        // A job begins once.
        let _first = self.book.set(Arc::downgrade(book));
    }

    pub(super) fn book(&self) -> Option<Arc<Book>> {
        self.book.get()?.upgrade()
    }

    /// Tiles that an earlier run did.
    pub(super) fn resumed(&self) -> u64 {
        self.resumed.load(Ordering::Relaxed)
    }

    /// All tiles are done, and the outputs are completed.
    pub(super) fn finishing(&self) {
        let _first = self.finishing.set(Instant::now());
    }

    pub(super) fn finishing_since(&self) -> Option<Instant> {
        self.finishing.get().copied()
    }

    /// The job has failed; taking it down may last a while.
    pub(super) fn failed(&self, text: String) {
        let _first = self.failure.set(text);
    }

    pub(super) fn failure(&self) -> Option<&String> {
        self.failure.get()
    }

    pub(super) fn join(&self, worker: u32, identity: Identity) {
        let now = Instant::now();
        let member = Member { identity, since: now, work: Totals::default(), memory: 0, left: None };
        let mut crew = self.crew();
        crew.first.get_or_insert(now);
        crew.here.insert(worker, member);
    }

    /// What `worker` has done up to now.
    pub(super) fn update(&self, worker: u32, work: Totals) {
        if let Some(member) = self.crew().here.get_mut(&worker) {
            member.work = work;
        }
    }

    /// Resident memory of `worker`'s process, bytes.
    pub(super) fn memory(&self, worker: u32, bytes: u64) {
        if let Some(member) = self.crew().here.get_mut(&worker) {
            member.memory = bytes;
        }
    }

    pub(super) fn leave(&self, worker: u32, why: &str) {
        let mut crew = self.crew();
        let Some(mut member) = crew.here.remove(&worker) else { return };
        member.left = Some((Instant::now(), why.to_owned()));
        crew.gone.add(member.work);
        crew.left.push_back((worker, member));
        if crew.left.len() > MAX_LEFT {
            crew.left.pop_front();
        }
    }

    pub(super) fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tiles per second lately, when `done` tiles are done at `now`; `None` before there is anything to go by.
    pub(super) fn pace(&self, now: Instant, done: u64) -> Option<f64> {
        let begun = self.crew().first?;
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.is_empty() {
            looks.push_back((begun, self.resumed()));
        }
        let oldest = looks.front().copied()?;
        if looks.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= BETWEEN_LOOKS) {
            looks.push_back((now, done));
            if looks.len() > LOOKS {
                looks.pop_front();
            }
        }
        let seconds = now.saturating_duration_since(oldest.0).as_secs_f64();
        // Tiles are counted in numbers that a float holds exactly.
        let tiles = done.saturating_sub(oldest.1) as f64;
        (seconds > 0.0).then(|| tiles / seconds)
    }
}

/// The matrix of tiles, seen from so far that it is small.
#[derive(Debug)]
pub struct Map {
    tiling: Tiling,
    /// Rows of cells.
    pub rows: u32,
    /// Columns of cells.
    pub cols: u32,
    cells: Vec<Cell>,
}

#[derive(Debug, Default)]
struct Cell {
    done: AtomicU64,
    skipped: AtomicU64,
}

impl Map {
    fn new(tiling: Tiling) -> Self {
        let (rows, cols) = (tiling.matrix_rows().min(MAP_SIDE), tiling.matrix_cols().min(MAP_SIDE));
        let cells = (0..rows * cols).map(|_| Cell::default()).collect();
        Self { tiling, rows, cols, cells }
    }

    /// The cell that a tile lies in, row-major.
    pub fn cell(&self, tile: u64) -> usize {
        let per_row = u64::from(self.tiling.matrix_cols());
        let row = (tile / per_row) * u64::from(self.rows) / u64::from(self.tiling.matrix_rows());
        let col = (tile % per_row) * u64::from(self.cols) / per_row;
        usize::try_from(row * u64::from(self.cols) + col).unwrap_or(usize::MAX)
    }

    /// How many tiles lie in each cell, row-major.
    pub fn tiles(&self) -> Vec<u64> {
        let rows = spread(self.tiling.matrix_rows(), self.rows);
        let cols = spread(self.tiling.matrix_cols(), self.cols);
        rows.iter().flat_map(|r| cols.iter().map(move |c| r * c)).collect()
    }

    /// A tile was run and written.
    pub fn done(&self, tile: u64) {
        self.cells.get(self.cell(tile)).map(|c| c.done.fetch_add(1, Ordering::Relaxed));
    }

    /// A tile was left out.
    pub fn skipped(&self, tile: u64) {
        self.cells.get(self.cell(tile)).map(|c| c.skipped.fetch_add(1, Ordering::Relaxed));
    }

    /// Tiles run and tiles left out in each cell, row-major.
    pub fn counts(&self) -> (Vec<u64>, Vec<u64>) {
        self.cells.iter().map(|c| (c.done.load(Ordering::Relaxed), c.skipped.load(Ordering::Relaxed))).unzip()
    }
}

/// How many of `all` things fall into each of `parts` when thing `n` falls into part `n · parts / all`.
fn spread(all: u32, parts: u32) -> Vec<u64> {
    let (all, parts) = (u64::from(all), u64::from(parts));
    let start = |part: u64| (part * all).div_ceil(parts);
    (0..parts).map(|part| start(part + 1) - start(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_hold_the_tiles_that_lie_in_them(rows in 1u32..200, cols in 1u32..200) {
            let map = Map::new(Tiling::new(rows, cols, 1, 1).unwrap());
            let mut counted = vec![0u64; map.cells.len()];
            (0..map.tiling.count()).for_each(|tile| counted[map.cell(tile)] += 1);
            prop_assert_eq!(counted, map.tiles());
            prop_assert!(map.rows <= 64 && map.cols <= 64);
        }
    }
}
