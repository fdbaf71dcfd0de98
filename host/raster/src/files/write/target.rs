//! Writing one output raster.

use crate::files::fill::fill;
use crate::files::gdal::call;
use crate::files::layout::buffer_len;
use crate::files::write::blocks::BlockWriter;
use crate::files::write::creation::Creation;
use crate::files::write::levels::Levels;
use crate::files::write::passing::Passed;
use crate::files::write::progress::Progress;
use crate::files::write::spec::{TargetSpec, check, nodata_bits};
use crate::files::write::staging::Staging;
use crate::files::write::unfinished::{Checkpoint, Complete, Contents, HEAD, Unfinished, Written, head, mend};
use crate::files::write::{dataset, finish};
use crate::{Error, Result};
use gdal::Dataset;
use grid::Window;
use std::path::PathBuf;
use types::location::gdal_name;

/// An output that could not be completed. Its pixels are all there, unless they could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Incomplete {
    /// Why.
    pub error: Error,
    /// What can be kept for another attempt.
    pub target: Box<Target>,
}

impl From<Incomplete> for Error {
    fn from(incomplete: Incomplete) -> Self {
        incomplete.error
    }
}

/// An output that is being written. It has a temporary name until [`Target::finish`]; dropped before, it leaves
/// nothing behind, unless it is kept.
#[derive(Debug)]
pub struct Target {
    spec: TargetSpec,
    // Closed before the folder goes: fields are dropped in order.
    /// None once it is sealed, or after a checkpoint or a write has failed.
    dataset: Option<Dataset>,
    /// Why nothing more can be written.
    broken: Option<String>,
    /// The file's head, once it is closed and has all its pixels.
    sealed: Option<[u8; HEAD]>,
    staging: Staging,
    /// What `dataset` is written to.
    file: PathBuf,
    /// The driver that copies the temporary GeoTIFF, if the format needs one.
    copy_to: Option<Creation>,
    /// Whether `file` is a GeoTIFF, in which blocks that were never written read as nodata.
    geotiff: bool,
    /// Writes to `dataset`.
    blocks: BlockWriter,
    /// What tiles have yielded on their way.
    passed: Passed,
}

impl Target {
    /// Creates the output under a temporary name in the same folder. Nothing is there under its own name before
    /// [`Target::finish`]; whether it may be replaced is for the caller to check.
    ///
    /// # Errors
    /// [`Error::Create`] or [`Error::Nodata`], also for everything in `spec` that can't work.
    pub fn create(spec: TargetSpec) -> Result<Self> {
        let spec = check(spec)?;
        let path = spec.path.clone();
        let failed = |reason: String| Error::Create { path: path.clone(), reason };
        let creation = Creation::plan(&spec).map_err(failed)?;
        let staging = Staging::new(&gdal_name(&spec.path)).map_err(failed)?;
        let (written_by, file, copy_to) = if creation.direct {
            (creation, staging.file(), None)
        } else {
            (
                Creation::temporary(&spec).map_err(failed)?,
                staging.scratch("pixels.tif").map_err(failed)?,
                Some(creation),
            )
        };
        let dataset = dataset::create(&spec, &written_by, &file).map_err(failed)?;
        let geotiff = written_by.is_geotiff();
        Self::of(spec, dataset, file, staging, copy_to, geotiff, true)
    }

    fn of(
        spec: TargetSpec,
        mut dataset: Dataset,
        file: PathBuf,
        staging: Staging,
        copy_to: Option<Creation>,
        geotiff: bool,
        new: bool,
    ) -> Result<Self> {
        let blank = if geotiff { Some(nodata_bits(&spec)?) } else { None };
        let blocks = BlockWriter::new(&dataset, spec.dtype, spec.tile.0, blank)
            .map_err(|reason| Error::Create { path: spec.path.clone(), reason })?;
        let passed = Passed::new(&spec, &mut dataset, new)?;
        let (broken, sealed) = (None, None);
        Ok(Self { spec, dataset: Some(dataset), broken, sealed, file, staging, copy_to, geotiff, blocks, passed })
    }

    /// What is being written; the nodata value is as the type holds it.
    pub const fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    /// Writes a window of the grid from `[bands, rows, cols]` pixels in memory order.
    ///
    /// # Errors
    /// [`Error::Write`], after which nothing more can be written; [`Error::Shape`] when the window is not in the grid or `data` has another size.
    pub fn write(&mut self, window: Window, data: &[u8]) -> Result<()> {
        let shape = |reason: String| Error::Shape { path: self.spec.path.clone(), reason };
        if window.is_empty() || !self.spec.grid.window().contains(&window) {
            return Err(shape(format!("{window} is not in the grid of {}", self.spec.grid.window())));
        }
        if self.len_of(&window) != Some(data.len()) {
            return Err(shape(format!("{} bytes for {} bands of {window}", data.len(), self.spec.bands)));
        }
        let written = match &self.dataset {
            Some(dataset) => {
                let written = self.blocks.write(dataset, &window, data);
                written.and_then(|()| self.passed.pass(dataset, &window, data))
            }
            None => Err(self.why_broken()),
        };
        written.map_err(|reason| {
            self.give_up(&reason);
            Error::Write { path: self.spec.path.clone(), window, reason }
        })
    }

    /// Leaves a window without valid pixels: it reads as nodata, or as 0 where the output has none. Cheap in formats
    /// that don't store such blocks.
    ///
    /// # Errors
    /// As [`Target::write`].
    pub fn skip(&mut self, window: Window) -> Result<()> {
        if self.geotiff {
            self.passed.skip(&window);
            return Ok(());
        }
        let bits = nodata_bits(&self.spec)?;
        let mut data = vec![0; self.len_of(&window).unwrap_or_default()];
        fill(&mut data, bits, self.spec.dtype);
        self.write(window, &data)
    }

    /// Bytes of a window's pixels.
    fn len_of(&self, window: &Window) -> Option<usize> {
        buffer_len(usize::try_from(self.spec.bands).ok()?, window, self.spec.dtype.size())
    }

    /// Leaves the file as it is after a failed write: GDAL's idea of the file is unreliable then, and closing would write it into the file.
    /// As it is, a later run can resume it from the last checkpoint, as after a crash.
    fn give_up(&mut self, reason: &str) {
        if let Some(dataset) = self.dataset.take() {
            abandon(dataset);
            self.broken = Some(reason.to_owned());
        }
    }

    /// The reason of the first failure: later ones only follow from it.
    fn why_broken(&self) -> String {
        self.broken.clone().unwrap_or_else(|| "all its pixels have been written".into())
    }

    /// The name of the folder that holds the output until it is complete.
    pub fn folder(&self) -> String {
        self.staging.folder_name()
    }

    /// Hands all that has been written to the operating system; once [`Checkpoint::sync`] has returned, too,
    /// [`Target::resume`] finds it after any crash. `None` where the format can't be opened again before it is complete.
    ///
    /// # Errors
    /// [`Error::Finish`]; the output can't be written any more then.
    pub fn checkpoint(&mut self) -> Result<Option<Checkpoint>> {
        if self.sealed.is_some() || !self.geotiff {
            return Ok(self.sealed());
        }
        let failed = self.failing("writing a checkpoint");
        let head = self.close_geotiff(false).map_err(&failed)?;
        let reopened = dataset::reopen_for_writing(&self.file, self.spec.threads);
        self.dataset = Some(reopened.inspect_err(|e| self.broken = Some(e.clone())).map_err(&failed)?);
        Ok(Some(self.at(head)))
    }

    /// As [`Target::checkpoint`], once all pixels have been written: nothing more can be, but the output be completed.
    ///
    /// # Errors
    /// As [`Target::checkpoint`].
    pub fn seal(&mut self) -> Result<Option<Checkpoint>> {
        if self.sealed.is_none() && self.geotiff {
            let head = self.close_geotiff(true).map_err(self.failing("writing the last blocks"))?;
            self.sealed = Some(head);
        }
        Ok(self.sealed())
    }

    /// The checkpoint of a sealed output.
    fn sealed(&self) -> Option<Checkpoint> {
        self.sealed.map(|head| self.at(head))
    }

    fn at(&self, head: [u8; HEAD]) -> Checkpoint {
        let unfinished = Unfinished { folder: self.staging.folder_name(), head };
        Checkpoint { path: self.spec.path.clone(), file: self.file.clone(), unfinished }
    }

    fn failing(&self, step: &'static str) -> impl Fn(String) -> Error + use<> {
        let path = self.spec.path.clone();
        move |reason| Error::Finish { path: path.clone(), step, reason }
    }

    /// GDAL writes where the blocks are only when it closes a GeoTIFF. Returns the file's head. Blocks of overviews wait for `last`: a later
    /// run makes them anew.
    fn close_geotiff(&mut self, last: bool) -> Result<[u8; HEAD], String> {
        let Some(dataset) = self.dataset.take() else { return Err(self.why_broken()) };
        let levels = self.passed.levels.as_mut().filter(|levels| last && !levels.given_up());
        let settled = self.blocks.settle(&dataset);
        let closed = match settled.and_then(|()| levels.map_or(Ok(()), |levels| levels.settle(&dataset))) {
            Ok(()) => dataset::close(dataset),
            Err(reason) => {
                abandon(dataset);
                Err(reason)
            }
        };
        let head = closed.and_then(|()| head(&self.file).map_err(|e| e.to_string()));
        head.inspect_err(|reason| self.broken = Some(reason.clone()))
    }

    /// Goes on with an output that an earlier run left unfinished; it stays when this is dropped.
    ///
    /// # Errors
    /// As [`Target::create`]; also when what is there isn't what `spec` wants.
    pub fn resume(spec: TargetSpec, unfinished: &Unfinished) -> Result<Self> {
        let spec = check(spec)?;
        let path = spec.path.clone();
        let failed = |reason: String| Error::Create { path: path.clone(), reason };
        let creation = Creation::plan(&spec).map_err(failed)?;
        let staging = Staging::adopt(&gdal_name(&spec.path), &unfinished.folder).map_err(failed)?;
        let geotiff = !creation.direct || creation.is_geotiff();
        let (file, copy_to) = match creation.direct {
            true => (staging.file(), None),
            false => (staging.scratch("pixels.tif").map_err(failed)?, Some(creation)),
        };
        let dataset = if geotiff {
            mend(&file, &unfinished.head).map_err(|e| failed(format!("{}: {e}", file.display())))?;
            dataset::reopen_for_writing(&file, spec.threads)
        } else {
            dataset::reopen(&file)
        };
        let dataset = dataset.map_err(failed)?;
        let (cols, rows) = dataset.raster_size();
        let found = (u32::try_from(rows), u32::try_from(cols), u32::try_from(dataset.raster_count()));
        if found != (Ok(spec.grid.rows), Ok(spec.grid.cols), Ok(spec.bands)) {
            return Err(failed(format!(
                "the unfinished file has {rows} rows × {cols} columns × {} bands, not the job's",
                dataset.raster_count()
            )));
        }
        Self::of(spec, dataset, file, staging, copy_to, geotiff, false)
    }

    /// Whether the unfinished output outlives this, for [`Target::resume`].
    pub fn keep(&mut self, kept: bool) {
        self.staging.keep(kept);
    }

    /// Completes the output and gives it its final name: [`Target::complete`] and [`Complete::publish`].
    ///
    /// # Errors
    /// Those of both.
    pub fn finish(self, progress: &mut dyn FnMut(f64) -> bool) -> Result<Written> {
        let complete = self.complete(progress)?;
        complete.sync()?;
        complete.publish(true)
    }

    /// Completes the output but for its name: statistics, overviews and so on. `progress` is called with the part done,
    /// from 0 to 1, and returns whether to go on. A file that was there before is as it was, whatever happens.
    ///
    /// # Errors
    /// [`Error::Finish`], or [`Error::Stopped`] when `progress` said so, with what another attempt can go on with.
    pub fn complete(mut self, progress: &mut dyn FnMut(f64) -> bool) -> Result<Complete, Incomplete> {
        let finished = self.finish_file(progress).and_then(|()| {
            let contents = Contents::of(&self.staging);
            contents.map_err(self.failing("looking at what was written"))
        });
        match finished {
            Ok(contents) => Ok(Complete::new(self.spec.path, self.staging, contents)),
            Err(error) => Err(Incomplete { error, target: Box::new(self) }),
        }
    }

    fn finish_file(&mut self, progress: &mut dyn FnMut(f64) -> bool) -> Result<()> {
        let mut progress = Progress::new(progress);
        self.seal()?;
        let mut dataset = match self.dataset.take() {
            Some(dataset) => dataset,
            None if self.sealed.is_some() => dataset::reopen(&self.file).map_err(self.failing("opening it again"))?,
            None => return Err(self.failing("writing the last blocks")(self.why_broken())),
        };
        let done = self.finish_dataset(&mut dataset, &mut progress);
        let closed = match &done {
            // The file is only complete, and every error known, once it is closed.
            Ok(()) => dataset::close(dataset).map_err(self.failing("closing the file")),
            // As it is, it has all its pixels.
            Err(_) if self.geotiff => {
                abandon(dataset);
                self.passed.levels.iter_mut().for_each(Levels::undone);
                Ok(())
            }
            Err(_) => {
                self.sealed = dataset::close(dataset).is_ok().then_some([0; HEAD]);
                Ok(())
            }
        };
        match done {
            Err(_) if progress.stopped() => Err(Error::Stopped { path: self.spec.path.clone() }),
            done => done.and(closed),
        }
    }

    /// Adds to the pixels what the job wants, and copies them where the format is made by copying.
    fn finish_dataset(&mut self, dataset: &mut Dataset, progress: &mut Progress) -> Result<()> {
        let flush = |dataset: &mut Dataset| {
            let (flushed, messages) = call::watch(|| dataset.flush_cache());
            dataset::check_call(flushed, &messages)
        };
        if !self.geotiff {
            self.blocks.settle(dataset).map_err(self.failing("writing the last blocks"))?;
            flush(dataset).map_err(self.failing("writing the last blocks"))?;
        }
        let file = self.geotiff.then_some(&*self.file);
        let finished = finish::finish(dataset, file, &self.spec, &mut self.passed, progress);
        finished.map_err(|(step, reason)| self.failing(step)(reason))?;
        if progress.stopped() {
            return Err(Error::Stopped { path: self.spec.path.clone() });
        }
        let Some(creation) = &self.copy_to else { return Ok(()) };
        let failed = self.failing("copying to its format");
        // An earlier attempt may have left something there.
        self.staging.clear().map_err(&failed)?;
        flush(dataset).map_err(self.failing("writing the last blocks"))?;
        let copied = dataset::copy(dataset, creation, &self.staging.file(), progress).map_err(&failed)?;
        dataset::close(copied).map_err(&failed)
    }
}

/// Leaks the dataset, so that GDAL neither writes to the file nor closes it.
fn abandon(dataset: Dataset) {
    std::mem::forget(dataset);
}
