//! `s3://` addresses, and what lies there: all that a worker needs of AWS.

use super::error::{AwsError, Cause};
use super::session::Session;
use aws_sdk_s3::Client;

/// Bucket and key of an `s3://bucket/key` address.
pub(super) fn split(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("s3://")?.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
}

fn wrong_address(url: &str) -> AwsError {
    AwsError::refused(format!("use {url}"), "not an address like s3://bucket/key")
}

/// The object at an `s3://` address, which may have at most `limit` bytes.
///
/// # Errors
/// When it isn't there, is larger, or can't be read.
pub async fn fetch(session: &Session, url: &str, limit: u64) -> Result<Vec<u8>, AwsError> {
    let (bucket, key) = split(url).ok_or_else(|| wrong_address(url))?;
    read(&session.s3(None, None), bucket, key, limit).await
}

pub(super) async fn read(client: &Client, bucket: &str, key: &str, limit: u64) -> Result<Vec<u8>, AwsError> {
    let doing = format!("read s3://{bucket}/{key}");
    let too_large = || AwsError::refused(&doing, format!("it has more than {limit} bytes"));
    let sent = client.get_object().bucket(bucket).key(key).send().await;
    let mut object = sent.map_err(|e| AwsError::of(&doing, e))?;
    if object.content_length().and_then(|n| u64::try_from(n).ok()).is_some_and(|n| n > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = object.body.try_next().await.map_err(|e| AwsError {
        doing: doing.clone(),
        cause: Cause::Unclear,
        said: e.to_string(),
    })? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_bucket_and_a_key() {
        assert_eq!(split("s3://b/k/l"), Some(("b", "k/l")));
        for wrong in ["s3://b", "s3://b/", "s3:///k", "https://b/k", "/b/k"] {
            assert_eq!(split(wrong), None, "{wrong}");
            assert_eq!(
                wrong_address(wrong).to_string(),
                format!("cannot use {wrong}: not an address like s3://bucket/key")
            );
        }
    }
}
