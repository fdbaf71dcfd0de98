//! Files that are too short for their pixels, and what GDAL says of damaged ones.
//!
//! Most drivers fail to read pixels that a file doesn't have. Those here give zeros in their place, without a word.

use crate::files::gdal::lists::files;
use crate::files::gdal::{call, dtype, vsi};
use crate::files::inspect::netcdf3;
use crate::files::inspect::vrt::Vrt;
use gdal::{Dataset, DatasetOptions, GdalOpenFlags, Metadata};
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use types::location::gdal_name;

/// How deep VRTs may be nested; GDAL's own limit is about as large.
const DEEPEST: u32 = 32;

/// An error if the file, known to GDAL as `name`, has fewer bytes than its pixels take. Looks at the dataset's own files, not at
/// those that a VRT names.
pub(crate) fn check(dataset: &Dataset, name: &str) -> Result<(), String> {
    match dataset.driver().short_name().as_str() {
        "ENVI" => envi(dataset, name),
        "HFA" => spill_files(dataset),
        "netCDF" => netcdf(dataset),
        "PCIDSK" => pcidsk(dataset),
        "PCRaster" => pcraster(dataset, name),
        "VRT" => raw_bands(&vrt(dataset), &folder_of(dataset)),
        _ => Ok(()),
    }
}

/// The same for the files that a VRT takes its pixels from, which GDAL opens only when it reads.
pub(crate) fn check_sources(dataset: &Dataset) -> Result<(), String> {
    let mut seen = HashSet::new();
    sources(dataset, &mut seen, DEEPEST)
}

fn sources(dataset: &Dataset, seen: &mut HashSet<String>, deeper: u32) -> Result<(), String> {
    if dataset.driver().short_name() != "VRT" || deeper == 0 {
        return Ok(());
    }
    let folder = folder_of(dataset);
    for source in vrt(dataset).sources {
        let name = gdal_name(&source.path(&folder)).into_owned();
        // A mosaic has thousands of GeoTIFFs, and GDAL notices when they are too short.
        let extension = Path::new(&name).extension().unwrap_or_default().to_ascii_lowercase();
        if extension == "tif" || extension == "tiff" || !seen.insert(name.clone()) || !may_be_short(&name) {
            continue;
        }
        let open = || {
            Dataset::open_ex(
                &*name,
                DatasetOptions { open_flags: GdalOpenFlags::GDAL_OF_RASTER, ..DatasetOptions::default() },
            )
        };
        let (Ok(source), _) = call::watch(open) else { continue };
        check(&source, &name).map_err(|reason| format!("its source {name}: {reason}"))?;
        sources(&source, seen, deeper - 1)?;
    }
    Ok(())
}

/// Whether the driver that opens this file is one of those in [`check`].
fn may_be_short(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    let (driver, _) = call::watch(|| {
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: the name has a closing zero; a driver lives as long as GDAL, and so does its name.
        unsafe {
            let driver = gdal_sys::GDALIdentifyDriver(name.as_ptr(), std::ptr::null_mut());
            let name = if driver.is_null() { std::ptr::null() } else { gdal_sys::GDALGetDriverShortName(driver) };
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        }
    });
    driver.is_some_and(|d| matches!(d.as_str(), "ENVI" | "HFA" | "netCDF" | "PCIDSK" | "PCRaster" | "VRT"))
}

/// What to say of a file with fewer bytes than needed.
fn enough(name: &str, needed: Option<u64>) -> Result<(), String> {
    let needed = needed.ok_or("its size is beyond what can be counted")?;
    let found = vsi::File::open(name)
        .and_then(|mut file| file.len())
        .ok_or_else(|| format!("the size of {name} can't be found out, to see whether all pixels are there"))?;
    if found >= needed {
        return Ok(());
    }
    Err(format!(
        "{name} is too short: its pixels take {needed} bytes, and it has {found}. It is damaged, or still being copied"
    ))
}

/// Rows, columns, and the bytes of a pixel in all bands.
fn pixels(dataset: &Dataset) -> Option<(u64, u64, u64)> {
    let (cols, rows) = dataset.raster_size();
    let mut bytes = 0u64;
    for number in 1..=dataset.raster_count() {
        bytes = bytes.checked_add(dtype::size(dtype::of_band(&dataset.rasterband(number).ok()?)))?;
    }
    Some((u64::try_from(rows).ok()?, u64::try_from(cols).ok()?, bytes))
}

fn envi(dataset: &Dataset, name: &str) -> Result<(), String> {
    let item =
        |key: &str| dataset.metadata_item(key, "ENVI").and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    let needed = pixels(dataset)
        .and_then(|(rows, cols, bytes)| rows.checked_mul(cols)?.checked_mul(bytes)?.checked_add(item("header_offset")));
    let packed = item("file_compression") != 0;
    enough(&if packed { format!("/vsigzip/{name}") } else { name.to_owned() }, needed)
}

/// Large Imagine files keep their pixels in `.ige` files: a head, a bit for each block of each band, the blocks.
fn spill_files(dataset: &Dataset) -> Result<(), String> {
    const HEAD: u64 = 26 + 1 + 4 * 5 + 2;
    const FLAGS_HEAD: u64 = 20;
    for name in files(dataset) {
        if !Path::new(&name).extension().is_some_and(|e| e.eq_ignore_ascii_case("ige")) {
            continue;
        }
        let needed = || {
            let (rows, cols, _) = pixels(dataset)?;
            let band = dataset.rasterband(1).ok()?;
            let (block_cols, block_rows) = band.block_size();
            let (block_cols, block_rows) = (u64::try_from(block_cols).ok()?, u64::try_from(block_rows).ok()?);
            let (across, down) = (cols.div_ceil(block_cols.max(1)), rows.div_ceil(block_rows.max(1)));
            let flags = across.div_ceil(8).checked_mul(down)?.checked_add(FLAGS_HEAD)?;
            let bits = band.metadata_item("NBITS", "IMAGE_STRUCTURE").and_then(|b| b.parse().ok());
            let bits = bits.unwrap_or_else(|| dtype::size(dtype::of_band(&band)).saturating_mul(8));
            let block = block_cols.checked_mul(block_rows)?.checked_mul(bits)?.div_ceil(8);
            let of_band = across.checked_mul(down)?.checked_mul(block)?.checked_add(flags)?;
            of_band.checked_mul(u64::try_from(dataset.raster_count()).ok()?)?.checked_add(HEAD)
        };
        enough(&name, needed())?;
    }
    Ok(())
}

/// netCDF's classic formats; those on HDF5 notice it themselves.
fn netcdf(dataset: &Dataset) -> Result<(), String> {
    let variable = dataset.rasterband(1).ok().and_then(|band| band.metadata_item("NETCDF_VARNAME", ""));
    for name in files(dataset) {
        let Some(mut file) = vsi::File::open(&name) else { continue };
        if let Some(end) = netcdf3::end(&mut |offset, len| file.read(offset, len), variable.as_deref()) {
            enough(&name, Some(end))?;
        }
    }
    Ok(())
}

/// The head of a PCIDSK file says how many blocks of 512 bytes the file has. With `FILE` interleaving, the bands' heads name the
/// files of the pixels.
fn pcidsk(dataset: &Dataset) -> Result<(), String> {
    const BLOCK: u64 = 512;
    const BAND_HEAD: u64 = 1024;
    for name in files(dataset) {
        let Some(mut file) = vsi::File::open(&name) else { continue };
        let head = file.read(0, 512);
        if !head.starts_with(b"PCIDSK") {
            continue;
        }
        let Some(blocks) = number(&head, 16, 16) else { continue };
        enough(&name, blocks.checked_mul(BLOCK))?;
        let by_file = head.get(360..364).is_some_and(|text| text == b"FILE");
        let (Some(first), true) = (number(&head, 336, 16), by_file) else { continue };
        let (rows, cols, _) = pixels(dataset).ok_or("its size is beyond what can be counted")?;
        for index in 0..u64::try_from(dataset.raster_count()).unwrap_or(0) {
            let at = first.saturating_sub(1).saturating_mul(BLOCK).saturating_add(index.saturating_mul(BAND_HEAD));
            let head = file.read(at, 512);
            let beside =
                head.get(64..128).map(|text| String::from_utf8_lossy(text).trim().to_owned()).unwrap_or_default();
            if beside.is_empty() || beside.starts_with("LNK=") {
                continue;
            }
            let needed = || {
                let (start, pixel, line) = (number(&head, 168, 16)?, number(&head, 184, 8)?, number(&head, 192, 8)?);
                let bits = match head.get(160..163)? {
                    b"8U " => 8,
                    b"16S" | b"16U" => 16,
                    b"32R" => 32,
                    _ => return None,
                };
                let last =
                    rows.checked_sub(1)?.checked_mul(line)?.checked_add(cols.checked_sub(1)?.checked_mul(pixel)?)?;
                start.checked_add(last)?.checked_add(bits / 8)
            };
            if let Some(needed) = needed() {
                let folder = Path::new(&name).parent().unwrap_or(Path::new(""));
                enough(&folder.join(&beside).to_string_lossy(), Some(needed))?;
            }
        }
    }
    Ok(())
}

/// A decimal number in a fixed place of a text head.
fn number(head: &[u8], start: usize, len: usize) -> Option<u64> {
    std::str::from_utf8(head.get(start..start.checked_add(len)?)?).ok()?.trim().parse().ok()
}

/// PCRaster's maps: a head of 256 bytes, in which the last two bits of the type say how large a pixel is.
fn pcraster(dataset: &Dataset, name: &str) -> Result<(), String> {
    const HEAD: u64 = 256;
    let Some(mut file) = vsi::File::open(name) else { return Ok(()) };
    let head = file.read(0, 256);
    // A number in the head tells the byte order: 1, seen from the machine that wrote it.
    let little = head.get(46..50) == Some(&[1, 0, 0, 0]);
    let Some(kind) = head.get(if little { 66 } else { 67 }) else { return Ok(()) };
    let needed = pixels(dataset)
        .and_then(|(rows, cols, _)| rows.checked_mul(cols)?.checked_mul(1 << (kind & 3))?.checked_add(HEAD));
    enough(name, needed)
}

/// The raw bands of a VRT, for which it says itself where the pixels lie.
fn raw_bands(vrt: &Vrt, folder: &Path) -> Result<(), String> {
    let Some((cols, rows)) = vrt.size else { return Ok(()) };
    for band in &vrt.raw_bands {
        let bytes = band.dtype.as_deref().and_then(dtype::by_name).and_then(|t| i64::try_from(dtype::size(t)).ok());
        let (Some(source), Some(bytes)) = (&band.source, bytes) else { continue };
        let pixel = band.pixel_offset.unwrap_or(bytes);
        let needed = || {
            let line = band.line_offset.or_else(|| pixel.checked_mul(cols))?;
            let down = rows.checked_sub(1)?.checked_mul(line)?.max(0);
            let across = cols.checked_sub(1)?.checked_mul(pixel)?.max(0);
            let start = band.image_offset.unwrap_or(0);
            let end = start.checked_add(down)?.checked_add(across)?.checked_add(bytes)?;
            u64::try_from(end).ok()
        };
        enough(&gdal_name(&source.path(folder)), needed())?;
    }
    Ok(())
}

/// A VRT as GDAL writes it.
fn vrt(dataset: &Dataset) -> Vrt {
    let texts = dataset.metadata_domain("xml:VRT").unwrap_or_default();
    texts.first().map(|text| Vrt::parse(text)).unwrap_or_default()
}

/// The folder that a VRT's relative names start from.
fn folder_of(dataset: &Dataset) -> PathBuf {
    let name = files(dataset).into_iter().next().unwrap_or_default();
    Path::new(&name).parent().unwrap_or(Path::new("")).to_owned()
}
