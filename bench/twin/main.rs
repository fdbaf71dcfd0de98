//! A native program for each benchmark job, written as one would by hand: GDAL, two threads, no sandbox.
//!
//! `twin JOB OUT INPUT... [--codec none|deflate] [--tile N] [--threads N]`, JOB being `ndvi RED NIR`,
//! `focal-mean BAND`, `cloud-free-median DATE... MASK...`, `focal-median BAND` or `copy BAND` (no function).
//!
//! Every thread has its own datasets and takes the next few tiles from one counter; results go into one GeoTIFF under a
//! lock. `docs/performance.md` has what was tried to make it fast.

mod jobs;
mod kernels;
mod median;
mod raster;

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jobs::Job;
use raster::{Output, Window};

/// Neighbouring tiles a thread takes at once: more would leave a thread idle at the end, fewer make each thread decompress
/// the blocks under all halos again.
const RUN: usize = 4;
/// Megabytes of blocks that GDAL keeps, of a raster with so many columns: where tiles share blocks, under their halos, those of a row of
/// tiles (four rows of blocks, of two bytes a pixel) and some more, and few where they don't. GDAL's default, 5 % of the memory, costs
/// twice the time of the whole NDVI job, since each block then goes to memory never touched before instead of the processor's cache.
fn cache(job: &str, cols: usize) -> usize {
    if job.starts_with("focal") { 4 + (cols * 1024 * 2 >> 20) } else { 4 }
}

/// What went wrong, for `main` to print.
type Failure = Box<dyn Error + Send + Sync>;

/// What the command line asks for.
struct Args {
    job: String,
    out: String,
    inputs: Vec<String>,
    codec: String,
    tile: usize,
    threads: usize,
}

impl Args {
    fn parse() -> Result<Self, Failure> {
        let mut args = Self {
            job: String::new(),
            out: String::new(),
            inputs: Vec::new(),
            codec: "none".into(),
            tile: 512,
            threads: 2,
        };
        let mut words = Vec::new();
        let mut rest = std::env::args().skip(1);
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--codec" => args.codec = value()?,
                "--tile" => args.tile = value()?.parse()?,
                "--threads" => args.threads = value()?.parse()?,
                _ => words.push(word),
            }
        }
        let mut words = words.into_iter();
        args.job = words.next().ok_or("usage: twin JOB OUT INPUT...")?;
        args.out = words.next().ok_or("no output given")?;
        args.inputs = words.collect();
        if args.inputs.is_empty() || args.tile == 0 {
            return Err("no input given, or a tile of no size".into());
        }
        Ok(args)
    }
}

fn main() -> Result<(), Failure> {
    let args = Args::parse()?;
    let (cols, rows) = raster::size(&args.inputs[0])?;
    gdal::config::set_config_option("GDAL_CACHEMAX", &cache(&args.job, cols).to_string())?;
    let output = Mutex::new(Output::create(&args.out, &args.inputs[0], &args.codec)?);
    let (across, down) = (cols.div_ceil(args.tile), rows.div_ceil(args.tile));
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Failure> {
        let mut job = Job::open(&args.job, &args.inputs)?;
        let mut result = Vec::new();
        loop {
            let first = next.fetch_add(RUN, Ordering::Relaxed);
            if first >= across * down {
                return Ok(());
            }
            for index in first..(first + RUN).min(across * down) {
                let (row, col) = (index / across * args.tile, index % across * args.tile);
                let (rows, cols) = (args.tile.min(rows - row), args.tile.min(cols - col));
                let window = Window { row, col, rows, cols };
                result.resize(rows * cols, 0.0);
                job.run(window, &mut result)?;
                result = output.lock().map_err(|_| "a thread died")?.write(window, result)?;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| "a thread panicked")?)
    })?;
    output.into_inner().map_err(|_| "a thread died")?.close()?;
    Ok(())
}
