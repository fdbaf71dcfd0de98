//! A simulated AWS with a job on it: what every test here starts from.

use crate::sim::{ACCESS_KEY, Event, Rules, SECRET_KEY, Sim};
use aws::gc::{Leftover, Scope};
use aws::{Clients, Pace, Session, Store};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use controller::fleet::{ConnectedWorkers, Fleet, FleetError};
use job::spec::Workers;
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};
use types::WorkerKind;
use wire::{About, Fingerprint, JobCertificate, Secret, Ticket};

/// When the tests' tickets expire, in seconds since 1970.
pub const EXPIRES: u64 = 1_767_225_600;
/// Only so that a test that hangs ends.
const HANG: Duration = Duration::from_secs(60);

pub struct Stage {
    pub sim: Sim,
    pub session: Session,
    pub workers: ConnectedWorkers,
}

impl Stage {
    pub async fn new(rules: Rules) -> Self {
        Self::with_tries(rules, 5).await
    }

    /// `tries`: how often the SDK itself sends a call.
    pub async fn with_tries(rules: Rules, tries: u32) -> Self {
        let sim = Sim::start(rules).await;
        let ms = Duration::from_millis;
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&sim.url)
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                ACCESS_KEY, SECRET_KEY, None, None, "test",
            )))
            .retry_config(
                RetryConfig::standard().with_max_attempts(tries).with_initial_backoff(ms(1)).with_max_backoff(ms(5)),
            )
            .load()
            .await;
        let pace = Pace {
            poll: ms(2),
            settle: ms(60),
            stop: Duration::from_secs(20),
            backoff: ms(1),
            backoff_most: ms(10),
            renew: HANG,
        };
        let workers = ConnectedWorkers::default();
        workers.set_tiles_left(1_000);
        // A task that runs is a worker that connects.
        let (joins, number) = (workers.clone(), |arn: &str| arn.rsplit('/').next().unwrap().parse::<u64>().unwrap());
        sim.world.lock().unwrap().listener = Some(Box::new(move |event| match event {
            Event::Running(arn) => joins.join(number(&arn), about(&arn)),
            Event::Stopped(arn) => joins.leave(number(&arn)),
        }));
        Self { sim, session: Session::new(config, pace), workers }
    }

    pub fn clients(&self, workers: &Workers) -> Clients {
        Clients::new(&self.session, Store::new(&self.session, workers.s3.as_ref().unwrap()))
    }

    /// Starts the fleet and keeps it until so many workers are connected, or it gives up.
    pub async fn run(&self, fleet: &mut impl Fleet, job: &str, until: usize) -> Result<(), FleetError> {
        timeout(HANG, async {
            fleet.start(&ticket(job), &self.workers).await?;
            tokio::select! {
                error = fleet.keep(&self.workers) => Err(error),
                () = self.connected(until) => Ok(()),
            }
        })
        .await
        .unwrap_or_else(|_| panic!("hangs: {:?}", self.sim.calls()))
    }

    pub async fn stop(&self, fleet: &mut impl Fleet) -> Vec<String> {
        timeout(HANG, fleet.stop()).await.unwrap_or_else(|_| panic!("hangs: {:?}", self.sim.calls()))
    }

    async fn connected(&self, until: usize) {
        while self.workers.connected().len() < until {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

fn about(arn: &str) -> About {
    About {
        name: "w".into(),
        host: "h".into(),
        pid: 1,
        kind: WorkerKind::Fargate,
        task_arn: Some(arn.to_owned()),
        threads: 1,
        reads: false,
    }
}

pub fn ticket(job: &str) -> Ticket {
    Ticket::new(
        job,
        vec!["10.0.0.1:7400".into()],
        JobCertificate::generate().unwrap().fingerprint(),
        Secret::generate().unwrap(),
        Fingerprint::of(b"module"),
        SystemTime::UNIX_EPOCH + Duration::from_secs(EXPIRES),
    )
}

/// The `[workers]` section of a job on Fargate.
pub fn fargate(count: u32, more_workers: &str, more: &str) -> Workers {
    toml::from_str(&format!(
        r#"kind = "fargate"
        count = {count}
        {more_workers}
        [s3]
        bucket = "bucket"
        [fargate]
        image = "img:1"
        task_role_arn = "arn:aws:iam::1:role/t"
        execution_role_arn = "arn:aws:iam::1:role/e"
        subnets = ["subnet-a", "subnet-b"]
        {more}"#
    ))
    .unwrap()
}

/// The `[workers]` section of a job on a private cluster.
pub fn ec2(count: u32, instances: u32, more: &str) -> Workers {
    toml::from_str(&format!(
        r#"kind = "ec2"
        count = {count}
        [s3]
        bucket = "bucket"
        [ec2]
        image = "img:1"
        task_role_arn = "arn:aws:iam::1:role/t"
        subnets = ["subnet-a", "subnet-b"]
        instance_count = {instances}
        instance_types = ["c7i.large", "c6i.large"]
        instance_profile_arn = "arn:aws:iam::1:instance-profile/p"
        {more}"#
    ))
    .unwrap()
}

/// What `tilefn gc` finds where it may look at everything.
pub async fn found(clients: &Clients, scope: &Scope) -> Vec<Leftover> {
    let (found, denied) = aws::gc::find(clients, scope).await;
    assert!(denied.is_empty(), "{denied:?}");
    found
}
