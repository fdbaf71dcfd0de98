//! Where on AWS jobs leave things: from a job file, or from options, for the commands that look at jobs from outside.

use super::fatal::Fatal;
use aws::{AwsError, Clients, Session, Store};
use clap::Args;
use job::{self, spec};

/// Which bucket, region and cluster.
#[derive(Debug, Args)]
pub struct PlaceArguments {
    /// Take bucket, region, endpoint and cluster from this job file's [workers]
    #[arg(long, value_name = "FILE")]
    job: Option<String>,
    /// The bucket of [workers.s3]; default: the job file's, or TILEFN_BUCKET
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// What keys in the bucket start with; default: tilefn/
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// AWS region; default: the environment's
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// A cluster that jobs share, by name or ARN; may come many times
    #[arg(long = "cluster", value_name = "NAME")]
    clusters: Vec<String>,
}

/// Where to look.
pub struct AwsPlace {
    /// Bucket and prefix.
    pub s3: spec::S3,
    /// ECS's region.
    pub region: Option<String>,
    /// Clusters that jobs share.
    pub clusters: Vec<String>,
}

impl PlaceArguments {
    /// What the options say, else the job file.
    pub fn resolve(&self) -> Result<AwsPlace, Fatal> {
        let loaded =
            self.job.as_ref().map(|path| job::load(path, &[], None).map_err(super::prepare::mistakes)).transpose()?;
        let workers = loaded.as_ref().map(|l| &l.spec.workers);
        let ecs = workers.and_then(spec::Workers::ecs);
        let default = || std::env::var("TILEFN_BUCKET").ok().filter(|name| !name.is_empty());
        let mut s3 = match (workers.and_then(|w| w.s3.clone()), &self.bucket) {
            (Some(s3), None) => s3,
            (Some(s3), Some(bucket)) => spec::S3 { bucket: bucket.clone(), ..s3 },
            (None, Some(bucket)) => spec::S3::new(bucket),
            (None, None) => spec::S3::new(&default().ok_or_else(|| {
                Fatal::usage("say where to look: --bucket NAME, TILEFN_BUCKET, or --job FILE with [workers.s3]")
            })?),
        };
        if let Some(prefix) = &self.prefix {
            s3.prefix = prefix.clone();
        }
        let mut clusters = self.clusters.clone();
        clusters.extend(ecs.and_then(|e| e.cluster.clone()).filter(|c| !clusters.contains(c)));
        let region = self.region.clone().or_else(|| ecs.and_then(|e| e.region.clone()));
        Ok(AwsPlace { s3, region, clusters })
    }
}

impl AwsPlace {
    /// The services there.
    pub async fn clients(&self) -> Result<Clients, AwsError> {
        let session = Session::load(self.region.as_deref()).await?;
        Ok(Clients::new(&session, Store::new(&session, &self.s3)))
    }
}
