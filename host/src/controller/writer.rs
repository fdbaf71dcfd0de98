//! The outputs of a job: files under temporary names while tiles come in, in any order; final names when all is complete.

use super::journal::Unfinished;
use super::ranges::Ranges;
use super::report::OutputFile;
use crate::grid::{Tile, Tiling};
use crate::raster::{Complete, Error, Target, TargetSpec};
use std::sync::{Mutex, PoisonError};

/// An output file: planned, since its number of bands is seen from the first tile, or open.
enum Slot {
    Planned {
        spec: Box<TargetSpec>,
        skipped: Ranges,
        /// Begun with the number of bands that is likely.
        begun: Option<Box<Target>>,
    },
    Open {
        bands: u32,
        target: Box<Target>,
    },
    /// Complete, under its final name.
    Closed,
}

impl Slot {
    /// Where a file is that holds nothing yet.
    fn empty(&self) -> Unfinished {
        let folder = match self {
            Self::Planned { begun: Some(target), .. } => Some(target.folder().to_owned()),
            _ => None,
        };
        Unfinished { folder, bands: 0 }
    }
}

/// All output files of a job. Threads write side by side, one at a time into each file.
pub struct Writer {
    outputs: Vec<(String, Vec<Mutex<Slot>>)>,
    tiling: Tiling,
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
    /// Creates no file yet. The tiles will be those of `tiling`.
    pub fn new(outputs: impl IntoIterator<Item = (String, Vec<TargetSpec>)>, tiling: Tiling) -> Self {
        let planned =
            |spec| Mutex::new(Slot::Planned { spec: Box::new(spec), skipped: Ranges::default(), begun: None });
        let outputs = outputs.into_iter().map(|(name, specs)| (name, specs.into_iter().map(planned).collect()));
        Self { outputs: outputs.collect(), tiling }
    }

    /// Goes on with the files that an earlier run left, which had `done`.
    pub fn resume(&self, files: &[Vec<Unfinished>], done: &Ranges, publishing: bool) -> Result<(), WriteError> {
        for ((name, slots), files) in self.outputs.iter().zip(files) {
            for (slot, file) in slots.iter().zip(files) {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                let Slot::Planned { spec, skipped, .. } = &mut *slot else { continue };
                match &file.folder {
                    Some(_) if file.bands == 0 => {
                        file.discard();
                        *skipped = done.clone();
                    }
                    // It got its name before the earlier run ended.
                    Some(folder) if publishing && !folder.exists() => *slot = Slot::Closed,
                    Some(folder) => {
                        let spec = TargetSpec { bands: file.bands, ..(**spec).clone() };
                        let target = Target::resume(spec, folder)
                            .map_err(|source| WriteError::Raster { output: name.clone(), source })?;
                        *slot = Slot::Open { bands: file.bands, target: Box::new(target) };
                    }
                    // Whatever was done so far had no valid pixel.
                    None => *skipped = done.clone(),
                }
            }
        }
        Ok(())
    }

    /// Begins all files, with as many bands as are likely. Whatever is wrong with an output shows now,
    /// not after the first tile; and the thread that planned has loaded what it takes to write a CRS already.
    pub fn begin(&self) -> Result<(), WriteError> {
        for (name, slots) in &self.outputs {
            for slot in slots {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                if let Slot::Planned { spec, begun, .. } = &mut *slot {
                    let target = Target::create((**spec).clone());
                    *begun =
                        Some(Box::new(target.map_err(|source| WriteError::Raster { output: name.clone(), source })?));
                }
            }
        }
        Ok(())
    }

    /// Where the files are that were begun and hold nothing yet.
    pub fn begun(&self) -> Vec<Vec<Unfinished>> {
        let begun = |slot: &Mutex<Slot>| slot.lock().unwrap_or_else(PoisonError::into_inner).empty();
        self.outputs.iter().map(|(_, slots)| slots.iter().map(begun).collect()).collect()
    }

    /// Brings all files to the disk. Returns where they are; `None` if one of them can't be resumed from.
    pub fn checkpoint(&self) -> Result<Option<Vec<Vec<Unfinished>>>, WriteError> {
        let mut all = Vec::new();
        for (name, slots) in &self.outputs {
            let fail = |source| WriteError::Raster { output: name.clone(), source };
            let mut files = Vec::new();
            for slot in slots {
                // Waiting for the disk, it isn't locked: other tiles can be written meanwhile.
                let closed = match &mut *slot.lock().unwrap_or_else(PoisonError::into_inner) {
                    Slot::Open { bands, target } => Ok((*bands, target.checkpoint().map_err(fail)?)),
                    slot => Err(slot.empty()),
                };
                files.push(match closed {
                    Err(empty) => empty,
                    Ok((_, None)) => return Ok(None),
                    Ok((bands, Some(checkpoint))) => {
                        Unfinished { folder: Some(checkpoint.sync().map_err(fail)?), bands }
                    }
                });
            }
            all.push(files);
        }
        Ok(Some(all))
    }

    /// Leaves all unfinished files for a later run.
    pub fn keep(&self) {
        for slot in self.outputs.iter().flat_map(|(_, slots)| slots) {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if let Slot::Open { target, .. } = std::mem::replace(&mut *slot, Slot::Closed) {
                target.keep();
            }
        }
    }

    /// Writes one raster of a tile: `pixels` are `[bands, rows, cols]` of the file's dtype.
    pub fn write(
        &self,
        output: usize,
        raster: usize,
        tile: &Tile,
        bands: u32,
        pixels: &[u8],
    ) -> Result<(), WriteError> {
        let found = self.outputs.get(output).and_then(|(name, slots)| Some((name, slots.get(raster)?)));
        // An output that the job leaves out has no files.
        let Some((name, slot)) = found else { return Ok(()) };
        let fail = |source| WriteError::Raster { output: name.clone(), source };
        // A thread that panicked has ended the job; what it left in the slot is dropped, not published.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        self.open(&mut slot, bands).map_err(fail)?;
        let Slot::Open { bands: wanted, target } = &mut *slot else { return Ok(()) };
        if *wanted != bands {
            return Err(WriteError::Bands { output: name.clone(), found: bands, wanted: *wanted });
        }
        target.write(tile.window, pixels).map_err(fail)
    }

    /// Leaves a tile without valid pixels in all files.
    pub fn skip(&self, tile: &Tile) -> Result<(), WriteError> {
        for (name, slots) in &self.outputs {
            for slot in slots {
                match &mut *slot.lock().unwrap_or_else(PoisonError::into_inner) {
                    Slot::Planned { skipped, .. } => {
                        skipped.insert(tile.index);
                    }
                    Slot::Open { target, .. } => {
                        target
                            .skip(tile.window)
                            .map_err(|source| WriteError::Raster { output: name.clone(), source })?;
                    }
                    Slot::Closed => {}
                }
            }
        }
        Ok(())
    }

    /// Completes all files, and only then gives them their final names; with `sync` once they are on the disk.
    /// `go_on` is asked from time to time.
    pub fn finish(&self, sync: bool, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<OutputFile>, WriteError> {
        let mut complete = Vec::new();
        for (name, slots) in &self.outputs {
            let fail = |source| WriteError::Raster { output: name.clone(), source };
            for slot in slots {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                // Not one tile had data: the file is all nodata.
                let bands = if let Slot::Planned { spec, .. } = &*slot { spec.bands } else { 1 };
                self.open(&mut slot, bands).map_err(fail)?;
                if let Slot::Open { target, .. } = std::mem::replace(&mut *slot, Slot::Closed) {
                    complete.push((name, target.complete(&mut |_| go_on()).map_err(fail)?));
                }
            }
        }
        let publish = |(name, file): (&String, Complete)| match file.publish(sync) {
            Ok(file) => Ok(OutputFile { output: name.clone(), path: file.path, bytes: file.bytes }),
            Err(source) => Err(WriteError::Raster { output: name.clone(), source }),
        };
        complete.into_iter().map(publish).collect()
    }

    fn open(&self, slot: &mut Slot, bands: u32) -> Result<(), Error> {
        if let Slot::Planned { spec, skipped, begun } = slot {
            let mut target = match begun.take() {
                Some(begun) if begun.spec().bands == bands => begun,
                _ => {
                    // The plan has tried it with another number.
                    let spec = TargetSpec { bands, ..(**spec).clone() };
                    let rehearsal = spec.rehearse()?;
                    rehearsal.warnings.iter().for_each(|warning| tracing::warn!("{}: {warning}", spec.path));
                    Box::new(Target::create(spec)?)
                }
            };
            for tile in skipped.iter().filter_map(|index| self.tiling.tile(index)) {
                target.skip(tile.window)?;
            }
            *slot = Slot::Open { bands, target };
        }
        Ok(())
    }
}
