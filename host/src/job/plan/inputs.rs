//! The job's inputs: which files, which bands, of what type, with what nodata.

use super::{Survey, unknown};
use crate::job::spec::{Input, InputNodata, RasterInput, Resampling};
use crate::job::{Loaded, Mistakes};
use crate::raster::{Info, Nodata};
use crate::sandbox::{Description, InputInfo};
use tilefn_abi::DType;

/// An input with its files opened.
pub struct Opened {
    /// Its name.
    pub name: String,
    /// Its files, in order; none when an optional input is absent.
    pub files: Vec<OpenedFile>,
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
    /// Nodata of each band read.
    pub nodata: Vec<Option<Nodata>>,
    /// The same, as the ABI encodes it for `dtype`.
    pub nodata_bits: Vec<Option<u64>>,
}

/// Every input that the function wants, in its order.
pub fn open(
    loaded: &Loaded,
    survey: &Survey,
    description: &Description,
    mistakes: &mut Mistakes,
    warnings: &mut Vec<String>,
) -> Vec<Opened> {
    let given = &loaded.spec.inputs;
    let names: Vec<_> = description.inputs.iter().map(|i| i.name.as_str()).collect();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        unknown(loaded, mistakes, "inputs", "input", name, description, &names);
    }
    let mut opened = Vec::new();
    for wanted in &description.inputs {
        let key = format!("inputs.{}", wanted.name);
        let files = match given.get(&wanted.name) {
            Some(Input::Raster(input)) => open_input(loaded, survey, &key, wanted, input, mistakes, warnings),
            Some(Input::Vector(_)) => {
                mistakes
                    .add(loaded.position(&key), key, "vector inputs are not supported by this version of tilefn")
                    .hint("rasterise the file onto the working grid first, e.g. with gdal_rasterize");
                Vec::new()
            }
            None if wanted.optional => Vec::new(),
            None => {
                mistakes
                    .add(loaded.position("inputs"), key, format!("the function {} needs this input", description.name))
                    .hint(format!("add [inputs.{}] with path = …", wanted.name));
                Vec::new()
            }
        };
        opened.push(Opened { name: wanted.name.clone(), files });
    }
    opened
}

fn open_input(
    loaded: &Loaded,
    survey: &Survey,
    key: &str,
    wanted: &InputInfo,
    input: &RasterInput,
    mistakes: &mut Mistakes,
    warnings: &mut Vec<String>,
) -> Vec<OpenedFile> {
    let paths = input.files.as_slice();
    let path_key = format!("{key}.{}", if input.files.is_list() { "paths" } else { "path" });
    if !wanted.list && input.files.is_list() {
        mistakes
            .add(loaded.position(&path_key), path_key, "the function takes one file here, not a list")
            .hint("use path = \"…\"");
        return Vec::new();
    }
    if input.resampling != Resampling::Nearest {
        warnings.push(format!(
            "{key}.resampling = {:?} has no effect: this version of tilefn does not resample, and refuses a file on another grid",
            input.resampling.name()
        ));
    }
    let mut files = Vec::new();
    for path in paths {
        let info = match survey.info(path) {
            Ok(info) => info,
            Err(error) => {
                mistakes.add(loaded.position(&path_key), path_key.clone(), error);
                continue;
            }
        };
        if let Some(file) = describe(loaded, key, wanted, input, (path, info), mistakes, warnings) {
            files.push(file);
        }
    }
    files
}

fn describe(
    loaded: &Loaded,
    key: &str,
    wanted: &InputInfo,
    input: &RasterInput,
    (path, info): (&str, Info),
    mistakes: &mut Mistakes,
    warnings: &mut Vec<String>,
) -> Option<OpenedFile> {
    let bands: Vec<usize> = match &input.bands {
        Some(bands) => bands.iter().map(|b| usize::try_from(*b).unwrap_or(usize::MAX)).collect(),
        None => (1..=info.bands.len()).collect(),
    };
    let bands_key = format!("{key}.bands");
    // Bands of several types are one to a function that asks for a type.
    let types = match wanted.dtype {
        None => info.dtype_of(&bands).map(|dtype| vec![dtype]),
        Some(_) => info.dtypes_of(&bands),
    };
    let types = match types {
        Ok(types) => types,
        Err(problem) => {
            mistakes.add(loaded.position(&bands_key), bands_key, format!("{path}: {problem}"));
            return None;
        }
    };
    let Some(dtype) = wanted.dtype.or_else(|| types.first().copied()) else { return None };
    let nodata = nodata_of(loaded, key, input, &info, &bands, mistakes)?;
    if let Some(own) = types.iter().find(|own| own.is_float() && !dtype.is_float())
        && nodata.iter().any(Option::is_none)
    {
        warnings.push(format!(
            "input {:?}: {path} has {}, the function asks for {}: fractions are rounded, and NaN becomes 0",
            wanted.name,
            own.name(),
            dtype.name()
        ));
    }
    let mut nodata_bits = Vec::new();
    for value in &nodata {
        match value.map(|v| v.as_bits_for(dtype)).transpose() {
            Ok(bits) => nodata_bits.push(bits),
            Err(problem) => {
                mistakes
                    .add(loaded.position(key), key, format!("{path}: {problem}, the type that the function asks for"))
                    .hint("set nodata of this input to a value of that type, or let the function take a larger type");
                return None;
            }
        }
    }
    Some(OpenedFile { path: path.to_owned(), info, bands, dtype, nodata, nodata_bits })
}

/// Nodata of each band read: the job file's, else the file's own.
fn nodata_of(
    loaded: &Loaded,
    key: &str,
    input: &RasterInput,
    info: &Info,
    bands: &[usize],
    mistakes: &mut Mistakes,
) -> Option<Vec<Option<Nodata>>> {
    match &input.nodata {
        Some(InputNodata::All(value)) => Some(vec![Some(Nodata::Float(value.0)); bands.len()]),
        Some(InputNodata::PerBand(values)) if values.len() == bands.len() => {
            Some(values.iter().map(|v| Some(Nodata::Float(v.0))).collect())
        }
        Some(InputNodata::PerBand(values)) => {
            let key = format!("{key}.nodata");
            let message = format!("{} values for {} bands", values.len(), bands.len());
            mistakes.add(loaded.position(&key), key, message).hint("give one value, or one for each band that is read");
            None
        }
        None => Some(bands.iter().map(|b| info.bands.get(b.checked_sub(1)?).and_then(|b| b.nodata)).collect()),
    }
}
