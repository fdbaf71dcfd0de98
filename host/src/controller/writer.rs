//! The outputs of a job: files under temporary names while tiles come in, in any order; final names when all is complete.

use super::report::OutputFile;
use crate::raster::{Error, Target, TargetSpec};
use crate::grid::Window;
use std::sync::{Mutex, PoisonError};

/// An output file: not yet begun, since its number of bands is seen from the first tile, or open.
enum Slot {
    Planned(TargetSpec),
    Open { bands: u32, target: Target },
    Closed,
}

/// All output files of a job. Threads write side by side, one at a time into each file.
pub struct Writer {
    outputs: Vec<(String, Vec<Mutex<Slot>>)>,
}

/// Why a tile can't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// GDAL refused.
    #[error("output {output:?}: {source}")]
    Raster {
        /// The output's name.
        output: String,
        /// What GDAL said.
        source: Error,
    },
    /// The tile's band count is not the file's.
    #[error(
        "output {output:?}: the function returned {found} bands here and {wanted} in an earlier tile; every tile must have the same"
    )]
    Bands {
        /// The output's name.
        output: String,
        /// Bands of this tile.
        found: u32,
        /// Bands of the file.
        wanted: u32,
    },
}

impl Writer {
    /// Creates no file yet.
    pub fn new(outputs: impl IntoIterator<Item = (String, Vec<TargetSpec>)>) -> Self {
        let outputs = outputs
            .into_iter()
            .map(|(name, specs)| (name, specs.into_iter().map(|s| Mutex::new(Slot::Planned(s))).collect()))
            .collect();
        Self { outputs }
    }

    /// Writes one raster of a tile: `pixels` are `[bands, rows, cols]` of the file's dtype.
    pub fn write(&self, output: usize, raster: usize, window: Window, bands: u32, pixels: &[u8]) -> Result<(), WriteError> {
        let Some((name, slot)) = self.outputs.get(output).and_then(|(name, slots)| Some((name, slots.get(raster)?))) else {
            return Ok(());
        };
        let fail = |source| WriteError::Raster { output: name.clone(), source };
        // A thread that panicked has ended the job; what it left in the slot is dropped, not published.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        open(&mut slot, bands).map_err(fail)?;
        let Slot::Open { bands: wanted, target } = &mut *slot else { return Ok(()) };
        if *wanted != bands {
            return Err(WriteError::Bands { output: name.clone(), found: bands, wanted: *wanted });
        }
        target.write(window, pixels).map_err(fail)
    }

    /// Completes all files, and only then gives them their final names.
    pub fn finish(&self) -> Result<Vec<OutputFile>, WriteError> {
        let mut written = Vec::new();
        for (name, slots) in &self.outputs {
            let fail = |source| WriteError::Raster { output: name.clone(), source };
            for slot in slots {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                // Not one tile had data: the file is all nodata.
                open(&mut slot, 1).map_err(fail)?;
                if let Slot::Open { target, .. } = std::mem::replace(&mut *slot, Slot::Closed) {
                    let file = target.finish(&mut |_| true).map_err(fail)?;
                    written.push(OutputFile { output: name.clone(), path: file.path, bytes: file.bytes });
                }
            }
        }
        Ok(written)
    }
}

fn open(slot: &mut Slot, bands: u32) -> Result<(), Error> {
    if let Slot::Planned(spec) = slot {
        spec.bands = bands;
        let target = Target::create(spec.clone())?;
        *slot = Slot::Open { bands, target };
    }
    Ok(())
}
