//! A running job in numbers, as the dashboard shows them. `docs/dashboard.md` lists the keys.

use super::report::{Job, Stages};
use super::run::Totals;
use super::watch::{Member, Watch};
use serde::Serialize;
use std::time::Instant;

/// Most workers that are listed; all are counted.
const MAX_WORKERS: usize = 500;
/// Longest text that is passed on, in characters.
const MAX_TEXT: usize = 500;

/// A job as it stands. Times are seconds, sizes bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Version of the program.
    pub tilefn: &'static str,
    /// What is run.
    pub job: Job,
    /// `waiting` for a first worker, `running`, `finishing` the outputs, `stopping` because told to, or `failed`.
    pub state: &'static str,
    /// What ends the job.
    pub error: Option<String>,
    /// Time since the program began to plan.
    pub seconds: f64,
    /// Time until the last tile at the present pace.
    pub seconds_left: Option<f64>,
    /// The pace of the last half minute or so.
    pub tiles_per_second: Option<f64>,
    /// What has become of the tiles.
    pub tiles: TileCounts,
    /// Time by stage, summed over all threads.
    pub stages: Stages,
    /// Bytes of input pixels handed to the function.
    pub bytes_in: u64,
    /// Bytes of output pixels the function returned.
    pub bytes_out: u64,
    /// Resident memory of this process now.
    pub memory: u64,
    /// Highest resident memory of this process.
    pub peak_memory: u64,
    /// Workers that are here now.
    pub workers_here: usize,
    /// Workers, those that left last included.
    pub workers: Vec<WorkerStatus>,
    /// What the user should know of.
    pub warnings: Vec<String>,
    /// Where the tiles stand.
    pub map: MapStatus,
}

/// Numbers of tiles. `fresh`, `in_flight`, `done`, `skipped` and `resumed` add up to `total`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TileCounts {
    /// All tiles of the grid.
    pub total: u64,
    /// Nobody has them.
    pub fresh: u64,
    /// A worker has them.
    pub in_flight: u64,
    /// Run and written.
    pub done: u64,
    /// Not run because no input has a valid pixel there.
    pub skipped: u64,
    /// Done by an earlier run.
    pub resumed: u64,
    /// How often a tile was handed out again because it was lost.
    pub retried: u64,
}

/// One worker.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerStatus {
    /// The controller's number for it.
    pub id: u32,
    /// `thread`, `process`, …
    pub kind: &'static str,
    /// Its own name for itself.
    pub name: String,
    /// Host it runs on.
    pub host: String,
    /// Tiles it runs at the same time.
    pub threads: u32,
    /// Tiles run and left out.
    pub tiles: u64,
    /// Time since it came, or from when it came until it left.
    pub seconds: f64,
    /// Tiles over seconds.
    pub tiles_per_second: f64,
    /// Resident memory of its process; none for threads, which share this one's.
    pub memory: Option<u64>,
    /// Highest memory of one call of the function, inside the sandbox.
    pub function_peak_memory: u64,
    /// Why it left; none as long as it is here.
    pub left: Option<String>,
}

/// The matrix of tiles, as cells of about equally many tiles; lists are row-major.
#[derive(Clone, Debug, Serialize)]
pub struct MapStatus {
    /// Rows of cells.
    pub rows: u32,
    /// Columns of cells.
    pub cols: u32,
    /// Tiles in each cell.
    pub tiles: Vec<u64>,
    /// Those that a worker has.
    pub in_flight: Vec<u64>,
    /// Those that are run and written, by this run or an earlier one.
    pub done: Vec<u64>,
    /// Those that were left out.
    pub skipped: Vec<u64>,
    /// Those that were lost at least once.
    pub retried: Vec<u64>,
}

impl Status {
    /// The job as it stands now.
    pub fn of(watch: &Watch, control: &super::Control) -> Self {
        let now = Instant::now();
        let book = watch.book();
        let progress = control.progress();
        let (in_flight, lost) = book.as_ref().map(|b| b.unsettled()).unwrap_or_default();
        let (workers, workers_here, totals, begun) = workers(watch, now);
        let left = progress.total.saturating_sub(progress.done);
        // A tile may be done between the look at the progress and the look at the schedule.
        let held = (in_flight.len() as u64).min(left);
        let resumed = watch.resumed();
        let pace = watch.pace(now, progress.done);
        let since = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
        let finish = watch.finishing_since().map(since);
        let state = match watch.failure() {
            Some(_) => "failed",
            None if control.stopped() => "stopping",
            None if finish.is_some() => "finishing",
            None if !begun => "waiting",
            None => "running",
        };
        let warnings = book.as_ref().map(|b| b.warnings()).unwrap_or_default();
        Self {
            tilefn: env!("CARGO_PKG_VERSION"),
            job: Job {
                path: clip(&watch.job.path),
                module: clip(&watch.job.module),
                function: clip(&watch.job.function),
                ..watch.job.clone()
            },
            state,
            error: watch.failure().map(|text| clip(text)),
            seconds: watch.prepared.as_secs_f64() + since(watch.started),
            seconds_left: pace.filter(|pace| *pace > 0.0).map(|pace| left as f64 / pace),
            tiles_per_second: pace,
            tiles: TileCounts {
                total: progress.total,
                fresh: left - held,
                in_flight: held,
                done: progress.done.saturating_sub(progress.skipped + resumed),
                skipped: progress.skipped,
                resumed,
                retried: book.as_ref().map_or(0, |b| b.retried()),
            },
            stages: Stages {
                prepare: watch.prepared.as_secs_f64(),
                read: totals.spent.read.as_secs_f64(),
                run: totals.spent.run.as_secs_f64(),
                write: totals.spent.write.as_secs_f64(),
                finish: finish.unwrap_or(0.0),
                wait: totals.spent.wait.as_secs_f64(),
            },
            bytes_in: totals.bytes_in,
            bytes_out: progress.bytes_out,
            memory: worker::memory::resident(),
            peak_memory: worker::memory::peak(),
            workers_here,
            workers,
            warnings: watch.warnings.iter().chain(&warnings).map(|w| clip(w)).collect(),
            map: map(watch, &in_flight, &lost),
        }
    }
}

/// The workers to show, how many are here, what all did together, and whether there ever was one.
fn workers(watch: &Watch, now: Instant) -> (Vec<WorkerStatus>, usize, Totals, bool) {
    let crew = watch.crew();
    let mut totals = crew.gone;
    crew.here.values().for_each(|m| totals.add(m.work));
    let shown = crew.here.iter().map(|(id, m)| (*id, m)).chain(crew.left.iter().rev().map(|(id, m)| (*id, m)));
    let workers = shown.take(MAX_WORKERS).map(|(id, m)| worker(id, m, now)).collect();
    (workers, crew.here.len(), totals, crew.first.is_some())
}

fn worker(id: u32, member: &Member, now: Instant) -> WorkerStatus {
    let Member { identity, since, work, memory, left } = member;
    let until = left.as_ref().map_or(now, |(when, _)| *when);
    let seconds = until.saturating_duration_since(*since).as_secs_f64();
    let tiles = work.done + work.skipped;
    WorkerStatus {
        id,
        kind: identity.kind,
        name: clip(&identity.name),
        host: clip(&identity.host),
        threads: identity.threads,
        tiles,
        seconds,
        tiles_per_second: if seconds > 0.0 { tiles as f64 / seconds } else { 0.0 },
        memory: (*memory > 0).then_some(*memory),
        function_peak_memory: work.function_peak_memory,
        left: left.as_ref().map(|(_, why)| clip(why)),
    }
}

fn map(watch: &Watch, in_flight: &[u64], lost: &[u64]) -> MapStatus {
    let map = &watch.map;
    let tiles = map.tiles();
    let count = |list: &[u64]| {
        let mut cells = vec![0; tiles.len()];
        for tile in list {
            if let Some(cell) = cells.get_mut(map.cell(*tile)) {
                *cell += 1;
            }
        }
        cells
    };
    let (in_flight, retried) = (count(in_flight), count(lost));
    let (done, skipped) = map.counts();
    MapStatus { rows: map.rows, cols: map.cols, tiles, in_flight, done, skipped, retried }
}

/// `text`, shortened to what a page can show, and harmless there.
fn clip(text: &str) -> String {
    let text = &*types::text::lines(text);
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Book;
    use crate::schedule::{Grant, Policy, Schedule, WorkerId};
    use crate::watch::Identity;
    use crate::writer::Writer;
    use crate::{Control, ranges::Ranges};
    use grid::Tiling;
    use std::sync::Arc;
    use std::time::Duration;
    use types::tally::Tally;

    #[test]
    fn texts_from_others_are_short_and_harmless() {
        assert_eq!(clip("a\u{9b}2J\u{202e}\nb"), "a\\u{9b}2J\\u{202e}\nb");
        assert_eq!(clip(&"é".repeat(MAX_TEXT + 1)), "é".repeat(MAX_TEXT) + "…");
    }

    #[test]
    fn ten_million_tiles_and_a_thousand_workers_make_a_small_status() {
        let tiling = Tiling::new(2500, 4000, 1, 1).unwrap();
        let (watch, control) =
            (Arc::new(Watch::of(tiling, Job::default(), Vec::new(), Duration::ZERO)), Arc::new(Control::default()));
        control.watch_with(watch.clone());
        control.start(tiling.count(), 0);
        let policy = Policy { max_attempts: 3, window: 4096, straggler: Duration::MAX };
        let schedule = Schedule::new(tiling.count(), Ranges::default(), policy);
        let book = Arc::new(Book::new(Writer::new([], tiling), None, schedule, control.clone(), None, [1, 1]));
        watch.begin(&book);
        let name = "<script>alert(1)</script>".repeat(100);
        for id in 1..=1000 {
            watch.join(id, Identity { kind: "external", name: name.clone(), host: String::new(), threads: 1 });
            // Each holds two tiles and has done one and left one out.
            for n in 0..4 {
                let Grant::Tile(tile) = book.take(WorkerId(id)) else { panic!("a tile") };
                match n {
                    0 => assert!(book.done(&tiling.tile(tile).unwrap(), [], &[], &Tally::default()).unwrap()),
                    1 => assert!(book.skipped(&tiling.tile(tile).unwrap()).unwrap()),
                    _ => {}
                }
            }
        }
        book.lose(WorkerId(1)).unwrap();
        watch.leave(1, "gone");
        let status = Status::of(&watch, &control);
        let tiles = status.tiles;
        assert_eq!((tiles.done, tiles.skipped, tiles.in_flight, tiles.retried), (1000, 1000, 1998, 2));
        assert_eq!(tiles.fresh, 10_000_000 - 1000 - 1000 - 1998);
        let sum = |cells: &[u64]| cells.iter().sum::<u64>();
        let map = &status.map;
        assert_eq!((map.rows, map.cols, map.tiles.len()), (64, 64, 64 * 64));
        assert_eq!((sum(&map.tiles), sum(&map.done), sum(&map.skipped)), (10_000_000, 1000, 1000));
        assert_eq!((sum(&map.in_flight), sum(&map.retried)), (1998, 2));
        assert_eq!((status.workers_here, status.workers.len()), (999, MAX_WORKERS));
        let bytes = serde_json::to_string(&status).unwrap().len();
        assert!(bytes < 500_000, "{bytes} bytes, with names of the greatest length");
    }
}
