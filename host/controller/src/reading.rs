//! Threads that read tiles for workers that are sent their pixels.

use grid::Tile;
use raster::Error;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use types::tally::Tally;
use worker::open_files;
use worker::{FilePixels, Pixels, Task, any_valid, marks, note_changes};

/// A tile that was read.
pub struct Read {
    /// A buffer for each file of all inputs in order, `[bands, rows, cols]`; then one for the [`marks`], if there are any.
    pub pixels: Vec<Vec<u8>>,
    /// Bytes of the marks, the last part; 0 if there are none.
    pub marks_len: u64,
    /// Whether the tile must be run: an input has a valid pixel, or empty tiles are run too.
    pub valid: bool,
    /// Pixels that reading changed.
    pub tally: Tally,
    /// Time it took.
    pub time: Duration,
}

/// An input that could not be read, with its name.
pub struct ReadError {
    /// The input's name.
    pub input: String,
    pub source: Error,
}

/// A tile to be read.
type Request = (Tile, Answer);
type Answer = oneshot::Sender<Result<Read, ReadError>>;

/// Reads tiles on threads of its own; ends when dropped.
pub struct Readers {
    requests: Sender<Request>,
}

impl Readers {
    /// Starts `threads` threads, each with its own open files.
    pub fn start(task: &Arc<Task>, threads: usize) -> std::io::Result<Self> {
        let (requests, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let room = open_files::inputs_for_each(threads);
        for n in 1..=threads.max(1) {
            let (task, queue) = (task.clone(), queue.clone());
            std::thread::Builder::new().name(format!("read-{n}")).spawn(move || work(&task, room, &queue))?;
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

fn work(task: &Arc<Task>, room: usize, queue: &Mutex<Receiver<Request>>) {
    let mut files = FilePixels::new(task.clone(), room);
    loop {
        // The lock is held only while waiting for a request, not while reading.
        let request = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((tile, answer)) = request else { return };
        // This fails when the worker is gone, and with it the receiver.
        let _gone = answer.send(read(task, &mut files, &tile));
    }
}

fn read(task: &Task, files: &mut FilePixels, tile: &Tile) -> Result<Read, ReadError> {
    let started = Instant::now();
    let inputs = task.inputs.iter().enumerate();
    let rasters: Vec<_> = inputs.flat_map(|(i, input)| (0..).zip(&input.rasters).map(move |r| (i, input, r))).collect();
    let window = tile.window.padded(task.halo);
    let sizes = rasters.iter().map(|(_, input, (_, raster))| {
        let size = window.and_then(|window| Some((window, raster.bytes(window.rows, window.cols)?)));
        size.ok_or_else(|| ReadError {
            input: input.name.clone(),
            source: Error::Shape { path: raster.path.clone(), reason: "the tile is too large".into() },
        })
    });
    let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
    let mut pixels: Vec<_> = sizes.iter().map(|(_, bytes)| vec![0; *bytes]).collect();
    let mut valid = !task.skip_empty || rasters.is_empty();
    let mut tally = Tally::default();
    let mut all_found = Vec::with_capacity(sizes.len());
    for (((i, input, (r, raster)), (window, _)), buffer) in rasters.into_iter().zip(sizes).zip(&mut pixels) {
        let found = files.read(i, r, window, buffer);
        let found = found.map_err(|source| ReadError { input: input.name.clone(), source })?;
        valid = valid || any_valid(raster, &found, buffer);
        note_changes(&mut tally, (i, r), &found);
        all_found.push(found);
    }
    let marks_len = marks::len(task);
    if marks_len > 0 {
        let mut part = vec![0; marks_len];
        marks::write(task, &all_found, &mut part);
        pixels.push(part);
    }
    Ok(Read { pixels, marks_len: marks_len as u64, valid, tally, time: started.elapsed() })
}
