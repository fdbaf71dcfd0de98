//! GDAL set up for this process, once.

use crate::files::gdal::{messages, settings};
use gdal::{Metadata, config};
use std::sync::Once;

/// Sets GDAL up for this process, its drivers included, and gives its block cache `cache_bytes`, unless the user's `GDAL_CACHEMAX`
/// says how many. May be called again to change the size.
pub fn init(cache_bytes: u64) {
    ready();
    if config::get_config_option("GDAL_CACHEMAX", "").is_ok_and(|given| !given.is_empty()) {
        return;
    }
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: takes a number by value.
    unsafe {
        gdal_sys::GDALSetCacheMax64(i64::try_from(cache_bytes).unwrap_or(i64::MAX));
    }
}

/// Gives GDAL credentials for rasters in S3, for files that are opened from now on.
pub fn lend_credentials(id: &str, secret: &str, token: Option<&str>) {
    ready();
    for (key, value) in
        [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", token.unwrap_or_default())]
    {
        // A key with a NUL in it is none that AWS would take.
        let _ = config::set_config_option(key, value);
    }
}

/// GDAL's version, as `3.6.2`.
pub fn gdal_version() -> String {
    gdal::version::version_info("RELEASE_NAME")
}

/// The raster and vector formats that this GDAL reads, by the short names of their drivers; those that it writes, too, have a `+`.
pub fn formats() -> Vec<String> {
    ready();
    let drivers = (0..gdal::DriverManager::count()).filter_map(|index| gdal::DriverManager::get_driver(index).ok());
    let names = drivers.map(|driver| {
        let writes = ["DCAP_CREATE", "DCAP_CREATECOPY"].iter().any(|key| driver.metadata_item(key, "").is_some());
        format!("{}{}", driver.short_name(), if writes { "+" } else { "" })
    });
    let mut names: Vec<_> = names.collect();
    names.sort_by_key(|name| name.to_lowercase());
    names
}

/// Installs the message handler and tilefn's defaults and loads the drivers, the first time it is called. The user's own settings stay.
pub(crate) fn ready() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        config::set_error_handler(messages::receive);
        for (key, value) in [
            // Object stores answer "slow down" now and then.
            ("GDAL_HTTP_MAX_RETRY", "4"),
            ("GDAL_HTTP_RETRY_DELAY", "1"),
            // One request for a header of usual size.
            ("GDAL_INGESTED_BYTES_AT_OPEN", "32768"),
        ] {
            settings::set_unless_given(key, value);
        }
        // With YES, the pixels that a raw file lacks read as zeros in narrow windows of wide rasters.
        let _ = config::set_config_option("GDAL_ONE_BIG_READ", "NO");
        let environment = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
        let endpoint = environment("AWS_ENDPOINT_URL_S3").or_else(|| environment("AWS_ENDPOINT_URL"));
        let given = config::get_config_option("AWS_S3_ENDPOINT", "").is_ok_and(|given| !given.is_empty());
        if let Some(endpoint) = endpoint.filter(|_| !given) {
            for (key, value) in s3_endpoint(&endpoint) {
                settings::set_unless_given(key, value);
            }
        }
        gdal::DriverManager::register_all();
        // GDAL has read its configuration files now.
        settings::apply();
    });
}

/// GDAL's settings for the S3-compatible service at a URL, which the AWS SDKs take from `AWS_ENDPOINT_URL`. Services
/// other than AWS want the bucket in the path.
fn s3_endpoint(url: &str) -> [(&'static str, &str); 3] {
    let (scheme, host) = url.split_once("://").unwrap_or(("https", url));
    let https = if scheme.eq_ignore_ascii_case("http") { "NO" } else { "YES" };
    [("AWS_S3_ENDPOINT", host.trim_end_matches('/')), ("AWS_HTTPS", https), ("AWS_VIRTUAL_HOSTING", "FALSE")]
}

/// What the user should know of the settings that this process has found: one text for all that are not used, one for those that are.
pub fn settings_warnings() -> Vec<String> {
    ready();
    settings::warnings()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoints_url_becomes_gdals_three_settings() {
        for (url, host, https) in [
            ("http://127.0.0.1:9000", "127.0.0.1:9000", "NO"),
            ("https://minio.example.org/", "minio.example.org", "YES"),
            ("HTTP://h/path/", "h/path", "NO"),
        ] {
            let expected = [("AWS_S3_ENDPOINT", host), ("AWS_HTTPS", https), ("AWS_VIRTUAL_HOSTING", "FALSE")];
            assert_eq!(s3_endpoint(url), expected);
        }
    }
}
