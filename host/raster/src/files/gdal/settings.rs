//! GDAL's settings from the environment or its configuration file that change what is read or written.
//!
//! GDAL has hundreds; this is the one place that says which of them tilefn doesn't leave as they are. All others are obeyed.

use gdal::config;
use std::sync::OnceLock;

/// Settings that always have this value: with another one, pixels would be wrong or missing without a word.
const FIXED: [(&str, &str); 8] = [
    // Predictors are chosen by the byte order that the output's own options ask for.
    ("GDAL_TIFF_ENDIANNESS", "NATIVE"),
    ("GTIFF_DONT_WRITE_BLOCKS", "NO"),
    ("GTIFF_IGNORE_READ_ERRORS", "NO"),
    // A damaged JPEG is an error, not grey pixels.
    ("GDAL_ERROR_ON_LIBJPEG_WARNING", "YES"),
    ("GDAL_VALIDATE_CREATION_OPTIONS", "YES"),
    // Ways to read past the decoder, in which a file that is too short is no error, or ends the process.
    ("GTIFF_DIRECT_IO", "NO"),
    ("GTIFF_VIRTUAL_MEM_IO", "NO"),
    ("GTIFF_USE_MMAP", "NO"),
];

/// Settings that are obeyed, but change what is read or written: the user is told that they are set.
const TOLD: [&str; 41] = [
    // What a file is taken for.
    "GDAL_SKIP",
    "GDAL_PAM_ENABLED",
    "GDAL_PAM_PROXY_DIR",
    "GDAL_GEOREF_SOURCES",
    "GDAL_GCPS_TO_GEOTRANSFORM_APPROX_OK",
    "GDAL_IGNORE_AXIS_ORIENTATION",
    "GDAL_JPEG_TO_RGB",
    "GDAL_TIFF_INTERNAL_MASK_TO_8BIT",
    "GDAL_STACTA_SKIP_MISSING_METATILE",
    "GDAL_NETCDF_BOTTOMUP",
    "GDAL_NETCDF_CENTERLONG_180",
    "GDAL_NETCDF_IGNORE_EQUALLY_SPACED_XY_CHECK",
    "GDAL_NETCDF_IGNORE_XY_AXIS_NAME_CHECKS",
    "GDAL_NETCDF_VERIFY_DIMS",
    "GTIFF_HONOUR_NEGATIVE_SCALEY",
    "GTIFF_IMPORT_FROM_EPSG",
    "GTIFF_LINEAR_UNITS",
    "GTIFF_POINT_GEO_IGNORE",
    "GTIFF_REPORT_COMPD_CS",
    "GTIFF_SRS_SOURCE",
    // What a file is written with.
    "ESRI_XML_PAM",
    "GTIFF_ALPHA",
    "GTIFF_ESRI_CITATION",
    "GTIFF_WRITE_IMAGE_STRUCTURE_METADATA",
    "GTIFF_WRITE_TOWGS84",
    "HFA_WRITE_PE_STRING",
    "OSR_STRIP_TOWGS84",
    // What overviews are made with, and where they are.
    "BIGTIFF_OVERVIEW",
    "COMPRESS_OVERVIEW",
    "GDAL_HFA_OVR_BLOCKSIZE",
    "GDAL_OVR_PROPAGATE_NODATA",
    "GDAL_TIFF_OVR_BLOCKSIZE",
    "HFA_USE_RRD",
    "INTERLEAVE_OVERVIEW",
    "JPEG_QUALITY_OVERVIEW",
    "MAX_Z_ERROR_OVERVIEW",
    "PHOTOMETRIC_OVERVIEW",
    "PREDICTOR_OVERVIEW",
    "TIFF_USE_OVR",
    "USE_RRD",
    "WEBP_LEVEL_OVERVIEW",
];

static WARNINGS: OnceLock<Vec<String>> = OnceLock::new();

/// Puts the settings right, once GDAL has read its configuration files.
pub(crate) fn apply() {
    let given = |key: &str| config::get_config_option(key, "").ok().filter(|value| !value.is_empty());
    let found = warnings_for(given);
    for (key, value) in FIXED {
        // Both are plain ASCII without NUL, the only way this fails.
        let _ = config::set_config_option(key, value);
    }
    let _ = WARNINGS.set(found);
}

/// Warnings about the settings that [`apply`] has found.
pub(crate) fn warnings() -> Vec<String> {
    WARNINGS.get().cloned().unwrap_or_default()
}

fn warnings_for(given: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let is_same = |a: &str, b: &str| {
        let number = |text: &str| match text.to_ascii_uppercase().as_str() {
            "YES" | "TRUE" | "ON" | "1" => "YES".to_owned(),
            "NO" | "FALSE" | "OFF" | "0" => "NO".to_owned(),
            other => other.to_owned(),
        };
        number(a) == number(b)
    };
    let fixed = FIXED.iter().filter_map(|(key, value)| Some((key, given(key).filter(|given| !is_same(given, value))?)));
    let fixed: Vec<_> = fixed.map(|(key, value)| format!("{key}={value}")).collect();
    let mut told: Vec<_> = TOLD.iter().filter_map(|key| Some(format!("{key}={}", given(key)?))).collect();
    // Files beside a raster aren't looked for, so their nodata values and masks aren't found.
    let hidden = ("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR");
    told.extend(given(hidden.0).filter(|value| is_same(value, hidden.1)).map(|value| format!("{}={value}", hidden.0)));
    let mut warnings = Vec::new();
    if !fixed.is_empty() {
        warnings.push(format!(
            "GDAL settings that tilefn doesn't use, as pixels could be wrong with them: {}; what outputs are to have belongs into \
             their `options`",
            fixed.join(", ")
        ));
    }
    if !told.is_empty() {
        warnings.push(format!("GDAL settings that change what is read or written: {}", told.join(", ")));
    }
    warnings
}

/// Sets what neither the environment nor a configuration file says.
pub(super) fn set_unless_given(key: &str, value: &str) {
    if config::get_config_option(key, "").is_ok_and(|given| given.is_empty()) {
        // Plain text without NUL; otherwise the user's own folder has a name that GDAL can't be told.
        let _ = config::set_config_option(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let with = |set: &'static [(&str, &str)]| {
            warnings_for(move |key| set.iter().find(|(k, _)| *k == key).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(with(&[]), [""; 0]);
        assert_eq!(with(&[("GDAL_TIFF_ENDIANNESS", "native"), ("GTIFF_DIRECT_IO", "FALSE")]), [""; 0]);
        assert_eq!(with(&[("GDAL_DISABLE_READDIR_ON_OPEN", "TRUE"), ("GDAL_CACHEMAX", "100")]), [""; 0]);
        assert_eq!(
            with(&[
                ("COMPRESS_OVERVIEW", "JPEG"),
                ("GDAL_TIFF_ENDIANNESS", "BIG"),
                ("GDAL_DISABLE_READDIR_ON_OPEN", "empty_dir")
            ]),
            [
                "GDAL settings that tilefn doesn't use, as pixels could be wrong with them: GDAL_TIFF_ENDIANNESS=BIG; what outputs \
                 are to have belongs into their `options`",
                "GDAL settings that change what is read or written: COMPRESS_OVERVIEW=JPEG, GDAL_DISABLE_READDIR_ON_OPEN=empty_dir"
            ]
        );
    }
}
