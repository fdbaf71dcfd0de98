//! Lends GDAL the credentials that only the AWS command line finds, and renews them.
//!
//! GDAL finds those in the environment and in profiles, and those of roles, by itself; it knows neither `credential_process` nor
//! `aws login`, and single sign-on only since 3.8.

use super::threads::spawn;
use aws::Lent;
use std::path::PathBuf;
use std::sync::Once;
use std::time::{Duration, SystemTime};

/// Settings of a profile that GDAL doesn't obey.
const BEYOND_GDAL: [&str; 4] = ["sso_", "credential_process", "login_session", "credential_source"];
/// Credentials are renewed this long before they expire.
const EARLY: Duration = Duration::from_secs(300);
/// The shortest wait until then, also after a failure.
const PAUSE: Duration = Duration::from_secs(10);

/// Lends GDAL what it can't find, if one of these texts names something in S3. Does so once for this process.
pub fn to_gdal<'a>(mut texts: impl Iterator<Item = std::borrow::Cow<'a, str>>) {
    static LENT: Once = Once::new();
    if !LENT.is_completed() && texts.any(|text| text.contains("s3://") || text.contains("/vsis3/")) && needs_them() {
        LENT.call_once(|| {
            if let Some(expires) = lend()
                && let Err(e) = spawn("credentials", move || renew(expires))
            {
                tracing::warn!("the credentials for S3 won't be renewed: {}", e.text);
            }
        });
    }
}

/// Whether a profile may have credentials in a way that GDAL doesn't know.
fn needs_them() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if ["AWS_ACCESS_KEY_ID", "AWS_NO_SIGN_REQUEST"].iter().any(|name| set(name).is_some()) {
        return false;
    }
    let home = || Some(PathBuf::from(set("HOME")?).join(".aws/config"));
    let text = set("AWS_CONFIG_FILE").map(PathBuf::from).or_else(home).map(std::fs::read_to_string);
    text.is_some_and(|text| text.is_ok_and(|text| BEYOND_GDAL.iter().any(|setting| text.contains(setting))))
}

/// Renews the credentials as long as this process lives.
fn renew(mut expires: SystemTime) {
    loop {
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        std::thread::sleep(left.saturating_sub(EARLY).max(PAUSE));
        if let Some(later) = lend() {
            expires = later;
        }
    }
}

/// Asks for credentials and gives them to GDAL. Returns when they expire, if they do.
fn lend() -> Option<SystemTime> {
    match aws::lent()? {
        Ok(Lent { id, secret, token, expires }) => {
            raster::lend_credentials(&id, &secret, token.as_deref());
            expires
        }
        Err(text) => {
            tracing::warn!("no credentials for rasters in S3: {text}");
            None
        }
    }
}
