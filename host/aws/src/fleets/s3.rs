//! Objects in S3: a job's module, ticket, report and state. Rasters there are GDAL's.

use super::tags;
use crate::address::{read, split};
use crate::error::{AwsError, Cause};
use crate::session::Session;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use job::spec;
use wire::{Fingerprint, Ticket};

/// The metadata with which a ticket says how long it is needed.
const EXPIRES: &str = "tilefn-expires";
/// The file with a job's secret.
const TICKET: &str = "ticket.json";

/// A bucket and prefix for jobs' modules, tickets and reports.
///
/// Encryption is the bucket's own: S3 encrypts every object, and asking for a kind here would override the owner's key.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    bucket: String,
    prefix: String,
}

/// A ticket found in a store.
#[derive(Clone, Debug)]
pub(super) struct FoundTicket {
    pub job: String,
    pub url: String,
    /// Seconds since 1970.
    pub expires: Option<u64>,
}

impl Store {
    /// The store that `[workers.s3]` names, reached by `session`.
    pub fn new(session: &Session, settings: &spec::S3) -> Self {
        let slash = if settings.prefix.is_empty() || settings.prefix.ends_with('/') { "" } else { "/" };
        let prefix = format!("{}{slash}", settings.prefix);
        let client = session.s3(settings.region.as_deref(), settings.endpoint.as_deref());
        Self { client, bucket: settings.bucket.clone(), prefix }
    }

    /// The store that has the file `file` of job `job` at the address `url`.
    ///
    /// # Errors
    /// When `url` is no address of such a file.
    pub(super) fn with(session: &Session, job: &str, file: &str, url: &str) -> Result<Self, AwsError> {
        let end = format!("jobs/{}/{file}", tags::id(job));
        let place = split(url).and_then(|(bucket, key)| Some((bucket, key.strip_suffix(&end)?)));
        let wrong = || AwsError::refused(format!("use {url}"), format!("it does not end with {end}"));
        let (bucket, prefix) = place.ok_or_else(wrong)?;
        Ok(Self { client: session.s3(None, None), bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// Puts a module where every job with the same module finds it; nothing is sent when it is there already.
    /// Returns its `s3://` address.
    ///
    /// # Errors
    /// When S3 refuses or can't be reached.
    pub async fn put_module(&self, module: &[u8]) -> Result<String, AwsError> {
        let key = format!("{}modules/{}.wasm", self.prefix, hex::encode(Fingerprint::of(module).0));
        let url = self.url(&key);
        let doing = format!("upload the module to {url}");
        match self.size(&key).await {
            Ok(size) if size == module.len() as u64 => return Ok(url),
            // Without permission to list the bucket, S3 denies what isn't there.
            Ok(_) | Err(AwsError { cause: Cause::Gone | Cause::Denied, .. }) => {}
            Err(e) => return Err(e),
        }
        let put = |only_new| {
            let request = self.client.put_object().bucket(&self.bucket).key(&key);
            let request = if only_new { request.if_none_match("*") } else { request };
            request.content_type("application/wasm").body(ByteStream::from(module.to_vec())).send()
        };
        let Err(e) = put(true).await else { return Ok(url) };
        if e.raw_response().is_none_or(|r| r.status().as_u16() != 412) {
            return Err(AwsError::of(doing, e));
        }
        // It is there: from another controller just now, or of the wrong size. The worker checks the hash.
        if self.size(&key).await.is_ok_and(|size| size == module.len() as u64) {
            return Ok(url);
        }
        put(false).await.map_err(|e| AwsError::of(doing, e))?;
        Ok(url)
    }

    /// Bucket and prefix, by which things on AWS are marked with their store.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.bucket, self.prefix)
    }

    /// The address of a job's ticket.
    pub fn ticket_url(&self, job: &str) -> String {
        self.address(job, TICKET)
    }

    /// Puts a job's ticket under the job's prefix, where only the workers' role should be allowed to read.
    ///
    /// # Errors
    /// When S3 refuses or can't be reached.
    pub async fn put_ticket(&self, ticket: &Ticket) -> Result<(), AwsError> {
        let doing = format!("put the ticket to {}", self.ticket_url(&ticket.job));
        let body = ticket.to_json().map_err(|e| AwsError::refused(&doing, e.to_string()))?;
        let request = self.client.put_object().bucket(&self.bucket).key(self.key(&ticket.job, TICKET));
        let request = request.content_type("application/json").metadata(EXPIRES, ticket.expires.to_string());
        request.body(ByteStream::from(body)).send().await.map_err(|e| AwsError::of(doing, e))?;
        Ok(())
    }

    /// Deletes a job's ticket; it is no error if there is none.
    ///
    /// # Errors
    /// When S3 refuses or can't be reached.
    pub async fn delete_ticket(&self, job: &str) -> Result<(), AwsError> {
        self.delete(job, TICKET).await
    }

    /// Puts one of a job's files (JSON) under the job's prefix. Returns its `s3://` address.
    ///
    /// # Errors
    /// When S3 refuses or can't be reached.
    pub async fn put(&self, job: &str, file: &str, bytes: Vec<u8>) -> Result<String, AwsError> {
        let url = self.address(job, file);
        let request = self.client.put_object().bucket(&self.bucket).key(self.key(job, file));
        let sent = request.content_type("application/json").body(ByteStream::from(bytes)).send().await;
        sent.map_err(|e| AwsError::of(format!("write {url}"), e))?;
        Ok(url)
    }

    /// One of a job's files, of at most `limit` bytes; `None` if it isn't there.
    pub(super) async fn get(&self, job: &str, file: &str, limit: u64) -> Result<Option<Vec<u8>>, AwsError> {
        match read(&self.client, &self.bucket, &self.key(job, file), limit).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(AwsError { cause: Cause::Gone, .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Deletes one of a job's files; it is no error if it isn't there.
    pub(super) async fn delete(&self, job: &str, file: &str) -> Result<(), AwsError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.key(job, file));
        match request.send().await.map_err(|e| AwsError::of(format!("delete {}", self.address(job, file)), e)) {
            Ok(_) | Err(AwsError { cause: Cause::Gone, .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// The `s3://` address of one of a job's files.
    pub(super) fn address(&self, job: &str, file: &str) -> String {
        self.url(&self.key(job, file))
    }

    /// The tickets of all jobs.
    pub(super) async fn tickets(&self) -> Result<Vec<FoundTicket>, AwsError> {
        let jobs = format!("{}jobs/", self.prefix);
        let doing = || format!("list s3://{}/{jobs}", self.bucket);
        let mut found = Vec::new();
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(&jobs).into_paginator().send();
        while let Some(page) = pages.next().await {
            for key in page.map_err(|e| AwsError::of(doing(), e))?.contents().iter().filter_map(|o| o.key()) {
                let Some(job) = key.strip_prefix(&jobs).and_then(|k| k.strip_suffix("/ticket.json")) else { continue };
                let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
                let head = match head.map_err(|e| AwsError::of(format!("look at s3://{}/{key}", self.bucket), e)) {
                    Ok(head) => head,
                    Err(AwsError { cause: Cause::Gone, .. }) => continue,
                    Err(e) => return Err(e),
                };
                let expires = head.metadata().and_then(|m| m.get(EXPIRES)).and_then(|t| t.parse().ok());
                found.push(FoundTicket { job: job.to_owned(), url: self.url(key), expires });
            }
        }
        Ok(found)
    }

    async fn size(&self, key: &str) -> Result<u64, AwsError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        let head = head.map_err(|e| AwsError::of(format!("look at {}", self.url(key)), e))?;
        Ok(head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(u64::MAX))
    }

    fn key(&self, job: &str, file: &str) -> String {
        format!("{}jobs/{}/{file}", self.prefix, tags::id(job))
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }
}
