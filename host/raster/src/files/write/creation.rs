//! Chooses a driver and its options. A choice that can't make the wanted output is refused before any work.

use crate::Error;
use crate::files::gdal::{call, dtype, setup};
use crate::files::write::spec::{TargetSpec, check, overview_levels};
use gdal::cpl::CslStringList;
use gdal::{Driver, DriverManager, DriverType, Metadata};
use std::path::Path;
use tilefn_abi::DType;

/// Sides of GeoTIFF blocks to choose from, best first.
const BLOCK_SIDES: [u32; 3] = [512, 256, 128];

/// How an output is created.
#[derive(Debug)]
pub(crate) struct Creation {
    /// GDAL's short name of the driver. A handle would tie the output to one thread.
    driver: String,
    /// `NAME=VALUE` for the driver.
    pub(crate) options: Vec<(String, String)>,
    /// Whether the driver can create an empty raster; if not, it copies a temporary GeoTIFF.
    pub(crate) direct: bool,
}

impl Creation {
    /// The driver, by name or by the file's extension, with tilefn's options and the user's.
    pub(crate) fn plan(spec: &TargetSpec) -> Result<Self, String> {
        setup::ready();
        let driver = find_driver(spec)?;
        let name = driver.short_name();
        let has = |key: &str| driver.metadata_item(key, "").is_some();
        let direct = has("DCAP_CREATE");
        if !has("DCAP_RASTER") || !(direct || has("DCAP_CREATECOPY")) {
            return Err(format!("GDAL's driver {name} can't write rasters"));
        }
        check_dtype(&driver, spec.dtype)?;
        let user = user_options(&spec.options)?;
        let mut options = defaults(&name, spec, &user);
        if spec.dtype == DType::Int8 && !dtype::has_int8() {
            options.push(("PIXELTYPE".into(), "SIGNEDBYTE".into()));
        }
        if swaps_bytes(&user) && user.iter().any(|(key, value)| key == "PREDICTOR" && value == "3") {
            let problem = "GDAL writes wrong values with PREDICTOR=3 and another byte order than this machine's";
            return Err(format!("{problem}: leave out PREDICTOR or ENDIANNESS"));
        }
        options.extend(user);
        validate(&driver, &options)?;
        if !direct && name != "COG" && !overview_levels(spec).is_empty() {
            return Err(format!(
                "{name} files have no overviews: leave `overviews` and `levels` out, or choose a format that has them, such as \
                 GTiff or COG"
            ));
        }
        spec.check_rows(&name)?;
        Ok(Self { driver: name, options, direct })
    }

    /// The options of the temporary GeoTIFF that a driver without direct creation copies.
    pub(crate) fn temporary(spec: &TargetSpec) -> Result<Self, String> {
        let driver = DriverManager::get_driver_by_name("GTiff").map_err(|e| e.to_string())?;
        let mut options = defaults("GTiff", spec, &[]);
        options.retain(|(key, _)| key != "ZLEVEL");
        if let Some(compress) = options.iter_mut().find(|(key, _)| key == "COMPRESS") {
            // It is read back soon: speed counts, not size.
            compress.1 = "ZSTD".into();
            options.push(("ZSTD_LEVEL".into(), "1".into()));
            if validate(&driver, &options).is_err() {
                options.retain(|(key, _)| !matches!(key.as_str(), "COMPRESS" | "ZSTD_LEVEL" | "PREDICTOR"));
            }
        }
        Ok(Self { driver: driver.short_name(), options, direct: true })
    }

    /// GDAL's short name of the driver.
    pub(crate) fn driver_name(&self) -> &str {
        &self.driver
    }

    /// The driver itself.
    pub(crate) fn driver(&self) -> Result<Driver, String> {
        DriverManager::get_driver_by_name(&self.driver).map_err(|e| e.to_string())
    }

    /// Rows of the strips of a GeoTIFF that isn't tiled.
    pub(crate) fn strip(&self) -> Option<u32> {
        let tiled = value(&self.options, "TILED").is_some_and(|value| value.eq_ignore_ascii_case("YES"));
        value(&self.options, "BLOCKYSIZE").filter(|_| !tiled)?.parse().ok()
    }

    /// Bits of a pixel, if the user wants other than the type's.
    pub(crate) fn bits(&self) -> Option<u32> {
        value(&self.options, "NBITS")?.parse().ok()
    }

    /// The options as GDAL takes them.
    pub(crate) fn list(&self) -> Result<CslStringList, String> {
        list(&self.options)
    }

    /// Whether it makes a GeoTIFF, in which blocks that were never written read as nodata.
    pub(crate) fn is_geotiff(&self) -> bool {
        self.driver == "GTiff"
    }
}

/// Drivers that write rasters and need a library which GDAL may be built without, with their files' extension.
const OPTIONAL: [(&str, &str); 10] = [
    ("KEA", "kea"),
    ("netCDF", "nc"),
    ("HDF4Image", "hdf"),
    ("JP2OpenJPEG", "jp2"),
    ("JPEGXL", "jxl"),
    ("WEBP", "webp"),
    ("AVIF", "avif"),
    ("EXR", "exr"),
    ("Zarr", "zarr"),
    ("ECW", "ecw"),
];

/// Why a driver that GDAL knows can't be used here.
fn lacks(driver: &str) -> String {
    let version = setup::gdal_version();
    format!("this GDAL, {version}, is built without the driver {driver}: choose another format, such as GTiff or HFA")
}

impl TargetSpec {
    /// GDAL's short name of the format, and the creation options `NAME=VALUE` with which the file is made.
    ///
    /// # Errors
    /// When there is no such format, or it takes no such raster.
    pub fn format(&self) -> Result<(String, Vec<String>), String> {
        let Creation { driver, options, .. } = Creation::plan(self)?;
        Ok((driver, options.into_iter().map(|(key, value)| format!("{key}={value}")).collect()))
    }
}

fn find_driver(spec: &TargetSpec) -> Result<Driver, String> {
    let Some(name) = &spec.driver else {
        // Some drivers list an empty extension.
        if Path::new(&spec.path).extension().is_none_or(|extension| extension.is_empty()) {
            return Err("it has no extension that says in which format: set `driver`".to_owned());
        }
        return DriverManager::get_output_driver_for_dataset_name(&spec.path, DriverType::Raster).ok_or_else(|| {
            let extension = Path::new(&spec.path).extension().unwrap_or_default();
            let lacking = OPTIONAL.iter().find(|(_, of_driver)| extension.eq_ignore_ascii_case(of_driver));
            lacking.map_or_else(
                || "its extension belongs to no raster format that GDAL writes: set `driver`".to_owned(),
                |(driver, _)| lacks(driver),
            )
        });
    };
    let (driver, _) = call::watch(|| DriverManager::get_driver_by_name(name));
    driver.map_err(|_| {
        if let Some((driver, _)) = OPTIONAL.iter().find(|(driver, _)| driver.eq_ignore_ascii_case(name)) {
            return lacks(driver);
        }
        let names: Vec<_> = DriverManager::all().map(|d| d.short_name()).collect();
        let near = names.iter().map(|n| (strsim::jaro_winkler(&n.to_lowercase(), &name.to_lowercase()), n));
        match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((likeness, near)) if likeness > 0.8 => {
                format!("GDAL has no driver \"{name}\"; do you mean \"{near}\"?")
            }
            _ => format!("GDAL has no driver \"{name}\""),
        }
    })
}

fn check_dtype(driver: &Driver, wanted: DType) -> Result<(), String> {
    let Some(types) = driver.metadata_item("DMD_CREATIONDATATYPES", "") else {
        return Ok(());
    };
    if matches!(wanted, DType::Int64 | DType::UInt64) {
        // Some drivers that can hold them don't list them; creation itself tells.
        return Ok(());
    }
    let own_name = dtype::name(dtype::to_gdal(wanted));
    let signed_byte = wanted == DType::Int8 && !dtype::has_int8();
    let signed_byte_option =
        || driver.metadata_item("DMD_CREATIONOPTIONLIST", "").is_some_and(|list| list.contains("SIGNEDBYTE"));
    if !types.split_whitespace().any(|t| t == own_name) || (signed_byte && !signed_byte_option()) {
        return Err(format!(
            "{} can't hold {} pixels, only {}",
            driver.short_name(),
            wanted.name(),
            types.split_whitespace().collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(())
}

impl TargetSpec {
    /// Refuses what is wrong in itself, before anything is tried.
    ///
    /// # Errors
    /// As `Target::create`.
    pub fn check(&self) -> crate::Result<()> {
        let spec = check(self.clone())?;
        Creation::plan(&spec).map(drop).map_err(|reason| Error::Create { path: spec.path, reason })
    }

    /// Rows and columns of the blocks that the user's own options ask of a GeoTIFF.
    pub fn given_block(&self) -> Option<(u32, u32)> {
        // GDAL's, for a side that isn't given.
        const SIDE: u32 = 256;
        let options = user_options(&self.options).ok()?;
        let side = |key: &str| value(&options, key).map(str::parse).transpose().ok();
        let (rows, cols) = (side("BLOCKYSIZE")?, side("BLOCKXSIZE")?);
        let tiled = value(&options, "TILED").map_or(cols.is_some(), |value| value.eq_ignore_ascii_case("YES"));
        match rows {
            _ if tiled => Some((rows.unwrap_or(SIDE), cols.unwrap_or(SIDE))),
            Some(rows) => Some((rows, self.grid.cols)),
            None => None,
        }
    }
}

pub(crate) fn user_options(options: &[String]) -> Result<Vec<(String, String)>, String> {
    options
        .iter()
        .map(|option| match option.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok((key.trim().to_ascii_uppercase(), value.trim().to_owned()))
            }
            _ => Err(format!("the creation option \"{option}\" is not NAME=VALUE")),
        })
        .collect()
}

/// The value of an option.
pub(crate) fn value<'a>(options: &'a [(String, String)], key: &str) -> Option<&'a str> {
    options.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

/// tilefn's own options, where the user sets none.
fn defaults(driver: &str, spec: &TargetSpec, user: &[(String, String)]) -> Vec<(String, String)> {
    let given = |key: &str| value(user, key).is_some();
    let threads = spec.threads.max(1).to_string();
    let compress = value(user, "COMPRESS").unwrap_or("DEFLATE").to_ascii_uppercase();
    // Differences of neighbours compress better where values vary smoothly; classes don't.
    let predicts = !spec.thematic
        && !spec.has_colors()
        && matches!(compress.as_str(), "DEFLATE" | "LZW" | "ZSTD")
        // There are predictors for whole bytes only.
        && !given("NBITS")
        && !swaps_bytes(user);
    // The levels were measured with tilefn's predictors. A user who chooses the codec or the predictor gets GDAL's level.
    let level = deflate_level(spec.dtype).filter(|_| predicts && !given("COMPRESS") && !given("PREDICTOR"));
    let mut all: Vec<(&str, String)> = Vec::new();
    match driver {
        "GTiff" => {
            all.push(("COMPRESS", "DEFLATE".into()));
            all.extend(level.map(|level| ("ZLEVEL", level.into())));
            if predicts {
                all.push(("PREDICTOR", if spec.dtype.is_float() { "3" } else { "2" }.into()));
            }
            all.extend([("BIGTIFF", "IF_SAFER".into()), ("NUM_THREADS", threads), ("SPARSE_OK", "TRUE".into())]);
            // In YCbCr the bands of a pixel are coded together.
            let together = value(user, "PHOTOMETRIC").is_some_and(|value| value.eq_ignore_ascii_case("YCBCR"));
            if spec.bands > 1 && !together {
                all.push(("INTERLEAVE", "BAND".into()));
            }
            if given("BLOCKXSIZE") {
                all.push(("TILED", "YES".into()));
            } else if !given("TILED") && !given("BLOCKYSIZE") {
                all.extend(blocks(spec));
            }
        }
        "COG" => {
            all.extend([("COMPRESS", "DEFLATE".into()), ("BIGTIFF", "IF_SAFER".into()), ("NUM_THREADS", threads)]);
            all.extend(level.map(|level| ("LEVEL", level.into())));
            if predicts {
                all.push(("PREDICTOR", "YES".into()));
            }
            if overview_levels(spec).is_empty() {
                all.push(("OVERVIEWS", "NONE".into()));
            }
        }
        "HFA" => all.push(("COMPRESSED", "YES".into())),
        _ => {}
    }
    all.into_iter().filter(|(key, _)| !given(key)).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The fastest level of DEFLATE that makes files of this type at most 3 % larger than GDAL's own level, 6, on the rasters of
/// `bench/levels.py`; docs/performance.md has the table. None for types that often hold classes, whose files 6 makes a
/// fifth smaller.
fn deflate_level(dtype: DType) -> Option<&'static str> {
    match dtype {
        DType::UInt16 | DType::Int16 => Some("1"),
        DType::Float32 | DType::Float64 => Some("3"),
        DType::UInt8 | DType::Int8 | DType::UInt32 | DType::Int32 | DType::UInt64 | DType::Int64 => None,
    }
}

/// Whether the user wants a GeoTIFF in other than this machine's byte order.
fn swaps_bytes(user: &[(String, String)]) -> bool {
    let other = if cfg!(target_endian = "little") { ["BIG", "INVERTED"] } else { ["LITTLE", "INVERTED"] };
    user.iter().any(|(key, value)| key == "ENDIANNESS" && other.contains(&value.to_ascii_uppercase().as_str()))
}

/// GeoTIFF blocks that a tile is a whole multiple of, so that each is written once.
fn blocks(spec: &TargetSpec) -> Vec<(&'static str, String)> {
    let (rows, cols) = spec.tile;
    let fits = |tile: u32, grid: u32, block: u32| tile.is_multiple_of(block) || tile >= grid;
    let side = |tile: u32, grid: u32| {
        let preferred = BLOCK_SIDES.into_iter().find(|b| fits(tile, grid, *b));
        preferred.or((tile.is_multiple_of(16) && tile <= 2048).then_some(tile))
    };
    let tiled = |y: u32, x: u32| {
        vec![("TILED", "YES".to_owned()), ("BLOCKXSIZE", x.to_string()), ("BLOCKYSIZE", y.to_string())]
    };
    match (side(rows, spec.grid.rows), side(cols, spec.grid.cols)) {
        (Some(y), Some(x)) => tiled(y, x),
        _ if cols >= spec.grid.cols => {
            vec![("TILED", "NO".into()), ("BLOCKYSIZE", rows.min(spec.grid.rows).max(1).to_string())]
        }
        _ => tiled(256, 256),
    }
}

/// Refuses options that the driver doesn't know.
fn validate(driver: &Driver, options: &[(String, String)]) -> Result<(), String> {
    let list = list(options)?;
    let (valid, messages) = call::watch(|| {
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: the driver lives as long as GDAL, the list until the call returns.
        unsafe {
            gdal_sys::GDALValidateCreationOptions(driver.c_driver(), list.as_ptr())
        }
    });
    if valid == 0 { Err(messages.reason("GDAL refuses the creation options")) } else { Ok(()) }
}

fn list(options: &[(String, String)]) -> Result<CslStringList, String> {
    let mut list = CslStringList::new();
    for (key, value) in options {
        list.set_name_value(key, value).map_err(|_| format!("the creation option {key} is not a valid text"))?;
    }
    Ok(list)
}
