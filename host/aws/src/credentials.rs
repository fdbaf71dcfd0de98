//! Credentials: the SDK's own chain, and where that knows no way, the AWS command line.
//!
//! Single sign-on, `credential_process` and `aws login` would each bring further SDKs into every build of this program. Users who
//! have them have the command line as well, which exports what it finds and renews it.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use serde::Deserialize;
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The program, and what it is asked for.
const EXPORT: [&str; 5] = ["aws", "configure", "export-credentials", "--format", "process"];
/// The version of its answer.
const VERSION: u64 = 1;

/// The SDK's chain (environment, profile, roles, web identity, container, instance), then the command line.
#[derive(Debug)]
pub(super) struct Chain(DefaultCredentialsChain);

/// What the command line prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    version: u64,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

impl Chain {
    pub async fn new(config: ProviderConfig) -> Self {
        Self(DefaultCredentialsChain::builder().configure(config).build().await)
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let error = match self.0.provide_credentials().await {
            Ok(credentials) => return Ok(credentials),
            Err(error) => error,
        };
        match tokio::task::spawn_blocking(exported).await {
            Ok(Some(found)) => found.map_err(CredentialsError::provider_error),
            // There is no such program, so what the SDK says has to do.
            Ok(None) | Err(_) => Err(error),
        }
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

/// Credentials for somebody else than the SDK.
pub struct Lent {
    /// The access key's id.
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
    pub expires: Option<SystemTime>,
}

/// The credentials that the AWS command line exports, or why it has none; `None` where it is not installed.
pub fn lent() -> Option<Result<Lent, String>> {
    Some(exported()?.map(|credentials| Lent {
        id: credentials.access_key_id().to_owned(),
        secret: credentials.secret_access_key().to_owned(),
        token: credentials.session_token().map(str::to_owned),
        expires: credentials.expiry(),
    }))
}

/// The credentials that the command line exports, or why it has none; `None` where it is not installed.
fn exported() -> Option<Result<Credentials, String>> {
    let [program, arguments @ ..] = EXPORT;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let failed = |why: &str| format!("{} says: {}", EXPORT.join(" "), types::text::line(why.trim()));
    Some(match output.status.success() {
        false => Err(failed(&String::from_utf8_lossy(&output.stderr))),
        true => read(&output.stdout).map_err(|e| failed(&e)),
    })
}

/// Reads what was printed. Its values are secret, so an error never quotes them.
fn read(text: &[u8]) -> Result<Credentials, String> {
    let wrong = |e: serde_json::Error| format!("no credentials (line {}, column {})", e.line(), e.column());
    let Exported { version, access_key_id, secret_access_key, session_token, expiration } =
        serde_json::from_slice(text).map_err(wrong)?;
    if version != VERSION {
        return Err(format!("credentials of version {version}, this tilefn reads {VERSION}"));
    }
    let expires = expiration.as_deref().map(time).transpose()?;
    Ok(Credentials::new(access_key_id, secret_access_key, session_token, expires, "the AWS command line"))
}

fn time(text: &str) -> Result<SystemTime, String> {
    let time = DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).ok();
    time.and_then(|time| SystemTime::try_from(time).ok())
        .ok_or_else(|| format!("they expire at {text:?}, which is no time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn what_the_command_line_prints_is_read() {
        let text = br#"{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "s", "SessionToken": "t",
                        "Expiration": "2026-01-01T01:00:00+01:00"}"#;
        let read = super::read(text).unwrap();
        assert_eq!((read.access_key_id(), read.secret_access_key(), read.session_token()), ("AKID", "s", Some("t")));
        assert_eq!(read.expiry(), Some(UNIX_EPOCH + Duration::from_secs(1_767_225_600)));
        let lasting = super::read(br#"{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "s"}"#).unwrap();
        assert_eq!((lasting.session_token(), lasting.expiry()), (None, None));
    }

    #[test]
    fn an_error_never_has_the_secret() {
        for text in [
            r#"{"Version": 2, "AccessKeyId": "AKID", "SecretAccessKey": "hush"}"#,
            r#"{"Version": 1, "AccessKeyId": "hush", "SecretAccessKey": "hush", "Expiration": "soon"}"#,
            r#"{"Version": "hush", "AccessKeyId": "hush", "SecretAccessKey": "hush"}"#,
            "hush",
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
