//! The job's outputs: which files, of what type, with what nodata, and whether they may be written.

use super::draft::Draft;
use super::inputs::Opened;
use super::places::Places;
use crate::spec::{ColorTable, Output, OutputNodata};
use grid::Grid;
use raster::{self, Class, Colors, Georeferencing, Overviews, Rehearsal, TargetSpec, rgba};
use sandbox::{Description, OutputInfo};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use tilefn_abi::DType;
use types::Nodata;

/// An output as the worker sees it, and its files as the writer does.
pub struct Planned {
    /// For the task.
    pub task: worker::Output,
    /// For the writer.
    pub targets: Vec<TargetSpec>,
}

/// Where on the map outputs are.
#[derive(Clone, Copy)]
pub struct Georeference<'a> {
    /// The working grid.
    pub grid: &'a Grid,
    /// Whether any file, or the job itself, says what its geotransform is.
    pub georeferenced: bool,
}

impl<'a> Georeference<'a> {
    /// That of a working grid.
    pub fn of(grid: &'a Grid, draft: &Draft<'_>, inputs: &[Opened]) -> Self {
        let spec = &draft.loaded.spec.grid;
        let own = spec.crs.is_some() || spec.resolution.is_some();
        let reference = spec.reference.as_ref().filter(|name| !inputs.iter().any(|i| i.name == **name));
        let reference = reference
            .and_then(|path| draft.survey.info(path).ok())
            .is_some_and(|info| info.georeferencing == Georeferencing::Transform);
        let georeferenced = own
            || reference
            || inputs.iter().flat_map(|i| &i.files).any(|f| f.info.georeferencing == Georeferencing::Transform);
        Self { grid, georeferenced }
    }
}

/// Checks the outputs as far as the inputs don't matter: their names, and their paths.
pub fn check(draft: &mut Draft<'_>, places: &mut Places) {
    let (given, description) = (&draft.loaded.spec.outputs, draft.description);
    let names: Vec<_> = description.outputs.iter().map(|o| o.name.as_str()).collect();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        draft.unknown("outputs", "output", name, &names);
    }
    if given.is_empty() && !description.reduce {
        draft
            .wrong("outputs", format!("the function {} makes outputs, the job writes none", description.name))
            .hint(format!("add [outputs.{}] with path = …", names.first().unwrap_or(&"name")));
    }
    for wanted in description.outputs.iter().filter(|wanted| !wanted.list) {
        if given.get(&wanted.name).is_some_and(|output| output.files.is_list()) {
            let key = format!("outputs.{}", wanted.name);
            draft.mistakes.add(
                draft.loaded.position(&key),
                format!("{key}.paths"),
                "the function makes one raster here, not a list",
            );
        }
    }
    check_paths(draft, places);
}

/// Plans all outputs in the description's order. An output that the job leaves out has no files.
pub fn plan(draft: &mut Draft<'_>, inputs: &[Opened], placed: Georeference<'_>) -> Vec<Planned> {
    let (given, description) = (&draft.loaded.spec.outputs, draft.description);
    let marks_nodata = inputs.iter().flat_map(|i| &i.files).any(|f| {
        f.planned.iter().any(|band| {
            band.source.mark.is_some() && !f.dtype.is_float() || band.source.mask || band.source.nodata.is_some()
        })
    });
    let marks_nodata = marks_nodata || inputs.iter().any(|input| input.vector.is_some());
    let mut planned = Vec::new();
    for wanted in &description.outputs {
        let key = format!("outputs.{}", wanted.name);
        let dtype = wanted.dtype.or_else(|| first_any(description, inputs)).unwrap_or(DType::Float32);
        let output = given.get(&wanted.name);
        if let Some(other) = output.and_then(|output| output.dtype).filter(|other| *other != dtype) {
            let message = format!("the function makes {}, not {}", dtype.name(), other.name());
            draft.wrong(format!("{key}.dtype"), message).hint("leave it out: it is for expressions");
        }
        let nodata = output.and_then(|output| {
            let nodata = nodata_of(output, wanted, dtype);
            if nodata.is_none() && !dtype.is_float() && marks_nodata && output.nodata.is_none() {
                draft.warnings.push(format!(
                    "output {:?} is {} and has no nodata value, but inputs have: a pixel that the function marks as having no \
                     value will end the job; set outputs.{}.nodata (or \"none\" if that can't be)",
                    wanted.name,
                    dtype.name(),
                    wanted.name
                ));
            }
            nodata
        });
        let bits = match nodata.map(|n| n.as_bits_for(dtype)).transpose() {
            Ok(bits) => bits,
            Err(problem) => {
                let key = format!("{key}.nodata");
                draft.wrong(key, format!("{problem}, the type that the function returns"));
                None
            }
        };
        let mut targets = Vec::new();
        if let Some(output) = output {
            targets = output
                .files
                .as_slice()
                .iter()
                .map(|path| target(output, path, placed, dtype, nodata, draft.planning.threads))
                .collect();
            // A nodata value that doesn't fit is a mistake already, see above.
            let errors =
                targets.iter().filter_map(|t| t.check().err()).filter(|e| !matches!(e, raster::Error::Nodata { .. }));
            let errors: Vec<_> = errors.map(|error| error.to_string()).collect();
            if check_classes(draft, &key, output, dtype) {
                errors.into_iter().for_each(|error| _ = draft.wrong(key.clone(), error));
            }
            check_nodata(draft, &key, output, &targets);
        }
        let rasters = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        planned.push(Planned {
            task: worker::Output {
                name: wanted.name.clone(),
                dtype,
                rasters,
                nodata: bits,
                most: targets.first().and_then(TargetSpec::most),
                lossy: output.is_some_and(|output| output.lossy),
            },
            targets,
        });
    }
    planned
}

/// Refuses classes and colours of values that the type doesn't have; whether there are none.
fn check_classes(draft: &mut Draft<'_>, key: &str, output: &Output, dtype: DType) -> bool {
    let colors = match &output.color_table {
        Some(ColorTable::Values(colors)) => colors.keys().collect(),
        _ => Vec::new(),
    };
    if dtype.is_float() {
        if !output.classes.is_empty() {
            let message = format!("classes are whole numbers, and the function returns {}", dtype.name());
            draft
                .wrong(format!("{key}.classes"), message)
                .hint("return an integer type, such as uint8, from the function");
        }
        return output.classes.is_empty();
    }
    let classes = output.classes.keys().map(|value| ("classes", value));
    let mut right = true;
    for (table, value) in classes.chain(colors.into_iter().map(|value| ("color_table", value))) {
        if value.parse().is_ok_and(|value| Nodata::Int(value).as_bits_for(dtype).is_err()) {
            let message = format!("{value} does not fit {}, the type that the function returns", dtype.name());
            draft.wrong(format!("{key}.{table}.{value}"), message);
            right = false;
        }
    }
    right
}

/// Refuses a nodata value that the file can't keep: beyond its bits, or in a format that changes pixels.
fn check_nodata(draft: &mut Draft<'_>, key: &str, output: &Output, targets: &[TargetSpec]) {
    let Some(target) = targets.iter().find(|t| t.nodata.is_some()) else { return };
    let Some(nodata) = target.nodata.filter(|value| *value != Nodata::Float(f64::NAN)) else { return };
    let key = format!("{key}.nodata");
    if let Some(most) = target.most().filter(|most| nodata.as_f64().abs() > *most) {
        let message = format!("{nodata} does not fit the file's NBITS, which leave at most {most}");
        draft.wrong(key, message).hint("take a smaller nodata value, or leave NBITS out");
    } else if let Some(what) = target.changes_pixels().filter(|_| !output.lossy) {
        let message = format!("{what} changes pixels, so {nodata} would not mark the same ones any more");
        let name = key.split('.').nth(1).unwrap_or_default();
        draft
            .wrong(key.clone(), message)
            .hint(format!("set it to \"none\", take a lossless compression, or set outputs.{name}.lossy = true"));
    }
}

/// Tries all outputs out, each with its likely number of bands: one for each name, or as many as the first input has if the format refuses
/// one. Files that a format writes beside an output are checked against all that the job reads and writes.
pub fn rehearse(draft: &mut Draft<'_>, inputs: &[Opened], planned: &mut [Planned], places: &mut Places) {
    let of_inputs = inputs.iter().flat_map(|i| &i.files).map(|f| u32::try_from(f.bands.len()).unwrap_or(1)).next();
    for Planned { task: output, targets } in planned {
        let key = format!("outputs.{}", output.name);
        // One file of each format and length of name is tried: a list may have thousands.
        let mut tried: BTreeMap<(Option<OsString>, usize), (u32, Rehearsal)> = BTreeMap::new();
        for target in targets {
            let (extension, name) = (Path::new(&target.path).extension(), Path::new(&target.path).file_name());
            let kind = (extension.map(OsStr::to_owned), name.map_or(0, OsStr::len));
            if !tried.contains_key(&kind) {
                match try_out(target, of_inputs) {
                    Ok(found) => {
                        let warnings = found.1.warnings.iter();
                        let warnings = warnings.map(|w| format!("output {:?}: {}: {w}", output.name, target.path));
                        draft.warnings.extend(warnings);
                        tried.insert(kind.clone(), found);
                    }
                    Err(error) => {
                        draft.wrong(key.clone(), error.to_string());
                        break;
                    }
                }
            }
            if let Some((bands, rehearsal)) = tried.get(&kind) {
                target.bands = *bands;
                let what = format!("written beside output {:?}", output.name);
                for ending in &rehearsal.beside {
                    places.writes_beside(draft, &key, &target.path, ending, &what);
                }
            }
        }
    }
}

/// Tries an output with the numbers of bands that are likely; returns the first that works.
fn try_out(target: &TargetSpec, of_inputs: Option<u32>) -> Result<(u32, Rehearsal), raster::Error> {
    let refused = match target.rehearse() {
        Ok(rehearsal) => return Ok((target.bands, rehearsal)),
        Err(error) => error,
    };
    let others = of_inputs.into_iter().chain([3, 4]).filter(|bands| *bands > 1 && target.band_names.is_empty());
    let works = |bands| Some((bands, TargetSpec { bands, ..target.clone() }.rehearse().ok()?));
    others.into_iter().find_map(works).ok_or(refused)
}

/// Refuses outputs that exist, whose folder doesn't exist, or that are something else to the job.
fn check_paths(draft: &mut Draft<'_>, places: &mut Places) {
    for (name, output) in &draft.loaded.spec.outputs {
        let key = format!("outputs.{name}.{}", if output.files.is_list() { "paths" } else { "path" });
        for written in output.files.as_slice() {
            let mut wrong = |message: String| {
                draft.wrong(key.clone(), message);
            };
            // Only GDAL can judge a path that isn't local.
            let elsewhere = written.kind().is_elsewhere();
            let exists = match raster::destination(written) {
                Err(problem) => {
                    wrong(format!("{written} can't be written: {problem}"));
                    continue;
                }
                Ok(_) if elsewhere => raster::exists(written),
                Ok(target) => {
                    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                    if !folder.is_dir() && !draft.planning.make_folders {
                        draft
                            .wrong(key.clone(), format!("the folder {} doesn't exist", folder.display()))
                            .hint("make it, or add --make-folders");
                        continue;
                    }
                    target.exists()
                }
            };
            let refused = places.writes(draft, &key, written, &format!("written by output {name:?}"));
            if !refused && !draft.planning.overwrite && !draft.planning.made.contains(written.as_str()) && exists {
                draft
                    .wrong(key.clone(), format!("{written} exists"))
                    .hint("add --overwrite to replace it once the job is complete");
            }
        }
    }
}

/// The file's nodata: the job's, else the function's, else NaN for floats.
fn nodata_of(output: &Output, wanted: &OutputInfo, dtype: DType) -> Option<Nodata> {
    match (output.nodata, wanted.nodata) {
        (Some(OutputNodata::Value(value)), _) => Some(Nodata::Float(value.0)),
        (Some(OutputNodata::None(_)), _) => None,
        (None, Some(value)) => Some(value),
        (None, None) => dtype.is_float().then_some(Nodata::Float(f64::NAN)),
    }
}

/// The type of the first input without a type of its own, which an output without one takes over.
fn first_any(description: &Description, inputs: &[Opened]) -> Option<DType> {
    let of_any = description.inputs.iter().zip(inputs).filter(|(info, _)| info.dtype.is_none());
    of_any
        .flat_map(|(_, input)| input.files.iter().map(|f| f.dtype).chain(input.vector.iter().map(|v| v.spec.dtype)))
        .next()
}

fn target(
    output: &Output,
    path: &str,
    placed: Georeference<'_>,
    dtype: DType,
    nodata: Option<Nodata>,
    threads: usize,
) -> TargetSpec {
    let overviews = match &output.levels {
        Some(levels) => Overviews::Levels(levels.clone()),
        None if output.overviews => Overviews::Automatic,
        None => Overviews::None,
    };
    let names = output.band_names.clone().unwrap_or_default();
    TargetSpec {
        path: path.to_owned(),
        driver: output.driver.clone(),
        options: output.options.clone().unwrap_or_default(),
        grid: placed.grid.clone(),
        georeferenced: placed.georeferenced,
        bands: u32::try_from(names.len()).unwrap_or(u32::MAX).max(1),
        dtype,
        nodata,
        band_names: names,
        statistics: output.statistics,
        histogram: output.histogram,
        overviews,
        overview_resampling: output.overview_resampling.map(|r| r.name().to_owned()),
        color_table: output.color_table.as_ref().map(colors),
        thematic: output.thematic,
        classes: output.classes.iter().filter_map(class).collect(),
        scale: output.scale,
        offset: output.offset,
        unit: output.unit.clone(),
        metadata: output.metadata.iter().map(|(key, text)| (key.clone(), text.clone())).collect(),
        tile: (0, 0),
        threads: u32::try_from(threads).unwrap_or(u32::MAX),
    }
}

fn colors(table: &ColorTable) -> Colors {
    match table {
        ColorTable::Ramp(name) => Colors::Ramp(name.clone()),
        ColorTable::Values(colors) => {
            let color = |(value, color): (&String, &String)| Some((value.parse().ok()?, rgba(color)?));
            Colors::Values(colors.iter().filter_map(color).collect())
        }
    }
}

/// A class; the reader has checked number and colour.
fn class((value, class): (&String, &crate::spec::Class)) -> Option<(i64, Class)> {
    Some((value.parse().ok()?, Class { name: class.name.clone(), color: class.color.as_deref().and_then(rgba) }))
}
