//! GDAL's settings and messages: configured once, nothing on stderr, failures kept for the thread that caused them.

use super::{damage, settings};
use gdal::config;
use gdal::errors::CplErrType;
use gdal_sys::CPLErr;
use std::cell::{Cell, RefCell};
use std::mem;
use std::sync::Once;

/// More messages than this of one call say nothing new.
const KEPT: usize = 8;

/// GDAL's numbers for what a server answers: `CPLE_HttpResponse` to `CPLE_AWSSignatureDoesNotMatch`.
const HTTP_RESPONSE: i32 = 11;
const AWS_LAST: i32 = 17;

/// What GDAL said during one call.
#[derive(Default)]
pub(super) struct Messages {
    failures: Vec<String>,
    warnings: Vec<String>,
}

impl Messages {
    /// The failures as one text, if there was one.
    pub(super) fn failure(&self) -> Option<String> {
        (!self.failures.is_empty()).then(|| self.failures.join("; "))
    }

    /// The failures, else the warnings, else `otherwise`, as one text: the best there is when a call didn't succeed.
    pub(super) fn reason(&self, otherwise: &str) -> String {
        match (self.failure(), self.warnings.is_empty()) {
            (Some(text), _) => text,
            (None, false) => self.warnings.join("; "),
            (None, true) => otherwise.to_owned(),
        }
    }

    /// Everything, failures first: for a call that succeeded all the same.
    pub(super) fn all(mut self) -> Vec<String> {
        self.failures.append(&mut self.warnings);
        self.failures
    }

    /// As [`outcome`](Self::outcome), for a call that reads pixels: a warning that tells of damage is a failure, as GDAL has
    /// made up what it couldn't decode.
    pub(super) fn outcome_of_read(&self, returned: CPLErr::Type) -> Result<(), String> {
        self.outcome(returned)?;
        self.warnings.iter().find(|text| damage::tells_of_damage(text)).map_or(Ok(()), |text| Err(text.clone()))
    }

    /// Whether a call succeeded that returned this. A few drivers report a damaged block and go on.
    pub(super) fn outcome(&self, returned: CPLErr::Type) -> Result<(), String> {
        if returned == CPLErr::CE_None && self.failure().is_none() {
            Ok(())
        } else {
            Err(self.reason("GDAL gives no reason"))
        }
    }
}

thread_local! {
    static MESSAGES: RefCell<Messages> = RefCell::default();
    static HEARD: Cell<bool> = const { Cell::new(false) };
}

/// As [`watch`], for a caller that passes the warnings on: they aren't logged as well.
pub(super) fn hear<T>(call: impl FnOnce() -> T) -> (T, Messages) {
    let outer = HEARD.replace(true);
    let result = watch(call);
    HEARD.set(outer);
    result
}

/// Runs `call` and returns with its result what GDAL said meanwhile on this thread.
pub(super) fn watch<T>(call: impl FnOnce() -> T) -> (T, Messages) {
    ready();
    let outer = MESSAGES.take();
    let result = call();
    let mine = MESSAGES.with_borrow_mut(|messages| mem::replace(messages, outer));
    (result, mine)
}

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

/// GDAL's version, as `3.6.2`.
pub fn gdal_version() -> String {
    gdal::version::version_info("RELEASE_NAME")
}

/// Installs the message handler and tilefn's defaults and loads the drivers, the first time it is called. What the user set stays.
pub(super) fn ready() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        config::set_error_handler(receive);
        for (key, value) in [
            // Object stores answer "slow down" now and then.
            ("GDAL_HTTP_MAX_RETRY", "4"),
            ("GDAL_HTTP_RETRY_DELAY", "1"),
            // One request for a header of usual size.
            ("GDAL_INGESTED_BYTES_AT_OPEN", "32768"),
        ] {
            set_unless_given(key, value);
        }
        // Else the pixels that a raw file lacks are zeros, in narrow windows of wide rasters.
        let _ = config::set_config_option("GDAL_ONE_BIG_READ", "NO");
        let environment = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
        let endpoint = environment("AWS_ENDPOINT_URL_S3").or_else(|| environment("AWS_ENDPOINT_URL"));
        let given = config::get_config_option("AWS_S3_ENDPOINT", "").is_ok_and(|given| !given.is_empty());
        if let Some(endpoint) = endpoint.filter(|_| !given) {
            for (key, value) in s3_endpoint(&endpoint) {
                set_unless_given(key, value);
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

fn set_unless_given(key: &str, value: &str) {
    if config::get_config_option(key, "").is_ok_and(|given| given.is_empty()) {
        // Both are plain ASCII without NUL, the only way this fails.
        let _ = config::set_config_option(key, value);
    }
}

/// Runs `call` with a setting that holds on this thread only, whatever the user's is.
pub(super) fn with<T>(key: &str, value: &str, call: impl FnOnce() -> T) -> T {
    let _ = config::set_thread_local_config_option(key, value);
    let result = call();
    let _ = config::clear_thread_local_config_option(key);
    result
}

/// As [`with`], unless the user has set it.
pub(super) fn with_setting<T>(key: &str, value: &str, call: impl FnOnce() -> T) -> T {
    if config::get_config_option(key, "").is_ok_and(|given| given.is_empty()) { with(key, value, call) } else { call() }
}

/// Runs `call`, which opens or reads a raster, without threads of GDAL's own if the user's `GDAL_NUM_THREADS` asks for some: what
/// they have to say of a damaged block is lost. Tiles are read by several threads anyway.
pub(super) fn on_this_thread<T>(call: impl FnOnce() -> T) -> T {
    const KEY: &str = "GDAL_NUM_THREADS";
    if config::get_config_option(KEY, "").is_ok_and(|given| given.is_empty()) { call() } else { with(KEY, "1", call) }
}

/// GDAL calls this on the thread that has something to say. It must not panic.
fn receive(class: CplErrType, number: i32, text: &str) {
    let text = text.trim();
    let keep = |pick: fn(&mut Messages) -> &mut Vec<String>| {
        let _ = MESSAGES.try_with(|messages| {
            let Ok(mut messages) = messages.try_borrow_mut() else {
                return;
            };
            let list = pick(&mut messages);
            if list.len() < KEPT && list.last().is_none_or(|last| last != text) {
                list.push(text.to_owned());
            }
        });
    };
    match class {
        CplErrType::Failure | CplErrType::Fatal => {
            tracing::debug!(target: "tilefn::gdal", "{text}");
            keep(|messages| &mut messages.failures);
        }
        CplErrType::Warning => {
            if HEARD.try_with(Cell::get).unwrap_or(false) {
                tracing::debug!(target: "tilefn::gdal", "{text}");
            } else {
                tracing::warn!(target: "tilefn::gdal", "{text}");
            }
            // A request that is repeated is none of the file's. If it fails for good, that is a failure.
            if !(HTTP_RESPONSE..=AWS_LAST).contains(&number) {
                keep(|messages| &mut messages.warnings);
            }
        }
        CplErrType::Debug | CplErrType::None => tracing::trace!(target: "tilefn::gdal", "{text}"),
    }
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
