//! A running job in numbers, as the dashboard shows them. `docs/dashboard.md` lists the keys.

use super::picture::{Picture, PictureStatus};
use super::view::JobView;
use controller::{Control, Job, RunTally, Stages, Unsettled, WorkerTally};
use serde::Serialize;
use std::time::Instant;

/// Most workers that are listed; all are counted.
const MAX_WORKERS: usize = 500;
/// Most workers that have left among them: those that left last.
const MAX_LEFT: usize = 100;
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
    /// The picture of the first output; none if no output is a file.
    pub picture: Option<PictureStatus>,
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
    pub fn of(view: &JobView, control: &Control, picture: Option<&Picture>) -> Self {
        let unsettled = control.unsettled();
        let picture = picture.map(Picture::status);
        Self { picture, ..Self::from_parts(view, &control.tally(), &unsettled, control.stopped()) }
    }

    fn from_parts(view: &JobView, tally: &RunTally, unsettled: &Unsettled, stopped: bool) -> Self {
        let now = Instant::now();
        let (counts, work) = (tally.counts, tally.work());
        let left = counts.total.saturating_sub(counts.done);
        // A tile may be done between the look at the schedule and the look at the tally.
        let held = (unsettled.in_flight.len() as u64).min(left);
        let pace = view.pace(now, tally);
        let since = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
        let finish = tally.finishing.map(since);
        let state = match &tally.failure {
            Some(_) => "failed",
            None if stopped => "stopping",
            None if finish.is_some() => "finishing",
            None if tally.first_joined.is_none() => "waiting",
            None => "running",
        };
        Self {
            tilefn: env!("CARGO_PKG_VERSION"),
            job: Job {
                path: clip(&view.job.path),
                module: clip(&view.job.module),
                function: clip(&view.job.function),
                ..view.job.clone()
            },
            state,
            error: tally.failure.as_deref().map(clip),
            seconds: view.prepared.as_secs_f64() + since(view.started),
            seconds_left: pace.filter(|pace| *pace > 0.0).map(|pace| left as f64 / pace),
            tiles_per_second: pace,
            tiles: TileCounts {
                total: counts.total,
                fresh: left - held,
                in_flight: held,
                done: counts.written(),
                skipped: counts.skipped,
                resumed: counts.resumed,
                retried: unsettled.retried,
            },
            stages: Stages {
                prepare: view.prepared.as_secs_f64(),
                read: work.spent.read.as_secs_f64(),
                run: work.spent.run.as_secs_f64(),
                write: work.spent.write.as_secs_f64(),
                finish: finish.unwrap_or(0.0),
                wait: work.spent.wait.as_secs_f64(),
            },
            bytes_in: work.bytes_in,
            bytes_out: counts.bytes_out,
            memory: worker::memory::resident(),
            peak_memory: worker::memory::peak(),
            workers_here: tally.here.len(),
            workers: workers(tally, now),
            warnings: view.warnings.iter().chain(&tally.warnings()).map(|w| clip(w)).collect(),
            map: map(view, unsettled),
            picture: None,
        }
    }
}

/// The workers to show: those that are here, then those that left last.
fn workers(tally: &RunTally, now: Instant) -> Vec<WorkerStatus> {
    let shown = tally.here.values().chain(tally.left.iter().rev().take(MAX_LEFT));
    shown.take(MAX_WORKERS).map(|tally| worker(tally, now)).collect()
}

fn worker(tally: &WorkerTally, now: Instant) -> WorkerStatus {
    let WorkerTally { worker, identity, since, work, memory, left } = tally;
    let until = left.as_ref().map_or(now, |(when, _)| *when);
    let seconds = until.saturating_duration_since(*since).as_secs_f64();
    let tiles = work.tiles();
    WorkerStatus {
        id: *worker,
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

fn map(view: &JobView, unsettled: &Unsettled) -> MapStatus {
    let map = &view.map;
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
    let (mut in_flight, retried) = (count(&unsettled.in_flight), count(&unsettled.lost));
    let (done, skipped) = map.counts();
    // As above: a tile that is done now may have been in flight a moment ago.
    for (((in_flight, tiles), done), skipped) in in_flight.iter_mut().zip(&tiles).zip(&done).zip(&skipped) {
        *in_flight = tiles.saturating_sub(done + skipped).min(*in_flight);
    }
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
    use controller::{Event, Identity, Observer, Ranges};
    use grid::Tiling;
    use std::time::Duration;

    #[test]
    fn texts_from_others_are_short_and_harmless() {
        assert_eq!(clip("a\u{9b}2J\u{202e}\nb"), "a\\u{9b}2J\\u{202e}\nb");
        assert_eq!(clip(&"é".repeat(MAX_TEXT + 1)), "é".repeat(MAX_TEXT) + "…");
    }

    #[test]
    fn ten_million_tiles_and_a_thousand_workers_make_a_small_status() {
        let tiling = Tiling::new(2500, 4000, 1, 1).unwrap();
        let view = JobView::of(tiling, Job::default(), Vec::new(), Duration::ZERO);
        let mut tally = RunTally::default();
        let mut tell = |event: Event<'_>| {
            tally.count(&event);
            view.event(&event);
        };
        tell(Event::Begun { tiles: tiling.count(), resumed: &Ranges::default() });
        let name = "<script>alert(1)</script>".repeat(100);
        let identity = Identity { kind: "external", name, host: String::new(), threads: 1 };
        let mut in_flight = Vec::new();
        for worker in 1..=1000 {
            tell(Event::WorkerJoined { worker, identity: &identity });
            // Each holds two tiles and has done one and left one out.
            let tile = u64::from(worker) * 4;
            tell(Event::TileDone { tile, bytes_out: 1 });
            tell(Event::TileSkipped { tile: tile + 1 });
            in_flight.extend([tile + 2, tile + 3]);
        }
        tell(Event::WorkerLeft { worker: 1, why: "gone" });
        let lost = in_flight.drain(..2).collect();
        let unsettled = Unsettled { in_flight, lost, retried: 2 };
        let status = Status::from_parts(&view, &tally, &unsettled, false);
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
