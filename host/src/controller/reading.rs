//! Threads that read tiles for workers which are sent their pixels.

use crate::grid::Tile;
use crate::raster::Error;
use crate::worker::{FilePixels, Pixels, Task, any_valid};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A tile's input pixels: one buffer for each file, inputs one after the other.
pub struct Read {
    /// The pixels, `[bands, rows, cols]` each.
    pub buffers: Vec<Vec<u8>>,
    /// Whether any input has a valid pixel, or it doesn't matter.
    pub valid: bool,
    /// Time it took.
    pub time: Duration,
}

/// An input that could not be read, with its name.
pub struct ReadError {
    /// The input's name.
    pub input: String,
    /// Why.
    pub source: Error,
}

type Answer = oneshot::Sender<Result<Read, ReadError>>;

/// Reads tiles on threads of its own; ends when dropped.
pub struct Readers {
    requests: Sender<(Tile, Answer)>,
}

impl Readers {
    /// Starts `threads` threads, each with its own open files.
    pub fn start(task: &Arc<Task>, threads: usize) -> std::io::Result<Self> {
        let (requests, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for n in 1..=threads.max(1) {
            let (task, queue) = (task.clone(), queue.clone());
            std::thread::Builder::new().name(format!("read-{n}")).spawn(move || work(&task, &queue))?;
        }
        Ok(Self { requests })
    }

    /// The pixels of `tile`.
    pub async fn read(&self, tile: Tile) -> Result<Read, ReadError> {
        let (answer, result) = oneshot::channel();
        let gone = || ReadError {
            input: String::new(),
            source: Error::Shape { path: String::new(), reason: "the reading threads have ended".into() },
        };
        self.requests.send((tile, answer)).map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

fn work(task: &Arc<Task>, queue: &Mutex<Receiver<(Tile, Answer)>>) {
    let mut files = FilePixels::new(task.clone());
    loop {
        // Held only while waiting for a request, not while reading.
        let request = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((tile, answer)) = request else { return };
        // Nobody waits any more when the worker is gone.
        let _gone = answer.send(read(task, &mut files, &tile));
    }
}

fn read(task: &Task, files: &mut FilePixels, tile: &Tile) -> Result<Read, ReadError> {
    let started = Instant::now();
    let mut buffers = Vec::new();
    let mut valid = !task.skip_empty || task.inputs.iter().all(|i| i.rasters.is_empty());
    for (i, input) in task.inputs.iter().enumerate() {
        let fail = |source| ReadError { input: input.name.clone(), source };
        for (r, raster) in input.rasters.iter().enumerate() {
            let window = tile.window.padded(task.halo);
            let size = window.and_then(|w| Some((w, raster.bytes(w.rows, w.cols)?)));
            let Some((window, bytes)) = size else {
                return Err(fail(Error::Shape { path: raster.path.clone(), reason: "the tile is too large".into() }));
            };
            let mut buffer = vec![0; bytes];
            files.read(i, r, window, &mut buffer).map_err(fail)?;
            valid = valid || any_valid(raster, &buffer);
            buffers.push(buffer);
        }
    }
    Ok(Read { buffers, valid, time: started.elapsed() })
}
