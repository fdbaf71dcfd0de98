//! The fleet of ECS tasks on EC2 instances that are started for the job: a private cluster.

use super::backoff::{Step, chance, delay};
use super::cost::{self, Rates};
use super::crew::Crew;
use super::ledger::{Clients, PAGE};
use super::request::Kind;
use super::tags;
use crate::aws::error::{AwsError, Cause};
use crate::aws::session::Session;
use crate::controller::Usage;
use crate::controller::fleet::{Fleet, FleetError, Roll};
use crate::job::spec::{self, Spot, Workers};
use crate::wire::Ticket;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::types::{
    Filter, HttpTokensState, IamInstanceProfileSpecification, InstanceMarketOptionsRequest,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceStateName, InstanceType, MarketType,
    ResourceType, ShutdownBehavior, Tag, TagSpecification,
};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use tokio::time::{Instant, sleep};

/// Where ECS's newest image for container instances is named; Amazon Linux 2 is out of support.
const IMAGE: &str = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023";

/// Workers as tasks on EC2 instances.
pub struct Ec2 {
    crew: Crew,
    settings: spec::Ec2,
    /// Instances that AWS started and has not ended, and when.
    instances: IndexMap<String, Instant>,
    /// How many there have been, and the seconds of those that have ended.
    started: u64,
    ended_seconds: f64,
    /// Whether one of them has joined the cluster.
    joined: bool,
    rates: Option<Rates>,
    /// A request whose answer is not known; it is sent again with the same token.
    pending: Option<Launch>,
    sent: u64,
    nonce: u64,
    refusals: u32,
    not_before: Option<Instant>,
}

/// One request for instances of one type in one subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Launch {
    place: Place,
    count: u32,
    token: String,
}

/// What instances are asked for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    instance_type: String,
    subnet: String,
    spot: bool,
}

/// All places in the order to try them: the first type in every subnet, then the next; Spot before on-demand.
fn places(settings: &spec::Ec2) -> Vec<Place> {
    let markets: &[bool] = match settings.ecs.spot {
        Spot::Never => &[false],
        Spot::Prefer => &[true, false],
        Spot::Only => &[true],
    };
    let mut places = Vec::new();
    for &spot in markets {
        for instance_type in &settings.instance_types {
            for subnet in &settings.ecs.subnets {
                places.push(Place { instance_type: instance_type.clone(), subnet: subnet.clone(), spot });
            }
        }
    }
    places
}

/// What an instance runs when it starts: it joins the cluster, and ends itself after a while whatever became of the
/// controller.
fn user_data(settings: &spec::Ec2, cluster: &str) -> String {
    let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
    let minutes = settings.shutdown_after.duration().as_secs().div_ceil(60);
    format!(
        "#!/bin/bash\nshutdown -h +{minutes}\ncat >>/etc/ecs/ecs.config <<'END'\nECS_CLUSTER={cluster}\n\
         ECS_ENABLE_SPOT_INSTANCE_DRAINING=true\nECS_AWSVPC_BLOCK_IMDS=true\nEND\n"
    )
}

/// The request for instances. AWS may start fewer than asked for.
fn run_instances(
    settings: &spec::Ec2,
    tags: &IndexMap<String, String>,
    cluster: &str,
    launch: &Launch,
) -> RunInstancesInputBuilder {
    let ecs = &settings.ecs;
    let arm = match ecs.cpu_architecture {
        spec::CpuArchitecture::X86_64 => "",
        spec::CpuArchitecture::Arm64 => "arm64/",
    };
    let image = settings.ami.clone().unwrap_or_else(|| format!("{IMAGE}/{arm}recommended/image_id"));
    let cluster_tag = Tag::builder().key(tags::CLUSTER).value(cluster).build();
    let tags = tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build());
    let tags: Vec<_> = tags.chain([cluster_tag]).collect();
    let tagged = |kind| TagSpecification::builder().resource_type(kind).set_tags(Some(tags.clone())).build();
    let count = i32::try_from(launch.count).unwrap_or(i32::MAX);
    let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required);
    let groups = Some(ecs.security_groups.clone()).filter(|g| !g.is_empty());
    let mut request = RunInstancesInputBuilder::default()
        .image_id(image)
        .instance_type(InstanceType::from(launch.place.instance_type.as_str()))
        .min_count(1)
        .max_count(count)
        .client_token(&launch.token)
        .user_data(aws_smithy_types::base64::encode(user_data(settings, cluster)))
        .iam_instance_profile(IamInstanceProfileSpecification::builder().arn(&settings.instance_profile_arn).build())
        .metadata_options(metadata.http_put_response_hop_limit(1).build())
        // Or "shutdown" would only stop the instance, and its disk would be paid for ever.
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
        .tag_specifications(tagged(ResourceType::Instance))
        .tag_specifications(tagged(ResourceType::Volume));
    if launch.place.spot {
        request = request
            .instance_market_options(InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build())
            .tag_specifications(tagged(ResourceType::SpotInstancesRequest));
    }
    if !ecs.assign_public_ip {
        return request.subnet_id(&launch.place.subnet).set_security_group_ids(groups);
    }
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(&launch.place.subnet)
        .set_groups(groups)
        .associate_public_ip_address(true)
        .delete_on_termination(true);
    request.network_interfaces(interface.build())
}

impl Ec2 {
    /// A fleet with the job file's settings; nothing is asked of AWS yet.
    ///
    /// # Errors
    /// When the job file lacks `[workers.ec2]`, `[workers.s3]` or `count`.
    pub fn new(session: &Session, workers: &Workers) -> Result<Self, AwsError> {
        let settings = workers.ec2.clone();
        let settings = settings.ok_or_else(|| AwsError::refused("use the job file", "it lacks [workers.ec2]"))?;
        Ok(Self {
            crew: Crew::new(session, workers, Kind::Ec2(settings.clone()))?,
            rates: cost::ec2(&settings, session.region()),
            settings,
            instances: IndexMap::new(),
            started: 0,
            ended_seconds: 0.0,
            joined: false,
            pending: None,
            sent: 0,
            nonce: chance(),
            refusals: 0,
            not_before: None,
        })
    }

    /// Looks at the instances once and starts those that are missing, then the same with tasks.
    async fn round(&mut self, roll: &Roll) -> Result<(), FleetError> {
        self.look_at_instances().await;
        let there = u32::try_from(self.instances.len()).unwrap_or(u32::MAX);
        let missing = self.settings.instance_count.saturating_sub(there);
        let waiting = self.not_before.is_some_and(|until| Instant::now() < until);
        if missing > 0 && !waiting && roll.tiles_left() > 0 {
            match self.launch(missing).await {
                Ok(()) => self.refusals = 0,
                Err(e) if self.instances.is_empty() && matches!(e.cause, Cause::Denied | Cause::Refused) => {
                    return Err(e.into());
                }
                Err(e) => {
                    tracing::warn!("{e}");
                    self.refusals = self.refusals.saturating_add(1);
                    let pace = &self.crew.clients.pace;
                    let wait = delay(self.refusals, pace.backoff, pace.backoff_most, chance());
                    self.not_before = Some(Instant::now() + wait);
                }
            }
        }
        let ready = self.registered().await;
        self.crew.round(roll, ready).await
    }

    /// Starts instances wherever there are some, until there are enough or all places have been tried.
    async fn launch(&mut self, missing: u32) -> Result<(), AwsError> {
        let mut missing = missing;
        let mut refusal = None;
        let tried_before = self.pending.take();
        let begun_again = tried_before.into_iter().map(|l| (l.place, Some((l.count, l.token))));
        for (place, again) in begun_again.chain(places(&self.settings).into_iter().map(|p| (p, None))) {
            if missing == 0 {
                return Ok(());
            }
            let (count, token) = again.unwrap_or_else(|| {
                self.sent += 1;
                (missing, format!("tilefn-{:016x}-{}", self.nonce, self.sent))
            });
            match self.run(Launch { place, count, token }).await {
                Ok(started) => missing = missing.saturating_sub(started),
                Err(e) if e.cause == Cause::Capacity => {
                    tracing::info!("{e}");
                    refusal = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        refusal.filter(|_| missing > 0).map_or(Ok(()), Err)
    }

    async fn run(&mut self, launch: Launch) -> Result<u32, AwsError> {
        let Some(cluster) = self.crew.ledger.cluster.clone() else { return Ok(0) };
        let Place { instance_type, subnet, spot } = &launch.place;
        let market = if *spot { "Spot " } else { "" };
        let doing = format!("start {} {market}instances {instance_type} in {subnet}", launch.count);
        self.pending = Some(launch.clone());
        self.crew.ledger.instances = true;
        self.crew.ledger.unanswered = Some(Instant::now());
        let step = Step::begin();
        let request = run_instances(&self.settings, &self.crew.common.tags, &cluster.name, &launch);
        let answer = match request.send_with(&self.crew.clients.ec2).await.map_err(|e| AwsError::of(&doing, e)) {
            Ok(answer) => answer,
            Err(e) => {
                if e.cause != Cause::Unclear && e.cause != Cause::Throttled {
                    self.pending = None;
                    self.crew.ledger.unanswered = None;
                }
                return Err(e);
            }
        };
        self.pending = None;
        self.crew.ledger.unanswered = None;
        for id in answer.instances().iter().filter_map(|i| i.instance_id.clone()) {
            self.crew.ledger.instance_ids.insert(id.clone());
            if self.instances.insert(id, Instant::now()).is_none() {
                self.started += 1;
            }
        }
        let started = u32::try_from(answer.instances().len()).unwrap_or(u32::MAX);
        let all = self.instances.len();
        step.done(format_args!("{started} {market}instances {instance_type} started in {subnet}, {all} in all"));
        Ok(started)
    }

    /// Strikes off the instances that have ended.
    async fn look_at_instances(&mut self) {
        let all: Vec<_> = self.instances.keys().cloned().collect();
        if all.is_empty() {
            return;
        }
        let alive = match alive(&self.crew.clients.ec2, &self.crew.ledger.job).await {
            Ok(alive) => alive,
            Err(e) => {
                tracing::warn!("{e}");
                return;
            }
        };
        let settle = self.crew.clients.pace.settle;
        for id in all.iter().filter(|id| !alive.contains(*id)) {
            if self.instances.get(id).is_some_and(|started| started.elapsed() >= settle)
                && let Some(started) = self.instances.shift_remove(id)
            {
                self.ended_seconds += started.elapsed().as_secs_f64();
                tracing::warn!("instance {id} has ended");
            }
        }
    }

    fn instance_seconds(&self) -> f64 {
        self.instances.values().fold(self.ended_seconds, |sum, started| sum + started.elapsed().as_secs_f64())
    }

    /// Whether an instance has joined the cluster, so that there is a place for tasks.
    async fn registered(&mut self) -> bool {
        let Some(cluster) = self.crew.ledger.cluster.clone() else { return false };
        let answer = self.crew.clients.ecs.describe_clusters().clusters(&cluster.name).send().await;
        match answer.map_err(|e| AwsError::of(format!("look at cluster {}", cluster.name), e)) {
            Ok(answer) => {
                let there = answer.clusters().first().is_some_and(|c| c.registered_container_instances_count() > 0);
                if let (true, false, Some(first)) = (there, self.joined, self.instances.values().min()) {
                    tracing::info!(
                        "an instance has joined the cluster ({:.1} s since it started)",
                        first.elapsed().as_secs_f64()
                    );
                    self.joined = true;
                }
                there
            }
            Err(e) => {
                tracing::warn!("{e}");
                false
            }
        }
    }
}

impl Fleet for Ec2 {
    async fn start(&mut self, ticket: &Ticket, roll: &Roll) -> Result<(), FleetError> {
        self.crew.prepare(ticket).await?;
        self.round(roll).await
    }

    async fn keep(&mut self, roll: &Roll) -> FleetError {
        loop {
            sleep(self.crew.clients.pace.poll).await;
            if let Err(error) = self.round(roll).await {
                return error;
            }
        }
    }

    async fn stop(&mut self) -> Vec<String> {
        let failed = self.crew.stop().await;
        self.ended_seconds = self.instance_seconds();
        self.instances.clear();
        self.pending = None;
        failed
    }

    fn usage(&self) -> Option<Usage> {
        let seconds = self.instance_seconds();
        let usage = Usage { instances: self.started, instance_seconds: seconds, ..self.crew.usage() };
        Some(self.rates.iter().fold(usage, |usage, rates| rates.price(usage)))
    }
}

/// The job's instances that have not ended, by their tag.
pub(super) async fn alive(ec2: &aws_sdk_ec2::Client, job: &str) -> Result<BTreeSet<String>, AwsError> {
    let filter = Filter::builder().name(format!("tag:{}", tags::JOB)).values(tags::id(job)).build();
    let mut found = BTreeSet::new();
    for instance in described(ec2, filter).await? {
        found.extend(instance.instance_id);
    }
    Ok(found)
}

/// The instances that pass `filter` and have not ended.
pub(super) async fn described(
    ec2: &aws_sdk_ec2::Client,
    filter: Filter,
) -> Result<Vec<aws_sdk_ec2::types::Instance>, AwsError> {
    let mut pages = ec2.describe_instances().filters(filter).filters(not_ended()).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of("look at the instances", e))?;
        for reservation in page.reservations.unwrap_or_default() {
            found.extend(reservation.instances.unwrap_or_default());
        }
    }
    Ok(found)
}

fn not_ended() -> Filter {
    use InstanceStateName::{Pending, Running, Stopped, Stopping};
    let states = [Pending, Running, Stopping, Stopped].map(|s| s.as_str().to_owned());
    Filter::builder().name("instance-state-name").set_values(Some(states.to_vec())).build()
}

/// Takes the container instances on these EC2 instances (all, if `None`) out of the cluster, with whatever runs there.
pub(super) async fn deregister(
    clients: &Clients,
    cluster: &str,
    instances: Option<&BTreeSet<String>>,
) -> Result<(), AwsError> {
    let gone_is_fine = |e: AwsError| if e.cause == Cause::Gone { Ok(()) } else { Err(e) };
    let mut all = Vec::new();
    let mut pages = clients.ecs.list_container_instances().cluster(cluster).into_paginator().send();
    while let Some(page) = pages.next().await {
        match page.map_err(|e| AwsError::of(format!("list the instances in cluster {cluster}"), e)) {
            Ok(page) => all.extend(page.container_instance_arns.unwrap_or_default()),
            Err(e) => return gone_is_fine(e),
        }
    }
    for page in all.chunks(PAGE) {
        let request = clients.ecs.describe_container_instances().cluster(cluster);
        let answer = request.set_container_instances(Some(page.to_vec())).send().await;
        let answer = answer.map_err(|e| AwsError::of(format!("look at the instances in cluster {cluster}"), e))?;
        for instance in answer.container_instances() {
            let ours = instances.is_none_or(|ids| instance.ec2_instance_id().is_some_and(|id| ids.contains(id)));
            let Some(arn) = instance.container_instance_arn().filter(|_| ours) else { continue };
            let request = clients.ecs.deregister_container_instance().cluster(cluster).container_instance(arn);
            let done = request.force(true).send().await.map(|_| ());
            done.map_err(|e| AwsError::of(format!("deregister {arn}"), e)).or_else(gone_is_fine)?;
        }
    }
    Ok(())
}

/// Terminates these instances. One that is gone makes AWS refuse the whole call, so then each is tried by itself.
pub(super) async fn terminate(ec2: &aws_sdk_ec2::Client, ids: &BTreeSet<String>) -> Result<(), AwsError> {
    if ids.is_empty() {
        return Ok(());
    }
    let end = |ids: Vec<String>| async move {
        let doing = format!("terminate the instances {}", ids.join(", "));
        let done = ec2.terminate_instances().set_instance_ids(Some(ids)).send().await;
        done.map(|_| ()).map_err(|e| AwsError::of(doing, e))
    };
    let all: Vec<_> = ids.iter().cloned().collect();
    match end(all).await {
        Err(AwsError { cause: Cause::Gone, .. }) => {}
        done => return done,
    }
    let mut failed = Ok(());
    for id in ids {
        match end(vec![id.clone()]).await {
            Ok(()) | Err(AwsError { cause: Cause::Gone, .. }) => {}
            Err(e) => failed = Err(e),
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &str) -> spec::Ec2 {
        toml::from_str(&format!(
            r#"image = "img:1"
            task_role_arn = "arn:aws:iam::1:role/t"
            subnets = ["subnet-a", "subnet-b"]
            security_groups = ["sg-1"]
            instance_count = 2
            instance_types = ["c7i.large", "c6i.large"]
            instance_profile_arn = "arn:aws:iam::1:instance-profile/p"
            shutdown_after = "90m"
            {more}"#
        ))
        .unwrap()
    }

    fn launch(spot: bool) -> Launch {
        Launch {
            place: Place { instance_type: "c7i.large".into(), subnet: "subnet-a".into(), spot },
            count: 2,
            token: "t".into(),
        }
    }

    #[test]
    fn every_type_and_subnet_is_tried_and_spot_first() {
        let order =
            |more| places(&settings(more)).into_iter().map(|p| (p.spot, p.instance_type, p.subnet)).collect::<Vec<_>>();
        let place = |spot, t: &str, s: &str| (spot, format!("{t}.large"), format!("subnet-{s}"));
        assert_eq!(
            order("spot = 'prefer'"),
            [true, false]
                .map(|spot| [
                    place(spot, "c7i", "a"),
                    place(spot, "c7i", "b"),
                    place(spot, "c6i", "a"),
                    place(spot, "c6i", "b")
                ])
                .concat()
        );
        assert!(order("spot = 'only'").iter().all(|p| p.0));
        assert_eq!(order("").len(), 4);
    }

    #[test]
    fn an_instance_joins_the_cluster_and_ends_itself() {
        let script = user_data(&settings(""), "arn:aws:ecs:eu-west-1:1:cluster/own");
        assert!(script.starts_with("#!/bin/bash\nshutdown -h +90\n"), "{script}");
        assert!(script.contains("\nECS_CLUSTER=own\n"), "{script}");
    }

    #[test]
    fn the_request_has_every_setting() {
        let tags = IndexMap::from([("tilefn:job".to_owned(), "j".to_owned())]);
        let it = run_instances(&settings(""), &tags, "c", &launch(false)).build().unwrap();
        assert_eq!((it.min_count(), it.max_count(), it.client_token()), (Some(1), Some(2), Some("t")));
        assert_eq!(
            it.image_id(),
            Some("resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id")
        );
        assert_eq!(it.instance_initiated_shutdown_behavior(), Some(&ShutdownBehavior::Terminate));
        assert_eq!((it.subnet_id(), it.security_group_ids()), (Some("subnet-a"), &["sg-1".to_owned()][..]));
        assert!(it.instance_market_options().is_none() && it.network_interfaces().is_empty());
        let kinds: Vec<_> = it.tag_specifications().iter().map(|t| t.resource_type().unwrap().as_str()).collect();
        assert_eq!(kinds, ["instance", "volume"]);

        let more = "assign_public_ip = true\ncpu_architecture = 'ARM64'";
        let it = run_instances(&settings(more), &tags, "c", &launch(true)).build().unwrap();
        assert!(it.image_id().unwrap().ends_with("/amazon-linux-2023/arm64/recommended/image_id"));
        assert_eq!(it.instance_market_options().unwrap().market_type(), Some(&MarketType::Spot));
        // AWS refuses a subnet or groups beside an interface that has them.
        assert!(it.subnet_id().is_none() && it.security_group_ids().is_empty());
        let interface = &it.network_interfaces()[0];
        assert_eq!((interface.subnet_id(), interface.associate_public_ip_address()), (Some("subnet-a"), Some(true)));
        let own = run_instances(&settings("ami = 'ami-1'"), &tags, "c", &launch(true)).build().unwrap();
        assert_eq!(own.image_id(), Some("ami-1"));
    }
}
