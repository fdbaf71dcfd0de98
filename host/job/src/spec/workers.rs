//! Who runs the tiles: workers on this machine, elsewhere, or on AWS ECS.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use types::WorkerKind;

use super::InstanceType;
use super::names::{CpuArchitecture, NetworkMode, Reads, Spot};
use super::texts::{path, tags};
use crate::units::Time;

/// Who runs the tiles. The sections of kinds other than `kind` are checked but not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Workers {
    /// Who starts the workers, and where.
    pub kind: WorkerKind,
    /// Number of workers. Default for `threads` and `processes`: the number of cores; for `ec2`: one for each instance. Needed for `fargate`, unused for `external`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    #[schemars(extend("x-expected" = "a number of workers"))]
    pub count: Option<u32>,
    /// Fewest workers to go on with: the job fails when AWS can't give as many. Work starts with the first all the same.
    #[schemars(range(min = 1, max = 10_000))]
    #[schemars(extend("x-expected" = "a number of workers"))]
    pub min_count: u32,
    /// Compute threads in each worker. Default: the worker's number of cores; for `threads` and `processes` 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_024))]
    #[schemars(extend("x-expected" = "a number of threads"))]
    pub threads: Option<u32>,
    /// Who reads the inputs: the controller, which sends the pixels, or each worker by itself.
    pub reads: Reads,
    /// A tile that fails this often for infrastructure reasons fails the job. The function's own errors are never retried.
    #[schemars(range(min = 1, max = 100))]
    #[schemars(extend("x-expected" = "a number of attempts"))]
    pub max_attempts: u32,
    /// A worker that has not connected after this time is replaced.
    #[schemars(extend("x-range" = ["1s", "24h"]))]
    pub start_timeout: Time,
    /// How often controller and workers send at least a sign of life; one that is silent for two and a half times as long counts as lost.
    #[schemars(extend("x-range" = ["100ms", "60s"]))]
    pub heartbeat: Time,
    /// Address and port on which the controller listens for remote workers. Default: every address, any free port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "0.0.0.0:7400", extend("x-format" = "address:port"))]
    #[schemars(extend("x-expected" = "an address and port such as \"0.0.0.0:7400\""))]
    pub listen: Option<String>,
    /// Address, or address and port, under which workers reach the controller. Default: this machine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "10.0.1.17:7400", extend("x-format" = "address"))]
    #[schemars(extend("x-expected" = "an address such as \"10.0.1.17\" or \"10.0.1.17:7400\""))]
    pub advertise: Option<String>,
    /// For `external`: the file to which the ticket is written that each worker is started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "path", example = "job.ticket")]
    pub ticket: Option<String>,
    /// Where module and ticket lie for the workers; needed for `fargate` and `ec2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// Workers as AWS ECS tasks with Fargate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fargate: Option<Fargate>,
    /// Workers as AWS ECS tasks on EC2 instances started for the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ec2: Option<Ec2>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            kind: WorkerKind::Threads,
            count: None,
            min_count: 1,
            threads: None,
            reads: Reads::Controller,
            max_attempts: 4,
            start_timeout: Time::seconds(300),
            heartbeat: Time::seconds(2),
            listen: None,
            advertise: None,
            ticket: None,
            s3: None,
            fargate: None,
            ec2: None,
        }
    }
}

impl Workers {
    /// The settings for ECS tasks of this job's kind of workers.
    pub fn ecs(&self) -> Option<&Ecs> {
        match self.kind {
            WorkerKind::Fargate => self.fargate.as_ref().map(|f| &f.ecs),
            WorkerKind::Ec2 => self.ec2.as_ref().map(|e| &e.ecs),
            _ => None,
        }
    }

    /// Number of workers on AWS: on instances of the job's own one each, unless the job file says otherwise.
    pub fn tasks(&self) -> Option<u32> {
        let instances = self.ec2.as_ref().filter(|_| self.kind == WorkerKind::Ec2).map(|ec2| ec2.instance_count);
        self.count.or(instances)
    }
}

/// Where in S3 module and ticket lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct S3 {
    /// The bucket's name.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), example = "my-bucket")]
    #[schemars(extend("x-expected" = "a bucket's name (3 to 63 lower-case letters, digits, dots and hyphens)"))]
    pub bucket: String,
    /// What every key starts with: `modules/` and `jobs/` follow.
    #[serde(default = "prefix")]
    #[schemars(regex(pattern = "^([^/]|$)"))]
    #[schemars(extend("x-expected" = "what keys start with, such as \"tilefn/\" (no \"/\" in front)"))]
    pub prefix: String,
    /// The bucket's region. Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "ap-southeast-2")]
    pub region: Option<String>,
    /// URL of another S3-compatible service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?://."), example = "https://minio.example.org")]
    #[schemars(extend("x-expected" = "a URL such as \"https://minio.example.org\""))]
    pub endpoint: Option<String>,
}

impl S3 {
    /// A bucket with the defaults for all else.
    pub fn new(bucket: &str) -> Self {
        Self { bucket: bucket.to_owned(), prefix: prefix(), region: None, endpoint: None }
    }
}

fn prefix() -> String {
    "tilefn/".to_owned()
}

/// Settings that both ways of running ECS tasks share, in ECS's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ecs {
    /// Part of the name and tags of everything made for the job. Default: the function's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"), example = "ndvi-2024")]
    #[schemars(extend("x-expected" = "a name of at most 64 letters, digits, \"-\" and \"_\" that starts with a letter"))]
    pub job_name: Option<String>,
    /// AWS region. Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "ap-southeast-2")]
    pub region: Option<String>,
    /// Name or ARN of an existing cluster. Default: one made for the job and deleted after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub cluster: Option<String>,
    /// URI of the generic worker's container image.
    #[schemars(length(min = 1), example = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tilefn-worker:0.1.0")]
    pub image: String,
    /// Role of the worker itself: it reads the ticket, and the inputs if `reads = "worker"`.
    #[schemars(regex(pattern = "^arn:.*:role/."), example = "arn:aws:iam::123456789012:role/tilefn-task")]
    #[schemars(extend("x-expected" = "a role's ARN such as \"arn:aws:iam::123456789012:role/NAME\""))]
    pub task_role_arn: String,
    /// Role with which ECS pulls the image and writes the log. Needed for an ECR image or a log group on Fargate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^arn:.*:role/."))]
    #[schemars(extend("x-expected" = "a role's ARN such as \"arn:aws:iam::123456789012:role/NAME\""))]
    pub execution_role_arn: Option<String>,
    /// Subnets to start in, best in several availability zones.
    #[schemars(length(min = 1), inner(regex(pattern = "^subnet-.")), example = ["subnet-0a1b2c3d", "subnet-4e5f6a7b"])]
    #[schemars(extend("x-expected" = "a list of subnets", "x-item" = "an id such as \"subnet-0a1b2c3d\""))]
    pub subnets: Vec<String>,
    /// Security groups. Default: the VPC's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1), inner(regex(pattern = "^sg-.")), example = ["sg-0a1b2c3d"])]
    #[schemars(extend("x-expected" = "a list of security groups", "x-item" = "an id such as \"sg-0a1b2c3d\""))]
    pub security_groups: Vec<String>,
    /// Give workers a public IP address: needed in a public subnet, where there is no NAT gateway. On EC2 the instance gets it.
    #[serde(default)]
    pub assign_public_ip: bool,
    /// Processors of the workers. Default: X86_64 on Fargate, those of the instance types on EC2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<CpuArchitecture>,
    /// Whether to use Spot capacity.
    #[serde(default)]
    pub spot: Spot,
    /// Existing CloudWatch log group for the workers' logs. Default: none are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), example = "/tilefn/workers")]
    pub log_group: Option<String>,
    /// USD for an hour of one task (Fargate) or instance (EC2), for the estimate of `--dry-run`. Default: Fargate's list price, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), example = 0.12)]
    #[schemars(extend("x-beyond" = "a price of at least 0"))]
    pub hourly_price: Option<f64>,
    /// Tags for everything made for the job.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(schema_with = "tags")]
    pub tags: IndexMap<String, String>,
}

/// Workers as AWS ECS tasks with Fargate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Fargate {
    /// What both ways of running ECS tasks share.
    #[serde(flatten)]
    pub ecs: Ecs,
    /// CPU units of each task; 1024 are one vCPU.
    #[serde(default = "one_vcpu")]
    #[schemars(schema_with = "fargate_cpu")]
    pub cpu: u32,
    /// Memory of each task. Only AWS's pairs of cpu and memory work.
    #[serde(default = "four_gb")]
    pub memory: FargateMemory,
    /// Fargate platform version.
    #[serde(default = "latest")]
    // Earlier ones lack ARM64, large sizes and more disk, and AWS is retiring them.
    #[schemars(regex(pattern = r"^(LATEST|1\.([4-9]|\d{2,})\.\d+|([2-9]|\d{2,})\.\d+\.\d+)$"))]
    #[schemars(extend("x-expected" = "\"LATEST\" or a version from \"1.4.0\" on"))]
    pub platform_version: String,
    /// Disk of each task in GiB. Default: Fargate's 20, which cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 21, max = 200))]
    #[schemars(extend("x-expected" = "a number of GiB"))]
    pub ephemeral_storage_gib: Option<u32>,
    /// Role of the controller, when it runs on AWS too: needed for `tilefn submit --detach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^arn:.*:role/."), example = "arn:aws:iam::123456789012:role/tilefn-controller")]
    #[schemars(extend("x-expected" = "a role's ARN such as \"arn:aws:iam::123456789012:role/NAME\""))]
    pub controller_role_arn: Option<String>,
}

fn one_vcpu() -> u32 {
    1024
}

impl Fargate {
    /// CPU units in ECS's own text forms, `"2 vCPU"` and `"2048"`.
    pub fn cpu_units(text: &str) -> Option<u32> {
        let text = text.trim().to_ascii_lowercase();
        let units = match text.strip_suffix("vcpu").map(str::trim_end) {
            Some(".25" | "0.25") => Some(256),
            Some(".5" | "0.5") => Some(512),
            Some(vcpus) => vcpus.parse::<u32>().ok()?.checked_mul(1024),
            None => text.parse().ok(),
        };
        units.filter(|units| CPU_UNITS.contains(units))
    }
}

/// Fargate's sizes.
const CPU_UNITS: [u32; 7] = [256, 512, 1024, 2048, 4096, 8192, 16384];

fn fargate_cpu(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "CPU units of each task; 1024 are one vCPU. As a number, or in ECS's own text form.",
        "anyOf": [
            { "type": "integer", "enum": CPU_UNITS },
            { "type": "string", "pattern": r"^\s*((0?\.25|0?\.5|[0-9]+)\s*[vV][cC][pP][uU]|[0-9]+)\s*$" },
        ],
        "default": 1024,
        "examples": [1024, "2 vCPU"],
        "x-format": "fargate cpu",
        "x-expected": "CPU units, one of 256, 512, 1024 (one vCPU), 2048, 4096, 8192, 16384, or such as \"2 vCPU\"",
    })
}

fn four_gb() -> FargateMemory {
    FargateMemory(4096)
}

fn latest() -> String {
    "LATEST".to_owned()
}

/// Memory of a Fargate task in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FargateMemory(pub u32);

impl FargateMemory {
    /// Reads ECS's own form, `"4GB"`; its GB is 1024 MiB.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let number = text.strip_suffix("GB").or_else(|| text.strip_suffix("GIB"))?;
        number.trim().parse::<u32>().ok()?.checked_mul(1024).map(Self)
    }
}

impl JsonSchema for FargateMemory {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FargateMemory".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "MiB as a number, or ECS's own text form, in which 1GB is 1024 MiB.",
            "anyOf": [
                { "type": "integer", "minimum": 512, "maximum": 122_880 },
                { "type": "string", "pattern": r"^\s*[0-9]+\s*[gG][iI]?[bB]\s*$" },
            ],
            "examples": ["4GB", 4096],
            "x-format": "fargate memory",
            "x-expected": "memory in MiB, or such as \"4GB\"",
        })
    }
}

/// Workers as AWS ECS tasks on EC2 instances started for the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Ec2 {
    /// What both ways of running ECS tasks share.
    #[serde(flatten)]
    pub ecs: Ecs,
    /// Number of instances.
    #[schemars(range(min = 1, max = 1_000), example = 4, extend("x-expected" = "a number of instances"))]
    pub instance_count: u32,
    /// Instance types, tried in this order.
    #[schemars(length(min = 1), inner(regex(pattern = r"^[a-z0-9-]+\.[a-z0-9-]+$")), example = ["c7i.2xlarge", "c6i.2xlarge"])]
    #[schemars(extend("x-expected" = "a list of instance types", "x-item" = "an instance type such as \"c7i.2xlarge\""))]
    pub instance_types: Vec<String>,
    /// Instance profile with which the ECS agent joins the cluster.
    #[schemars(
        regex(pattern = "^arn:.*:instance-profile/."),
        example = "arn:aws:iam::123456789012:instance-profile/ecsInstanceRole"
    )]
    #[schemars(extend("x-expected" = "an instance profile's ARN such as \"arn:aws:iam::123456789012:instance-profile/NAME\""))]
    pub instance_profile_arn: String,
    /// Machine image. Default: the newest ECS-optimised Amazon Linux 2023 for `cpu_architecture`, from SSM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^ami-."))]
    #[schemars(extend("x-expected" = "an id such as \"ami-0a1b2c3d\""))]
    pub ami: Option<String>,
    /// Memory in MiB that is reserved for each task. Default: all that an instance offers, shared by the workers on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 6, max = 33_554_432))]
    #[schemars(extend("x-expected" = "a number of MiB"))]
    pub memory_reservation: Option<u32>,
    /// How tasks reach the network.
    #[serde(default)]
    pub network_mode: NetworkMode,
    /// An instance shuts itself down and is terminated after this time, whatever became of the controller.
    #[serde(default = "one_day")]
    #[schemars(extend("x-range" = ["10m", "720h"]))]
    pub shutdown_after: Time,
}

impl Ec2 {
    /// Processors of the workers: as the job file says, else those of the instance types.
    pub fn architecture(&self) -> CpuArchitecture {
        let of_types = || self.types().next().map(|known| known.architecture);
        self.ecs.cpu_architecture.or_else(of_types).unwrap_or_default()
    }

    /// The instance types that are known by their names.
    pub fn types(&self) -> impl Iterator<Item = InstanceType> {
        self.instance_types.iter().filter_map(|name| InstanceType::of(name))
    }
}

fn one_day() -> Time {
    Time::seconds(86_400)
}
