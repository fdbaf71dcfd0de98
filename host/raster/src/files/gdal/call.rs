//! Calls of GDAL: every one goes through these, which set GDAL up before the first.

use crate::files::gdal::messages::{self, Messages};
use crate::files::gdal::setup;
use gdal::config;

/// As [`watch`], for a caller that passes the warnings on: GDAL's warnings are not logged.
pub(crate) fn hear<T>(call: impl FnOnce() -> T) -> (T, Messages) {
    setup::ready();
    messages::collect_unlogged(call)
}

/// Runs `call` and returns with its result what GDAL said meanwhile on this thread.
pub(crate) fn watch<T>(call: impl FnOnce() -> T) -> (T, Messages) {
    setup::ready();
    messages::collect(call)
}

/// Runs `call` with a setting that holds on this thread only, whatever the user's is.
pub(crate) fn with<T>(key: &str, value: &str, call: impl FnOnce() -> T) -> T {
    let _ = config::set_thread_local_config_option(key, value);
    let result = call();
    let _ = config::clear_thread_local_config_option(key);
    result
}

/// As [`with`], unless the user has set it.
pub(crate) fn with_setting<T>(key: &str, value: &str, call: impl FnOnce() -> T) -> T {
    if config::get_config_option(key, "").is_ok_and(|given| given.is_empty()) { with(key, value, call) } else { call() }
}

/// Runs `call`, which opens or reads a raster, without GDAL's own threads, even if the user's `GDAL_NUM_THREADS` asks for some: their
/// messages about damaged blocks are lost. Several threads read tiles anyway.
pub(crate) fn on_this_thread<T>(call: impl FnOnce() -> T) -> T {
    const KEY: &str = "GDAL_NUM_THREADS";
    if config::get_config_option(KEY, "").is_ok_and(|given| given.is_empty()) { call() } else { with(KEY, "1", call) }
}
