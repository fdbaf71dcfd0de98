//! What a raster file is, without reading its pixels.

use crate::files::gdal::{call, dtype, lists};
use crate::files::inspect::{damage, open};
use crate::{Error, Result};
use gdal::raster::RasterBand;
use gdal::{Dataset, Metadata};
use grid::{Crs, GeoTransform, Grid};
use tilefn_abi::DType;
use types::Nodata;

/// A raster file.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// CRS, geotransform and size; without a geotransform, [`GeoTransform::NONE`].
    pub grid: Grid,
    /// How the file says where on the map its pixels lie.
    pub georeferencing: Georeferencing,
    /// At least one band.
    pub bands: Vec<BandInfo>,
    /// GDAL's short name of the format.
    pub driver: String,
    /// The files that GDAL takes for this raster, as it names them: its own, those beside it, and those that it refers to.
    pub files: Vec<String>,
    /// GDAL's warnings about the file.
    pub warnings: Vec<String>,
}

/// How a file says where on the map its pixels lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Georeferencing {
    /// A geotransform.
    Transform,
    /// Ground control points.
    Points,
    /// Rational polynomial coefficients, RPC.
    Polynomials,
    /// Arrays of coordinates, one for each pixel.
    Arrays,
    /// Nothing.
    None,
}

/// A band of a raster file.
#[derive(Clone, Debug, PartialEq)]
pub struct BandInfo {
    /// Element type.
    pub dtype: DType,
    /// The nodata value; always one that the type can hold.
    pub nodata: Option<Nodata>,
    /// How else the file says which pixels are valid.
    pub mask: Mask,
    /// Factor from stored to meant values; 1 when there is none.
    pub scale: f64,
    /// Summand after that; 0 when there is none.
    pub offset: f64,
    /// The band's description; may be empty.
    pub name: String,
    /// Rows and columns of the blocks that the file stores.
    pub block: (u32, u32),
    /// GDAL's name of what the band means: `"Gray"`, `"Red"`, `"Palette"`, `"Alpha"`, …
    pub color: String,
}

/// How a file says which pixels of a band are valid, beside the band's own nodata value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Nothing.
    None,
    /// A mask in the file or beside it, or an alpha band. GDAL doesn't look at nodata then.
    Band,
    /// Nodata of all bands together (`NODATA_VALUES`): a pixel that has it in each of them.
    Nodata,
}

impl Info {
    /// The types of these bands (from 1).
    ///
    /// # Errors
    /// When there is no such band, or none is chosen; the text doesn't name the file.
    pub fn dtypes_of(&self, bands: &[usize]) -> Result<Vec<DType>, String> {
        let dtype = |band: &usize| {
            let info = band.checked_sub(1).and_then(|i| self.bands.get(i));
            Ok(info.ok_or_else(|| format!("there is no band {band}: it has {}", self.bands.len()))?.dtype)
        };
        let types: Vec<_> = bands.iter().map(dtype).collect::<Result<_, String>>()?;
        if types.is_empty() { Err("no band is chosen".to_owned()) } else { Ok(types) }
    }

    /// The type that all of these bands (from 1) have.
    ///
    /// # Errors
    /// As [`Info::dtypes_of`], and when their types differ; the text names the bands.
    pub fn dtype_of(&self, bands: &[usize]) -> Result<DType, String> {
        let types = self.dtypes_of(bands)?;
        let mut all = bands.iter().zip(&types);
        let Some((first, dtype)) = all.next() else { return Err("no band is chosen".to_owned()) };
        match all.find(|(_, other)| *other != dtype) {
            None => Ok(*dtype),
            Some((band, other)) => Err(format!(
                "band {first} is {} and band {band} is {}; choose bands of one type, or let the function ask for a type",
                dtype.name(),
                other.name()
            )),
        }
    }
}

/// Says what the file at `path` is.
///
/// # Errors
/// When it can't be opened, isn't a raster or holds several, has complex pixels, or is too short for its pixels.
pub fn inspect(path: &str) -> Result<Info> {
    let open::Opened { dataset, mut warnings } = open::open(path)?;
    damage::check_sources(&dataset).map_err(|reason| Error::Damaged { path: path.to_owned(), reason })?;
    let files = lists::files(&dataset);
    let (info, messages) = call::hear(|| describe(&dataset, files));
    warnings.extend(messages.all());
    info.map(|info| Info { warnings, ..info }).map_err(|reason| Error::Unsupported { path: path.to_owned(), reason })
}

fn describe(dataset: &Dataset, files: Vec<String>) -> Result<Info, String> {
    let (cols, rows) = dataset.raster_size();
    let too_large = || format!("its size {rows} × {cols} is too large");
    // An identity transform is GDAL's way to say that there is none.
    let transform = dataset.geo_transform().ok().filter(|t| *t != [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).map(GeoTransform);
    let transform = transform.filter(|t| *t != GeoTransform::NONE);
    let bands: Result<Vec<_>, String> = (1..=dataset.raster_count()).map(|n| band(dataset, n)).collect();
    Ok(Info {
        grid: Grid {
            transform: transform.unwrap_or(GeoTransform::NONE),
            rows: u32::try_from(rows).map_err(|_| too_large())?,
            cols: u32::try_from(cols).map_err(|_| too_large())?,
            crs: crs(dataset),
        },
        georeferencing: georeferencing(dataset, transform),
        bands: bands?,
        driver: dataset.driver().short_name(),
        files,
        warnings: Vec::new(),
    })
}

/// The CRS of the geotransform, else that of the ground control points.
fn crs(dataset: &Dataset) -> Crs {
    let crs = dataset.spatial_ref().ok().or_else(|| dataset.gcp_spatial_ref());
    Crs::from(crs.and_then(|crs| crs.to_wkt().ok()).unwrap_or_default().as_str())
}

fn georeferencing(dataset: &Dataset, transform: Option<GeoTransform>) -> Georeferencing {
    let has = |domain| dataset.metadata_domain(domain).is_some_and(|items| !items.is_empty());
    match transform {
        Some(_) => Georeferencing::Transform,
        None if has_gcps(dataset) => Georeferencing::Points,
        None if has("RPC") => Georeferencing::Polynomials,
        None if has("GEOLOCATION") => Georeferencing::Arrays,
        None => Georeferencing::None,
    }
}

fn band(dataset: &Dataset, number: usize) -> Result<BandInfo, String> {
    let band = dataset.rasterband(number).map_err(|e| format!("band {number}: {e}"))?;
    let dtype = band_dtype(&band).ok_or_else(|| {
        format!("band {number} is {}, a type that tilefn can't process", dtype::name(dtype::of_band(&band)))
    })?;
    let (block_cols, block_rows) = band.block_size();
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    Ok(BandInfo {
        dtype,
        nodata: nodata(&band, dtype),
        mask: mask(&band),
        scale: band.scale().unwrap_or(1.0),
        offset: band.offset().unwrap_or(0.0),
        name: band.description().unwrap_or_default(),
        block: (side(block_rows), side(block_cols)),
        color: band.color_interpretation().name(),
    })
}

/// The element type of a band, if it is one of ours.
pub(crate) fn band_dtype(band: &RasterBand) -> Option<DType> {
    let signed_byte =
        !dtype::has_int8() && band.metadata_item("PIXELTYPE", "IMAGE_STRUCTURE").as_deref() == Some("SIGNEDBYTE");
    dtype::from_gdal(dtype::of_band(band), signed_byte)
}

/// The band's nodata value; `None` also when its type can't hold it, since then no pixel has it.
fn nodata(band: &RasterBand, dtype: DType) -> Option<Nodata> {
    let value = match dtype {
        DType::Int64 => Nodata::Int(band.no_data_value_i64()?.into()),
        DType::UInt64 => Nodata::Int(band.no_data_value_u64()?.into()),
        _ => Nodata::Float(band.no_data_value()?),
    };
    let held = value.held_by(dtype);
    if held.is_none() {
        tracing::debug!("a {} band has the nodata value {value}, which no pixel can have", dtype.name());
    }
    held
}

fn mask(band: &RasterBand) -> Mask {
    #[expect(unsafe_code, reason = "the gdal crate takes an error for flags")]
    // SAFETY: the handle is valid as long as `band` is.
    let flags = unsafe { gdal_sys::GDALGetMaskFlags(band.c_rasterband()) };
    // GDAL's GMF_ALL_VALID, GMF_PER_DATASET and GMF_NODATA.
    let (all_valid, per_dataset, nodata) = (flags & 1 != 0, flags & 2 != 0, flags & 8 != 0);
    match (nodata, per_dataset) {
        _ if all_valid => Mask::None,
        (true, true) => Mask::Nodata,
        (true, false) => Mask::None,
        (false, _) => Mask::Band,
    }
}

fn has_gcps(dataset: &Dataset) -> bool {
    #[expect(unsafe_code, reason = "the gdal crate only offers the points themselves")]
    // SAFETY: the handle is valid as long as `dataset` is.
    unsafe {
        gdal_sys::GDALGetGCPCount(dataset.c_dataset()) > 0
    }
}
