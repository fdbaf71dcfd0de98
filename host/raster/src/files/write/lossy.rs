//! Tells whether an output's format changes pixels: lossy codecs, and NBITS that are too few.

use crate::files::write::creation::{Creation, user_options, value};
use crate::files::write::spec::TargetSpec;
use tilefn_abi::DType;

impl TargetSpec {
    /// The largest number that NBITS leaves, if that is less than the type's. For floats: the largest of 16 bits.
    pub fn most(&self) -> Option<f64> {
        let bits = bits(&user_options(&self.options).ok()?)?;
        let unsigned = matches!(self.dtype, DType::UInt8 | DType::UInt16 | DType::UInt32);
        match bits {
            16 if self.dtype == DType::Float32 => Some(65_504.0),
            1..32 if unsigned && (bits as usize) < self.dtype.size() * 8 => Some(f64::from((1_u32 << bits) - 1)),
            _ => None,
        }
    }

    /// The driver or option by which pixels may get other values in the file, so that a nodata value can't be relied on.
    pub fn changes_pixels(&self) -> Option<String> {
        let creation = Creation::plan(self).ok()?;
        let option = |key: &str| value(&creation.options, key).map(str::to_ascii_uppercase);
        let is = |key: &str, wanted: &[&str]| option(key).is_some_and(|value| wanted.contains(&value.as_str()));
        let yes = |key: &str| is(key, &["YES", "TRUE", "ON", "1"]);
        let driver = creation.driver_name();
        let named = |key: &str| option(key).map(|value| format!("{key}={value}"));
        match driver {
            "JPEG" | "ECW" | "HEIF" | "AVIF" => return Some(format!("the format {driver}")),
            "WEBP" if !yes("LOSSLESS") => return Some("WEBP without LOSSLESS=YES".into()),
            "JPEGXL" if is("LOSSLESS", &["NO", "FALSE", "OFF", "0"]) => return named("LOSSLESS"),
            "JP2OpenJPEG" if !(yes("REVERSIBLE") && is("QUALITY", &["100"])) => {
                return Some("JPEG 2000 without QUALITY=100 and REVERSIBLE=YES".into());
            }
            _ => {}
        }
        let compress = option("COMPRESS").unwrap_or_default();
        let lossless_quality = driver == "COG" && is("QUALITY", &["100"]);
        let loses = match compress.as_str() {
            "JPEG" => true,
            "WEBP" => !(yes("WEBP_LOSSLESS") || lossless_quality),
            "JXL" => is("JXL_LOSSLESS", &["NO", "FALSE", "OFF", "0"]),
            lerc if lerc.starts_with("LERC") => {
                option("MAX_Z_ERROR").is_some_and(|error| error.parse::<f64>().is_ok_and(|error| error > 0.0))
            }
            _ => false,
        };
        if loses {
            return named("COMPRESS");
        }
        if option("DISCARD_LSB").is_some_and(|bits| bits != "0") {
            return named("DISCARD_LSB");
        }
        (self.dtype.is_float() && bits(&creation.options).is_some_and(|bits| bits < 32)).then(|| named("NBITS"))?
    }
}

fn bits(options: &[(String, String)]) -> Option<u32> {
    value(options, "NBITS")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use grid::{Crs, GeoTransform, Grid};

    fn spec(path: &str, dtype: DType, options: &[&str]) -> TargetSpec {
        let transform = GeoTransform::north_up(0.0, 0.0, 1.0, 1.0);
        let grid = Grid { transform, rows: 64, cols: 64, crs: Crs::default() };
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        TargetSpec { options, ..TargetSpec::plain(path.into(), grid, dtype) }
    }

    #[test]
    fn nbits_leave_so_much() {
        let most = |dtype, options: &[&str]| spec("a.tif", dtype, options).most();
        assert_eq!(most(DType::UInt8, &["NBITS=2"]), Some(3.0));
        assert_eq!(most(DType::UInt16, &["nbits=12"]), Some(4095.0));
        assert_eq!(most(DType::UInt32, &["NBITS=31"]), Some(2_147_483_647.0));
        assert_eq!(most(DType::Float32, &["NBITS=16"]), Some(65_504.0));
        for (dtype, bits) in [(DType::UInt8, "NBITS=8"), (DType::UInt16, "NBITS=16"), (DType::Float32, "NBITS=32")] {
            assert_eq!(most(dtype, &[bits]), None);
        }
    }

    #[test]
    fn formats_that_change_pixels_are_known() {
        let lossy = |path, dtype, options: &[&str]| spec(path, dtype, options).changes_pixels();
        assert_eq!(lossy("a.tif", DType::UInt8, &["COMPRESS=JPEG"]).as_deref(), Some("COMPRESS=JPEG"));
        assert_eq!(lossy("a.jpg", DType::UInt8, &[]).as_deref(), Some("the format JPEG"));
        assert_eq!(
            lossy("a.tif", DType::Float32, &["COMPRESS=LERC", "MAX_Z_ERROR=0.1"]).as_deref(),
            Some("COMPRESS=LERC")
        );
        assert_eq!(lossy("a.tif", DType::Float32, &["NBITS=16"]).as_deref(), Some("NBITS=16"));
        for (path, options) in
            [("a.tif", &[][..]), ("a.tif", &["COMPRESS=LERC"]), ("a.tif", &["COMPRESS=ZSTD"]), ("a.img", &[])]
        {
            assert_eq!(lossy(path, DType::Float32, options), None, "{path} {options:?}");
        }
    }
}
