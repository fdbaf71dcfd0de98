//! The compute threads of a remote worker: they take tiles from a queue and hand results to the connection.
//!
//! They are plain threads beside the async runtime, so that heartbeats go out however long a tile takes.

use super::advice::advice;
use super::files::FilePixels;
use super::marks;
use super::runner::{self, Failed, Outcome, Pixels, Runner};
use crate::open_files;
use grid::{Tile, Window};
use raster::Found;
use sandbox::LogLine;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::mpsc;
use wire::{Lease, Payload};

/// A tile to run.
pub struct QueuedTile {
    /// The tile, under the lease that its result must name.
    pub lease: Lease,
    /// The same tile.
    pub tile: Tile,
    /// Its inputs' pixels, when the controller reads them.
    pub pixels: Option<Payload>,
}

/// What became of a tile.
pub enum TileReport {
    /// The tile ran, or was left out.
    Finished { lease: Lease, outcome: Box<Outcome> },
    /// The tile failed.
    Failed {
        lease: Lease,
        error: Box<runner::Error>,
        /// What to do about it.
        advice: String,
        /// Lines that the function had logged before.
        log: Vec<LogLine>,
    },
    /// This worker stopped the tile before it was done.
    Stopped(Lease),
}

/// Tiles that wait for a thread, and whether more may come.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tiles: VecDeque<QueuedTile>,
    closed: bool,
}

impl Queue {
    /// Adds a tile; gives it back when the queue is closed.
    pub fn push(&self, tile: QueuedTile) -> Result<(), QueuedTile> {
        let mut state = self.state();
        if state.closed {
            return Err(tile);
        }
        state.tiles.push_back(tile);
        self.changed.notify_one();
        Ok(())
    }

    /// Closes the queue and returns what has not been started.
    pub fn close(&self) -> Vec<Lease> {
        let mut state = self.state();
        state.closed = true;
        self.changed.notify_all();
        state.tiles.drain(..).map(|tile| tile.lease).collect()
    }

    /// Whether no more tiles are taken.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn next(&self) -> Option<QueuedTile> {
        let mut state = self.state();
        loop {
            if let Some(tile) = state.tiles.pop_front() {
                return Some(tile);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts `threads` threads that run the queue's tiles, until the queue is closed or the connection is gone.
pub fn start(
    threads: usize,
    runner: &Arc<Runner>,
    queue: &Arc<Queue>,
    reports: &mpsc::Sender<TileReport>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let stack = runner.task().limits.thread_stack();
    let room = open_files::inputs_for_each(threads);
    (1..=threads)
        .map(|n| {
            let (runner, queue, reports) = (runner.clone(), queue.clone(), reports.clone());
            let name = format!("tile-{n}");
            std::thread::Builder::new()
                .name(name)
                .stack_size(stack)
                .spawn(move || work(&runner, room, &queue, &reports))
        })
        .collect()
}

fn work(runner: &Runner, room: usize, queue: &Queue, reports: &mpsc::Sender<TileReport>) {
    let mut files = FilePixels::new(runner.task().clone(), room);
    while let Some(QueuedTile { lease, tile, pixels }) = queue.next() {
        let result = match pixels {
            Some(payload) => runner.run(&tile, &mut Sent { runner, payload: &payload }),
            None => runner.run(&tile, &mut files),
        };
        let report = match result {
            Ok(outcome) => TileReport::Finished { lease, outcome: Box::new(outcome) },
            Err(Failed { error: runner::Error::Function(sandbox::Error::Interrupted { .. }), .. }) => {
                TileReport::Stopped(lease)
            }
            Err(Failed { error, log }) => {
                let advice = advice(&error, &tile, runner.task().halo);
                TileReport::Failed { lease, error: Box::new(error), advice, log }
            }
        };
        // This fails when the connection is gone. The tile's lease went with it.
        if reports.blocking_send(report).is_err() {
            break;
        }
    }
}

/// Pixels that came with the tile.
struct Sent<'a> {
    runner: &'a Runner,
    payload: &'a Payload,
}

impl Pixels for Sent<'_> {
    fn read(&mut self, input: usize, raster: usize, _window: Window, out: &mut [u8]) -> Result<Found, raster::Error> {
        let inputs = &self.runner.task().inputs;
        let before: usize = inputs.iter().take(input).map(|i| i.rasters.len()).sum();
        let shape = |reason: String| {
            let path = inputs.get(input).and_then(|i| i.rasters.get(raster)).map_or("", |r| r.path.as_str());
            raster::Error::Shape { path: path.to_owned(), reason }
        };
        let number = before.saturating_add(raster);
        match self.payload.part(number) {
            Some(part) if part.len() == out.len() => out.copy_from_slice(part),
            part => {
                let found = part.map_or(0, <[u8]>::len);
                return Err(shape(format!("the controller sent {found} bytes for a tile that has {}", out.len())));
            }
        }
        // The part with the marks follows the last raster's. The controller, which read the file, has counted changed pixels.
        let part = self.payload.part(inputs.iter().map(|i| i.rasters.len()).sum()).unwrap_or_default();
        let marks = marks::read(self.runner.task(), number, part)
            .ok_or_else(|| shape("the controller did not send what marks its invalid pixels".into()))?;
        Ok(Found { marks, ..Found::default() })
    }
}
