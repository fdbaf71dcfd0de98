//! What an output is to be.

use crate::files::colors::{Colors, Rgba};
use crate::{Error, Result};
use grid::Grid;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};
use tilefn_abi::DType;
use types::Nodata;

/// An overview at most this large on both sides needs no further one.
const SMALLEST_OVERVIEW: u32 = 256;

/// GDAL's resampling methods for overviews.
pub(crate) const RESAMPLING: [(&str, &CStr); 9] = [
    ("nearest", c"NEAREST"),
    ("average", c"AVERAGE"),
    ("rms", c"RMS"),
    ("gauss", c"GAUSS"),
    ("cubic", c"CUBIC"),
    ("cubicspline", c"CUBICSPLINE"),
    ("lanczos", c"LANCZOS"),
    ("bilinear", c"BILINEAR"),
    ("mode", c"MODE"),
];

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

impl Overviews {
    /// GDAL's methods to make them.
    pub fn methods() -> impl Iterator<Item = &'static str> {
        RESAMPLING.into_iter().map(|(name, _)| name)
    }
}

/// What a value stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Its colour, in place of the colour table's.
    pub color: Option<Rgba>,
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
    /// Colours of the values. A ramp goes from 0 to the largest value. Single colours are those of classes; where the values aren't classes,
    /// values between two of them get what is between.
    pub color_table: Option<Colors>,
    /// Whether the values are classes.
    pub thematic: bool,
    /// The classes, which make the output thematic.
    pub classes: BTreeMap<i64, Class>,
    /// Factor from the stored to the meant values, for readers of the file.
    pub scale: Option<f64>,
    /// What is added after that.
    pub offset: Option<f64>,
    /// Unit of the meant values.
    pub unit: Option<String>,
    /// Metadata items of the file.
    pub metadata: Vec<(String, String)>,
    /// Rows and columns of the tiles that will be written, for the choice of blocks.
    pub tile: (u32, u32),
    /// Threads that GDAL may compress with.
    pub threads: u32,
}

impl TargetSpec {
    /// One band with nothing special, written in tiles as large as the grid.
    pub fn plain(path: String, grid: Grid, dtype: DType) -> Self {
        Self {
            path,
            driver: None,
            options: Vec::new(),
            georeferenced: true,
            bands: 1,
            dtype,
            nodata: None,
            band_names: Vec::new(),
            statistics: false,
            histogram: false,
            overviews: Overviews::None,
            overview_resampling: None,
            color_table: None,
            thematic: false,
            classes: BTreeMap::new(),
            scale: None,
            offset: None,
            unit: None,
            metadata: Vec::new(),
            tile: (grid.rows, grid.cols),
            threads: 1,
            grid,
        }
    }
}

/// The factors of the overviews wanted, those that leave a pixel.
pub(crate) fn overview_levels(spec: &TargetSpec) -> Vec<c_int> {
    let (rows, cols) = (spec.grid.rows, spec.grid.cols);
    match &spec.overviews {
        Overviews::None => Vec::new(),
        Overviews::Levels(levels) => levels
            .iter()
            .filter(|l| **l > 1 && **l <= rows.max(cols))
            .filter_map(|l| c_int::try_from(*l).ok())
            .collect(),
        Overviews::Automatic => {
            let mut levels = Vec::new();
            let mut level = 1u32;
            while rows.max(cols).div_ceil(level) > SMALLEST_OVERVIEW {
                level *= 2;
                levels.extend(c_int::try_from(level));
            }
            levels
        }
    }
}

/// What a pixel that was never written reads as.
pub(crate) fn nodata_bits(spec: &TargetSpec) -> Result<u64> {
    let nodata = spec.nodata.unwrap_or(Nodata::Int(0));
    nodata.as_bits_for(spec.dtype).map_err(|source| Error::Nodata { path: spec.path.clone(), source })
}

/// Refuses what can't work, and takes the nodata value as the type holds it.
pub(crate) fn check(mut spec: TargetSpec) -> Result<TargetSpec> {
    let failed = |spec: &TargetSpec, reason: String| Error::Create { path: spec.path.clone(), reason };
    if spec.bands == 0 {
        return Err(failed(&spec, "it has no bands".into()));
    }
    if !spec.band_names.is_empty() && u32::try_from(spec.band_names.len()) != Ok(spec.bands) {
        let reason = format!("{} band names for {} bands", spec.band_names.len(), spec.bands);
        return Err(failed(&spec, reason));
    }
    spec.thematic |= !spec.classes.is_empty();
    spec.check_classes().map_err(|reason| failed(&spec, reason))?;
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
