//! The job's inputs: which files, which bands, of what type, with what nodata.

use super::bands;
use super::crs::give_crs;
use super::draft::Draft;
use super::vectors::{self, Layer};
use crate::spec::{FileOf, Input, OverviewUse, RasterInput};
use indexmap::IndexMap;
use raster::{Info, crs_from_user};
use sandbox::InputInfo;
use tilefn_abi::DType;
use types::{MosaicRule, Resampling};

/// An input with its files opened.
pub struct Opened {
    /// Its name.
    pub name: String,
    /// Its files, in order; none when an optional input is absent.
    pub files: Vec<OpenedFile>,
    /// Its vector file, in place of files.
    pub vector: Option<Layer>,
    /// The CRS that the job gives its files.
    pub crs: Option<String>,
    /// How the job wants files on another grid to be resampled.
    pub resampling: Option<Resampling>,
    /// Whether a coarser grid is read from the files' overviews.
    pub overviews: OverviewUse,
    /// Whether its files are one raster, and which of them counts where they overlap.
    pub mosaic: Option<MosaicRule>,
}

/// A file, and what is read of it.
pub struct OpenedFile {
    /// Where it is.
    pub path: String,
    /// What the file is.
    pub info: Info,
    /// Bands to read, from 1.
    pub bands: Vec<usize>,
    /// Element type in which the function gets them.
    pub dtype: DType,
    /// How each of them is read, and what the function is told of it.
    pub planned: Vec<bands::Planned>,
    /// Whether numbers may change without a warning.
    pub lossy: bool,
}

/// Every input that the function wants, in its order.
pub fn open(draft: &mut Draft<'_>) -> Vec<Opened> {
    let (given, description) = (&draft.loaded.spec.inputs, draft.description);
    let names: Vec<_> = description.inputs.iter().map(|i| i.name.as_str()).collect();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        draft.unknown("inputs", "input", name, &names);
    }
    let mut opened = Vec::new();
    for wanted in &description.inputs {
        let key = format!("inputs.{}", wanted.name);
        let mut vector = None;
        let files = match given.get(&wanted.name) {
            Some(Input::Raster(input)) => open_input(draft, &key, wanted, input),
            Some(Input::Vector(input)) => {
                vector = vectors::open(draft, &key, wanted, input);
                Vec::new()
            }
            None if wanted.optional => Vec::new(),
            None => {
                draft
                    .wrong(key, format!("the function {} needs this input", description.name))
                    .hint(format!("add [inputs.{}] with path = …", wanted.name));
                Vec::new()
            }
        };
        let (crs, resampling, overviews, mosaic) = match given.get(&wanted.name) {
            Some(Input::Raster(input)) => (input.crs.clone(), input.resampling, input.overviews, input.mosaic),
            _ => (None, None, OverviewUse::None, None),
        };
        opened.push(Opened { name: wanted.name.clone(), files, vector, crs, resampling, overviews, mosaic });
    }
    draft.warnings.extend(said(&opened));
    opened
}

/// What GDAL found odd about the files, each thing once.
fn said(opened: &[Opened]) -> Vec<String> {
    const SHOWN: usize = 20;
    let mut said: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for file in opened.iter().flat_map(|i| &i.files) {
        for text in &file.info.warnings {
            let paths = said.entry(text).or_default();
            if paths.last() != Some(&file.path.as_str()) {
                paths.push(&file.path);
            }
        }
    }
    for (layer, text) in
        opened.iter().filter_map(|i| i.vector.as_ref()).flat_map(|v| v.warnings.iter().map(move |w| (v, w)))
    {
        let paths = said.entry(text).or_default();
        if paths.last() != Some(&layer.spec.path.as_str()) {
            paths.push(&layer.spec.path);
        }
    }
    let mut warnings: Vec<String> = said
        .iter()
        .take(SHOWN)
        .map(|(text, paths)| match paths.as_slice() {
            [path] => format!("{path}: {text}"),
            [path, others @ ..] => format!("{path} and {} other files: {text}", others.len()),
            [] => (*text).to_owned(),
        })
        .collect();
    if said.len() > SHOWN {
        warnings.push(format!("GDAL says {} more things of the input files", said.len() - SHOWN));
    }
    warnings
}

fn open_input(draft: &mut Draft<'_>, key: &str, wanted: &InputInfo, input: &RasterInput) -> Vec<OpenedFile> {
    let path_key = format!("{key}.{}", if input.files.is_list() { "paths" } else { "path" });
    if !wanted.list && input.files.is_list() && input.mosaic.is_none() {
        draft
            .wrong(path_key, "the function takes one file here, not a list")
            .hint("use path = \"…\"; or, if the files are scenes of one raster, add mosaic = \"first\"");
        return Vec::new();
    }
    if wanted.list && input.mosaic.is_some() {
        draft
            .wrong(format!("{key}.mosaic"), "the function takes a list of files here, and a mosaic is one")
            .hint("leave `mosaic` out");
        return Vec::new();
    }
    let crs = match input.crs.as_deref().map(crs_from_user).transpose() {
        Ok(crs) => crs,
        Err(error) => {
            let key = format!("{key}.crs");
            draft.wrong(key, error);
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for file in input.each() {
        let path = file.path;
        let mut info = match draft.survey.info(path) {
            Ok(info) => info,
            Err(error) => {
                draft.wrong(path_key.clone(), error);
                continue;
            }
        };
        if let Some(crs) = &crs {
            give_crs(draft, key, crs, path, &mut info.grid.crs, "gdal_edit.py -a_srs");
        }
        if let Some(file) = describe(draft, key, wanted, (input, &file), info) {
            files.push(file);
        }
    }
    if input.unscale.is_none() {
        draft.warnings.extend(unapplied_scale(&wanted.name, &files));
    }
    if input.mosaic.is_some()
        && let [first, others @ ..] = files.as_slice()
        && let Some(other) = others.iter().find(|o| (o.bands.len(), o.dtype) != (first.bands.len(), first.dtype))
    {
        let what = |file: &OpenedFile| {
            format!("{} has {} of {}", file.path, several_bands(file.bands.len()), file.dtype.name())
        };
        let message = format!(
            "the files of a mosaic have the same number of bands and one type: {}, {}",
            what(first),
            what(other)
        );
        draft.wrong(path_key, message).hint("choose bands = […]; or let the function ask for a type");
    }
    files
}

fn several_bands(n: usize) -> String {
    if n == 1 { "1 band".into() } else { format!("{n} bands") }
}

fn describe(
    draft: &mut Draft<'_>,
    key: &str,
    wanted: &InputInfo,
    (input, file): (&RasterInput, &FileOf<'_>),
    info: Info,
) -> Option<OpenedFile> {
    let path = file.path;
    let bands: Vec<usize> = match file.bands {
        Some(bands) => bands.iter().map(|b| usize::try_from(*b).unwrap_or(usize::MAX)).collect(),
        None => (1..=info.bands.len()).collect(),
    };
    let bands_key = format!("{}.bands", file.section(key));
    // A function that asks for a type takes bands of several types.
    let types = match wanted.dtype {
        None => info.dtype_of(&bands).map(|dtype| vec![dtype]),
        Some(_) => info.dtypes_of(&bands),
    };
    let types = match types {
        Ok(types) => types,
        Err(problem) => {
            draft.wrong(bands_key, format!("{path}: {problem}"));
            return None;
        }
    };
    // A function that takes a file's own type gets the scaled numbers as floats.
    let own = if input.unscale == Some(true) { Some(DType::Float64) } else { types.first().copied() };
    let dtype = wanted.dtype.or(own)?;
    let planned = bands::plan(draft, key, (input, file), (&info, &bands), dtype)?;
    Some(OpenedFile { path: path.to_string(), info, bands, dtype, planned, lossy: input.lossy })
}

/// A warning that numbers have a scale which isn't applied, once for an input.
fn unapplied_scale(name: &str, files: &[OpenedFile]) -> Option<String> {
    let scaled = |file: &&OpenedFile| {
        let read = |band: &usize| band.checked_sub(1).and_then(|index| file.info.bands.get(index));
        file.bands
            .iter()
            .filter_map(read)
            .find(|band| (band.scale, band.offset) != (1.0, 0.0))
            .map(|b| (b.scale, b.offset))
    };
    let mut all = files.iter().filter_map(|file| Some((file, scaled(&file)?)));
    let (file, (scale, offset)) = all.next()?;
    let others = match all.count() {
        0 => String::new(),
        n => format!(" (and {n} other files too)"),
    };
    Some(format!(
        "input {name:?}: {} has scale {scale} and offset {offset}{others}, which are not applied: set inputs.{name}.unscale = true, \
         or false to say that raw numbers are wanted",
        file.path
    ))
}
