//! What is asked of ECS: task definition and tasks, as pure functions of the settings.

use super::tags;
use aws_sdk_ecs::operation::create_cluster::builders::CreateClusterInputBuilder;
use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionInputBuilder;
use aws_sdk_ecs::operation::run_task::builders::RunTaskInputBuilder;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, Compatibility, ContainerDefinition,
    ContainerOverride, CpuArchitecture, EphemeralStorage, KernelCapabilities, KeyValuePair, LaunchType,
    LinuxParameters, LogConfiguration, LogDriver, MountPoint, NetworkConfiguration, NetworkMode, OsFamily,
    PlacementConstraint, PlacementConstraintType, PlacementStrategy, PlacementStrategyType, RuntimePlatform, Tag,
    TaskOverride, Volume,
};
use indexmap::IndexMap;
use job::spec;
use types::WorkerKind;

/// Tasks that one RunTask may start.
pub(super) const BATCH: u32 = 10;
/// Seconds between SIGTERM and SIGKILL, ECS's most: a worker gives its tiles back in them.
const STOP_TIMEOUT: i32 = 120;
/// The volume at /tmp, the one place where a container may write: outputs of a controller on AWS are staged there.
const SCRATCH: &str = "scratch";

/// The settings of a job's tasks.
#[derive(Clone, Debug)]
pub(super) enum TaskSettings {
    Fargate(spec::Fargate),
    #[cfg_attr(not(any(feature = "ec2", test)), expect(dead_code, reason = "made by the fleet on EC2 only"))]
    Ec2(spec::Ec2),
}

impl TaskSettings {
    /// The settings that both kinds share.
    pub fn ecs(&self) -> &spec::Ecs {
        match self {
            Self::Fargate(fargate) => &fargate.ecs,
            Self::Ec2(ec2) => &ec2.ecs,
        }
    }

    fn architecture(&self) -> spec::CpuArchitecture {
        match self {
            Self::Fargate(fargate) => fargate.ecs.cpu_architecture.unwrap_or_default(),
            Self::Ec2(ec2) => ec2.architecture(),
        }
    }

    /// Tiles that a worker runs at the same time, where its own number of processors decides that.
    pub fn threads(&self) -> u32 {
        match self {
            Self::Fargate(fargate) => fargate.cpu.div_ceil(1024),
            Self::Ec2(ec2) => ec2.types().filter_map(|known| known.vcpus).min().unwrap_or(1),
        }
    }
}

/// MiB that a task definition on EC2 reserves where the instances' memory isn't known yet: each request for tasks says more.
const LEAST_MEMORY: u32 = 128;

/// What a task is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Works for the controller of the ticket at this address: no secret, unlike what is in it.
    Worker { ticket: String },
    /// Is the controller, with these arguments and this role.
    Controller { arguments: Vec<String>, role: String },
}

/// The name of a worker's container.
pub(super) const WORKER: &str = "worker";

impl Role {
    /// The container's name in the task definition.
    pub fn container(&self) -> &'static str {
        match self {
            Self::Worker { .. } => WORKER,
            Self::Controller { .. } => "controller",
        }
    }
}

/// What a job's tasks have in common besides their settings.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// The job's id.
    pub job: String,
    /// Name of cluster and task definition.
    pub name: String,
    pub tags: IndexMap<String, String>,
    pub role: Role,
    /// ECS's region, for the log.
    pub region: String,
    pub s3: spec::S3,
    pub threads: Option<u32>,
}

/// One request for up to [`BATCH`] tasks. It is sent again with the same token until its answer is known, so that a
/// lost answer does not start tasks twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub token: String,
    pub count: u32,
    pub spot: bool,
    /// MiB to reserve for each task, where that isn't known before there are instances.
    pub memory: Option<u32>,
}

/// The cluster made for a job. Spot can be asked for only where its capacity provider is associated.
pub(super) fn cluster(common: &Common, spot: bool) -> CreateClusterInputBuilder {
    let request =
        CreateClusterInputBuilder::default().cluster_name(&common.name).set_tags(Some(ecs_tags(&common.tags)));
    if spot { request.capacity_providers("FARGATE").capacity_providers("FARGATE_SPOT") } else { request }
}

/// The task definition that all tasks of a job share.
pub(super) fn task_definition(kind: &TaskSettings, common: &Common) -> RegisterTaskDefinitionInputBuilder {
    let ecs = kind.ecs();
    let architecture = match kind.architecture() {
        spec::CpuArchitecture::X86_64 => CpuArchitecture::X8664,
        spec::CpuArchitecture::Arm64 => CpuArchitecture::Arm64,
    };
    let platform = RuntimePlatform::builder().cpu_architecture(architecture).operating_system_family(OsFamily::Linux);
    let request = RegisterTaskDefinitionInputBuilder::default()
        .family(&common.name)
        .task_role_arn(match &common.role {
            Role::Worker { .. } => &ecs.task_role_arn,
            Role::Controller { role, .. } => role,
        })
        .set_execution_role_arn(ecs.execution_role_arn.clone())
        .runtime_platform(platform.build())
        .container_definitions(container(kind, common))
        .volumes(Volume::builder().name(SCRATCH).build())
        .set_tags(Some(ecs_tags(&common.tags)));
    match kind {
        TaskSettings::Fargate(fargate) => {
            let disk = |gib| EphemeralStorage::builder().size_in_gib(small(gib)).build();
            request
                .requires_compatibilities(Compatibility::Fargate)
                .network_mode(NetworkMode::Awsvpc)
                .cpu(fargate.cpu.to_string())
                .memory(fargate.memory.0.to_string())
                .set_ephemeral_storage(fargate.ephemeral_storage_gib.map(disk))
        }
        TaskSettings::Ec2(ec2) => {
            request.requires_compatibilities(Compatibility::Ec2).network_mode(match ec2.network_mode {
                spec::NetworkMode::Host => NetworkMode::Host,
                spec::NetworkMode::Awsvpc => NetworkMode::Awsvpc,
            })
        }
    }
}

/// The one container. The image's entry point is the program itself.
fn container(kind: &TaskSettings, common: &Common) -> ContainerDefinition {
    let ecs = kind.ecs();
    let name = match kind {
        TaskSettings::Fargate(_) => WorkerKind::Fargate.name(),
        TaskSettings::Ec2(_) => WorkerKind::Ec2.name(),
    };
    let command = match &common.role {
        Role::Worker { ticket } => {
            let mut command: Vec<_> = ["worker", "--ticket", ticket, "--kind", name].map(str::to_owned).into();
            command.extend(common.threads.into_iter().flat_map(|n| ["--threads".to_owned(), n.to_string()]));
            command
        }
        Role::Controller { arguments, .. } => arguments.clone(),
    };
    let region = common.s3.region.as_deref().unwrap_or(&common.region);
    let variables = [("AWS_REGION", Some(region)), ("AWS_ENDPOINT_URL_S3", common.s3.endpoint.as_deref())];
    let variables = variables.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let variables = variables.map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
    let builder = ContainerDefinition::builder()
        .name(common.role.container())
        .image(&ecs.image)
        .essential(true)
        .set_command(Some(command))
        .set_environment(Some(variables.collect()))
        .stop_timeout(STOP_TIMEOUT)
        .readonly_root_filesystem(true)
        .linux_parameters(no_capabilities())
        .mount_points(MountPoint::builder().source_volume(SCRATCH).container_path("/tmp").build())
        .set_log_configuration(ecs.log_group.as_deref().map(|group| log(group, common)));
    match kind {
        TaskSettings::Fargate(fargate) => builder.memory(small(fargate.memory.0)).build(),
        TaskSettings::Ec2(ec2) => {
            builder.memory_reservation(small(ec2.memory_reservation.unwrap_or(LEAST_MEMORY))).build()
        }
    }
}

/// The program needs none of root's powers, and is not root.
fn no_capabilities() -> LinuxParameters {
    LinuxParameters::builder().capabilities(KernelCapabilities::builder().drop("ALL").build()).build()
}

/// The log in CloudWatch. It never blocks the worker; what matters reaches the controller by the worker's own link.
fn log(group: &str, common: &Common) -> LogConfiguration {
    let options = [
        ("awslogs-group", group),
        ("awslogs-region", &common.region),
        ("awslogs-stream-prefix", &common.name),
        ("mode", "non-blocking"),
        ("max-buffer-size", "4m"),
    ];
    let mut builder = LogConfiguration::builder().log_driver(LogDriver::Awslogs);
    for (key, value) in options {
        builder = builder.options(key, value);
    }
    #[expect(clippy::expect_used, reason = "build fails only without a log driver, which is set")]
    builder.build().expect("a log driver is set")
}

/// The request that starts one batch of tasks.
pub(super) fn run_task(kind: &TaskSettings, common: &Common, cluster: &str, batch: &Batch) -> RunTaskInputBuilder {
    let ecs = kind.ecs();
    let request = RunTaskInputBuilder::default()
        .cluster(cluster)
        .task_definition(&common.name)
        .count(small(batch.count))
        .client_token(&batch.token)
        .started_by(match common.role {
            Role::Worker { .. } => tags::started_by(&common.job),
            Role::Controller { .. } => tags::started_by_user(&common.job),
        })
        .set_tags(Some(ecs_tags(&common.tags)));
    let public = if ecs.assign_public_ip { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled };
    let network = |public: Option<AssignPublicIp>| {
        #[expect(clippy::expect_used, reason = "build fails only without subnets, which are set")]
        let vpc = AwsVpcConfiguration::builder()
            .set_subnets(Some(ecs.subnets.clone()))
            .set_security_groups(Some(ecs.security_groups.clone()).filter(|g| !g.is_empty()))
            .set_assign_public_ip(public)
            .build()
            .expect("subnets are set");
        NetworkConfiguration::builder().awsvpc_configuration(vpc).build()
    };
    match kind {
        TaskSettings::Fargate(fargate) => {
            let request =
                request.network_configuration(network(Some(public))).platform_version(&fargate.platform_version);
            if batch.spot {
                request.capacity_provider_strategy(spot())
            } else {
                request.launch_type(LaunchType::Fargate)
            }
        }
        TaskSettings::Ec2(ec2) => {
            let spread = PlacementStrategy::builder().r#type(PlacementStrategyType::Spread).field("instanceId").build();
            let request = request.launch_type(LaunchType::Ec2).placement_strategy(spread);
            // In a cluster of the user's own there may be other instances, with other work.
            let ours = PlacementConstraint::builder().r#type(PlacementConstraintType::MemberOf).expression(format!(
                "attribute:{} == {}",
                tags::ATTRIBUTE,
                tags::started_by(&common.job)
            ));
            let request = request.placement_constraints(ours.build());
            let request = request.set_overrides(batch.memory.map(|mib| reserved(&common.role, mib)));
            match ec2.network_mode {
                spec::NetworkMode::Host => request,
                spec::NetworkMode::Awsvpc => request.network_configuration(network(None)),
            }
        }
    }
}

/// So much memory instead of the task definition's, MiB.
fn reserved(role: &Role, mib: u32) -> TaskOverride {
    let container = ContainerOverride::builder().name(role.container()).memory_reservation(small(mib));
    TaskOverride::builder().container_overrides(container.build()).build()
}

fn spot() -> CapacityProviderStrategyItem {
    #[expect(clippy::expect_used, reason = "build fails only without a provider, which is set")]
    CapacityProviderStrategyItem::builder()
        .capacity_provider("FARGATE_SPOT")
        .weight(1)
        .build()
        .expect("a provider is set")
}

fn ecs_tags(tags: &IndexMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// A number of the job file, all of which are far below 2³¹, as the SDK wants it.
fn small(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fargate() -> spec::Fargate {
        toml::from_str(
            r#"image = "img:1"
            task_role_arn = "arn:aws:iam::1:role/t"
            execution_role_arn = "arn:aws:iam::1:role/e"
            subnets = ["subnet-a", "subnet-b"]
            security_groups = ["sg-1"]
            assign_public_ip = true
            log_group = "/w"
            cpu = 2048
            memory = 8192
            ephemeral_storage_gib = 50"#,
        )
        .unwrap()
    }

    fn ec2() -> spec::Ec2 {
        toml::from_str(
            r#"image = "img:1"
            task_role_arn = "arn:aws:iam::1:role/t"
            subnets = ["subnet-a"]
            cpu_architecture = "ARM64"
            instance_count = 2
            instance_types = ["c7g.large"]
            instance_profile_arn = "arn:aws:iam::1:instance-profile/p"
            memory_reservation = 1500"#,
        )
        .unwrap()
    }

    fn common() -> Common {
        Common {
            job: "j1".into(),
            name: "tilefn-j1".into(),
            tags: IndexMap::from([("tilefn:job".to_owned(), "j1".to_owned())]),
            role: Role::Worker { ticket: "s3://b/tilefn/jobs/j1/ticket.json".into() },
            region: "eu-west-1".into(),
            s3: toml::from_str("bucket = 'b'").unwrap(),
            threads: Some(2),
        }
    }

    #[test]
    fn a_fargate_task_definition_has_every_setting() {
        let it = task_definition(&TaskSettings::Fargate(fargate()), &common()).build().unwrap();
        assert_eq!((it.family(), it.cpu(), it.memory()), (Some("tilefn-j1"), Some("2048"), Some("8192")));
        assert_eq!(it.network_mode(), Some(&NetworkMode::Awsvpc));
        assert_eq!(it.requires_compatibilities(), [Compatibility::Fargate]);
        assert_eq!(it.ephemeral_storage().unwrap().size_in_gib(), 50);
        assert_eq!(it.execution_role_arn(), Some("arn:aws:iam::1:role/e"));
        assert_eq!(it.runtime_platform().unwrap().cpu_architecture(), Some(&CpuArchitecture::X8664));
        let container = &it.container_definitions()[0];
        assert_eq!(
            container.command(),
            ["worker", "--ticket", "s3://b/tilefn/jobs/j1/ticket.json", "--kind", "fargate", "--threads", "2"]
        );
        assert_eq!(container.stop_timeout(), Some(120));
        assert_eq!(container.readonly_root_filesystem(), Some(true));
        assert_eq!(container.linux_parameters().unwrap().capabilities().unwrap().drop(), ["ALL"]);
        let mount = &container.mount_points()[0];
        assert_eq!((mount.container_path(), mount.source_volume()), (Some("/tmp"), it.volumes()[0].name()));
        assert_eq!(container.memory(), Some(8192));
        let log = container.log_configuration().unwrap().options().unwrap();
        assert_eq!((log["awslogs-group"].as_str(), log["awslogs-region"].as_str()), ("/w", "eu-west-1"));
        assert_eq!(log["mode"], "non-blocking");
        let variables: Vec<_> =
            container.environment().iter().map(|v| (v.name().unwrap(), v.value().unwrap())).collect();
        assert_eq!(variables, [("AWS_REGION", "eu-west-1")]);
    }

    #[test]
    fn an_ec2_task_definition_reserves_memory_and_uses_the_hosts_network() {
        let it = task_definition(&TaskSettings::Ec2(ec2()), &common()).build().unwrap();
        assert_eq!((it.cpu(), it.memory()), (None, None));
        assert_eq!(it.network_mode(), Some(&NetworkMode::Host));
        assert_eq!(it.runtime_platform().unwrap().cpu_architecture(), Some(&CpuArchitecture::Arm64));
        let container = &it.container_definitions()[0];
        assert_eq!((container.memory(), container.memory_reservation()), (None, Some(1500)));
        assert!(container.log_configuration().is_none());
    }

    #[test]
    fn spot_is_a_capacity_provider_and_never_a_launch_type() {
        let batch = |spot| Batch { token: "t".into(), count: 10, spot, memory: None };
        let kind = TaskSettings::Fargate(fargate());
        let it = run_task(&kind, &common(), "c", &batch(true)).build().unwrap();
        assert_eq!(it.launch_type(), None);
        assert_eq!(it.capacity_provider_strategy()[0].capacity_provider(), "FARGATE_SPOT");
        let it = run_task(&kind, &common(), "c", &batch(false)).build().unwrap();
        assert_eq!(it.launch_type(), Some(&LaunchType::Fargate));
        assert!(it.capacity_provider_strategy().is_empty());
        assert_eq!((it.count(), it.client_token(), it.started_by()), (Some(10), Some("t"), Some("tilefn-j1")));
        let vpc = it.network_configuration().unwrap().awsvpc_configuration().unwrap();
        assert_eq!(vpc.subnets(), ["subnet-a", "subnet-b"]);
        assert_eq!(vpc.assign_public_ip(), Some(&AssignPublicIp::Enabled));
        assert!(it.overrides().is_none(), "nothing secret can be in them");
    }

    #[test]
    fn tasks_on_ec2_have_no_network_of_their_own_unless_asked() {
        let batch = Batch { token: "t".into(), count: 3, spot: true, memory: None };
        let it = run_task(&TaskSettings::Ec2(ec2()), &common(), "c", &batch).build().unwrap();
        assert!(it.network_configuration().is_none() && it.platform_version().is_none());
        assert_eq!(it.launch_type(), Some(&LaunchType::Ec2));
        assert_eq!(it.placement_constraints()[0].expression(), Some("attribute:tilefn.job == tilefn-j1"));
        let own = spec::Ec2 { network_mode: spec::NetworkMode::Awsvpc, ..ec2() };
        let it = run_task(&TaskSettings::Ec2(own), &common(), "c", &batch).build().unwrap();
        let vpc = it.network_configuration().unwrap().awsvpc_configuration().unwrap().clone();
        assert_eq!(vpc.assign_public_ip(), None, "ECS refuses it on EC2");
    }
}
