//! What is asked of EC2: instances, and where to try to get them, as pure functions of the settings.

use crate::fleets::request::WORKER;
use crate::fleets::tags;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, InstanceMarketOptionsRequest, InstanceMetadataOptionsRequest,
    InstanceNetworkInterfaceSpecification, InstanceType, MarketType, ResourceType, ShutdownBehavior, Tag,
    TagSpecification,
};
use indexmap::IndexMap;
use job::spec::{self, Spot};

/// Where ECS's newest image for container instances is named; Amazon Linux 2 is out of support.
const IMAGE: &str = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023";

/// One request for instances of one type in one subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub pool: CapacityPool,
    pub count: u32,
    pub token: String,
}

/// What instances are asked for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CapacityPool {
    pub instance_type: String,
    pub subnet: String,
    pub spot: bool,
}

/// All capacity_pools in the order to try them: the first type in every subnet, then the next; Spot before on-demand.
pub(super) fn capacity_pools(settings: &spec::Ec2) -> Vec<CapacityPool> {
    let markets: &[bool] = match settings.ecs.spot {
        Spot::Never => &[false],
        Spot::Prefer => &[true, false],
        Spot::Only => &[true],
    };
    let mut capacity_pools = Vec::new();
    for &spot in markets {
        for instance_type in &settings.instance_types {
            for subnet in &settings.ecs.subnets {
                capacity_pools.push(CapacityPool {
                    instance_type: instance_type.clone(),
                    subnet: subnet.clone(),
                    spot,
                });
            }
        }
    }
    capacity_pools
}

/// Minutes without a worker after which an instance ends itself.
const IDLE: u32 = 15;

/// What an instance runs when it starts: it joins the cluster, and ends itself whatever became of the controller: once it has
/// been idle, and in any case after a while.
///
/// The loop is a unit of its own, as ECS's agent starts only when this script has ended.
fn user_data(settings: &spec::Ec2, cluster: &str, job: &str) -> String {
    let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
    let minutes = settings.shutdown_after.duration().as_secs().div_ceil(60);
    let (container, attribute, mark) = (WORKER, tags::ATTRIBUTE, tags::started_by(job));
    format!(
        r#"#!/bin/bash
shutdown -h +{minutes}
cat >>/etc/ecs/ecs.config <<'END'
ECS_CLUSTER={cluster}
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_AWSVPC_BLOCK_IMDS=true
ECS_INSTANCE_ATTRIBUTES={{"{attribute}":"{mark}"}}
END
systemd-run --unit=tilefn-idle --no-block bash -c '
  idle=0
  while [ $idle -lt {IDLE} ]; do
    sleep 60
    idle=$((idle + 1))
    [ -z "$(docker ps --quiet --filter label=com.amazonaws.ecs.container-name={container})" ] || idle=0
  done
  shutdown -h now'
"#
    )
}

/// The request for instances. AWS may start fewer than asked for.
pub(super) fn run_instances(
    settings: &spec::Ec2,
    tags: &IndexMap<String, String>,
    cluster: &str,
    launch: &Launch,
) -> RunInstancesInputBuilder {
    let ecs = &settings.ecs;
    let arm = match settings.architecture() {
        spec::CpuArchitecture::X86_64 => "",
        spec::CpuArchitecture::Arm64 => "arm64/",
    };
    let image = settings.ami.clone().unwrap_or_else(|| format!("{IMAGE}/{arm}recommended/image_id"));
    let job = tags.get(tags::JOB).map_or("", String::as_str);
    let cluster_tag = Tag::builder().key(tags::CLUSTER).value(cluster).build();
    let script = user_data(settings, cluster, job);
    let tags = tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build());
    let tags: Vec<_> = tags.chain([cluster_tag]).collect();
    let tagged = |kind| TagSpecification::builder().resource_type(kind).set_tags(Some(tags.clone())).build();
    let count = i32::try_from(launch.count).unwrap_or(i32::MAX);
    let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required);
    let groups = Some(ecs.security_groups.clone()).filter(|g| !g.is_empty());
    let mut request = RunInstancesInputBuilder::default()
        .image_id(image)
        .instance_type(InstanceType::from(launch.pool.instance_type.as_str()))
        .min_count(1)
        .max_count(count)
        .client_token(&launch.token)
        .user_data(aws_smithy_types::base64::encode(script))
        .iam_instance_profile(IamInstanceProfileSpecification::builder().arn(&settings.instance_profile_arn).build())
        .metadata_options(metadata.http_put_response_hop_limit(1).build())
        // Or "shutdown" would only stop the instance, and its disk would be paid for ever.
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
        .tag_specifications(tagged(ResourceType::Instance))
        .tag_specifications(tagged(ResourceType::Volume));
    if launch.pool.spot {
        request = request
            .instance_market_options(InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build())
            .tag_specifications(tagged(ResourceType::SpotInstancesRequest));
    }
    if !ecs.assign_public_ip {
        return request.subnet_id(&launch.pool.subnet).set_security_group_ids(groups);
    }
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(&launch.pool.subnet)
        .set_groups(groups)
        .associate_public_ip_address(true)
        .delete_on_termination(true);
    request.network_interfaces(interface.build())
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
            pool: CapacityPool { instance_type: "c7i.large".into(), subnet: "subnet-a".into(), spot },
            count: 2,
            token: "t".into(),
        }
    }

    #[test]
    fn every_type_and_subnet_is_tried_and_spot_first() {
        let order = |more| {
            capacity_pools(&settings(more)).into_iter().map(|p| (p.spot, p.instance_type, p.subnet)).collect::<Vec<_>>()
        };
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
        let script = user_data(&settings(""), "arn:aws:ecs:eu-west-1:1:cluster/own", "j 1");
        assert!(script.starts_with("#!/bin/bash\nshutdown -h +90\n"), "{script}");
        assert!(script.contains("\nECS_CLUSTER=own\n"), "{script}");
        assert!(script.contains("-name=worker)"), "{script}");
        assert!(script.contains("\nECS_INSTANCE_ATTRIBUTES={\"tilefn.job\":\"tilefn-j-1\"}\n"), "{script}");
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

        let graviton = settings("assign_public_ip = true");
        let graviton = spec::Ec2 { instance_types: vec!["c7g.large".into()], ..graviton };
        let it = run_instances(&graviton, &tags, "c", &launch(true)).build().unwrap();
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
