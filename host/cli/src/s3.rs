//! What the program reads from S3: job files, modules and tickets.

use super::fatal::Fatal;
use aws::{AwsError, Session};
use std::sync::Arc;
use tokio::runtime::Builder;
use worker::remote::Fetch;

/// The object at an `s3://` address, of at most `limit` bytes.
pub fn read(url: &str, limit: u64) -> Result<Vec<u8>, Fatal> {
    wait(async { aws::fetch(&Session::load(None).await?, url, limit).await })
}

/// How a worker reads its module.
pub fn fetch() -> Option<Fetch> {
    Some(Arc::new(|url, limit| {
        Box::pin(async move {
            let session = Session::load(None).await.map_err(|e| e.to_string())?;
            aws::fetch(&session, &url, limit).await.map_err(|e| e.to_string())
        })
    }))
}

/// Waits for calls to AWS. Their errors exit with code 3, infrastructure.
pub fn wait<T>(calls: impl Future<Output = Result<T, AwsError>>) -> Result<T, Fatal> {
    let runtime = wire::runtime::build(Builder::new_current_thread().enable_all()).map_err(Fatal::infrastructure)?;
    runtime.block_on(calls).map_err(Fatal::infrastructure)
}
