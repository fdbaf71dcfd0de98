//! The shapes of requests, judged by `moto`, which others wrote. `scripts/moto.sh` starts it and runs these.
//!
//! moto's tasks run at once and end by being looked at, it starts MinCount instances, and no agent ever joins; so these
//! tests go through the calls, and the simulator's tests through the behaviour.

use crate::stage::{EXPIRES, ec2, fargate, found, ticket};
use aws::{Clients, Ec2, Fargate, Pace, Session, Store, fetch, gc};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use controller::fleet::{ConnectedWorkers, Fleet};
use job::spec::{Ecs, Workers};
use std::time::Duration;

/// moto's session, a subnet and a security group; none without `TILEFN_MOTO`.
async fn moto() -> Option<(Session, Place)> {
    let variable = |name: &str| std::env::var(name).ok();
    let place = |url| Some((url, variable("TILEFN_MOTO_SUBNET")?, variable("TILEFN_MOTO_GROUP")?));
    let Some((url, subnet, group)) = variable("TILEFN_MOTO").and_then(place) else {
        println!("SKIPPED: moto is not running; scripts/moto.sh starts it and runs this test");
        return None;
    };
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    let ms = Duration::from_millis;
    let pace = Pace {
        poll: ms(50),
        settle: ms(100),
        stop: ms(20_000),
        backoff: ms(10),
        backoff_most: ms(50),
        renew: ms(600_000),
    };
    Some((Session::new(config, pace), Place { subnet, group }))
}

struct Place {
    subnet: String,
    group: String,
}

impl Place {
    /// Puts tasks and instances here. moto, wrongly, needs a security group.
    fn set(&self, ecs: &mut Ecs) {
        ecs.subnets = vec![self.subnet.clone()];
        ecs.security_groups = vec![self.group.clone()];
    }
}

/// `gc` finds nothing at the end.
async fn nothing_stays(session: &Session, workers: &Workers, job: &str) {
    let clients = Clients::new(session, Store::new(session, workers.s3.as_ref().unwrap()));
    let scope = gc::Scope { job: Some(job.to_owned()), now: EXPIRES, ..Default::default() };
    assert_eq!(found(&clients, &scope).await, []);
}

#[tokio::test]
async fn every_call_of_a_fargate_job_is_understood() {
    let Some((session, place)) = moto().await else { return };
    let more = "assign_public_ip = true\nephemeral_storage_gib = 30\nlog_group = '/w'\ncpu_architecture = 'ARM64'\ntags = { a = 'b' }";
    let mut workers = fargate(12, "", more);
    place.set(&mut workers.fargate.as_mut().unwrap().ecs);
    let store = Store::new(&session, workers.s3.as_ref().unwrap());
    let module = store.put_module(b"\0asm").await.unwrap();
    assert_eq!(store.put_module(b"\0asm").await.unwrap(), module);
    assert_eq!(fetch(&session, &module, 4).await.unwrap(), b"\0asm");

    let connected = ConnectedWorkers::default();
    connected.set_tiles_left(100);
    let mut fleet = Fargate::new(&session, &workers).unwrap();
    fleet.start(&ticket("moto-fargate"), &connected).await.unwrap();
    assert_eq!(fleet.usage().unwrap().tasks, 12);
    let clients = Clients::new(&session, store);
    let scope = gc::Scope { job: Some("moto-fargate".into()), now: 0, ..Default::default() };
    let kinds: Vec<_> = found(&clients, &scope).await.into_iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [gc::ResourceKind::Ticket, gc::ResourceKind::Cluster, gc::ResourceKind::TaskDefinition]);
    assert_eq!(fleet.stop().await, Vec::<String>::new());
    nothing_stays(&session, &workers, "moto-fargate").await;
}

#[tokio::test]
async fn every_call_of_a_spot_job_is_understood() {
    let Some((session, place)) = moto().await else { return };
    let mut workers = fargate(2, "", "spot = 'only'");
    place.set(&mut workers.fargate.as_mut().unwrap().ecs);
    let connected = ConnectedWorkers::default();
    connected.set_tiles_left(100);
    let mut fleet = Fargate::new(&session, &workers).unwrap();
    fleet.start(&ticket("moto-spot"), &connected).await.unwrap();
    assert_eq!(fleet.usage().unwrap().tasks, 2);
    assert_eq!(fleet.stop().await, Vec::<String>::new());
    nothing_stays(&session, &workers, "moto-spot").await;
}

#[tokio::test]
async fn every_call_of_a_private_cluster_is_understood() {
    let Some((session, place)) = moto().await else { return };
    for (job, more) in [("moto-ec2", "spot = 'prefer'"), ("moto-ec2-public", "assign_public_ip = true")] {
        let mut workers = ec2(1, 1, more);
        let settings = workers.ec2.as_mut().unwrap();
        place.set(&mut settings.ecs);
        settings.instance_profile_arn = "arn:aws:iam::123456789012:instance-profile/p".into();
        settings.instance_types = vec!["t3.small".into()];
        let connected = ConnectedWorkers::default();
        connected.set_tiles_left(100);
        let mut fleet = Ec2::new(&session, &workers).unwrap();
        fleet.start(&ticket(job), &connected).await.unwrap();
        assert_eq!(fleet.usage().unwrap().instances, 1);
        let clients = Clients::new(&session, Store::new(&session, workers.s3.as_ref().unwrap()));
        let scope = gc::Scope { job: Some(job.into()), now: 0, ..Default::default() };
        let kinds: Vec<_> = found(&clients, &scope).await.into_iter().map(|f| f.kind).collect();
        assert_eq!(
            kinds,
            [
                gc::ResourceKind::Ticket,
                gc::ResourceKind::Cluster,
                gc::ResourceKind::Instance,
                gc::ResourceKind::TaskDefinition
            ]
        );
        assert_eq!(fleet.stop().await, Vec::<String>::new());
        nothing_stays(&session, &workers, job).await;
    }
}
