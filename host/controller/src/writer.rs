//! Writes the outputs of a job. Files have temporary names while tiles come in, in any order, and get their names when all are complete.

use super::journal::FileState;
use super::ranges::Ranges;
use super::report::OutputFile;
use grid::{Tile, Tiling};
use raster::{Complete, Error, Incomplete, Target, TargetSpec, Written};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state of an output file.
enum Slot {
    /// No tile has come yet; the first tile tells the number of bands.
    Planned {
        spec: Box<TargetSpec>,
        skipped: Ranges,
        /// The file, begun with the likely number of bands.
        begun: Option<Box<Target>>,
    },
    /// The file takes tiles.
    Open { bands: u32, target: Box<Target> },
    /// The file is complete, and doesn't have its name yet.
    Complete(Complete),
    /// The file has its name. The rest of its folder is removed once the journal says so.
    Named { file: Written, folder: Option<Complete> },
    /// The file was given up.
    Closed,
}

impl Slot {
    /// The state for the journal, if a later run can resume from it.
    fn state(&self) -> Option<FileState> {
        match self {
            Self::Planned { spec, begun, .. } => {
                let folder = begun.as_ref().map(|target| target.folder());
                Some(FileState::Empty { path: spec.path.clone(), folder })
            }
            Self::Complete(complete) => {
                Some(FileState::Complete { path: complete.path().to_owned(), at: complete.saved() })
            }
            Self::Named { file, folder } => {
                let folder = folder.as_ref().map(Complete::folder);
                Some(FileState::Named { path: file.path.clone(), bytes: file.bytes, folder })
            }
            Self::Open { .. } | Self::Closed => None,
        }
    }

    /// Sets whether the unfinished file stays when this is dropped.
    fn keep(&mut self, kept: bool) {
        match self {
            Self::Planned { begun: Some(target), .. } | Self::Open { target, .. } => target.keep(kept),
            Self::Complete(complete) => complete.keep(kept),
            Self::Planned { .. } | Self::Named { .. } | Self::Closed => {}
        }
    }
}

/// All output files of a job. Threads write at the same time, but only one into each file.
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

    /// Takes over the files that an earlier run left, which has `done` these tiles. They stay even if this run fails.
    pub fn resume(&self, files: &[Vec<FileState>], done: &Ranges) -> Result<(), WriteError> {
        for ((name, slots), files) in self.outputs.iter().zip(files) {
            let fail = |source| WriteError::Raster { output: name.clone(), source };
            for (slot, file) in slots.iter().zip(files) {
                let mut slot = lock(slot);
                let Slot::Planned { spec, skipped, .. } = &mut *slot else { continue };
                match file {
                    // No tile that was done had a valid pixel.
                    FileState::Empty { path, folder } => {
                        // The folder may be gone already.
                        folder.iter().for_each(|folder| drop(raster::discard_unfinished(path, folder)));
                        *skipped = done.clone();
                    }
                    FileState::Unfinished { bands, at, .. } => {
                        let spec = TargetSpec { bands: *bands, ..(**spec).clone() };
                        let target = Box::new(Target::resume(spec, at).map_err(fail)?);
                        *slot = Slot::Open { bands: *bands, target };
                    }
                    FileState::Complete { path, at } => {
                        *slot = Slot::Complete(Complete::resume(path, at).map_err(fail)?);
                    }
                    FileState::Named { path, .. } if !raster::exists(path) && !Path::new(path).exists() => {
                        let reason = "an earlier run has completed it, and it is gone".into();
                        return Err(fail(Error::Create { path: path.clone(), reason }));
                    }
                    FileState::Named { path, bytes, folder } => {
                        folder.iter().for_each(|folder| drop(raster::discard_unfinished(path, folder)));
                        let file = Written { path: path.clone(), bytes: *bytes };
                        *slot = Slot::Named { file, folder: None };
                    }
                }
            }
        }
        Ok(())
    }

    /// Tries whether all outputs without a name yet can be written at their places. Returns warnings.
    pub fn probe(&self) -> Result<Vec<String>, WriteError> {
        let (mut seen, mut warnings) = (BTreeSet::new(), Vec::new());
        self.each(&mut || {}, |slot| {
            let path = match slot {
                Slot::Planned { spec, .. } => &spec.path,
                Slot::Open { target, .. } => &target.spec().path,
                Slot::Complete(complete) => complete.path(),
                Slot::Named { .. } | Slot::Closed => return Ok(false),
            };
            if seen.insert(Path::new(path).parent().map(Path::to_owned)) {
                let refused = |reason| Error::Create { path: path.to_owned(), reason };
                warnings.extend(raster::probe(path).map_err(refused)?);
            }
            Ok(false)
        })?;
        Ok(warnings)
    }

    /// Begins all files, with the likely number of bands, so that a mistake in an output shows before the first tile. The planning
    /// thread has loaded PROJ's data for the CRS already.
    pub fn begin(&self) -> Result<(), WriteError> {
        self.each(&mut || {}, |slot| {
            if let Slot::Planned { spec, begun, .. } = slot {
                *begun = Some(Box::new(Target::create((**spec).clone())?));
            }
            Ok(false)
        })
    }

    /// Brings all files to the disk and returns their states; `None` if a file can't be resumed. `last`: no more pixels will come.
    /// `sync`: wait for the disk.
    pub fn checkpoint(&self, last: bool, sync: bool) -> Result<Option<Vec<Vec<FileState>>>, WriteError> {
        let mut all = Vec::new();
        for (name, slots) in &self.outputs {
            let fail = |source| WriteError::Raster { output: name.clone(), source };
            let mut files = Vec::new();
            for slot in slots {
                // The file isn't locked while this waits for the disk, so other tiles can be written.
                let closed = match &mut *lock(slot) {
                    Slot::Open { bands, target } => {
                        let checkpoint = if last { target.seal() } else { target.checkpoint() };
                        Err((checkpoint.map_err(fail)?, target.spec().path.clone(), *bands))
                    }
                    Slot::Complete(complete) if sync => {
                        complete.sync().map_err(fail)?;
                        Ok(Some(FileState::Complete { path: complete.path().to_owned(), at: complete.saved() }))
                    }
                    slot => Ok(slot.state()),
                };
                let state = match closed {
                    Ok(state) => state,
                    Err((checkpoint, path, bands)) => {
                        if let Some(checkpoint) = checkpoint.as_ref().filter(|_| sync) {
                            checkpoint.sync().map_err(fail)?;
                        }
                        checkpoint.map(|c| FileState::Unfinished { path, bands, at: c.unfinished() })
                    }
                };
                let Some(state) = state else { return Ok(None) };
                files.push(state);
            }
            all.push(files);
        }
        Ok(Some(all))
    }

    /// Sets whether all files without a name are left for a later run.
    pub fn keep(&self, kept: bool) {
        self.slots().for_each(|mut slot| slot.keep(kept));
    }

    /// Closes all files. Those that aren't kept are removed.
    pub fn close(&self) {
        self.slots().for_each(|mut slot| *slot = Slot::Closed);
    }

    /// Removes the folders of files that have their names. The journal must say so already.
    pub fn sweep(&self) {
        for mut slot in self.slots() {
            if let Slot::Named { folder, .. } = &mut *slot {
                folder.take().into_iter().for_each(|mut folder| folder.keep(false));
            }
        }
    }

    /// The files that have their names.
    pub fn named(&self) -> Vec<OutputFile> {
        let mut named = Vec::new();
        for (name, slots) in &self.outputs {
            for slot in slots {
                if let Slot::Named { file, .. } = &*lock(slot) {
                    named.push(OutputFile { output: name.clone(), path: file.path.clone(), bytes: file.bytes });
                }
            }
        }
        named
    }

    fn slots(&self) -> impl Iterator<Item = MutexGuard<'_, Slot>> {
        self.outputs.iter().flat_map(|(_, slots)| slots).map(lock)
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
        let mut slot = lock(slot);
        self.open(&mut slot, bands).map_err(fail)?;
        let Slot::Open { bands: wanted, target } = &mut *slot else { return Ok(()) };
        if *wanted != bands {
            return Err(WriteError::Bands { output: name.clone(), found: bands, wanted: *wanted });
        }
        target.write(tile.window, pixels).map_err(fail)
    }

    /// Notes in all files that a tile has no valid pixels.
    pub fn skip(&self, tile: &Tile) -> Result<(), WriteError> {
        self.each(&mut || {}, |slot| {
            match slot {
                Slot::Planned { skipped, .. } => {
                    skipped.insert(tile.index);
                }
                Slot::Open { target, .. } => target.skip(tile.window)?,
                Slot::Complete(_) | Slot::Named { .. } | Slot::Closed => {}
            }
            Ok(false)
        })
    }

    /// Completes all files, without giving them their names. `sync`: they are on the disk then. `go_on` is asked from time to time, and
    /// `note` called after each file. After an error or a stop this can be done again.
    pub fn complete(
        &self,
        sync: bool,
        go_on: &mut dyn FnMut() -> bool,
        note: &mut dyn FnMut(),
    ) -> Result<(), WriteError> {
        self.each(note, |slot| {
            // No tile had data, so the file is all nodata.
            let bands = if let Slot::Planned { spec, .. } = slot { spec.bands } else { 1 };
            self.open(slot, bands)?;
            if !matches!(slot, Slot::Open { .. }) {
                return Ok(false);
            }
            let Slot::Open { bands, target } = std::mem::replace(slot, Slot::Closed) else { return Ok(false) };
            match target.complete(&mut |_| go_on()) {
                Ok(complete) => {
                    let synced = if sync { complete.sync() } else { Ok(()) };
                    *slot = Slot::Complete(complete);
                    synced.map(|()| true)
                }
                Err(Incomplete { error, target }) => {
                    *slot = Slot::Open { bands, target };
                    Err(error)
                }
            }
        })
    }

    /// Gives all complete files their names, as [`complete`](Self::complete) completes them.
    pub fn publish(
        &self,
        sync: bool,
        go_on: &mut dyn FnMut() -> bool,
        note: &mut dyn FnMut(),
    ) -> Result<(), WriteError> {
        self.each(note, |slot| {
            let Slot::Complete(complete) = &*slot else { return Ok(false) };
            if !go_on() {
                return Err(Error::Stopped { path: complete.path().to_owned() });
            }
            let file = complete.publish(sync)?;
            if let Slot::Complete(complete) = std::mem::replace(slot, Slot::Closed) {
                *slot = Slot::Named { file, folder: Some(complete) };
            }
            Ok(true)
        })
    }

    /// Does `step` with every file, one after the other, up to the first error. `note` is called after each step that says true,
    /// when the file isn't locked any more.
    fn each(
        &self,
        note: &mut dyn FnMut(),
        mut step: impl FnMut(&mut Slot) -> Result<bool, Error>,
    ) -> Result<(), WriteError> {
        for (name, slots) in &self.outputs {
            for slot in slots {
                let done = step(&mut lock(slot));
                if done.map_err(|source| WriteError::Raster { output: name.clone(), source })? {
                    note();
                }
            }
        }
        Ok(())
    }

    fn open(&self, slot: &mut Slot, bands: u32) -> Result<(), Error> {
        if let Slot::Planned { spec, skipped, begun } = slot {
            let mut target = match begun.take() {
                Some(begun) if begun.spec().bands == bands => begun,
                begun => {
                    begun.into_iter().for_each(|mut begun| begun.keep(false));
                    // The plan has rehearsed the output with another number of bands.
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

/// The slot, even if a thread panicked with it: that thread has ended the job, so the slot is never published.
fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
