//! Writing one output raster.

use super::blocks::BlockWriter;
use super::colors::ColorRamp;
use super::creation::{Creation, RESAMPLING};
use super::fill::fill;
use super::finishing::{self, Progress};
use super::io::buffer_len;
use super::staging::Staging;
use super::{Error, Nodata, Result, cpl, dataset, open};
use crate::grid::{Grid, Window};
use gdal::Dataset;
use std::path::{Path, PathBuf};
use tilefn_abi::DType;

/// Why a target can't be used any more.
const BROKEN: &str = "it could not be written earlier";

/// Which overviews an output gets.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Overviews {
    /// None.
    None,
    /// Halved again and again until both sides have at most 256 pixels.
    #[default]
    Automatic,
    /// These factors.
    Levels(Vec<u32>),
}

/// An output raster as the job wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetSpec {
    /// The file, as the user named it; `s3://…` and GDAL's `/vsi…` paths are written locally first.
    pub path: String,
    /// GDAL's short name of the format; default from the extension.
    pub driver: Option<String>,
    /// Creation options `NAME=VALUE`, which go before tilefn's own.
    pub options: Vec<String>,
    /// CRS, geotransform and size.
    pub grid: Grid,
    /// Whether the file gets the geotransform. Without, it has no place on the map.
    pub georeferenced: bool,
    /// Number of bands, at least 1. In a plan, the number that is likely.
    pub bands: u32,
    /// Element type of all bands.
    pub dtype: DType,
    /// Nodata value of all bands.
    pub nodata: Option<Nodata>,
    /// Descriptions of the bands; none, or one for each.
    pub band_names: Vec<String>,
    /// Whether to store minimum, maximum, mean and standard deviation.
    pub statistics: bool,
    /// Whether to store a histogram, and with statistics median and mode.
    pub histogram: bool,
    /// Which overviews to build. Formats that GDAL can't create step by step, such as PNG, have none; COG has.
    pub overviews: Overviews,
    /// How: one of GDAL's methods in lower case; default `"nearest"`.
    pub overview_resampling: Option<String>,
    /// The name of a [`ColorRamp`] for a colour table over the values from 0 to the largest.
    pub color_table: Option<String>,
    /// Whether the values are classes.
    pub thematic: bool,
    /// Metadata items of the file.
    pub metadata: Vec<(String, String)>,
    /// Rows and columns of the tiles that will be written, for the choice of blocks.
    pub tile: (u32, u32),
    /// Threads that GDAL may compress with.
    pub threads: u32,
}

impl TargetSpec {
    /// Refuses what is wrong in itself, before anything is tried.
    ///
    /// # Errors
    /// As [`Target::create`].
    pub fn check(&self) -> Result<()> {
        let spec = check(self.clone())?;
        Creation::plan(&spec).map(drop).map_err(|reason| Error::Create { path: spec.path, reason })
    }
}

/// An output that is complete but for its name; dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Complete {
    path: String,
    staging: Staging,
}

impl Complete {
    /// Gives the output its final name, in exchange for what is there; with `sync` once all of it is on the disk, so
    /// that it is whole even if the machine fails in the next moment.
    ///
    /// # Errors
    /// [`Error::Finish`].
    pub fn publish(self, sync: bool) -> Result<Written> {
        let Self { path, staging } = self;
        match staging.publish(sync) {
            Ok(bytes) => Ok(Written { path, bytes }),
            Err(reason) => Err(Error::Finish { path, step: "giving it its name", reason }),
        }
    }
}

/// A finished output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file, as the user named it.
    pub path: String,
    /// Bytes on disk, of all files that belong to it.
    pub bytes: u64,
}

/// A state of an unfinished output that can be gone on with.
#[derive(Debug)]
pub struct Checkpoint {
    path: String,
    file: PathBuf,
    folder: PathBuf,
}

impl Checkpoint {
    /// Waits until it is on the disk. Returns the folder to resume from.
    ///
    /// # Errors
    /// [`Error::Finish`].
    pub fn sync(self) -> Result<PathBuf> {
        let Self { path, file, folder } = self;
        match std::fs::File::open(file).and_then(|f| f.sync_all()) {
            Ok(()) => Ok(folder),
            Err(e) => Err(Error::Finish { path, step: "writing a checkpoint", reason: e.to_string() }),
        }
    }
}

/// An output that is being written. It has a temporary name until [`Target::finish`]; dropped before, it leaves
/// nothing behind.
#[derive(Debug)]
pub struct Target {
    spec: TargetSpec,
    // Closed before the folder goes: fields are dropped in order.
    /// None only after a checkpoint or a write has failed.
    dataset: Option<Dataset>,
    staging: Staging,
    /// What `dataset` is written to.
    file: PathBuf,
    /// The driver that copies the temporary GeoTIFF, if the format needs one.
    copy_to: Option<Creation>,
    /// Whether `file` is a GeoTIFF, in which blocks that were never written read as nodata.
    geotiff: bool,
    /// Writes to `dataset`.
    blocks: BlockWriter,
    /// The largest number that a pixel has room for, where that is less than its type has.
    most: Option<u64>,
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
        let staging = Staging::new(&open::gdal_path(&spec.path)).map_err(failed)?;
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
        Self::of(spec, dataset, file, staging, copy_to, geotiff)
    }

    fn of(
        spec: TargetSpec,
        dataset: Dataset,
        file: PathBuf,
        staging: Staging,
        copy_to: Option<Creation>,
        geotiff: bool,
    ) -> Result<Self> {
        let blank = if geotiff { Some(nodata_bits(&spec)?) } else { None };
        let blocks = BlockWriter::new(&dataset, spec.dtype, spec.tile.0, blank)
            .map_err(|reason| Error::Create { path: spec.path.clone(), reason })?;
        let most = dataset::most(&dataset, spec.dtype);
        Ok(Self { spec, dataset: Some(dataset), file, staging, copy_to, geotiff, blocks, most })
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
        if let Some((value, most)) =
            self.most.and_then(|most| Some((dataset::above(data, self.spec.dtype, most)?, most)))
        {
            let reason = format!("the value {value} has no room in NBITS, which holds numbers from 0 to {most}");
            return Err(Error::Write { path: self.spec.path.clone(), window, reason });
        }
        let Some(dataset) = &self.dataset else { return Err(shape(BROKEN.into())) };
        let written = self.blocks.write(dataset, &window, data);
        if written.is_err() {
            self.dataset.take().into_iter().for_each(abandon);
        }
        written.map_err(|reason| Error::Write { path: self.spec.path.clone(), window, reason })
    }

    /// Leaves a window without valid pixels: it reads as nodata, or as 0 where the output has none. Cheap in formats
    /// that don't store such blocks.
    ///
    /// # Errors
    /// As [`Target::write`].
    pub fn skip(&mut self, window: Window) -> Result<()> {
        if self.geotiff {
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

    /// The folder that holds the output until it is complete.
    pub fn folder(&self) -> &Path {
        self.staging.folder()
    }

    /// Hands all that has been written to the operating system; once [`Checkpoint::sync`] has returned, too,
    /// [`Target::resume`] finds it after any crash. `None` where the format can't be opened again before it is complete.
    ///
    /// # Errors
    /// [`Error::Finish`]; the output can't be written any more then.
    pub fn checkpoint(&mut self) -> Result<Option<Checkpoint>> {
        if !self.geotiff {
            return Ok(None);
        }
        let path = self.spec.path.clone();
        let failed = |reason: String| Error::Finish { path: path.clone(), step: "writing a checkpoint", reason };
        let dataset = self.dataset.take().ok_or_else(|| failed(BROKEN.into()))?;
        if let Err(reason) = self.blocks.settle(&dataset) {
            abandon(dataset);
            return Err(failed(reason));
        }
        // GDAL writes where the blocks are only when it closes a GeoTIFF.
        dataset::close(dataset).map_err(failed)?;
        self.dataset = Some(dataset::reopen_for_writing(&self.file, self.spec.threads).map_err(failed)?);
        Ok(Some(Checkpoint { path, file: self.file.clone(), folder: self.staging.folder().to_owned() }))
    }

    /// Goes on with an output of which an earlier run left a checkpoint in `folder`.
    ///
    /// # Errors
    /// As [`Target::create`]; also when what is there isn't what `spec` wants.
    pub fn resume(spec: TargetSpec, folder: &Path) -> Result<Self> {
        let spec = check(spec)?;
        let path = spec.path.clone();
        let failed = |reason: String| Error::Create { path: path.clone(), reason };
        let creation = Creation::plan(&spec).map_err(failed)?;
        let staging = Staging::adopt(&open::gdal_path(&spec.path), folder).map_err(failed)?;
        let (file, copy_to) = match creation.direct {
            true => (staging.file(), None),
            false => (staging.scratch("pixels.tif").map_err(failed)?, Some(creation)),
        };
        let dataset = dataset::reopen_for_writing(&file, spec.threads).map_err(failed)?;
        let (cols, rows) = dataset.raster_size();
        let found = (u32::try_from(rows), u32::try_from(cols), u32::try_from(dataset.raster_count()));
        if found != (Ok(spec.grid.rows), Ok(spec.grid.cols), Ok(spec.bands)) {
            return Err(failed(format!(
                "the unfinished file has {rows} rows × {cols} columns × {} bands, not the job's",
                dataset.raster_count()
            )));
        }
        Self::of(spec, dataset, file, staging, copy_to, true)
    }

    /// Leaves the unfinished output for [`Target::resume`].
    pub fn keep(mut self) {
        self.staging.keep();
    }

    /// Completes the output and gives it its final name: [`Target::complete`] and [`Complete::publish`].
    ///
    /// # Errors
    /// Those of both.
    pub fn finish(self, progress: &mut dyn FnMut(f64) -> bool) -> Result<Written> {
        self.complete(progress)?.publish(true)
    }

    /// Completes the output but for its name: statistics, overviews and so on. `progress` is called with the part done,
    /// from 0 to 1, and returns whether to go on.
    ///
    /// # Errors
    /// [`Error::Finish`], or [`Error::Stopped`] when `progress` said so; then nothing is left behind, and a file that
    /// was there before is as it was.
    pub fn complete(self, progress: &mut dyn FnMut(f64) -> bool) -> Result<Complete> {
        let Self { spec, dataset, file, staging, copy_to, geotiff, mut blocks, .. } = self;
        let mut progress = Progress::new(progress);
        let path = spec.path.clone();
        let failed = |step: &'static str| {
            let path = path.clone();
            move |reason: String| Error::Finish { path, step, reason }
        };
        let stopped = || Error::Stopped { path: path.clone() };
        let mut dataset = dataset.ok_or_else(|| failed("opening it again")(BROKEN.into()))?;
        blocks.settle(&dataset).map_err(failed("writing the last blocks"))?;
        if geotiff {
            // The file is only complete, and every error known, once it is closed.
            dataset::close(dataset).map_err(failed("writing the last blocks"))?;
            dataset = dataset::reopen(&file).map_err(failed("opening it again"))?;
        } else {
            let (flushed, messages) = cpl::watch(|| dataset.flush_cache());
            dataset::check_call(flushed, &messages).map_err(failed("writing the last blocks"))?;
        }
        if let Err((step, reason)) = finishing::finish(&mut dataset, geotiff.then_some(&*file), &spec, &mut progress) {
            return Err(if progress.stopped() { stopped() } else { failed(step)(reason) });
        }
        if progress.stopped() {
            return Err(stopped());
        }
        if let Some(creation) = copy_to {
            let (flushed, messages) = cpl::watch(|| dataset.flush_cache());
            dataset::check_call(flushed, &messages).map_err(failed("writing the last blocks"))?;
            let copied = dataset::copy(&dataset, &creation, &staging.file(), &mut progress);
            if progress.stopped() {
                return Err(stopped());
            }
            dataset::close(copied.map_err(failed("copying to its format"))?)
                .map_err(failed("copying to its format"))?;
        }
        dataset::close(dataset).map_err(failed("closing the file"))?;
        Ok(Complete { path, staging })
    }
}

/// Leaves a file as it is after a failed write. Where GDAL would write next is uncertain then, and to close the file would put that into
/// it. As it is, it can be resumed from the last checkpoint, like that of a process that was killed.
fn abandon(dataset: Dataset) {
    std::mem::forget(dataset);
}

/// What a pixel that was never written reads as.
pub(super) fn nodata_bits(spec: &TargetSpec) -> Result<u64> {
    let nodata = spec.nodata.unwrap_or(Nodata::Int(0));
    nodata.as_bits_for(spec.dtype).map_err(|source| Error::Nodata { path: spec.path.clone(), source })
}

/// Refuses what can't work, and takes the nodata value as the type holds it.
pub(super) fn check(mut spec: TargetSpec) -> Result<TargetSpec> {
    let failed = |spec: &TargetSpec, reason: String| Error::Create { path: spec.path.clone(), reason };
    if spec.bands == 0 {
        return Err(failed(&spec, "it has no bands".into()));
    }
    if !spec.band_names.is_empty() && u32::try_from(spec.band_names.len()) != Ok(spec.bands) {
        let reason = format!("{} band names for {} bands", spec.band_names.len(), spec.bands);
        return Err(failed(&spec, reason));
    }
    if let Some(name) = &spec.color_table {
        if ColorRamp::from_name(name).is_none() {
            let names: Vec<_> = ColorRamp::names().collect();
            let reason = format!("there is no colour ramp \"{name}\"; there are {}", names.join(", "));
            return Err(failed(&spec, reason));
        }
        if spec.bands != 1 || !matches!(spec.dtype, DType::UInt8 | DType::UInt16) {
            let reason = format!(
                "a colour table needs one uint8 or uint16 band; it has {} of {}",
                spec.bands,
                spec.dtype.name()
            );
            return Err(failed(&spec, reason));
        }
    }
    if let Some(name) = &spec.overview_resampling {
        let name = name.to_ascii_lowercase();
        if !RESAMPLING.iter().any(|(n, _)| *n == name) {
            let names = RESAMPLING.map(|(n, _)| n).join(", ");
            let reason = format!("GDAL has no resampling method \"{name}\" for overviews; it has {names}");
            return Err(failed(&spec, reason));
        }
    }
    if let Some(nodata) = spec.nodata {
        let bits =
            nodata.as_bits_for(spec.dtype).map_err(|source| Error::Nodata { path: spec.path.clone(), source })?;
        spec.nodata = Some(Nodata::from_bits(bits, spec.dtype));
    }
    Ok(spec)
}
