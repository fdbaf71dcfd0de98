//! What a program that was built without AWS support has in the place of `s3.rs`.

use super::fatal::Fatal;
use worker::remote::Fetch;

/// Refuses.
pub fn read(url: &str, _: u64) -> Result<Vec<u8>, Fatal> {
    Err(Fatal::usage(format!("this tilefn was built without AWS support, so it can't read {url}")))
}

/// A worker gets its module from the controller.
pub fn fetch() -> Option<Fetch> {
    None
}
