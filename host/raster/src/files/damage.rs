//! Files that are too short for their pixels, and what GDAL says of damaged ones.
//!
//! Most drivers fail to read pixels that a file doesn't have. Those here give zeros in their place, without a word.

use super::open::{files, gdal_path};
use super::{cpl, dtype, netcdf3, vsi};
use gdal::{Dataset, DatasetOptions, GdalOpenFlags, Metadata};
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::path::Path;

/// How deep VRTs may be nested; GDAL's own limit is about as large.
const DEEPEST: u32 = 32;

/// An error if the file, known to GDAL as `name`, has fewer bytes than its pixels take. Looks at the dataset's own files, not at
/// those that a VRT names.
pub(super) fn check(dataset: &Dataset, name: &str) -> Result<(), String> {
    match dataset.driver().short_name().as_str() {
        "ENVI" => envi(dataset, name),
        "HFA" => spill_files(dataset),
        "netCDF" => netcdf(dataset),
        "PCIDSK" => pcidsk(dataset),
        "PCRaster" => pcraster(dataset, name),
        "VRT" => raw_bands(&vrt_text(dataset), &folder_of(dataset)),
        _ => Ok(()),
    }
}

/// The same for the files that a VRT takes its pixels from, which GDAL opens only when it reads.
pub(super) fn check_sources(dataset: &Dataset) -> Result<(), String> {
    let mut seen = HashSet::new();
    sources(dataset, &mut seen, DEEPEST)
}

fn sources(dataset: &Dataset, seen: &mut HashSet<String>, deeper: u32) -> Result<(), String> {
    if dataset.driver().short_name() != "VRT" || deeper == 0 {
        return Ok(());
    }
    let (text, folder) = (vrt_text(dataset), folder_of(dataset));
    for part in text.split("<SourceFilename").skip(1) {
        let Some(name) = file_name(part, &folder) else { continue };
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
        let (Ok(source), _) = cpl::watch(open) else { continue };
        check(&source, &name).map_err(|reason| format!("its source {name}: {reason}"))?;
        sources(&source, seen, deeper - 1)?;
    }
    Ok(())
}

/// Whether the driver that opens this file is one of those in [`check`].
fn may_be_short(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    let (driver, _) = cpl::watch(|| {
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
                enough(
                    &joined(&beside, &Path::new(&name).parent().unwrap_or(Path::new("")).to_string_lossy()),
                    Some(needed),
                )?;
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
fn raw_bands(vrt: &str, folder: &str) -> Result<(), String> {
    let size = |key: &str| attribute(vrt, key)?.parse::<i64>().ok();
    let (Some(cols), Some(rows)) = (size("rasterXSize"), size("rasterYSize")) else { return Ok(()) };
    for band in vrt.split("<VRTRasterBand ").skip(1) {
        let (head, content) = band.split_once('>').unwrap_or((band, ""));
        if attribute(head, "subClass") != Some("VRTRawRasterBand") {
            continue;
        }
        let file = content.split_once("<SourceFilename").and_then(|(_, part)| file_name(part, folder));
        let bytes =
            attribute(head, "dataType").and_then(dtype::by_name).and_then(|t| i64::try_from(dtype::size(t)).ok());
        let (Some(file), Some(bytes)) = (file, bytes) else { continue };
        let number = |tag: &str, default: i64| {
            let text = content.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split('<').next());
            text.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(default)
        };
        let pixel = number("PixelOffset", bytes);
        let needed = || {
            let line = number("LineOffset", pixel.checked_mul(cols)?);
            let down = rows.checked_sub(1)?.checked_mul(line)?.max(0);
            let across = cols.checked_sub(1)?.checked_mul(pixel)?.max(0);
            let end = number("ImageOffset", 0).checked_add(down)?.checked_add(across)?.checked_add(bytes)?;
            u64::try_from(end).ok()
        };
        enough(&file, needed())?;
    }
    Ok(())
}

/// A VRT as GDAL writes it.
fn vrt_text(dataset: &Dataset) -> String {
    dataset.metadata_domain("xml:VRT").unwrap_or_default().into_iter().next().unwrap_or_default()
}

/// The folder that a VRT's relative names start from.
fn folder_of(dataset: &Dataset) -> String {
    let name = files(dataset).into_iter().next().unwrap_or_default();
    Path::new(&name).parent().unwrap_or(Path::new("")).to_string_lossy().into_owned()
}

/// The name in what follows `<SourceFilename`.
fn file_name(element: &str, folder: &str) -> Option<String> {
    let (head, rest) = element.split_once('>')?;
    let name = ["&lt;<", "&gt;>", "&quot;\"", "&apos;'", "&amp;&"].iter().fold(
        rest.split('<').next()?.to_owned(),
        |text, pair| {
            let (escape, plain) = pair.split_at(pair.len() - 1);
            text.replace(escape, plain)
        },
    );
    let relative = matches!(attribute(head, "relativeToVRT"), Some("1"));
    Some(if relative { joined(&name, folder) } else { gdal_path(&name).into_owned() })
}

fn joined(name: &str, folder: &str) -> String {
    if folder.is_empty() || name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The value of an attribute in the head of an element.
fn attribute<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = head.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// Whether a warning of GDAL's while it reads pixels tells of damage: then it has given some pixels that aren't in the file.
///
/// Decoders say it in these words. Others of their warnings are harmless: unknown tags, profiles, requests that are repeated.
pub(super) fn tells_of_damage(warning: &str) -> bool {
    const WORDS: [&str; 13] = [
        "corrupt",
        "premature",
        "truncated",
        "damaged",
        "discarding",
        "lack of data",
        "not enough",
        "unexpected",
        "mismatch",
        "improper",
        "inconsistent",
        "too short",
        "too long",
    ];
    let text = warning.to_lowercase();
    // The directory of a TIFF file, its metadata, may be read again when pixels are.
    let directory = ["tifffetch", "tiffreaddirectory", "geotiff tags", " tag "].iter().any(|word| text.contains(word));
    !directory && WORDS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_and_other_warnings() {
        // As libtiff, libjpeg and OpenJPEG put it.
        for text in [
            "JPEGLib:Corrupt JPEG data: 1328 extraneous bytes before marker 0xd9",
            "JPEGLib:Premature end of JPEG file",
            "PackBitsDecode:Discarding 116 bytes to avoid buffer overrun",
            "PackBitsDecode:Terminating PackBitsDecode due to lack of data.",
            "Fax4Decode:Premature EOL at line 132 of tile 1 (got 0, expected 256)",
            "Fax3Decode1D:Line length mismatch at line 3 of strip 0 (got 8, expected 16)",
            "read: segment too long (925) with max (21351) for codeblock 4 (p=0, b=1, r=3, c=0)",
            "Unexpected value in grid row 299 (expected floating point value, found \"k4\").",
        ] {
            assert!(tells_of_damage(text), "{text}");
        }
        for text in [
            "HTTP error code: 503 - https://example.org/a.tif. Retrying again in 1.0 secs",
            "a.tif: TIFFFetchNormalTag:ASCII value for tag \"GDALMetadata\" contains null byte in value; value incorrectly truncated",
            "a.tif: GeoTIFF tags apparently corrupt, they are being ignored.",
            "libpng: iCCP: known incorrect sRGB profile",
            "LZWDecode:Old-style LZW codes, convert file",
        ] {
            assert!(!tells_of_damage(text), "{text}");
        }
    }

    #[test]
    fn names_in_a_vrt() {
        let name = |text: &str| file_name(text, "/data").unwrap();
        assert_eq!(name(" relativeToVRT=\"1\">a.bin</SourceFilename>"), "/data/a.bin");
        assert_eq!(name(" relativeToVRT=\"0\" shared=\"0\">a &amp;lt; b.bin</SourceFilename>"), "a &lt; b.bin");
        assert_eq!(name(">NETCDF:&quot;x.nc&quot;:B4<"), "NETCDF:\"x.nc\":B4");
    }
}
