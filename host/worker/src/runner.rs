//! Runs the job's function on one tile: reads its inputs into a fresh instance, calls it, checks what comes back.

use super::call::{CallTemplate, TooLong};
use super::nodata::{self, Unmarkable};
use super::task::{Raster, Task};
use grid::{Tile, Window};
use raster::Found;
use sandbox::{Function, GuestRange, Instance, LogLine, OutRaster};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tilefn_abi::DType;
use types::tally::{Count, Tally, What};

/// Alignment of each raster's pixels in the instance's memory, bytes.
const ALIGN: usize = 16;
/// Memory that the pool keeps for an instance from tile to tile, bytes: enough for the pixels and the function's own memory of
/// most tiles. Memory above it comes from the system page by page, for every tile.
pub const KEPT_MEMORY: u64 = 256 << 20;

/// Where the inputs' pixels come from: files here, or a message from the controller.
pub trait Pixels {
    /// Fills `out`, `[bands, rows, cols]` of the raster's dtype, with the pixels of `window`, which may reach outside the grid.
    ///
    /// `input` and `raster` are indices into [`Task::inputs`].
    fn read(&mut self, input: usize, raster: usize, window: Window, out: &mut [u8]) -> Result<Found, raster::Error>;
}

/// Why a tile has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The function failed, or broke a limit or the contract.
    #[error(transparent)]
    Function(#[from] sandbox::Error),
    /// An input's pixels could not be read.
    #[error("input {input:?}: {source}")]
    Read {
        /// The input's name.
        input: String,
        /// What went wrong.
        source: raster::Error,
    },
    /// The function returned something that the job can't write.
    #[error("output {output:?}: {what}")]
    Output {
        /// The output's name.
        output: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// The tile is too large for a module's memory.
    #[error("a tile's inputs take more than 4 GiB, which a module cannot address; use smaller tiles (grid.tile)")]
    TooLarge,
    /// The job's description is too long for the ABI.
    #[error(transparent)]
    Description(#[from] TooLong),
}

impl Error {
    /// Whether another worker may succeed with the tile: yes when this machine or its files failed, no when the function did.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Function(sandbox::Error::Engine(_)))
    }
}

/// A tile that has no result.
#[derive(Debug)]
pub struct Failed {
    pub error: Error,
    /// What the function had logged before.
    pub log: Vec<LogLine>,
}

/// A task and its function, shared by all threads of a worker.
pub struct Runner {
    task: Arc<Task>,
    function: Function,
    template: CallTemplate,
}

/// What became of a tile.
pub enum Outcome {
    /// No input has a valid pixel here; the function was not called.
    Skipped {
        /// Time spent on reading.
        read: Duration,
    },
    /// The function's results.
    Done(Box<Done>),
}

/// One raster of a result: which output, which of its files, how many bands, the pixels.
pub type ResultRaster<'a> = (usize, usize, u32, &'a [u8]);

/// A tile's results, still in the instance that made them.
pub struct Done {
    instance: Instance,
    outputs: Vec<Vec<OutRaster>>,
    state: Option<GuestRange>,
    /// Pixels that were changed or lost.
    pub tally: Tally,
    /// Time spent on reading the inputs.
    pub read: Duration,
    /// Time spent in the sandbox.
    pub run: Duration,
}

impl Done {
    /// Shapes of all outputs' rasters, in the order of [`Task::outputs`].
    pub fn outputs(&self) -> &[Vec<OutRaster>] {
        &self.outputs
    }

    /// All rasters to be written: which output, which of its files, how many bands, the pixels.
    pub fn rasters(&self) -> Result<Vec<ResultRaster<'_>>, sandbox::Error> {
        let all = self
            .outputs
            .iter()
            .enumerate()
            .flat_map(|(o, rasters)| rasters.iter().enumerate().map(move |(r, raster)| (o, r, raster)));
        all.map(|(o, r, raster)| Ok((o, r, raster.bands, self.instance.bytes(raster.range)?))).collect()
    }

    /// What the function said.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.instance.take_log()
    }

    /// The tile's contribution to an accumulating function; empty for other functions.
    pub fn state(&self) -> Result<&[u8], sandbox::Error> {
        self.state.map_or(Ok(&[]), |s| self.instance.bytes(s))
    }

    /// The most memory the function has used, bytes.
    pub fn peak_memory(&self) -> u64 {
        self.instance.stats().peak_memory as u64
    }
}

impl Runner {
    /// Prepares `task`, to be done by `function`.
    pub fn new(task: Arc<Task>, function: Function) -> Result<Self, Error> {
        let template = CallTemplate::new(&task, function.description())?;
        Ok(Self { task, function, template })
    }

    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    pub fn function(&self) -> &Function {
        &self.function
    }

    /// Runs the function on `tile`.
    ///
    /// # Errors
    /// Why there is no result, and what the function had logged before.
    pub fn run(&self, tile: &Tile, pixels: &mut dyn Pixels) -> Result<Outcome, Failed> {
        let mut log = Vec::new();
        self.run_logged(tile, pixels, &mut log).map_err(|error| Failed { error, log })
    }

    fn run_logged(&self, tile: &Tile, pixels: &mut dyn Pixels, log: &mut Vec<LogLine>) -> Result<Outcome, Error> {
        let started = Instant::now();
        let window = tile.window.padded(self.task.halo).ok_or(Error::TooLarge)?;
        let lens = self.task.inputs.iter().flat_map(|input| &input.rasters);
        let lens: Option<Vec<_>> = lens.map(|raster| raster.bytes(window.rows, window.cols)).collect();
        let (mut instance, ranges) = self.function.instance_for(&lens.ok_or(Error::TooLarge)?, ALIGN)?;
        let set_up = started.elapsed();
        let mut ranges = ranges.into_iter();
        let mut addresses = Vec::new();
        let mut marks = Vec::new();
        let mut tally = Tally::default();
        let mut valid = !self.task.skip_empty || self.task.inputs.iter().all(|i| i.rasters.is_empty());
        let mut read = Duration::ZERO;
        for (i, input) in self.task.inputs.iter().enumerate() {
            for ((r, raster), range) in input.rasters.iter().enumerate().zip(&mut ranges) {
                addresses.push(range.pointer());
                let reading = Instant::now();
                let buffer = instance.bytes_mut(range)?;
                let found = pixels
                    .read(i, r, window, buffer)
                    .map_err(|source| Error::Read { input: input.name.clone(), source })?;
                valid = valid || any_valid(raster, &found, buffer);
                note_changes(&mut tally, (i, r), &found);
                marks.push(found.marks);
                read += reading.elapsed();
            }
        }
        if !valid {
            return Ok(Outcome::Skipped { read });
        }
        let running = Instant::now();
        let result = self
            .process(&mut instance, tile, &addresses, &marks, &mut tally)
            .inspect_err(|_| *log = instance.take_log())?;
        let run = set_up + running.elapsed();
        Ok(Outcome::Done(Box::new(Done { instance, outputs: result.outputs, state: result.state, tally, read, run })))
    }

    /// Calls the function and checks its result.
    fn process(
        &self,
        instance: &mut Instance,
        tile: &Tile,
        addresses: &[u32],
        marks: &[Vec<(usize, Option<u64>)>],
        tally: &mut Tally,
    ) -> Result<sandbox::Outcome, Error> {
        let mut result = instance.process(&self.template.for_tile(tile, addresses, marks))?;
        for (output, rasters) in self.task.outputs.iter().zip(&mut result.outputs) {
            if output.rasters == 0 {
                // The job leaves this output out, so its pixels need not travel.
                rasters.clear();
            }
        }
        self.check(tile, &result)?;
        self.settle(instance, &result, tally)?;
        Ok(result)
    }

    /// Compares what came back with what the job expects.
    fn check(&self, tile: &Tile, result: &sandbox::Outcome) -> Result<(), Error> {
        for (output, rasters) in self.task.outputs.iter().zip(&result.outputs) {
            if output.rasters == 0 {
                continue;
            }
            let fail = |what: String| Err(Error::Output { output: output.name.clone(), what });
            if rasters.len() != output.rasters as usize {
                return fail(format!(
                    "the function returned {} rasters, the job file has {} paths",
                    rasters.len(),
                    output.rasters
                ));
            }
            for raster in rasters {
                if raster.dtype != output.dtype {
                    return fail(format!(
                        "the function returned {}, announced was {}",
                        raster.dtype.name(),
                        output.dtype.name()
                    ));
                }
                if raster.bands == 0 {
                    return fail("the function returned a raster without bands".into());
                }
                let (rows, cols) = (tile.window.rows, tile.window.cols);
                if (raster.rows, raster.cols) != (rows, cols) {
                    let halo = self.task.halo;
                    let padded = halo > 0 && (raster.rows, raster.cols) == (rows + 2 * halo, cols + 2 * halo);
                    let hint = if padded { "; it still has its halo: call without_halo() on it" } else { "" };
                    return fail(format!(
                        "the function returned {} rows × {} columns, the tile has {rows} × {cols}{hint}",
                        raster.rows, raster.cols
                    ));
                }
            }
        }
        Ok(())
    }

    /// Makes the outputs' pixels ready to be written.
    fn settle(&self, instance: &mut Instance, result: &sandbox::Outcome, tally: &mut Tally) -> Result<(), Error> {
        for (place, (output, rasters)) in self.task.outputs.iter().zip(&result.outputs).enumerate() {
            if output.rasters == 0 {
                continue;
            }
            for (file, raster) in rasters.iter().enumerate() {
                let pixels = instance.bytes_mut(raster.range)?;
                let settled = nodata::settle(raster.dtype, pixels, raster.nodata, output.nodata, output.most);
                let lost = settled.map_err(|Unmarkable| Error::Output {
                    output: output.name.clone(),
                    what: format!(
                        "the function marked pixels as having no value, but this {} output has no nodata value to write for \
                         them; set outputs.{}.nodata in the job file, or nodata = … in the function",
                        raster.dtype.name(),
                        output.name
                    ),
                })?;
                for (what, pixels) in [(What::Nodata, lost.nodata), (What::Bits, lost.clamped)] {
                    tally.add(Count { what, place: number(place), file: number(file), pixels });
                }
            }
        }
        Ok(())
    }
}

/// Notes which pixels of an input's file were changed.
pub fn note_changes(tally: &mut Tally, (input, file): (usize, usize), found: &Found) {
    let changes = [(What::Clamped, found.clamped), (What::Rounded, found.rounded), (What::Moved, found.moved)];
    for (what, pixels) in changes {
        tally.add(Count { what, place: number(input), file: number(file), pixels });
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Whether any of `pixels`, `[bands, rows, cols]`, has a value.
pub fn any_valid(raster: &Raster, found: &Found, pixels: &[u8]) -> bool {
    let band_len = (pixels.len() / raster.bands.len().max(1)).max(1);
    let mut bands = raster.bands.iter().zip(pixels.chunks_exact(band_len)).enumerate();
    bands.any(|(index, (band, pixels))| nodata::any_valid(raster.dtype, pixels, found.mark(index, band.nodata)))
}

/// Bytes that the inputs (with `halo`) and outputs of a tile of `rows` × `cols` take in a module's memory, for sizing tiles.
pub fn working_set(task: &Task, rows: u32, cols: u32, halo: u32) -> u64 {
    let pad = |n: u32| n.saturating_add(halo.saturating_mul(2));
    let inputs = task
        .inputs
        .iter()
        .flat_map(|i| &i.rasters)
        .map(|r| r.bytes(pad(rows), pad(cols)).map_or(u64::MAX, |n| n as u64))
        .fold(0_u64, u64::saturating_add);
    let pixels = u64::from(rows) * u64::from(cols);
    let outputs: u64 =
        task.outputs.iter().map(|o| pixels.saturating_mul(u64::from(o.rasters) * dtype_size(o.dtype))).sum();
    inputs.saturating_add(outputs)
}

fn dtype_size(dtype: DType) -> u64 {
    dtype.size() as u64
}
